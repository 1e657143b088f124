//! What happened to the checkpoints of one job (`CheckpointStatsTracker`): counts, the newest of each
//! kind, a history, and distributions over the completed ones.

use crate::clock::Moment;
use ckpt_api::flink::{CheckpointStatus, Counts, RestoredCheckpoint};
use ckpt_coordinator::{Fact, Kind, Monotonic, Snapshot};
use ckpt_types::duration::millis;
use ckpt_types::ids::{CheckpointId, Subtask, VertexId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// How many completed checkpoints are remembered besides the history, for what is usual.
const OLDER: usize = ckpt_estimate::MOST_PAST;
/// How many checkpoints the history holds (rule 4).
const HISTORY: usize = 10;
/// How many completed ones the distributions rest on, as in Flink.
const SAMPLES: usize = 10_000;

/// What is known of one checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) id: CheckpointId,
    pub(super) kind: Kind,
    pub(super) status: CheckpointStatus,
    pub(super) triggered: Moment,
    /// When a subtask acknowledged last in time, in milliseconds since the epoch.
    pub(super) latest_ack: Option<u64>,
    /// Milliseconds from the trigger until the last acknowledgement, or until the failure.
    pub(super) duration: Option<u64>,
    pub(super) failure: Option<Failure>,
    pub(super) path: String,
    pub(super) discarded: bool,
    /// By vertex, what each subtask said.
    pub(super) vertices: BTreeMap<VertexId, Vec<Option<Acknowledged>>>,
}

/// When and why a checkpoint failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) at: u64,
    pub(super) message: String,
}

/// What one subtask said.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    /// When, in milliseconds since the epoch.
    pub(super) at: u64,
    /// Milliseconds since the trigger.
    pub(super) duration: u64,
    pub(super) snapshot: Snapshot,
    /// Whether the checkpoint had failed before.
    pub(super) late: bool,
}

/// One completed checkpoint, for the distributions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) duration: u64,
    pub(super) bytes: u64,
}

/// The statistics of one job, for as long as ckptd runs.
#[derive(Debug)]
pub(super) struct Statistics {
    pub(super) counts: Counts,
    pub(super) samples: VecDeque<Sample>,
    pub(super) restored: Option<RestoredCheckpoint>,
    pub(super) latest_completed: Option<Seen>,
    pub(super) latest_savepoint: Option<Seen>,
    pub(super) latest_failed: Option<Seen>,
    /// Oldest first.
    history: VecDeque<Seen>,
    /// Completed ones that have gone from the history, oldest first: failures must not make it forgotten what is usual.
    older: VecDeque<Seen>,
    vertices: Vec<(VertexId, u32)>,
}

