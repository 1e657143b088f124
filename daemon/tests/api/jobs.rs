//! Jobs submitted, cancelled and brought back.

use crate::support::{Host, both, calm, configuration_path, job_file, request, with_json};
use axum::http::{Method, StatusCode};
use serde_json::json;
use std::fs;

const JOB123: &str = include_str!("../../../examples/job123.toml");

#[tokio::test(start_paused = true)]
async fn the_example_is_created_once_and_is_the_same_job_afterwards() {
    let host = Host::new().await;
    let created = host.post_job(JOB123).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let created = created.json();
    let fields: Vec<_> = created.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["schema", "jobId", "name", "created"]);
    assert_eq!(
        (&created["schema"], &created["name"], &created["created"]),
        (&json!("ckpt/v1"), &json!("job123"), &json!(true))
    );
    let id = created["jobId"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let again = host.post_job(JOB123).await;
    assert_eq!((again.status, again.json()["created"].clone()), (StatusCode::OK, json!(false)));
    assert_eq!(again.json()["jobId"], created["jobId"]);
    let stored = fs::read_to_string(host.path().join("jobs").join(id).join("job.toml")).unwrap();
    assert_eq!(stored, JOB123, "byte for byte");
    let seen = host.until_state("job123", "RUNNING").await;
    assert_eq!(both(&seen, "effective"), json!({"interval": 15_000, "timeout": 10_000}));
    assert_eq!(seen["failures"]["tolerable"], 2_147_483_647);
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_refused_until_the_old_job_has_ended() {
    let host = Host::new().await;
    let old = host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 20_000})).await;
    let changed = calm().replace("'10m'", "'11m'");
    let sentence = host.post_job(&changed).await.error(409);
    assert!(sentence.contains(&old) && sentence.contains("calm"), "{sentence}");
    assert_eq!(fs::read_dir(host.path().join("jobs")).unwrap().count(), 1);
    assert_eq!(host.configuration("calm").await["checkpointTimeout"]["effective"], 20_000);
    host.cancelled("calm").await;
    let new = host.run(&changed).await;
    assert_ne!(new, old);
    // The name is the new one's, and nothing is inherited.
    let seen = host.configuration("calm").await;
    assert_eq!((&seen["jobId"], &seen["revision"]), (&json!(new), &json!(0)));
    assert_eq!(seen["checkpointTimeout"]["effective"], 660_000);
    assert_eq!(host.configuration(&old).await["state"], "CANCELED");
}

#[tokio::test(start_paused = true)]
async fn the_same_file_after_a_cancellation_is_a_new_job() {
    let host = Host::new().await;
    let old = host.run(&calm()).await;
    host.cancelled("calm").await;
    let new = host.run(&calm()).await;
    assert_ne!(new, old);
    host.cancelled("calm").await;
    assert_eq!(host.configuration("calm").await["jobId"], new, "of those that have ended the latest");
}

#[tokio::test(start_paused = true)]
async fn a_mistake_is_400_with_line_and_column() {
    let host = Host::new().await;
    for (file, parts) in [
        (JOB123.replace("timeout = \"10s\"", "timeout = \"10S\""), ["line 19, column 11", "'S'"]),
        (JOB123.replace("interval", "intervall"), ["line 18, column 1", "intervall"]),
        (JOB123.replace("subtask = 7", "subtask = 8"), ["line 30, column 11", "0 to 7"]),
        (JOB123.replace("name = \"job123\"", "name = \"job123"), ["line 9", ""]),
        (String::new(), ["line 1, column 1", "name"]),
    ] {
        let sentence = host.post_job(&file).await.error(400);
        for part in parts {
            assert!(sentence.contains(part), "{sentence} names {part}");
        }
    }
    assert_eq!(fs::read_dir(host.path().join("jobs")).unwrap().count(), 0);
    assert_eq!(host.seen("/jobs").await, json!({"jobs": []}));
}

#[tokio::test(start_paused = true)]
async fn jobs_overrides_and_ends_are_brought_back() {
    let host = Host::new().await;
    let living = host.run(&calm()).await;
    let ended = host.run(&job_file("ended", 1, "", "")).await;
    host.change("calm", &json!({"checkpointTimeout": 20_000})).await;
    host.cancelled("ended").await;
    let host = host.restarted().await;
    let seen = host.until_state("calm", "RUNNING").await;
    assert_eq!(
        (&seen["jobId"], &seen["revision"], &seen["applied"]),
        (&json!(living), &json!(1), &json!(true))
    );
    assert_eq!(seen["checkpointTimeout"]["effective"], 20_000);
    assert_eq!(host.configuration("ended").await["jobId"], ended);
    assert_eq!(host.post_job(&calm()).await.json()["jobId"], living, "the same file is the same job");
}

#[tokio::test(start_paused = true)]
async fn the_override_of_a_job_that_has_ended_is_removed_at_the_next_start() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 20_000})).await;
    // A crash came between the job's end and that of its override.
    fs::write(host.path().join("jobs").join(&id).join("ended.json"), r#"{"state":"CANCELED","at":1}"#)
        .unwrap();
    let host = host.restarted().await;
    assert_eq!(host.configuration("calm").await["state"], "CANCELED");
    assert_eq!(host.record(&id), None);
}

#[tokio::test(start_paused = true)]
async fn after_a_start_a_name_still_means_the_job_that_ended_last() {
    let home = tempfile::tempdir().unwrap();
    let (older, newer) = ("00000000000000000000000000000001", "00000000000000000000000000000002");
    for (id, at) in [(older, 1_000), (newer, 2_000)] {
        let directory = home.path().join("jobs").join(id);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("job.toml"), calm()).unwrap();
        fs::write(directory.join("ended.json"), format!(r#"{{"state":"CANCELED","at":{at}}}"#)).unwrap();
    }
    let host = Host::on(home).await;
    assert_eq!(host.seen("/jobs").await["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(host.configuration("calm").await["jobId"], newer);
}

#[tokio::test(start_paused = true)]
async fn stopping_is_refused_with_the_way_that_there_is() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let stop = |job: &str| with_json(request(Method::POST, &format!("/v1/jobs/{job}/stop")), "{}");
    let sentence = host.send(stop("calm")).await.error(501);
    assert!(sentence.contains("flink cancel -s DIRECTORY"), "{sentence}");
    host.send(stop("nobody")).await.error(404);
    assert_eq!(host.configuration("calm").await["state"], "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_dot_or_two_as_a_name_can_be_reached() {
    let host = Host::new().await;
    let answer = host.post_job(&job_file("..", 1, "", "")).await;
    if answer.status == StatusCode::CREATED {
        let id = answer.json()["jobId"].clone();
        assert_eq!(host.seen(&configuration_path("%2E%2E")).await["jobId"], id);
    }
}
