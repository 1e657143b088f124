//! The checkpoints of one job, in flight and ended (Flink's `CheckpointStatsTracker`).

use super::{CheckpointLog, CheckpointOutcome, CheckpointProgress, CheckpointRecord, Flight, SubtaskAck};
use crate::anatomy::SubtaskTimes;
use crate::clock::Moment;
use ckpt_api::flink::{CheckpointStatus, Counts, RestoredCheckpoint};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{Fact, Kind, Monotonic, Snapshot};
use ckpt_types::duration::millis;
use ckpt_types::ids::{CheckpointId, Subtask, VertexId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Length of Flink's history of checkpoints (rule 4).
const MAX_HISTORY: usize = 10;

/// The checkpoints of one job since ckptd started.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointTracker {
    in_flight: BTreeMap<CheckpointId, CheckpointProgress>,
    /// The ids in Flink's history, in order of triggers.
    history: VecDeque<CheckpointId>,
    log: CheckpointLog,
    restores: u64,
    restored: Option<RestoredCheckpoint>,
    vertices: Vec<(VertexId, u32)>,
}

/// A checkpoint in flight or ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckpointView<'a> {
    pub(crate) progress: &'a CheckpointProgress,
    /// `None` while it is in flight.
    pub(crate) outcome: Option<&'a CheckpointOutcome>,
}

impl CheckpointView<'_> {
    pub(crate) fn status(&self) -> CheckpointStatus {
        match self.outcome {
            None => CheckpointStatus::InProgress,
            Some(CheckpointOutcome::Completed) => CheckpointStatus::Completed,
            Some(CheckpointOutcome::Failed { .. }) => CheckpointStatus::Failed,
        }
    }

    /// The message of its failure.
    pub(crate) fn failure_message(&self) -> Option<&str> {
        match self.outcome {
            Some(CheckpointOutcome::Failed { message, .. }) => message.as_deref(),
            _ => None,
        }
    }

    /// The time since its trigger while it is in flight, its duration afterwards.
    pub(crate) fn age(&self, now: Monotonic) -> Duration {
        match (self.outcome, self.progress.duration, self.progress.triggered) {
            (Some(_), Some(took), _) => Duration::from_millis(took),
            (_, _, Some(triggered)) => now - triggered,
            _ => Duration::ZERO,
        }
    }
}

impl<'a> From<&'a CheckpointRecord> for CheckpointView<'a> {
    fn from(record: &'a CheckpointRecord) -> Self {
        Self { progress: &record.progress, outcome: Some(&record.outcome) }
    }
}

impl<'a> From<&'a CheckpointProgress> for CheckpointView<'a> {
    fn from(progress: &'a CheckpointProgress) -> Self {
        Self { progress, outcome: None }
    }
}

impl CheckpointTracker {
    /// A tracker of a job with these vertices and their parallelism.
    pub(crate) fn new(vertices: Vec<(VertexId, u32)>) -> Self {
        Self {
            in_flight: BTreeMap::new(),
            history: VecDeque::new(),
            log: CheckpointLog::with_samples(),
            restores: 0,
            restored: None,
            vertices,
        }
    }

    /// The ended checkpoints.
    pub(crate) fn log(&self) -> &CheckpointLog {
        &self.log
    }

    /// The checkpoint that the job was restored from last.
    pub(crate) fn restored(&self) -> Option<&RestoredCheckpoint> {
        self.restored.as_ref()
    }

    pub(crate) fn counts(&self) -> Counts {
        let in_progress = u64::try_from(self.in_flight.len()).unwrap_or(u64::MAX);
        let (completed, failed) = (self.log.completed(), self.log.failed());
        let total = in_progress + completed + failed;
        Counts { restored: self.restores, total, in_progress, completed, failed }
    }

