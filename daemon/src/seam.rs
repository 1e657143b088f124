//! The seam between ckptd and whatever coordinates a job's checkpoints.
//!
//! Everything above it (REST, overrides, revisions, dry runs) is the same for every job; everything
//! below it is one implementation of [`JobCoordinator`]: a job that ckptd hosts itself
//! ([`HostedJob`](crate::hosted::HostedJob)), or one of a Flink cluster
//! ([`FlinkJob`](crate::flink::FlinkJob)). Each verb means something for both; what only one of them has is not asked
//! here.

mod view;

pub use crate::checkpoint_log::{CompletedCheckpoint, LogTail};
pub use view::{FlinkBody, HostedView, JobPart, JobTimeline, PartView};

use crate::anatomy::Anatomy;
use async_trait::async_trait;
use ckpt_api::flink::{SavepointRequest, TriggerRequest};
use ckpt_api::{self as api, JobState, Outcome, OverrideState, OverrideStatus, Via};
use ckpt_coordinator::config::{EffectiveConfig, Override, SubmittedConfig};
use ckpt_coordinator::{InFlight, InFlightUpdate};
pub use ckpt_types::ids::Identity;
use ckpt_types::ids::{CheckpointId, JobId, TriggerId, VertexId};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// A job at one moment. All of it was true at once.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The job's state.
    pub state: JobState,
    /// As it was submitted.
    pub submitted: SubmittedConfig,
    /// What is in force, or will be once the job's coordinator is built.
    pub effective: EffectiveConfig,
    /// The revision of the override that is in force; `None` while there is no coordinator.
    pub revision_in_force: Option<u64>,
    /// The checkpoints in flight, oldest first.
    pub in_flight: Vec<InFlight>,
    /// How many failures count now.
    pub consecutive_failures: u32,
    /// When the next periodic checkpoint is due, in milliseconds since the epoch.
    pub next_trigger: Option<u64>,
    /// How many periodic requests were merged into the one that waits or ran last.
    pub merged: u64,
    /// How many periodic requests wait, to be run back to back.
    pub queued: u64,
    /// How long checkpoints that completed lately usually took, as far as that was seen.
    pub usual_duration: Option<Duration>,
    /// The newest completed checkpoint that is no savepoint.
    pub last_completed: Option<CompletedCheckpoint>,
    /// How its override stands, where that is not all said by whether it is in force.
    pub standing: Option<OverrideStatus>,
    /// Why the job does not run, or is not as it should be, when that is known.
    pub trouble: Option<String>,
    /// How a change reaches the coordinator.
    pub reach: Reach,
    /// Why this is old, when it is.
    pub stale: Option<String>,
    /// When this was seen, in milliseconds since the epoch.
    pub observed_at: u64,
}

impl Observation {
    /// Whether what is stored is in force.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.revision_in_force.is_some()
    }
}

/// Facts about a job that are known without asking for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobSnapshot {
    /// The job's state when it was seen last.
    pub state: JobState,
    /// Time of that, in milliseconds since the epoch.
    pub seen_at: u64,
    /// False if its cluster answers without listing it, or has not answered yet.
    pub is_listed: bool,
}

/// Standing of a job's override, known without asking for it.
#[derive(Debug, Clone, Default)]
pub struct OverrideStanding {
    /// Status of the override, where a cluster's answers tell it.
    pub status: Option<OverrideStatus>,
    /// Earlier jobs of this name whose overrides it may adopt.
    pub predecessors: Vec<JobId>,
}

/// Currency of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Known already, or to be had within [`CACHED_LIMIT`](crate::anatomy::CACHED_LIMIT); may be a little old.
    Cached,
    /// As fresh as it can be had.
    Current,
}

/// The purpose of [`JobCoordinator::prepare`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Bring the pending trigger forward, if it is later than one interval from now.
    pub pull_in: bool,
    /// Only say what the change would do.
    pub dry_run: bool,
}

/// A checkpoint or savepoint by hand.
#[derive(Debug, Clone)]
pub enum ManualTrigger {
    /// A checkpoint.
    Checkpoint(TriggerRequest),
    /// A savepoint, after which the job may be cancelled.
    Savepoint(SavepointRequest),
}

/// Feeds of a job.
#[derive(Debug)]
pub struct JobFeed {
    /// Events from now on.
    pub events: broadcast::Receiver<api::Event>,
    /// The sequence number of the newest ended checkpoint in the job's log, and each that follows.
    pub ended: watch::Receiver<u64>,
}

/// How a change reaches a coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// `None` while that has not been found out.
    pub via: Option<Via>,
    /// Which process, or why there is no way.
    pub detail: Option<String>,
}

impl Reach {
    /// ckptd hosts it.
    pub const HOSTED: Self = Self { via: Some(Via::Hosted), detail: None };
}

/// What should be in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The override.
    pub overridden: Override,
    /// Its revision. An older one never replaces a newer one.
    pub revision: u64,
}

/// A stored revision to put in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// The revision. The newest stored one is applied; an older one never replaces it.
    pub revision: u64,
    /// Bring the pending trigger forward, if it is later than one interval from now.
    pub pull_in: bool,
    /// Checkpoints that were in flight when the change was asked for.
    pub seen: Vec<CheckpointId>,
    /// Who asks.
    pub initiator: Initiator,
}

