//! A checkpoint in flight, compared with those that have ended.

use crate::anatomy::{Anatomy, CheckpointAnatomy, SubtaskTimes};
use ckpt_api::InFlight;
use ckpt_estimate::{Assessment, Ended, Pending, Rest, assess};
use std::sync::Arc;
use std::time::Duration;

/// Age from which on the known subtasks of a checkpoint in flight are too old for an estimate.
const MAX_SUBTASK_AGE: Duration = Duration::from_secs(20);
/// Tolerance between two ages of one checkpoint. Subtasks that are older by more belong to another checkpoint of its
/// number: a job that starts from nothing counts anew.
const AGE_TOLERANCE: Duration = Duration::from_secs(5);

/// A checkpoint in flight, with all that is known of it.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) anatomy: &'a Anatomy,
    pub(super) checkpoint: &'a InFlight,
    /// Times of its subtasks, vertex after vertex; `None` if only its totals are known.
    pub(super) subtasks: Option<&'a [Vec<Option<SubtaskTimes>>]>,
    /// Age of the checkpoint when its subtasks were seen.
    pub(super) seen_for: Duration,
    /// Number of checkpoints that failed in a row before it.
    pub(super) failed_before: u32,
    pub(super) assessment: Assessment,
}

impl<'a> Case<'a> {
    /// `None` while nothing is known yet to compare it with. `failed` checkpoints have failed in a row before.
    pub(super) fn new(anatomy: &'a Anatomy, checkpoint: &'a InFlight, failed: u32) -> Option<Self> {
        if anatomy.vertices.is_empty() {
            return None;
        }
        let elapsed = Duration::from_millis(checkpoint.elapsed);
        let is_it = |part: &&CheckpointAnatomy| {
            elapsed.saturating_sub(part.lasted) < MAX_SUBTASK_AGE && part.lasted <= elapsed + AGE_TOLERANCE
        };
        let part = anatomy.of(checkpoint.id).filter(is_it);
        let sizes = anatomy.sizes();
        let fits = |subtasks: &&[Vec<Option<SubtaskTimes>>]| fits(subtasks, &sizes);
        let subtasks = part.and_then(|part| part.subtasks.as_deref()).filter(fits);
        let seen_for = part.filter(|_| subtasks.is_some()).map_or(elapsed, |part| part.lasted);
        let past = past(anatomy, checkpoint.savepoint, &sizes);
        // Savepoints neither count as failures nor tell of them.
        let failed_before = if checkpoint.savepoint { 0 } else { failed };
        let pending =
            Pending { elapsed: seen_for, took: subtasks.map(flat).unwrap_or_default(), failed_before };
        let assessment = match subtasks {
            Some(_) => assess(&sizes, &past, &pending),
            None => assess(&[], &past, &pending),
        };
        Some(Self { anatomy, checkpoint, subtasks, seen_for, failed_before, assessment })
    }

    /// Time left from now, and not from when its subtasks were seen.
    pub(super) fn rest(&self) -> Option<Rest> {
        let rest = self.assessment.rest?;
        let since = Duration::from_millis(self.checkpoint.elapsed).saturating_sub(self.seen_for);
        let from_now = |then: Duration| then.saturating_sub(since);
        Some(Rest { low: from_now(rest.low), likely: from_now(rest.likely), high: from_now(rest.high) })
    }

    /// Subtasks that are missing now, and were missing in each of the newest failed checkpoints of its kind that lacked
    /// few: the number of those checkpoints, and the places.
    pub(super) fn missing_again(&self) -> Option<(usize, Vec<usize>)> {
        let sizes = self.anatomy.sizes();
        let alike =
            self.anatomy.ended.iter().rev().filter(|ended| ended.savepoint == self.checkpoint.savepoint);
        let failed = alike.take_while(|ended| !ended.completed);
        let failed = failed.filter_map(|ended| ended.subtasks.as_deref().filter(|told| fits(told, &sizes)));
        let (mut who, mut times) = (self.assessment.missing.clone(), 0);
        for took in failed.map(flat) {
            let missing_then = took.iter().filter(|took| took.is_none()).count();
            if missing_then * 2 > took.len() {
                break;
            }
            let still: Vec<_> = who.iter().copied().filter(|place| took[*place].is_none()).collect();
            if still.is_empty() {
                break;
            }
            (who, times) = (still, times + 1);
        }
        (times >= 2).then_some((times, who))
    }

    /// The vertex of a place among all subtasks, and the index in it.
    pub(super) fn place(&self, mut place: usize) -> Option<(usize, usize)> {
        for (vertex, size) in self.anatomy.sizes().into_iter().enumerate() {
            if place < size {
                return Some((vertex, place));
            }
            place -= size;
        }
        None
    }
}

fn fits(subtasks: &[Vec<Option<SubtaskTimes>>], sizes: &[usize]) -> bool {
    subtasks.len() == sizes.len() && subtasks.iter().zip(sizes).all(|(vertex, size)| vertex.len() == *size)
}

fn flat(subtasks: &[Vec<Option<SubtaskTimes>>]) -> Vec<Option<Duration>> {
    subtasks.iter().flatten().map(|times| times.map(|times| times.took)).collect()
}

/// Checkpoints are compared with checkpoints and savepoints with savepoints. Those of before a rescale are left out.
fn past(anatomy: &Anatomy, savepoint: bool, sizes: &[usize]) -> Vec<Ended> {
    let alike = anatomy.ended.iter().filter(|ended| ended.savepoint == savepoint);
    let of = |ended: &Arc<CheckpointAnatomy>| {
        let subtasks = ended.subtasks.as_deref();
        match subtasks {
            Some(other) if !fits(other, sizes) => None,
            subtasks => Some(Ended {
                completed: ended.completed,
                lasted: ended.lasted,
                took: subtasks.map(flat).unwrap_or_default(),
            }),
        }
    };
    alike.filter_map(of).collect()
}

/// Median duration of the known completed checkpoints, and their number.
pub(super) fn usual(anatomy: &Anatomy) -> (Option<Duration>, usize) {
    let past = past(anatomy, false, &anatomy.sizes());
    let said = assess(&[], &past, &Pending { elapsed: Duration::ZERO, took: Vec::new(), failed_before: 0 });
    (said.usual, said.completed)
}
