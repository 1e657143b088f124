//! Completed checkpoints, and which of them go (`CompletedCheckpointStore`, rules 11, 27, 28).

use ckpt_types::ids::CheckpointId;
use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;

/// The completed checkpoints of one job, oldest first. Savepoints are not in here (rule 27).
#[derive(Debug, Clone)]
pub(crate) struct Retained {
    most: NonZeroUsize,
    kept: VecDeque<CheckpointId>,
    cleaning: BTreeSet<CheckpointId>,
}

impl Retained {
    pub(crate) fn new(most: NonZeroUsize, mut restored: Vec<CheckpointId>) -> Self {
        restored.sort_unstable();
        Self { most, kept: restored.into(), cleaning: BTreeSet::new() }
    }

    /// Stores a completed checkpoint; the ones that are returned go, never the newest.
    pub(crate) fn store(&mut self, id: CheckpointId) -> Vec<CheckpointId> {
        let place = self.kept.partition_point(|kept| *kept < id);
        self.kept.insert(place, id);
        let surplus = self.kept.len().saturating_sub(self.most.get());
        let going: Vec<_> = self.kept.drain(..surplus).collect();
        self.cleaning.extend(&going);
        going
    }

    /// Everything goes.
    pub(crate) fn clear(&mut self) -> Vec<CheckpointId> {
        let going: Vec<_> = self.kept.drain(..).collect();
        self.cleaning.extend(&going);
        going
    }

    pub(crate) fn cleaned(&mut self, id: CheckpointId) {
        self.cleaning.remove(&id);
    }

    /// How many wait to be deleted.
    pub(crate) fn cleaning(&self) -> usize {
        self.cleaning.len()
    }

    /// The ids that are kept, oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = CheckpointId> + '_ {
        self.kept.iter().copied()
    }
}
