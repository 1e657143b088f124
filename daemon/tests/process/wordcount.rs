//! Tasks of one's own: real processes count words (`examples/wordcount.*`) while they and ckptd are killed
//! and stopped. In the end each word counts exactly once.
//!
//! `CKPT_WORDCOUNT_SEED` repeats a run of the random test; the seed of a failed one is in its output.
//!
//! | module | holds |
//! |---|---|
//! | `rig` | ckptd, its workers and their input |
//! | `chaos` | the random test |

mod chaos;
mod rig;

use crate::support::until;
use ckpt_api::flink::CheckpointStatus;
use rig::*;
use rustix::process::Pid;

/// A job whose checkpoints are triggered by hand, and whose workers may stand still.
const BY_HAND: &str = "name = 'wordcount'
vertices = [{name = 'count', parallelism = 4}]
[checkpointing]
timeout = '1h'
tolerable-failures = 'unlimited'
[tasks]
heartbeat-timeout = '1h'
";

/// Everybody runs, has counted a chunk after checkpoint 1, and nobody counts more.
async fn rig_by_hand(test: &str) -> Option<Rig> {
    let mut rig = Rig::new(programs(test)?, BY_HAND, 400).await;
    rig.start_all(HOUR);
    rig.settled().await;
    assert_eq!(rig.daemon().checkpoint("wordcount").await, Ok(1));
    Some(rig)
}

#[tokio::test]
async fn a_worker_that_dies_after_its_acknowledgement_takes_the_checkpoint_with_it() {
    let test = "a_worker_that_dies_after_its_acknowledgement_takes_the_checkpoint_with_it";
    let Some(mut rig) = rig_by_hand(test).await else { return };
    let last = rig.take(3);
    last.stop().await;
    rig.daemon().trigger("wordcount").await;
    let id = rig.acknowledged(3).await;
    rig.take(0).kill().await;
    rig.start(0, 1, HOUR);
    until("the end of the checkpoint", || async {
        let seen = rig.daemon().client.checkpoint("wordcount", id).await.ok()?.value;
        (seen.status == CheckpointStatus::Failed).then_some(())
    })
    .await;
    // It stores what was aborted meanwhile, in a directory that is gone perhaps, and that harms nobody.
    last.go_on();
    rig.workers.push(last);
    rig.settled().await;
    assert_eq!((id.0, rig.restored().await), (2, Some(1)));
    assert_eq!(rig.daemon().configuration("wordcount").await.failures.consecutive, 0);
    assert_eq!(rig.daemon().checkpoint("wordcount").await, Ok(3));
    rig.finish_by_hand().await;
    rig.assert_counted_once();
}

#[tokio::test]
async fn a_ckptd_that_dies_when_all_have_stored_goes_back_to_the_checkpoint_before() {
    let test = "a_ckptd_that_dies_when_all_have_stored_goes_back_to_the_checkpoint_before";
    let Some(mut rig) = rig_by_hand(test).await else { return };
    let last = rig.take(3);
    last.stop().await;
    rig.daemon().trigger("wordcount").await;
    let id = rig.acknowledged(3).await.0;
    let daemon = Pid::from_raw(i32::try_from(rig.daemon().pid).unwrap()).unwrap();
    stop(daemon).await;
    last.go_on();
    rig.workers.push(last);
    // Its acknowledgement is on its way to a ckptd that will never read it.
    let stored = rig.checkpoint(id).join("count-3.json");
    until("the last snapshot", || async {
        let whole = serde_json::from_slice::<serde_json::Value>(&std::fs::read(&stored).ok()?);
        whole.ok().map(drop)
    })
    .await;
    rig.kill_daemon().await;
    assert!(!rig.checkpoint(id).join("_metadata").exists());
    rig.start_daemon(None).await;
    rig.settled().await;
    assert_eq!((id, rig.restored().await), (2, Some(1)));
    assert!(!rig.checkpoint(id).exists(), "what never completed is cleared away");
    assert_eq!(rig.daemon().checkpoint("wordcount").await, Ok(3), "its number is not used again");
    rig.finish_by_hand().await;
    rig.assert_counted_once();
}

#[tokio::test]
async fn a_worker_that_stood_still_gives_up_for_its_replacement() {
    let test = "a_worker_that_stood_still_gives_up_for_its_replacement";
    let Some(mut rig) = rig_by_hand(test).await else { return };
    for program in 0..rig.programs.len() {
        let zombie = rig.take(program);
        zombie.stop().await;
        rig.start(program, program, HOUR);
        rig.settled().await;
        let execution = rig.tasks().await.execution;
        zombie.go_on();
        let (code, log) = zombie.ended().await;
        assert!(code.is_some_and(|code| code != 0) && log.contains("held by attempt"), "{code:?}: {log}");
        let tasks = rig.tasks().await;
        assert_eq!((tasks.execution, tasks.missing), (execution, Vec::new()), "nobody else has noticed");
    }
    rig.finish_by_hand().await;
    rig.assert_counted_once();
}
