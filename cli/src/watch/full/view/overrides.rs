//! Every active override: who, why, since when, until when, and whether it holds.

use super::row::{Ink, Row, heading, sentence};
use crate::console::clean;
use crate::render::standing::{details, word};
use crate::render::text::{age, at, exact_or_none, rough};
use crate::standing::{state, trouble};
use ckpt_api::{Configuration, OverrideState, Value};

/// All of it; nothing when nothing is overridden.
pub(super) fn lines(job: &Configuration, now: u64, width: usize) -> Vec<Row> {
    let values = [("timeout", &job.checkpoint_timeout), ("interval", &job.checkpoint_interval)];
    let overridden: Vec<_> = values.iter().filter(|(_, value)| value.overridden.is_some()).collect();
    let state = state(job);
    if overridden.is_empty() && trouble(job).is_none() {
        return Vec::new();
    }
    let title = match state {
        Some(OverrideState::Applied) if job.stale.is_some() => "overrides: held when last seen".to_owned(),
        Some(OverrideState::Applied) | None => "overrides: in force".to_owned(),
        Some(state) => format!("overrides: NOT IN FORCE, {}", word(state)),
    };
    let mut lines = vec![heading(&title, width)];
    if let (Some(_), Some(details)) = (trouble(job), details(job, now)) {
        lines.extend(sentence(&details, Ink::Alarm, width));
    }
    for (name, value) in overridden {
        lines.extend(sentence(&one(name, value, now), Ink::Plain, width));
    }
    lines
}

/// `timeout 10s → 20m by ada@host, since 14:13 (27m), ends in 59m, then 10s: S3 is slow`
fn one(name: &str, value: &Value, now: u64) -> String {
    let change = format!("{name} {} → {}", exact_or_none(value.submitted), exact_or_none(value.overridden));
    let Some(origin) = &value.origin else {
        return format!("{change}, by whom, why and until when is not known");
    };
    let by = origin.by.as_deref().map_or("somebody".to_owned(), clean);
    let since = format!("since {} UTC ({})", at(origin.since, now), age(origin.since, now));
    let until = match origin.until {
        None => "until it is reset".to_owned(),
        Some(until) if until <= now => "ending now".to_owned(),
        Some(until) => {
            let then = origin.afterwards.map(|then| format!(", then {}", exact_or_none(Some(then))));
            format!("ends in {} at {} UTC{}", rough(until - now), at(until, now), then.unwrap_or_default())
        }
    };
    let reason = origin.reason.as_deref().map_or("no reason given".to_owned(), clean);
    format!("{change} by {by}, {since}, {until}: {reason}")
}

/// The value in force with marks: `20m*59m` is overridden and ends in 59m, `10s!` has an override that does not hold.
pub(super) fn marked(value: &Value, job: &Configuration, now: u64) -> (String, Ink) {
    let shown = value.effective.map_or("?".to_owned(), |_| compact(value.effective));
    if value.overridden.is_none() {
        return (shown, Ink::Plain);
    }
    if trouble(job).is_some() {
        return (format!("{shown}!"), Ink::Alarm);
    }
    let until = value.origin.as_ref().and_then(|origin| origin.until);
    let ends = until.map(|until| coarse(until.saturating_sub(now)));
    (format!("{shown}*{}", ends.unwrap_or_default()), Ink::Notice)
}

/// Without the spaces.
pub(super) fn compact(millis: Option<u64>) -> String {
    exact_or_none(millis).replace(' ', "")
}

/// In one unit, rounded down.
fn coarse(millis: u64) -> String {
    match millis / 1_000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
