use super::{Worker, acknowledge, claim, next, open, post, programs, running, submitted};
use crate::support::Host;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_goes_on_after_the_event_that_was_read_last() {
    let (host, _, [worker, _other]) = running("").await;
    worker.reader.abort();
    host.trigger("work").await;
    host.until_configuration("work", |seen| seen["inFlight"][0]["id"] == 1).await;
    for after in [None, Some("0")] {
        let mut stream = open(&host.router, &worker.path, after).await.unwrap();
        let (number, restore) = next(&mut stream).await.unwrap();
        assert_eq!((number, &restore["event"]), (Some(1), &json!("restore")), "nothing is lost");
    }
    let mut stream = open(&host.router, &worker.path, Some("1")).await.unwrap();
    let (number, trigger) = next(&mut stream).await.unwrap();
    assert_eq!((number, &trigger["checkpointId"]), (Some(2), &json!(1)));
    let (number, beat) = next(&mut stream).await.unwrap();
    assert_eq!((number, &beat), (None, &json!({"event": "heartbeat"})));

    // The newest stream goes on, and the one before it ends.
    let mut newer = open(&host.router, &worker.path, Some("2")).await.unwrap();
    assert!(next(&mut stream).await.is_none());
    assert!(next(&mut newer).await.is_some());
    assert_eq!(open(&host.router, &worker.path, Some("3")).await.unwrap_err(), 410, "it was never sent");
    for bad in ["x", "-1", "1.5"] {
        assert_eq!(open(&host.router, &worker.path, Some(bad)).await.unwrap_err(), 400);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_reading_is_lost_and_the_job_is_not_stuck() {
    let host = Host::new().await;
    let busy = "interval = '20ms'\ntimeout = '10ms'\ntolerable-failures = 'unlimited'";
    submitted(&host, &programs(busy)).await;
    let claimed = claim(&host, 1, &[0]).await.json();
    let path = format!("/jobs/work/tasks/{}", claimed["sessionId"].as_str().unwrap());
    let mut other = Worker::come(&host, 1, &[1]).await;
    let mut stream = open(&host.router, &path, None).await.unwrap();
    let (_, restore) = next(&mut stream).await.unwrap();
    host.send(post(&path, &json!({"report": "running", "execution": restore["execution"]}))).await;
    other.restores().await;
    host.until_state("work", "RUNNING").await;
    // It lives, as far as heartbeats tell, and reads nothing any more.
    let seen = loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let seen = host.configuration("work").await;
        if seen["state"] != "RUNNING" {
            break seen;
        }
        assert_eq!(host.send(post(&path, &json!([]))).await.status.as_u16(), 200);
    };
    let why = seen["warnings"].to_string();
    assert!(why.contains("v/0 (worker 1) does not read its events"), "{why}");
    assert!(next(&mut stream).await.is_none(), "its stream is over");
    assert_eq!(host.send(post(&path, &json!([]))).await.status.as_u16(), 404);
    let mut back = Worker::come(&host, 1, &[0]).await;
    back.restores().await;
    loop {
        if other.told().await["event"] == "restore" {
            break;
        }
    }
    other.says(&json!({"report": "running", "execution": 2})).await;
    host.until_state("work", "RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_a_stream_is_lost_too() {
    let host = Host::new().await;
    submitted(&host, &programs("")).await;
    assert_eq!(claim(&host, 1, &[0, 1]).await.status.as_u16(), 201);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(host.seen("/jobs/work/tasks").await["missing"], json!(["v/0", "v/1"]));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_lost_while_the_next_checkpoint_begins_leaves_nothing_half_done() {
    let host = Host::new().await;
    submitted(&host, &programs("interval = '20ms'\ntimeout = '1h'")).await;
    // One process stores what it has to, and never reads a word.
    let claimed = claim(&host, 1, &[0]).await.json();
    let path = format!("/jobs/work/tasks/{}", claimed["sessionId"].as_str().unwrap());
    let mut other = Worker::come(&host, 1, &[1]).await;
    other.restores().await;
    host.send(post(&path, &json!({"report": "running", "execution": 1}))).await;
    let last = loop {
        let trigger = other.told_of("trigger").await;
        let id = trigger["checkpointId"].as_u64().unwrap();
        // Longer than the interval, so that the next one waits for the end of this.
        tokio::time::sleep(Duration::from_millis(50)).await;
        std::fs::write(format!("{}/deaf", trigger["directory"].as_str().unwrap()), "state").unwrap();
        host.send(post(&path, &acknowledge(id, 0, "deaf", 5))).await;
        let acknowledged = other.stored(&trigger, "state");
        other.says(&acknowledged).await;
        other.told_of("complete").await;
        if host.configuration("work").await["state"] != "RUNNING" {
            break id;
        }
    };
    assert_eq!(last, 128, "256 events were not read, and this was the one too many");
    let statistics = host.seen("/jobs/work/checkpoints").await;
    assert_eq!(statistics["counts"]["in_progress"], 0, "{statistics}");
    assert_eq!(statistics["history"][0]["status"], "FAILED", "{statistics}");
    let mut back = Worker::come(&host, 1, &[0]).await;
    back.restores().await;
    while other.told().await["event"] != "restore" {}
    other.says(&json!({"report": "running", "execution": 2})).await;
    host.until_state("work", "RUNNING").await;
}