    /// Flink's history, newest first.
    pub(crate) fn history(&self) -> impl Iterator<Item = CheckpointView<'_>> {
        self.history.iter().rev().filter_map(|id| self.get(*id))
    }

    /// The checkpoints in flight, oldest first.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = CheckpointView<'_>> {
        self.in_flight.values().map(CheckpointView::from)
    }

    pub(crate) fn get(&self, id: CheckpointId) -> Option<CheckpointView<'_>> {
        let in_flight = self.in_flight.get(&id).map(CheckpointView::from);
        in_flight.or_else(|| self.log.get(id).map(CheckpointView::from))
    }

    /// A checkpoint that Flink still shows: in its history, or the newest of its kind.
    pub(crate) fn shown(&self, id: CheckpointId) -> Option<CheckpointView<'_>> {
        let newest = [self.log.newest_completed(false), self.log.newest_completed(true)];
        let mut newest = newest.into_iter().chain([self.log.newest_failed()]).flatten();
        let is_shown = self.history.contains(&id) || newest.any(|record| record.progress.id == Some(id));
        self.get(id).filter(|_| is_shown)
    }

    /// Records that the job starts from a checkpoint.
    pub(crate) fn record_restore(&mut self, now: Moment, id: CheckpointId, is_savepoint: bool, path: String) {
        self.restores += 1;
        let restore_timestamp = i64::try_from(now.wall_millis()).unwrap_or(i64::MAX);
        self.restored = Some(RestoredCheckpoint { id, restore_timestamp, is_savepoint, external_path: path });
    }

    /// Records the timeout that is in force as of now.
    pub(crate) fn record_timeout(&mut self, now: Moment, timeout: Duration) {
        self.log.record_timeout(clock_millis(now.monotonic), millis(timeout));
    }

    /// Records a fact. `path` tells where a checkpoint is.
    pub(crate) fn record(&mut self, now: Moment, fact: &Fact, path: impl Fn(CheckpointId, &Kind) -> String) {
        match fact {
            Fact::Created { id, kind } => self.create(now, *id, kind, path(*id, kind)),
            Fact::Acknowledged { id, subtask, snapshot } => {
                self.change(*id, |progress| acknowledge(progress, now, *subtask, snapshot, false));
            }
            Fact::AcknowledgedLate { id, subtask, snapshot } => {
                self.change(*id, |progress| acknowledge(progress, now, *subtask, snapshot, true));
            }
            Fact::Completed { id } => self.complete(now, *id),
            Fact::Failed { id, reason, detail } => self.fail(now, *id, *reason, detail.as_deref()),
            Fact::FailedWithoutId { reason } => self.fail_without_id(now, *reason),
            Fact::Discarded { id } => self.change(*id, |progress| progress.discarded = true),
            Fact::Merged { .. } => {}
        }
    }

    fn create(&mut self, now: Moment, id: CheckpointId, kind: &Kind, path: String) {
        let silent = |&(vertex, parallelism): &(VertexId, u32)| {
            (vertex, vec![None; usize::try_from(parallelism).unwrap_or(usize::MAX)])
        };
        let progress = CheckpointProgress {
            savepoint: kind.is_savepoint(),
            path: Some(path),
            subtasks: Some(Arc::new(self.vertices.iter().map(silent).collect())),
            ..unknown(now, Some(id))
        };
        self.in_flight.insert(id, progress);
        self.history.push_back(id);
        // What is in flight stays visible, however many there are.
        while self.history.len() > MAX_HISTORY {
            let ended = self.history.iter().position(|id| !self.in_flight.contains_key(id));
            let Some(ended) = ended else { break };
            self.history.remove(ended);
        }
    }

    fn complete(&mut self, now: Moment, id: CheckpointId) {
        self.end(now, id, |_| CheckpointOutcome::Completed);
    }

    fn fail(&mut self, now: Moment, id: CheckpointId, reason: FailureReason, detail: Option<&str>) {
        let message = detail.map_or_else(|| reason.to_string(), |detail| format!("{reason} Cause: {detail}"));
        self.end(now, id, |progress| {
            progress.duration = progress.triggered.map(|triggered| millis(now.monotonic - triggered));
            CheckpointOutcome::Failed {
                at: Some(now.wall_millis()),
                reason: Some(reason),
                message: Some(message),
            }
        });
    }

    fn end(
        &mut self,
        now: Moment,
        id: CheckpointId,
        outcome: impl FnOnce(&mut CheckpointProgress) -> CheckpointOutcome,
    ) {
        let Some(mut progress) = self.in_flight.remove(&id) else { return };
        let outcome = outcome(&mut progress);
        let bytes = progress.acknowledged_bytes();
        (progress.state_size, progress.checkpointed_size) = (Some(bytes), Some(bytes));
        let from = clock_millis(progress.triggered.unwrap_or(now.monotonic));
        let to = progress.duration.map_or_else(|| clock_millis(now.monotonic), |took| from + took);
        self.append(progress, outcome, Flight { from, to });
    }

    /// Such a failure adds to the counts without an entry in Flink's history (rule 36).
    fn fail_without_id(&mut self, now: Moment, reason: FailureReason) {
        let at = clock_millis(now.monotonic);
        let message = Some(reason.to_string());
        let outcome =
            CheckpointOutcome::Failed { at: Some(now.wall_millis()), reason: Some(reason), message };
        self.append(unknown(now, None), outcome, Flight { from: at, to: at });
    }

    fn append(&mut self, progress: CheckpointProgress, outcome: CheckpointOutcome, flight: Flight) {
        let triggered_there = signed(progress.triggered_at);
        self.log.append(progress, triggered_there, outcome, flight);
    }

    fn change(&mut self, id: CheckpointId, change: impl FnOnce(&mut CheckpointProgress)) {
        match self.in_flight.get_mut(&id) {
            Some(progress) => change(progress),
            None => self.log.change(id, change),
        }
    }
}

