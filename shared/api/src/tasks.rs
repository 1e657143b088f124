//! The task protocol: what the programs that are a hosted job's tasks and ckptd say to each other.
//! `docs/tasks.md` explains it with an example.
//!
//! A process claims subtasks ([`Claim`], [`Claimed`]), reads what they are told ([`TaskEvent`]) and
//! reports ([`TaskReport`]). Durations are whole milliseconds.

use crate::JobState;
use ckpt_types::ids::{CheckpointId, JobId, SessionId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The largest body with reports, in bytes.
pub const LARGEST_REPORTS: usize = 1024 * 1024;
/// The most reports in one request.
pub const MOST_REPORTS: usize = 1_000;
/// The most events of a session that are kept. A stream that breaks off goes on after any of them; who
/// leaves more unread has to claim again.
pub const MOST_EVENTS_KEPT: usize = 256;

/// `POST /jobs/:job/tasks`: a process wants to be these subtasks, all of them or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Claim {
    /// Which start of the process this is: a higher number takes subtasks over from a lower one. The
    /// milliseconds since the epoch at which it started do well.
    pub attempt: u64,
    /// The subtasks.
    pub subtasks: Vec<ClaimedSubtasks>,
    /// What to call the process in messages for people, such as `worker 3 on host7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One subtask of a vertex, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClaimedSubtasks {
    /// The vertex's name or id.
    pub vertex: String,
    /// Which of its subtasks, from 0; `null` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
}

/// The answer to a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    /// Always [`SCHEMA`](crate::SCHEMA).
    pub schema: String,
    /// The job.
    pub job_id: JobId,
    /// Where events are read and reports are sent: `/jobs/:job/tasks/:session`.
    pub session_id: SessionId,
    /// A session that is not heard of for this long, in milliseconds, is lost, and after three quarters of it
    /// may be. Heartbeats come four times as often.
    pub heartbeat_timeout: u64,
}

/// What a session is told, as server-sent events on `GET /jobs/:job/tasks/:session/events`. The tag
/// `event` is also the event's name on the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TaskEvent {
    /// Forget all state, start from this, then report [`TaskReport::Running`].
    Restore {
        /// Which execution of the job begins; reports about it carry this number.
        execution: u64,
        /// What to start from; `null` for nothing.
        #[cfg_attr(feature = "openapi", schema(required))]
        checkpoint: Option<RestoredFrom>,
    },
    /// Every subtask of the session stores its state, durably, in a file of its own directly in
    /// `directory`, then acknowledges.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Trigger {
        /// The checkpoint or savepoint.
        checkpoint_id: CheckpointId,
        /// Whether it is a savepoint.
        savepoint: bool,
        /// An absolute path.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        directory: PathBuf,
        /// When it was triggered, in milliseconds since the epoch.
        triggered_at: u64,
    },
    /// A checkpoint that was triggered will not complete.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Abort {
        /// The checkpoint.
        checkpoint_id: CheckpointId,
    },
    /// A checkpoint is complete: what waited for it may be committed.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Complete {
        /// The checkpoint.
        checkpoint_id: CheckpointId,
    },
    /// Answer with any report, or none: `[]`. It has no id and is not repeated.
    Heartbeat {},
    /// The job has ended; nothing comes after this.
    End {
        /// How.
        state: JobState,
    },
    /// The session is over; nothing comes after this.
    Revoked {
        /// Why.
        why: String,
    },
}

/// One list for both: the names of all events, and the name of one.
macro_rules! names {
    ($($event:ident: $name:literal),*) => {
        impl TaskEvent {
            /// The names of all events.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The event's name, the same as its tag in JSON.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$event { .. } => $name,)*
                }
            }
        }
    };
}

names!(
    Restore: "restore",
    Trigger: "trigger",
    Abort: "abort",
    Complete: "complete",
    Heartbeat: "heartbeat",
    End: "end",
    Revoked: "revoked"
);

/// A completed checkpoint to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RestoredFrom {
    /// Its number.
    pub checkpoint_id: CheckpointId,
    /// Whether it is a savepoint.
    pub savepoint: bool,
    /// Where it is: an absolute path.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub directory: PathBuf,
    /// What the session's subtasks stored in it.
    pub snapshots: Vec<StoredSnapshot>,
}

