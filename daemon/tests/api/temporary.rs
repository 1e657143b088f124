//! Overrides that end by themselves. The wall clock goes with tokio's, which is paused: hours pass at once.

use crate::support::{Host, both, calm, configuration_path, hanging, request, submitted, with_json};
use axum::http::{Method, StatusCode};
use ckpt_clock::{simulate_wall_clock, wall_millis};
use ckptd::flink::Settings;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const NOW: u64 = 1_790_000_000_000;
const HOUR: u64 = 3_600_000;

async fn calm_host() -> (Host, String) {
    simulate_wall_clock(NOW);
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    (host, id)
}

fn timeout_of(configuration: &Value) -> (Option<u64>, Option<u64>) {
    let timeout = &configuration["checkpointTimeout"];
    (timeout["override"].as_u64(), timeout["effective"].as_u64())
}

async fn hours(hours: u64) {
    sleep(Duration::from_secs(3_600 * hours)).await;
}

#[tokio::test(start_paused = true)]
async fn an_override_says_who_why_since_when_until_when_and_what_comes_then() {
    let (host, _) = calm_host().await;
    let change =
        request(Method::PATCH, &configuration_path("calm")).header("ckpt-by", "ada@laptop 日本".as_bytes());
    let body = json!({"checkpointTimeout": 1_200_000, "for": 4 * HOUR, "reason": "S3 is slow"});
    let answer = host.send(with_json(change, &body.to_string())).await;
    let since = wall_millis();
    for shown in [answer.json(), host.configuration("calm").await] {
        let origin = &shown["checkpointTimeout"]["origin"];
        assert_eq!(origin["by"], "ada@laptop 日本");
        assert_eq!(origin["reason"], "S3 is slow");
        let began = origin["since"].as_u64().unwrap();
        assert!((NOW..=since).contains(&began), "{origin}");
        assert_eq!(origin["until"], began + 4 * HOUR);
        assert_eq!(origin["afterwards"], 600_000);
        assert_eq!(shown["checkpointInterval"]["origin"], Value::Null);
    }
    // One that does not end has nothing that comes after it.
    let lasting = host.change("calm", &json!({"checkpointTimeout": 900_000})).await;
    let origin = &lasting["checkpointTimeout"]["origin"];
    assert_eq!(
        (&origin["until"], &origin["afterwards"], &origin["by"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn when_its_time_is_up_what_was_before_applies_again_and_it_counts_as_a_change() {
    let (host, id) = calm_host().await;
    host.change("calm", &json!({"checkpointTimeout": 900_000})).await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000, "for": 4 * HOUR})).await;
    let dearest = host.change("calm", &json!({"checkpointTimeout": 1_500_000, "for": HOUR})).await;
    assert_eq!(dearest["checkpointTimeout"]["origin"]["afterwards"], 1_200_000);
    sleep(Duration::from_secs(3_590)).await;
    let shown = host.configuration("calm").await;
    assert_eq!((timeout_of(&shown), &shown["revision"]), ((Some(1_500_000), Some(1_500_000)), &json!(3)));
    sleep(Duration::from_secs(20)).await;
    let shown = host.until_configuration("calm", |seen| seen["revision"] == 4).await;
    assert_eq!(timeout_of(&shown), (Some(1_200_000), Some(1_200_000)));
    assert_eq!(shown["applied"], true);
    hours(4).await;
    let shown = host.until_configuration("calm", |seen| seen["revision"] == 5).await;
    assert_eq!(timeout_of(&shown), (Some(900_000), Some(900_000)));
    assert_eq!(host.record(&id).unwrap().next_end(), None, "on disk as well");
    hours(10).await;
    assert_eq!(host.configuration("calm").await["revision"], 5);
    // A change that was meant for what it was before is stale.
    let stale = request(Method::PATCH, &configuration_path("calm")).header("if-match", "\"4\"");
    host.send(with_json(stale, r#"{"checkpointTimeout": 60000}"#)).await.error(412);
}

#[tokio::test(start_paused = true)]
async fn both_values_end_on_their_own_and_together_in_one_step() {
    let (host, _) = calm_host().await;
    host.change(
        "calm",
        &json!({"checkpointInterval": 7_200_000, "checkpointTimeout": 1_200_000, "for": HOUR}),
    )
    .await;
    hours(2).await;
    let shown = host.until_configuration("calm", |seen| seen["revision"] == 2).await;
    assert_eq!(both(&shown, "effective"), submitted());
    host.change("calm", &json!({"checkpointInterval": 7_200_000, "for": HOUR})).await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await;
    hours(2).await;
    let shown = host.until_configuration("calm", |seen| seen["revision"] == 5).await;
    assert_eq!(both(&shown, "override"), json!({"interval": null, "timeout": 1_200_000}));
}

#[tokio::test(start_paused = true)]
async fn a_reset_ends_all_that_lies_on_each_other_early() {
    let (host, _) = calm_host().await;
    host.change("calm", &json!({"checkpointTimeout": 900_000, "for": 4 * HOUR})).await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000, "for": HOUR})).await;
    let reset = host.delete(&configuration_path("calm")).await.json();
    assert_eq!(both(&reset, "override"), json!({"interval": null, "timeout": null}));
    hours(10).await;
    let shown = host.configuration("calm").await;
    assert_eq!((both(&shown, "effective"), &shown["revision"]), (submitted(), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn what_ended_while_ckptd_was_away_is_never_in_force_again() {
    let (host, id) = calm_host().await;
    host.change("calm", &json!({"checkpointTimeout": 900_000})).await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000, "for": HOUR})).await;
    // The machine was off: its monotonic clock did not go on.
    simulate_wall_clock(NOW + 5 * HOUR);
    let host = host.restarted().await;
    let shown = host.configuration("calm").await;
    assert_eq!(timeout_of(&shown).0, Some(900_000), "before anybody has looked");
    let shown =
        host.until_configuration("calm", |seen| seen["revision"] == 3 && seen["applied"] == true).await;
    assert_eq!(timeout_of(&shown), (Some(900_000), Some(900_000)));
    assert_eq!(host.record(&id).unwrap().next_end(), None, "on disk as well");
    let ended = |audit: &Value| {
        let ended = &audit["entries"][0];
        ended["action"] == "expire" && ended["outcome"]["result"].is_string()
    };
    let audit = host.until("/audit", ended).await;
    assert_eq!(audit["entries"].as_array().unwrap().len(), 3, "{audit:#}");
    // Another start finds nothing to do.
    let host = host.restarted().await;
    host.until_state("calm", "RUNNING").await;
    assert_eq!(host.configuration("calm").await["revision"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_an_end_is_tried_again_and_fills_no_audit_log() {
    let (host, id) = calm_host().await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000, "for": HOUR})).await;
    let (file, aside) = (host.overrides_file(), host.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    // No file can take the place of a directory.
    std::fs::create_dir(&file).unwrap();
    sleep(Duration::from_millis(HOUR + 60_000)).await;
    assert_eq!(host.record(&id).unwrap().revision, 1);
    let shown = host.configuration("calm").await;
    assert_eq!(timeout_of(&shown), (None, Some(600_000)), "it does not go on to hold");
    let warning = shown["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("the time of an override was up 1m ago"), "{warning}");
    let results = |audit: &Value| -> Vec<_> {
        let entries = audit["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["outcome"]["result"].clone()).collect()
    };
    assert_eq!(results(&host.seen("/audit").await), ["refused", "applied"], "one try of many");
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    host.until_configuration("calm", |seen| seen["revision"] == 2).await;
    let audit = host.until("/audit", |audit| audit["entries"][0]["outcome"]["result"] == "applied").await;
    assert_eq!(results(&audit), ["applied", "refused", "applied"], "{audit:#}");
    assert_eq!(audit["entries"][0]["timeout"], json!({"from": 1_200_000, "to": null}));
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_is_noticed() {
    let (host, _) = calm_host().await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000, "for": 4 * HOUR})).await;
    sleep(Duration::from_secs(1)).await;
    simulate_wall_clock(NOW + 4 * HOUR + 1_000);
    sleep(Duration::from_secs(60)).await;
    let shown = host.until_configuration("calm", |seen| seen["revision"] == 2).await;
    assert_eq!(both(&shown, "effective"), submitted());
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_has_used_up_what_comes_then_expires_and_was_warned_of() {
    simulate_wall_clock(NOW);
    let host = Host::new().await;
    host.run(&hanging()).await;
    host.change("hanging", &json!({"checkpointTimeout": 60_000})).await;
    host.change("hanging", &json!({"checkpointTimeout": HOUR, "for": 240_000})).await;
    host.trigger("hanging").await;
    let shown = host.until_acknowledged("hanging", 1).await;
    let warning = shown["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("checkpoint 1 in flight would expire when the override ends in "),
        "{warning}"
    );
    assert!(warning.contains("as the timeout is 1m then"), "{warning}");
    sleep(Duration::from_secs(250)).await;
    let over = host.until_over("hanging", 1).await;
    assert_eq!(over["failure_message"], "Checkpoint expired before completing.");
    let took = over["failure_timestamp"].as_u64().unwrap() - over["trigger_timestamp"].as_u64().unwrap();
    assert!((200_000..250_000).contains(&took), "when it ended, not after the minute: {took}");
}

#[tokio::test(start_paused = true)]
async fn who_follows_the_events_is_told_and_the_log_of_changes_too() {
    let (host, id) = calm_host().await;
    let mut events = host.registry.resolve("calm").unwrap().subscribe().events;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000, "for": HOUR, "reason": "slow"})).await;
    hours(2).await;
    host.until_configuration("calm", |seen| seen["revision"] == 2).await;
    let mut configured = Vec::new();
    while let Ok(event) = events.try_recv() {
        let event = serde_json::to_value(event).unwrap();
        if event["event"] == "configured" {
            configured.push((event["revision"].as_u64(), event["checkpointTimeout"].as_u64()));
        }
    }
    assert_eq!(configured, [(Some(1), Some(1_200_000)), (Some(2), Some(600_000))]);
    let audit = host.until("/audit", |audit| audit["entries"][0]["outcome"]["result"] == "applied").await;
    let ended = &audit["entries"][0];
    assert_eq!(
        (&ended["action"], &ended["jobId"], &ended["revision"]),
        (&json!("expire"), &json!(id), &json!(2))
    );
    assert_eq!((&ended["by"], &ended["reason"]), (&Value::Null, &json!("slow")));
    assert_eq!(ended["timeout"]["from"], 1_200_000);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_says_is_as_configured_and_null_is_for_ever() {
    simulate_wall_clock(NOW);
    let home = tempfile::tempdir().unwrap();
    let host = Host::configured(home, Settings::default(), "[overrides]\ndefault-for = '4h'\n").await;
    host.run(&calm()).await;
    let shown = host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await;
    let origin = &shown["checkpointTimeout"]["origin"];
    assert_eq!(origin["until"].as_u64().unwrap() - origin["since"].as_u64().unwrap(), 4 * HOUR);
    let shown = host.change("calm", &json!({"checkpointTimeout": 900_000, "for": null})).await;
    assert_eq!(shown["checkpointTimeout"]["origin"]["until"], Value::Null);
    hours(10).await;
    assert_eq!(timeout_of(&host.configuration("calm").await), (Some(900_000), Some(900_000)));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_until_when_and_stores_nothing() {
    let (host, id) = calm_host().await;
    let path = format!("{}?dryRun=true", configuration_path("calm"));
    let shown = host.patch_to(&path, &json!({"checkpointTimeout": 1_200_000, "for": HOUR})).await.json();
    assert_eq!((&shown["stored"], &shown["revision"]), (&json!(false), &json!(0)));
    assert_eq!(shown["checkpointTimeout"]["origin"]["afterwards"], 600_000);
    assert_eq!(host.record(&id), None);
    assert_eq!(host.seen("/audit").await["entries"], json!([]), "nobody did anything");
}

#[tokio::test(start_paused = true)]
async fn a_ninth_temporary_override_on_top_of_the_others_is_refused() {
    let (host, _) = calm_host().await;
    for nth in 0..8_u64 {
        host.change("calm", &json!({"checkpointTimeout": 700_000 + nth, "for": HOUR * (10 - nth)})).await;
    }
    let refused = host.patch("calm", &json!({"checkpointTimeout": 800_000, "for": HOUR})).await.error(409);
    assert!(refused.contains("8 overrides") && refused.contains("reset"), "{refused}");
    assert_eq!(host.change("calm", &json!({"checkpointTimeout": 800_000})).await["revision"], 9);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_none_is_refused() {
    let (host, _) = calm_host().await;
    for name in [&b""[..], b"a\xff", &[b'x'; 101]] {
        let change = request(Method::PATCH, &configuration_path("calm")).header("ckpt-by", name);
        let refused = host.send(with_json(change, r#"{"checkpointTimeout": 60000}"#)).await;
        assert!(refused.error(400).contains("ckpt-by"));
    }
    let twice =
        request(Method::DELETE, &configuration_path("calm")).header("ckpt-by", "a").header("ckpt-by", "b");
    assert_eq!(
        host.send(twice.body(axum::body::Body::empty()).unwrap()).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(host.configuration("calm").await["revision"], 0);
}
