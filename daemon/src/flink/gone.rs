//! What is kept of jobs that their cluster does not list for a while. A JobManager that recovers lists none at first, and
//! what its jobs' checkpoints usually do is known to nobody else.

use super::anatomy::Memory;
use super::job::FlinkJob;
use crate::history::History;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::JobId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// For how long it is kept.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Of how many jobs of a cluster at most, the last to go.
const MOST: usize = 1_000;

/// What is remembered of the checkpoints of one job.
#[derive(Debug, Default)]
pub(super) struct Remains {
    pub(super) memory: Arc<Memory>,
    pub(super) history: History,
}

/// The jobs of a cluster that it does not list any more.
#[derive(Debug, Default)]
pub(super) struct Gone(HashMap<JobId, (Monotonic, Remains)>);

impl Gone {
    /// Keeps what is known of a job that goes. One that has ended does not come back.
    pub(super) fn keep(&mut self, job: &FlinkJob, now: Monotonic) {
        if !job.state().has_ended() {
            self.put(job.id(), job.remains(), now);
        }
    }

    fn put(&mut self, id: JobId, remains: Remains, now: Monotonic) {
        self.0.insert(id, (now, remains));
        if self.0.len() > MOST
            && let Some(first) = self.0.iter().min_by_key(|(_, (left, _))| *left).map(|(id, _)| *id)
        {
            self.0.remove(&first);
        }
    }

    /// What was kept of a job, if anything was.
    pub(super) fn take(&mut self, id: JobId) -> Remains {
        self.0.remove(&id).map(|(_, remains)| remains).unwrap_or_default()
    }

    /// Forgets those that have been gone for long.
    pub(super) fn forget_old(&mut self, now: Monotonic) {
        self.0.retain(|_, (left, _)| now.since(*left) < KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: usize) -> JobId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn what_is_known_of_a_job_is_kept_for_ten_minutes_and_of_no_more_than_is_said() {
        let mut gone = Gone::default();
        let start = Monotonic::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 0..=MOST {
            gone.put(job(number), Remains::default(), at(u64::try_from(number).unwrap()));
        }
        assert_eq!(
            (gone.0.len(), gone.0.contains_key(&job(0))),
            (MOST, false),
            "the first to go is forgotten"
        );
        let memory = Arc::clone(&gone.0[&job(700)].1.memory);
        gone.forget_old(at(1_200));
        assert_eq!(gone.0.len(), MOST - 600);
        assert!(Arc::ptr_eq(&gone.take(job(700)).memory, &memory));
        assert!(!gone.0.contains_key(&job(700)));
    }
}
