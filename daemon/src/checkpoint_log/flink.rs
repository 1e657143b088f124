//! Records from Flink's REST API.

use super::record::MAX_MESSAGE;
use super::{CheckpointLog, CheckpointOutcome, CheckpointProgress, Flight};
use ckpt_api::CheckpointHistory;
use ckpt_api::flink::{Checkpoint, CheckpointStatistics, CheckpointStatus};
use ckpt_coordinator::reason::FailureReason;

impl CheckpointLog {
    /// Appends what is new in Flink's statistics. `to_here` converts a time on Flink's clock to one on ckptd's, both in
    /// milliseconds since the epoch.
    pub(crate) fn record_flink(&mut self, statistics: &CheckpointStatistics, to_here: impl Fn(i64) -> u64) {
        for entry in ended(statistics) {
            let from = to_here(entry.trigger_timestamp);
            let failed_at = entry.failure_timestamp.map(&to_here);
            let failed_after = failed_at.and_then(|at| at.checked_sub(from));
            let duration = failed_after.or(known(entry.end_to_end_duration));
            let flight = Flight { from, to: from.saturating_add(duration.unwrap_or(0)) };
            let progress = CheckpointProgress {
                id: Some(entry.id),
                savepoint: entry.is_savepoint,
                triggered_at: from,
                triggered: None,
                latest_ack: known(entry.latest_ack_timestamp),
                duration,
                state_size: known(entry.state_size),
                checkpointed_size: known(entry.checkpointed_size),
                path: entry.external_path.clone(),
                discarded: entry.discarded.unwrap_or(false),
                subtasks: None,
            };
            self.append(progress, entry.trigger_timestamp, outcome(entry, failed_at), flight);
        }
    }
}

/// The ended checkpoints of Flink's statistics that a log takes, in the order of their triggers.
fn ended(statistics: &CheckpointStatistics) -> Vec<&Checkpoint> {
    let ended = statistics.history.iter().filter(|entry| entry.status != CheckpointStatus::InProgress);
    // A Flink may be configured to remember more than the log does, which would come again and again.
    let newest = ended.take(CheckpointHistory::MOST);
    // Failures push the newest completed one out of the history.
    let mut all: Vec<_> = newest.chain(&statistics.latest.completed).collect();
    all.sort_by_key(|entry| (entry.id, entry.trigger_timestamp));
    all.dedup_by_key(|entry| (entry.id, entry.trigger_timestamp));
    all
}

fn outcome(entry: &Checkpoint, failed_at: Option<u64>) -> CheckpointOutcome {
    if entry.status == CheckpointStatus::Completed {
        return CheckpointOutcome::Completed;
    }
    let message = entry.failure_message.as_deref();
    CheckpointOutcome::Failed {
        at: failed_at,
        reason: message.and_then(failure_reason),
        message: message.map(|message| message.chars().take(MAX_MESSAGE).collect()),
    }
}

/// The reason behind a failure message, as far as Flink's REST API lets that be told.
pub(crate) fn failure_reason(message: &str) -> Option<FailureReason> {
    FailureReason::of_words(message)
}

/// Flink's numbers, of which negative ones are unknown.
fn known(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}
