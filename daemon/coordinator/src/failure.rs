//! Which failures count, and when there are too many (`CheckpointFailureManager`, rules 31 to 35).

use crate::config::Tolerable;
use crate::reason::FailureReason;
use ckpt_types::ids::CheckpointId;
use std::collections::BTreeSet;

/// The consecutive failures of one job.
#[derive(Debug, Clone)]
pub(crate) struct FailureCounter {
    tolerable: Tolerable,
    counted: BTreeSet<CheckpointId>,
    consecutive: u32,
    last_success: Option<CheckpointId>,
}

impl FailureCounter {
    pub(crate) fn new(tolerable: Tolerable) -> Self {
        Self { tolerable, counted: BTreeSet::new(), consecutive: 0, last_success: None }
    }

    pub(crate) fn consecutive(&self) -> u32 {
        self.consecutive
    }

    /// Counts a failure of checkpoint `id`, once for each (rule 32). What is returned is the reason
    /// for the job to fail now (rules 33 and 34), and the count starts again.
    pub(crate) fn failed(&mut self, id: CheckpointId, reason: FailureReason) -> Option<String> {
        let stale = self.last_success.is_some_and(|success| id <= success);
        if stale || !reason.counts() || !self.counted.insert(id) {
            return None;
        }
        self.consecutive = self.consecutive.saturating_add(1);
        match self.tolerable {
            Tolerable::AtMost(tolerable) if self.consecutive > tolerable => {
                self.clear();
                Some(format!(
                    "Exceeded checkpoint tolerable failure threshold. The latest checkpoint failed due to {reason}"
                ))
            }
            Tolerable::AtMost(_) => None,
            Tolerable::Unlimited => {
                // Nobody needs to know which ids were counted beyond the newest ones.
                while self.counted.len() > MOST_REMEMBERED {
                    self.counted.pop_first();
                }
                None
            }
        }
    }

    /// Clears the count (rule 33), unless a later checkpoint has succeeded before.
    pub(crate) fn succeeded(&mut self, id: CheckpointId) {
        if self.last_success.is_none_or(|success| id > success) {
            self.last_success = Some(id);
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.counted.clear();
        self.consecutive = 0;
    }
}

/// How many counted ids are remembered when failures are unlimited; a checkpoint that old is not in
/// flight any more and cannot fail again.
const MOST_REMEMBERED: usize = 10_000;
