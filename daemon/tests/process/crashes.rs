//! What survives SIGKILL: every change that was answered, every number that was taken.

use crate::support::{Daemon, HANGING, Home, LIMIT, QUICK, refused, until};
use ckpt_api::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::timeout;

/// Changes a timeout again and again, so that revision r has timeout BASE + r; returns the last revision
/// that was answered.
async fn change_until_killed(daemon: Arc<Daemon>, first: u64, answered: Arc<AtomicU64>) {
    for revision in first.. {
        let Ok(changed) = daemon.set_timeout("quick", BASE + revision).await else { return };
        let configuration = changed;
        assert_eq!(configuration.revision, revision);
        assert!(configuration.stored && configuration.applied);
        answered.store(revision, Ordering::SeqCst);
    }
}

const BASE: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_change_and_every_number_survives_ten_kills() {
    let home = Home::new();
    let file = home.write("quick.toml", QUICK);
    let mut id = None;
    let (mut revision, mut highest) = (0, 0);
    for round in 0..10_u64 {
        let daemon = Arc::new(home.daemon_with(&file).await);
        let seen = daemon.until_running("quick").await;
        assert_eq!(*id.get_or_insert(seen.job_id), seen.job_id, "it is the same job");
        assert!(
            seen.revision >= revision,
            "round {round}: revision {revision} was answered, {} is there",
            seen.revision
        );
        let override_then = (seen.revision > 0).then_some(BASE + seen.revision);
        assert_eq!(seen.checkpoint_timeout.overridden, override_then, "round {round}: a whole change");
        assert_eq!(seen.checkpoint_timeout.effective, Some(override_then.unwrap_or(3_600_000)));
        assert!(seen.applied, "round {round}");

        let answered = Arc::new(AtomicU64::new(seen.revision));
        let changing =
            tokio::spawn(change_until_killed(Arc::clone(&daemon), seen.revision + 1, Arc::clone(&answered)));
        let number = daemon.checkpoint("quick").await.unwrap();
        assert!(number > highest, "round {round}: {number} after {highest}");
        // It dies in the middle of the changes, each time at another point.
        let enough = seen.revision + 3 + 2 * round;
        until("a few changes", || async { (answered.load(Ordering::SeqCst) >= enough).then_some(()) }).await;
        // One more is under way that nobody has waited for.
        daemon.trigger("quick").await;
        daemon.signal(rustix::process::Signal::KILL);
        timeout(LIMIT, changing).await.unwrap().unwrap();
        revision = answered.load(Ordering::SeqCst);
        highest = number;
        Arc::into_inner(daemon).unwrap().kill().await;
        // Whatever came in between, the file is whole.
        let overrides = std::fs::read(home.state().join("overrides.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&overrides).unwrap();
    }
    let job = home.state().join("jobs").join(id.unwrap().to_string()).join("job.toml");
    assert_eq!(std::fs::read_to_string(job).unwrap(), QUICK, "byte for byte, after everything");
}

#[tokio::test]
async fn a_saved_checkpoint_is_lost_with_the_process_but_not_the_override() {
    let home = Home::new();
    let file = home.write("hanging.toml", HANGING);
    let daemon = home.daemon_with(&file).await;
    daemon.until_running("hanging").await;
    daemon.trigger("hanging").await;
    daemon.until("a checkpoint", "hanging", |seen| !seen.in_flight.is_empty()).await;
    let changed = daemon.set_timeout("hanging", 7_200_000).await.unwrap();
    assert_eq!(changed.in_flight[0].change.unwrap().outcome, Outcome::Extended);
    daemon.kill().await;

    let daemon = home.daemon().await;
    let seen = daemon.until_running("hanging").await;
    assert_eq!((seen.revision, seen.applied, seen.in_flight.len()), (1, true, 0));
    assert_eq!(seen.checkpoint_timeout.effective, Some(7_200_000));
    daemon.trigger("hanging").await;
    let seen = daemon.until("the next checkpoint", "hanging", |seen| !seen.in_flight.is_empty()).await;
    assert_eq!(seen.in_flight[0].id.0, 2);
    assert!(seen.in_flight[0].remaining.unwrap() > 3_600_000, "the override holds for it");
    let directory = home.state().join("checkpoints").join(seen.job_id.to_string());
    assert!(!directory.join("chk-1").exists(), "what never completed is cleared away");
}

#[tokio::test]
async fn the_same_file_is_the_same_job_and_a_changed_one_is_refused() {
    let home = Home::new();
    let file = home.write("hanging.toml", HANGING);
    let daemon = home.daemon_with(&file).await;
    let id = daemon.configuration("hanging").await.job_id;
    daemon.set_timeout("hanging", 20_000).await.unwrap();
    daemon.stop().await;
    let stored = home.state().join("jobs").join(id.to_string()).join("job.toml");
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), HANGING);

    let changed = home.write("changed.toml", &HANGING.replace("'1h'", "'2h'"));
    let sentence = refused(home.serve_job(&changed)).await;
    for part in ["changed.toml", "'hanging'", &id.to_string(), "cancel"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), HANGING);

    let daemon = home.daemon_with(&file).await;
    let seen = daemon.until_running("hanging").await;
    assert_eq!((seen.job_id, seen.revision), (id, 1));
    assert_eq!(seen.checkpoint_timeout.effective, Some(20_000));
    // When the old job has ended, the changed file is a job of its own, without an override.
    daemon.client.cancel("hanging").await.unwrap();
    daemon.until("the end", "hanging", |seen| seen.state.has_ended()).await;
    daemon.stop().await;
    let daemon = home.daemon_with(&changed).await;
    let seen = daemon.until_running("hanging").await;
    assert_ne!(seen.job_id, id);
    assert_eq!((seen.revision, seen.checkpoint_timeout.effective), (0, Some(7_200_000)));
    assert_eq!(std::fs::read_to_string(&stored).unwrap(), HANGING, "also after its end");
}

