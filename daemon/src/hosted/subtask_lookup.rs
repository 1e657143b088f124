//! The subtasks of a claim.

use super::parsed_report::{MAX_NAME, sanitize};
use super::task_error::TaskError;
use crate::job_file::{JobSpec, names};
use ckpt_api::tasks::ClaimedSubtasks;
use ckpt_types::ids::Subtask;
use std::collections::BTreeSet;

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
