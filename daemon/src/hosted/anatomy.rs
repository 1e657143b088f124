//! The breakdown of a hosted job's checkpoints by subtask.

use crate::anatomy::{Anatomy, CheckpointAnatomy, MAX_SUBTASKS, VertexAnatomy};
use crate::checkpoint_log::CheckpointView;
use crate::seam::HostedView;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::VertexId;
use std::sync::Arc;

/// The checkpoints in flight and the newest ended ones.
pub(super) fn of(HostedView { spec, checkpoints, .. }: &HostedView, now: Monotonic) -> Anatomy {
    let size = |parallelism: u32| usize::try_from(parallelism).unwrap_or(usize::MAX);
    let vertices = spec
        .vertices
        .iter()
        .map(|vertex| VertexAnatomy::new(vertex.id, vertex.name.clone(), size(vertex.parallelism)));
    let vertices: Vec<_> = vertices.collect();
    let subtasks: usize = vertices.iter().map(|vertex| vertex.subtasks).sum();
    let too_large = subtasks > MAX_SUBTASKS;
    let warning = || {
        format!(
            "the job has {subtasks} subtasks, too many to look at each; only its checkpoints as a whole were looked at"
        )
    };
    let order: Vec<VertexId> = vertices.iter().filter(|_| !too_large).map(|vertex| vertex.id).collect();
    let in_flight = checkpoints.in_flight().filter_map(|seen| in_flight(seen, &order, now));
    let in_flight: Vec<_> = in_flight.map(Arc::new).collect();
    Anatomy {
        ended: checkpoints.log().breakdowns(&order, in_flight.len()),
        in_flight,
        warnings: too_large.then(warning).into_iter().collect(),
        vertices,
    }
}

fn in_flight(seen: CheckpointView<'_>, order: &[VertexId], now: Monotonic) -> Option<CheckpointAnatomy> {
    let triggered_at = i64::try_from(seen.progress.triggered_at).unwrap_or(i64::MAX);
    seen.progress.breakdown(order, triggered_at, false, seen.age(now))
}
