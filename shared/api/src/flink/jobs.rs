//! Cluster and jobs: `/config`, `/overview`, `/jobs`, `/jobs/overview`, `/jobs/:jobid`.

use super::Quantile;
use crate::JobState;
use ckpt_types::ids::{JobId, VertexId};
use serde::{Deserialize, Serialize};

/// `GET /config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub struct DashboardConfiguration {
    /// How often a web page asks again, in milliseconds.
    pub refresh_interval: i64,
    /// The time zone's name.
    pub timezone_name: String,
    /// Its offset from UTC, in milliseconds.
    pub timezone_offset: i64,
    /// The version.
    pub flink_version: String,
    /// The commit and its date.
    pub flink_revision: String,
    /// What the web page may offer.
    pub features: Features,
}

/// What a web page may offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, clippy::struct_excessive_bools, reason = "the wire format's own flags")]
pub struct Features {
    pub web_submit: bool,
    pub web_cancel: bool,
    pub web_rescale: bool,
    pub web_history: bool,
}

/// `GET /overview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the wire format's own counters")]
pub struct ClusterOverview {
    pub taskmanagers: u32,
    pub slots_total: u32,
    pub slots_available: u32,
    pub jobs_running: u32,
    pub jobs_finished: u32,
    pub jobs_cancelled: u32,
    pub jobs_failed: u32,
    pub flink_version: String,
    pub flink_commit: String,
}

/// `GET /jobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobIdsWithStatus {
    /// The jobs.
    pub jobs: Vec<JobIdWithStatus>,
}

/// One job of `GET /jobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobIdWithStatus {
    /// Its id.
    pub id: JobId,
    /// Its state.
    pub status: JobState,
}

/// `GET /jobs/:jobid/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobStatusInfo {
    /// Its state.
    pub status: JobState,
}

/// `GET /jobs/overview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobsOverview {
    /// The jobs.
    pub jobs: Vec<JobOverview>,
}

/// One job of `GET /jobs/overview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobOverview {
    /// Its id.
    pub jid: JobId,
    /// Its name.
    pub name: String,
    /// `STREAMING`.
    #[serde(rename = "jobType", default)]
    pub job_type: Option<String>,
    /// `Default` or `Adaptive`; `null` for a job that has no scheduler, as one that fails while it is
    /// initialised.
    #[serde(rename = "schedulerType", default)]
    pub scheduler_type: Option<String>,
    /// When it was submitted.
    #[serde(rename = "start-time")]
    pub start_time: i64,
    /// When it ended, or −1.
    #[serde(rename = "end-time")]
    pub end_time: i64,
    /// From its start until its end, or until now.
    pub duration: i64,
    /// Its state.
    pub state: JobState,
    /// When its state changed last.
    #[serde(rename = "last-modification")]
    pub last_modification: i64,
    /// Its subtasks by state.
    pub tasks: OverviewTasks,
    /// Operators that wait for a batch stage; 0 here.
    #[serde(rename = "pending-operators", default)]
    pub pending_operators: u32,
}

/// The subtasks of a job by state, in the order of `/jobs/overview`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own counters")]
pub struct OverviewTasks {
    pub running: u32,
    pub canceling: u32,
    pub canceled: u32,
    pub total: u32,
    pub created: u32,
    pub scheduled: u32,
    pub deploying: u32,
    pub reconciling: u32,
    pub finished: u32,
    pub initializing: u32,
    pub failed: u32,
}

