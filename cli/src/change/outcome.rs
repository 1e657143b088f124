//! Whether what was stored came into force, and waiting until it does.

use crate::args::WaitLimit;
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve::{self, Job};
use crate::server::Server;
use crate::view::name::{label, reference, typed};
use crate::view::override_status::{next_try, state};
use crate::view::text::clean;
use crate::wait;
use ckpt_api::{Configuration, OverrideState};
use ckpt_types::duration::Exact;

/// Waits until the job's coordinator has what was stored, or until it is clear that it will not.
pub(super) async fn wait_until_applied(
    server: &Server,
    stored: &Configuration,
    limit: &WaitLimit,
) -> Result<Option<Job>, Error> {
    console::note(&format!("stored; waiting until {} applies it", label(stored)));
    let job = reference(stored);
    wait::until(limit.wait_timeout, async || {
        let job = resolve::show(server, &job).await.map_err(|error| server.failed(error))?;
        let now = &job.configuration;
        let is_there = now.applied && now.revision >= stored.revision;
        Ok((is_there || in_conflict(now) || now.state.has_ended()).then_some(job))
    })
    .await
}

/// Whether somebody else keeps changing it, so that nobody applies it any more.
pub(super) fn in_conflict(job: &Configuration) -> bool {
    !job.applied && state(job) == Some(OverrideState::Conflict)
}

/// The exit code of what is stored and not applied.
pub(super) fn exit(after: &Configuration) -> Exit {
    if in_conflict(after) { Exit::Conflict } else { Exit::InVain }
}

/// What to do about what is stored and not applied, in one line; `waited` is how long that was waited for.
pub(super) fn advice(after: &Configuration, waited: Option<&WaitLimit>) -> String {
    let job = label(after);
    let look = format!("see how it goes with: ckptctl get {}", typed(after));
    if after.state.has_ended() {
        return format!("ckptctl: {job} has ended ({}) before the change was applied", after.state);
    }
    if in_conflict(after) {
        return format!(
            "ckptctl: stored, and not applied to {job}, since somebody else changes it too; {look}"
        );
    }
    if let Some(limit) = waited {
        let limit = Exact(limit.wait_timeout);
        let why = after.override_status.as_ref().and_then(|status| status.why.as_ref());
        let now = match after.stale.as_ref().or(why) {
            Some(why) => clean(why),
            None => format!("it is {}", after.state),
        };
        return format!("ckptctl: the change was not applied to {job} within {limit}; {now}");
    }
    if state(after) != Some(OverrideState::NotApplied) {
        return format!(
            "ckptctl: stored; ckptd applies it when {job} has a coordinator again (--wait waits for that)"
        );
    }
    match next_try(after, clock::wall_millis()) {
        Some(next) => {
            format!("ckptctl: stored; ckptd tries to apply it to {job} again {next} (--wait waits for that)")
        }
        None => format!("ckptctl: stored, and not applied to {job}; {look}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use OverrideState::{Conflict, NotApplied, Waiting};
    use std::time::Duration;

    #[test]
    fn what_is_not_applied_has_its_code_and_its_advice() {
        let limit = WaitLimit { wait_timeout: Duration::from_secs(2) };
        for (state, waited, code, part) in [
            (Waiting, None, 8, "applies it when job/job123 has a coordinator again (--wait"),
            (Waiting, Some(&limit), 8, "was not applied to job/job123 within 2s; the reason"),
            (NotApplied, None, 8, "again now (--wait waits"),
            (NotApplied, Some(&limit), 8, "within 2s; the reason"),
            (Conflict, None, 6, "somebody else changes it too; see how it goes with: ckptctl get job123"),
            (Conflict, Some(&limit), 6, "somebody else changes it too"),
        ] {
            let mut job = fixture::standing(state, Some("the reason"));
            if let Some(status) = &mut job.override_status {
                status.next_try = status.next_try.map(|_| 1);
            }
            assert_eq!(exit(&job) as u8, code, "{state}");
            let advice = advice(&job, waited);
            assert!(advice.contains(part), "{advice}");
        }
        let mut paused = fixture::standing(NotApplied, None);
        paused.override_status.as_mut().unwrap().next_try = None;
        assert!(advice(&paused, None).ends_with("see how it goes with: ckptctl get job123"));
    }
}
