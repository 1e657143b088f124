//! The seam between ckptd and whatever coordinates a job's checkpoints.
//!
//! Everything above it (REST, overrides, revisions, dry runs) is the same for every job; everything
//! below it is one implementation of [`JobCoordinator`]: a job that ckptd hosts itself
//! ([`HostedJob`](crate::hosted::HostedJob)), or one of a Flink cluster
//! ([`FlinkJob`](crate::flink::FlinkJob)).

use crate::anatomy::{Anatomy, Depth};
pub use crate::checkpoint_log::LogTail;
use crate::hosted::TaskDoor;
use async_trait::async_trait;
use ckpt_api::flink;
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

/// A job as it was seen last.
#[derive(Debug, Clone)]
pub struct Glance {
    /// How it was.
    pub observation: Observation,
    /// The newest that completed and is no savepoint.
    pub last_completed: Option<flink::Checkpoint>,
    /// By how many milliseconds the clock that these times are of is ahead of ours.
    pub ahead: i64,
}

/// The checkpoints of a job that have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The newest ones, the oldest of them first.
    pub checkpoints: Vec<api::EndedCheckpoint>,
    /// When that was seen, in milliseconds since the epoch.
    pub observed_at: u64,
}

/// How long completed checkpoints usually took: the median of the newest ten. `newest_first` are their durations, in
/// milliseconds.
pub(crate) fn usual_duration(newest_first: impl Iterator<Item = u64>) -> Option<Duration> {
    let mut durations: Vec<_> = newest_first.take(10).collect();
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().map(Duration::from_millis)
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

    /// The state that it was in last, without asking.
    fn last_state(&self) -> JobState;

    /// Whether it is still there, as far as is known.
    fn is_there(&self) -> bool {
        true
    }

    /// Waits, a few seconds at most, until it is known whether it is there: a ckptd that has just been started has not
    /// asked its cluster yet.
    async fn settle(&self) {}

    /// When its last state was seen, in milliseconds since the epoch, without asking.
    fn last_seen(&self) -> u64;

    /// Looks at it.
    async fn observe(&self) -> Result<Observation, SeamError>;

    /// How it was seen last, without asking its cluster.
    async fn glance(&self) -> Result<Glance, SeamError>;

    /// Looks at it before a change, and makes sure that one can be applied. It changes nothing. A dry run
    /// goes no further than a look may.
    async fn prepare(&self, pull_in: bool, dry_run: bool) -> Result<Observation, SeamError>;

    /// Says what [`Self::apply`] would do now, and does nothing.
    async fn preview(&self, overridden: Override, pull_in: bool) -> Result<Applied, SeamError>;

    /// Waits until the owner of the job has put a stored revision in force. Both values change in one step. A job
    /// without a coordinator takes it when one is built.
    async fn apply(&self, revision: Revision) -> Result<Settled, SeamError>;

    /// Triggers a checkpoint by hand.
    async fn trigger(&self, request: flink::TriggerRequest) -> Result<TriggerId, SeamError>;

    /// What became of that; `None` when nobody asked for it.
    async fn trigger_status(&self, id: TriggerId) -> Result<Option<flink::TriggerStatus>, SeamError>;

    /// Asks for a savepoint, after which the job may be cancelled.
    async fn savepoint(&self, request: flink::SavepointRequest) -> Result<TriggerId, SeamError>;

    /// What became of that; `None` when nobody asked for it.
    async fn savepoint_status(&self, id: TriggerId) -> Result<Option<flink::SavepointStatus>, SeamError>;

    /// Cancels the job.
    async fn cancel(&self) -> Result<(), SeamError>;

    /// Flink's `/jobs/overview`, this job's part.
    async fn overview(&self) -> Result<flink::JobOverview, SeamError>;

    /// Flink's `/jobs/:jobid`.
    async fn details(&self) -> Result<flink::JobDetails, SeamError>;

    /// Flink's `/jobs/:jobid/checkpoints`.
    async fn checkpoints(&self) -> Result<flink::CheckpointStatistics, SeamError>;

    /// The checkpoints that have ended, as far as they are remembered.
    async fn history(&self) -> Result<Past, SeamError>;

    /// The sequence number of the newest ended checkpoint in the job's log, and each that follows.
    fn subscribe_ended(&self) -> watch::Receiver<u64>;

    /// The ended checkpoints behind a sequence number, without asking the job's cluster.
    async fn ended_after(&self, sequence: u64) -> Result<LogTail, SeamError>;

    /// Flink's `/jobs/:jobid/checkpoints/config`, with the values in force.
    async fn checkpoint_config(&self) -> Result<flink::CheckpointConfig, SeamError>;

    /// Flink's `…/checkpoints/details/:id`; `None` when the checkpoint is unknown or forgotten.
    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<flink::Checkpoint>, SeamError>;

    /// Flink's `…/details/:id/subtasks/:vertexid`; the outer `None` when the checkpoint is unknown, the
    /// inner one when the vertex is.
    async fn subtasks(
        &self,
        id: CheckpointId,
        vertex: VertexId,
    ) -> Result<Option<Option<flink::TaskCheckpointWithSubtasks>>, SeamError>;

    /// Its checkpoints, subtask by subtask: those in flight, and those that have ended lately. What cannot be found
    /// out is a warning in it.
    async fn anatomy(&self, depth: Depth) -> Result<Anatomy, SeamError>;

    /// Why nothing may be applied to it now unless somebody asks for it, if that is so.
    fn hands_off(&self) -> Option<String> {
        None
    }

    /// How its override stood when that was seen last, without asking.
    fn standing(&self) -> Option<OverrideStatus> {
        None
    }

    /// The jobs that had its name before, and left an override behind.
    fn left_behind(&self) -> Vec<JobId> {
        Vec::new()
    }

    /// The door for its tasks, if ckptd runs them.
    fn tasks(&self) -> Option<TaskDoor> {
        None
    }

    /// What happens to it from now on.
    fn events(&self) -> broadcast::Receiver<api::Event>;
}
