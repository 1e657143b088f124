//! The estimate of one checkpoint in flight, and the timeout that it supports.

use super::case::Case;
use super::sentence;
use ckpt_api::{Estimate, Pace, Range};
use ckpt_estimate::{ENOUGH, Rest, Verdict};
use ckpt_types::bounds::LONGEST;
use ckpt_types::duration::millis;
use std::time::Duration;

/// What a suggested timeout leaves beyond the estimate's far end: this part of the whole, and at least [`LEAST_MARGIN`].
const MARGIN: u32 = 5;
/// See [`MARGIN`].
const LEAST_MARGIN: Duration = Duration::from_secs(10);

/// The estimate, when this timeout is in force, in milliseconds.
pub(super) fn estimate(case: &Case<'_>, timeout: Option<u64>) -> Estimate {
    let rest = case.rest();
    let elapsed = Duration::from_millis(case.checkpoint.elapsed);
    let in_force = timeout.map(Duration::from_millis);
    // What goes as usual is not to be changed unless the usual does not fit, which takes a few to know.
    let fits = |rest: &Rest| {
        case.assessment.verdict == Verdict::OnTrack
            && (case.assessment.completed < ENOUGH
                || in_force.is_none_or(|in_force| elapsed + rest.likely <= in_force))
    };
    let promised = rest.filter(|rest| case.checkpoint.remaining.is_some() && !fits(rest));
    Estimate {
        verdict: match case.assessment.verdict {
            Verdict::OnTrack => Pace::OnTrack,
            Verdict::Slow => Pace::Slow,
            Verdict::Stuck => Pace::Stuck,
            Verdict::CannotTell => Pace::CannotTell,
        },
        sentence: sentence::of(case),
        done_in: rest.map(|rest| Range {
            low: millis(rest.low),
            likely: millis(rest.likely),
            high: millis(rest.high),
        }),
        suggested_timeout: promised.and_then(|rest| suggested(elapsed, rest, in_force)).map(millis),
    }
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
    use crate::anatomy::{Anatomy, CheckpointAnatomy, SubtaskTimes, VertexAnatomy};
    use ckpt_api::InFlight;
    use ckpt_types::ids::{CheckpointId, VertexId};
    use std::sync::Arc;

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
