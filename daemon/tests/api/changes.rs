//! What a change does to the values, revisions and the file.

use crate::support::{Host, both, calm, configuration_path, hanging, request, submitted, with_json};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

const FIELDS: [&str; 19] = [
    "schema",
    "cluster",
    "jobId",
    "name",
    "state",
    "revision",
    "stored",
    "applied",
    "overrideStatus",
    "checkpointInterval",
    "checkpointTimeout",
    "inFlight",
    "failures",
    "nextTrigger",
    "warnings",
    "via",
    "viaDetail",
    "stale",
    "observedAt",
];

/// Nothing is −1 or the huge number that stands for "never" elsewhere.
fn assert_no_sentinel(value: &Value) {
    match value {
        Value::Number(number) => {
            assert!(number.as_u64().is_some_and(|number| number < 1 << 53), "{number} stands for nothing");
        }
        Value::Array(inside) => inside.iter().for_each(assert_no_sentinel),
        Value::Object(inside) => inside.values().for_each(assert_no_sentinel),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_exactly_the_agreed_fields() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    host.trigger("calm").await;
    let seen = host.until_acknowledged("calm", 1).await;
    let changed = host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await;
    let dry_path = format!("{}?dryRun=true", configuration_path("calm"));
    let dry = host.patch_to(&dry_path, &json!({"checkpointTimeout": null})).await.json();
    for answer in [&seen, &changed, &dry] {
        assert_eq!(keys(answer), FIELDS, "{answer}");
        assert_eq!(answer["schema"], "ckpt/v1");
        assert_eq!(answer["cluster"], "hosted");
        assert_eq!(answer["jobId"], id);
        assert_eq!(answer["name"], "calm");
        assert_eq!(answer["state"], "RUNNING");
        assert_eq!(keys(&answer["checkpointInterval"]), ["submitted", "override", "effective"]);
        assert_eq!(keys(&answer["checkpointTimeout"]), ["submitted", "override", "effective"]);
        assert_eq!(keys(&answer["failures"]), ["consecutive", "tolerable"]);
        assert_eq!(answer["failures"]["tolerable"], 3);
        assert!(answer["observedAt"].as_u64().unwrap() > 1_600_000_000_000);
        assert_no_sentinel(answer);
    }
    let in_flight = ["id", "savepoint", "acknowledged", "subtasks", "elapsed", "remaining", "estimate"];
    assert_eq!(keys(&seen["inFlight"][0]), in_flight);
    let changes = [&in_flight[..], &["previousRemaining", "outcome"]].concat();
    assert_eq!(keys(&changed["inFlight"][0]), changes);
    assert_eq!(keys(&dry["inFlight"][0]), changes);
}

#[tokio::test(start_paused = true)]
async fn a_job_without_an_interval_says_null_and_no_sentinel() {
    let host = Host::new().await;
    host.run(&hanging()).await;
    let seen = host.configuration("hanging").await;
    assert_eq!(both(&seen, "submitted"), json!({"interval": null, "timeout": 3_600_000}));
    assert_eq!(both(&seen, "override"), json!({"interval": null, "timeout": null}));
    assert_eq!(both(&seen, "effective"), json!({"interval": null, "timeout": 3_600_000}));
    assert_eq!(seen["nextTrigger"], Value::Null);
    assert_eq!((&seen["revision"], &seen["applied"]), (&json!(0), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_given_changes_and_both_change_together() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    let changed = host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await;
    assert_eq!(both(&changed, "effective"), json!({"interval": 3_600_000, "timeout": 1_200_000}));
    assert_eq!(both(&changed, "override"), json!({"interval": null, "timeout": 1_200_000}));
    let changed = host.change(&id, &json!({"checkpointInterval": 7_200_000})).await;
    assert_eq!(both(&changed, "effective"), json!({"interval": 7_200_000, "timeout": 1_200_000}));
    let pair = json!({"checkpointInterval": 5_400_000, "checkpointTimeout": 10});
    let changed = host.change("calm", &pair).await;
    assert_eq!(both(&changed, "override"), json!({"interval": 5_400_000, "timeout": 10}));
    assert_eq!(both(&changed, "submitted"), submitted());
    assert_eq!(changed["revision"], 3);
    assert_eq!((&changed["stored"], &changed["applied"]), (&json!(true), &json!(true)));
    // Flink's own path shows what is in force, at once.
    let config = host.seen("/jobs/calm/checkpoints/config").await;
    assert_eq!((&config["interval"], &config["timeout"]), (&json!(5_400_000), &json!(10)));
}

#[tokio::test(start_paused = true)]
async fn the_bounds_themselves_are_taken() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let year = 31_536_000_000_u64;
    for (body, effective) in [
        (json!({"checkpointTimeout": 10}), json!({"interval": 3_600_000, "timeout": 10})),
        (
            json!({"checkpointTimeout": year, "checkpointInterval": year}),
            json!({"interval": year, "timeout": year}),
        ),
    ] {
        assert_eq!(both(&host.change("calm", &body).await, "effective"), effective);
    }
}

#[tokio::test(start_paused = true)]
async fn null_clears_one_override_and_delete_clears_both() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    host.change("calm", &json!({"checkpointInterval": 7_200_000, "checkpointTimeout": 1_200_000})).await;
    let cleared = host.change("calm", &json!({"checkpointTimeout": null})).await;
    assert_eq!(both(&cleared, "override"), json!({"interval": 7_200_000, "timeout": null}));
    assert_eq!(both(&cleared, "effective"), json!({"interval": 7_200_000, "timeout": 600_000}));
    host.change("calm", &json!({"checkpointTimeout": 20_000})).await;
    let cleared = host.delete(&configuration_path("calm")).await;
    assert_eq!(cleared.status, StatusCode::OK, "{}", cleared.body);
    assert_eq!(both(&cleared.json(), "effective"), submitted());
    assert_eq!(both(&cleared.json(), "override"), json!({"interval": null, "timeout": null}));
    assert_eq!(cleared.json()["revision"], 4, "a reset is a change");
    assert_eq!(host.record(&id).unwrap().revision, 4, "the revision is kept through the reset");
    let again = host.change("calm", &json!({"checkpointTimeout": 30_000})).await;
    assert_eq!(again["revision"], 5);
}

#[tokio::test(start_paused = true)]
async fn revisions_are_kept_through_resets_and_restarts() {
    let host = Host::new().await;
    host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 20_000})).await;
    host.delete(&configuration_path("calm")).await;
    let host = host.restarted().await;
    let seen = host.until_state("calm", "RUNNING").await;
    assert_eq!((&seen["revision"], both(&seen, "effective")), (&json!(2), submitted()));
    assert_eq!(host.change("calm", &json!({"checkpointTimeout": 20_000})).await["revision"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_changes_nothing_writes_nothing() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let path = configuration_path("calm");
    // Nothing to reset yet: not even a file is made.
    for answer in [host.delete(&path).await, host.patch("calm", &json!({"checkpointTimeout": null})).await] {
        assert_eq!((answer.status, answer.json()["revision"].as_u64()), (StatusCode::OK, Some(0)));
    }
    assert!(!host.overrides_file().exists());
    let first = json!({"checkpointTimeout": 20_000, "reason": "first"});
    host.change("calm", &first).await;
    let look = || {
        let file = std::fs::metadata(host.overrides_file()).unwrap();
        let inode = std::os::unix::fs::MetadataExt::ino(&file);
        (file.modified().unwrap(), inode, std::fs::read_to_string(host.overrides_file()).unwrap())
    };
    let before = look();
    for body in [
        first.clone(),
        json!({"checkpointTimeout": 20_000, "reason": "again"}),
        json!({"checkpointTimeout": 20_000, "checkpointInterval": null}),
        json!({"checkpointInterval": null}),
    ] {
        let answer = host.patch("calm", &body).await;
        assert_eq!(answer.header("etag"), Some("\"1\""));
        let answer = answer.json();
        assert_eq!(
            (&answer["revision"], &answer["stored"], &answer["applied"]),
            (&json!(1), &json!(true), &json!(true))
        );
        assert_eq!(look(), before, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_file_is_readable_and_holds_the_override_alone() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    let reason = "storage is slow, see \"ops\" 日本";
    host.change("calm", &json!({"checkpointTimeout": 1_200_000, "reason": reason})).await;
    let text = std::fs::read_to_string(host.overrides_file()).unwrap();
    assert!(text.lines().count() > 5, "one value a line: {text}");
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(keys(&file), ["schema", "$internal.job-checkpoint-overrides"]);
    let mut record = file["$internal.job-checkpoint-overrides"]["hosted"][&id].clone();
    assert!(record["changedAt"].take().as_u64().unwrap() > 1_600_000_000_000);
    assert_eq!(
        record,
        json!({"name": "calm", "revision": 1, "checkpointInterval": null, "checkpointTimeout": 1_200_000,
               "reason": reason, "changedAt": null})
    );
}

#[tokio::test(start_paused = true)]
async fn the_revision_is_the_etag_and_a_stale_condition_is_refused() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let path = configuration_path("calm");
    let change = |condition: &str, timeout: u64| {
        let request = request(Method::PATCH, &path).header("if-match", condition);
        host.send(with_json(request, &json!({"checkpointTimeout": timeout}).to_string()))
    };
    assert_eq!(host.get(&path).await.header("etag"), Some("\"0\""));
    let good = change("\"0\"", 20_000).await;
    assert_eq!((good.status, good.header("etag")), (StatusCode::OK, Some("\"1\"")));
    let stale = change("\"0\"", 30_000).await.error(412);
    assert!(stale.contains('1'), "it names the revision: {stale}");
    // A tag that was never given out, and a weak one, match nothing.
    for condition in ["\"7\"", "\"abc\"", "W/\"1\""] {
        change(condition, 30_000).await.error(412);
    }
    for condition in ["abc", "\"1", "\"1\", \"2\"", "-1", ""] {
        change(condition, 30_000).await.error(400);
    }
    // A stale condition is refused even where nothing would change, and for a dry run and a reset.
    change("\"0\"", 20_000).await.error(412);
    let dry = request(Method::PATCH, &format!("{path}?dryRun=true")).header("if-match", "\"0\"");
    host.send(with_json(dry, r#"{"checkpointTimeout": 30000}"#)).await.error(412);
    let reset = request(Method::DELETE, &path).header("if-match", "\"0\"");
    host.send(reset.body(axum::body::Body::empty()).unwrap()).await.error(412);
    let seen = host.configuration("calm").await;
    assert_eq!((&seen["revision"], &seen["checkpointTimeout"]["effective"]), (&json!(1), &json!(20_000)));
    assert_eq!(change("*", 30_000).await.json()["revision"], 2);
    assert_eq!(change("2", 40_000).await.json()["revision"], 3, "without quotation marks");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let dry = format!("{}?dryRun=true", configuration_path("calm"));
    let answer = host.patch_to(&dry, &json!({"checkpointTimeout": 20_000})).await;
    assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, Some("\"0\"")));
    let answer = answer.json();
    assert_eq!(both(&answer, "effective"), json!({"interval": 3_600_000, "timeout": 20_000}));
    assert_eq!(
        (&answer["revision"], &answer["stored"], &answer["applied"]),
        (&json!(0), &json!(false), &json!(false))
    );
    assert!(!host.overrides_file().exists());
    host.change("calm", &json!({"checkpointTimeout": 30_000})).await;
    let answer = host.delete(&dry).await.json();
    assert_eq!((both(&answer, "effective"), &answer["revision"]), (submitted(), &json!(1)));
    let seen = host.configuration("calm").await;
    assert_eq!((&seen["checkpointTimeout"]["effective"], &seen["revision"]), (&json!(30_000), &json!(1)));
    // `false` is a real change.
    let real = format!("{}?dryRun=false", configuration_path("calm"));
    assert_eq!(host.patch_to(&real, &json!({"checkpointTimeout": 40_000})).await.json()["revision"], 2);
}

#[tokio::test(start_paused = true)]
async fn every_job_is_listed_and_ended_ones_on_request() {
    let host = Host::new().await;
    assert_eq!(
        host.seen("/checkpoints/configuration").await,
        json!({"schema": "ckpt/v1", "jobs": [], "clusters": [], "pauses": []})
    );
    host.run(&calm()).await;
    host.run(&hanging()).await;
    host.cancelled("hanging").await;
    let names = |list: &Value| -> Vec<String> {
        let jobs = list["jobs"].as_array().unwrap();
        jobs.iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    };
    let list = host.seen("/checkpoints/configuration").await;
    assert_eq!(names(&list), ["calm"]);
    assert_eq!(keys(&list["jobs"][0]), FIELDS);
    assert_eq!(names(&host.seen("/v1/checkpoints/configuration?all=true").await), ["calm", "hanging"]);
    host.get("/checkpoints/configuration?All=true").await.error(400);
}
