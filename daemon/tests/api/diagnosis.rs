//! Slow or stuck: what is said of checkpoints in flight.

use crate::support::{Host, request};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// The checkpoints before, each of about ten seconds.
const PAST: u64 = 4;

/// A job whose checkpoints are triggered by hand alone; its subtasks store for ten seconds. From the fifth checkpoint
/// on things are as `faults` say.
fn job(timeout: &str, faults: &str) -> String {
    format!(
        "name = 'orders'\nvertices = [{{name = 'source', parallelism = 4}}, {{name = 'sink', parallelism = 6}}]\n\
         [checkpointing]\ntimeout = '{timeout}'\ntolerable-failures = 3\n\
         [rehearsal]\nsize = '10kB'\nspeed = '1kB/s'\nfaults = [{faults}]\n"
    )
}

/// The job after some checkpoints that went well, with another one in flight for so long.
async fn in_flight(file: &str, elapsed: Duration) -> Host {
    let host = Host::new().await;
    host.run(file).await;
    for id in 1..=PAST {
        host.trigger("orders").await;
        assert_eq!(host.until_over("orders", id).await["status"], "COMPLETED");
    }
    host.trigger("orders").await;
    tokio::time::sleep(elapsed).await;
    host
}

async fn diagnosis(host: &Host, job: &str) -> Value {
    host.seen(&format!("/jobs/{job}/checkpoints/diagnosis")).await
}

