//! How bad it is with a job: in which order all of them are listed, and in which word it is said.

use super::model::{Now, Seen};
use crate::render::standing::word;
use crate::standing::trouble;
use ckpt_api::{Configuration, Failures, InFlight, JobState, OverrideState, Pace};
use std::cmp::Reverse;

/// From so many failures in a row on, it does not look as if the next one completes.
const KEEPS_FAILING: u32 = 3;

/// How bad it is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A subtask hangs.
    Stuck,
    /// It fails or is about to, or its override does not hold and will not by itself.
    Failing,
    /// The checkpoint in flight is about to expire, or will by all that is known.
    Expiring,
    /// It takes longer than usual.
    Slow,
    /// Nobody knows how it is: its cluster does not answer.
    Stale,
    /// It restarts, or its override waits for it.
    Waiting,
    /// What is known fits both slow and stuck.
    CannotTell,
    /// Checkpoints have failed, and nothing is wrong at the moment.
    HasFailed,
    /// Nothing to worry about.
    Fine,
    /// It has ended.
    Ended,
}

/// Where a job stands in the list.
pub(super) type Place = (Rank, Reverse<bool>, Reverse<bool>, u64, String, String, u128);

/// Where it stands: among those that are as bad, those first that the next failure ends, then those with a checkpoint in
/// flight and the least time left, and then by name, so that the list stands still.
pub(super) fn place(seen: &Seen, now: Now) -> Place {
    let job = seen.at(now);
    let (rank, _) = how(&job);
    // The time left of what is fine changes all the time and says nothing.
    let left = match rank {
        Rank::Stuck | Rank::Failing | Rank::Expiring | Rank::Slow => {
            job.in_flight.first().and_then(|oldest| oldest.remaining)
        }
        _ => None,
    };
    let id = u128::from_str_radix(&job.job_id.to_string(), 16).unwrap_or(0);
    let last = rank != Rank::Ended && is_at_its_limit(job.failures);
    let (name, cluster) = (job.name.clone(), job.cluster.clone());
    (rank, Reverse(last), Reverse(left.is_some()), left.unwrap_or(u64::MAX), name, cluster, id)
}

/// How bad it is, and the word for it.
pub(super) fn how(job: &Configuration) -> (Rank, &'static str) {
    if job.state.has_ended() {
        return (Rank::Ended, job.state.name());
    }
    if job.stale.is_some() {
        return (Rank::Stale, "STALE");
    }
    let oldest = job.in_flight.first();
    let pace = oldest.and_then(|oldest| oldest.estimate.as_ref()).map(|estimate| estimate.verdict);
    if pace == Some(Pace::Stuck) {
        return (Rank::Stuck, "STUCK");
    }
    match job.state {
        JobState::Failing | JobState::Failed => return (Rank::Failing, job.state.name()),
        JobState::Running => {}
        state => return (Rank::Waiting, state.name()),
    }
    match trouble(job) {
        Some(state @ (OverrideState::Conflict | OverrideState::NotApplied | OverrideState::Orphaned)) => {
            return (Rank::Failing, word(state));
        }
        Some(OverrideState::Waiting | OverrideState::Applied) | None => {}
    }
    if is_at_its_limit(job.failures) {
        return (Rank::Failing, "LAST CHANCE");
    }
    if job.failures.consecutive >= KEEPS_FAILING {
        return (Rank::Failing, "FAILS");
    }
    match oldest {
        Some(oldest) if will_expire(oldest) => return (Rank::Expiring, "TOO SLOW"),
        Some(oldest) if is_about_to_expire(oldest) => return (Rank::Expiring, "EXPIRING"),
        _ => {}
    }
    match (pace, trouble(job)) {
        (Some(Pace::Slow), _) => (Rank::Slow, "SLOW"),
        (_, Some(state)) => (Rank::Waiting, word(state)),
        (Some(Pace::CannotTell), _) => (Rank::CannotTell, "cannot tell"),
        _ if job.failures.consecutive > 0 => (Rank::HasFailed, "has failed"),
        (Some(Pace::OnTrack), _) => (Rank::Fine, "on track"),
        _ => (Rank::Fine, "fine"),
    }
}

/// The next failure fails the job.
pub(super) fn is_at_its_limit(failures: Failures) -> bool {
    failures.consecutive > 0
        && failures.tolerable != Failures::UNLIMITED
        && failures.consecutive >= failures.tolerable
}

