//! Selection of the records that are kept, and of those whose subtasks are.

use super::record::CheckpointRecord;

/// Newest records with subtasks. Twice Flink's history, which is in order of triggers while the log is in order of
/// ends.
const MAX_RECENT: usize = 20;
/// Newest checkpoints in an estimate, whatever their outcome, those in flight included.
const MAX_RECENT_IN_ESTIMATE: usize = 10;
/// Completed records before those: failures must not push out what is usual.
const MAX_COMPLETED: usize = ckpt_estimate::MAX_PAST;
/// Newest checkpoints, savepoints and failures that are kept whatever follows them; see [`CheckpointRecord::kind`].
pub(super) const MAX_OF_KIND: [usize; 3] = [ckpt_estimate::MAX_PAST, 1, 1];

/// A quota of detailed records, used up from the newest to the oldest. A record without subtasks uses up nothing.
#[derive(Debug)]
pub(super) struct DetailQuota {
    recent: usize,
    completed: usize,
}

impl Default for DetailQuota {
    fn default() -> Self {
        Self { recent: MAX_RECENT, completed: MAX_COMPLETED }
    }
}

impl DetailQuota {
    /// The quota of a job of a Flink cluster, which tells no subtasks of failed checkpoints.
    pub(super) fn of_completed() -> Self {
        Self { recent: 0, completed: MAX_COMPLETED }
    }

    /// The quota of an estimate, beside the checkpoints in flight.
    pub(super) fn of_estimate(in_flight: usize) -> Self {
        Self { recent: MAX_RECENT_IN_ESTIMATE.saturating_sub(in_flight), completed: MAX_COMPLETED }
    }

    /// Counts a record against the quota; false when that is used up.
    pub(super) fn admits(&mut self, record: &CheckpointRecord) -> bool {
        let places = match (self.recent, record.outcome.is_completed()) {
            (0, true) => &mut self.completed,
            _ => &mut self.recent,
        };
        let is_admitted = record.progress.id.is_some() && *places > 0;
        if is_admitted && record.progress.subtasks.is_some() {
            *places -= 1;
        }
        is_admitted
    }
}