#[tokio::test]
async fn completed_checkpoints_are_found_again_and_numbers_go_on() {
    let home = Home::new();
    let file = home.write("quick.toml", QUICK);
    let daemon = home.daemon_with(&file).await;
    let id = daemon.until_running("quick").await.job_id;
    for number in 1..=3 {
        assert_eq!(daemon.checkpoint("quick").await, Ok(number));
    }
    daemon.kill().await;
    let daemon = home.daemon().await;
    daemon.until_running("quick").await;
    let seen: ckpt_api::flink::CheckpointStatistics =
        serde_json::from_value(daemon.get("/jobs/quick/checkpoints").await).unwrap();
    assert_eq!(seen.latest.restored.unwrap().id.0, 3);
    assert_eq!(daemon.checkpoint("quick").await, Ok(4));
    // Two are retained, whichever process made them.
    let chk = |number: u32| home.state().join(format!("checkpoints/{id}/chk-{number}"));
    until("retention", || async { (!chk(2).exists()).then_some(()) }).await;
    assert_eq!([1, 2, 3, 4].map(|number| chk(number).exists()), [false, false, true, true]);
}

#[tokio::test]
async fn drafts_that_a_kill_left_are_cleared_away_at_the_next_start() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("quick.toml", QUICK)).await;
    let id = daemon.until_running("quick").await.job_id;
    daemon.kill().await;
    // As they are named between the writing of a draft and its renaming.
    let drafts = [home.state().join(".draft-AbC123"), home.state().join(format!("jobs/{id}/.draft-AbC123"))];
    for draft in &drafts {
        std::fs::write(draft, "half").unwrap();
    }
    let daemon = home.daemon().await;
    daemon.until_running("quick").await;
    assert_eq!(drafts.map(|draft| draft.exists()), [false, false]);
}
