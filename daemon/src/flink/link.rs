//! What a cluster and its jobs share: the way to its REST API and into its JobManager, and how it is.

use super::settings::ClusterSettings;
use super::ways::Ways;
use crate::clock::{Clock, wall_millis};
use crate::overrides::{Key, OverrideStore, Record};
use crate::pauses::Pauses;
use crate::seam::SeamError;
use ckpt_api::{ClusterState, Pause};
use ckpt_client::{Client, ClientError};
use ckpt_types::ids::JobId;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

/// How many requests about subtasks wait for a cluster at once, whichever of its jobs they are about.
const MOST_REQUESTS: usize = 16;
/// The longest wait for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// The link to a cluster.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: ClusterSettings,
    pub(super) overrides: OverrideStore,
    pub(super) clock: Clock,
    pub(super) ways: Ways,
    /// Where reconcile is paused.
    pub(super) pauses: Pauses,
    /// A sign that overrides may not hold any more.
    pub(super) reconcile_now: Notify,
    /// A sign that its list of jobs is old.
    pub(super) look_now: Notify,
    health: RwLock<Health>,
    requests: Semaphore,
    /// Whether it has answered, or failed to, since ckptd was started: before, nobody knows which jobs it has.
    tried: watch::Sender<bool>,
}

/// How a cluster is.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// Flink's version, once it answered.
    pub(super) version: Option<String>,
    /// What is wrong with it now.
    pub(super) trouble: Option<String>,
    /// When it answered well last.
    pub(super) observed_at: Option<u64>,
    /// By how much its clock is ahead of ours, in milliseconds.
    pub(super) ahead: i64,
}

impl Link {
    pub(super) fn new(settings: ClusterSettings, overrides: OverrideStore, pauses: Pauses) -> Self {
        let (clock, ways, health) = (Clock::start(), Ways::default(), RwLock::default());
        let (reconcile_now, look_now) = (Notify::new(), Notify::new());
        let (requests, tried) = (Semaphore::new(MOST_REQUESTS), watch::Sender::new(false));
        Self { settings, overrides, clock, ways, pauses, reconcile_now, look_now, health, requests, tried }
    }

    /// Its jobs are as it listed them, or it cannot be asked.
    pub(super) fn was_tried(&self) {
        self.tried.send_replace(true);
    }

    /// Waits, 5 s at most, until it has been asked for its jobs once.
    pub(super) async fn first_answer(&self) {
        drop(timeout(FIRST_ANSWER, self.tried.subscribe().wait_for(|tried| *tried)).await);
    }

    /// Waits for a turn to ask for subtasks, which is kept for as long as the request takes.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.requests.acquire().await.ok()
    }

    /// Why overrides are not to be applied by themselves, if they are not.
    pub(super) fn pause(&self) -> Option<String> {
        let Pause { cluster, reason, .. } = self.pauses.of(self.name())?;
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        let which = cluster.map_or(String::new(), |cluster| format!(" {cluster}"));
        Some(format!("reconcile is paused{reason}; ckptctl reconcile resume{which} ends that"))
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) fn client(&self) -> &Client {
        &self.settings.client
    }

    pub(super) fn health(&self) -> Health {
        self.health.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a good answer, or what was wrong with it.
    pub(super) fn heard(&self, result: Result<Option<i64>, String>) {
        let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(ahead) => {
                health.observed_at = Some(wall_millis());
                health.ahead = ahead.unwrap_or(health.ahead);
                if let Some(trouble) = health.trouble.take() {
                    self.reconcile_now.notify_one();
                    tracing::info!(cluster = self.name(), was = trouble, "the cluster answers again");
                }
            }
            Err(trouble) => {
                if health.trouble.is_none() {
                    tracing::warn!(
                        cluster = self.name(),
                        trouble,
                        "the cluster does not answer as it should"
                    );
                }
                if health.trouble.as_ref() != Some(&trouble) {
                    self.reconcile_now.notify_one();
                }
                health.trouble = Some(trouble);
            }
        }
    }

    /// Notes which release answers.
    pub(super) fn is_version(&self, version: Option<String>) {
        self.health.write().unwrap_or_else(PoisonError::into_inner).version = version;
    }

    /// How it is, for the list.
    pub(super) fn state(&self) -> ClusterState {
        let Health { version, trouble, observed_at, .. } = self.health();
        let (name, url) = (self.name().to_owned(), self.settings.url.clone());
        ClusterState { name, url, version, trouble, observed_at }
    }

    pub(super) fn key(&self, job: JobId) -> Key {
        Key { cluster: self.name().to_owned(), job }
    }

    /// What is stored for a job.
    pub(super) fn record(&self, job: JobId) -> Option<Record> {
        self.overrides.record(&self.key(job))
    }

    /// What an error of its REST API means to whoever asked for a job.
    pub(super) fn refused(&self, error: &ClientError) -> SeamError {
        let said = format!("cluster {}: {error}", self.name());
        match error.status().map(|status| status.as_u16()) {
            Some(400..=499) => SeamError::Refused(said),
            Some(_) | None => SeamError::Unreachable(said),
        }
    }
}
