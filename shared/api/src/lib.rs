//! Bodies of the REST APIs that both programs speak.
//!
//! The root holds ckptd's own, `ckpt/v1`: the answers of `GET`, `PATCH` and `DELETE` on
//! `/jobs/:job/checkpoints/configuration`, and what goes in. [`tasks`] is the task protocol of hosted jobs, [`flink`]
//! Flink's REST API as Flink 2.3.0 writes it.
//!
//! Durations are whole milliseconds, points in time milliseconds since the epoch; what is absent is
//! `null`, never −1 or a huge number.

mod audit;
mod clusters;
mod estimate;
pub mod flink;
mod history;
mod origin;
mod patch;
#[cfg(feature = "openapi")]
mod schemas;
mod standing;
pub mod tasks;

pub use audit::{Audit, AuditAction, AuditAsked, AuditEntry, AuditOutcome, AuditResult, AuditStep};
pub use ckpt_types::outcome::Outcome;
pub use clusters::{Check, ClusterDiagnosis, ClusterState, Diagnosis, Verdict, Via};
pub use estimate::{CheckpointDiagnosis, Estimate, MissingSubtask, Pace, Range, Spread, VertexProgress};
pub use history::{CheckpointHistory, EndedCheckpoint};
pub use origin::Origin;
pub use patch::{
    ConfigurationPatch, Field, LONGEST_BY, LONGEST_REASON, Lasting, PatchError, parse_by, parse_reason,
};
pub use standing::{AdoptRequest, OverrideState, OverrideStatus, Pause, Reconcile, ReconcileRequest};

use ckpt_types::ids::{CheckpointId, JobId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of [`Value`] in the description of the API, where `Value` is any JSON.
#[cfg(feature = "openapi")]
use Value as ConfiguredValue;

/// The `schema` of every body here.
pub const SCHEMA: &str = "ckpt/v1";
/// The header that says when what an answer holds was seen, in milliseconds since the epoch; Flink's
/// own bodies have no room for it.
pub const OBSERVED_AT: &str = "ckpt-observed-at";
/// The header in which whoever makes a change says who they are, in UTF-8: a claim, which nobody checks.
pub const BY: &str = "ckpt-by";
/// The cluster of the jobs that ckptd hosts itself.
pub const HOSTED: &str = "hosted";
/// The largest request body, in bytes.
pub const LARGEST_BODY: usize = 64 * 1024;

/// A job's checkpoint configuration: what was submitted, what is overridden, what is in force, and
/// what is in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The cluster, [`HOSTED`] for ckptd's own jobs.
    pub cluster: String,
    /// The job's id.
    pub job_id: JobId,
    /// The job's name.
    pub name: String,
    /// The job's state.
    pub state: JobState,
    /// Counts the changes of this job; it only rises while the job lives, and 0 says that nothing was
    /// changed.
    pub revision: u64,
    /// Whether what this body shows as override is durable on disk.
    pub stored: bool,
    /// Whether it is in force: a job that restarts has no coordinator that it could be in force in.
    pub applied: bool,
    /// In the answer to a change: the later revision that was stored before this one was applied, which then never
    /// was. Left out otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<u64>,
    /// How its override stands, and if it does not hold, why; `null` when there is none. An older ckptd says
    /// nothing of it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub override_status: Option<OverrideStatus>,
    /// How often a checkpoint is triggered.
    #[cfg_attr(feature = "openapi", schema(value_type = ConfiguredValue))]
    pub checkpoint_interval: Value,
    /// How long a checkpoint may take.
    #[cfg_attr(feature = "openapi", schema(value_type = ConfiguredValue))]
    pub checkpoint_timeout: Value,
    /// The checkpoints in flight, oldest first; in the answer to a change also those that ended
    /// while it was being stored.
    pub in_flight: Vec<InFlight>,
    /// Consecutive failures against what is tolerated.
    pub failures: Failures,
    /// When the next periodic checkpoint is due.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_trigger: Option<u64>,
    /// What the operator ought to know.
    pub warnings: Vec<String>,
    /// How a change reaches the job's coordinator; `null` while that has not been found out.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub via: Option<Via>,
    /// More about that: which process, or why there is no way and what would make one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub via_detail: Option<String>,
    /// Why this is old, when it is: the cluster does not answer, or not sensibly.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub stale: Option<String>,
    /// When this was seen; when `stale`, the time of the last good answer.
    pub observed_at: u64,
}

