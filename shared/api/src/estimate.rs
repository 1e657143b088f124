//! Slow or stuck: what is to be expected of a checkpoint in flight, and all that it rests on.

use super::{Failures, InFlight, JobState};
use ckpt_types::ids::JobId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is to be expected of a checkpoint in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// In a word.
    pub verdict: Pace,
    /// The verdict and its evidence in one sentence.
    pub sentence: String,
    /// Milliseconds from now until it is done, if nobody hangs; `null` when there is nothing to tell it by,
    /// or when it is stuck.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub done_in: Option<Range>,
    /// A timeout that leaves it the time it needs, in milliseconds, when the one in force does not; `null`
    /// when that one is enough, or when no timeout would help.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub suggested_timeout: Option<u64>,
}

/// Whether a checkpoint in flight is slow or stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Pace {
    /// It goes as checkpoints of this job usually go.
    OnTrack,
    /// It takes longer than usual, and it will be done.
    Slow,
    /// A subtask hangs: it will not be done by waiting.
    Stuck,
    /// What is known fits both.
    CannotTell,
}

impl Pace {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OnTrack => "onTrack",
            Self::Slow => "slow",
            Self::Stuck => "stuck",
            Self::CannotTell => "cannotTell",
        }
    }
}

impl fmt::Display for Pace {
    /// In words, as people read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OnTrack => "on track",
            Self::Slow => "slow",
            Self::Stuck => "stuck",
            Self::CannotTell => "cannot tell",
        })
    }
}

/// A range that a duration lies in, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Range {
    /// It is rarely less: measured over made-up histories, in about one case of ten (docs/estimate.md).
    pub low: u64,
    /// It is as likely less as more.
    pub likely: u64,
    /// It is rarely more, likewise.
    pub high: u64,
}

/// All that is known of the oldest checkpoint in flight: the answer of `GET /jobs/:job/checkpoints/diagnosis`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckpointDiagnosis {
    /// Always [`SCHEMA`](super::SCHEMA).
    pub schema: String,
    /// The job's cluster.
    pub cluster: String,
    /// The job's id.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// The checkpoint, with its estimate; `null` when none is in flight.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub checkpoint: Option<InFlight>,
    /// The timeout in force, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub checkpoint_timeout: Option<u64>,
    /// The interval in force, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub checkpoint_interval: Option<u64>,
    /// How long completed checkpoints took lately, in the middle, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub usual_duration: Option<u64>,
    /// How many completed checkpoints that and the estimate rest on.
    pub completed: u32,
    /// How far each vertex is, in the job's order; empty when only the checkpoint as a whole is known.
    pub vertices: Vec<VertexProgress>,
    /// Consecutive failures against what is tolerated.
    pub failures: Failures,
    /// What could not be found out, and why.
    pub warnings: Vec<String>,
    /// When this was seen.
    pub observed_at: u64,
}

/// How far one vertex is with a checkpoint. Durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VertexProgress {
    /// The vertex's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many of its subtasks have acknowledged.
    pub acknowledged: u32,
    /// How many it has.
    pub subtasks: u32,
    /// How long its subtasks usually take.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub usual: Option<Spread>,
    /// How long those that have acknowledged took.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub took: Option<Spread>,
    /// Their synchronous part.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub sync: Option<Spread>,
    /// Their asynchronous part.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub r#async: Option<Spread>,
    /// Their alignment.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub alignment: Option<Spread>,
    /// From the trigger until the barrier reached them.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub start_delay: Option<Spread>,
    /// How much the vertex is held back by those downstream of it, as Flink says: `ok`, `low` or `high`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub backpressure: Option<String>,
    /// The subtasks that have not acknowledged, the most overdue first; at most [`Self::MOST_MISSING`].
    pub missing: Vec<MissingSubtask>,
}

impl VertexProgress {
    /// How many missing subtasks of a vertex are listed.
    pub const MOST_MISSING: usize = 50;
}

/// How durations of several subtasks spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Spread {
    /// The one in the middle.
    pub median: u64,
    /// The longest.
    pub max: u64,
}

/// A subtask that has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MissingSubtask {
    /// Its index in the vertex, from 0 as in Flink's REST API; Flink's logs have `(index + 1/subtasks)`.
    pub index: u32,
    /// Where it runs.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub host: Option<String>,
    /// Milliseconds that it usually takes.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub usual: Option<u64>,
    /// Milliseconds that it took for the last checkpoint that it acknowledged.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last: Option<u64>,
    /// Whether it is the one that the verdict points at.
    pub suspect: bool,
    /// How much it is held back, as Flink says: `ok`, `low` or `high`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub backpressure: Option<String>,
}
