//! Records from Flink's REST API.

use super::record::MAX_MESSAGE;
use super::{CheckpointLog, CheckpointMark, CheckpointOutcome, CheckpointProgress, Flight, SubtaskAck};
use crate::anatomy::{MAX_SUBTASKS, SubtaskTimes, duration};
use ckpt_api::CheckpointHistory;
use ckpt_api::flink::{
    Checkpoint, CheckpointStatistics, CheckpointStatus, SubtaskCheckpoint, TaskCheckpointWithSubtasks,
};
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

    /// The newest completed checkpoints of Flink's statistics whose subtasks are to be asked for, newest first.
    pub(crate) fn without_subtasks<'a>(
        &self,
        statistics: &'a CheckpointStatistics,
    ) -> impl Iterator<Item = &'a Checkpoint> {
        let newest_first = ended(statistics).into_iter().rev();
        let completed = newest_first.filter(|entry| entry.status == CheckpointStatus::Completed);
        completed.take(ckpt_estimate::MAX_PAST).filter(|entry| self.needs_subtasks(CheckpointMark::of(entry)))
    }
}

impl CheckpointMark {
    pub(crate) fn of(entry: &Checkpoint) -> Self {
        Self { id: entry.id, triggered_there: entry.trigger_timestamp }
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
    all.dedup_by_key(|entry| CheckpointMark::of(entry));
    all
}

/// The acknowledgements of a vertex's subtasks, as `…/checkpoints/details/:id/subtasks/:vertex` tells them.
pub(crate) fn acknowledgements(told: &TaskCheckpointWithSubtasks) -> Vec<Option<SubtaskAck>> {
    let size = usize::try_from(told.task.num_subtasks).unwrap_or(usize::MAX).min(MAX_SUBTASKS);
    let mut acknowledgements = vec![None; size];
    for subtask in &told.subtasks {
        let SubtaskCheckpoint::Completed(subtask) = subtask else { continue };
        let place = usize::try_from(subtask.index).unwrap_or(usize::MAX);
        let Some(place) = acknowledgements.get_mut(place) else { continue };
        *place = Some(SubtaskAck {
            at: known(subtask.ack_timestamp).unwrap_or(0),
            bytes: known(subtask.state_size).unwrap_or(0),
            times: SubtaskTimes {
                took: duration(subtask.end_to_end_duration),
                sync: duration(subtask.checkpoint.sync),
                asynchronous: duration(subtask.checkpoint.asynchronous),
                alignment: duration(subtask.alignment.duration),
                start_delay: duration(subtask.start_delay),
            },
            late: subtask.aborted,
        });
    }
    acknowledgements
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
