//! The line that tells of an override that was taken over from an earlier job.

use super::Change;
use crate::view::name::label;
use ckpt_api::{Configuration, ConfigurationPatch, Field, Value};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use ckpt_types::ids::JobId;

/// An adoption, with the job before and after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adoption<'a> {
    /// The earlier job, if it was named.
    pub(crate) from: Option<JobId>,
    /// The job before.
    pub(crate) before: &'a Configuration,
    /// The server's answer.
    pub(crate) after: &'a Configuration,
    /// Whether nothing was really changed.
    pub(crate) dry_run: bool,
}

impl Adoption<'_> {
    /// The line: a change to what the override turned out to be.
    pub(crate) fn line(&self) -> String {
        let Self { before, after, dry_run, .. } = *self;
        let patch = self.patch();
        let verb = if dry_run { "would adopt" } else { "adopted" };
        let whose = match self.from {
            Some(id) => id.to_string(),
            None => "the earlier job of this name".to_owned(),
        };
        let told = Change { patch: &patch, before, after, dry_run }.told();
        format!("{} {verb} the override of {whose}: {told}", label(after))
    }

    /// What would have had to be asked for to change the same.
    fn patch(&self) -> ConfigurationPatch {
        let new = |before: &Value, after: &Value| {
            after.overridden.filter(|_| before.overridden != after.overridden)
        };
        let interval = new(&self.before.checkpoint_interval, &self.after.checkpoint_interval);
        let timeout = new(&self.before.checkpoint_timeout, &self.after.checkpoint_timeout);
        let interval = interval.and_then(|millis| CheckpointInterval::from_millis(millis).ok());
        let timeout = timeout.and_then(|millis| CheckpointTimeout::from_millis(millis).ok());
        ConfigurationPatch {
            interval: interval.map_or(Field::Keep, Field::Set),
            timeout: timeout.map_or(Field::Keep, Field::Set),
            ..ConfigurationPatch::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::{InFlight, InFlightChange, Outcome, OverrideState, Via};

    #[test]
    fn adoption_tells_source_and_change() {
        let elsewhere =
            |job: Configuration| Configuration { cluster: "prod".to_owned(), via: Some(Via::Attach), ..job };
        let before = elsewhere(fixture::standing(OverrideState::Orphaned, Some("left behind")));
        let mut after = elsewhere(Configuration { revision: 4, ..fixture::configuration() });
        let change = InFlightChange { previous_remaining: Some(1_100), outcome: Outcome::Extended };
        after.in_flight = vec![InFlight { change: Some(change), ..fixture::in_flight(7) }];
        let mut adoption = Adoption { from: None, before: &before, after: &after, dry_run: false };
        assert_eq!(
            adoption.line(),
            "job/prod/job123 adopted the override of the earlier job of this name: timeout 10s → 20m \
             (revision 4, stored, applied via attach; checkpoint 7 now expires in 19m 50s, was 1.1s)"
        );
        (adoption.from, adoption.dry_run) = (Some(JobId::from_bits(0xabc)), true);
        assert_eq!(
            adoption.line(),
            "job/prod/job123 would adopt the override of 00000000000000000000000000000abc: timeout 10s → 20m \
             (dry run, nothing changed; it would be applied via attach; checkpoint 7 would expire in 19m 50s, \
             now in 1.1s)"
        );
    }

    #[test]
    fn waiting_adoption_tells_why() {
        let before = fixture::standing(OverrideState::Orphaned, None);
        let mut after = fixture::standing(OverrideState::Waiting, Some("the job is RESTARTING"));
        after.checkpoint_interval = Value::of(Some(15_000), Some(60_000), Some(60_000));
        let line = Adoption { from: None, before: &before, after: &after, dry_run: false }.line();
        assert!(
            line.ends_with(
                "timeout 10s → 20m, interval 15s → 1m (revision 3, stored, not applied yet: the job is RESTARTING)"
            ),
            "{line}"
        );
    }
}
