//! Selection of the records whose subtasks are kept.

use super::record::CheckpointRecord;
use std::mem;

/// Newest records with subtasks. Twice Flink's history, which is in order of triggers while the log is in order of
/// ends.
const MAX_RECENT: usize = 20;
/// Newest checkpoints in an estimate, whatever their outcome, those in flight included.
const MAX_RECENT_IN_ESTIMATE: usize = 10;
/// Completed records before those: failures must not push out what is usual.
const MAX_COMPLETED: usize = ckpt_estimate::MOST_PAST;

/// A quota of detailed records, used up from the newest to the oldest.
#[derive(Debug)]
pub(super) struct DetailQuota {
    recent: usize,
    completed: usize,
    /// The newest checkpoint, savepoint and failure, if they are still to come.
    newest: [bool; 3],
}

impl Default for DetailQuota {
    fn default() -> Self {
        Self { recent: MAX_RECENT, completed: MAX_COMPLETED, newest: [true; 3] }
    }
}

impl DetailQuota {
    /// The quota of an estimate, beside the checkpoints in flight.
    pub(super) fn of_estimate(in_flight: usize) -> Self {
        Self {
            recent: MAX_RECENT_IN_ESTIMATE.saturating_sub(in_flight),
            completed: MAX_COMPLETED,
            newest: [false; 3],
        }
    }

    /// Counts a record against the quota; false when that is used up.
    pub(super) fn admits(&mut self, record: &CheckpointRecord) -> bool {
        if record.progress.id.is_none() {
            return false;
        }
        let completed = record.outcome.is_completed();
        let kind = match completed {
            true => usize::from(record.progress.savepoint),
            false => 2,
        };
        let is_newest = mem::take(&mut self.newest[kind]);
        let places = if self.recent > 0 { Some(&mut self.recent) } else { None };
        let places = places.or((completed && self.completed > 0).then_some(&mut self.completed));
        match places {
            Some(places) => {
                *places -= 1;
                true
            }
            None => is_newest,
        }
    }
}
