//! Memory of jobs that their cluster does not list for a while. A JobManager that recovers lists none at first, and the
//! usual course of its jobs' checkpoints is known nowhere else.

use super::super::breakdown::Breakdown;
use crate::checkpoint_log::CheckpointLog;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::JobId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Lifetime of a tombstone.
const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Tombstones of one cluster; the oldest one goes first.
const MAX_TOMBSTONES: usize = 1_000;

/// Memory of one job.
#[derive(Debug, Default)]
pub(super) struct Tombstone {
    pub(super) log: Arc<CheckpointLog>,
    pub(super) breakdown: Arc<Breakdown>,
}

/// Jobs of a cluster that it does not list any more.
#[derive(Debug, Default)]
pub(super) struct Tombstones(HashMap<JobId, (Monotonic, Tombstone)>);

impl Tombstones {
    pub(super) fn add(&mut self, id: JobId, tombstone: Tombstone, now: Monotonic) {
        self.0.insert(id, (now, tombstone));
        if self.0.len() > MAX_TOMBSTONES
            && let Some(first) = self.0.iter().min_by_key(|(_, (left, _))| *left).map(|(id, _)| *id)
        {
            self.0.remove(&first);
        }
    }

    /// Takes the memory of a job that is listed again; an empty one if there is none.
    pub(super) fn take(&mut self, id: JobId) -> Tombstone {
        self.0.remove(&id).map(|(_, tombstone)| tombstone).unwrap_or_default()
    }

    /// Removes those that are older than their lifetime.
    pub(super) fn expire(&mut self, now: Monotonic) {
        self.0.retain(|_, (left, _)| now.since(*left) < TOMBSTONE_LIFETIME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: usize) -> JobId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn tombstones_are_bounded_and_expire() {
        let mut tombstones = Tombstones::default();
        let start = Monotonic::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 0..=MAX_TOMBSTONES {
            tombstones.add(job(number), Tombstone::default(), at(u64::try_from(number).unwrap()));
        }
        assert_eq!(
            (tombstones.0.len(), tombstones.0.contains_key(&job(0))),
            (MAX_TOMBSTONES, false),
            "the oldest is forgotten"
        );
        let breakdown = Arc::clone(&tombstones.0[&job(700)].1.breakdown);
        tombstones.expire(at(1_200));
        assert_eq!(tombstones.0.len(), MAX_TOMBSTONES - 600);
        assert!(Arc::ptr_eq(&tombstones.take(job(700)).breakdown, &breakdown));
        assert!(!tombstones.0.contains_key(&job(700)));
    }
}
