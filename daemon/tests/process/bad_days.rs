//! What storage and people do at the worst moment.

use crate::support::{HANGING, Home, QUICK, refused, until};
use ckpt_api::flink::JobDetails;
use std::process::Command;

/// Six hundred subtasks, more than there are threads for one job's disk.
const WIDE: &str = "name = 'wide'
vertices = [{name = 'v', parallelism = 600}]
[checkpointing]
timeout = '1h'
[rehearsal]
size = '1kB'
";

/// A file that nobody reads from blocks whoever opens it, as a disk does that does not answer.
#[tokio::test]
async fn storage_that_does_not_answer_holds_up_its_own_job_alone() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("wide.toml", WIDE)).await;
    let wide = daemon.until_running("wide").await.job_id;
    daemon.client.submit(QUICK.to_owned()).await.unwrap();
    daemon.until_running("quick").await;
    let details: JobDetails = serde_json::from_value(daemon.get("/jobs/wide").await).unwrap();
    let place = home.state().join(format!("checkpoints/{wide}/chk-1"));
    std::fs::create_dir_all(&place).unwrap();
    let vertex = details.vertices[0].id;
    let pipes = (0..600).map(|index| place.join(format!("{vertex}-{index}.state")));
    assert!(Command::new("mkfifo").args(pipes).status().unwrap().success());

    daemon.trigger("wide").await;
    daemon.until("the checkpoint in flight", "wide", |seen| !seen.in_flight.is_empty()).await;
    for round in 1..=3 {
        let changed = daemon.set_timeout("quick", 60_000 + round).await.unwrap();
        assert!(changed.stored && changed.applied, "{changed:?}");
        assert_eq!(daemon.checkpoint("quick").await, Ok(round));
    }
    let rescued = daemon.set_timeout("wide", 7_200_000).await.unwrap();
    assert_eq!(rescued.in_flight[0].remaining.map(|left| left > 7_000_000), Some(true));
    daemon.kill().await;
}

#[tokio::test]
async fn a_lock_file_that_is_deleted_lets_nobody_in() {
    let home = Home::new();
    let daemon = home.daemon().await;
    std::fs::remove_file(home.state().join("lock")).unwrap();
    let sentence = refused(home.serve()).await;
    assert!(sentence.contains("is in use by the ckptd with an unknown pid"), "{sentence}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_job_whose_only_checkpoint_is_damaged_says_so_instead_of_starting_from_nothing() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("quick.toml", QUICK)).await;
    let id = daemon.until_running("quick").await.job_id;
    assert_eq!(daemon.checkpoint("quick").await, Ok(1));
    daemon.kill().await;
    let metadata = home.state().join(format!("checkpoints/{id}/chk-1/_metadata"));
    let whole = std::fs::read(&metadata).unwrap();
    std::fs::write(&metadata, &whole[..whole.len() / 2]).unwrap();

    let daemon = home.daemon().await;
    let troubled = |seen: &ckpt_api::Configuration| !seen.warnings.is_empty();
    let seen = daemon.until("a warning", "quick", troubled).await;
    assert!(!seen.applied && seen.warnings[0].contains("chk-1 is damaged"), "{seen:?}");
    // Repaired, it goes on by itself.
    std::fs::write(&metadata, &whole).unwrap();
    daemon.until_running("quick").await;
    assert_eq!(daemon.checkpoint("quick").await, Ok(2));
    daemon.stop().await;
}

#[tokio::test]
async fn a_job_whose_storage_is_not_there_waits_for_it() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("quick.toml", QUICK)).await;
    let id = daemon.until_running("quick").await.job_id;
    assert_eq!(daemon.checkpoint("quick").await, Ok(1));
    daemon.kill().await;
    let place = home.state().join(format!("checkpoints/{id}"));
    let away = home.state().join("away");
    std::fs::rename(&place, &away).unwrap();
    let daemon = home.daemon().await;
    let seen = daemon.until("a warning", "quick", |seen| !seen.warnings.is_empty()).await;
    assert!(seen.warnings[0].contains("is gone"), "{seen:?}");
    std::fs::rename(&away, &place).unwrap();
    daemon.until_running("quick").await;
    assert_eq!(daemon.checkpoint("quick").await, Ok(2));
    daemon.stop().await;
}

#[tokio::test]
async fn a_job_that_a_crash_brings_back_from_its_cancellation_has_its_checkpoints_still() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("quick.toml", QUICK)).await;
    let id = daemon.until_running("quick").await.job_id;
    assert_eq!(daemon.checkpoint("quick").await, Ok(1));
    daemon.set_timeout("quick", 60_000).await.unwrap();
    // Its end cannot be stored: something else has the file's name.
    let ended = home.state().join(format!("jobs/{id}/ended.json/in-the-way"));
    std::fs::create_dir_all(&ended).unwrap();
    daemon.client.cancel("quick").await.unwrap();
    daemon.until("the cancellation", "quick", |seen| seen.state.name() == "CANCELLING").await;
    daemon.kill().await;
    std::fs::remove_dir_all(ended.parent().unwrap()).unwrap();
    let daemon = home.daemon().await;
    let seen = daemon.until_running("quick").await;
    assert_eq!((seen.job_id, seen.checkpoint_timeout.effective), (id, Some(60_000)));
    let statistics: ckpt_api::flink::CheckpointStatistics =
        serde_json::from_value(daemon.get("/jobs/quick/checkpoints").await).unwrap();
    assert_eq!(statistics.latest.restored.map(|restored| restored.id.0), Some(1));
    daemon.stop().await;
}

#[tokio::test]
async fn a_submission_whose_client_goes_away_is_hosted_or_never_was() {
    use tokio::io::AsyncWriteExt;
    let home = Home::new();
    let daemon = home.daemon().await;
    let token = std::fs::read_to_string(home.state().join("token")).unwrap();
    let mut stream = tokio::net::TcpStream::connect(&daemon.address).await.unwrap();
    let request = format!(
        "POST /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/toml\r\nContent-Length: {}\r\n\r\n{HANGING}",
        token.trim(),
        HANGING.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(stream);
    // Sent whole, it is taken; what is on disk and what is hosted are the same.
    until("the job", || async {
        let hosted = daemon.client.configurations(true).await.unwrap().value.jobs.len();
        let stored = std::fs::read_dir(home.state().join("jobs")).unwrap().count();
        (hosted == 1 && stored == 1).then_some(())
    })
    .await;
    daemon.stop().await;
}
