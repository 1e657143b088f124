//! Order of the list of jobs.

use super::snapshot::{JobSnapshot, Now};
use crate::view::failures::is_at_limit;
use crate::view::severity::Severity;
use std::cmp::Reverse;

/// Sort key of a job in the list.
pub(super) type Place = (Severity, Reverse<bool>, Reverse<bool>, u64, String, String, u128);

/// Sort key of a job: by severity, then jobs that the next failure ends, then the least time left of a checkpoint in
/// flight, and then by name, so that the list stands still.
pub(super) fn place(seen: &JobSnapshot, now: Now) -> Place {
    let job = seen.at(now);
    let (rank, _) = Severity::of(&job);
    // The time left of what is fine changes all the time and says nothing.
    let left = match rank {
        Severity::Stuck | Severity::Failing | Severity::Expiring | Severity::Slow => {
            job.in_flight.first().and_then(|oldest| oldest.remaining)
        }
        _ => None,
    };
    let id = u128::from_str_radix(&job.job_id.to_string(), 16).unwrap_or(0);
    let last = rank != Severity::Ended && is_at_limit(job.failures);
    let (name, cluster) = (job.name.clone(), job.cluster.clone());
    (rank, Reverse(last), Reverse(left.is_some()), left.unwrap_or(u64::MAX), name, cluster, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::{Configuration, Estimate, Failures, InFlight, JobState, OverrideState, Pace, Range};

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
    fn worst_job_comes_first() {
        let mut limit = calm("limit");
        limit.failures = Failures { consecutive: 3, tolerable: 3 };
        let mut fails = calm("many-failures");
        fails.failures.consecutive = 3;
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
        let mut jobs: Vec<_> =
            expected.iter().rev().map(|job| JobSnapshot { job: job.clone(), at: 0 }).collect();
        jobs.sort_by_cached_key(|seen| place(seen, NOW));
        let names = |jobs: Vec<&Configuration>| jobs.iter().map(|job| job.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(jobs.iter().map(|seen| &seen.job).collect()), names(expected.iter().collect()));
    }

    #[test]
    fn time_makes_checkpoint_expiring() {
        let mut job = calm("orders");
        job.in_flight = vec![InFlight { elapsed: 1_000, remaining: Some(9_000), ..fixture::in_flight(7) }];
        let seen = JobSnapshot { job, at: 0 };
        let later = |mono| Severity::of(&seen.at(Now { mono, ..NOW })).1;
        assert_eq!((later(6_900), later(7_100)), ("fine", "EXPIRING"));
    }

    #[test]
    fn least_time_left_comes_first() {
        let jobs = [("b", 90_000), ("a", 100_000), ("c", 80_000)];
        let mut jobs: Vec<_> = jobs
            .iter()
            .map(|(name, left)| JobSnapshot { job: estimated(name, Pace::Slow, 1_000, *left), at: 0 })
            .collect();
        jobs.sort_by_cached_key(|seen| place(seen, NOW));
        assert_eq!(jobs.iter().map(|seen| seen.job.name.as_str()).collect::<String>(), "cba");
    }
}
