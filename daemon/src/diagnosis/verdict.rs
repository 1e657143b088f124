//! The estimate of one checkpoint in flight, and the timeout that it supports.

use super::sentence;
use crate::anatomy::{Anatomy, CheckpointAnatomy, SubtaskTimes};
use ckpt_api::{Estimate, InFlight, Pace, Range};
use ckpt_estimate::{Assessment, ENOUGH, Ended, Pending, Rest, Verdict, assess};
use ckpt_types::bounds::LONGEST;
use ckpt_types::duration::millis;
use std::sync::Arc;
use std::time::Duration;

/// What is known of the subtasks of a checkpoint in flight is too old to rest anything on from here on.
const TOO_OLD: Duration = Duration::from_secs(20);
/// What is known for so much longer than a checkpoint has been in flight belongs to another one of its number: a job that
/// starts from nothing counts anew.
const ROUGHLY: Duration = Duration::from_secs(5);
/// What a suggested timeout leaves beyond the estimate's far end: this part of the whole, and at least [`LEAST_MARGIN`].
const MARGIN: u32 = 5;
/// See [`MARGIN`].
const LEAST_MARGIN: Duration = Duration::from_secs(10);

/// A checkpoint in flight, with all that is known of it.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) anatomy: &'a Anatomy,
    pub(super) checkpoint: &'a InFlight,
    /// What its subtasks said, vertex after vertex; `None` when only its totals are known.
    pub(super) subtasks: Option<&'a [Vec<Option<SubtaskTimes>>]>,
    /// How old it was when that was true.
    pub(super) seen_for: Duration,
    /// How many have failed in a row before it.
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
            elapsed.saturating_sub(part.lasted) < TOO_OLD && part.lasted <= elapsed + ROUGHLY
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

    /// The estimate, when this timeout is in force, in milliseconds.
    pub(super) fn estimate(&self, timeout: Option<u64>) -> Estimate {
        let rest = self.rest();
        let elapsed = Duration::from_millis(self.checkpoint.elapsed);
        let in_force = timeout.map(Duration::from_millis);
        // What goes as usual is not to be changed unless the usual does not fit, which takes a few to know.
        let fits = |rest: &Rest| {
            self.assessment.verdict == Verdict::OnTrack
                && (self.assessment.completed < ENOUGH
                    || in_force.is_none_or(|in_force| elapsed + rest.likely <= in_force))
        };
        let promised = rest.filter(|rest| self.checkpoint.remaining.is_some() && !fits(rest));
        Estimate {
            verdict: match self.assessment.verdict {
                Verdict::OnTrack => Pace::OnTrack,
                Verdict::Slow => Pace::Slow,
                Verdict::Stuck => Pace::Stuck,
                Verdict::CannotTell => Pace::CannotTell,
            },
            sentence: sentence::of(self),
            done_in: rest.map(|rest| Range {
                low: millis(rest.low),
                likely: millis(rest.likely),
                high: millis(rest.high),
            }),
            suggested_timeout: promised.and_then(|rest| suggested(elapsed, rest, in_force)).map(millis),
        }
    }

    /// How long it still takes from now, and not from when its subtasks were seen.
    pub(super) fn rest(&self) -> Option<Rest> {
        let rest = self.assessment.rest?;
        let since = Duration::from_millis(self.checkpoint.elapsed).saturating_sub(self.seen_for);
        let from_now = |then: Duration| then.saturating_sub(since);
        Some(Rest { low: from_now(rest.low), likely: from_now(rest.likely), high: from_now(rest.high) })
    }

    /// Who is missing now, and was in each of the newest checkpoints of its kind that failed of few: how many those
    /// were, and the places.
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

/// How long completed checkpoints take, in the middle, and how many of them are known.
pub(super) fn usual(anatomy: &Anatomy) -> (Option<Duration>, usize) {
    let past = past(anatomy, false, &anatomy.sizes());
    let said = assess(&[], &past, &Pending { elapsed: Duration::ZERO, took: Vec::new(), failed_before: 0 });
    (said.usual, said.completed)
}

/// A timeout for a checkpoint that is so old and takes so much longer; `None` when the one in force is enough.
fn suggested(elapsed: Duration, rest: Rest, in_force: Option<Duration>) -> Option<Duration> {
    let needed = elapsed + rest.high;
    if in_force.is_none_or(|in_force| in_force > needed) {
        return None;
    }
    let whole = needed + (needed / MARGIN).max(LEAST_MARGIN);
    Some(rounded_up(whole).min(LONGEST))
}

/// The next duration that people say.
fn rounded_up(duration: Duration) -> Duration {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let step = match seconds {
        0..60 => 10,
        60..600 => 60,
        600..3_600 => 300,
        3_600..43_200 => 1_800,
        43_200..172_800 => 3_600,
        _ => 86_400,
    };
    Duration::from_secs(seconds.div_ceil(step) * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anatomy::VertexAnatomy;
    use ckpt_types::ids::{CheckpointId, VertexId};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_timeout_is_suggested_only_when_the_one_in_force_is_not_enough() {
        let rest = Rest { low: seconds(120), likely: seconds(240), high: seconds(540) };
        // 12 minutes so far and 9 to come make 21; a fifth more is 25 m 12 s.
        assert_eq!(suggested(seconds(720), rest, Some(seconds(900))), Some(seconds(1_800)));
        assert_eq!(suggested(seconds(660), rest, Some(seconds(900))), Some(seconds(1_500)));
        assert_eq!(suggested(seconds(720), rest, Some(seconds(1_300))), None);
        assert_eq!(suggested(seconds(720), rest, None), None);
        let long = Rest { high: LONGEST, ..rest };
        assert_eq!(suggested(seconds(720), long, Some(seconds(900))), Some(LONGEST));
    }

    #[test]
    fn what_another_checkpoint_of_the_same_number_did_is_not_taken_for_its_own() {
        let took = SubtaskTimes {
            took: seconds(1),
            sync: Duration::ZERO,
            asynchronous: seconds(1),
            alignment: Duration::ZERO,
            start_delay: Duration::ZERO,
        };
        let seen = CheckpointAnatomy {
            id: CheckpointId(1),
            triggered_at: 0,
            savepoint: false,
            completed: false,
            lasted: seconds(60),
            subtasks: Some(vec![vec![Some(took), None]]),
        };
        let anatomy = Anatomy {
            vertices: vec![VertexAnatomy::new(VertexId::from_bits(1), "source".to_owned(), 2)],
            in_flight: vec![Arc::new(seen)],
            ..Anatomy::default()
        };
        for (elapsed, is_it) in [(3, false), (54, false), (57, true), (61, true), (90, false)] {
            let checkpoint = InFlight {
                id: CheckpointId(1),
                savepoint: false,
                acknowledged: 1,
                subtasks: 2,
                elapsed: elapsed * 1_000,
                remaining: None,
                estimate: None,
                change: None,
            };
            let case = Case::new(&anatomy, &checkpoint, 0).unwrap();
            assert_eq!(case.subtasks.is_some(), is_it, "{elapsed} s");
        }
    }

    #[test]
    fn it_is_rounded_up_to_what_people_say() {
        for (exact, said) in [
            (12, 20),
            (61, 120),
            (599, 600),
            (601, 900),
            (3_601, 5_400),
            (50_000, 50_400),
            (200_000, 259_200),
        ] {
            assert_eq!(rounded_up(seconds(exact)), seconds(said), "{exact}");
        }
        assert_eq!(rounded_up(Duration::from_millis(60_001)), seconds(120));
    }
}
