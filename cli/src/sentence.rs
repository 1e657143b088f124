//! The one line that tells of a change: old and new value, and what became of the checkpoints in flight.

use crate::resolve::label;
use ckpt_shared::api::{
    Configuration, ConfigurationPatch, Field, InFlight, InFlightChange, JobState, Outcome, Value,
};
use ckpt_shared::duration::{Exact, Rough};
use std::time::Duration;

/// A change, with the job before and after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// What was asked for.
    pub(crate) patch: &'a ConfigurationPatch,
    /// The job before.
    pub(crate) before: &'a Configuration,
    /// The server's answer.
    pub(crate) after: &'a Configuration,
    /// Whether nothing was really changed.
    pub(crate) dry_run: bool,
}

/// What was asked of one value, and what became of it.
struct Part {
    name: &'static str,
    asked: Field<u64>,
    before: Value,
    after: Value,
}

impl Change<'_> {
    /// Whether everything is as it was.
    pub(crate) fn is_none(&self) -> bool {
        let pulled_in = self.patch.pull_in && self.before.next_trigger != self.after.next_trigger;
        !pulled_in && self.parts().iter().all(Part::is_unchanged)
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        let mut parts = self.parts();
        if !self.is_none() {
            // What was not overridden is nothing to go back from.
            parts.retain(|part| part.asked != Field::Clear || !part.is_unchanged());
        }
        let said = |between| parts.iter().map(Part::sentence).collect::<Vec<_>>().join(between);
        let what = match self.is_none() {
            true => format!("unchanged: {}", said(" and ")),
            false => said(", "),
        };
        format!("{} {what} ({})", label(&self.after.name), self.aside())
    }

    /// What goes into the parentheses.
    fn aside(&self) -> String {
        let revision = format!("revision {}", self.after.revision);
        let mut said = match (self.is_none(), self.dry_run) {
            (true, true) => return format!("{revision}; dry run"),
            (true, false) if self.after.applied => return revision,
            (false, true) => "dry run, nothing changed".to_owned(),
            (_, false) => {
                let stored = if self.after.stored { "stored" } else { "not stored" };
                let applied = match self.after.applied {
                    true => "applied".to_owned(),
                    false => format!("not applied yet: the job is {}", self.after.state),
                };
                format!("{revision}, {stored}, {applied}")
            }
        };
        for effect in self.effects() {
            said.push_str("; ");
            said.push_str(&effect);
        }
        said
    }

    fn effects(&self) -> Vec<String> {
        let mut effects = Vec::new();
        if self.patch.timeout != Field::Keep {
            let in_flight = &self.after.in_flight;
            effects.extend(in_flight.iter().filter_map(|checkpoint| {
                checkpoint.change.map(|change| effect(checkpoint, change, self.dry_run))
            }));
            if in_flight.is_empty() && self.after.state == JobState::Running {
                effects.push("no checkpoint in flight".to_owned());
            }
        }
        if let (true, Some(next)) = (self.patch.pull_in, self.after.next_trigger) {
            let left = rough(next.saturating_sub(self.after.observed_at));
            effects.push(format!("next checkpoint in {left}"));
        }
        effects
    }

    fn parts(&self) -> Vec<Part> {
        let timeout = Part {
            name: "timeout",
            asked: millis(self.patch.timeout, |timeout| timeout.as_millis()),
            before: self.before.checkpoint_timeout,
            after: self.after.checkpoint_timeout,
        };
        let interval = Part {
            name: "interval",
            asked: millis(self.patch.interval, |interval| interval.as_millis()),
            before: self.before.checkpoint_interval,
            after: self.after.checkpoint_interval,
        };
        [timeout, interval].into_iter().filter(|part| part.asked != Field::Keep).collect()
    }
}

impl Part {
    fn is_unchanged(&self) -> bool {
        self.before.overridden == self.after.overridden
    }