/// Initiator of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Initiator {
    /// A person or a script: the change is made also while reconciliation is paused.
    #[default]
    Operator,
    /// The end of an override's time: a job of a Flink cluster refuses it as [`SeamError::Busy`] while it is not
    /// listed, or reconciliation is paused.
    Expiry,
}

/// End of the wait for a revision.
#[derive(Debug, Clone)]
pub enum Settled {
    /// It was applied.
    Applied(Box<Applied>),
    /// A later revision was stored before this one was applied.
    Superseded {
        /// The later revision.
        by: u64,
    },
}

/// What came of putting an override in force.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The job afterwards.
    pub observation: Observation,
    /// What it did to each checkpoint in flight.
    pub updates: Vec<InFlightUpdate>,
    /// What had become of those that were in flight when the change was asked for, and are not now.
    pub ended: Vec<(InFlight, Outcome)>,
}

/// Why a job's coordinator did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeamError {
    /// The job has ended.
    #[error("the job {} ({state}); there is nothing left to change", if state.has_ended() { "has ended" } else { "is about to end" })]
    Ended {
        /// How.
        state: JobState,
    },
    /// Something that excludes it is under way.
    #[error("{0}")]
    Busy(String),
    /// There is no coordinator at the moment.
    #[error(
        "the job is {state} and has no checkpoint coordinator at the moment; try again when it is RUNNING"
    )]
    NotNow {
        /// The job's state.
        state: JobState,
    },
    /// It did not answer in time.
    #[error("the job's coordinator does not answer; try again in a moment")]
    Silent,
    /// Its cluster does not answer, or not sensibly.
    #[error("{0}")]
    Unreachable(String),
    /// There is no way to change it from here.
    #[error("this job's coordinator cannot be changed from here: {0}")]
    NoWay(String),
    /// The job does not use checkpoints.
    #[error("the job was submitted without checkpoints, so there is nothing to change")]
    NoCheckpoints,
    /// What was asked for makes no sense.
    #[error("{0}")]
    Mistake(String),
    /// Its cluster refused.
    #[error("the cluster refused: {0}")]
    Refused(String),
    /// The checkpoint is unknown or forgotten.
    #[error("checkpoint {0} is unknown, or so old that it is forgotten; the job's history lists the newest")]
    UnknownCheckpoint(CheckpointId),
    /// The job has no such vertex.
    #[error("the job has no vertex {0}; its details list them")]
    UnknownVertex(VertexId),
    /// No such checkpoint or savepoint was asked for, or it is forgotten.
    #[error("there is no {kind} operation {id} for job {job}")]
    UnknownTrigger {
        /// `checkpoint` or `savepoint`.
        kind: &'static str,
        /// The id.
        id: TriggerId,
        /// The job.
        job: JobId,
    },
}

impl SeamError {
    /// What it means for a change that is stored already.
    #[must_use]
    pub fn override_state(&self) -> OverrideState {
        match self {
            Self::NotNow { .. } => OverrideState::Waiting,
            _ => OverrideState::NotApplied,
        }
    }
}

/// One job's checkpoint coordinator, wherever it lives.
#[async_trait]
pub trait JobCoordinator: Send + Sync {
    /// Which job it is.
    fn identity(&self) -> &Identity;

    /// Facts that are known without asking.
    fn snapshot(&self) -> JobSnapshot;

    /// The same, after the first answer of its cluster to a ckptd that was just started, for which it waits a few
    /// seconds.
    async fn settled(&self) -> JobSnapshot;

    /// Standing of its override.
    fn standing(&self) -> OverrideStanding;

    /// Its events and its ended checkpoints from now on.
    fn subscribe(&self) -> JobFeed;

    /// The job at this moment, or as it was seen last.
    async fn observe(&self, freshness: Freshness) -> Result<Observation, SeamError>;

    /// The checkpoints behind a sequence number of the job's log.
    async fn ended_after(&self, sequence: u64, freshness: Freshness) -> Result<LogTail, SeamError>;

    /// Its checkpoints, subtask by subtask: those in flight, and those that have ended lately. What cannot be found
    /// out is a warning in it.
    async fn breakdown(&self, freshness: Freshness) -> Result<Anatomy, SeamError>;

    /// A part of it, for Flink's REST paths.
    async fn view(&self, part: JobPart) -> Result<PartView, SeamError>;

    /// Looks at it before a change, and makes sure that one can be applied. It changes nothing. A dry run
    /// goes no further than a look may.
    async fn prepare(&self, intent: Intent) -> Result<Observation, SeamError>;

    /// Says what [`Self::apply`] would do now, and does nothing.
    async fn preview(&self, overridden: Override, pull_in: bool) -> Result<Applied, SeamError>;

    /// Waits until the owner of the job has put a stored revision in force. Both values change in one step. A job
    /// without a coordinator takes it when one is built.
    async fn apply(&self, revision: Revision) -> Result<Settled, SeamError>;

    /// Triggers a checkpoint or a savepoint by hand; its id is asked for with [`Self::view`].
    async fn trigger(&self, request: ManualTrigger) -> Result<TriggerId, SeamError>;

    /// Cancels the job.
    async fn cancel(&self) -> Result<(), SeamError>;
}
