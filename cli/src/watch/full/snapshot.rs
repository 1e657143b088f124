//! Jobs as the server showed them, brought up to date with the time.

use ckpt_api::{Configuration, InFlight};
use ckpt_types::ids::JobId;

/// Cluster and id of a job.
pub(super) type JobKey = (String, JobId);

/// Time on both clocks, in milliseconds: since the watch began, and since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) mono: u64,
    pub(super) wall: u64,
}

/// A job as it was seen, brought up to date by the events since.
#[derive(Debug, Clone)]
pub(super) struct JobSnapshot {
    pub(super) job: Configuration,
    /// Time since the watch began.
    pub(super) at: u64,
}

impl JobSnapshot {
    /// Key of the job.
    pub(super) fn key(job: &Configuration) -> JobKey {
        (job.cluster.clone(), job.job_id)
    }

    /// Lets the time pass for checkpoints in flight, unless the job is stale: then nothing is known of them.
    pub(super) fn advance(&mut self, now: Now) {
        let passed = now.mono.saturating_sub(self.at);
        self.at = now.mono;
        if self.job.stale.is_none() {
            self.job.in_flight.iter_mut().for_each(|checkpoint| pass(checkpoint, passed));
        }
    }

    /// The job at a later time.
    pub(super) fn at(&self, now: Now) -> Configuration {
        let mut seen = self.clone();
        seen.advance(now);
        seen.job
    }
}

/// Lets this many milliseconds pass for a checkpoint in flight.
fn pass(checkpoint: &mut InFlight, passed: u64) {
    checkpoint.elapsed = checkpoint.elapsed.saturating_add(passed);
    checkpoint.remaining = checkpoint.remaining.map(|left| left.saturating_sub(passed));
    if let Some(range) = checkpoint.estimate.as_mut().and_then(|estimate| estimate.done_in.as_mut()) {
        for end in [&mut range.low, &mut range.likely, &mut range.high] {
            *end = end.saturating_sub(passed);
        }
    }
}