    fn sentence(&self) -> String {
        let name = self.name;
        let old = exact(self.before.effective);
        let new = exact(self.after.effective);
        let same = self.before.effective == self.after.effective;
        match self.asked {
            Field::Set(asked) if self.after.effective != Some(asked) => {
                let asked = exact(Some(asked));
                match self.is_unchanged() {
                    true => format!("{name} is {asked} already, in force {new}"),
                    false => format!("{name} {old} → {asked}, in force {new}"),
                }
            }
            Field::Set(_) if self.is_unchanged() => format!("{name} is {new} already"),
            Field::Set(_) if same => format!("{name} stays {new}, now as an override"),
            Field::Keep | Field::Set(_) => format!("{name} {old} → {new}"),
            Field::Clear if self.is_unchanged() => format!("{name} is {new} as submitted already"),
            Field::Clear if same => format!("{name} stays {new}, now as submitted"),
            Field::Clear => format!("{name} {old} → {new} as submitted"),
        }
    }
}

/// `checkpoint 7`, or `savepoint 7`.
pub(crate) fn named(checkpoint: &InFlight) -> String {
    let kind = if checkpoint.savepoint { "savepoint" } else { "checkpoint" };
    format!("{kind} {}", checkpoint.id)
}

fn effect(checkpoint: &InFlight, change: InFlightChange, dry_run: bool) -> String {
    let name = named(checkpoint);
    let before = change.previous_remaining.map(rough);
    match change.outcome {
        Outcome::Extended | Outcome::Shortened => {
            let expires = match (checkpoint.remaining.map(rough), dry_run) {
                (Some(left), false) => format!("{name} now expires in {left}"),
                (Some(left), true) => format!("{name} would expire in {left}"),
                (None, false) => format!("{name} cannot expire any more"),
                (None, true) => format!("{name} could not expire any more"),
            };
            match (before, dry_run) {
                (Some(before), false) => format!("{expires}, was {before}"),
                (Some(before), true) => format!("{expires}, now in {before}"),
                (None, _) => expires,
            }
        }
        Outcome::Expired => {
            let verb = if dry_run { "would expire" } else { "expired" };
            format!(
                "{name} {verb} at once, {} of {} acknowledged",
                checkpoint.acknowledged, checkpoint.subtasks
            )
        }
        Outcome::Unchanged => match checkpoint.remaining.map(rough) {
            Some(left) => format!("{name} still expires in {left}"),
            None => format!("{name} cannot expire any more"),
        },
        Outcome::Completed => format!("{name} completed meanwhile"),
        Outcome::TooLate => format!("too late for {name}, which failed meanwhile"),
    }
}

fn millis<T>(field: Field<T>, millis: impl Fn(T) -> u64) -> Field<u64> {
    match field {
        Field::Keep => Field::Keep,
        Field::Clear => Field::Clear,
        Field::Set(value) => Field::Set(millis(value)),
    }
}

fn exact(millis: Option<u64>) -> String {
    millis.map_or("<none>".to_owned(), |millis| Exact(Duration::from_millis(millis)).to_string())
}

