//! The bodies of Flink's read paths that show checkpoints.

use super::{count, not_yet, signed};
use crate::checkpoint_log::{
    CheckpointOutcome, CheckpointRecord, CheckpointTracker, CheckpointView, CompletedSample, SubtaskAck,
};
use ckpt_api::flink::{
    Alignment, AlignmentSummary, Checkpoint, CheckpointStatistics, CompletedSubtask, Distribution,
    DurationSummary, Latest, PendingSubtask, Quantile, SubtaskCheckpoint, SubtaskSummary, Summary, SyncAsync,
    TaskCheckpoint, TaskCheckpointWithSubtasks,
};
use ckpt_types::duration::millis;
use ckpt_types::ids::{CheckpointId, VertexId};

/// The id of a checkpoint that failed before it had one. Such checkpoints are not shown.
const NO_ID: CheckpointId = CheckpointId(0);

pub(super) fn statistics(tracker: &CheckpointTracker) -> CheckpointStatistics {
    let log = tracker.log();
    let latest = |newest: Option<&CheckpointRecord>| newest.map(|record| checkpoint(record.into(), false));
    CheckpointStatistics {
        counts: tracker.counts(),
        summary: summary(&log.samples().copied().collect::<Vec<_>>()),
        latest: Latest {
            completed: latest(log.newest_completed(false)),
            savepoint: latest(log.newest_completed(true)),
            failed: latest(log.newest_failed()),
            restored: tracker.restored().cloned(),
        },
        history: tracker.history().map(|seen| checkpoint(seen, false)).collect(),
    }
}

/// Body of one checkpoint; `detailed` fills its vertices in.
pub(super) fn checkpoint(seen: CheckpointView<'_>, detailed: bool) -> Checkpoint {
    let CheckpointView { progress, outcome } = seen;
    let (completed, failed_at) = match outcome {
        None => (false, None),
        Some(CheckpointOutcome::Completed) => (true, None),
        Some(CheckpointOutcome::Failed { at, .. }) => (false, *at),
    };
    let bytes = signed(progress.acknowledged_bytes());
    let vertices = progress.subtasks.iter().flat_map(|table| table.iter()).filter(|_| detailed);
    Checkpoint {
        class_name: seen.status().class_name().to_owned(),
        id: progress.id.unwrap_or(NO_ID),
        status: seen.status(),
        is_savepoint: progress.savepoint,
        savepoint_format: progress.savepoint.then(|| "CANONICAL".to_owned()),
        trigger_timestamp: signed(progress.triggered_at),
        latest_ack_timestamp: not_yet(progress.latest_ack),
        checkpointed_size: bytes,
        state_size: bytes,
        end_to_end_duration: not_yet(progress.duration),
        alignment_buffered: 0,
        processed_data: 0,
        persisted_data: 0,
        num_subtasks: count(progress.parallelism()),
        num_acknowledged_subtasks: count(progress.acknowledged()),
        checkpoint_type: if progress.savepoint { "SAVEPOINT" } else { "CHECKPOINT" }.to_owned(),
        tasks: vertices.map(|(vertex, subtasks)| (*vertex, task(seen, subtasks))).collect(),
        failure_timestamp: failed_at.map(signed),
        failure_message: seen.failure_message().map(str::to_owned),
        external_path: progress.path.clone().filter(|_| completed),
        discarded: completed.then_some(progress.discarded),
    }
}

/// The part of one vertex. Its status is that of the whole checkpoint, also when all its subtasks have acknowledged.
fn task(seen: CheckpointView<'_>, subtasks: &[Option<SubtaskAck>]) -> TaskCheckpoint {
    let in_time = || subtasks.iter().flatten().filter(|ack| !ack.late);
    let bytes = signed(subtasks.iter().flatten().map(|ack| ack.bytes).sum());
    TaskCheckpoint {
        id: seen.progress.id.unwrap_or(NO_ID),
        status: seen.status(),
        latest_ack_timestamp: not_yet(in_time().map(|ack| ack.at).max()),
        checkpointed_size: bytes,
        state_size: bytes,
        end_to_end_duration: not_yet(in_time().map(|ack| millis(ack.times.took)).max()),
        alignment_buffered: 0,
        processed_data: 0,
        persisted_data: 0,
        num_subtasks: count(subtasks.len()),
        num_acknowledged_subtasks: count(in_time().count()),
    }
}