impl Seen {
    pub(super) fn acknowledged(&self) -> u32 {
        let in_time =
            self.vertices.values().flatten().filter(|said| said.as_ref().is_some_and(|ack| !ack.late));
        u32::try_from(in_time.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn subtasks(&self) -> u32 {
        u32::try_from(self.vertices.values().map(Vec::len).sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// What all have stored, those that were late included (rule 21).
    pub(super) fn bytes(&self) -> u64 {
        self.vertices.values().flatten().flatten().map(|ack| ack.snapshot.bytes).sum()
    }

    fn acknowledge(&mut self, now: Moment, subtask: Subtask, snapshot: Snapshot, late: bool) {
        let duration = millis(now.monotonic - self.triggered.monotonic);
        let Some(said) = self
            .vertices
            .get_mut(&subtask.vertex)
            .and_then(|subtasks| subtasks.get_mut(usize::try_from(subtask.index).unwrap_or(usize::MAX)))
        else {
            return;
        };
        if said.is_none() {
            *said = Some(Acknowledged { at: now.wall_millis(), duration, snapshot, late });
        }
        if !late {
            self.latest_ack = Some(now.wall_millis());
            self.duration = Some(duration);
        }
    }
}

impl Statistics {
    pub(super) fn new(vertices: Vec<(VertexId, u32)>) -> Self {
        Self {
            counts: Counts::default(),
            samples: VecDeque::new(),
            restored: None,
            latest_completed: None,
            latest_savepoint: None,
            latest_failed: None,
            history: VecDeque::new(),
            older: VecDeque::new(),
            vertices,
        }
    }

    /// Notes that the job starts from a checkpoint.
    pub(super) fn restored(&mut self, now: Moment, id: CheckpointId, is_savepoint: bool, path: String) {
        self.counts.restored += 1;
        let restore_timestamp = i64::try_from(now.wall_millis()).unwrap_or(i64::MAX);
        self.restored = Some(RestoredCheckpoint { id, restore_timestamp, is_savepoint, external_path: path });
    }

    /// Newest first.
    pub(super) fn history(&self) -> impl Iterator<Item = &Seen> {
        self.history.iter().rev()
    }

    /// All that is remembered, newest first: the history, and those that completed before it.
    pub(super) fn remembered(&self) -> Vec<&Seen> {
        let mut all: Vec<_> = self.history.iter().chain(&self.older).collect();
        all.sort_by_key(|seen| Reverse((seen.triggered.monotonic, seen.id)));
        all
    }

    pub(super) fn get(&self, id: CheckpointId) -> Option<&Seen> {
        let newest = [&self.latest_completed, &self.latest_savepoint, &self.latest_failed];
        self.history.iter().chain(newest.into_iter().flatten()).find(|seen| seen.id == id)
    }

    /// Takes note of a fact. `path` tells where a checkpoint is.
    pub(super) fn record(&mut self, now: Moment, fact: &Fact, path: impl Fn(CheckpointId, &Kind) -> String) {
        match fact {
            Fact::Created { id, kind } => self.created(now, *id, kind, path(*id, kind)),
            Fact::Acknowledged { id, subtask, snapshot } => {
                self.change(*id, |seen| seen.acknowledge(now, *subtask, snapshot.clone(), false));
            }
            Fact::AcknowledgedLate { id, subtask, snapshot } => {
                self.change(*id, |seen| seen.acknowledge(now, *subtask, snapshot.clone(), true));
            }
            Fact::Completed { id } => self.completed(*id),
            Fact::Failed { id, reason, detail } => {
                let message = match detail {
                    Some(detail) => format!("{reason} Cause: {detail}"),
                    None => reason.to_string(),
                };
                self.failed(now, *id, Failure { at: now.wall_millis(), message });
            }
            Fact::FailedWithoutId { .. } => {
                // They add to the counts without an entry (rule 36).
                self.counts.total += 1;
                self.counts.failed += 1;
            }
            Fact::Discarded { id } => self.change(*id, |seen| seen.discarded = true),
            Fact::Merged { .. } => {}
        }
    }

    fn created(&mut self, triggered: Moment, id: CheckpointId, kind: &Kind, path: String) {
        self.counts.total += 1;
        self.counts.in_progress += 1;
        let silent =
            |(vertex, parallelism): &(VertexId, u32)| (*vertex, (0..*parallelism).map(|_| None).collect());
        self.history.push_back(Seen {
            id,
            kind: kind.clone(),
            status: CheckpointStatus::InProgress,
            triggered,
            latest_ack: None,
            duration: None,
            failure: None,
            path,
            discarded: false,
            vertices: self.vertices.iter().map(silent).collect(),
        });
        // What is in flight stays visible, however many there are.
        while self.history.len() > HISTORY {
            let done = self.history.iter().position(|seen| seen.status != CheckpointStatus::InProgress);
            let Some(done) = done else { break };
            let gone = self.history.remove(done);
            self.older.extend(gone.filter(|seen| seen.status == CheckpointStatus::Completed));
            if self.older.len() > OLDER {
                self.older.pop_front();
            }
        }
    }

    fn completed(&mut self, id: CheckpointId) {
        self.change(id, |seen| seen.status = CheckpointStatus::Completed);
        let Some(seen) = self.history.iter().find(|seen| seen.id == id).cloned() else { return };
        self.counts.in_progress -= 1;
        self.counts.completed += 1;
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { duration: seen.duration.unwrap_or(0), bytes: seen.bytes() });
        let latest =
            if seen.kind.is_savepoint() { &mut self.latest_savepoint } else { &mut self.latest_completed };
        *latest = Some(seen);
    }

    fn failed(&mut self, now: Moment, id: CheckpointId, failure: Failure) {
        self.change(id, |seen| {
            seen.status = CheckpointStatus::Failed;
            seen.duration = Some(millis(now.monotonic - seen.triggered.monotonic));
            seen.failure = Some(failure);
        });
        self.latest_failed = self.history.iter().find(|seen| seen.id == id).cloned();
        self.counts.in_progress -= 1;
        self.counts.failed += 1;
    }

    /// Changes a checkpoint wherever it is noted.
    fn change(&mut self, id: CheckpointId, change: impl FnOnce(&mut Seen)) {
        let in_history = self.history.iter_mut().find(|seen| seen.id == id);
        let latest = [&mut self.latest_completed, &mut self.latest_savepoint, &mut self.latest_failed];
        let mut apart: Vec<_> = latest.into_iter().flatten().filter(|seen| seen.id == id).collect();
        match in_history {
            Some(seen) => {
                change(seen);
                apart.into_iter().for_each(|copy| copy.clone_from(seen));
            }
            None => {
                if let Some(copy) = apart.pop() {
                    change(copy);
                }
            }
        }
    }
}

/// How long ago a checkpoint was triggered, or how long it took.
pub(super) fn age(seen: &Seen, now: Monotonic) -> std::time::Duration {
    match (seen.status, seen.duration) {
        (CheckpointStatus::InProgress, _) | (_, None) => now - seen.triggered.monotonic,
        (_, Some(took)) => std::time::Duration::from_millis(took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use ckpt_coordinator::reason::FailureReason;

    #[test]
    fn what_completed_is_remembered_though_more_have_failed_since_than_the_history_holds() {
        let now = Clock::start().now();
        let mut statistics = Statistics::new(Vec::new());
        for id in (1..=40).map(CheckpointId) {
            let over = match id.0 {
                1..=24 => Fact::Completed { id },
                _ => Fact::Failed { id, reason: FailureReason::ALL[0], detail: None },
            };
            for fact in [Fact::Created { id, kind: Kind::Checkpoint }, over] {
                statistics.record(now, &fact, |_, _| String::new());
            }
        }
        let seen: Vec<_> = statistics.remembered().iter().map(|seen| seen.id.0).collect();
        let expected: Vec<_> = (31..=40).rev().chain((5..=24).rev()).collect();
        assert_eq!(seen, expected, "the newest ten, and the newest twenty that completed before");
        assert_eq!(statistics.history().count(), HISTORY);
    }
}
