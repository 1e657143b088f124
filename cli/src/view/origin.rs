//! Origin of an override, its end, and the value that follows.

use super::text::{age, at, clean, due, exact, exact_or_none, rough};
use ckpt_api::{Origin, Value};

/// Age of an override that was just set, relative to the answer, in milliseconds.
const MAX_NEW_AGE: u64 = 5_000;

/// Sentence about an override: since when and by whom, until when and what follows, and why.
pub(crate) fn sentence(name: &str, value: &Value, now: u64) -> Option<String> {
    let origin = value.origin.as_ref()?;
    let by = origin.by.as_deref().map(|by| format!(" by {}", clean(by)));
    let end = origin.until.map(|until| {
        let when = format!("{} UTC ({})", at(until, now), due(Some(until), now));
        format!(", until {when}, then {} again", afterwards(origin))
    });
    let why = origin.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
    Some(format!(
        "{name} set {} UTC{}{}{}",
        at(origin.since, now),
        by.unwrap_or_default(),
        end.unwrap_or_default(),
        why.unwrap_or_default()
    ))
}

/// `timeout 10s → 20m by ada@host, since 14:13 (27m), ends in 59m, then 10s: S3 is slow`
pub(crate) fn change(name: &str, value: &Value, now: u64) -> String {
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
            let then = origin.afterwards.map(|then| format!(", then {}", exact(then)));
            format!("ends in {} at {} UTC{}", rough(until - now), at(until, now), then.unwrap_or_default())
        }
    };
    let reason = origin.reason.as_deref().map_or("no reason given".to_owned(), clean);
    format!("{change} by {by}, {since}, {until}: {reason}")
}

/// End of a change that ends by itself: `ends by itself at 07:12:00 UTC (in 4h), then 10m again`.
pub(crate) fn ending(values: &[(&str, &Origin)], observed_at: u64) -> Option<String> {
    let until = values.iter().filter_map(|(_, origin)| origin.until).min()?;
    let ending: Vec<_> = values.iter().filter(|(_, origin)| origin.until == Some(until)).collect();
    let (_, first) = ending.first()?;
    // What was set just now for 4h ends in 4h.
    let is_new = observed_at.saturating_sub(first.since) < MAX_NEW_AGE;
    let now = if is_new { first.since } else { observed_at };
    let then: Vec<_> = ending.iter().map(|(name, origin)| (name, afterwards(origin))).collect();
    let then = match (then.as_slice(), values) {
        ([(_, then)], [_]) => then.clone(),
        (several, _) => {
            several.iter().map(|(name, then)| format!("{name} {then}")).collect::<Vec<_>>().join(" and ")
        }
    };
    Some(format!("ends by itself at {} UTC ({}), then {then} again", at(until, now), due(Some(until), now)))
}

fn afterwards(origin: &Origin) -> String {
    origin.afterwards.map_or("what was before".to_owned(), exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;

    const NOW: u64 = 1_790_000_000_000;

    fn origin(until: Option<u64>) -> Origin {
        Origin {
            by: Some("ada@laptop".to_owned()),
            reason: Some("S3 is slow".to_owned()),
            since: NOW - 60_000,
            until,
            afterwards: until.map(|_| 10_000),
        }
    }

    #[test]
    fn sentence_tells_who_why_when() {
        let mut job = fixture::configuration();
        job.checkpoint_timeout.origin = Some(origin(Some(NOW + 14_340_000)));
        assert_eq!(
            sentence("timeout", &job.checkpoint_timeout, NOW).unwrap(),
            "timeout set 14:12:20 UTC by ada@laptop, until 18:12:20 UTC (in 3h 59m), then 10s again: S3 is slow"
        );
        job.checkpoint_timeout.origin = Some(Origin { by: None, reason: None, ..origin(None) });
        let bare = sentence("timeout", &job.checkpoint_timeout, NOW);
        assert_eq!(bare.unwrap(), "timeout set 14:12:20 UTC");
    }

    #[test]
    fn ending_tells_when_and_next_value() {
        let timeout = Origin { since: NOW - 20, ..origin(Some(NOW - 20 + 14_400_000)) };
        assert_eq!(
            ending(&[("timeout", &timeout)], NOW).unwrap(),
            "ends by itself at 18:13:19 UTC (in 4h), then 10s again"
        );
        let interval = Origin { afterwards: Some(60_000), ..timeout.clone() };
        assert_eq!(
            ending(&[("timeout", &timeout), ("interval", &interval)], NOW).unwrap(),
            "ends by itself at 18:13:19 UTC (in 4h), then timeout 10s and interval 1m again"
        );
        assert_eq!(ending(&[("timeout", &origin(None))], NOW), None);
    }
}
