//! Checkpoints made by hand, as Flink's `POST …/checkpoints` does it.

use crate::shape::{assert_same, recorded};
use crate::support::{Host, hanging, job_file, request, with_json};
use axum::body::Body;
use axum::http::Method;
use ckpt_api::flink::EXPIRED;
use serde_json::{Value, json};

const TRIGGER_ID: &str = "0123456789abcdef0123456789abcdef";

fn quick() -> String {
    job_file("quick", 2, "timeout = '1h'\nretained = 9", "")
}

async fn trigger(host: &Host, job: &str, body: &str) -> Value {
    let answer = host.send(with_json(request(Method::POST, &format!("/jobs/{job}/checkpoints")), body)).await;
    assert_eq!(answer.status.as_u16(), 202, "{body}: {}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(answer.header("access-control-allow-origin"), None, "CORS is for GET alone");
    assert_same(&answer.json(), &recorded("trigger-checkpoint"));
    answer.json()["request-id"].clone()
}

async fn outcome(host: &Host, job: &str, id: &str) -> Value {
    let path = format!("/jobs/{job}/checkpoints/{id}");
    host.until(&path, |seen| seen["status"]["id"] == "COMPLETED").await
}

#[tokio::test(start_paused = true)]
async fn every_body_that_flink_takes_triggers_a_checkpoint() {
    let host = Host::new().await;
    host.run(&quick()).await;
    let bodies = [
        "",
        "{}",
        "  ",
        r#"{"checkpointType": "CONFIGURED"}"#,
        r#"{"checkpointType": "FULL"}"#,
        r#"{"checkpointType": null, "triggerId": null}"#,
    ];
    for (number, body) in (1..).zip(bodies) {
        let id = trigger(&host, "quick", body).await;
        let status = outcome(&host, "quick", id.as_str().unwrap()).await;
        assert_eq!(status, json!({"status": {"id": "COMPLETED"}, "operation": {"checkpointId": number}}));
    }
    // An empty body needs no content type.
    host.trigger("quick").await;
}

#[tokio::test(start_paused = true)]
async fn a_request_in_progress_is_flinks_and_ends_with_its_cause() {
    let host = Host::new().await;
    host.run(&hanging()).await;
    let id = trigger(&host, "hanging", "").await;
    let path = format!("/jobs/hanging/checkpoints/{}", id.as_str().unwrap());
    let in_progress = json!({"status": {"id": "IN_PROGRESS"}, "operation": null});
    for prefix in ["", "/v1"] {
        assert_eq!(host.seen(&format!("{prefix}{path}")).await, in_progress);
    }
    assert_same(&in_progress, &recorded("trigger-status-first"));
    host.until_acknowledged("hanging", 1).await;
    host.change("hanging", &json!({"checkpointTimeout": 10})).await;
    let status = outcome(&host, "hanging", id.as_str().unwrap()).await;
    assert_same(&status, &recorded("trigger-status-final"));
    let cause = status["operation"]["failureCause"]["stack-trace"].as_str().unwrap();
    assert!(cause.contains(EXPIRED), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn the_same_request_twice_is_one_checkpoint() {
    let host = Host::new().await;
    host.run(&quick()).await;
    let body = json!({"checkpointType": "FULL", "triggerId": TRIGGER_ID}).to_string();
    for _ in 0..2 {
        assert_eq!(trigger(&host, "quick", &body).await, TRIGGER_ID);
    }
    outcome(&host, "quick", TRIGGER_ID).await;
    assert_eq!(trigger(&host, "quick", &body).await, TRIGGER_ID, "also when it has ended");
    assert_eq!(outcome(&host, "quick", TRIGGER_ID).await["operation"], json!({"checkpointId": 1}));
    assert_eq!(host.seen("/jobs/quick/checkpoints").await["counts"]["total"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_runs_when_its_turn_comes() {
    let host = Host::new().await;
    host.run(&hanging()).await;
    let first = host.trigger("hanging").await;
    let second = host.trigger("hanging").await;
    host.until_acknowledged("hanging", 1).await;
    let waiting = host.seen(&format!("/jobs/hanging/checkpoints/{second}")).await;
    assert_eq!(waiting["status"]["id"], "IN_PROGRESS");
    let changed = host.change("hanging", &json!({"checkpointTimeout": 30_000})).await;
    assert_eq!(changed["inFlight"].as_array().unwrap().len(), 1, "one at a time");
    outcome(&host, "hanging", &first).await;
    host.until_configuration("hanging", |seen| seen["inFlight"][0]["id"] == 2).await;
    // What waits and what is in flight both end with the job.
    let third = host.trigger("hanging").await;
    host.cancelled("hanging").await;
    for id in [second, third] {
        let status = outcome(&host, "hanging", &id).await;
        let cause = status["operation"]["failureCause"]["stack-trace"].as_str().unwrap().to_owned();
        assert!(cause.contains("Checkpoint Coordinator is suspending"), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_has_an_outcome_when_the_job_fails() {
    let host = Host::new().await;
    let file = job_file("fails", 2, "timeout = '1h'", "faults = [{subtask = 1, kind = 'decline'}]");
    host.run(&format!("{file}[restart]\ndelay = '1h'\n")).await;
    // Both are asked before the first one is declined.
    let (first, second) = tokio::join!(host.trigger("fails"), host.trigger("fails"));
    for id in [first, second] {
        let status = outcome(&host, "fails", &id).await;
        assert_same(&status, &recorded("trigger-status-final"));
    }
    assert_eq!(host.configuration("fails").await["state"], "RESTARTING");
}

#[tokio::test(start_paused = true)]
async fn a_bad_request_is_400_and_triggers_nothing() {
    let host = Host::new().await;
    host.run(&quick()).await;
    for body in [
        "[]",
        "null",
        "\"FULL\"",
        "{",
        "{} {}",
        r#"{"checkpointType": "full"}"#,
        r#"{"checkpointType": "SAVEPOINT"}"#,
        r#"{"checkpointType": 1}"#,
        r#"{"triggerId": "abc"}"#,
        r#"{"triggerId": "0123456789abcdef0123456789abcdeg"}"#,
        r#"{"triggerId": 5}"#,
        r#"{"checkpointType": "FULL", "checkpointType": "FULL"}"#,
    ] {
        let answer = host.send(with_json(request(Method::POST, "/jobs/quick/checkpoints"), body)).await;
        let sentence = answer.error(400);
        assert!(!sentence.contains("::"), "no type names: {sentence}");
    }
    let plain = request(Method::POST, "/jobs/quick/checkpoints").header("content-type", "application/toml");
    host.send(plain.body(Body::from("{}")).unwrap()).await.error(415);
    assert_eq!(host.seen("/jobs/quick/checkpoints").await["counts"]["total"], 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_request_is_404_and_a_malformed_one_400() {
    let host = Host::new().await;
    host.run(&quick()).await;
    host.get(&format!("/jobs/quick/checkpoints/{TRIGGER_ID}")).await.error(404);
    for malformed in ["abc", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdeg"] {
        host.get(&format!("/jobs/quick/checkpoints/{malformed}")).await.error(400);
    }
}
