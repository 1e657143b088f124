//! What goes into a coordinator and what comes out.

use crate::Kind;
use crate::config::JobEnd;
use crate::queue::RequestToken;
use crate::reason::FailureReason;
use ckpt_types::ids::{CheckpointId, JobId, Subtask};
use std::collections::BTreeMap;

/// What one subtask stored for a checkpoint. The coordinator only passes it on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Where it is, relative to the checkpoint's directory.
    pub location: String,
    /// How large it is, in bytes.
    pub bytes: u64,
    /// Milliseconds for which the task stood still.
    pub sync_millis: u64,
    /// Milliseconds for which it stored in the background.
    pub async_millis: u64,
    /// Milliseconds from the trigger until the task began.
    pub start_delay_millis: u64,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// Every task runs: periodic checkpoints start (rule 9).
    TasksRunning {
        /// A random number that spreads the first trigger of a new job over its interval (rule 5).
        spread: u32,
    },
    /// The job does not run any more, for now: everything in flight is aborted (rule 8).
    Suspend,
    /// Somebody asks for a checkpoint or a savepoint.
    Trigger {
        /// Which.
        kind: Kind,
        /// Where its outcome goes.
        answer_to: RequestToken,
    },
    /// The answer to [`Action::Prepare`]; the text says why not.
    Prepared {
        /// The checkpoint.
        id: CheckpointId,
        /// Whether its place is made.
        result: Result<(), String>,
    },
    /// A task has stored its part.
    Acknowledge {
        /// The task's job.
        job: JobId,
        /// The checkpoint.
        id: CheckpointId,
        /// The task.
        subtask: Subtask,
        /// What it stored.
        snapshot: Snapshot,
    },
    /// A task cannot store its part.
    Decline {
        /// The task's job.
        job: JobId,
        /// The checkpoint.
        id: CheckpointId,
        /// The task.
        subtask: Subtask,
        /// Why.
        reason: FailureReason,
        /// Why, in the task's own words.
        detail: String,
    },
    /// The answer to [`Action::Finalize`]; the text says why not.
    Finalized {
        /// The checkpoint.
        id: CheckpointId,
        /// Whether its metadata is durable.
        result: Result<(), String>,
    },
    /// The answer to [`Action::Discard`] of a completed checkpoint.
    Cleaned {
        /// The checkpoint.
        id: CheckpointId,
    },
    /// The coordinator is not needed any more (rule 37); with an end, the job ended (rule 30).
    Shutdown {
        /// How the job ended; `None` when it goes on elsewhere or later.
        end: Option<JobEnd>,
    },
}

/// Something to do, in the order in which it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Note durably that `id` is taken and make a place for the checkpoint, then hand in
    /// [`Event::Prepared`].
    Prepare {
        /// The checkpoint.
        id: CheckpointId,
        /// Its kind.
        kind: Kind,
    },
    /// Tell every task to take its part.
    TriggerTasks {
        /// The checkpoint.
        id: CheckpointId,
        /// Its kind.
        kind: Kind,
    },
    /// Store the checkpoint's metadata durably, then hand in [`Event::Finalized`].
    Finalize {
        /// The checkpoint.
        id: CheckpointId,
        /// Its kind.
        kind: Kind,
        /// What each subtask stored.
        snapshots: BTreeMap<Subtask, Snapshot>,
    },
    /// Tell every task that a checkpoint is complete.
    NotifyComplete {
        /// The checkpoint.
        id: CheckpointId,
    },
    /// Tell every task that a checkpoint is aborted.
    NotifyAborted {
        /// The checkpoint.
        id: CheckpointId,
    },
    /// Delete a checkpoint; when it was a completed one, hand in [`Event::Cleaned`] then.
    Discard {
        /// The checkpoint.
        id: CheckpointId,
        /// What it was: a savepoint's place is its owner's.
        kind: Kind,
        /// Whether it had completed.
        completed: bool,
    },
    /// Delete what one subtask stored: no checkpoint takes it (rule 20).
    DiscardSnapshot {
        /// The checkpoint it was for.
        id: CheckpointId,
        /// What was stored.
        snapshot: Snapshot,
    },
    /// Tell whoever asked how it ended.
    Answer {
        /// Who asked.
        to: RequestToken,
        /// How it ended.
        outcome: TriggerOutcome,
    },
    /// The job has to fail, for this reason (rules 33 and 34).
    FailJob {
        /// In words.
        reason: String,
    },
    /// Something for the statistics.
    Record(Fact),
}

/// Work that a host does for a checkpoint and answers with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// [`Action::Prepare`].
    Prepare,
    /// [`Action::Finalize`].
    Finalize,
}

/// How a request for a checkpoint ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerOutcome {
    /// This checkpoint completed.
    Completed(CheckpointId),
    /// It failed, perhaps before it had a number.
    Failed {
        /// The checkpoint.
        id: Option<CheckpointId>,
        /// Why.
        reason: FailureReason,
    },
}

/// What became of an acknowledgement (rule 20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// It counts.
    Success,
    /// This subtask has acknowledged before.
    Duplicate,
    /// No such subtask takes part.
    UnknownTask,
}

/// Something for the statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A checkpoint came into being.
    Created {
        /// Its number.
        id: CheckpointId,
        /// Its kind.
        kind: Kind,
    },
    /// A subtask acknowledged in time.
    Acknowledged {
        /// The checkpoint.
        id: CheckpointId,
        /// The subtask.
        subtask: Subtask,
        /// What it stored.
        snapshot: Snapshot,
    },
    /// A subtask acknowledged a checkpoint that is not in flight any more (rule 21).
    AcknowledgedLate {
        /// The checkpoint.
        id: CheckpointId,
        /// The subtask.
        subtask: Subtask,
        /// What it stored.
        snapshot: Snapshot,
    },
    /// A checkpoint completed.
    Completed {
        /// Its number.
        id: CheckpointId,
    },
    /// A checkpoint failed.
    Failed {
        /// Its number.
        id: CheckpointId,
        /// Why.
        reason: FailureReason,
        /// Why, in the words of whoever met it.
        detail: Option<String>,
    },
    /// A request failed before it had a number (rule 36).
    FailedWithoutId {
        /// Why.
        reason: FailureReason,
    },
    /// Periodic requests were merged into the one that waits (rule 14).
    Merged {
        /// How many into that one, so far.
        so_far: u64,
    },
    /// The files of a completed checkpoint go.
    Discarded {
        /// The checkpoint.
        id: CheckpointId,
    },
}
