//! The records of the log, and what they share with checkpoints in flight.

use crate::anatomy::{CheckpointAnatomy, SubtaskTimes};
use ckpt_api::EndedCheckpoint;
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::reason::FailureReason;
use ckpt_types::ids::{CheckpointId, VertexId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Length of a failure message in the history, and of those kept from Flink, which sends stack traces, in characters.
pub(super) const MAX_MESSAGE: usize = 500;

/// The acknowledgements of all subtasks, by vertex; `None` for those that are missing. Empty if Flink does not know
/// the checkpoint of all vertices.
pub(crate) type SubtaskTable = BTreeMap<VertexId, Vec<Option<SubtaskAck>>>;

/// The identity of a checkpoint: its id may come again in a job that starts from nothing, its trigger time on the
/// clock of its coordinator does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointMark {
    pub(crate) id: CheckpointId,
    /// In milliseconds since the epoch on the clock of its coordinator.
    pub(crate) triggered_there: i64,
}

/// The known facts of a checkpoint, in flight or ended. Times are in milliseconds since the epoch on ckptd's clock,
/// durations in milliseconds, sizes in bytes.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointProgress {
    /// `None` if it failed before it had one.
    pub(crate) id: Option<CheckpointId>,
    pub(crate) savepoint: bool,
    pub(crate) triggered_at: u64,
    /// Its trigger on ckptd's monotonic clock, if ckptd triggered it.
    pub(crate) triggered: Option<Monotonic>,
    /// The newest acknowledgement in time.
    pub(crate) latest_ack: Option<u64>,
    /// From the trigger to the newest acknowledgement, or to the failure.
    pub(crate) duration: Option<u64>,
    pub(crate) state_size: Option<u64>,
    pub(crate) checkpointed_size: Option<u64>,
    pub(crate) path: Option<String>,
    /// Its files were deleted.
    pub(crate) discarded: bool,
    pub(crate) subtasks: Option<Arc<SubtaskTable>>,
}

/// The acknowledgement of a subtask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubtaskAck {
    /// In milliseconds since the epoch on the clock of its coordinator.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) times: SubtaskTimes,
    /// It came after the checkpoint had failed.
    pub(crate) late: bool,
}

/// The end of a checkpoint.
#[derive(Debug, Clone)]
pub(crate) enum CheckpointOutcome {
    Completed,
    Failed { at: Option<u64>, reason: Option<FailureReason>, message: Option<String> },
}

/// An ended checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointRecord {
    /// Rises by one with each record of its log.
    pub(super) sequence: u64,
    /// The trigger time on the clock of the coordinator, in milliseconds since the epoch.
    pub(super) triggered_there: i64,
    pub(crate) progress: CheckpointProgress,
    pub(crate) outcome: CheckpointOutcome,
    /// The timeout in force at its end, in milliseconds.
    pub(super) timeout: Option<u64>,
    /// It completed only because a change gave it more time.
    pub(super) rescued: bool,
}

/// A completed checkpoint in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletedCheckpoint {
    /// Time of its trigger on ckptd's clock, in milliseconds since the epoch.
    pub triggered_at: u64,
    /// From its trigger to its newest acknowledgement, in milliseconds.
    pub duration: Option<u64>,
    /// Size of its state, in bytes.
    pub state_size: Option<u64>,
}

/// A completed checkpoint in the distributions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompletedSample {
    /// In milliseconds.
    pub(crate) duration: u64,
    pub(crate) bytes: u64,
}

impl CompletedSample {
    pub(super) fn of(progress: &CheckpointProgress) -> Self {
        Self { duration: progress.duration.unwrap_or(0), bytes: progress.state_size.unwrap_or(0) }
    }
}

impl CheckpointProgress {
    /// The acknowledgements that came in time.
    fn in_time(&self) -> impl Iterator<Item = &SubtaskAck> {
        self.acknowledgements().flatten().filter(|ack| !ack.late)
    }

    fn acknowledgements(&self) -> impl Iterator<Item = Option<&SubtaskAck>> {
        self.subtasks.iter().flat_map(|table| table.values().flatten()).map(Option::as_ref)
    }

    /// Number of subtasks that acknowledged in time.
    pub(crate) fn acknowledged(&self) -> usize {
        self.in_time().count()
    }

    /// Number of subtasks.
    pub(crate) fn parallelism(&self) -> usize {
        self.acknowledgements().count()
    }

    /// The size of all acknowledged snapshots, late ones included (rule 21).
    pub(crate) fn acknowledged_bytes(&self) -> u64 {
        self.acknowledgements().flatten().map(|ack| ack.bytes).sum()
    }

    /// The breakdown by subtask, with the vertices in the order of [`subtask_times`].
    pub(crate) fn breakdown(
        &self,
        order: &[VertexId],
        triggered_at: i64,
        completed: bool,
        lasted: Duration,
    ) -> Option<CheckpointAnatomy> {
        Some(CheckpointAnatomy {
            id: self.id?,
            triggered_at,
            savepoint: self.savepoint,
            completed,
            lasted,
            subtasks: self.subtasks.as_ref().and_then(|table| subtask_times(table, order)),
        })
    }
}

/// The acknowledgements that came in time, with the vertices in this order. `None` without an order, or when the subtasks
/// of one of the vertices are unknown.
pub(crate) fn subtask_times(
    table: &SubtaskTable,
    order: &[VertexId],
) -> Option<Vec<Vec<Option<SubtaskTimes>>>> {
    let times = |ack: &Option<SubtaskAck>| ack.filter(|ack| !ack.late).map(|ack| ack.times);
    let of = |vertex| Some(table.get(vertex)?.iter().map(times).collect());
    order.iter().map(of).collect::<Option<Vec<_>>>().filter(|vertices| !vertices.is_empty())
}

impl CheckpointOutcome {
    pub(crate) fn is_completed(&self) -> bool {
        matches!(self, Self::Completed)
    }
}

impl CheckpointRecord {
    /// 0 for a checkpoint, 1 for a savepoint, 2 for a failure.
    pub(super) fn kind(&self) -> usize {
        if self.outcome.is_completed() { usize::from(self.progress.savepoint) } else { 2 }
    }

    /// `None` if it failed before it had an id.
    pub(super) fn mark(&self) -> Option<CheckpointMark> {
        Some(CheckpointMark { id: self.progress.id?, triggered_there: self.triggered_there })
    }

    pub(super) fn is_completed(&self, savepoint: bool) -> bool {
        self.outcome.is_completed() && self.progress.savepoint == savepoint
    }

    pub(super) fn breakdown(&self, order: &[VertexId]) -> Option<CheckpointAnatomy> {
        let lasted = Duration::from_millis(self.progress.duration.unwrap_or(0));
        self.progress.breakdown(order, self.triggered_there, self.outcome.is_completed(), lasted)
    }

    /// The record as the history shows it.
    pub(super) fn to_api(&self) -> EndedCheckpoint {
        let (reason, message) = match &self.outcome {
            CheckpointOutcome::Completed => (None, None),
            CheckpointOutcome::Failed { reason, message, .. } => (*reason, message.as_deref()),
        };
        EndedCheckpoint {
            id: self.progress.id,
            savepoint: self.progress.savepoint,
            completed: self.outcome.is_completed(),
            triggered_at: self.progress.triggered_at,
            duration: self.progress.duration,
            state_size: self.progress.state_size,
            checkpointed_size: self.progress.checkpointed_size,
            timeout: self.timeout,
            rescued: self.rescued,
            reason: reason.map(|reason| reason.name().to_owned()),
            message: message.map(|message| message.chars().take(MAX_MESSAGE).collect()),
        }
    }
}
