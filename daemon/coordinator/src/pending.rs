//! A checkpoint in flight (`PendingCheckpoint`).

use crate::protocol::Snapshot;
use crate::queue::RequestToken;
use crate::{Kind, protocol::Acknowledgement};
use ckpt_types::ids::Subtask;
use ckpt_types::time::Monotonic;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far a checkpoint in flight is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its place is being made; no task knows of it.
    Triggering,
    /// Tasks are storing their state.
    Running,
    /// All have acknowledged and its metadata is being stored: it cannot expire any more (rule 23).
    Finalizing,
}

/// A checkpoint in flight. It has no deadline of its own: it expires when its age reaches the timeout
/// in force, so a new timeout holds for it the moment it is in force, and there is no timer that
/// could be forgotten (rules 17 and 18).
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) kind: Kind,
    pub(crate) created: Monotonic,
    pub(crate) phase: Phase,
    pub(crate) answer_to: Option<RequestToken>,
    missing: BTreeSet<Subtask>,
    snapshots: BTreeMap<Subtask, Snapshot>,
}

impl Pending {
    pub(crate) fn new(
        kind: Kind,
        created: Monotonic,
        answer_to: Option<RequestToken>,
        subtasks: impl Iterator<Item = Subtask>,
    ) -> Self {
        let missing = subtasks.collect();
        Self { kind, created, phase: Phase::Triggering, answer_to, missing, snapshots: BTreeMap::new() }
    }

    /// When it expires under `timeout`; `None` when it cannot expire any more.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Monotonic> {
        (self.phase != Phase::Finalizing).then(|| self.created + timeout)
    }

    /// Takes the acknowledgement of one subtask (rule 20).
    pub(crate) fn acknowledge(&mut self, subtask: Subtask, snapshot: Snapshot) -> Acknowledgement {
        if self.missing.remove(&subtask) {
            self.snapshots.insert(subtask, snapshot);
            Acknowledgement::Success
        } else if self.snapshots.contains_key(&subtask) {
            Acknowledgement::Duplicate
        } else {
            Acknowledgement::UnknownTask
        }
    }

    /// Whether the acknowledgement of `subtask` is missing.
    pub(crate) fn awaits(&self, subtask: Subtask) -> bool {
        self.missing.contains(&subtask)
    }

    pub(crate) fn is_fully_acknowledged(&self) -> bool {
        self.missing.is_empty()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.snapshots.len()
    }

    pub(crate) fn subtasks(&self) -> usize {
        self.snapshots.len() + self.missing.len()
    }

    pub(crate) fn snapshots(&self) -> &BTreeMap<Subtask, Snapshot> {
        &self.snapshots
    }
}
