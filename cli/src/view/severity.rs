//! How bad a job is.

use super::checkpoint::{is_urgent, will_expire};
use super::failures::is_at_limit;
use super::line::Tone;
use super::override_status::{trouble, word};
use ckpt_api::{Configuration, JobState, OverrideState, Pace};

/// Failures in a row from which on the next checkpoint is not expected to complete.
const MAX_OCCASIONAL_FAILURES: u32 = 2;

/// Severity of a job's state, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// A subtask hangs.
    Stuck,
    /// Checkpoints fail or are about to, or the override does not hold and will not by itself.
    Failing,
    /// The checkpoint in flight is about to expire, or is expected to.
    Expiring,
    /// The checkpoint in flight takes longer than usual.
    Slow,
    /// The cluster does not answer.
    Stale,
    /// The job restarts, or its override waits for it.
    Waiting,
    /// Both slow and stuck are possible.
    CannotTell,
    /// Checkpoints have failed, and nothing is wrong at the moment.
    HasFailed,
    Fine,
    Ended,
}

impl Severity {
    /// Severity of a job, and the word for it.
    pub(crate) fn of(job: &Configuration) -> (Self, &'static str) {
        if job.state.has_ended() {
            return (Self::Ended, job.state.name());
        }
        if job.stale.is_some() {
            return (Self::Stale, "STALE");
        }
        let oldest = job.in_flight.first();
        let pace = oldest.and_then(|oldest| oldest.estimate.as_ref()).map(|estimate| estimate.verdict);
        if pace == Some(Pace::Stuck) {
            return (Self::Stuck, "STUCK");
        }
        match job.state {
            JobState::Failing | JobState::Failed => return (Self::Failing, job.state.name()),
            JobState::Running => {}
            state => return (Self::Waiting, state.name()),
        }
        match trouble(job) {
            Some(state @ (OverrideState::Conflict | OverrideState::NotApplied | OverrideState::Orphaned)) => {
                return (Self::Failing, word(state));
            }
            Some(OverrideState::Waiting | OverrideState::Applied) | None => {}
        }
        if is_at_limit(job.failures) {
            return (Self::Failing, "LAST CHANCE");
        }
        if job.failures.consecutive > MAX_OCCASIONAL_FAILURES {
            return (Self::Failing, "FAILS");
        }
        match oldest {
            Some(oldest) if will_expire(oldest) => return (Self::Expiring, "TOO SLOW"),
            Some(oldest) if is_urgent(oldest) => return (Self::Expiring, "EXPIRING"),
            _ => {}
        }
        match (pace, trouble(job)) {
            (Some(Pace::Slow), _) => (Self::Slow, "SLOW"),
            (_, Some(state)) => (Self::Waiting, word(state)),
            (Some(Pace::CannotTell), _) => (Self::CannotTell, "cannot tell"),
            _ if job.failures.consecutive > 0 => (Self::HasFailed, "has failed"),
            (Some(Pace::OnTrack), _) => (Self::Fine, "on track"),
            _ => (Self::Fine, "fine"),
        }
    }

    /// Tone of the word for it.
    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::Stuck | Self::Failing => Tone::Bad,
            Self::Expiring | Self::Slow | Self::Stale | Self::Waiting | Self::CannotTell => Tone::Notice,
            Self::HasFailed | Self::Ended => Tone::Plain,
            Self::Fine => Tone::Good,
        }
    }
}
