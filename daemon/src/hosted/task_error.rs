//! Reasons why tasks are not served.

use super::mailbox::MissedEvents;
use crate::seam::SeamError;
use ckpt_api::JobState;
use ckpt_task_sdk::DoorError;
use ckpt_types::ids::SessionId;

/// The most sessions of one job; there are as many streams for them (see `rest/tasks.rs`).
pub(super) const MAX_SESSIONS: usize = 1_000;

/// Why tasks are not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// What they send makes no sense.
    #[error("{0}")]
    Bad(String),
    /// The job has no such vertex or subtask.
    #[error("{0}")]
    NoSubtask(String),
    /// Somebody else is that subtask.
    #[error("{subtask} is not a subtask of this session; report only on those that it claimed")]
    NotHeld {
        /// Such as `count/3`.
        subtask: String,
    },
    /// The session is over, or never was.
    #[error("there is no session {session}: it is over, or ckptd was restarted; claim the subtasks again")]
    UnknownSession {
        /// Which.
        session: SessionId,
    },
    /// The job is over.
    #[error("the job has ended ({state}); there is nothing left to do")]
    JobEnded {
        /// How.
        state: JobState,
    },
    /// The job is about to be over.
    #[error("the job is about to end ({state}), which is being stored; try again in a moment")]
    JobEnding {
        /// How.
        state: JobState,
    },
    /// A stream cannot go on where it was.
    #[error("{0}; claim the subtasks again")]
    Missed(#[from] MissedEvents),
    /// Somebody else holds the subtasks.
    #[error(transparent)]
    Claim(#[from] ClaimRefused),
    /// The job's tasks are no programs.
    #[error("the tasks of this job cannot be claimed: {0}")]
    NoPrograms(&'static str),
    /// The checkpoint's directory does not answer.
    #[error(
        "the disk did not answer in time; report again: what has been taken all the same is ignored then"
    )]
    DiskSilent,
    /// The job's owner refused.
    #[error(transparent)]
    Seam(#[from] SeamError),
}

/// Why subtasks cannot be claimed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefused {
    /// Somebody has one who is as new.
    #[error(
        "{subtask} is held by attempt {holder}{name}, and attempt {attempt} is no newer; stop that process, or claim with a higher attempt"
    )]
    Held {
        /// Such as `count/3`.
        subtask: String,
        /// The holder's attempt.
        holder: u64,
        /// The holder's name, as it follows in the sentence.
        name: String,
        /// The attempt of the claim.
        attempt: u64,
    },
    /// Somebody newer had one.
    #[error(
        "{subtask} was held by attempt {newest}, and attempt {attempt} is older; this process should stop"
    )]
    Older {
        /// Such as `count/3`.
        subtask: String,
        /// The newest attempt that ever held it.
        newest: u64,
        /// The attempt of the claim.
        attempt: u64,
    },
    /// There are too many sessions.
    #[error("the job has {MAX_SESSIONS} sessions already; let one process hold several subtasks")]
    TooMany,
}

impl From<TaskError> for DoorError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::UnknownSession { .. } | TaskError::Missed(_) | TaskError::JobEnded { .. } => {
                Self::Gone
            }
            TaskError::DiskSilent | TaskError::JobEnding { .. } | TaskError::Seam(SeamError::Silent) => {
                Self::Unreachable { cause: error.to_string() }
            }
            refused => Self::Refused { sentence: refused.to_string() },
        }
    }
}