fn rough(millis: u64) -> String {
    Rough(Duration::from_millis(millis)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    fn set(timeout: Option<&str>, interval: Option<&str>) -> ConfigurationPatch {
        ConfigurationPatch {
            timeout: timeout.map_or(Field::Keep, |text| Field::Set(text.parse().unwrap())),
            interval: interval.map_or(Field::Keep, |text| Field::Set(text.parse().unwrap())),
            ..ConfigurationPatch::default()
        }
    }

    fn value(submitted: u64, overridden: Option<u64>) -> Value {
        Value { submitted: Some(submitted), overridden, effective: overridden.or(Some(submitted)) }
    }

    /// The timeout as it was and as it is now, of a job whose submitted one is 10 minutes.
    fn timeouts(before: Option<u64>, after: Option<u64>) -> (Configuration, Configuration) {
        let job = |overridden, revision| Configuration {
            revision,
            checkpoint_timeout: value(600_000, overridden),
            in_flight: vec![],
            ..fixture::configuration()
        };
        (job(before, 6), job(after, if before == after { 6 } else { 7 }))
    }

    fn checkpoint(id: u64, before: Option<u64>, left: Option<u64>, outcome: Outcome) -> InFlight {
        InFlight {
            change: Some(InFlightChange { previous_remaining: before, outcome }),
            remaining: left,
            ..fixture::in_flight(id)
        }
    }

    fn line(
        patch: &ConfigurationPatch,
        (before, after): &(Configuration, Configuration),
        dry_run: bool,
    ) -> String {
        Change { patch, before, after, dry_run }.line()
    }

    #[test]
    fn a_rescue_says_old_new_and_what_became_of_the_checkpoint() {
        let mut jobs = timeouts(None, Some(1_200_000));
        jobs.1.in_flight = vec![checkpoint(412, Some(63_000), Some(663_000), Outcome::Extended)];
        let patch = set(Some("20m"), None);
        assert_eq!(
            line(&patch, &jobs, false),
            "job/job123 timeout 10m → 20m (revision 7, stored, applied; checkpoint 412 now expires in 11m 3s, was 1m 3s)"
        );
        assert_eq!(
            line(&patch, &jobs, true),
            "job/job123 timeout 10m → 20m (dry run, nothing changed; checkpoint 412 would expire in 11m 3s, now in 1m 3s)"
        );
    }

    #[test]
    fn nothing_changed_is_said_as_such() {
        let jobs = timeouts(Some(1_200_000), Some(1_200_000));
        let patch = set(Some("20m"), None);
        assert_eq!(line(&patch, &jobs, false), "job/job123 unchanged: timeout is 20m already (revision 6)");
        let jobs = timeouts(None, None);
        assert_eq!(
            line(&ConfigurationPatch::clear_all(), &jobs, false),
            "job/job123 unchanged: timeout is 10m as submitted already and interval is 15s as submitted already (revision 6)"
        );
    }

    #[test]
    fn clearing_goes_back_to_what_was_submitted() {
        let patch = ConfigurationPatch { timeout: Field::Clear, ..ConfigurationPatch::default() };
        let jobs = timeouts(Some(1_200_000), None);
        assert_eq!(
            line(&patch, &jobs, false),
            "job/job123 timeout 20m → 10m as submitted (revision 7, stored, applied; no checkpoint in flight)"
        );
        let jobs = timeouts(Some(600_000), None);
        assert!(line(&patch, &jobs, false).contains("timeout stays 10m, now as submitted"));
        let jobs = timeouts(None, Some(600_000));
        assert!(
            line(&set(Some("10m"), None), &jobs, false).contains("timeout stays 10m, now as an override")
        );
    }

    #[test]
    fn both_values_and_several_checkpoints_share_the_line() {
        let mut jobs = timeouts(Some(1_200_000), Some(300_000));
        jobs.1.checkpoint_interval = value(15_000, Some(60_000));
        jobs.1.in_flight = vec![
            checkpoint(8, Some(700_000), None, Outcome::Expired),
            checkpoint(9, Some(900_000), Some(30_000), Outcome::Shortened),
            checkpoint(10, None, None, Outcome::Completed),
            checkpoint(11, None, None, Outcome::TooLate),
        ];
        assert_eq!(
            line(&set(Some("5m"), Some("1m")), &jobs, false),
            "job/job123 timeout 20m → 5m, interval 15s → 1m (revision 7, stored, applied; \
             checkpoint 8 expired at once, 19 of 20 acknowledged; checkpoint 9 now expires in 30s, was 15m; \
             checkpoint 10 completed meanwhile; too late for checkpoint 11, which failed meanwhile)"
        );
    }

    #[test]
    fn stored_is_not_applied() {
        let mut jobs = timeouts(None, Some(1_200_000));
        jobs.1.state = JobState::Restarting;
        jobs.1.applied = false;
        assert_eq!(
            line(&set(Some("20m"), None), &jobs, false),
            "job/job123 timeout 10m → 20m (revision 7, stored, not applied yet: the job is RESTARTING)"
        );
    }

    #[test]
    fn an_interval_that_is_clamped_shows_both_values_and_the_pulled_trigger() {
        let mut jobs = timeouts(None, None);
        jobs.1.revision = 7;
        jobs.1.checkpoint_interval =
            Value { submitted: Some(15_000), overridden: Some(1_000), effective: Some(5_000) };
        jobs.1.next_trigger = Some(jobs.1.observed_at + 5_000);
        let patch = ConfigurationPatch { pull_in: true, ..set(None, Some("1s")) };
        assert_eq!(
            line(&patch, &jobs, false),
            "job/job123 interval 15s → 1s, in force 5s (revision 7, stored, applied; next checkpoint in 5.0s)"
        );
    }
}
