//! The checkpoints of a job that have ended, as ckptd has seen them.

use ckpt_types::ids::{CheckpointId, JobId};
use serde::{Deserialize, Serialize};

/// The answer of `GET /jobs/:job/checkpoints/history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckpointHistory {
    /// Always [`SCHEMA`](super::SCHEMA).
    pub schema: String,
    /// The job's cluster.
    pub cluster: String,
    /// The job's id.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// The checkpoints, the oldest first; at most [`Self::MOST`].
    pub checkpoints: Vec<EndedCheckpoint>,
    /// When this was seen.
    pub observed_at: u64,
}

impl CheckpointHistory {
    /// How many are remembered for each job.
    pub const MOST: usize = 200;
}

/// A checkpoint that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndedCheckpoint {
    /// Its number; `null` when it failed before it had one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub id: Option<CheckpointId>,
    /// Whether it is a savepoint.
    pub savepoint: bool,
    /// Whether it completed; otherwise it failed.
    pub completed: bool,
    /// When it was triggered, in milliseconds since the epoch.
    pub triggered_at: u64,
    /// Milliseconds from its trigger until its end; of one that failed, as far as that is known.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub duration: Option<u64>,
    /// The bytes of its state.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub state_size: Option<u64>,
    /// The bytes of it that were written anew.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub checkpointed_size: Option<u64>,
    /// The timeout that was in force when it ended, in milliseconds; `null` when ckptd was not there to see.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub timeout: Option<u64>,
    /// Whether it completed only because a change had given it more time.
    pub rescued: bool,
    /// Why it failed: Flink's name of the reason such as `CHECKPOINT_EXPIRED`, when it is known.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<String>,
    /// Why it failed, in words.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub message: Option<String>,
}
