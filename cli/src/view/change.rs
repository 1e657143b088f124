//! The one line that tells of a change: old and new value, and what became of the checkpoints in flight.

mod adoption;
mod outcome;
mod unapplied;
mod value;

use super::name::{is_hosted, label};
use super::origin::ending;
use super::text::rough;
use ckpt_api::{Configuration, ConfigurationPatch, Field, JobState, Via};
use unapplied::not_applied;
use value::{ValueChange, millis};

pub(crate) use adoption::Adoption;

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

impl Change<'_> {
    /// Whether everything is as it was.
    pub(crate) fn is_none(&self) -> bool {
        let pulled_in = self.patch.pull_in && self.before.next_trigger != self.after.next_trigger;
        !pulled_in && self.parts().iter().all(ValueChange::is_unchanged)
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        if self.forgets() {
            let verb = if self.dry_run { "would be forgotten" } else { "was forgotten" };
            let why = "its cluster does not list the job any more";
            return format!(
                "{} the override of revision {} {verb}: {why}",
                label(self.after),
                self.before.revision
            );
        }
        format!("{} {}", label(self.after), self.told())
    }

    /// What was changed, and what became of it.
    fn told(&self) -> String {
        let mut parts = self.parts();
        if !self.is_none() {
            // What was not overridden is nothing to go back from.
            parts.retain(|part| part.asked != Field::Clear || !part.is_unchanged());
        }
        let said = |between| parts.iter().map(ValueChange::sentence).collect::<Vec<_>>().join(between);
        let what = match self.is_none() {
            true => format!("unchanged: {}", said(" and ")),
            false => said(", "),
        };
        format!("{what} ({})", self.aside())
    }

    /// A job that its cluster does not list any more has nothing to go back to: its override ends.
    fn forgets(&self) -> bool {
        let is_reset = self.patch.timeout == Field::Clear && self.patch.interval == Field::Clear;
        let unseen = self.after.stale.is_some() && self.after.checkpoint_timeout.effective.is_none();
        is_reset && unseen && self.before.revision > 0 && (self.after.revision == 0 || self.dry_run)
    }

    /// What goes into the parentheses.
    fn aside(&self) -> String {
        let revision = format!("revision {}", self.after.revision);
        let mut said = match (self.is_none(), self.dry_run) {
            (true, true) => return format!("{revision}; dry run"),
            (true, false) if self.after.applied => return revision,
            (false, true) => match self.way() {
                Some(via) => format!("dry run, nothing changed; it would be applied via {via}"),
                None => "dry run, nothing changed".to_owned(),
            },
            (_, false) => {
                let stored = if self.after.stored { "stored" } else { "not stored" };
                let applied = match self.after.applied {
                    true => self.way().map_or("applied".to_owned(), |via| format!("applied via {via}")),
                    false => not_applied(self.after),
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

    /// How the change reaches a job that ckptd does not host itself.
    fn way(&self) -> Option<Via> {
        self.after.via.filter(|via| matches!(via, Via::Native | Via::Attach) && !is_hosted(self.after))
    }

    fn effects(&self) -> Vec<String> {
        let mut effects = Vec::new();
        if self.patch.timeout != Field::Keep {
            let in_flight = &self.after.in_flight;
            effects.extend(in_flight.iter().filter_map(|checkpoint| {
                checkpoint.change.map(|change| outcome::sentence(checkpoint, change, self.dry_run))
            }));
            if in_flight.is_empty() && self.after.state == JobState::Running && self.after.stale.is_none() {
                effects.push("no checkpoint in flight".to_owned());
            }
        }
        effects.extend(self.ending());
        if let (true, Some(next)) = (self.patch.pull_in, self.after.next_trigger) {
            let left = rough(next.saturating_sub(self.after.observed_at));
            effects.push(format!("next checkpoint in {left}"));
        }
        effects
    }

    /// When what was set ends by itself, and what comes then.
    fn ending(&self) -> Option<String> {
        let parts = self.parts();
        let set = parts.iter().filter(|part| matches!(part.asked, Field::Set(_)));
        let origins = set.filter_map(|part| Some((part.name, part.after.origin.as_ref()?)));
        ending(&origins.collect::<Vec<_>>(), self.after.observed_at)
    }

    fn parts(&self) -> Vec<ValueChange<'_>> {
        let timeout = ValueChange {
            name: "timeout",
            asked: millis(self.patch.timeout, |timeout| timeout.as_millis()),
            before: &self.before.checkpoint_timeout,
            after: &self.after.checkpoint_timeout,
        };
        let interval = ValueChange {
            name: "interval",
            asked: millis(self.patch.interval, |interval| interval.as_millis()),
            before: &self.before.checkpoint_interval,
            after: &self.after.checkpoint_interval,
        };
        [timeout, interval].into_iter().filter(|part| part.asked != Field::Keep).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::{InFlight, InFlightChange, Origin, Outcome, Value};

    fn set(timeout: Option<&str>, interval: Option<&str>) -> ConfigurationPatch {
        ConfigurationPatch {
            timeout: timeout.map_or(Field::Keep, |text| Field::Set(text.parse().unwrap())),
            interval: interval.map_or(Field::Keep, |text| Field::Set(text.parse().unwrap())),
            ..ConfigurationPatch::default()
        }
    }

    fn value(submitted: u64, overridden: Option<u64>) -> Value {
        Value::of(Some(submitted), overridden, overridden.or(Some(submitted)))
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
    fn rescue_tells_values_and_checkpoint() {
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
    fn temporary_change_tells_its_end() {
        let mut jobs = timeouts(None, Some(1_200_000));
        let since = jobs.1.observed_at - 12;
        jobs.1.checkpoint_timeout.origin = Some(Origin {
            by: None,
            reason: None,
            since,
            until: Some(since + 14_400_000),
            afterwards: Some(600_000),
        });
        let patch = set(Some("20m"), None);
        assert_eq!(
            line(&patch, &jobs, false),
            "job/job123 timeout 10m → 20m (revision 7, stored, applied; no checkpoint in flight; ends by itself at \
             18:13:19 UTC (in 4h), then 10m again)"
        );
    }

    #[test]
    fn unchanged_values_are_told() {
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
    fn clear_restores_submitted_values() {
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
    fn line_tells_values_and_checkpoints() {
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
    fn line_tells_via() {
        let mut jobs = timeouts(None, Some(1_200_000));
        (jobs.1.cluster, jobs.1.via) = ("prod".to_owned(), Some(Via::Attach));
        jobs.1.in_flight = vec![checkpoint(412, Some(63_000), Some(663_000), Outcome::Extended)];
        let patch = set(Some("20m"), None);
        assert_eq!(
            line(&patch, &jobs, false),
            "job/prod/job123 timeout 10m → 20m (revision 7, stored, applied via attach; checkpoint 412 now expires in 11m 3s, was 1m 3s)"
        );
        assert_eq!(
            line(&patch, &jobs, true),
            "job/prod/job123 timeout 10m → 20m (dry run, nothing changed; it would be applied via attach; checkpoint 412 would expire in 11m 3s, now in 1m 3s)"
        );
        jobs.1.in_flight.clear();
        jobs.1.applied = false;
        let said = |jobs: &_| line(&patch, jobs, false).split_once(" (").unwrap().1.to_owned();
        assert_eq!(said(&jobs), "revision 7, stored, not applied yet; no checkpoint in flight)");
        jobs.1.stale = Some("http://prod:8081 does not answer".to_owned());
        assert_eq!(said(&jobs), "revision 7, stored, not applied yet: http://prod:8081 does not answer)");
    }

    #[test]
    fn unknown_values_are_none() {
        let mut jobs = timeouts(None, None);
        jobs.1.revision = 7;
        jobs.0.checkpoint_timeout = Value::of(None, None, None);
        jobs.1.checkpoint_timeout = Value::of(None, Some(1_200_000), None);
        let said = line(&set(Some("20m"), None), &jobs, false);
        assert!(said.contains("timeout <none> → 20m, in force <none> (revision 7"), "{said}");
    }

    #[test]
    fn clamped_interval_shows_both_values() {
        let mut jobs = timeouts(None, None);
        jobs.1.revision = 7;
        jobs.1.checkpoint_interval = Value::of(Some(15_000), Some(1_000), Some(5_000));
        jobs.1.next_trigger = Some(jobs.1.observed_at + 5_000);
        let patch = ConfigurationPatch { pull_in: true, ..set(None, Some("1s")) };
        assert_eq!(
            line(&patch, &jobs, false),
            "job/job123 interval 15s → 1s, in force 5s (revision 7, stored, applied; next checkpoint in 5.0s)"
        );
    }
}
