//! What a coordinator and its tasks say to each other: restore, trigger, abort and complete go to the
//! tasks, acknowledge and decline come back.

use ckpt_coordinator::Snapshot;
use ckpt_coordinator::reason::FailureReason;
use ckpt_shared::ids::{CheckpointId, Subtask};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The most messages that wait for one task.
pub(super) const MOST_WAITING: usize = 256;

/// What a task is told.
#[derive(Debug, Clone)]
pub(super) enum ToTask {
    /// Start from this checkpoint, or from nothing.
    Restore { from: Option<Arc<RestorePoint>> },
    /// Store your state below `directory`, then acknowledge.
    Trigger { checkpoint: CheckpointId, directory: PathBuf, sent: Instant },
    /// Forget a checkpoint that was triggered.
    Abort { checkpoint: CheckpointId },
    /// A checkpoint is complete: what waited for it may be committed.
    Complete { checkpoint: CheckpointId },
}

/// A completed checkpoint to start from.
#[derive(Debug, Clone)]
pub(super) struct RestorePoint {
    pub(super) checkpoint: CheckpointId,
    /// Whether it is the savepoint that the job was submitted with.
    pub(super) savepoint: bool,
    pub(super) directory: PathBuf,
    pub(super) snapshots: BTreeMap<Subtask, Snapshot>,
}

/// What a task says.
#[derive(Debug, Clone)]
pub(super) struct TaskReport {
    pub(super) subtask: Subtask,
    pub(super) checkpoint: CheckpointId,
    pub(super) answer: TaskAnswer,
}

/// A task's answer to a trigger.
#[derive(Debug, Clone)]
pub(super) enum TaskAnswer {
    Acknowledge(Snapshot),
    Decline { reason: FailureReason, detail: String },
}

/// The running tasks of a job. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Tasks {
    mailboxes: Vec<(Subtask, mpsc::Sender<ToTask>)>,
    _running: JoinSet<()>,
}

impl Tasks {
    pub(super) fn new(mailboxes: Vec<(Subtask, mpsc::Sender<ToTask>)>, running: JoinSet<()>) -> Self {
        Self { mailboxes, _running: running }
    }

    /// Tells every task; returns those that cannot take it, because they do not read what they are told.
    pub(super) fn tell(&self, message: &ToTask) -> Vec<Subtask> {
        let deaf = self.mailboxes.iter().filter(|(_, mailbox)| mailbox.try_send(message.clone()).is_err());
        deaf.map(|(subtask, _)| *subtask).collect()
    }
}
