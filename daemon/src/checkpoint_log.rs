//! The ended checkpoints of one job: a bounded log that feeds the history, the statistics, the estimate and the
//! metrics. It has no clock and does no I/O, and it is lost when ckptd restarts.

mod flink;
mod quota;
mod record;
#[cfg(test)]
mod tests;
mod timeouts;
mod tracker;

pub(crate) use flink::{acknowledgements, failure_reason};
pub use record::CompletedCheckpoint;
pub(crate) use record::{
    CheckpointMark, CheckpointOutcome, CheckpointProgress, CheckpointRecord, CompletedSample, SubtaskAck,
    SubtaskTable, subtask_times,
};
pub(crate) use timeouts::Flight;
pub(crate) use tracker::{CheckpointTracker, CheckpointView};

use crate::anatomy::CheckpointAnatomy;
use ckpt_api::{CheckpointHistory, EndedCheckpoint};
use ckpt_types::ids::{CheckpointId, VertexId};
use quota::{DetailQuota, MAX_OF_KIND};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use timeouts::TimeoutLog;
use tokio::sync::watch;

/// Identities kept for de-duplication. Five times the records that one call can add, so a job manager that starts
/// anew cannot push out what its next answer still contains.
const MAX_MARKS: usize = 1_024;
/// Completed checkpoints behind the distributions, as in Flink.
const MAX_SAMPLES: usize = 10_000;

/// The newest ended checkpoints of a job. Clones share their subscribers.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckpointLog {
    /// In order of their sequence numbers.
    records: VecDeque<CheckpointRecord>,
    marks: VecDeque<CheckpointMark>,
    timeouts: TimeoutLog,
    completed: u64,
    failed: u64,
    /// `None` where nobody asks for distributions.
    samples: Option<VecDeque<CompletedSample>>,
    /// The sequence number of the newest record; 0 before the first.
    appended: watch::Sender<u64>,
}

/// The part of a log behind a sequence number.
#[derive(Debug, Clone, Default)]
pub struct LogTail {
    /// The sequence number of the newest record; 0 if there was none yet.
    pub newest: u64,
    /// True if a later record was announced already, which these do not have yet.
    pub is_behind: bool,
    /// The records, oldest first. One that was dropped before it was asked for is missing.
    pub checkpoints: Vec<EndedCheckpoint>,
    /// Time at which that was seen, in milliseconds since the epoch.
    pub observed_at: u64,
}

impl CheckpointLog {
    /// A log that also keeps the samples of [`Self::samples`].
    pub(crate) fn with_samples() -> Self {
        Self { samples: Some(VecDeque::new()), ..Self::default() }
    }

    /// Records the timeout in force as of `at`, both in milliseconds.
    pub(crate) fn record_timeout(&mut self, at: u64, timeout: u64) {
        self.timeouts.record(at, timeout);
    }

    /// Appends an ended checkpoint unless it is known; computes its timeout and whether a change rescued it.
    /// `triggered_there` is the trigger time on the clock of the coordinator, in milliseconds since the epoch.
    pub(crate) fn append(
        &mut self,
        progress: CheckpointProgress,
        triggered_there: i64,
        outcome: CheckpointOutcome,
        flight: Flight,
    ) {
        if let Some(id) = progress.id {
            let mark = CheckpointMark { id, triggered_there };
            // Flink goes on to tell of its newest completed one, whatever the number of failures since.
            if self.marks.contains(&mark) || self.records.iter().any(|record| record.mark() == Some(mark)) {
                return;
            }
            if self.marks.len() == MAX_MARKS {
                self.marks.pop_front();
            }
            self.marks.push_back(mark);
        }
        let completed = outcome.is_completed();
        let shortest = self.timeouts.shortest(flight);
        let last = self.timeouts.at(flight.to);
        // One that completed later than that had more time, from a change between two observations.
        let timeout = last.filter(|timeout| !completed || flight.fits(*timeout));
        // A timer that was late on a busy machine is no rescue.
        let rescued = completed && shortest.is_some_and(|it| it < flight.duration()) && last > shortest;
        match completed {
            true => self.completed += 1,
            false => self.failed += 1,
        }
        if let (true, Some(samples)) = (completed, &mut self.samples) {
            if samples.len() == MAX_SAMPLES {
                samples.pop_front();
            }
            samples.push_back(CompletedSample::of(&progress));
        }
        let sequence = self.newest() + 1;
        self.records.push_back(CheckpointRecord {
            sequence,
            triggered_there,
            progress,
            outcome,
            timeout,
            rescued,
        });
        self.prune();
        self.appended.send_replace(sequence);
    }

    /// Drops what is neither among the newest records nor needed for statistics and estimate.
    fn prune(&mut self) {
        let (mut quota, mut places) = (self.quota(), MAX_OF_KIND);
        let newest_first = self.records.iter_mut().rev().enumerate();
        let mut keep: Vec<bool> = newest_first
            .map(|(age, record)| {
                let places = &mut places[record.kind()];
                let is_newest = record.progress.id.is_some() && *places > 0;
                *places -= usize::from(is_newest);
                if !quota.admits(record) && !is_newest {
                    record.progress.subtasks = None;
                }
                is_newest || record.progress.subtasks.is_some() || age < CheckpointHistory::MOST
            })
            .collect();
        self.records.retain(|_| keep.pop().unwrap_or(true));
    }

