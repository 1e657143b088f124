//! Checkpoints that all subtasks have acknowledged, and whose metadata is being stored, when something
//! else happens. The event of the last acknowledgement is sent in the step that starts the storing, so
//! whoever acts on it at once comes before its end.

use crate::support::{Host, job_file};
use ckpt_api::{ConfigurationPatch, Field, HOSTED, Happening};
use ckpt_coordinator::config::SubmittedConfig;
use ckpt_types::bounds::CheckpointTimeout;
use ckpt_types::ids::CheckpointId;
use ckptd::overrides::{Edit, IfMatch, Key};
use ckptd::registry::Job;
use ckptd::seam::{Revision, Settled};
use serde_json::json;
use std::time::Duration;

/// Two at once: the first is stored by a slow subtask, and the second never completes.
fn two_at_once() -> String {
    let checkpointing = "timeout = '1h'\nmax-concurrent = 2";
    let faults = "faults = [{subtask = 1, to = 1, kind = 'straggler', speed = '100B/s'}, \
                  {subtask = 1, from = 2, kind = 'hang'}]";
    let file = job_file("pair", 2, checkpointing, faults);
    format!("{file}[restart]\ndelay = '1m'\n")
}

/// A job with checkpoint 2 in flight, at the moment at which all have acknowledged checkpoint 1.
async fn storing_metadata(host: &Host, timeout: u64) -> (String, Job, Revision) {
    let id = host.run(&two_at_once()).await;
    let job = host.registry.resolve("pair").unwrap();
    let revision = store_timeout(host, &id, timeout).await;
    let mut events = job.subscribe().events;
    host.trigger("pair").await;
    host.trigger("pair").await;
    loop {
        let what = events.recv().await.unwrap().what;
        if what == (Happening::Acknowledged { id: CheckpointId(1), acknowledged: 2, subtasks: 2 }) {
            return (id, job, revision);
        }
    }
}

/// Stores a timeout that is not applied yet.
async fn store_timeout(host: &Host, id: &str, millis: u64) -> Revision {
    let edited = host.overrides.edit(Edit {
        key: Key { cluster: HOSTED.to_owned(), job: id.parse().unwrap() },
        name: "pair".to_owned(),
        patch: ConfigurationPatch {
            timeout: Field::Set(CheckpointTimeout::from_millis(millis).unwrap()),
            ..ConfigurationPatch::default()
        },
        if_match: IfMatch::Any,
        submitted: SubmittedConfig::default(),
        at: 0,
        until: None,
        by: None,
    });
    Revision { revision: edited.await.unwrap().revision, ..Revision::default() }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_timeout_comes_too_late_for_it() {
    let host = Host::new().await;
    let (_, job, revision) = storing_metadata(&host, 1_800_000).await;
    // Checkpoint 2 is at least as young, so that it does not expire either.
    let Settled::Applied(applied) = job.apply(revision).await.unwrap() else {
        panic!("nothing supersedes it")
    };
    let first = &applied.updates[0];
    assert_eq!((first.checkpoint.id, first.checkpoint.remaining), (CheckpointId(1), None));
    assert_eq!((first.outcome, first.previous_remaining), (ckpt_api::Outcome::Unchanged, None));
    assert_eq!(host.until_over("pair", 1).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_meanwhile_does_not_restart_from_what_it_calls_failed() {
    let host = Host::new().await;
    let (_, job, revision) = storing_metadata(&host, 10).await;
    // Checkpoint 2 expires, which is one failure too many.
    job.apply(revision).await.unwrap();
    host.until_state("pair", "RESTARTING").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    host.until_state("pair", "RUNNING").await;
    let outcome = host.seen("/jobs/pair/checkpoints/details/1").await["status"].clone();
    let restored = host.seen("/jobs/pair/checkpoints").await["latest"]["restored"]["id"].clone();
    assert_eq!(outcome == "COMPLETED", restored == 1, "it {outcome}, and {restored} was restored");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_cancelled_meanwhile_keeps_nothing() {
    let host = Host::new().await;
    let (id, job, _) = storing_metadata(&host, 1_800_000).await;
    job.cancel().await.unwrap();
    host.until_state("pair", "CANCELED").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let left = std::fs::read_dir(host.checkpoints(&id)).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new());
    assert_eq!(host.seen("/jobs/pair/checkpoints").await["counts"]["in_progress"], json!(0));
}
