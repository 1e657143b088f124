use super::{Worker, claim, running, until_gone};
use crate::support::request;
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a process may be silent in these tests.
const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_task_that_goes_silent_is_lost_in_time_and_the_job_goes_on_from_the_newest_checkpoint() {
    let (host, id, [mut stays, mut dies]) = running("tolerable-failures = 0").await;
    host.trigger("work").await;
    stays.stores("one").await;
    dies.stores("two").await;
    stays.told_of("complete").await;
    host.trigger("work").await;
    let trigger = stays.told_of("trigger").await;
    let acknowledged = stays.stored(&trigger, "later");
    stays.says(&acknowledged).await;

    let died = tokio::time::Instant::now();
    dies.dies();
    assert_eq!(stays.told_of("abort").await["checkpointId"], 2);
    assert!(died.elapsed() <= TIMEOUT, "{:?}", died.elapsed());
    assert!(died.elapsed() >= TIMEOUT / 2, "{:?}", died.elapsed());
    let seen = host.configuration("work").await;
    assert_eq!((&seen["state"], &seen["failures"]["consecutive"]), (&json!("RESTARTING"), &json!(0)));
    let why = seen["warnings"].to_string();
    assert!(why.contains("v/1 (worker 1) was not heard of for too long"), "{why}");
    assert!(why.contains("it waits for 1 of 2 subtasks: v/1"), "{why}");
    let failed = host.until_over("work", 2).await;
    assert_eq!(failed["failure_message"], "Checkpoint Coordinator is suspending.");
    until_gone(&host.checkpoints(&id).join("chk-2")).await;

    // For as long as it takes, and without a timer that goes on.
    tokio::time::sleep(100 * TIMEOUT).await;
    assert_eq!(host.configuration("work").await["state"], "RESTARTING");
    let mut back = Worker::come(&host, 2, &[1]).await;
    for (worker, content) in [(&mut stays, "one"), (&mut back, "two")] {
        let restore = worker.restores().await;
        assert_eq!((&restore["execution"], &restore["checkpoint"]["checkpointId"]), (&json!(2), &json!(1)));
        let [snapshot] = restore["checkpoint"]["snapshots"].as_array().unwrap().as_slice() else { panic!() };
        let file = format!(
            "{}/{}",
            restore["checkpoint"]["directory"].as_str().unwrap(),
            snapshot["location"].as_str().unwrap()
        );
        assert_eq!(std::fs::read_to_string(file).unwrap(), content);
    }
    host.until_state("work", "RUNNING").await;
    host.trigger("work").await;
    assert_eq!(stays.stores("three").await, 3, "numbers rise");
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_heartbeats_may_be_silent_otherwise() {
    let (host, _, _workers) = running("").await;
    tokio::time::sleep(100 * TIMEOUT).await;
    let list = host.seen("/jobs/work/tasks").await;
    assert_eq!((&list["execution"], &list["sessions"][0]["connected"]), (&json!(1), &json!(true)));
    assert_eq!(host.configuration("work").await["state"], "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_is_missed_at_once() {
    let (host, _, [mut stays, leaves]) = running("").await;
    host.trigger("work").await;
    stays.told_of("trigger").await;
    let answer = host.send(request(Method::DELETE, &leaves.path).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert_eq!(host.configuration("work").await["state"], "RESTARTING");
    stays.told_of("abort").await;
    let again = host.send(request(Method::DELETE, &leaves.path).body(Body::empty()).unwrap()).await;
    assert!(again.error(404).contains("claim the subtasks again"));
}

#[tokio::test(start_paused = true)]
async fn a_newer_attempt_takes_over_and_an_older_one_does_not() {
    let (host, _, [mut stays, mut old]) = running("").await;
    host.trigger("work").await;
    let trigger = old.told_of("trigger").await;
    stays.stores("kept").await;
    for attempt in [0, 1] {
        let sentence = claim(&host, attempt, &[1]).await.error(409);
        assert!(sentence.contains("v/1 is held by attempt 1 (worker 1)"), "{sentence}");
    }
    claim(&host, 5, &[0, 1, 2]).await.error(404);
    assert_eq!(host.configuration("work").await["state"], "RUNNING", "nobody lost anything");

    let mut new = Worker::come(&host, 2, &[1]).await;
    assert!(old.told_of("revoked").await["why"].as_str().unwrap().contains("attempt 2 took over"));
    let acknowledged = old.stored(&json!({"checkpointId": 1, "directory": host.path()}), "zombie");
    assert!(old.sends(&acknowledged).await.error(404).contains("claim the subtasks again"));
    drop(trigger);
    stays.told_of("abort").await;
    for worker in [&mut stays, &mut new] {
        assert_eq!(worker.restores().await["execution"], 2);
    }
    host.until_state("work", "RUNNING").await;
    // The old one comes back when the new one is gone: it is still the older one.
    new.dies();
    tokio::time::sleep(2 * TIMEOUT).await;
    let sentence = claim(&host, 1, &[1]).await.error(409);
    assert!(sentence.contains("v/1 was held by attempt 2, and attempt 1 is older"), "{sentence}");
    assert_eq!(claim(&host, 2, &[1]).await.status.as_u16(), 201, "the same attempt may come back");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_restarts_the_job_from_its_checkpoint() {
    let (host, _, mut workers) = running("tolerable-failures = 0").await;
    let failed = json!({"report": "failed", "execution": 1, "message": "the sink\nis gone\u{1b}[2J"});
    assert_eq!(workers[0].says(&failed).await["result"], "taken");
    let seen = host.configuration("work").await;
    assert_eq!(seen["state"], "RESTARTING");
    let why = seen["warnings"].to_string();
    assert!(why.contains("v/0 (worker 1) failed: the sink is gone [2J; it is restarted in 1.0s"), "{why}");
    for worker in &mut workers {
        assert_eq!(worker.restores().await["execution"], 2);
    }
    let seen = host.until_state("work", "RUNNING").await;
    assert_eq!(seen["failures"]["consecutive"], 0);
    let stale = workers[0].says(&failed).await;
    assert_eq!(stale["result"], "ignored");
    assert!(stale["why"].as_str().unwrap().contains("execution 1, and the newest is 2"), "{stale}");
}

#[tokio::test(start_paused = true)]
async fn a_loss_while_others_restore_begins_anew() {
    let (host, _, [mut stays, dies]) = running("").await;
    dies.dies();
    host.until_state("work", "RESTARTING").await;
    let restores = Worker::come(&host, 2, &[1]).await;
    assert_eq!(stays.told_of("restore").await["execution"], 2);
    host.send(request(Method::DELETE, &restores.path).body(Body::empty()).unwrap()).await;
    // What it says about an execution that is over changes nothing.
    let ignored = stays.says(&json!({"report": "running", "execution": 2})).await;
    assert_eq!(ignored["result"], "ignored", "{ignored}");
    let mut last = Worker::come(&host, 3, &[1]).await;
    assert_eq!(stays.restores().await["execution"], 3);
    assert_eq!(host.configuration("work").await["state"], "RESTARTING");
    last.restores().await;
    host.until_state("work", "RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_daemon_starts_anew_with_whoever_comes() {
    let (host, _, [mut one, mut two]) = running("").await;
    host.trigger("work").await;
    one.stores("one").await;
    two.stores("two").await;
    host.until_over("work", 1).await;
    let path = one.path.clone();
    drop((one, two));
    let host = host.restarted().await;
    host.until_state("work", "CREATED").await;
    let gone = host.get(&format!("{path}/events")).await;
    assert!(gone.error(404).contains("ckptd was restarted"));
    // The attempts of an earlier daemon are forgotten, and the same process may hold all.
    let mut both = Worker::come(&host, 1, &[0, 1]).await;
    let restore = both.restores().await;
    assert_eq!((&restore["execution"], &restore["checkpoint"]["checkpointId"]), (&json!(1), &json!(1)));
    assert_eq!(restore["checkpoint"]["snapshots"].as_array().map(Vec::len), Some(2));
    host.until_state("work", "RUNNING").await;
    let latest = host.seen("/jobs/work/checkpoints").await["latest"].clone();
    assert_eq!((&latest["restored"]["id"], &latest["completed"]), (&json!(1), &Value::Null));
}