    fn quota(&self) -> DetailQuota {
        if self.samples.is_some() { DetailQuota::default() } else { DetailQuota::of_completed() }
    }

    /// Of this clone: another one may have announced a later record.
    fn newest(&self) -> u64 {
        self.records.back().map_or(0, |record| record.sequence)
    }

    fn newest_first(&self) -> impl Iterator<Item = &CheckpointRecord> {
        self.records.iter().rev()
    }

    /// Records behind this sequence number, among the newest [`CheckpointHistory::MOST`]. `observed_at` is the time at
    /// which they were seen, in milliseconds since the epoch.
    pub(crate) fn after(&self, sequence: u64, observed_at: u64) -> LogTail {
        let older = self.records.len().saturating_sub(CheckpointHistory::MOST);
        let tail = self.records.iter().skip(older).filter(|record| record.sequence > sequence);
        let checkpoints = tail.map(CheckpointRecord::to_api).collect();
        let newest = self.newest();
        LogTail { newest, is_behind: *self.appended.borrow() > newest, checkpoints, observed_at }
    }

    #[cfg(test)]
    pub(crate) fn history(&self) -> Vec<EndedCheckpoint> {
        self.after(0, 0).checkpoints
    }

    /// The sequence number of the newest record, and each that follows.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    /// The median duration of the newest ten completed checkpoints, without savepoints.
    pub(crate) fn usual_duration(&self) -> Option<Duration> {
        let completed = self.newest_first().filter(|record| record.is_completed(false));
        let mut durations: Vec<_> =
            completed.filter_map(|record| record.progress.duration).take(10).collect();
        durations.sort_unstable();
        durations.get(durations.len() / 2).copied().map(Duration::from_millis)
    }

    /// The newest records subtask by subtask, oldest first, with the vertices in this order, for an estimate of so
    /// many checkpoints in flight. Without an order they have no subtasks. One whose subtasks were never told is left
    /// out: it may be of before a rescale.
    pub(crate) fn breakdowns(&self, order: &[VertexId], in_flight: usize) -> Vec<Arc<CheckpointAnatomy>> {
        let mut quota = DetailQuota::of_estimate(in_flight);
        let is_told = |record: &&CheckpointRecord| record.progress.subtasks.is_some();
        let told = self.newest_first().filter(is_told);
        let mut recent: Vec<_> = told.filter(|record| quota.admits(record)).collect();
        recent.sort_by_key(|record| (record.triggered_there, record.progress.id));
        recent.into_iter().filter_map(|record| record.breakdown(order)).map(Arc::new).collect()
    }

    /// The newest record of this checkpoint id.
    pub(crate) fn get(&self, id: CheckpointId) -> Option<&CheckpointRecord> {
        self.newest_first().find(|record| record.progress.id == Some(id))
    }

    /// The newest completed checkpoint or savepoint.
    pub(crate) fn newest_completed(&self, savepoint: bool) -> Option<&CheckpointRecord> {
        self.newest_first().find(|record| record.is_completed(savepoint))
    }

    /// The newest completed checkpoint that is no savepoint, in figures.
    pub(crate) fn last_completed(&self) -> Option<CompletedCheckpoint> {
        self.newest_completed(false).map(|record| CompletedCheckpoint {
            triggered_at: record.progress.triggered_at,
            duration: record.progress.duration,
            state_size: record.progress.state_size,
        })
    }

    /// The newest failed checkpoint that had an id.
    pub(crate) fn newest_failed(&self) -> Option<&CheckpointRecord> {
        self.newest_first().find(|record| record.progress.id.is_some() && !record.outcome.is_completed())
    }

    /// Changes what is known of an ended checkpoint: files are deleted and late acknowledgements come in.
    pub(crate) fn change(&mut self, id: CheckpointId, change: impl FnOnce(&mut CheckpointProgress)) {
        if let Some(record) = self.records.iter_mut().rev().find(|record| record.progress.id == Some(id)) {
            change(&mut record.progress);
        }
    }

    /// Adds the acknowledgements of a checkpoint that was recorded without them.
    pub(crate) fn merge_subtasks(&mut self, mark: CheckpointMark, subtasks: SubtaskTable) {
        if let Some(record) = self.records.iter_mut().rev().find(|record| record.mark() == Some(mark)) {
            record.progress.subtasks = Some(Arc::new(subtasks));
            self.prune();
        }
    }

    /// True if the subtasks of a completed checkpoint are unknown here, and would be kept.
    pub(crate) fn needs_subtasks(&self, mark: CheckpointMark) -> bool {
        let mut quota = self.quota();
        let mut newest_first = self.newest_first().map(|record| (record, quota.admits(record)));
        match newest_first.find(|(record, _)| record.mark() == Some(mark)) {
            Some((record, is_admitted)) => is_admitted && record.progress.subtasks.is_none(),
            None => !self.marks.contains(&mark),
        }
    }

    /// Number of completed records since the log began.
    pub(crate) fn completed(&self) -> u64 {
        self.completed
    }

    /// Number of failed records since the log began.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// The newest [`MAX_SAMPLES`] completed checkpoints, oldest first.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &CompletedSample> {
        self.samples.iter().flatten()
    }
}
