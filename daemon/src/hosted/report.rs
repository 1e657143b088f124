//! The bodies of Flink's read paths for a hosted job.

use super::statistics::{Acknowledged, Sample, Seen, Statistics};
use crate::job_file::JobSpec;
use ckpt_api::flink::{
    Alignment, AlignmentSummary, Checkpoint, CheckpointConfig, CheckpointStatistics, CheckpointStatus,
    CompletedSubtask, Distribution, DurationSummary, Externalization, JobDetails, JobOverview, Latest,
    NO_INTERVAL, OverviewTasks, PendingSubtask, Plan, PlanInput, PlanNode, Quantile, StateCounts,
    StateTimestamps, SubtaskCheckpoint, SubtaskSummary, Summary, SyncAsync, TaskCheckpoint,
    TaskCheckpointWithSubtasks, Vertex, VertexMetrics,
};
use ckpt_api::{EndedCheckpoint, Failures, JobState};
use ckpt_coordinator::config::{EffectiveConfig, Mode, RetentionPolicy, SubmittedConfig, Tolerable};
use ckpt_types::duration::millis;
use ckpt_types::ids::{JobId, VertexId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What Flink shows as materialization interval of a changelog that is switched off.
const CHANGELOG_INTERVAL: i64 = 600_000;

pub(super) fn checkpoint_config(
    submitted: &SubmittedConfig,
    effective: &EffectiveConfig,
) -> CheckpointConfig {
    CheckpointConfig {
        mode: match submitted.mode {
            Mode::ExactlyOnce => "exactly_once".to_owned(),
            Mode::AtLeastOnce => "at_least_once".to_owned(),
        },
        interval: effective.interval().map_or(NO_INTERVAL, as_millis),
        timeout: as_millis(effective.timeout()),
        min_pause: as_millis(effective.min_pause()),
        max_concurrent: i64::from(submitted.max_concurrent.get()),
        externalization: Externalization {
            enabled: submitted.retention_policy != RetentionPolicy::NeverRetain,
            delete_on_cancellation: submitted.retention_policy != RetentionPolicy::RetainOnCancellation,
        },
        state_backend: "HashMapStateBackend".to_owned(),
        checkpoint_storage: "FileSystemCheckpointStorage".to_owned(),
        unaligned_checkpoints: false,
        tolerable_failed_checkpoints: i64::from(tolerable(submitted)),
        aligned_checkpoint_timeout: 0,
        checkpoints_after_tasks_finish: true,
        state_changelog_enabled: false,
        changelog_periodic_materialization_interval: CHANGELOG_INTERVAL,
        changelog_storage: "memory".to_owned(),
    }
}

/// The tolerable failures as Flink writes them.
pub(crate) fn tolerable(submitted: &SubmittedConfig) -> u32 {
    match submitted.tolerable_failures {
        Tolerable::AtMost(number) => number,
        Tolerable::Unlimited => Failures::UNLIMITED,
    }
}

pub(super) fn statistics(seen: &Statistics) -> CheckpointStatistics {
    let latest = |newest: &Option<Seen>| newest.as_ref().map(|seen| checkpoint(seen, false));
    CheckpointStatistics {
        counts: seen.counts,
        summary: summary(&seen.samples.iter().copied().collect::<Vec<_>>()),
        latest: Latest {
            completed: latest(&seen.latest_completed),
            savepoint: latest(&seen.latest_savepoint),
            failed: latest(&seen.latest_failed),
            restored: seen.restored.clone(),
        },
        history: seen.history().map(|seen| checkpoint(seen, false)).collect(),
    }
}

/// One checkpoint; `detailed` fills its vertices in.
pub(super) fn checkpoint(seen: &Seen, detailed: bool) -> Checkpoint {
    let completed = seen.status == CheckpointStatus::Completed;
    let task = |(vertex, subtasks): (&VertexId, &Vec<_>)| (*vertex, task(seen, subtasks));
    Checkpoint {
        class_name: seen.status.class_name().to_owned(),
        id: seen.id,
        status: seen.status,
        is_savepoint: seen.kind.is_savepoint(),
        savepoint_format: seen.kind.is_savepoint().then(|| "CANONICAL".to_owned()),
        trigger_timestamp: signed(seen.triggered.wall_millis()),
        latest_ack_timestamp: not_yet(seen.latest_ack),
        checkpointed_size: signed(seen.bytes()),
        state_size: signed(seen.bytes()),
        end_to_end_duration: not_yet(seen.duration),
        alignment_buffered: 0,
        processed_data: 0,
        persisted_data: 0,
        num_subtasks: seen.subtasks(),
        num_acknowledged_subtasks: seen.acknowledged(),
        checkpoint_type: if seen.kind.is_savepoint() { "SAVEPOINT" } else { "CHECKPOINT" }.to_owned(),
        tasks: if detailed { seen.vertices.iter().map(task).collect() } else { BTreeMap::new() },
        failure_timestamp: seen.failure.as_ref().map(|failure| signed(failure.at)),
        failure_message: seen.failure.as_ref().map(|failure| failure.message.clone()),
        external_path: completed.then(|| seen.path.clone()),
        discarded: completed.then_some(seen.discarded),
    }
}

/// One that has ended, for the history; which timeout it had is found out there.
pub(super) fn ended(seen: &Seen, reason: Option<String>) -> EndedCheckpoint {
    EndedCheckpoint {
        id: Some(seen.id),
        savepoint: seen.kind.is_savepoint(),
        completed: seen.status == CheckpointStatus::Completed,
        triggered_at: seen.triggered.wall_millis(),
        duration: seen.duration,
        state_size: Some(seen.bytes()),
        checkpointed_size: Some(seen.bytes()),
        timeout: None,
        rescued: false,
        reason,
        message: seen.failure.as_ref().map(|failure| failure.message.clone()),
    }
}

/// One vertex's part; its status is the whole checkpoint's, also when all its subtasks have answered.
fn task(seen: &Seen, subtasks: &[Option<Acknowledged>]) -> TaskCheckpoint {
    let in_time = || subtasks.iter().flatten().filter(|ack| !ack.late);
    let bytes = signed(subtasks.iter().flatten().map(|ack| ack.snapshot.bytes).sum());
    TaskCheckpoint {
        id: seen.id,
        status: seen.status,
        latest_ack_timestamp: not_yet(in_time().map(|ack| ack.at).max()),
        checkpointed_size: bytes,
        state_size: bytes,
        end_to_end_duration: not_yet(in_time().map(|ack| ack.duration).max()),
        alignment_buffered: 0,
        processed_data: 0,
        persisted_data: 0,
        num_subtasks: count(subtasks.len()),
        num_acknowledged_subtasks: count(in_time().count()),
    }
}

/// One vertex's part of a checkpoint, with its subtasks.
pub(super) fn subtasks(seen: &Seen, vertex: VertexId) -> Option<TaskCheckpointWithSubtasks> {
    let said = seen.vertices.get(&vertex)?;
    let of = |measure: fn(&Acknowledged) -> u64| extremes(said.iter().flatten().map(measure));
    let none = Distribution::default();
    Some(TaskCheckpointWithSubtasks {
        task: task(seen, said),
        summary: SubtaskSummary {
            checkpointed_size: of(|ack| ack.snapshot.bytes),
            state_size: of(|ack| ack.snapshot.bytes),
            end_to_end_duration: of(|ack| ack.duration),
            checkpoint_duration: DurationSummary {
                sync: of(|ack| ack.snapshot.sync_millis),
                asynchronous: of(|ack| ack.snapshot.async_millis),
            },
            alignment: AlignmentSummary {
                buffered: always_zero(),
                processed: none,
                persisted: none,
                duration: none,
            },
            start_delay: of(|ack| ack.snapshot.start_delay_millis),
        },
        subtasks: said.iter().enumerate().map(|(index, said)| subtask(count(index), said.as_ref())).collect(),
    })
}

fn subtask(index: u32, said: Option<&Acknowledged>) -> SubtaskCheckpoint {
    let Some(ack) = said else {
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
        end_to_end_duration: signed(ack.duration),
        checkpointed_size: signed(ack.snapshot.bytes),
        state_size: signed(ack.snapshot.bytes),
        checkpoint: SyncAsync {
            sync: signed(ack.snapshot.sync_millis),
            asynchronous: signed(ack.snapshot.async_millis),
        },
        alignment: Alignment::default(),
        start_delay: signed(ack.snapshot.start_delay_millis),
        unaligned_checkpoint: false,
        aborted: ack.late,
        status: "completed".to_owned(),
    })
}

