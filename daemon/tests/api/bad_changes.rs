//! What is refused, with one sentence, and with nothing changed.

use crate::support::{Host, both, calm, configuration_path, request, with_json};
use axum::body::Body;
use axum::http::Method;
use serde_json::json;

/// Wrong types, units, bounds and shapes.
const BAD: &[&str] = &[
    "",
    "  \n ",
    "{}",
    "[]",
    "[60000, 60000]",
    "60000",
    "null",
    "\"20m\"",
    "{\"checkpointTimeout\": 60000",
    "{'checkpointTimeout': 60000}",
    r#"{"checkpointTimeout": "20m"}"#,
    r#"{"checkpointTimeout": "60000"}"#,
    r#"{"checkpointTimeout": 60000.0}"#,
    r#"{"checkpointTimeout": 60000.5}"#,
    r#"{"checkpointTimeout": 6e4}"#,
    r#"{"checkpointTimeout": true}"#,
    r#"{"checkpointTimeout": [60000]}"#,
    r#"{"checkpointTimeout": {"ms": 60000}}"#,
    r#"{"checkpointTimeout": -1}"#,
    r#"{"checkpointTimeout": 0}"#,
    r#"{"checkpointTimeout": 9}"#,
    r#"{"checkpointTimeout": 31536000001}"#,
    r#"{"checkpointTimeout": 18446744073709551616}"#,
    r#"{"checkpointInterval": 9}"#,
    r#"{"checkpointInterval": -1}"#,
    // The value that disables periodic checkpoints.
    r#"{"checkpointInterval": 9223372036854775807}"#,
    r#"{"checkpointTimeout": 60000, "checkpointTimeout": 60000}"#,
    r#"{"checkpointTimeout": 60000, "checkpointTimeout": 70000}"#,
    r#"{"checkpointTimeout": 60000, "timeout": 1}"#,
    r#"{"checkpointtimeout": 60000}"#,
    r#"{"checkpointTimeout": 60000} {}"#,
    r#"{"checkpointTimeout": 60000}x"#,
    r#"{"pullIn": true}"#,
    r#"{"reason": "why"}"#,
    r#"{"pullIn": true, "reason": "why"}"#,
    r#"{"checkpointInterval": 60000, "pullIn": 1}"#,
    r#"{"checkpointInterval": 60000, "pullIn": null}"#,
    r#"{"checkpointTimeout": 60000, "reason": 5}"#,
    r#"{"checkpointTimeout": 60000, "reason": "two\nlines"}"#,
    // One that is right does not help one that is wrong, whichever comes first.
    r#"{"checkpointInterval": 7200000, "checkpointTimeout": 9}"#,
    r#"{"checkpointTimeout": 9, "checkpointInterval": 7200000}"#,
    r#"{"checkpointInterval": 7200000, "checkpointTimeout": "1m"}"#,
    r#"{"checkpointInterval": 7200000, "checkpointTimeout": 1200000, "more": 1}"#,
    r#"{"checkpointInterval": null, "checkpointTimeout": 9}"#,
];

#[tokio::test(start_paused = true)]
async fn a_bad_body_is_400_and_nothing_changes() {
    let host = Host::new().await;
    host.run(&calm()).await;
    host.change("calm", &json!({"checkpointInterval": 5_400_000, "checkpointTimeout": 20_000})).await;
    host.trigger("calm").await;
    let before = host.until_acknowledged("calm", 1).await;
    let file = std::fs::read(host.overrides_file()).unwrap();
    let long = format!(r#"{{"checkpointTimeout": 60000, "reason": "{}"}}"#, "x".repeat(501));
    let path = configuration_path("calm");
    for body in BAD.iter().copied().chain([long.as_str()]) {
        for query in ["", "?dryRun=true"] {
            let answer = host.send(with_json(request(Method::PATCH, &format!("{path}{query}")), body)).await;
            answer.error(400);
        }
    }
    let after = host.configuration("calm").await;
    for form in ["override", "effective"] {
        assert_eq!(both(&after, form), both(&before, form));
    }
    assert_eq!(after["revision"], 1);
    assert_eq!(after["inFlight"][0]["id"], before["inFlight"][0]["id"]);
    assert_eq!(std::fs::read(host.overrides_file()).unwrap(), file);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_utf8_is_400() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let request =
        request(Method::PATCH, &configuration_path("calm")).header("content-type", "application/json");
    let body = Body::from(&b"{\"checkpointTimeout\": 60000, \"reason\": \"\xff\"}"[..]);
    host.send(request.body(body).unwrap()).await.error(400);
    assert_eq!(host.configuration("calm").await["revision"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_longest_reason_is_counted_in_characters() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    let longest = "長".repeat(500);
    host.change("calm", &json!({"checkpointTimeout": 60_000, "reason": longest})).await;
    assert_eq!(host.record(&id).unwrap().reason.unwrap(), longest);
    host.patch("calm", &json!({"checkpointTimeout": 70_000, "reason": format!("{longest}.")}))
        .await
        .error(400);
}

#[tokio::test(start_paused = true)]
async fn a_mistyped_query_is_400_and_never_a_real_change() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let path = configuration_path("calm");
    for query in [
        "dryrun=true",
        "dryRun=yes",
        "dryRun",
        "dryRun=",
        "dry-run=true",
        "dryRun=true&x=1",
        "dryRun=true&dryRun=false",
    ] {
        let path = format!("{path}?{query}");
        host.patch_to(&path, &json!({"checkpointTimeout": 20_000})).await.error(400);
        host.delete(&path).await.error(400);
    }
    assert_eq!(host.configuration("calm").await["revision"], 0);
    assert!(!host.overrides_file().exists());
    for query in ["mode=stop", "mode=", "Mode=cancel", "mode=cancel&x=1"] {
        let cancel = request(Method::PATCH, &format!("/jobs/calm?{query}"));
        host.send(cancel.body(Body::empty()).unwrap()).await.error(400);
    }
    assert_eq!(host.configuration("calm").await["state"], "RUNNING");
}
