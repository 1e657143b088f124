//! What happens to a job, pushed as server-sent events.

use crate::support::{Host, calm, job_file, request};
use axum::body::{Body, BodyDataStream};
use axum::http::Method;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A reader of a job's events.
pub(crate) struct Reader {
    stream: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(host: &Host, job: &str) -> Self {
        Self::open_path(host, &format!("/v1/jobs/{job}/checkpoints/events")).await
    }

    pub(crate) async fn open_path(host: &Host, path: &str) -> Self {
        let request = request(Method::GET, path).body(Body::empty()).unwrap();
        let response = host.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        Self { stream: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event. Its name and the tag in its data are the same.
    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(|value| value.trim().to_owned())
                };
                // What only shows that the stream lives has no data.
                let (Some(name), Some(data)) = (field("event:"), field("data:")) else { continue };
                let data: Value = serde_json::from_str(&data).unwrap();
                assert_eq!((&data["event"], &data["schema"]), (&json!(name), &json!("ckpt/v1")));
                assert!(data["at"].as_u64().unwrap() > 1_600_000_000_000);
                return data;
            }
            let chunk = self.stream.next().await.expect("the stream goes on").unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event of this name; what comes before it is passed over.
    pub(crate) async fn next_named(&mut self, name: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["event"] == name {
                return event;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_told_from_its_trigger_to_its_end() {
    let host = Host::new().await;
    let faults = "faults = [{from = 2, kind = 'hang'}]";
    let id = host.run(&job_file("told", 2, "timeout = '1h'\ntolerable-failures = 'unlimited'", faults)).await;
    let mut reader = Reader::open(&host, "told").await;
    host.trigger("told").await;
    let triggered = reader.next().await;
    assert_eq!((&triggered["event"], &triggered["id"]), (&json!("triggered"), &json!(1)));
    assert_eq!((&triggered["savepoint"], &triggered["jobId"]), (&json!(false), &json!(id)));
    for acknowledged in 1..=2 {
        let event = reader.next().await;
        assert_eq!(event["event"], "acknowledged");
        assert_eq!((&event["acknowledged"], &event["subtasks"]), (&json!(acknowledged), &json!(2)));
    }
    let completed = reader.next().await;
    assert_eq!((&completed["event"], &completed["id"]), (&json!("completed"), &json!(1)));
    assert!(completed["duration"].is_u64());

    host.trigger("told").await;
    assert_eq!(reader.next().await["id"], 2);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    host.change("told", &json!({"checkpointTimeout": 10})).await;
    let configured = reader.next().await;
    assert_eq!((&configured["event"], &configured["revision"]), (&json!("configured"), &json!(1)));
    assert_eq!(
        (&configured["checkpointInterval"], &configured["checkpointTimeout"]),
        (&Value::Null, &json!(10))
    );
    let failed = reader.next().await;
    assert_eq!((&failed["event"], &failed["reason"]), (&json!("failed"), &json!("CHECKPOINT_EXPIRED")));
    assert_eq!(
        (&failed["id"], &failed["message"]),
        (&json!(2), &json!("Checkpoint expired before completing."))
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_tells_both_values_at_once_and_nothing_when_nothing_changes() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let mut reader = Reader::open(&host, "calm").await;
    let pair = |interval: u64| json!({"checkpointInterval": interval, "checkpointTimeout": interval / 10});
    for interval in [4_000_000, 4_000_000, 5_000_000] {
        host.change("calm", &pair(interval)).await;
    }
    host.delete("/jobs/calm/checkpoints/configuration").await;
    for (revision, interval, timeout) in
        [(1, 4_000_000, 400_000), (2, 5_000_000, 500_000), (3, 3_600_000, 600_000)]
    {
        let event = reader.next().await;
        assert_eq!((&event["event"], &event["revision"]), (&json!("configured"), &json!(revision)));
        assert_eq!(event["checkpointInterval"], interval);
        assert_eq!(event["checkpointTimeout"], timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn states_are_told_with_their_reason() {
    let host = Host::new().await;
    host.run(&job_file("fails", 1, "timeout = '1h'", "faults = [{kind = 'decline'}]")).await;
    let mut reader = Reader::open(&host, "fails").await;
    host.trigger("fails").await;
    let failing = reader.next_named("state").await;
    assert_eq!(failing["state"], "FAILING");
    let reason = failing["reason"].as_str().unwrap();
    assert!(reason.contains("tolerable failure threshold") && reason.contains("declined"), "{reason}");
    for state in ["RESTARTING", "RUNNING"] {
        assert_eq!(reader.next_named("state").await["state"], state);
    }
    host.cancel("fails").await;
    for state in ["CANCELLING", "CANCELED"] {
        assert_eq!(reader.next_named("state").await["state"], state);
    }
}

#[tokio::test(start_paused = true)]
async fn merged_periodic_requests_are_told() {
    let host = Host::new().await;
    let hang = "faults = [{to = 1, kind = 'hang'}]";
    host.run(&job_file("slow", 1, "interval = '1s'\ntimeout = '10s'\ntolerable-failures = 9", hang)).await;
    let mut reader = Reader::open(&host, "slow").await;
    assert!(reader.next_named("merged").await["merged"].as_u64().unwrap() >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_too_slow_is_told_that_events_are_missing() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let mut reader = Reader::open(&host, "calm").await;
    // More than are kept for one reader, without a pause in which it could read.
    for number in 0..1_100_u64 {
        host.change("calm", &json!({"checkpointTimeout": 1_000 + number})).await;
    }
    let lagged = reader.next().await;
    assert_eq!(lagged["event"], "lagged");
    let missed = lagged["missed"].as_u64().unwrap();
    assert_eq!(reader.next().await["revision"], missed + 1, "what follows is what comes after the gap");
}

#[tokio::test(start_paused = true)]
async fn one_stream_tells_of_all_jobs_and_of_those_that_come_later() {
    let host = Host::new().await;
    let calm = host.run(&calm()).await;
    let mut reader = Reader::open_path(&host, "/v1/checkpoints/events").await;
    let there = reader.next().await;
    assert_eq!((&there["event"], &there["state"]), (&json!("state"), &json!("RUNNING")));
    assert_eq!((&there["jobId"], &there["cluster"]), (&json!(calm), &json!("hosted")));
    let later = host.run(&job_file("later", 1, "timeout = '1h'", "")).await;
    let appeared = reader.next_named("state").await;
    assert_eq!(appeared["jobId"], json!(later));
    host.change("calm", &json!({"checkpointTimeout": 700_000})).await;
    let configured = reader.next_named("configured").await;
    assert_eq!((&configured["jobId"], &configured["checkpointTimeout"]), (&json!(calm), &json!(700_000)));
    host.trigger("later").await;
    let triggered = reader.next_named("triggered").await;
    assert_eq!((&triggered["jobId"], &triggered["id"]), (&json!(later), &json!(1)));
}
