//! How far each vertex is with a checkpoint, and who is missing.

use super::case::Case;
use super::sentence;
use crate::anatomy::{CheckpointAnatomy, SubtaskTimes, VertexAnatomy};
use ckpt_api::{MissingSubtask, Spread, VertexProgress};
use ckpt_estimate::{Because, Verdict};
use ckpt_types::duration::millis;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Each vertex, in the order of the flow; nothing when only the whole is known.
pub(super) fn progress(case: &Case) -> Vec<VertexProgress> {
    let Some(subtasks) = case.subtasks else { return Vec::new() };
    let mut from = 0;
    let with_ranks = case.assessment.missing.iter().enumerate();
    let ranks: HashMap<usize, usize> = with_ranks.map(|(rank, place)| (*place, rank)).collect();
    let vertices = case.anatomy.vertices.iter().enumerate().map(|(nth, vertex)| {
        let said = subtasks.get(nth);
        let progress = one(case, nth, vertex, said.map_or(&[][..], Vec::as_slice), (from, &ranks));
        from += vertex.subtasks;
        progress
    });
    vertices.collect()
}

fn one(
    case: &Case,
    nth: usize,
    vertex: &VertexAnatomy,
    said: &[Option<SubtaskTimes>],
    (from, ranks): (usize, &HashMap<usize, usize>),
) -> VertexProgress {
    let of = |measure: fn(&SubtaskTimes) -> Duration| spread(said.iter().flatten().map(measure).collect());
    let usual = |index: usize| case.assessment.usual_of_each.get(from + index).copied().flatten();
    let mut missing: Vec<usize> = (0..said.len()).filter(|index| said[*index].is_none()).collect();
    missing.sort_by_key(|index| (ranks.get(&(from + index)).copied().unwrap_or(usize::MAX), *index));
    missing.truncate(VertexProgress::MOST_MISSING);
    let is_suspect = |index: usize| {
        matches!(case.assessment.verdict, Verdict::Stuck | Verdict::CannotTell)
            && sentence::because(case) != Because::Many
            && ranks.get(&(from + index)) == Some(&0)
    };
    VertexProgress {
        id: vertex.id.to_string(),
        name: vertex.name.clone(),
        acknowledged: count(said.iter().flatten().count()),
        subtasks: count(vertex.subtasks),
        usual: spread((0..vertex.subtasks).filter_map(usual).collect()),
        took: of(|times| times.took),
        sync: of(|times| times.sync),
        r#async: of(|times| times.asynchronous),
        alignment: of(|times| times.alignment),
        start_delay: of(|times| times.start_delay),
        backpressure: vertex.backpressure.whole.clone(),
        missing: missing
            .into_iter()
            .map(|index| MissingSubtask {
                index: count(index),
                host: vertex.hosts.get(index).cloned().flatten(),
                usual: usual(index).map(millis),
                last: last(&case.anatomy.ended, nth, index, vertex.subtasks).map(millis),
                suspect: is_suspect(index),
                backpressure: vertex.backpressure.subtasks.get(index).cloned().flatten(),
            })
            .collect(),
    }
}

/// What a subtask took for the last checkpoint that it acknowledged.
fn last(ended: &[Arc<CheckpointAnatomy>], vertex: usize, index: usize, size: usize) -> Option<Duration> {
    let of = |ended: &Arc<CheckpointAnatomy>| {
        let vertex = ended.subtasks.as_ref()?.get(vertex).filter(|vertex| vertex.len() == size)?;
        vertex[index].map(|times| times.took)
    };
    ended.iter().rev().find_map(of)
}

fn spread(mut values: Vec<Duration>) -> Option<Spread> {
    values.sort();
    Some(Spread { median: millis(*values.get(values.len() / 2)?), max: millis(*values.last()?) })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