/// The part of one vertex with its subtasks.
pub(super) fn subtasks(seen: CheckpointView<'_>, vertex: VertexId) -> Option<TaskCheckpointWithSubtasks> {
    let acks = seen.progress.subtasks.as_ref()?.get(&vertex)?;
    let of = |measure: fn(&SubtaskAck) -> u64| extremes(acks.iter().flatten().map(measure));
    let none = Distribution::default();
    Some(TaskCheckpointWithSubtasks {
        task: task(seen, acks),
        summary: SubtaskSummary {
            checkpointed_size: of(|ack| ack.bytes),
            state_size: of(|ack| ack.bytes),
            end_to_end_duration: of(|ack| millis(ack.times.took)),
            checkpoint_duration: DurationSummary {
                sync: of(|ack| millis(ack.times.sync)),
                asynchronous: of(|ack| millis(ack.times.asynchronous)),
            },
            alignment: AlignmentSummary {
                buffered: always_zero(),
                processed: none,
                persisted: none,
                duration: none,
            },
            start_delay: of(|ack| millis(ack.times.start_delay)),
        },
        subtasks: acks.iter().enumerate().map(|(index, ack)| subtask(count(index), ack.as_ref())).collect(),
    })
}

fn subtask(index: u32, ack: Option<&SubtaskAck>) -> SubtaskCheckpoint {
    let Some(ack) = ack else {
        return SubtaskCheckpoint::Pending(PendingSubtask {
            class_name: "pending".to_owned(),
            index,
            status: "pending_or_failed".to_owned(),
        });
    };
    SubtaskCheckpoint::Completed(CompletedSubtask {
        class_name: "completed".to_owned(),
        index,
        ack_timestamp: signed(ack.at),
        end_to_end_duration: signed(millis(ack.times.took)),
        checkpointed_size: signed(ack.bytes),
        state_size: signed(ack.bytes),
        checkpoint: SyncAsync {
            sync: signed(millis(ack.times.sync)),
            asynchronous: signed(millis(ack.times.asynchronous)),
        },
        alignment: Alignment::default(),
        start_delay: signed(millis(ack.times.start_delay)),
        unaligned_checkpoint: false,
        aborted: ack.late,
        status: "completed".to_owned(),
    })
}

fn summary(samples: &[CompletedSample]) -> Summary {
    let of = |measure: fn(&CompletedSample) -> u64| distribution(samples.iter().map(measure).collect());
    Summary {
        checkpointed_size: of(|sample| sample.bytes),
        state_size: of(|sample| sample.bytes),
        end_to_end_duration: of(|sample| sample.duration),
        alignment_buffered: always_zero(),
        processed_data: of(|_| 0),
        persisted_data: of(|_| 0),
    }
}

/// Min, max and average without quantiles, which Flink does not keep for subtasks.
fn extremes(values: impl Iterator<Item = u64> + Clone) -> Distribution {
    let number = u64::try_from(values.clone().count()).unwrap_or(u64::MAX);
    Distribution {
        min: signed(values.clone().min().unwrap_or(0)),
        max: signed(values.clone().max().unwrap_or(0)),
        avg: signed(values.sum::<u64>().checked_div(number).unwrap_or(0)),
        ..Distribution::default()
    }
}

fn distribution(mut values: Vec<u64>) -> Distribution {
    values.sort_unstable();
    let at = |p| Quantile(quantile(&values, p));
    Distribution {
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        ..extremes(values.iter().copied())
    }
}

/// The quantile at position p·(n+1), interpolated, as Flink has it.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "statistics"
)]
fn quantile(sorted: &[u64], p: f64) -> Option<f64> {
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let position = p * (sorted.len() as f64 + 1.0);
    let below = position.floor() as usize;
    Some(match below {
        0 => first as f64,
        _ if below >= sorted.len() => last as f64,
        _ => {
            let (low, high) = (sorted[below - 1] as f64, sorted[below] as f64);
            low + (position - position.floor()) * (high - low)
        }
    })
}

/// Flink still writes a measure that it gave up: zero, with or without a sample.
fn always_zero() -> Distribution {
    let zero = Quantile(Some(0.0));
    Distribution { p50: zero, p90: zero, p95: zero, p99: zero, p999: zero, ..Distribution::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The durations behind the recorded answer `checkpoints-completed-and-failed` of a real Flink, and
    /// the quantiles that it computed of them.
    #[test]
    fn quantiles_are_flinks() {
        let durations = [77, 22, 30, 41, 26, 29, 14, 21, 31, 30];
        let found = distribution(durations.to_vec());
        assert_eq!((found.min, found.max, found.avg), (14, 77, 32));
        let round = |quantile: Quantile| quantile.0.map(|value| (value * 1e6).round() / 1e6);
        assert_eq!(round(found.p50), Some(29.5));
        assert_eq!(round(found.p90), Some(73.4));
        assert_eq!(round(found.p95), Some(77.0));
        assert_eq!(distribution(Vec::new()).p50, Quantile(None));
    }
}
