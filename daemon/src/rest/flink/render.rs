//! The bodies of Flink's paths for a hosted job.

mod checkpoints;

use crate::configuration::tolerable;
use crate::job_file::JobSpec;
use crate::seam::{FlinkBody, HostedView, JobPart, JobTimeline, SeamError};
use checkpoints::{checkpoint, statistics, subtasks};
use ckpt_api::JobState;
use ckpt_api::flink::{
    CheckpointConfig, Externalization, JobDetails, JobOverview, NO_INTERVAL, OverviewTasks, Plan, PlanInput,
    PlanNode, StateCounts, Vertex, VertexMetrics,
};
use ckpt_coordinator::config::{EffectiveConfig, Mode, RetentionPolicy, SubmittedConfig};
use ckpt_types::duration::millis;
use ckpt_types::ids::JobId;
use std::time::Duration;

/// Materialization interval that Flink shows for a changelog that is switched off.
const CHANGELOG_INTERVAL: i64 = 600_000;

/// The body of a part of a job.
///
/// # Errors
/// [`SeamError`] if that is unknown.
pub(super) fn body(view: &HostedView, part: JobPart) -> Result<FlinkBody, SeamError> {
    let HostedView { identity, spec, timeline, effective, checkpoints } = view;
    let shown = |id| checkpoints.shown(id).ok_or(SeamError::UnknownCheckpoint(id));
    Ok(match part {
        JobPart::Overview => FlinkBody::Overview(overview(identity.id, spec, timeline)),
        JobPart::Details => FlinkBody::Details(Box::new(details(identity.id, spec, timeline))),
        JobPart::Checkpoints => FlinkBody::Checkpoints(Box::new(statistics(checkpoints))),
        JobPart::CheckpointConfig => {
            FlinkBody::CheckpointConfig(checkpoint_config(&spec.checkpointing, effective))
        }
        JobPart::Checkpoint(id) => FlinkBody::Checkpoint(Box::new(checkpoint(shown(id)?, true))),
        JobPart::Subtasks(id, vertex) => {
            let found = subtasks(shown(id)?, vertex).ok_or(SeamError::UnknownVertex(vertex))?;
            FlinkBody::Subtasks(Box::new(found))
        }
        JobPart::CheckpointTrigger(_) | JobPart::SavepointTrigger(_) => unreachable!("its owner tells them"),
    })
}

fn checkpoint_config(submitted: &SubmittedConfig, effective: &EffectiveConfig) -> CheckpointConfig {
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

impl JobTimeline {
    fn duration(&self) -> i64 {
        signed(self.ended_at.unwrap_or(self.now).saturating_sub(self.started_at))
    }
}

fn overview(job: JobId, spec: &JobSpec, timeline: &JobTimeline) -> JobOverview {
    let counts = subtask_counts(timeline.state, spec.subtasks());
    JobOverview {
        jid: job,
        name: spec.name.clone(),
        job_type: Some("STREAMING".to_owned()),
        scheduler_type: Some("Default".to_owned()),
        start_time: signed(timeline.started_at),
        end_time: not_yet(timeline.ended_at),
        duration: timeline.duration(),
        state: timeline.state,
        last_modification: signed(timeline.changed_at),
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

fn details(job: JobId, spec: &JobSpec, timeline: &JobTimeline) -> JobDetails {
    let vertices = spec.vertices.iter().map(|vertex| {
        let tasks = subtask_counts(timeline.state, vertex.parallelism);
        let started = (timeline.entered.running > 0).then_some(timeline.entered.running);
        Vertex {
            id: vertex.id,
            slot_sharing_group_id: job.to_string(),
            name: vertex.name.clone(),
            max_parallelism: i64::from(vertex.parallelism),
            parallelism: vertex.parallelism,
            status: subtask_state(&tasks).to_owned(),
            start_time: started.unwrap_or(-1),
            end_time: not_yet(timeline.ended_at),
            duration: started
                .map_or(-1, |started| signed(timeline.ended_at.unwrap_or(timeline.now)) - started),
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
        state: timeline.state,
        job_type: Some("STREAMING".to_owned()),
        scheduler_type: Some("Default".to_owned()),
        start_time: signed(timeline.started_at),
        end_time: not_yet(timeline.ended_at),
        duration: timeline.duration(),
        max_parallelism: -1,
        now: signed(timeline.now),
        timestamps: timeline.entered,
        status_counts: subtask_counts(timeline.state, count(spec.vertices.len())),
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