/// One value in its three forms, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ConfiguredValue))]
pub struct Value {
    /// As the job was submitted.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub submitted: Option<u64>,
    /// As it was changed since.
    #[serde(rename = "override")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub overridden: Option<u64>,
    /// As it is in force, or will be once the job's coordinator is built.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub effective: Option<u64>,
    /// Where its override comes from, and how long it lasts; `null` when there is none. An older ckptd says
    /// nothing of it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub origin: Option<Origin>,
}

impl Value {
    /// A value of which nothing more is known, in milliseconds.
    #[must_use]
    pub fn of(submitted: Option<u64>, overridden: Option<u64>, effective: Option<u64>) -> Self {
        Self { submitted, overridden, effective, origin: None }
    }
}

/// A checkpoint in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InFlight {
    /// Its number.
    pub id: CheckpointId,
    /// Whether it is a savepoint.
    pub savepoint: bool,
    /// How many subtasks have acknowledged it.
    pub acknowledged: u32,
    /// How many there are.
    pub subtasks: u32,
    /// Milliseconds since it was created.
    pub elapsed: u64,
    /// Milliseconds until it expires; `null` when it cannot expire any more, or when that is not known.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub remaining: Option<u64>,
    /// Whether it is slow or stuck, and when it will be done; `null` in the answer to a change, when it is not
    /// known yet, and from an older ckptd.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub estimate: Option<Estimate>,
    /// What a change did to it, and what it had left before; only in the answer to a change.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(value_type = InFlightChange))]
    pub change: Option<InFlightChange>,
}

/// What a change did to one checkpoint in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InFlightChange {
    /// Milliseconds it had left before; `null` when it was not in flight any more.
    pub previous_remaining: Option<u64>,
    /// What happened.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub outcome: Outcome,
}

/// Failures of checkpoints, in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failures {
    /// How many count now.
    pub consecutive: u32,
    /// How many the job survives; [`Failures::UNLIMITED`] for any number, as in Flink.
    pub tolerable: u32,
}

impl Failures {
    /// Flink's way to say that every number is tolerated.
    pub const UNLIMITED: u32 = i32::MAX.unsigned_abs();
}

/// Every job that ckptd knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationList {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The jobs, by name.
    pub jobs: Vec<Configuration>,
    /// The Flink clusters that are followed, by name; an older ckptd says nothing of them.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub clusters: Vec<ClusterState>,
    /// Where reconcile is paused; an older ckptd says nothing of it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub pauses: Vec<Pause>,
}

/// The answer to the submission of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The job's id.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// `false` when this very job was submitted before and is still alive.
    pub created: bool,
}

/// Something that happened to a job, as `/jobs/:job/checkpoints/events` pushes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The job's cluster, [`HOSTED`] for ckptd's own jobs; an older ckptd leaves it out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cluster: String,
    /// The job.
    pub job_id: JobId,
    /// When.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// The kinds of [`Event`]; the tag `event` is also the event's name on the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Happening {
    /// The job's state changed.
    State {
        /// The new state.
        state: JobState,
        /// Why, when there is something to say.
        #[cfg_attr(feature = "openapi", schema(required))]
        reason: Option<String>,
    },
    /// A checkpoint was triggered.
    Triggered {
        /// Its number.
        id: CheckpointId,
        /// Whether it is a savepoint.
        savepoint: bool,
    },
    /// A subtask acknowledged.
    Acknowledged {
        /// The checkpoint's number.
        id: CheckpointId,
        /// How many have acknowledged now.
        acknowledged: u32,
        /// How many there are.
        subtasks: u32,
    },
    /// A checkpoint completed.
    Completed {
        /// Its number.
        id: CheckpointId,
        /// Milliseconds it took.
        duration: u64,
    },
    /// A checkpoint failed.
    Failed {
        /// Its number; `null` when it failed before it had one.
        #[cfg_attr(feature = "openapi", schema(required))]
        id: Option<CheckpointId>,
        /// Flink's name of the reason, such as `CHECKPOINT_EXPIRED`.
        reason: String,
        /// The reason in words.
        message: String,
    },
    /// The configuration changed.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Configured {
        /// The new revision.
        revision: u64,
        /// The interval in force, in milliseconds.
        #[cfg_attr(feature = "openapi", schema(required))]
        checkpoint_interval: Option<u64>,
        /// The timeout in force, in milliseconds.
        checkpoint_timeout: u64,
    },
    /// Periodic requests were merged into the one that waits.
    Merged {
        /// How many so far.
        merged: u64,
    },
    /// The reader was too slow: events are missing here.
    Lagged {
        /// How many.
        missed: u64,
    },
}

