//! The override of one job as its owner applies it.

use crate::clock::Clock;
use crate::job_file::JobSpec;
use crate::overrides::{EditError, Key, OverrideStore};
use crate::seam::Wanted;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use std::sync::Arc;

/// The newest known override of one job.
pub(super) struct OverrideInForce {
    store: OverrideStore,
    clock: Clock,
    key: Key,
    spec: Arc<JobSpec>,
    newest: Wanted,
}

impl OverrideInForce {
    /// The override that is stored for the job.
    pub(super) fn load(store: OverrideStore, clock: Clock, key: Key, spec: Arc<JobSpec>) -> Self {
        let mut loaded = Self { store, clock, key, spec, newest: Wanted::default() };
        loaded.reload();
        loaded
    }

    /// Takes the stored override unless it is older; true if that changes something. A coordinator is built with it.
    pub(super) fn reload(&mut self) -> bool {
        let before = self.newest;
        if let Some(record) = self.store.record(&self.key)
            && record.revision >= self.newest.revision
            && let Ok(overridden) = record.overridden(self.clock.wall_millis())
        {
            self.newest = Wanted { overridden, revision: record.revision };
        }
        self.newest != before
    }

    /// The revision of the stored override; 0 if there is none.
    pub(super) fn stored_revision(&self) -> u64 {
        self.store.record(&self.key).map_or(0, |record| record.revision)
    }

    pub(super) fn overridden(&self) -> Override {
        self.newest.overridden
    }

    pub(super) fn revision(&self) -> u64 {
        self.newest.revision
    }

    pub(super) fn effective(&self) -> EffectiveConfig {
        EffectiveConfig::of(&self.spec.checkpointing, &self.newest.overridden)
    }

    /// Forgets the override of a job that has ended.
    pub(super) fn clear(&mut self) {
        self.newest = Wanted::default();
    }

    /// Removes the stored override when it is awaited.
    pub(super) fn remove(&self) -> impl Future<Output = Result<(), EditError>> + Send + use<> {
        let (store, key) = (self.store.clone(), self.key.clone());
        async move { store.remove(key).await }
    }
}