/// The verdict, and the sentence.
fn said(diagnosis: &Value) -> (&str, &str) {
    let estimate = &diagnosis["checkpoint"]["estimate"];
    (estimate["verdict"].as_str().unwrap(), estimate["sentence"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_goes_as_usual_is_on_track() {
    let host = in_flight(&job("10m", ""), Duration::from_secs(4)).await;
    let seen = diagnosis(&host, "orders").await;
    let (verdict, sentence) = said(&seen);
    assert_eq!(verdict, "onTrack", "{sentence}");
    assert!(sentence.starts_with("on track, likely done in about "), "{sentence}");
    assert_eq!((&seen["completed"], &seen["vertices"][1]["acknowledged"]), (&json!(PAST), &json!(0)));
    let estimate = &seen["checkpoint"]["estimate"];
    let done = &estimate["doneIn"];
    let range = (done["low"].as_u64().unwrap(), done["high"].as_u64().unwrap());
    assert!(range.0 <= 6_100 && 5_900 <= range.1 && range.1 < 15_000, "{range:?}");
    assert_eq!(estimate["suggestedTimeout"], Value::Null, "ten minutes are enough");
    // The same is on `get`.
    let configuration = host.configuration("orders").await;
    assert_eq!(configuration["inFlight"][0]["estimate"]["verdict"], "onTrack");
    let list = host.seen("/checkpoints/configuration").await;
    assert_eq!(list["jobs"][0]["inFlight"][0]["estimate"]["verdict"], "onTrack");
}

#[tokio::test(start_paused = true)]
async fn a_subtask_that_hangs_is_named_with_what_its_peers_did() {
    let hang = "{vertex = 'sink', subtask = 2, from = 5, kind = 'hang'}";
    let host = in_flight(&job("10m", hang), Duration::from_secs(120)).await;
    let seen = diagnosis(&host, "orders").await;
    let (verdict, sentence) = said(&seen);
    assert_eq!(
        (verdict, sentence),
        ("stuck", "stuck: subtask 2 of `sink` has been silent for 2m while its peers finished in 10s")
    );
    let sink = &seen["vertices"][1];
    assert_eq!((&sink["acknowledged"], &sink["subtasks"]), (&json!(5), &json!(6)));
    let missing = &sink["missing"][0];
    assert_eq!((&missing["index"], &missing["suspect"]), (&json!(2), &json!(true)));
    assert!(missing["usual"].as_u64().is_some_and(|usual| (9_900..10_500).contains(&usual)), "{missing}");
    assert_eq!(seen["vertices"][0]["missing"], json!([]));
    let estimate = &seen["checkpoint"]["estimate"];
    assert_eq!((&estimate["doneIn"], &estimate["suggestedTimeout"]), (&Value::Null, &Value::Null));
    assert_eq!(seen["failures"], json!({"consecutive": 0, "tolerable": 3}));
    let configuration = host.configuration("orders").await;
    assert_eq!(configuration["inFlight"][0]["estimate"]["sentence"], sentence);
}

/// The timeout is below what it takes to call it stuck, so it would look like a good start each time.
#[tokio::test(start_paused = true)]
async fn a_hang_that_comes_again_is_named_from_the_start_and_what_is_usual_is_not_forgotten() {
    let hang = "{vertex = 'sink', subtask = 2, from = 5, kind = 'hang'}";
    let file = job("30s", hang).replace("tolerable-failures = 3", "tolerable-failures = 'unlimited'");
    let host = in_flight(&file, Duration::from_secs(1)).await;
    let failures = 12;
    for id in PAST + 1..=PAST + failures {
        assert_eq!(host.until_over("orders", id).await["status"], "FAILED");
        host.trigger("orders").await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let seen = diagnosis(&host, "orders").await;
    assert_eq!(said(&seen).0, "cannotTell");
    assert!(
        said(&seen)
            .1
            .starts_with("cannot tell: nobody is late yet, but the last 12 checkpoints failed; subtask 2 of")
            && said(&seen).1.ends_with("`sink` was missing in the last 9 that failed, too"),
        "{}",
        said(&seen).1
    );
    assert_eq!(seen["completed"], PAST);
    host.change("orders", &json!({"checkpointTimeout": 600_000})).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let seen = diagnosis(&host, "orders").await;
    assert_eq!(said(&seen).0, "stuck", "{}", said(&seen).1);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_job_of_which_little_is_known_is_told_no_other_timeout() {
    let host = Host::new().await;
    host.run(&job("20s", "")).await;
    for _ in 0..2 {
        host.trigger("orders").await;
        host.until_configuration("orders", |seen| seen["inFlight"] == json!([])).await;
    }
    host.trigger("orders").await;
    for _ in 0..9 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seen = diagnosis(&host, "orders").await;
        let estimate = &seen["checkpoint"]["estimate"];
        assert_eq!(json!([estimate["verdict"], estimate["suggestedTimeout"]]), json!(["onTrack", null]));
        assert!(estimate["doneIn"]["likely"].as_u64().unwrap() < 15_000, "{estimate}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_storage_is_slow_and_the_suggested_timeout_is_enough() {
    let slow = "{vertex = 'source', from = 5, kind = 'straggler', speed = '250B/s'}, \
                {vertex = 'sink', from = 5, kind = 'straggler', speed = '200B/s'}";
    let host = in_flight(&job("45s", slow), Duration::from_secs(42)).await;
    let seen = diagnosis(&host, "orders").await;
    let (verdict, sentence) = said(&seen);
    assert_eq!(verdict, "slow", "{sentence}");
    assert!(sentence.contains("took about 3.7 times as long as usual"), "{sentence}");
    let suggested = seen["checkpoint"]["estimate"]["suggestedTimeout"].as_u64().unwrap();
    assert!((50_000..180_000).contains(&suggested), "{suggested}");
    host.change("orders", &json!({"checkpointTimeout": suggested})).await;
    assert_eq!(host.until_over("orders", PAST + 1).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn nobody_can_tell_while_all_are_silent_and_it_says_why() {
    let host = in_flight(&job("10m", "{from = 5, kind = 'hang'}"), Duration::from_secs(60)).await;
    let seen = diagnosis(&host, "orders").await;
    let (verdict, sentence) = said(&seen);
    assert_eq!(verdict, "cannotTell", "{sentence}");
    assert!(sentence.contains("10 of 10 subtasks have been silent for 1m"), "{sentence}");
}

#[tokio::test(start_paused = true)]
async fn the_first_checkpoint_and_the_first_savepoint_have_nothing_to_be_compared_with() {
    let host = Host::new().await;
    host.run(&job("10m", "")).await;
    host.trigger("orders").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seen = diagnosis(&host, "orders").await;
    let (verdict, sentence) = said(&seen);
    assert_eq!((verdict, sentence.contains("no completed checkpoint")), ("cannotTell", true), "{sentence}");
    assert_eq!((&seen["usualDuration"], &seen["completed"]), (&Value::Null, &json!(0)));
    host.until_over("orders", 1).await;
    // A savepoint is another thing: it is stored as a whole, and somewhere else.
    let body = json!({"target-directory": host.path().join("savepoints")}).to_string();
    let asked = request(Method::POST, "/jobs/orders/savepoints").header("content-type", "application/json");
    let answer = host.send(asked.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    host.until_configuration("orders", |seen| seen["inFlight"][0]["savepoint"] == true).await;
    assert_eq!(said(&diagnosis(&host, "orders").await).0, "cannotTell");
}

#[tokio::test(start_paused = true)]
async fn without_a_checkpoint_in_flight_it_says_what_is_usual() {
    let host = in_flight(&job("10m", ""), Duration::from_secs(1)).await;
    host.until_over("orders", PAST + 1).await;
    let seen = diagnosis(&host, "orders").await;
    assert_eq!((&seen["checkpoint"], &seen["vertices"]), (&Value::Null, &json!([])));
    assert!(seen["usualDuration"].as_u64().is_some_and(|usual| (9_900..10_500).contains(&usual)), "{seen:#}");
    assert_eq!(host.get("/jobs/nobody/checkpoints/diagnosis").await.status, StatusCode::NOT_FOUND);
}
