//! The subtasks of a claim.

use super::door::TaskError;
use super::reports::{MAX_NAME, sanitize};
use crate::job_file::{JobSpec, names};
use ckpt_api::tasks::ClaimedSubtasks;
use ckpt_types::ids::Subtask;
use std::collections::BTreeSet;

/// The most sessions of one job; there are as many streams for them (see `rest/tasks.rs`).
pub(super) const MAX_SESSIONS: usize = 1_000;

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

/// The subtasks that a claim names.
pub(super) fn claimed(spec: &JobSpec, wanted: &[ClaimedSubtasks]) -> Result<BTreeSet<Subtask>, TaskError> {
    let mut subtasks = BTreeSet::new();
    for ClaimedSubtasks { vertex, index } in wanted {
        let indexes = match index {
            Some(index) => *index..=*index,
            None => 0..=spec.vertex(vertex).map_or(0, |vertex| vertex.parallelism - 1),
        };
        for index in indexes {
            let subtask = subtask(spec, vertex, index)?;
            if !subtasks.insert(subtask) {
                return Err(TaskError::Bad(format!("{} is claimed twice", spec.label(subtask))));
            }
        }
    }
    match subtasks.is_empty() {
        true => Err(TaskError::Bad("the claim names no subtask".to_owned())),
        false => Ok(subtasks),
    }
}

pub(super) fn subtask(spec: &JobSpec, vertex: &str, index: u32) -> Result<Subtask, TaskError> {
    let Some(found) = spec.vertex(vertex) else {
        return Err(TaskError::NoSubtask(format!(
            "the job has no vertex '{}'; it has: {}",
            sanitize(vertex, MAX_NAME),
            names(&spec.vertices)
        )));
    };
    match index < found.parallelism {
        true => Ok(Subtask { vertex: found.id, index }),
        false => {
            let last = found.parallelism - 1;
            Err(TaskError::NoSubtask(format!("'{}' has no subtask {index}; it has 0 to {last}", found.name)))
        }
    }
}
