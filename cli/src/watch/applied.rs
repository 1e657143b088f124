//! Waiting until a job's override holds.

use super::follow::Verdict;
use crate::exit;
use crate::exit::Exit;
use crate::view::name::label;
use crate::view::override_status::sentence;
use crate::view::override_status::state;
use ckpt_api::{Configuration, OverrideState};

/// Whether a job's override holds, or will not by itself; `None` while that is open. What is stale settles
/// nothing.
pub(super) fn verdict(job: &Configuration, now: u64) -> Option<Verdict> {
    if job.stale.is_some() {
        return None;
    }
    let name = label(job);
    let told = || sentence(job, now).unwrap_or_else(|| name.clone());
    let (exit, sentence) = match state(job) {
        None => (Exit::Done, format!("{name} has no override")),
        Some(OverrideState::Applied) => {
            (Exit::Done, format!("{name} override applied (revision {})", job.revision))
        }
        Some(OverrideState::Conflict | OverrideState::Orphaned) => (exit::of_override(job), told()),
        Some(OverrideState::Waiting | OverrideState::NotApplied) if job.state.has_ended() => {
            (Exit::InVain, format!("{name} has ended ({}) before its override was applied", job.state))
        }
        Some(OverrideState::Waiting | OverrideState::NotApplied) => return None,
    };
    Some(Verdict { exit, sentence })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use OverrideState::{Applied, Conflict, NotApplied, Orphaned, Waiting};
    use ckpt_api::JobState;

    const NOW: u64 = 1_790_000_040_900;

    #[test]
    fn verdict_waits_while_override_pending() {
        let seen = |job: &Configuration| verdict(job, NOW).map(|told| (told.exit, told.sentence));
        for open in [Waiting, NotApplied] {
            let mut job = fixture::standing(open, Some("why"));
            assert_eq!(seen(&job), None);
            job.state = JobState::Canceled;
            let ended = "job/job123 has ended (CANCELED) before its override was applied".to_owned();
            assert_eq!(seen(&job), Some((Exit::InVain, ended)));
        }
        let mut job = fixture::standing(Applied, None);
        let applied = "job/job123 override applied (revision 3)".to_owned();
        assert_eq!(seen(&job), Some((Exit::Done, applied)));
        job.stale = Some("it does not answer".to_owned());
        assert_eq!(seen(&job), None);
        let conflict = "job/job123: override in conflict since 41s: who".to_owned();
        assert_eq!(seen(&fixture::standing(Conflict, Some("who"))), Some((Exit::Conflict, conflict)));
        let orphaned = "job/job123: override orphaned since 41s: adopt it".to_owned();
        assert_eq!(seen(&fixture::standing(Orphaned, Some("adopt it"))), Some((Exit::NotFound, orphaned)));
        let mut none = fixture::standing(Orphaned, None);
        none.override_status = None;
        assert_eq!(seen(&none), Some((Exit::Done, "job/job123 has no override".to_owned())));
    }
}
