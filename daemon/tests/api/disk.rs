//! A disk that refuses. (As root no directory is read-only, so something stands in the way instead.)

use crate::support::{Host, both, calm, configuration_path, job_file, submitted};
use axum::http::StatusCode;
use serde_json::json;
use std::fs;

/// Puts something in the way of the file: nothing can be renamed over a directory that is not empty.
fn block(file: &std::path::Path) {
    if file.is_file() {
        fs::remove_file(file).unwrap();
    }
    fs::create_dir_all(file.join("in-the-way")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_503_and_not_applied() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    host.trigger("calm").await;
    let before = host.until_acknowledged("calm", 1).await;
    block(&host.overrides_file());
    for answer in [
        host.patch("calm", &json!({"checkpointTimeout": 10})).await,
        host.patch("calm", &json!({"checkpointTimeout": 1_200_000, "checkpointInterval": 7_200_000})).await,
    ] {
        let sentence = answer.error(503);
        assert!(
            sentence.contains("nothing was changed") && sentence.contains("overrides.json"),
            "{sentence}"
        );
    }
    let after = host.configuration("calm").await;
    assert_eq!((both(&after, "effective"), &after["revision"]), (submitted(), &json!(0)));
    assert_eq!((both(&after, "override"), &after["applied"]), (both(&before, "override"), &json!(true)));
    let (old, new) = (&before["inFlight"][0], &after["inFlight"][0]);
    assert_eq!((&old["id"], &new["id"]), (&json!(1), &json!(1)), "the checkpoint in flight lives");
    let whole =
        |seen: &serde_json::Value| seen["elapsed"].as_u64().unwrap() + seen["remaining"].as_u64().unwrap();
    assert!(whole(new).abs_diff(600_000) <= 1, "its deadline is the old one: {new}");
    assert_eq!(host.seen("/jobs/calm/checkpoints/config").await["timeout"], 600_000);
    assert_eq!(host.record(&id), None);
    // What changes nothing needs no disk.
    let path = configuration_path("calm");
    assert_eq!(host.delete(&path).await.status, StatusCode::OK);
    // When the disk takes it again, the same change is made, as the first one.
    fs::remove_dir_all(host.overrides_file()).unwrap();
    assert_eq!(host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await["revision"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_leaves_no_trace_and_no_draft() {
    let host = Host::new().await;
    host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 20_000})).await;
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(host.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        names
    };
    let before = names();
    block(&host.overrides_file());
    host.patch("calm", &json!({"checkpointTimeout": 30_000})).await.error(503);
    assert_eq!(names(), before);
    assert_eq!(host.configuration("calm").await["checkpointTimeout"]["effective"], 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_stored_is_503_and_not_submitted() {
    let host = Host::new().await;
    fs::remove_dir_all(host.path().join("jobs")).unwrap();
    host.post_job(&calm()).await.error(503);
    host.get(&configuration_path("calm")).await.error(404);
    fs::create_dir(host.path().join("jobs")).unwrap();
    assert_eq!(host.post_job(&calm()).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_whose_place_cannot_be_made_fails_and_the_next_one_completes() {
    let host = Host::new().await;
    let id = host.run(&job_file("placed", 2, "tolerable-failures = 'unlimited'", "")).await;
    // A file stands where the directory of checkpoint 1 has to go.
    fs::create_dir_all(host.checkpoints(&id)).unwrap();
    fs::write(host.checkpoints(&id).join("chk-1"), "in the way").unwrap();
    host.trigger("placed").await;
    let failed = host.until_over("placed", 1).await;
    assert_eq!(failed["status"], "FAILED", "{failed}");
    host.trigger("placed").await;
    assert_eq!(host.until_over("placed", 2).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_whose_metadata_cannot_be_stored_fails_and_counts() {
    let host = Host::new().await;
    let checkpointing = "tolerable-failures = 'unlimited'\ntimeout = '1h'";
    let slow = "faults = [{subtask = 1, kind = 'straggler', speed = '100B/s'}]";
    let id = host.run(&job_file("placed", 2, checkpointing, slow)).await;
    host.trigger("placed").await;
    host.until_acknowledged("placed", 1).await;
    block(&host.checkpoints(&id).join("chk-1/_metadata"));
    let failed = host.until_over("placed", 1).await;
    assert_eq!(failed["status"], "FAILED");
    let message = failed["failure_message"].as_str().unwrap();
    assert!(message.starts_with("Failure to finalize checkpoint."), "{message}");
    assert_eq!(host.configuration("placed").await["failures"]["consecutive"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_cannot_be_stored_is_tried_again() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 20_000})).await;
    let ended = host.path().join("jobs").join(&id).join("ended.json");
    block(&ended);
    assert_eq!(host.cancel("calm").await.status, StatusCode::ACCEPTED);
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(host.configuration("calm").await["state"], "CANCELLING");
    assert!(host.record(&id).is_some(), "an override is never lost before its job's end is known");
    // Nothing can be changed any more, and what was there stays.
    host.patch("calm", &json!({"checkpointTimeout": 30_000})).await.error(409);
    fs::remove_dir_all(&ended).unwrap();
    host.until_state("calm", "CANCELED").await;
    assert_eq!(host.record(&id), None);
}
