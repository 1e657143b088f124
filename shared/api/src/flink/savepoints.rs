//! Savepoints: everything below `/jobs/:jobid/savepoints`.

use super::checkpoints::null_is_default;
use super::{FailureCause, OperationStatus};
use ckpt_types::ids::TriggerId;
use serde::{Deserialize, Serialize};

/// How a savepoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are Flink's and say all")]
pub enum SavepointFormat {
    Canonical,
    Native,
}

/// The body of `POST …/savepoints`. Like Flink's own, it has no other fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SavepointRequest {
    /// The directory that the savepoint's own directory is made in.
    #[serde(rename = "target-directory", default, skip_serializing_if = "Option::is_none")]
    pub target_directory: Option<String>,
    /// Whether the job is cancelled when the savepoint has completed.
    #[serde(rename = "cancel-job", default, deserialize_with = "null_is_default")]
    pub cancel_job: bool,
    /// How it is written, if that is said.
    #[serde(rename = "formatType", default, skip_serializing_if = "Option::is_none")]
    pub format_type: Option<SavepointFormat>,
    /// The request's own id, so that asking twice triggers once.
    #[serde(rename = "triggerId", default, skip_serializing_if = "Option::is_none")]
    pub trigger_id: Option<TriggerId>,
}

/// `GET …/savepoints/:triggerid`.
pub type SavepointStatus = OperationStatus<SavepointResult>;

/// How a savepoint ended. Unlike [`TriggerResult`](super::TriggerResult) it spells `failure-cause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SavepointResult {
    /// Where it is, such as `file:/savepoints/savepoint-5007d9-57288febd81c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_cause: Option<FailureCause>,
}