fn summary(samples: &[Sample]) -> Summary {
    let of = |measure: fn(&Sample) -> u64| distribution(samples.iter().map(measure).collect());
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

/// A job's life so far.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) state: JobState,
    /// When it was submitted.
    pub(super) started_at: u64,
    pub(super) ended_at: Option<u64>,
    pub(super) changed_at: u64,
    pub(super) entered: StateTimestamps,
    pub(super) now: u64,
}

impl Life {
    fn duration(&self) -> i64 {
        signed(self.ended_at.unwrap_or(self.now).saturating_sub(self.started_at))
    }
}

pub(super) fn overview(job: JobId, spec: &JobSpec, life: &Life) -> JobOverview {
    let counts = subtask_counts(life.state, spec.subtasks());
    JobOverview {
        jid: job,
        name: spec.name.clone(),
        job_type: Some("STREAMING".to_owned()),
        scheduler_type: Some("Default".to_owned()),
        start_time: signed(life.started_at),
        end_time: not_yet(life.ended_at),
        duration: life.duration(),
        state: life.state,
        last_modification: signed(life.changed_at),
        tasks: OverviewTasks {
            total: spec.subtasks(),
            running: counts.running,
            created: counts.created,
            canceled: counts.canceled,
            canceling: counts.canceling,
            finished: counts.finished,
            failed: counts.failed,
            ..OverviewTasks::default()
        },
        pending_operators: 0,
    }
}

