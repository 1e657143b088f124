use super::{acknowledge, exists, post, running};
use crate::support::{request, with_json};
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_comes_twice_or_late_is_ignored() {
    let (host, _, [mut one, mut two]) = running("timeout = '10s'\ntolerable-failures = 3").await;
    host.trigger("work").await;
    let trigger = one.told_of("trigger").await;
    let acknowledged = one.stored(&trigger, "state");
    let never = acknowledge(7, 0, "v-0", 5);
    assert_eq!(one.says(&never).await["why"], "checkpoint 7 was not triggered when this was sent");
    assert_eq!(one.says(&acknowledged).await, json!({"result": "taken"}));
    let again = one.says(&acknowledged).await;
    assert_eq!(again, json!({"result": "ignored", "why": "v/0 has acknowledged checkpoint 1 before"}));
    assert!(exists(&trigger, "v-0"), "what was acknowledged is kept");

    tokio::time::sleep(Duration::from_secs(10)).await;
    let expired = host.until_over("work", 1).await;
    assert_eq!(expired["failure_message"], "Checkpoint expired before completing.");
    two.told_of("trigger").await;
    two.told_of("abort").await;
    let late = two.says(&acknowledge(1, 1, "v-1", 9)).await;
    assert_eq!(late, json!({"result": "ignored", "why": "checkpoint 1 is not in flight any more"}));
    let seen = host.seen("/jobs/work/checkpoints/details/1").await;
    let vertex = seen["tasks"].as_object().unwrap().keys().next().unwrap().clone();
    let subtasks = host.seen(&format!("/jobs/work/checkpoints/details/1/subtasks/{vertex}")).await;
    assert_eq!(
        (&subtasks["subtasks"][1]["aborted"], &seen["num_acknowledged_subtasks"]),
        (&json!(true), &json!(1))
    );
    let declined =
        json!({"report": "decline", "checkpointId": 1, "vertex": "v", "index": 1, "message": "late"});
    assert_eq!(two.says(&declined).await["result"], "ignored");
    assert_eq!(host.configuration("work").await["failures"]["consecutive"], 1);
    assert_eq!(two.says(&json!([])).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_decline_fails_the_checkpoint_with_its_reason() {
    let (host, _, [one, mut two]) = running("tolerable-failures = 9").await;
    for (id, reason, message, failures) in [
        (1, Value::Null, "Checkpoint was declined.", 1),
        (2, json!("CHECKPOINT_ASYNC_EXCEPTION"), "Asynchronous task checkpoint failed.", 2),
        (3, json!("CHECKPOINT_DECLINED_TASK_NOT_READY"), "Checkpoint was declined (tasks not ready)", 2),
    ] {
        host.trigger("work").await;
        host.until_configuration("work", |seen| seen["inFlight"][0]["id"] == id).await;
        let mut decline = json!({"report": "decline", "checkpointId": id, "vertex": "v", "index": 0, "message": "no\nroom"});
        if !reason.is_null() {
            decline["reason"] = reason;
        }
        two.told_of("trigger").await;
        assert_eq!(one.says(&decline).await["result"], "taken");
        assert_eq!(two.told_of("abort").await["checkpointId"], id);
        let failed = host.until_over("work", id).await;
        let said = failed["failure_message"].as_str().unwrap();
        assert!(said.starts_with(message) && said.ends_with("Cause: no room"), "{said}");
        assert_eq!(host.configuration("work").await["failures"]["consecutive"], failures);
    }
}

#[tokio::test(start_paused = true)]
async fn reports_that_are_wrong_are_refused_whole_and_change_nothing() {
    let (host, _, [mut one, mut two]) = running("timeout = '10m'").await;
    host.trigger("work").await;
    let trigger = one.told_of("trigger").await;
    let right = one.stored(&trigger, "state")[0].clone();
    let with = |field: &str, value: Value| {
        let mut wrong = right.clone();
        wrong[field] = value;
        wrong
    };
    std::os::unix::fs::symlink("v-0", format!("{}/link", trigger["directory"].as_str().unwrap())).unwrap();
    for (wrong, status, part) in [
        (with("bytes", json!(6)), 400, "has 5 bytes and not 6; acknowledge when all is written"),
        (with("bytes", json!(u64::MAX)), 400, "512 TiB are the most"),
        (with("bytes", json!(-1)), 400, "not understood"),
        (with("bytes", json!("5")), 400, "not understood"),
        (with("syncMillis", json!(u64::MAX)), 400, "too long for a part"),
        (with("location", json!("v-9")), 400, "v-9 is not there; store it before"),
        (with("location", json!("link")), 400, "is no regular file"),
        (with("location", json!("../v-0")), 400, "not the name of a file"),
        (with("location", json!("/etc/passwd")), 400, "not the name of a file"),
        (with("location", json!(".")), 400, "not the name of a file"),
        (with("location", json!("")), 400, "not the name of a file"),
        (with("location", json!("_metadata")), 400, "without . or _"),
        (with("location", json!("a".repeat(256))), 400, "at most 255 bytes"),
        (with("location", json!("a\nb")), 400, "'a b' is not"),
        (with("vertex", json!("w")), 400, "no vertex 'w'"),
        (with("index", json!(2)), 400, "no subtask 2"),
        (with("index", json!(1)), 409, "v/1 is not a subtask of this session"),
        (with("checkpointId", json!(-1)), 400, "not understood"),
        (with("colour", json!("red")), 400, "unknown field `colour`"),
        (json!({"report": "applaud"}), 400, "unknown variant `applaud`"),
        (json!("running"), 400, "not understood"),
        (json!(null), 400, "not understood"),
    ] {
        let sentence = one.sends(&wrong).await.error(status);
        assert!(sentence.contains(part), "{wrong}: {sentence}");
        // A right one among them is not taken either.
        one.sends(&json!([right, wrong])).await.error(status);
    }
    let many: Vec<_> = (0..1_001).map(|_| right.clone()).collect();
    assert!(one.sends(&json!(many)).await.error(400).contains("1001 reports are too many"));
    let large = json!([{"report": "failed", "execution": 1, "message": "x".repeat(1_100_000)}]);
    assert!(one.sends(&large).await.error(413).contains("1024 KiB"));
    host.send(post("/jobs/work/tasks/abc", &right)).await.error(400);
    host.send(post(&format!("/jobs/work/tasks/{:032x}", 7), &right)).await.error(404);
    let text = request(Method::POST, &one.path).header("content-type", "application/toml");
    host.send(text.body("[]".into()).unwrap()).await.error(415);
    host.send(with_json(request(Method::POST, &one.path), "[{")).await.error(400);

    let seen = host.configuration("work").await;
    assert_eq!((&seen["state"], &seen["inFlight"][0]["acknowledged"]), (&json!("RUNNING"), &json!(0)));
    // A file is one subtask's alone.
    one.says(&right).await;
    two.told_of("trigger").await;
    let sentence = two.sends(&acknowledge(1, 1, "v-0", 5)).await.error(400);
    assert!(sentence.contains("v-0 is what v/0 has stored for checkpoint 1"), "{sentence}");
    let acknowledged = two.stored(&trigger, "state");
    two.says(&acknowledged).await;
    assert_eq!(host.until_over("work", 1).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_went_with_its_checkpoint_is_no_mistake() {
    let (host, _, [mut one, _two]) = running("timeout = '10s'\ntolerable-failures = 3").await;
    host.trigger("work").await;
    let trigger = one.told_of("trigger").await;
    let acknowledged = one.stored(&trigger, "state");
    tokio::time::sleep(Duration::from_secs(11)).await;
    host.until_over("work", 1).await;
    assert_eq!(one.says(&acknowledged).await["result"], "ignored");
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_after_it_was_acknowledged_fails_the_checkpoint() {
    let (host, _, [mut one, mut two]) = running("tolerable-failures = 3").await;
    host.trigger("work").await;
    let trigger = one.told_of("trigger").await;
    let acknowledged = one.stored(&trigger, "state");
    one.says(&acknowledged).await;
    std::fs::remove_file(format!("{}/v-0", trigger["directory"].as_str().unwrap())).unwrap();
    two.stores("state").await;
    let failed = host.until_over("work", 1).await;
    let why = failed["failure_message"].as_str().unwrap();
    assert!(why.starts_with("Failure to finalize checkpoint.") && why.contains("v-0: No such file"), "{why}");
    for worker in [&mut one, &mut two] {
        worker.told_of("abort").await;
    }
}
