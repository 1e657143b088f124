//! Checkpoints from their trigger to their deletion, on real files and in simulated time.

use crate::support::{Host, job_file, request};
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

const JOB123: &str = include_str!("../../../examples/job123.toml");

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What `_metadata` says must be what is there: every subtask once, with its file and size.
fn assert_complete(directory: &Path, id: u64, subtasks: usize, bytes: u64) {
    let metadata: Value = serde_json::from_slice(&fs::read(directory.join("_metadata")).unwrap()).unwrap();
    assert_eq!((&metadata["schema"], &metadata["checkpointId"]), (&json!(1), &json!(id)));
    let stored = metadata["subtasks"].as_array().unwrap();
    let mut seen: Vec<_> = stored
        .iter()
        .map(|stored| {
            let file = directory.join(stored["location"].as_str().unwrap());
            assert_eq!(fs::metadata(&file).unwrap().len(), number(&stored["bytes"]), "{}", file.display());
            assert_eq!(number(&stored["bytes"]), bytes);
            (stored["vertexName"].as_str().unwrap(), number(&stored["index"]))
        })
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), subtasks, "every subtask once");
    assert_eq!(fs::read_dir(directory).unwrap().count(), subtasks + 1, "and nothing else");
}

#[tokio::test(start_paused = true)]
async fn job123_dies_at_95_percent_and_is_saved_by_a_longer_timeout() {
    let host = Host::new().await;
    let id = host.run(JOB123).await;
    // The control: the first one dies at 10 s with 19 of 20.
    host.until_configuration("job123", |seen| seen["inFlight"][0]["id"] == 1).await;
    let lost = host.until_over("job123", 1).await;
    assert_eq!((&lost["status"], &lost["num_acknowledged_subtasks"]), (&json!("FAILED"), &json!(19)));
    assert_eq!(lost["num_subtasks"], 20);
    let took = number(&lost["end_to_end_duration"]);
    assert!((10_000..=10_005).contains(&took), "it died after {took} ms");
    assert_eq!(lost["failure_message"], "Checkpoint expired before completing.");

    // The second one gets more time when it is 9 s old.
    host.until_configuration("job123", |seen| seen["inFlight"][0]["id"] == 2).await;
    assert!(!host.checkpoints(&id).join("chk-1").exists(), "what was thrown away is not left lying around");
    let aged = host
        .until_configuration("job123", |seen| seen["inFlight"][0]["elapsed"].as_u64() >= Some(9_000))
        .await;
    assert_eq!(aged["inFlight"][0]["acknowledged"], 19);
    let changed = host.change("job123", &json!({"checkpointTimeout": 1_200_000})).await;
    let saved = &changed["inFlight"][0];
    assert_eq!((&saved["id"], &saved["outcome"]), (&json!(2), &json!("extended")));
    assert!(number(&saved["previousRemaining"]) <= 1_000, "{saved}");
    assert_eq!(number(&saved["elapsed"]) + number(&saved["remaining"]), 1_200_000);
    assert_eq!(changed["failures"]["consecutive"], 1);

    let completed = host.until_over("job123", 2).await;
    assert_eq!(
        (&completed["status"], &completed["num_acknowledged_subtasks"]),
        (&json!("COMPLETED"), &json!(20))
    );
    let took = number(&completed["end_to_end_duration"]);
    assert!((14_000..=14_100).contains(&took), "it completed after {took} ms");
    assert_complete(&host.checkpoints(&id).join("chk-2"), 2, 20, 1_400_000);
    assert_eq!(host.configuration("job123").await["failures"]["consecutive"], 0);

    // The third one needs nobody.
    host.until_configuration("job123", |seen| seen["inFlight"][0]["id"] == 3).await;
    assert_eq!(host.until_over("job123", 3).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn retention_deletes_the_oldest_directory_and_says_so() {
    let host = Host::new().await;
    let id = host.run(&job_file("kept", 3, "timeout = '1m'\nretained = 2", "")).await;
    let chk = |number: u64| host.checkpoints(&id).join(format!("chk-{number}"));
    for number in 1..=4 {
        host.trigger("kept").await;
        assert_eq!(host.until_over("kept", number).await["status"], "COMPLETED");
        assert_complete(&chk(number), number, 3, 1_000);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!([1, 2, 3, 4].map(|number| chk(number).exists()), [false, false, true, true]);
    for (number, discarded) in [(1, true), (2, true), (3, false), (4, false)] {
        let seen = host.seen(&format!("/jobs/kept/checkpoints/details/{number}")).await;
        assert_eq!(seen["discarded"], discarded, "checkpoint {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn checkpoints_go_to_the_directory_that_the_job_names() {
    let host = Host::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let checkpointing = format!("directory = '{}/deep/er'", elsewhere.path().display());
    let id = host.run(&job_file("elsewhere", 1, &checkpointing, "")).await;
    host.trigger("elsewhere").await;
    host.until_over("elsewhere", 1).await;
    assert_complete(&elsewhere.path().join("deep/er").join(&id).join("chk-1"), 1, 1, 1_000);
    assert!(!host.checkpoints(&id).exists());
}

#[tokio::test(start_paused = true)]
async fn a_declined_checkpoint_leaves_no_files_and_its_number_is_not_used_again() {
    let host = Host::new().await;
    let faults = "faults = [{subtask = 1, every = 2, kind = 'decline'}]";
    let checkpointing = "timeout = '1m'\ntolerable-failures = 'unlimited'\nretained = 9";
    let id = host.run(&job_file("declines", 2, checkpointing, faults)).await;
    for (number, status) in [(1, "COMPLETED"), (2, "FAILED"), (3, "COMPLETED"), (4, "FAILED")] {
        host.trigger("declines").await;
        assert_eq!(host.until_over("declines", number).await["status"], status);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut names: Vec<_> = fs::read_dir(host.checkpoints(&id))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["chk-1", "chk-3"]);
    let host = host.restarted().await;
    host.until_state("declines", "RUNNING").await;
    host.trigger("declines").await;
    assert_eq!(host.until_over("declines", 5).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn periodic_requests_that_find_one_in_flight_are_merged_with_a_warning() {
    let host = Host::new().await;
    let hang = "faults = [{to = 1, kind = 'hang'}]";
    let checkpointing = "interval = '1s'\ntimeout = '8300ms'\ntolerable-failures = 'unlimited'";
    host.run(&job_file("stuck", 1, checkpointing, hang)).await;
    let stuck = host
        .until_configuration("stuck", |seen| seen["inFlight"][0]["elapsed"].as_u64() >= Some(7_500))
        .await;
    let [warning] = stuck["warnings"].as_array().unwrap().as_slice() else { panic!("{stuck}") };
    // Seven came due: one waits, and six are merged into it.
    assert_eq!(
        warning,
        "6 periodic checkpoints were due while another was in flight; they were merged into the one that follows"
    );
    host.until_over("stuck", 1).await;
    host.until_over("stuck", 2).await;
    // One ran for all of them; the next one has its own turn.
    let seen = host.seen("/jobs/stuck/checkpoints").await;
    assert_eq!(seen["counts"]["total"], 2, "{}", seen["counts"]);
    host.until_over("stuck", 3).await;
    assert_eq!(host.configuration("stuck").await["warnings"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_periodic_job_keeps_its_pace_and_min_pause_holds() {
    let host = Host::new().await;
    let checkpointing = "interval = '10s'\nmin-pause = '8s'\ntimeout = '1m'\nretained = 9";
    // Each takes five seconds, so that min-pause ends three seconds after the next one was due.
    let slow = "speed = '200B/s'";
    host.run(&job_file("paced", 1, checkpointing, slow)).await;
    let mut ends = Vec::new();
    let began = tokio::time::Instant::now();
    for number in 1..=3 {
        host.until_configuration("paced", |seen| seen["inFlight"][0]["id"] == number).await;
        let start = began.elapsed();
        if let Some(end) = ends.last() {
            let pause: Duration = start - *end;
            assert!((7_940..=8_060).contains(&pause.as_millis()), "the pause was {pause:?}");
        }
        host.until_over("paced", number).await;
        ends.push(began.elapsed());
    }
}

/// Rule 30: what is kept follows from the policy.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_job_deletes_or_keeps_its_checkpoints_by_its_policy() {
    let host = Host::new().await;
    for (policy, kept) in
        [("never-retain", false), ("retain-on-failure", false), ("retain-on-cancellation", true)]
    {
        let id = host.run(&job_file(policy, 1, &format!("on-end = '{policy}'"), "")).await;
        host.trigger(policy).await;
        host.until_over(policy, 1).await;
        host.cancelled(policy).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(host.checkpoints(&id).join("chk-1").exists(), kept, "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_cancelled_while_it_restarts_keeps_nothing_either() {
    let host = Host::new().await;
    let file = job_file("fragile", 1, "timeout = '1m'", "faults = [{from = 2, kind = 'decline'}]");
    let id = host.run(&format!("{file}[restart]\ndelay = '1h'\n")).await;
    host.trigger("fragile").await;
    host.until_over("fragile", 1).await;
    host.trigger("fragile").await;
    host.until_state("fragile", "RESTARTING").await;
    host.cancelled("fragile").await;
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert!(!host.checkpoints(&id).join("chk-1").exists(), "its policy is to retain nothing");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_being_prepared_when_its_job_is_cancelled_leaves_no_directory() {
    let host = Host::new().await;
    let id = host.run(&job_file("brief", 1, "timeout = '1m'", "")).await;
    // Both are asked before the disk is touched.
    let trigger = request(Method::POST, "/jobs/brief/checkpoints").body(Body::empty()).unwrap();
    let (triggered, cancelled) = tokio::join!(host.send(trigger), host.cancel("brief"));
    assert_eq!((triggered.status.as_u16(), cancelled.status.as_u16()), (202, 202));
    host.until_state("brief", "CANCELED").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!host.checkpoints(&id).join("chk-1").exists());
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_lost_a_file_is_left_alone_and_the_one_before_it_counts() {
    let host = Host::new().await;
    let id = host.run(&job_file("hurt", 2, "timeout = '1m'\nretained = 3", "")).await;
    for number in 1..=2 {
        host.trigger("hurt").await;
        host.until_over("hurt", number).await;
    }
    let newest = host.checkpoints(&id).join("chk-2");
    let state = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "state");
    let lost = fs::read_dir(&newest).unwrap().map(|entry| entry.unwrap()).find(state).unwrap();
    fs::remove_file(lost.path()).unwrap();
    let host = host.restarted().await;
    host.until_state("hurt", "RUNNING").await;
    assert_eq!(host.seen("/jobs/hurt/checkpoints").await["latest"]["restored"]["id"], 1);
    assert!(newest.join("_metadata").is_file(), "somebody may want to look at it");
    host.trigger("hurt").await;
    assert_eq!(host.until_over("hurt", 3).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn numbers_rise_also_when_the_file_that_counts_them_is_lost() {
    let host = Host::new().await;
    let id = host.run(&job_file("counts", 1, "timeout = '1m'", "")).await;
    host.trigger("counts").await;
    host.until_over("counts", 1).await;
    fs::remove_file(host.path().join("jobs").join(&id).join("next-checkpoint")).unwrap();
    let host = host.restarted().await;
    host.until_state("counts", "RUNNING").await;
    host.trigger("counts").await;
    assert_eq!(host.until_over("counts", 2).await["status"], "COMPLETED");
}
