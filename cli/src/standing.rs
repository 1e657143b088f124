//! Whether overrides hold, and which exit code it is when they do not.

use crate::exit::Exit;
use ckpt_api::{Configuration, OverrideState};

/// How a job's override stands; `None` when there is none.
///
/// An older ckptd only says whether what is stored was applied.
pub(crate) fn state(job: &Configuration) -> Option<OverrideState> {
    match &job.override_status {
        Some(status) => Some(status.state),
        None if job.revision > 0 && !job.applied && !job.state.has_ended() => Some(OverrideState::Waiting),
        None => has_override(job).then_some(OverrideState::Applied),
    }
}

/// The same, if it is anything but in force.
pub(crate) fn trouble(job: &Configuration) -> Option<OverrideState> {
    state(job).filter(|state| *state != OverrideState::Applied)
}

/// [`Exit::Done`] when a job's override holds, or there is none that could. What nobody has seen for a while
/// is not known to hold.
pub(crate) fn exit(job: &Configuration) -> Exit {
    match state(job) {
        Some(OverrideState::Conflict) => Exit::Conflict,
        Some(OverrideState::Orphaned) => Exit::NotFound,
        Some(OverrideState::Waiting | OverrideState::NotApplied) => Exit::InVain,
        Some(OverrideState::Applied) if job.stale.is_some() && !job.state.has_ended() => Exit::InVain,
        Some(OverrideState::Applied) | None => Exit::Done,
    }
}

/// The worst of them: a conflict wants a person, what was orphaned an adoption, and all else may mend itself.
pub(crate) fn worst(jobs: &[Configuration]) -> Exit {
    let exits: Vec<_> = jobs.iter().map(exit).collect();
    let order = [Exit::Conflict, Exit::NotFound, Exit::InVain];
    order.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
}

fn has_override(job: &Configuration) -> bool {
    job.checkpoint_interval.overridden.is_some() || job.checkpoint_timeout.overridden.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use OverrideState::{Applied, Conflict, NotApplied, Orphaned, Waiting};
    use ckpt_api::JobState;

    #[test]
    fn the_worst_of_several_is_told() {
        let jobs = |states: &[OverrideState]| -> Vec<_> {
            states.iter().map(|state| fixture::standing(*state, None)).collect()
        };
        for (states, expected) in [
            (vec![], Exit::Done),
            (vec![Applied, Applied], Exit::Done),
            (vec![Applied, Waiting], Exit::InVain),
            (vec![NotApplied], Exit::InVain),
            (vec![Waiting, Orphaned, Applied], Exit::NotFound),
            (vec![Orphaned, Conflict, NotApplied], Exit::Conflict),
        ] {
            assert_eq!(worst(&jobs(&states)), expected, "{states:?}");
        }
    }

    #[test]
    fn what_is_old_holds_only_if_there_is_nothing_to_hold() {
        let mut job = fixture::configuration();
        job.stale = Some("it does not answer".to_owned());
        assert_eq!(exit(&job), Exit::InVain);
        let ended = Configuration { state: JobState::Finished, ..job.clone() };
        assert_eq!(exit(&ended), Exit::Done);
        job.override_status = None;
        job.checkpoint_timeout.overridden = None;
        assert_eq!((state(&job), exit(&job)), (None, Exit::Done));
    }

    #[test]
    fn an_older_ckptd_says_it_by_applied_alone() {
        let mut job = Configuration { override_status: None, ..fixture::configuration() };
        assert_eq!(state(&job), Some(Applied));
        job.applied = false;
        assert_eq!((trouble(&job), exit(&job)), (Some(Waiting), Exit::InVain));
        job.state = JobState::Canceled;
        assert_eq!(trouble(&job), None);
        job.revision = 0;
        job.checkpoint_timeout.overridden = None;
        assert_eq!(state(&job), None);
    }
}
