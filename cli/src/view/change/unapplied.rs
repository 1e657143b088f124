//! Why what is stored is not applied, in words.

use crate::view::text::clean;
use ckpt_api::{Configuration, JobState, OverrideState, OverrideStatus};

/// What follows "stored" in the line of a change that is not applied.
pub(super) fn not_applied(after: &Configuration) -> String {
    if let Some(OverrideStatus { state, why: Some(why), .. }) = &after.override_status {
        let how = match state {
            OverrideState::Conflict => "in conflict",
            OverrideState::NotApplied => "not applied",
            OverrideState::Applied | OverrideState::Waiting | OverrideState::Orphaned => "not applied yet",
        };
        return format!("{how}: {}", clean(why));
    }
    match (&after.stale, after.state) {
        (Some(why), _) => format!("not applied yet: {}", clean(why)),
        // The server's warnings say what is in the way.
        (None, JobState::Running) => "not applied yet".to_owned(),
        (None, state) => format!("not applied yet: the job is {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use OverrideState::{Conflict, NotApplied, Waiting};

    #[test]
    fn server_reason_precedes_job_state() {
        for (state, why, expected) in [
            (Waiting, Some("its cluster has no leader"), "not applied yet: its cluster has no leader"),
            (NotApplied, Some("no way\u{1b}"), "not applied: no way\\u{1b}"),
            (Conflict, Some("somebody else changed it"), "in conflict: somebody else changed it"),
            (Waiting, None, "not applied yet: the job is RESTARTING"),
            (NotApplied, None, "not applied yet"),
        ] {
            assert_eq!(not_applied(&fixture::standing(state, why)), expected);
        }
    }

    #[test]
    fn older_ckptd_tells_job_state() {
        let mut job = fixture::standing(Waiting, None);
        job.override_status = None;
        assert_eq!(not_applied(&job), "not applied yet: the job is RESTARTING");
        job.stale = Some("http://prod:8081 does not answer".to_owned());
        assert_eq!(not_applied(&job), "not applied yet: http://prod:8081 does not answer");
    }
}
