//! The checkpoint log under the names that `flink/` uses.

use crate::checkpoint_log::failure_reason;
use ckpt_api::{EndedCheckpoint, flink};
use ckpt_coordinator::reason::FailureReason;

pub(crate) use crate::checkpoint_log::CheckpointLog as History;

impl History {
    /// See [`Self::record_timeout`].
    pub(crate) fn timeout_is(&mut self, at: u64, timeout: u64) {
        self.record_timeout(at, timeout);
    }

    /// See [`Self::record_flink`].
    pub(crate) fn saw(&mut self, history: &[flink::Checkpoint], to_here: impl Fn(i64) -> u64) {
        self.record_flink(history, to_here);
    }

    /// See [`Self::history`].
    pub(crate) fn all(&self) -> Vec<EndedCheckpoint> {
        self.history()
    }
}

/// Flink's name of the reason behind a failure message.
pub(crate) fn reason(message: &str) -> Option<&'static str> {
    failure_reason(message).map(FailureReason::name)
}
