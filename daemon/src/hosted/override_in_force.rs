//! The override of one job as its owner applies it.

use crate::job_file::JobSpec;
use crate::overrides::{EditError, Key, OverrideStore};
use crate::seam::Wanted;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use std::cmp::Ordering;
use std::sync::Arc;

/// The newest known override of one job.
pub(super) struct OverrideInForce {
    store: OverrideStore,
    key: Key,
    spec: Arc<JobSpec>,
    newest: Wanted,
}

impl OverrideInForce {
    /// The override that is stored for the job.
    pub(super) fn load(store: OverrideStore, key: Key, spec: Arc<JobSpec>) -> Self {
        let mut loaded = Self { store, key, spec, newest: Wanted::default() };
        loaded.reload();
        loaded
    }

    /// Takes the stored override unless it is older. A coordinator is built with it.
    pub(super) fn reload(&mut self) {
        if let Some(record) = self.store.record(&self.key)
            && record.revision >= self.newest.revision
            && let Ok(overridden) = record.overridden()
        {
            self.newest = Wanted { overridden, revision: record.revision };
        }
    }

    /// Takes an override unless it is older; true if that changes something.
    pub(super) fn accept(&mut self, wanted: Wanted) -> bool {
        let before = self.newest;
        match wanted.revision.cmp(&before.revision) {
            Ordering::Greater => self.newest = wanted,
            // Its time may be up, though that cannot be stored.
            Ordering::Equal => self.reload(),
            Ordering::Less => {}
        }
        self.newest != before
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