/// A checkpoint of which only its trigger is known.
fn unknown(now: Moment, id: Option<CheckpointId>) -> CheckpointProgress {
    CheckpointProgress {
        id,
        savepoint: false,
        triggered_at: now.wall_millis(),
        triggered: Some(now.monotonic),
        latest_ack: None,
        duration: None,
        state_size: None,
        checkpointed_size: None,
        path: None,
        discarded: false,
        subtasks: None,
    }
}

fn acknowledge(
    progress: &mut CheckpointProgress,
    now: Moment,
    subtask: Subtask,
    snapshot: &Snapshot,
    late: bool,
) {
    let (Some(table), Some(triggered)) = (&mut progress.subtasks, progress.triggered) else { return };
    let took = millis(now.monotonic - triggered);
    let index = usize::try_from(subtask.index).unwrap_or(usize::MAX);
    let place = Arc::make_mut(table).get_mut(&subtask.vertex).and_then(|subtasks| subtasks.get_mut(index));
    let Some(place) = place else { return };
    place.get_or_insert(SubtaskAck {
        at: now.wall_millis(),
        bytes: snapshot.bytes,
        times: SubtaskTimes {
            took: Duration::from_millis(took),
            sync: Duration::from_millis(snapshot.sync_millis),
            asynchronous: Duration::from_millis(snapshot.async_millis),
            alignment: Duration::ZERO,
            start_delay: Duration::from_millis(snapshot.start_delay_millis),
        },
        late,
    });
    if !late {
        progress.latest_ack = Some(now.wall_millis());
        progress.duration = Some(took);
    }
}

/// A moment in milliseconds on the clock that is never put back.
fn clock_millis(moment: Monotonic) -> u64 {
    millis(moment.since(Monotonic::default()))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn failures_keep_completed_for_estimate() {
        let now = Clock::start().now();
        let mut tracker = CheckpointTracker::new(Vec::new());
        for id in (1..=40).map(CheckpointId) {
            let over = match id.0 {
                1..=24 => Fact::Completed { id },
                _ => Fact::Failed { id, reason: FailureReason::ALL[0], detail: None },
            };
            for fact in [Fact::Created { id, kind: Kind::Checkpoint }, over] {
                tracker.record(now, &fact, |_, _| String::new());
            }
        }
        let ended: Vec<_> = tracker.log().breakdowns(&[], 0).iter().map(|one| one.id.0).collect();
        let expected: Vec<_> = (5..=24).chain(31..=40).collect();
        assert_eq!(ended, expected, "the newest ten, and the newest twenty that completed before");
        assert_eq!(tracker.history().count(), MAX_HISTORY);
        assert_eq!(tracker.get(CheckpointId(28)).map(|seen| seen.status()), Some(CheckpointStatus::Failed));
        assert!(tracker.shown(CheckpointId(28)).is_none());
        assert!(tracker.shown(CheckpointId(24)).is_some(), "it is the newest that completed");
    }
}