impl Happening {
    /// The event's name, the same as its tag in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Triggered { .. } => "triggered",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Configured { .. } => "configured",
            Self::Merged { .. } => "merged",
            Self::Lagged { .. } => "lagged",
        }
    }
}

/// The state of a job, with Flink's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are Flink's and say all")]
pub enum JobState {
    Initializing,
    Created,
    Running,
    Failing,
    Failed,
    Cancelling,
    Canceled,
    Finished,
    Restarting,
    Suspended,
    Reconciling,
}

impl JobState {
    /// Whether the job has ended and will never run again.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Finished)
    }

    /// Flink's name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initializing => "INITIALIZING",
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Failing => "FAILING",
            Self::Failed => "FAILED",
            Self::Cancelling => "CANCELLING",
            Self::Canceled => "CANCELED",
            Self::Finished => "FINISHED",
            Self::Restarting => "RESTARTING",
            Self::Suspended => "SUSPENDED",
            Self::Reconciling => "RECONCILING",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the wire format was agreed on.
    const CHANGED: &str = r#"{
        "schema": "ckpt/v1", "cluster": "hosted", "jobId": "0123456789abcdef0123456789abcdef",
        "name": "job123", "state": "RUNNING", "revision": 3, "stored": true, "applied": true,
        "overrideStatus": {"state": "applied", "why": null, "since": 1790000000000, "nextTry": null},
        "checkpointInterval": {"submitted": 15000, "override": null, "effective": 15000, "origin": null},
        "checkpointTimeout": {"submitted": 10000, "override": 1200000, "effective": 1200000,
            "origin": {"by": "ada@host", "reason": "S3 is slow", "since": 1790000000000, "until": 1790014400000,
                       "afterwards": 10000}},
        "inFlight": [{"id": 7, "savepoint": false, "acknowledged": 19, "subtasks": 20, "elapsed": 9012,
                      "remaining": 1190988, "estimate": null, "previousRemaining": 988, "outcome": "extended"}],
        "failures": {"consecutive": 2, "tolerable": 2147483647},
        "nextTrigger": 1790000000000, "warnings": [], "via": "hosted", "viaDetail": null, "stale": null,
        "observedAt": 1790000000000}"#;

    #[test]
    fn a_configuration_has_exactly_the_agreed_fields() {
        let parsed: Configuration = serde_json::from_str(CHANGED).unwrap();
        let again = serde_json::to_value(&parsed).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(CHANGED).unwrap());
        assert_eq!(parsed.failures.tolerable, Failures::UNLIMITED);
    }

    #[test]
    fn only_a_change_speaks_of_outcomes() {
        let mut seen: Configuration = serde_json::from_str(CHANGED).unwrap();
        seen.in_flight[0].change = None;
        let seen = serde_json::to_value(&seen).unwrap();
        let fields: Vec<_> = seen["inFlight"][0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            fields,
            ["id", "savepoint", "acknowledged", "subtasks", "elapsed", "remaining", "estimate"]
        );
    }

    #[test]
    fn a_states_name_is_its_json() {
        for state in [JobState::Running, JobState::Canceled, JobState::Initializing] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
