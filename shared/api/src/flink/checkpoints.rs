//! Checkpoints: everything below `/jobs/:jobid/checkpoints`.

use ckpt_types::ids::{CheckpointId, TriggerId, VertexId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `GET /jobs/:jobid/checkpoints/config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "the wire format's own options")]
pub struct CheckpointConfig {
    /// `exactly_once` or `at_least_once`.
    pub mode: String,
    /// The interval in force, or [`NO_INTERVAL`](super::NO_INTERVAL).
    pub interval: i64,
    /// The timeout in force.
    pub timeout: i64,
    pub min_pause: i64,
    pub max_concurrent: i64,
    pub externalization: Externalization,
    #[serde(default)]
    pub state_backend: String,
    #[serde(default)]
    pub checkpoint_storage: String,
    #[serde(default)]
    pub unaligned_checkpoints: bool,
    #[serde(default)]
    pub tolerable_failed_checkpoints: i64,
    #[serde(default)]
    pub aligned_checkpoint_timeout: i64,
    #[serde(default)]
    pub checkpoints_after_tasks_finish: bool,
    #[serde(default)]
    pub state_changelog_enabled: bool,
    #[serde(default)]
    pub changelog_periodic_materialization_interval: i64,
    #[serde(default)]
    pub changelog_storage: String,
}

/// Whether checkpoints outlive their job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "the wire format's own options")]
pub struct Externalization {
    pub enabled: bool,
    pub delete_on_cancellation: bool,
}

/// `GET /jobs/:jobid/checkpoints`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckpointStatistics {
    /// How many there were.
    pub counts: Counts,
    /// Over the completed ones.
    pub summary: Summary,
    /// The newest of each kind.
    pub latest: Latest,
    /// Newest first, those in progress included.
    pub history: Vec<Checkpoint>,
}

/// How many checkpoints there were, savepoints included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own counters")]
pub struct Counts {
    pub restored: u64,
    pub total: u64,
    pub in_progress: u64,
    pub completed: u64,
    pub failed: u64,
}

/// Distributions over the completed checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own measures")]
pub struct Summary {
    pub checkpointed_size: Distribution,
    pub state_size: Distribution,
    pub end_to_end_duration: Distribution,
    pub alignment_buffered: Distribution,
    pub processed_data: Distribution,
    pub persisted_data: Distribution,
}

/// A distribution of whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own statistics")]
pub struct Distribution {
    pub min: i64,
    pub max: i64,
    pub avg: i64,
    pub p50: Quantile,
    pub p90: Quantile,
    pub p95: Quantile,
    pub p99: Quantile,
    pub p999: Quantile,
}

/// A quantile; without a sample Flink writes the text `"NaN"`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quantile(pub Option<f64>);

impl Serialize for Quantile {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(value) => to.serialize_f64(value),
            None => to.serialize_str("NaN"),
        }
    }
}

impl<'de> Deserialize<'de> for Quantile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Number(number) => Ok(Self(number.as_f64())),
            Value::String(text) if text == "NaN" => Ok(Self(None)),
            _ => Err(serde::de::Error::custom("a quantile is a number or \"NaN\"")),
        }
    }
}

/// The newest checkpoint of each kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own kinds")]
pub struct Latest {
    pub completed: Option<Checkpoint>,
    pub savepoint: Option<Checkpoint>,
    pub failed: Option<Checkpoint>,
    pub restored: Option<RestoredCheckpoint>,
}

/// The checkpoint that a job was restored from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoredCheckpoint {
    /// Its number.
    pub id: CheckpointId,
    /// When the job was restored.
    pub restore_timestamp: i64,
    /// Whether it is a savepoint.
    pub is_savepoint: bool,
    /// Where it is.
    pub external_path: String,
}

/// The status of a checkpoint. `className` is the same in small letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say all")]
pub enum CheckpointStatus {
    InProgress,
    Completed,
    Failed,
}

impl CheckpointStatus {
    /// What `className` says.
    #[must_use]
    pub fn class_name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// What `status` says.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// One checkpoint; in a history `tasks` is empty, in `…/details/:id` it is filled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checkpoint {
    /// Its status in small letters: [`CheckpointStatus::class_name`].
    #[serde(rename = "className")]
    pub class_name: String,
    /// Its number.
    pub id: CheckpointId,
    /// Its status.
    pub status: CheckpointStatus,
    /// Whether it is a savepoint.
    pub is_savepoint: bool,
    /// `CANONICAL` or `NATIVE` for a savepoint.
    #[serde(rename = "savepointFormat", default)]
    pub savepoint_format: Option<String>,
    /// When it was triggered.
    pub trigger_timestamp: i64,
    /// When a subtask acknowledged last, or −1.
    pub latest_ack_timestamp: i64,
    /// Bytes that were written.
    #[serde(default)]
    pub checkpointed_size: i64,
    /// Bytes that it refers to.
    pub state_size: i64,
    /// From the trigger until the last acknowledgement, or until the failure; −1 for not yet.
    pub end_to_end_duration: i64,
    /// Always 0.
    #[serde(default)]
    pub alignment_buffered: i64,
    /// Bytes processed while barriers were aligned.
    #[serde(default)]
    pub processed_data: i64,
    /// Bytes of records in flight that were stored.
    #[serde(default)]
    pub persisted_data: i64,
    /// How many subtasks take part.
    pub num_subtasks: u32,
    /// How many acknowledged in time.
    pub num_acknowledged_subtasks: u32,
    /// `CHECKPOINT`, `UNALIGNED_CHECKPOINT`, `SAVEPOINT` or `SYNC_SAVEPOINT`.
    #[serde(default)]
    pub checkpoint_type: String,
    /// By vertex.
    #[serde(default)]
    pub tasks: BTreeMap<VertexId, TaskCheckpoint>,
    /// When it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_timestamp: Option<i64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
    /// Where it is, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_path: Option<String>,
    /// Whether its files are gone, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded: Option<bool>,
}

/// One vertex's part of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "the same measures as those of `Checkpoint`")]
pub struct TaskCheckpoint {
    pub id: CheckpointId,
    pub status: CheckpointStatus,
    pub latest_ack_timestamp: i64,
    #[serde(default)]
    pub checkpointed_size: i64,
    pub state_size: i64,
    pub end_to_end_duration: i64,
    #[serde(default)]
    pub alignment_buffered: i64,
    #[serde(default)]
    pub processed_data: i64,
    #[serde(default)]
    pub persisted_data: i64,
    pub num_subtasks: u32,
    pub num_acknowledged_subtasks: u32,
}

/// `GET …/checkpoints/details/:id/subtasks/:vertexid`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskCheckpointWithSubtasks {
    /// The vertex's part as a whole.
    #[serde(flatten)]
    pub task: TaskCheckpoint,
    /// Over the subtasks that acknowledged.
    pub summary: SubtaskSummary,
    /// The subtasks.
    pub subtasks: Vec<SubtaskCheckpoint>,
}

/// Distributions over the subtasks that acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own measures")]
pub struct SubtaskSummary {
    pub checkpointed_size: Distribution,
    pub state_size: Distribution,
    pub end_to_end_duration: Distribution,
    pub checkpoint_duration: DurationSummary,
    pub alignment: AlignmentSummary,
    pub start_delay: Distribution,
}

/// The two parts of a snapshot's duration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct DurationSummary {
    /// While the task stood still.
    pub sync: Distribution,
    /// While it went on.
    #[serde(rename = "async")]
    pub asynchronous: Distribution,
}

/// How barriers were aligned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own measures")]
pub struct AlignmentSummary {
    pub buffered: Distribution,
    pub processed: Distribution,
    pub persisted: Distribution,
    pub duration: Distribution,
}

/// One subtask's part of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum SubtaskCheckpoint {
    /// It acknowledged, perhaps too late.
    Completed(CompletedSubtask),
    /// It has not.
    Pending(PendingSubtask),
}

/// A subtask that has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PendingSubtask {
    /// `pending`.
    #[cfg_attr(feature = "openapi", schema(pattern = "^pending$"))]
    #[serde(rename = "className")]
    pub class_name: String,
    /// The subtask's place in its vertex.
    pub index: u32,
    /// `pending_or_failed`.
    pub status: String,
}

/// A subtask that acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "the wire format's own measures")]
pub struct CompletedSubtask {
    /// `completed`.
    #[cfg_attr(feature = "openapi", schema(pattern = "^completed$"))]
    #[serde(rename = "className")]
    pub class_name: String,
    pub index: u32,
    pub ack_timestamp: i64,
    pub end_to_end_duration: i64,
    #[serde(default)]
    pub checkpointed_size: i64,
    pub state_size: i64,
    pub checkpoint: SyncAsync,
    pub alignment: Alignment,
    #[serde(default)]
    pub start_delay: i64,
    #[serde(default)]
    pub unaligned_checkpoint: bool,
    /// It acknowledged after the checkpoint had failed.
    #[serde(default)]
    pub aborted: bool,
    /// `completed`.
    pub status: String,
}

/// How long a snapshot took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own measures")]
pub struct SyncAsync {
    pub sync: i64,
    #[serde(rename = "async")]
    pub asynchronous: i64,
}

/// How the barriers of one subtask were aligned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
#[allow(missing_docs, reason = "the wire format's own measures")]
pub struct Alignment {
    pub buffered: i64,
    pub processed: i64,
    pub persisted: i64,
    pub duration: i64,
}

/// The type of checkpoint that `POST …/checkpoints` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are Flink's and say all")]
pub enum CheckpointType {
    #[default]
    Configured,
    Full,
    Incremental,
}

/// The body of `POST …/checkpoints`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TriggerRequest {
    /// What to make.
    #[serde(default, deserialize_with = "null_is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<CheckpointType>))]
    pub checkpoint_type: CheckpointType,
    /// The request's own id, so that asking twice triggers once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_id: Option<TriggerId>,
}

pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The answer to `POST …/checkpoints`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub struct TriggerResponse {
    /// Where to ask: `…/checkpoints/:triggerid`.
    pub request_id: TriggerId,
}

/// `GET …/checkpoints/:triggerid`.
pub type TriggerStatus = OperationStatus<TriggerResult>;

/// How far an asynchronous operation is, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationStatus<T> {
    /// Whether there is a result.
    pub status: QueueStatus,
    /// The result.
    pub operation: Option<T>,
}

/// `{"id": "IN_PROGRESS"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueStatus {
    /// How far it is.
    pub id: QueueStatusId,
}

/// How far an asynchronous operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are Flink's and say all")]
pub enum QueueStatusId {
    InProgress,
    Completed,
}

/// How a triggered checkpoint ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TriggerResult {
    /// The checkpoint that completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_id: Option<CheckpointId>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_cause: Option<FailureCause>,
}

/// A Java exception on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub struct FailureCause {
    /// The exception's class.
    pub class: String,
    /// Its text.
    pub stack_trace: String,
    /// The exception in Java's serialization and base64, which is all that Flink's own clients read of it.
    #[serde(default)]
    pub serialized_throwable: String,
}

/// An object without fields, such as the body of an accepted cancellation.
pub type Nothing = Map<String, Value>;
