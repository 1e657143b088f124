//! Access to one cluster: its settings and clients, fixed for its lifetime.

use super::settings::ClusterSettings;
use crate::clock::Clock;
use crate::overrides::{Key, OverrideStore, Record};
use crate::pauses::Pauses;
use crate::registry::JobIndex;
use crate::seam::SeamError;
use ckpt_client::{Client, ClientError};
use ckpt_types::ids::JobId;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Concurrent requests about subtasks to one cluster, over all of its jobs.
const MAX_SUBTASK_REQUESTS: usize = 16;

/// Parts of ckptd that every cluster shares. Clones share them.
#[derive(Debug, Clone)]
pub struct Services {
    /// The clock.
    pub clock: Clock,
    /// The stored overrides.
    pub overrides: OverrideStore,
    /// Clusters for which reconciliation is paused.
    pub pauses: Pauses,
    /// The index to which jobs are added.
    pub index: JobIndex,
}

/// Access to one cluster.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: ClusterSettings,
    pub(super) overrides: OverrideStore,
    pub(super) clock: Clock,
    subtask_requests: Semaphore,
}

impl Link {
    pub(super) fn new(settings: ClusterSettings, overrides: OverrideStore, clock: Clock) -> Self {
        let subtask_requests = Semaphore::new(MAX_SUBTASK_REQUESTS);
        Self { settings, overrides, clock, subtask_requests }
    }

    /// Waits for permission to ask for subtasks, which is held for as long as the request takes.
    pub(super) async fn subtask_permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.subtask_requests.acquire().await.ok()
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) fn client(&self) -> &Client {
        &self.settings.client
    }

    pub(super) fn key(&self, job: JobId) -> Key {
        Key { cluster: self.name().to_owned(), job }
    }

    /// The stored record of a job.
    pub(super) fn record(&self, job: JobId) -> Option<Record> {
        self.overrides.record(&self.key(job))
    }

    /// Meaning of an error of the REST API for a request about a job.
    pub(super) fn refused(&self, error: &ClientError) -> SeamError {
        let sentence = format!("cluster {}: {error}", self.name());
        match error.status().map(|status| status.as_u16()) {
            Some(400..=499) => SeamError::Refused(sentence),
            Some(_) | None => SeamError::Unreachable(sentence),
        }
    }
}
