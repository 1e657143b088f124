//! Suggested commands.

use super::name::{is_hosted, quoted, typed};
use super::override_status::state;
use super::text::{clean, exact};
use ckpt_api::{Configuration, OverrideState, Pace};

/// Least duration of a suggested override, in milliseconds: long enough for an incident.
const MIN_DURATION: u64 = 2 * 3_600_000;
/// Number of checkpoints of the suggested timeout that the override lasts for.
const CHECKPOINTS: u64 = 4;

/// Command for an override that gives checkpoints more time; `typed` names the job, `timeout` is in milliseconds.
pub(crate) fn more_time(typed: &str, timeout: u64) -> String {
    let hours = timeout.saturating_mul(CHECKPOINTS).max(MIN_DURATION).div_ceil(3_600_000);
    format!("ckptctl set-timeout {typed} {} --for {hours}h", word(timeout))
}

/// Next command for a job, if there is something to do.
pub(crate) fn next_command(job: &Configuration) -> Option<String> {
    let name = clean(&typed(job));
    match state(job) {
        Some(OverrideState::Orphaned) => return Some(format!("ckptctl adopt {name}")),
        Some(OverrideState::NotApplied) if !is_hosted(job) => {
            return Some(format!("ckptctl doctor {}", clean(&quoted(&job.cluster))));
        }
        Some(OverrideState::Conflict) => return Some(format!("ckptctl get {name}")),
        _ => {}
    }
    let estimate = job.in_flight.first()?.estimate.as_ref()?;
    match (estimate.suggested_timeout, estimate.verdict) {
        (Some(timeout), _) => Some(more_time(&name, timeout)),
        (None, Pace::Stuck | Pace::CannotTell) => Some(format!("ckptctl diagnose {name}")),
        (None, Pace::Slow | Pace::OnTrack) => None,
    }
}

/// Duration as it is typed: one word.
fn word(millis: u64) -> String {
    exact(millis).replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_lasts_for_incident() {
        assert_eq!(more_time("a", 1_500_000), "ckptctl set-timeout a 25m --for 2h");
        assert_eq!(more_time("prod/a", 5_400_000), "ckptctl set-timeout prod/a 1h30m --for 6h");
    }
}
