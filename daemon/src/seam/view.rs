//! Views of a job for Flink's REST paths. A cluster's answers are passed on as Flink gave them; of a hosted job the
//! REST API renders the same bodies from its facts.

use super::Identity;
use crate::checkpoint_log::CheckpointTracker;
use crate::job_file::JobSpec;
use ckpt_api::JobState;
use ckpt_api::flink::{
    Checkpoint, CheckpointConfig, CheckpointStatistics, JobDetails, JobOverview, SavepointStatus,
    StateTimestamps, TaskCheckpointWithSubtasks, TriggerStatus,
};
use ckpt_coordinator::config::EffectiveConfig;
use ckpt_types::ids::{CheckpointId, TriggerId, VertexId};
use serde::Serialize;
use std::sync::Arc;

/// A part of a job that one of Flink's paths shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobPart {
    /// Its entry in `/jobs/overview`.
    Overview,
    /// `/jobs/:jobid`.
    Details,
    /// `…/checkpoints`.
    Checkpoints,
    /// `…/checkpoints/config`, with the values in force.
    CheckpointConfig,
    /// `…/checkpoints/details/:id`.
    Checkpoint(CheckpointId),
    /// `…/checkpoints/details/:id/subtasks/:vertexid`.
    Subtasks(CheckpointId, VertexId),
    /// `…/checkpoints/:triggerid`.
    CheckpointTrigger(TriggerId),
    /// `…/savepoints/:triggerid`.
    SavepointTrigger(TriggerId),
}

/// A part of a job, or the facts that it is made of.
#[derive(Debug)]
pub enum PartView {
    /// The body itself.
    Body(FlinkBody),
    /// Facts about a hosted job.
    Hosted(HostedView),
}

/// A body of Flink's REST API; each variant belongs to the [`JobPart`] of the same name.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "see `JobPart`")]
pub enum FlinkBody {
    Overview(JobOverview),
    Details(Box<JobDetails>),
    Checkpoints(Box<CheckpointStatistics>),
    CheckpointConfig(CheckpointConfig),
    Checkpoint(Box<Checkpoint>),
    Subtasks(Box<TaskCheckpointWithSubtasks>),
    CheckpointTrigger(TriggerStatus),
    SavepointTrigger(SavepointStatus),
}

/// Facts about a hosted job at one moment. Clones share all that is large.
#[derive(Debug, Clone)]
pub struct HostedView {
    pub(crate) identity: Arc<Identity>,
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) timeline: JobTimeline,
    pub(crate) effective: EffectiveConfig,
    pub(crate) checkpoints: Arc<CheckpointTracker>,
}

/// The states of a hosted job so far, at the moment `now`. Times are in milliseconds since the epoch.
#[derive(Debug, Clone)]
pub struct JobTimeline {
    pub(crate) state: JobState,
    /// Time of its submission.
    pub(crate) started_at: u64,
    pub(crate) ended_at: Option<u64>,
    pub(crate) changed_at: u64,
    pub(crate) entered: StateTimestamps,
    pub(crate) now: u64,
}
