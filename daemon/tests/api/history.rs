//! The checkpoints that have ended, with the timeout that each had.

use crate::support::{Host, job_file};
use serde_json::{Value, json};
use std::time::Duration;

/// Each checkpoint of its one subtask takes ten seconds.
const SLOW: &str = "speed = '100B/s'";

async fn history(host: &Host, job: &str) -> Vec<Value> {
    let seen = host.seen(&format!("/jobs/{job}/checkpoints/history")).await;
    assert_eq!(
        (&seen["schema"], &seen["cluster"], &seen["name"]),
        (&json!("ckpt/v1"), &json!("hosted"), &json!("slow"))
    );
    seen["checkpoints"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_only_a_change_let_complete_is_told_from_one_that_had_the_time() {
    let host = Host::new().await;
    host.run(&job_file("slow", 1, "timeout = '5s'\ntolerable-failures = 'unlimited'", SLOW)).await;
    assert_eq!(history(&host, "slow").await, Vec::<Value>::new());
    for (timeout, after) in [(60_000, 3), (60_000, 0), (4_000, 2)] {
        host.trigger("slow").await;
        host.until_configuration("slow", |job| job["inFlight"][0]["id"].is_u64()).await;
        tokio::time::sleep(Duration::from_secs(after)).await;
        host.change("slow", &json!({"checkpointTimeout": timeout})).await;
        host.until_configuration("slow", |job| job["inFlight"] == json!([])).await;
    }
    let seen = history(&host, "slow").await;
    let told: Vec<_> = seen
        .iter()
        .map(|one| (&one["id"], &one["completed"], &one["timeout"], &one["rescued"], &one["reason"]))
        .collect();
    let expired = json!("CHECKPOINT_EXPIRED");
    assert_eq!(
        told,
        [
            (&json!(1), &json!(true), &json!(60_000), &json!(true), &Value::Null),
            (&json!(2), &json!(true), &json!(60_000), &json!(false), &Value::Null),
            (&json!(3), &json!(false), &json!(4_000), &json!(false), &expired),
        ]
    );
    assert!(seen[0]["duration"].as_u64().unwrap() >= 10_000, "{seen:#?}");
    assert!((4_000..10_000).contains(&seen[2]["duration"].as_u64().unwrap()), "{seen:#?}");
    assert_eq!(seen[2]["message"], "Checkpoint expired before completing.");
    assert_eq!((&seen[1]["stateSize"], &seen[1]["checkpointedSize"]), (&json!(1_000), &json!(1_000)));
    let restarted = host.restarted().await;
    restarted.until_state("slow", "RUNNING").await;
    assert_eq!(history(&restarted, "slow").await, Vec::<Value>::new(), "it is in memory alone");
}

#[tokio::test]
async fn a_job_that_nobody_knows_has_no_history() {
    let host = Host::new().await;
    let sentence = host.get("/jobs/nobody/checkpoints/history").await.error(404);
    assert!(sentence.starts_with("there is no job 'nobody'"), "{sentence}");
}
