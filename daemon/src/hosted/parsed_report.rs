//! The reports of tasks, and what makes them valid.

use super::metadata::is_a_name;
use super::task_error::TaskError;
use ckpt_api::tasks::{DeclineReason, ReportResult};
use ckpt_coordinator::Snapshot;
use ckpt_coordinator::reason::FailureReason;
use ckpt_types::ids::{CheckpointId, Subtask};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

/// The largest snapshot, in bytes: 512 TiB.
const MAX_SNAPSHOT: u64 = 1 << 49;
/// The longest part of a snapshot, in milliseconds: a year.
const MAX_PART: u64 = 365 * 24 * 60 * 60 * 1_000;
/// The longest name of a file, in bytes.
const MAX_LOCATION: usize = 255;
/// The longest message of a task, in characters; the rest is cut off.
pub(super) const MAX_MESSAGE: usize = 1_000;
/// The longest name of a session, in characters; the rest is cut off.
pub(super) const MAX_NAME: usize = 100;

/// A report that makes sense for its session.
#[derive(Debug)]
pub(super) enum ParsedReport {
    Acknowledge { id: CheckpointId, subtask: Subtask, snapshot: Snapshot },
    Decline { id: CheckpointId, subtask: Subtask, reason: FailureReason, message: String },
    Running { execution: u64 },
    Finished { execution: u64 },
    Failed { execution: u64, message: String },
}

/// A file that has to be there before a report is taken.
#[derive(Debug)]
pub(super) struct Expected {
    /// The report's place among those of its request.
    pub(super) report: usize,
    pub(super) file: PathBuf,
    pub(super) bytes: u64,
}

impl Expected {
    pub(super) fn what_is_wrong(&self) -> Option<String> {
        let file = self.file.display();
        match std::fs::symlink_metadata(&self.file) {
            Ok(found) if !found.is_file() => Some(format!("{file} is no regular file")),
            Ok(found) if found.len() != self.bytes => {
                let (found, said) = (found.len(), self.bytes);
                Some(format!("{file} has {found} bytes and not {said}; acknowledge when all is written"))
            }
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(format!("{file} is not there; store it before it is acknowledged"))
            }
            Err(error) => Some(format!("{file} cannot be looked at: {error}")),
        }
    }
}

/// The result of checking the acknowledged files, by the place of the report: `Some` says what is wrong.
pub(super) type FileChecks = HashMap<usize, Option<String>>;

pub(super) fn failure_reason(reason: DeclineReason) -> FailureReason {
    match reason {
        DeclineReason::CheckpointDeclined => FailureReason::CheckpointDeclined,
        DeclineReason::CheckpointDeclinedTaskNotReady => FailureReason::CheckpointDeclinedTaskNotReady,
        DeclineReason::CheckpointAsyncException => FailureReason::CheckpointAsyncException,
    }
}

pub(super) fn ignored(why: String) -> ReportResult {
    ReportResult::Ignored { why }
}

pub(super) fn check_snapshot(snapshot: &Snapshot) -> Result<(), TaskError> {
    let Snapshot { location, bytes, sync_millis, async_millis, start_delay_millis } = snapshot;
    let is_hidden = location.starts_with('.') || location.starts_with('_');
    if !is_a_name(location)
        || is_hidden
        || location.len() > MAX_LOCATION
        || location.chars().any(char::is_control)
    {
        return Err(TaskError::Bad(format!(
            "the location '{}' is not the name of a file directly in the checkpoint's directory (without . or _ at \
             its beginning, at most {MAX_LOCATION} bytes)",
            sanitize(location, MAX_NAME)
        )));
    }
    if *bytes > MAX_SNAPSHOT {
        return Err(TaskError::Bad(format!(
            "{bytes} bytes are too many for one subtask; 512 TiB are the most"
        )));
    }
    match [sync_millis, async_millis, start_delay_millis].into_iter().find(|part| **part > MAX_PART) {
        Some(part) => Err(TaskError::Bad(format!("{part} ms are too long for a part of a snapshot"))),
        None => Ok(()),
    }
}

/// A text of a task, fit for one line of a log or a terminal.
pub(super) fn sanitize(text: &str, longest: usize) -> String {
    let plain = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(longest).collect()
}
