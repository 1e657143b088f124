//! Where an override comes from, how long it lasts, and what comes then.

use super::text::{at, due, exact};
use crate::console::clean;
use ckpt_api::{Configuration, Origin};

/// How much older than an answer what was just set may be, in milliseconds.
const JUST_SET: u64 = 5_000;

/// A sentence for each value that is overridden: since when and by whom, until when and what comes then, and why.
pub(super) fn sentences(job: &Configuration, now: u64) -> Vec<String> {
    let values = [("interval", &job.checkpoint_interval), ("timeout", &job.checkpoint_timeout)];
    let sentence = |(name, value): (&str, &ckpt_api::Value)| {
        let origin = value.origin.as_ref()?;
        let by = origin.by.as_deref().map(|by| format!(" by {}", clean(by)));
        let end = ends(origin, now).map(|(when, then)| format!(", until {when}, then {then}"));
        let why = origin.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
        Some(format!(
            "{name} set {} UTC{}{}{}",
            at(origin.since, now),
            by.unwrap_or_default(),
            end.unwrap_or_default(),
            why.unwrap_or_default()
        ))
    };
    values.into_iter().filter_map(sentence).collect()
}

/// What a change led to, if that ends by itself: `ends by itself at 07:12:00 UTC (in 4h), then 10m again`.
pub(crate) fn ending(values: &[(&str, &Origin)], observed_at: u64) -> Option<String> {
    let until = values.iter().filter_map(|(_, origin)| origin.until).min()?;
    let ending: Vec<_> = values.iter().filter(|(_, origin)| origin.until == Some(until)).collect();
    let (_, first) = ending.first()?;
    // What was set just now for 4h ends in 4h.
    let is_new = observed_at.saturating_sub(first.since) < JUST_SET;
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

fn ends(origin: &Origin, now: u64) -> Option<(String, String)> {
    let until = origin.until?;
    let when = format!("{} UTC ({})", at(until, now), due(Some(until), now));
    Some((when, format!("{} again", afterwards(origin))))
}

fn afterwards(origin: &Origin) -> String {
    origin.afterwards.map_or("what was before".to_owned(), exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

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
    fn who_why_since_when_and_until_when_are_in_one_sentence() {
        let mut job = fixture::configuration();
        job.checkpoint_timeout.origin = Some(origin(Some(NOW + 14_340_000)));
        assert_eq!(
            sentences(&job, NOW),
            [
                "timeout set 14:12:20 UTC by ada@laptop, until 18:12:20 UTC (in 3h 59m), then 10s again: S3 is slow"
            ]
        );
        job.checkpoint_timeout.origin = Some(Origin { by: None, reason: None, ..origin(None) });
        assert_eq!(sentences(&job, NOW), ["timeout set 14:12:20 UTC"]);
    }

    #[test]
    fn what_ends_by_itself_says_when_and_what_comes_then() {
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