/// `GET /jobs/:jobid`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobDetails {
    /// Its id.
    pub jid: JobId,
    /// The application it belongs to; the job's id here.
    #[serde(rename = "application-id", default)]
    pub application_id: String,
    /// Its name.
    pub name: String,
    /// Whether it can be stopped other than with a savepoint: no.
    #[serde(rename = "isStoppable", default)]
    pub is_stoppable: bool,
    /// Its state.
    pub state: JobState,
    /// `STREAMING`.
    #[serde(rename = "job-type", default)]
    pub job_type: Option<String>,
    /// `Default` or `Adaptive`.
    #[serde(rename = "schedulerType", default)]
    pub scheduler_type: Option<String>,
    /// When it was submitted.
    #[serde(rename = "start-time")]
    pub start_time: i64,
    /// When it ended, or −1.
    #[serde(rename = "end-time")]
    pub end_time: i64,
    /// From its start until its end, or until now.
    pub duration: i64,
    /// −1: not set.
    #[serde(rename = "maxParallelism", default)]
    pub max_parallelism: i64,
    /// When this was answered.
    pub now: i64,
    /// When each state was entered last, or 0.
    pub timestamps: StateTimestamps,
    /// The vertices.
    pub vertices: Vec<Vertex>,
    /// Vertices by state.
    #[serde(rename = "status-counts", default)]
    pub status_counts: StateCounts,
    /// The graph.
    pub plan: Plan,
    /// Operators that wait for a batch stage; 0 here.
    #[serde(rename = "pending-operators", default)]
    pub pending_operators: u32,
}

/// When each job state was entered last, or 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the wire format's own states")]
pub struct StateTimestamps {
    pub finished: i64,
    pub canceled: i64,
    pub initializing: i64,
    pub created: i64,
    pub failed: i64,
    pub cancelling: i64,
    pub failing: i64,
    pub restarting: i64,
    pub running: i64,
    pub reconciling: i64,
    pub suspended: i64,
}

/// How many subtasks, or vertices, are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the wire format's own states")]
pub struct StateCounts {
    pub finished: u32,
    pub initializing: u32,
    pub canceling: u32,
    pub reconciling: u32,
    pub canceled: u32,
    pub created: u32,
    pub scheduled: u32,
    pub failed: u32,
    pub deploying: u32,
    pub running: u32,
}

/// One vertex of `GET /jobs/:jobid`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Vertex {
    /// Its id.
    pub id: VertexId,
    /// The slot sharing group.
    #[serde(rename = "slotSharingGroupId", default)]
    pub slot_sharing_group_id: String,
    /// Its name.
    pub name: String,
    /// Its largest parallelism.
    #[serde(rename = "maxParallelism", default)]
    pub max_parallelism: i64,
    /// How many subtasks it has.
    pub parallelism: u32,
    /// Its state.
    pub status: String,
    /// When it started, or −1.
    #[serde(rename = "start-time")]
    pub start_time: i64,
    /// When it ended, or −1.
    #[serde(rename = "end-time")]
    pub end_time: i64,
    /// From its start until its end, or until now; −1 before its start.
    pub duration: i64,
    /// Its subtasks by state.
    pub tasks: StateCounts,
    /// Its counters.
    pub metrics: VertexMetrics,
}

/// The counters of a vertex.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the wire format's own counters")]
pub struct VertexMetrics {
    pub read_bytes: i64,
    pub read_bytes_complete: bool,
    pub write_bytes: i64,
    pub write_bytes_complete: bool,
    pub read_records: i64,
    pub read_records_complete: bool,
    pub write_records: i64,
    pub write_records_complete: bool,
    pub accumulated_backpressured_time: i64,
    pub accumulated_idle_time: i64,
    /// `"NaN"` when nobody knows.
    pub accumulated_busy_time: Quantile,
}

/// The graph of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    /// The job's id.
    pub jid: JobId,
    /// Its name.
    pub name: String,
    /// `STREAMING`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Its nodes.
    pub nodes: Vec<PlanNode>,
}

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "the wire format's own fields")]
pub struct PlanNode {
    pub id: VertexId,
    #[serde(default)]
    pub operator: String,
    pub parallelism: u32,
    #[serde(default)]
    pub operator_strategy: String,
    #[serde(default)]
    pub description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<PlanInput>,
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub optimizer_properties: serde_json::Map<String, serde_json::Value>,
}

/// An edge of the graph, at the node that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "the wire format's own fields")]
pub struct PlanInput {
    pub id: VertexId,
    pub num: u32,
    #[serde(default)]
    pub exchange: String,
    #[serde(default)]
    pub ship_strategy: String,
}