/// All subtasks of a rehearsal are in the same state, which follows from the job's.
fn subtask_counts(state: JobState, subtasks: u32) -> StateCounts {
    let mut counts = StateCounts::default();
    let place = match state {
        JobState::Running => &mut counts.running,
        JobState::Finished => &mut counts.finished,
        JobState::Canceled | JobState::Failing | JobState::Suspended => &mut counts.canceled,
        JobState::Cancelling => &mut counts.canceling,
        JobState::Failed => &mut counts.failed,
        JobState::Initializing | JobState::Created | JobState::Restarting | JobState::Reconciling => {
            &mut counts.created
        }
    };
    *place = subtasks;
    counts
}

pub(super) fn details(job: JobId, spec: &JobSpec, life: &Life) -> JobDetails {
    let vertices = spec.vertices.iter().map(|vertex| {
        let tasks = subtask_counts(life.state, vertex.parallelism);
        let started = (life.entered.running > 0).then_some(life.entered.running);
        Vertex {
            id: vertex.id,
            slot_sharing_group_id: job.to_string(),
            name: vertex.name.clone(),
            max_parallelism: i64::from(vertex.parallelism),
            parallelism: vertex.parallelism,
            status: subtask_state(&tasks).to_owned(),
            start_time: started.unwrap_or(-1),
            end_time: not_yet(life.ended_at),
            duration: started.map_or(-1, |started| signed(life.ended_at.unwrap_or(life.now)) - started),
            tasks,
            metrics: VertexMetrics::default(),
        }
    });
    let vertices: Vec<_> = vertices.collect();
    let nodes = spec.vertices.iter().enumerate().rev().map(|(place, vertex)| PlanNode {
        id: vertex.id,
        operator: String::new(),
        parallelism: vertex.parallelism,
        operator_strategy: String::new(),
        description: format!("{}<br/>", vertex.name),
        inputs: place.checked_sub(1).and_then(|before| spec.vertices.get(before)).map_or(
            Vec::new(),
            |input| {
                vec![PlanInput {
                    id: input.id,
                    num: 0,
                    exchange: "pipelined_bounded".to_owned(),
                    ship_strategy: "REBALANCE".to_owned(),
                }]
            },
        ),
        optimizer_properties: serde_json::Map::new(),
    });
    JobDetails {
        jid: job,
        application_id: job.to_string(),
        name: spec.name.clone(),
        is_stoppable: false,
        state: life.state,
        job_type: Some("STREAMING".to_owned()),
        scheduler_type: Some("Default".to_owned()),
        start_time: signed(life.started_at),
        end_time: not_yet(life.ended_at),
        duration: life.duration(),
        max_parallelism: -1,
        now: signed(life.now),
        timestamps: life.entered,
        status_counts: subtask_counts(life.state, count(spec.vertices.len())),
        vertices,
        plan: Plan {
            jid: job,
            name: spec.name.clone(),
            kind: "STREAMING".to_owned(),
            nodes: nodes.collect(),
        },
        pending_operators: 0,
    }
}

fn subtask_state(counts: &StateCounts) -> &'static str {
    match counts {
        StateCounts { running: 1.., .. } => "RUNNING",
        StateCounts { finished: 1.., .. } => "FINISHED",
        StateCounts { canceled: 1.., .. } => "CANCELED",
        StateCounts { canceling: 1.., .. } => "CANCELING",
        StateCounts { failed: 1.., .. } => "FAILED",
        _ => "CREATED",
    }
}

fn as_millis(duration: Duration) -> i64 {
    signed(millis(duration))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn not_yet(number: Option<u64>) -> i64 {
    number.map_or(-1, signed)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
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
