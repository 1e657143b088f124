//! Savepoints across SIGKILL.

use crate::support::{Daemon, Home, QUICK, until};
use ckpt_api::flink::{CheckpointStatistics, RestoredCheckpoint, SavepointRequest};
use std::path::PathBuf;

async fn restored(daemon: &Daemon, job: &str) -> Option<RestoredCheckpoint> {
    let path = format!("/jobs/{job}/checkpoints");
    let seen: CheckpointStatistics = serde_json::from_value(daemon.get(&path).await).unwrap();
    seen.latest.restored
}

#[tokio::test]
async fn a_job_submitted_with_a_savepoint_starts_from_it_after_a_kill_before_its_first_checkpoint() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("quick.toml", QUICK)).await;
    daemon.until_running("quick").await;
    assert_eq!(daemon.checkpoint("quick").await, Ok(1));
    let target = home.state().with_file_name("savepoints");
    let request = SavepointRequest {
        target_directory: Some(target.display().to_string()),
        cancel_job: true,
        ..SavepointRequest::default()
    };
    let asked = daemon.client.savepoint("quick", &request).await.unwrap().value.request_id;
    let result = until("a savepoint", || async {
        daemon.client.savepoint_status("quick", asked).await.unwrap().value.operation
    });
    let location = result.await.location.unwrap();
    daemon.until("the end", "quick", |seen| seen.state.has_ended()).await;

    let next = QUICK.replace("'quick'", "'next'");
    let submitted = daemon.client.submit_from(next.clone(), Some(&location)).await.unwrap().value;
    // Answered is stored: nobody waits until the job runs.
    daemon.kill().await;
    let daemon = home.daemon().await;
    daemon.until_running("next").await;
    let seen = restored(&daemon, "next").await.unwrap();
    assert_eq!((seen.id.0, seen.is_savepoint, seen.external_path.as_str()), (2, true, location.as_str()));
    let again = daemon.client.submit_from(next, Some(&location)).await.unwrap().value;
    assert_eq!((again.job_id, again.created), (submitted.job_id, false));
    assert_eq!(daemon.checkpoint("next").await, Ok(3));
    daemon.kill().await;

    let daemon = home.daemon().await;
    daemon.until_running("next").await;
    let seen = restored(&daemon, "next").await.unwrap();
    assert_eq!((seen.id.0, seen.is_savepoint), (3, false));
    let savepoint = PathBuf::from(location.strip_prefix("file:").unwrap());
    assert!(savepoint.join("_metadata").is_file(), "it is never deleted");
}
