//! The exit codes, all of them, and what each error of the server becomes.

use crate::view::override_status::state;
use ckpt_api::{Configuration, OverrideState};
use ckpt_client::ClientError;
use std::process::ExitCode;

/// How `ckptctl` ends. Scripts depend on these numbers: they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something went wrong that has no code of its own, or a cluster cannot be changed.
    Error = 1,
    /// The command line, or what it asks for, makes no sense.
    Usage = 2,
    /// The change changed nothing, and `--error-unchanged` was given.
    Unchanged = 3,
    /// Not permitted: no token, or the wrong one.
    NotPermitted = 4,
    /// There is no such job or cluster, or there are several; or an override belongs to an earlier job of
    /// the name.
    NotFound = 5,
    /// Someone else changed it first, or keeps changing it, or a guard rail said no.
    Conflict = 6,
    /// No server answered.
    Unreachable = 7,
    /// Waited in vain, or the change is stored but not applied yet.
    InVain = 8,
    /// Interrupted by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

/// The codes with what they mean, as `--help` lists them.
const MEANINGS: [(Exit, &str); 10] = [
    (Exit::Done, "done"),
    (Exit::Error, "error"),
    (Exit::Usage, "usage: the command line or a value in it makes no sense"),
    (Exit::Unchanged, "unchanged (only with --error-unchanged)"),
    (Exit::NotPermitted, "not permitted"),
    (Exit::NotFound, "not found or ambiguous, or an override is orphaned"),
    (Exit::Conflict, "conflict, or an override is in conflict, or a guard rail said no"),
    (Exit::Unreachable, "server unreachable"),
    (Exit::InVain, "waited in vain, or stored but not applied yet"),
    (Exit::Interrupted, "interrupted"),
];

impl Exit {
    /// The code of a failed request.
    ///
    /// A 409 is a conflict here; where it says that a name is ambiguous is known only to whoever
    /// looked up the name, see `resolve`.
    #[must_use]
    pub fn of(error: &ClientError) -> Self {
        match error {
            ClientError::BadUrl { .. } | ClientError::BadAuthorities { .. } => Self::Usage,
            ClientError::Unreachable { .. } => Self::Unreachable,
            ClientError::Nonsense { .. } => Self::Error,
            ClientError::Refused { status, .. } => match status.as_u16() {
                400 => Self::Usage,
                401 | 403 => Self::NotPermitted,
                404 => Self::NotFound,
                409 | 412 => Self::Conflict,
                _ => Self::Error,
            },
        }
    }
}

/// [`Exit::Done`] if a job's override holds, or there is none that could. A stale job is not known to hold.
pub(crate) fn of_override(job: &Configuration) -> Exit {
    match state(job) {
        Some(OverrideState::Conflict) => Exit::Conflict,
        Some(OverrideState::Orphaned) => Exit::NotFound,
        Some(OverrideState::Waiting | OverrideState::NotApplied) => Exit::InVain,
        Some(OverrideState::Applied) if job.stale.is_some() && !job.state.has_ended() => Exit::InVain,
        Some(OverrideState::Applied) | None => Exit::Done,
    }
}

/// Worst code of several jobs: a conflict needs a person, an orphan an adoption, all else may recover by itself.
pub(crate) fn worst_override(jobs: &[Configuration]) -> Exit {
    let exits: Vec<_> = jobs.iter().map(of_override).collect();
    let order = [Exit::Conflict, Exit::NotFound, Exit::InVain];
    order.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The list of codes for `--help`.
pub(crate) fn help() -> String {
    let lines = MEANINGS.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", *exit as u8));
    format!("Exit codes:\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use crate::view::override_status::trouble;
    use OverrideState::{Applied, Conflict, NotApplied, Orphaned, Waiting};
    use ckpt_api::JobState;
    use ckpt_client::StatusCode;

    #[test]
    fn every_status_has_a_code() {
        for (status, code) in [
            (400, 2),
            (401, 4),
            (403, 4),
            (404, 5),
            (409, 6),
            (412, 6),
            (413, 1),
            (500, 1),
            (501, 1),
            (503, 1),
        ] {
            let error = ClientError::Refused {
                status: StatusCode::from_u16(status).unwrap(),
                message: "no".to_owned(),
            };
            assert_eq!(Exit::of(&error) as u8, code, "status {status}");
        }
        let gone = ClientError::Unreachable { server: "s".to_owned(), cause: "refused".into() };
        assert_eq!(Exit::of(&gone) as u8, 7);
    }

    #[test]
    fn worst_override_decides_exit() {
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
            assert_eq!(worst_override(&jobs(&states)), expected, "{states:?}");
        }
    }

    #[test]
    fn stale_override_is_not_applied() {
        let mut job = fixture::configuration();
        job.stale = Some("it does not answer".to_owned());
        assert_eq!(of_override(&job), Exit::InVain);
        let ended = Configuration { state: JobState::Finished, ..job.clone() };
        assert_eq!(of_override(&ended), Exit::Done);
        job.override_status = None;
        job.checkpoint_timeout.overridden = None;
        assert_eq!((state(&job), of_override(&job)), (None, Exit::Done));
    }

    #[test]
    fn older_ckptd_tells_by_applied() {
        let mut job = Configuration { override_status: None, ..fixture::configuration() };
        assert_eq!(state(&job), Some(Applied));
        job.applied = false;
        assert_eq!((trouble(&job), of_override(&job)), (Some(Waiting), Exit::InVain));
        job.state = JobState::Canceled;
        assert_eq!(trouble(&job), None);
        job.revision = 0;
        job.checkpoint_timeout.overridden = None;
        assert_eq!(state(&job), None);
    }
}
