//! What a job is restored from when its checkpoints are damaged, and what of them its end leaves.

use crate::support::{Host, job_file};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What becomes of a checkpoint's directory.
type Damage = fn(&Path);

/// A job with three completed checkpoints; its id.
async fn three(host: &Host) -> String {
    let id = host.run(&job_file("hurt", 2, "timeout = '1m'\nretained = 9", "")).await;
    for number in 1..=3 {
        host.trigger("hurt").await;
        host.until_over("hurt", number).await;
    }
    id
}

fn a_file(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "state")).unwrap()
}

fn lose(directory: &Path) {
    fs::remove_file(a_file(directory)).unwrap();
}

fn truncate(directory: &Path) {
    fs::write(a_file(directory), "short").unwrap();
}

fn garble(directory: &Path) {
    fs::write(directory.join("_metadata"), "garbage").unwrap();
}

fn swap(directory: &Path) {
    fs::copy(directory.with_file_name("chk-1").join("_metadata"), directory.join("_metadata")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_damaged_checkpoint_is_named_to_whoever_looks_until_the_next_one_completes() {
    let ways: [(Damage, &str); 4] = [
        (lose, "No such file"),
        (truncate, "has 5 of 1000 bytes"),
        (garble, "_metadata: expected value"),
        (swap, "_metadata is of checkpoint 1"),
    ];
    for (damage, cause) in ways {
        let host = Host::new().await;
        let id = three(&host).await;
        let newest = host.checkpoints(&id).join("chk-3");
        damage(&newest);
        let host = host.restarted().await;
        let seen = host.until_state("hurt", "RUNNING").await;
        let [warning] = seen["warnings"].as_array().unwrap().as_slice() else { panic!("{seen}") };
        let warning = warning.as_str().unwrap();
        for part in ["restored from checkpoint 2", newest.to_str().unwrap(), cause] {
            assert!(warning.contains(part), "{warning}");
        }
        assert_eq!(host.seen("/jobs/hurt/checkpoints").await["latest"]["restored"]["id"], 2);
        assert!(newest.join("_metadata").is_file(), "somebody may want to look at it");
        host.trigger("hurt").await;
        assert_eq!(host.until_over("hurt", 4).await["status"], "COMPLETED");
        assert_eq!(host.configuration("hurt").await["warnings"], json!([]), "it matters no more");
        let host = host.restarted().await;
        let seen = host.until_state("hurt", "RUNNING").await;
        assert_eq!(seen["warnings"], json!([]), "an older one that is damaged matters to nobody");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_with_only_damaged_checkpoints_does_not_run_and_names_the_newest() {
    let host = Host::new().await;
    let id = three(&host).await;
    for (number, damage) in [(1, lose as Damage), (2, truncate), (3, swap)] {
        let directory = host.checkpoints(&id).join(format!("chk-{number}"));
        damage(&directory);
    }
    let host = host.restarted().await;
    let is_hurt = |seen: &Value| seen["warnings"].to_string().contains("cannot be restored");
    let seen = host.until_configuration("hurt", is_hurt).await;
    let warning = seen["warnings"][0].as_str().unwrap();
    for part in ["chk-3 is damaged", "no older one", "move it away"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert_ne!(seen["state"], "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_now_is_neither_deleted_nor_passed_over() {
    let host = Host::new().await;
    let id = three(&host).await;
    let metadata = host.checkpoints(&id).join("chk-3/_metadata");
    let content = fs::read(&metadata).unwrap();
    fs::remove_file(&metadata).unwrap();
    // It has itself as its target, which no look gets to the end of.
    std::os::unix::fs::symlink(&metadata, &metadata).unwrap();
    let host = host.restarted().await;
    let waits = |seen: &Value| seen["warnings"].to_string().contains("cannot be restored");
    let seen = host.until_configuration("hurt", waits).await;
    assert!(seen["warnings"].to_string().contains("chk-3"), "{seen}");
    assert!(host.checkpoints(&id).join("chk-3").is_dir());
    fs::remove_file(&metadata).unwrap();
    fs::write(&metadata, content).unwrap();
    let seen = host.until_state("hurt", "RUNNING").await;
    assert_eq!(seen["warnings"], json!([]));
    let restored = host.seen("/jobs/hurt/checkpoints").await["latest"]["restored"].clone();
    assert_eq!(restored["id"], 3, "it is the newest");
}

#[tokio::test(start_paused = true)]
async fn a_completed_checkpoint_that_lost_its_metadata_is_missed_and_not_deleted() {
    let host = Host::new().await;
    let id = three(&host).await;
    fs::remove_file(host.checkpoints(&id).join("chk-3/_metadata")).unwrap();
    let host = host.restarted().await;
    let seen = host.until_state("hurt", "RUNNING").await;
    let warning = seen["warnings"][0].as_str().unwrap();
    for part in ["restored from checkpoint 2", "chk-3 is damaged", "its _metadata is gone"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert!(host.checkpoints(&id).join("chk-3").is_dir(), "somebody may repair it");
    assert_eq!(host.seen("/jobs/hurt/checkpoints").await["latest"]["restored"]["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_checkpoints_are_gone_does_not_start_from_nothing() {
    let host = Host::new().await;
    let id = three(&host).await;
    let (root, elsewhere) = (host.checkpoints(&id), host.path().join("elsewhere"));
    fs::rename(&root, &elsewhere).unwrap();
    host.trigger("hurt").await;
    let failed = host.until_over("hurt", 4).await;
    assert!(failed["failure_message"].as_str().unwrap().contains("is gone; bring it back"), "{failed}");
    assert!(!root.exists(), "it is not made anew");
    let host = host.restarted().await;
    let is_missed = |seen: &Value| seen["warnings"].to_string().contains("is gone; bring it back");
    host.until_configuration("hurt", is_missed).await;
    // Empty it is no better.
    fs::create_dir(&root).unwrap();
    let is_missed = |seen: &Value| seen["warnings"].to_string().contains("chk-3 is damaged");
    let seen = host.until_configuration("hurt", is_missed).await;
    assert_ne!(seen["state"], "RUNNING");
    fs::remove_dir(&root).unwrap();
    fs::rename(&elsewhere, &root).unwrap();
    let seen = host.until_state("hurt", "RUNNING").await;
    assert_eq!(seen["warnings"], json!([]));
    assert_eq!(host.seen("/jobs/hurt/checkpoints").await["latest"]["restored"]["id"], 3);
    // Whoever wants to start from nothing says so.
    fs::rename(&root, &elsewhere).unwrap();
    let record = host.path().join("jobs").join(&id).join("newest-checkpoint");
    let host = host.restarted().await;
    let is_missed = |seen: &Value| seen["warnings"].to_string().contains(record.to_str().unwrap());
    host.until_configuration("hurt", is_missed).await;
    fs::remove_file(&record).unwrap();
    host.until_state("hurt", "RUNNING").await;
}

/// Rule 30, when a crash came between a job's end and the deletion that follows from it.
#[tokio::test(start_paused = true)]
async fn each_end_deletes_or_keeps_by_the_policy_also_after_a_crash() {
    let policies = [
        ("never-retain", ["FINISHED", "FAILED", "CANCELED"].as_slice()),
        ("retain-on-failure", &["FINISHED", "CANCELED"]),
        ("retain-on-cancellation", &["FINISHED"]),
    ];
    for (policy, deleting) in policies {
        for end in ["FINISHED", "FAILED", "CANCELED"] {
            let host = Host::new().await;
            let id = host.run(&job_file("ends", 1, &format!("on-end = '{policy}'"), "")).await;
            host.trigger("ends").await;
            host.until_over("ends", 1).await;
            let ended = json!({"state": end, "at": 1}).to_string();
            fs::write(host.path().join("jobs").join(&id).join("ended.json"), ended).unwrap();
            let host = host.restarted().await;
            assert_eq!(host.configuration("ends").await["state"], end);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let kept = host.checkpoints(&id).join("chk-1/_metadata").is_file();
            assert_eq!(kept, !deleting.contains(&end), "{policy}, {end}");
        }
    }
}
