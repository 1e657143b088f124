//! Checkpoint interval or timeout of a job, with its override.

use super::line::{Span, Tone, Verbosity};
use super::override_status::{tone, trouble, word};
use super::text::{exact, exact_or_none};
use ckpt_api::{Configuration, OverrideState, Value};

/// A value of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueView<'a> {
    pub(crate) name: &'static str,
    pub(crate) value: &'a Value,
    /// State of the job's override, if it does not hold.
    trouble: Option<OverrideState>,
    /// Whether it is this value that tells of that in a table.
    tells_trouble: bool,
}

impl<'a> ValueView<'a> {
    /// The job's interval, which tells of trouble if only the interval is overridden or it differs.
    pub(crate) fn interval(job: &'a Configuration) -> Self {
        let Configuration { checkpoint_interval: interval, checkpoint_timeout: timeout, .. } = job;
        let tells_trouble =
            interval.overridden.is_some() && (differs(interval) || timeout.overridden.is_none());
        Self { name: "interval", value: interval, trouble: trouble(job), tells_trouble }
    }

    /// The job's timeout, which tells of trouble unless the interval does.
    pub(crate) fn timeout(job: &'a Configuration) -> Self {
        let Configuration { checkpoint_interval: interval, checkpoint_timeout: timeout, .. } = job;
        let tells_trouble = match timeout.overridden {
            Some(_) => differs(timeout) || !differs(interval),
            None => interval.overridden.is_none(),
        };
        Self { name: "timeout", value: timeout, trouble: trouble(job), tells_trouble }
    }

    /// Value in force. An override that holds shows the submitted value too; one that does not shows itself and its
    /// state, unless the table has a column for that.
    pub(crate) fn cell(&self, verbosity: Verbosity, has_state_column: bool) -> Span {
        let value = self.value;
        let effective = exact_or_none(value.effective);
        let wanted = value.overridden.filter(|_| differs(value)).map(exact);
        let text = match (self.trouble.filter(|_| self.tells_trouble), wanted, verbosity) {
            (Some(_), Some(wanted), _) if has_state_column => format!("{effective} (not {wanted})"),
            (Some(OverrideState::NotApplied | OverrideState::Conflict), Some(wanted), Verbosity::Least) => {
                format!("{effective} not {wanted}")
            }
            (Some(state), Some(wanted), Verbosity::Least) => format!("{effective} {wanted} {}", word(state)),
            (Some(state), Some(wanted), _) => format!("{effective} ({wanted} {})", word(state)),
            (Some(state), None, Verbosity::Least) if !has_state_column => {
                format!("{effective} {}", word(state))
            }
            (Some(state), None, _) if !has_state_column => format!("{effective} ({})", word(state)),
            _ => return self.in_force(effective, verbosity),
        };
        Span::new(text, self.trouble.map_or(Tone::Plain, tone))
    }

    fn in_force(&self, effective: String, verbosity: Verbosity) -> Span {
        let was = if verbosity == Verbosity::Least { "" } else { "was " };
        match (self.value.effective.and(self.value.overridden), self.value.submitted) {
            (None, _) => Span::new(effective, Tone::Plain),
            (Some(_), None) => Span::new(format!("{effective} (override)"), Tone::Notice),
            (Some(_), Some(submitted)) => {
                Span::new(format!("{effective} ({was}{})", exact(submitted)), Tone::Notice)
            }
        }
    }

    /// Value in force with marks: `20m*59m` is overridden and ends in 59m, `10s!` has an override that does not hold.
    pub(crate) fn marked(&self, now: u64) -> Span {
        let value = self.value;
        let shown = value.effective.map_or("?".to_owned(), |millis| exact(millis).replace(' ', ""));
        if value.overridden.is_none() {
            return Span::new(shown, Tone::Plain);
        }
        if self.trouble.is_some() {
            return Span::new(format!("{shown}!"), Tone::Bad);
        }
        let until = value.origin.as_ref().and_then(|origin| origin.until);
        let ends = until.map(|until| coarse(until.saturating_sub(now)));
        Span::new(format!("{shown}*{}", ends.unwrap_or_default()), Tone::Notice)
    }

    /// `timeout 20m (submitted 10s)`
    pub(crate) fn sentence(&self) -> String {
        let Self { name, value, .. } = self;
        let effective = exact_or_none(value.effective);
        match (value.overridden, value.submitted) {
            (Some(_), Some(submitted)) if value.effective != value.submitted => {
                format!("{name} {effective} (submitted {})", exact(submitted))
            }
            _ => format!("{name} {effective}"),
        }
    }

    /// Name, submitted value, override and value in force.
    pub(crate) fn row(&self) -> [Span; 4] {
        let value = self.value;
        let tone = if value.overridden.is_some() { Tone::Notice } else { Tone::Plain };
        let shown = |millis, tone| Span::new(exact_or_none(millis), tone);
        [
            Span::new(self.name, Tone::Plain),
            shown(value.submitted, Tone::Plain),
            shown(value.overridden, tone),
            shown(value.effective, tone),
        ]
    }
}

/// Whether something else is in force than the override.
fn differs(value: &Value) -> bool {
    value.overridden.is_some() && value.overridden != value.effective
}

/// Duration in one unit, rounded down.
fn coarse(millis: u64) -> String {
    match millis / 1_000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
