use super::*;
use crate::fake_flink::Mood;
use crate::shape::{assert_same, recorded};
use serde_json::json;

const VERTEX: &str = "bc764cd8ddf7a0cff126f51c16239658";
const TRIGGER: &str = "da4412aaddc08438e00c9e2aebca2f2f";

#[tokio::test]
async fn flinks_read_paths_are_passed_on() {
    let (_fake, host) = one_job().await;
    for (path, name) in [
        ("", "job"),
        ("/checkpoints", "checkpoints-in-progress"),
        ("/checkpoints/config", "checkpoints-config"),
        ("/checkpoints/details/2", "checkpoint-details-in-progress"),
        (&format!("/checkpoints/details/2/subtasks/{VERTEX}"), "checkpoint-subtasks-in-progress"),
        (&format!("/checkpoints/{TRIGGER}"), "trigger-status-first"),
    ] {
        for job in [ONE, "orders", "prod%2Forders"] {
            let seen = host.seen(&format!("/jobs/{job}{path}")).await;
            assert_same(&seen, &recorded(name));
        }
    }
    let overview = host.seen("/jobs/overview").await;
    assert_same(&overview, &recorded("jobs-overview"));
    assert_eq!((&overview["jobs"][0]["jid"], &overview["jobs"][0]["name"]), (&json!(ONE), &json!("orders")));
    assert_eq!(host.seen("/jobs").await, json!({"jobs": [{"id": ONE, "status": "RUNNING"}]}));
    assert_eq!(host.seen("/overview").await["jobs-running"], 1);
    let config = host.seen(&format!("/jobs/{ONE}/checkpoints/config")).await;
    assert_eq!(config, recorded("checkpoints-config"));
}

#[tokio::test]
async fn what_the_cluster_does_not_know_is_not_found() {
    let (_fake, host) = one_job().await;
    let zeros = "0".repeat(32);
    for (path, part) in [
        ("/checkpoints/details/99", "checkpoint 99 is unknown"),
        (&format!("/checkpoints/details/99/subtasks/{VERTEX}"), "checkpoint 99 is unknown"),
        (&format!("/checkpoints/details/2/subtasks/{zeros}"), "no vertex"),
        (&format!("/checkpoints/{zeros}"), "no checkpoint operation"),
    ] {
        let sentence = host.get(&format!("/jobs/{ONE}{path}")).await.error(404);
        assert!(sentence.contains(part), "{path}: {sentence}");
    }
    for path in ["/checkpoints/details/x", "/checkpoints/details/2/subtasks/x", "/checkpoints/x"] {
        host.get(&format!("/jobs/{ONE}{path}")).await.error(400);
    }
    host.get(&format!("/jobs/{TWO}")).await.error(404);
}

#[tokio::test]
async fn what_cannot_be_reached_is_503_in_one_sentence() {
    let (mut fake, host) = one_job().await;
    fake.is(Mood::Fails(500));
    let paths = ["", "/checkpoints", "/checkpoints/config", "/checkpoints/details/2"];
    let rest = [format!("/checkpoints/details/2/subtasks/{VERTEX}"), format!("/checkpoints/{TRIGGER}")];
    let paths: Vec<_> = paths
        .iter()
        .map(|path| (*path).to_owned())
        .chain(rest)
        .map(|path| format!("/jobs/{ONE}{path}"))
        .collect();
    for path in &paths {
        let sentence = host.get(path).await.error(503);
        assert!(sentence.contains("cluster prod") && !sentence.contains("at a.b.C"), "{sentence}");
    }
    fake.is(Mood::Silent);
    for path in &paths {
        let sentence = host.hurried(path).await.error(503);
        assert!(sentence.contains("no answer in time"), "{sentence}");
    }
    fake.goes_away().await;
    for path in &paths {
        host.get(path).await.error(503);
    }
    for (path, body) in [("/checkpoints", "{}"), ("/checkpoints", "")] {
        post(&host, &format!("/jobs/{ONE}{path}"), body).await.error(503);
    }
    host.cancel(ONE).await.error(503);
    // What needs no answer is still there.
    assert_eq!(host.seen("/jobs").await["jobs"][0]["id"], ONE);
}

#[tokio::test]
async fn triggers_and_cancellation_are_passed_on() {
    let (fake, host) = one_job().await;
    let before = fake.changes().len();
    let answer = post(&host, "/jobs/orders/checkpoints", "{\"checkpointType\": \"FULL\"}").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({"request-id": TRIGGER})));
    let status = host.seen(&format!("/jobs/orders/checkpoints/{TRIGGER}")).await;
    assert_eq!(status["status"]["id"], "IN_PROGRESS");
    assert_eq!(host.cancel("orders").await.status, 202);
    let changes = fake.changes().split_off(before);
    let [(trigger, body), (cancel, _)] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(trigger, &format!("POST /jobs/{ONE}/checkpoints"));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["checkpointType"], "FULL");
    assert_eq!(cancel, &format!("PATCH /jobs/{ONE}?mode=cancel"));
    until_job(&host, ONE, |job| job["state"] == "CANCELED").await;
    // What Flink refuses is refused with its words.
    fake.is_where(
        "POST",
        Mood::Says(409, "application/json", "{\"errors\": [\"x.RestHandlerException: Not now.\"]}"),
    );
    let sentence = post(&host, "/jobs/orders/checkpoints", "").await.error(409);
    assert!(sentence.ends_with("Not now."), "{sentence}");
}
