//! A hosted job's checkpoints, subtask by subtask.

use super::statistics::{Acknowledged, Seen, Statistics, age};
use crate::anatomy::{Anatomy, CheckpointAnatomy, MOST_SUBTASKS, SubtaskTimes, VertexAnatomy};
use crate::job_file::{JobSpec, VertexSpec};
use ckpt_api::flink::CheckpointStatus;
use ckpt_coordinator::Monotonic;
use std::sync::Arc;
use std::time::Duration;

/// All checkpoints that are remembered, subtask by subtask.
pub(super) fn of(spec: &JobSpec, statistics: &Statistics, now: Monotonic) -> Anatomy {
    let size = |parallelism: u32| usize::try_from(parallelism).unwrap_or(usize::MAX);
    let vertices = spec
        .vertices
        .iter()
        .map(|vertex| VertexAnatomy::new(vertex.id, vertex.name.clone(), size(vertex.parallelism)));
    let vertices: Vec<_> = vertices.collect();
    let subtasks: usize = vertices.iter().map(|vertex| vertex.subtasks).sum();
    let too_large = subtasks > MOST_SUBTASKS;
    let warning = || {
        format!(
            "the job has {subtasks} subtasks, too many to look at each; only its checkpoints as a whole were looked at"
        )
    };
    let dissected = |seen: &Seen| {
        let of_vertex = |vertex: &VertexSpec| {
            let said = seen.vertices.get(&vertex.id).into_iter().flatten();
            said.map(|said| said.as_ref().filter(|ack| !ack.late).map(subtask_times)).collect()
        };
        Arc::new(CheckpointAnatomy {
            id: seen.id,
            triggered_at: i64::try_from(seen.triggered.wall_millis()).unwrap_or(i64::MAX),
            savepoint: seen.kind.is_savepoint(),
            completed: seen.status == CheckpointStatus::Completed,
            lasted: age(seen, now),
            subtasks: (!too_large).then(|| spec.vertices.iter().map(of_vertex).collect()),
        })
    };
    let mut seen = statistics.remembered();
    seen.reverse();
    let (in_flight, ended): (Vec<_>, Vec<_>) =
        seen.into_iter().partition(|seen| seen.status == CheckpointStatus::InProgress);
    Anatomy {
        vertices,
        in_flight: in_flight.into_iter().map(dissected).collect(),
        ended: ended.into_iter().map(dissected).collect(),
        warnings: too_large.then(warning).into_iter().collect(),
    }
}

fn subtask_times(ack: &Acknowledged) -> SubtaskTimes {
    SubtaskTimes {
        took: Duration::from_millis(ack.duration),
        sync: Duration::from_millis(ack.snapshot.sync_millis),
        asynchronous: Duration::from_millis(ack.snapshot.async_millis),
        alignment: Duration::ZERO,
        start_delay: Duration::from_millis(ack.snapshot.start_delay_millis),
    }
}