/// What one subtask stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredSnapshot {
    /// The vertex's name.
    pub vertex: String,
    /// The subtask's place in it, from 0.
    pub index: u32,
    /// The file in the checkpoint's directory.
    pub location: String,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// What a session reports: one of these, or a list of them, in the body of
/// `POST /jobs/:job/tasks/:session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "report", deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TaskReport {
    /// A subtask has stored its state, durably.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Acknowledge {
        /// The checkpoint.
        checkpoint_id: CheckpointId,
        /// The vertex's name or id.
        vertex: String,
        /// The subtask's place in it, from 0.
        index: u32,
        /// The file in the checkpoint's directory, its name alone.
        location: String,
        /// Its size, in bytes.
        bytes: u64,
        /// For how long the task stood still.
        #[serde(default)]
        sync_millis: u64,
        /// For how long it stored while it went on.
        #[serde(default)]
        async_millis: u64,
        /// How long after the trigger it began.
        #[serde(default)]
        start_delay_millis: u64,
    },
    /// A subtask cannot store its state; the checkpoint is aborted.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Decline {
        /// The checkpoint.
        checkpoint_id: CheckpointId,
        /// The vertex's name or id.
        vertex: String,
        /// The subtask's place in it, from 0.
        index: u32,
        /// Why, with Flink's name.
        #[serde(default)]
        reason: DeclineReason,
        /// Why, for people.
        message: String,
    },
    /// All subtasks of the session have restored and run.
    Running {
        /// The execution that the restore began.
        execution: u64,
    },
    /// All subtasks of the session have done all their work. They go on storing checkpoints until the
    /// job ends, which it does when every subtask has finished.
    Finished {
        /// The execution in which they finished.
        execution: u64,
    },
    /// The session's subtasks cannot go on: the job is restarted.
    Failed {
        /// The execution in which they failed.
        execution: u64,
        /// Why, for people.
        message: String,
    },
}

/// Why a subtask cannot store its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeclineReason {
    /// It will not.
    #[default]
    CheckpointDeclined,
    /// It cannot yet; this does not count as a failure of the job's checkpoints.
    CheckpointDeclinedTaskNotReady,
    /// Storing failed.
    CheckpointAsyncException,
}

/// The answer to reports, which are taken together or, on any error, not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// What became of each, in their order.
    pub results: Vec<ReportResult>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum ReportResult {
    /// It counts.
    Taken,
    /// It changes nothing, as when it comes late or twice.
    Ignored {
        /// Why.
        why: String,
    },
}

/// `GET /jobs/:job/tasks`: who holds a job's subtasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskList {
    /// Always [`SCHEMA`](crate::SCHEMA).
    pub schema: String,
    /// The job.
    pub job_id: JobId,
    /// The newest execution; 0 before the first.
    pub execution: u64,
    /// How many subtasks the job has.
    pub subtasks: u32,
    /// Who holds them.
    pub sessions: Vec<TaskSession>,
    /// Subtasks that nobody holds, the first hundred of them, such as `count/3`.
    pub missing: Vec<String>,
}

/// One process that holds subtasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskSession {
    /// What it calls itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<String>,
    /// Which start of it this is.
    pub attempt: u64,
    /// The subtasks that it holds, the first hundred of them.
    pub subtasks: Vec<String>,
    /// What it has reported in this execution.
    pub state: TaskState,
    /// Whether it reads its events.
    pub connected: bool,
    /// When it was heard of last, in milliseconds since the epoch.
    pub heard_at: u64,
}

/// How far a session is in the newest execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// It waits to be told what to restore.
    Created,
    /// It restores.
    Initializing,
    /// It runs.
    Running,
    /// It has done its work.
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_events_are_their_tags() {
        let error = serde_json::from_str::<TaskEvent>(r#"{"event": "applause"}"#).unwrap_err().to_string();
        let names = TaskEvent::NAMES.join("`, `");
        assert!(error.contains(&format!("expected one of `{names}`")), "{error}");
        assert_eq!(TaskEvent::Heartbeat {}.name(), "heartbeat");
    }
}