/// Less than a fifth of its time is left.
fn is_about_to_expire(checkpoint: &InFlight) -> bool {
    checkpoint.remaining.is_some_and(|left| left.saturating_mul(4) < checkpoint.elapsed)
}

/// It needs more time than it has, as likely as not.
pub(super) fn will_expire(checkpoint: &InFlight) -> bool {
    let needed = checkpoint.estimate.as_ref().and_then(|estimate| estimate.done_in);
    matches!((needed, checkpoint.remaining), (Some(needed), Some(left)) if needed.likely > left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use ckpt_api::{Estimate, Range};

    const NOW: Now = Now { mono: 0, wall: 1_790_000_000_000 };

    fn estimated(name: &str, verdict: Pace, likely: u64, remaining: u64) -> Configuration {
        let mut job = Configuration { name: name.to_owned(), ..calm(name) };
        let range = Range { low: likely / 2, likely, high: likely * 2 };
        let mut checkpoint =
            InFlight { remaining: Some(remaining), elapsed: 10_000, ..fixture::in_flight(7) };
        checkpoint.estimate = Some(Estimate {
            verdict,
            sentence: String::new(),
            done_in: (verdict != Pace::Stuck).then_some(range),
            suggested_timeout: None,
        });
        job.in_flight = vec![checkpoint];
        job
    }

    fn calm(name: &str) -> Configuration {
        let mut job = fixture::configuration();
        (job.failures.consecutive, job.in_flight, job.name) = (0, vec![], name.to_owned());
        job
    }

    #[test]
    fn the_worst_comes_first() {
        let mut limit = calm("limit");
        limit.failures = Failures { consecutive: 3, tolerable: 3 };
        let mut fails = calm("many-failures");
        fails.failures.consecutive = KEEPS_FAILING;
        let mut failed = calm("failed");
        failed.failures.consecutive = 1;
        let mut last = estimated("stuck-at-its-limit", Pace::Stuck, 0, 700_000);
        last.failures = limit.failures;
        let expected = [
            last,
            estimated("stuck", Pace::Stuck, 0, 600_000),
            limit,
            fails,
            Configuration {
                name: "not-applied".into(),
                in_flight: vec![],
                ..fixture::standing(OverrideState::NotApplied, None)
            },
            estimated("too-slow", Pace::Slow, 60_000, 50_000),
            estimated("slow", Pace::Slow, 60_000, 600_000),
            Configuration { stale: Some("gone".into()), ..calm("stale") },
            Configuration { state: JobState::Restarting, ..calm("restarting") },
            estimated("cannot-tell", Pace::CannotTell, 1, 600_000),
            failed,
            calm("calm-a"),
            calm("calm-b"),
            estimated("on-track", Pace::OnTrack, 1, 600_000),
            Configuration { state: JobState::Finished, ..calm("ended") },
        ];
        let mut jobs: Vec<_> = expected.iter().rev().map(|job| Seen { job: job.clone(), at: 0 }).collect();
        jobs.sort_by_cached_key(|seen| place(seen, NOW));
        let names = |jobs: Vec<&Configuration>| jobs.iter().map(|job| job.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(jobs.iter().map(|seen| &seen.job).collect()), names(expected.iter().collect()));
    }

    #[test]
    fn time_alone_makes_a_checkpoint_one_that_is_about_to_expire() {
        let mut job = calm("orders");
        job.in_flight = vec![InFlight { elapsed: 1_000, remaining: Some(9_000), ..fixture::in_flight(7) }];
        let seen = Seen { job, at: 0 };
        let later = |mono| how(&seen.at(Now { mono, ..NOW })).1;
        assert_eq!((later(6_900), later(7_100)), ("fine", "EXPIRING"));
    }

    #[test]
    fn among_equals_the_one_with_the_least_time_left_comes_first() {
        let jobs = [("b", 90_000), ("a", 100_000), ("c", 80_000)];
        let mut jobs: Vec<_> = jobs
            .iter()
            .map(|(name, left)| Seen { job: estimated(name, Pace::Slow, 1_000, *left), at: 0 })
            .collect();
        jobs.sort_by_cached_key(|seen| place(seen, NOW));
        assert_eq!(jobs.iter().map(|seen| seen.job.name.as_str()).collect::<String>(), "cba");
    }
}
