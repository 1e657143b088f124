//! The guard rail: nothing in flight expires unless a person says so.

use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::view::checkpoint::named;
use crate::view::name::label;
use crate::view::text::clean;
use ckpt_api::{Configuration, ConfigurationPatch, Field, InFlight, Outcome};
use ckpt_types::duration::{Exact, Rough};
use std::time::Duration;

/// Whether a checkpoint could lose time: a timeout that does not shrink expires nothing, and its change
/// should not cost a second request when a checkpoint is about to be lost.
pub(super) fn could_expire(before: &Configuration, patch: &ConfigurationPatch) -> bool {
    let now = &before.checkpoint_timeout;
    let then = match patch.timeout {
        Field::Keep => return false,
        Field::Clear => now.submitted,
        Field::Set(timeout) => Some(timeout.as_millis()),
    };
    match (then, now.effective) {
        (Some(then), Some(now)) => then < now,
        _ => true,
    }
}

/// Lets nothing in flight expire unless a person says so.
pub(super) async fn confirm(preview: &Configuration) -> Result<(), Error> {
    let Some(cost) = what_would_expire(preview) else {
        return Ok(());
    };
    let refused = |why: &str| Error::new(Exit::Conflict, format!("{cost}; {why}nothing was changed"));
    if !console::can_ask() {
        return Err(refused("").hint("say --yes to let it expire, or --dry-run to see the whole change"));
    }
    match console::ask(&format!("{}. Change it all the same?", clean(&cost))).await? {
        true => Ok(()),
        false => Err(refused("you said no, ")),
    }
}

/// The sentence that names what a change would throw away.
fn what_would_expire(preview: &Configuration) -> Option<String> {
    let is_lost =
        |checkpoint: &&InFlight| checkpoint.change.is_some_and(|change| change.outcome == Outcome::Expired);
    let lost: Vec<_> = preview.in_flight.iter().filter(is_lost).map(loss).collect();
    if lost.is_empty() {
        return None;
    }
    let what = format!("{} loses {} at once", label(preview), lost.join(" and "));
    Some(match preview.checkpoint_timeout.effective {
        Some(timeout) => format!("with a timeout of {}, {what}", Exact(Duration::from_millis(timeout))),
        None => format!("with this change, {what}"),
    })
}

fn loss(checkpoint: &InFlight) -> String {
    format!(
        "{} ({} of {} acknowledged after {})",
        named(checkpoint),
        checkpoint.acknowledged,
        checkpoint.subtasks,
        Rough(Duration::from_millis(checkpoint.elapsed))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::{InFlightChange, Value};

    #[test]
    fn only_a_shorter_timeout_is_previewed() {
        let mut job = fixture::configuration();
        job.checkpoint_timeout = Value::of(Some(10_000), Some(60_000), Some(60_000));
        let set = |text: &str| ConfigurationPatch {
            timeout: Field::Set(text.parse().unwrap()),
            ..ConfigurationPatch::default()
        };
        assert!(could_expire(&job, &set("59s")));
        assert!(!could_expire(&job, &set("60s")));
        assert!(could_expire(&job, &ConfigurationPatch::clear_all()));
        let interval = ConfigurationPatch { interval: Field::Clear, ..ConfigurationPatch::default() };
        assert!(!could_expire(&job, &interval));
    }

    #[test]
    fn what_would_be_lost_is_named() {
        let mut preview = fixture::configuration();
        preview.checkpoint_timeout.effective = Some(5_000);
        let mut lost = fixture::in_flight(7);
        lost.change = Some(InFlightChange { previous_remaining: Some(988), outcome: Outcome::Expired });
        preview.in_flight = vec![lost];
        assert_eq!(
            what_would_expire(&preview).unwrap(),
            "with a timeout of 5s, job/job123 loses checkpoint 7 (19 of 20 acknowledged after 9.0s) at once"
        );
        preview.checkpoint_timeout.effective = None;
        preview.cluster = "prod".to_owned();
        let unknown = what_would_expire(&preview).unwrap();
        assert!(unknown.starts_with("with this change, job/prod/job123 loses checkpoint 7"), "{unknown}");
        preview.in_flight[0].change = None;
        assert_eq!(what_would_expire(&preview), None);
    }
}
