//! The files behind the acknowledgements of checkpoints in flight.

use ckpt_types::ids::{CheckpointId, Subtask};
use std::collections::{BTreeMap, HashMap};

/// The subtask that acknowledged with each file: two must not have the same.
#[derive(Debug, Default)]
pub(super) struct AcknowledgedFiles {
    by_checkpoint: BTreeMap<CheckpointId, HashMap<String, Subtask>>,
}

impl AcknowledgedFiles {
    /// Forgets all checkpoints but these.
    pub(super) fn retain(&mut self, is_in_flight: impl Fn(CheckpointId) -> bool) {
        self.by_checkpoint.retain(|id, _| is_in_flight(*id));
    }

    pub(super) fn subtask(&self, id: CheckpointId, location: &str) -> Option<Subtask> {
        self.by_checkpoint.get(&id)?.get(location).copied()
    }

    pub(super) fn insert(&mut self, id: CheckpointId, location: String, subtask: Subtask) {
        self.by_checkpoint.entry(id).or_default().insert(location, subtask);
    }
}
