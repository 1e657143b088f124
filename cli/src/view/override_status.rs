//! State of a job's override, in words.

use super::line::{Span, Tone};
use super::name::label;
use super::text::{NONE, age, clean, due};
use ckpt_api::{Configuration, OverrideState};

/// State of a job's override; `None` if there is none.
///
/// An older ckptd only tells whether the stored override was applied.
pub(crate) fn state(job: &Configuration) -> Option<OverrideState> {
    match &job.override_status {
        Some(status) => Some(status.state),
        None if job.revision > 0 && !job.applied && !job.state.has_ended() => Some(OverrideState::Waiting),
        None => has_override(job).then_some(OverrideState::Applied),
    }
}

/// State of a job's override, if it is anything but applied.
pub(crate) fn trouble(job: &Configuration) -> Option<OverrideState> {
    state(job).filter(|state| *state != OverrideState::Applied)
}

fn has_override(job: &Configuration) -> bool {
    job.checkpoint_interval.overridden.is_some() || job.checkpoint_timeout.overridden.is_some()
}

/// Word for a state, for tables.
pub(crate) fn word(state: OverrideState) -> &'static str {
    match state {
        OverrideState::Applied => "applied",
        OverrideState::Waiting => "waiting",
        OverrideState::NotApplied => "not applied",
        OverrideState::Conflict => "conflict",
        OverrideState::Orphaned => "orphaned",
    }
}

/// Tone of a state: a notice if it may recover by itself.
pub(crate) fn tone(state: OverrideState) -> Tone {
    match state {
        OverrideState::Applied => Tone::Plain,
        OverrideState::Waiting => Tone::Notice,
        OverrideState::NotApplied | OverrideState::Conflict | OverrideState::Orphaned => Tone::Bad,
    }
}

/// State with its tone, and since when it does not hold: `not applied 41s`.
pub(crate) fn short(job: &Configuration, now: u64) -> Span {
    let since = job.override_status.as_ref().and_then(|status| status.since);
    let Some(state) = state(job) else { return Span::new(NONE, Tone::Plain) };
    let text = match since {
        Some(since) if state != OverrideState::Applied => format!("{} {}", word(state), age(since, now)),
        _ => word(state).to_owned(),
    };
    Span::new(text, tone(state))
}

/// Predicate after "stored" in a sentence about a job.
pub(crate) fn predicate(job: &Configuration) -> &'static str {
    match (&job.override_status, state(job)) {
        (_, Some(OverrideState::Conflict)) => "in conflict",
        (Some(_), Some(state)) => word(state),
        (None, _) if job.applied => "applied",
        // An older ckptd does not say why.
        (_, _) => "not applied yet",
    }
}

/// Since when an override does not hold, the next try, and why: `since 2m, next try in 14s: …`; `None` if it
/// holds or nothing more is known.
pub(crate) fn details(job: &Configuration, now: u64) -> Option<String> {
    trouble(job)?;
    let status = job.override_status.as_ref()?;
    let since = status.since.map(|since| format!("since {}", age(since, now)));
    let next = next_try(job, now).map(|next| format!("next try {next}"));
    let when = since.into_iter().chain(next).collect::<Vec<_>>().join(", ");
    match (when.as_str(), status.why.as_deref().map(clean)) {
        ("", None) => None,
        ("", Some(why)) => Some(why),
        (_, None) => Some(when),
        (_, Some(why)) => Some(format!("{when}: {why}")),
    }
}

/// Time of the next try to apply an override: `in 14s`, or `now`.
pub(crate) fn next_try(job: &Configuration, now: u64) -> Option<String> {
    let next = job.override_status.as_ref()?.next_try?;
    Some(due(Some(next), now))
}

/// Sentence about an override that does not hold.
pub(crate) fn sentence(job: &Configuration, now: u64) -> Option<String> {
    trouble(job)?;
    let details = details(job, now);
    let gap = match &details {
        Some(details) if details.starts_with("since ") => " ",
        Some(_) => ": ",
        None => "",
    };
    Some(format!("{}: override {}{gap}{}", label(job), predicate(job), details.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use OverrideState::{Applied, Conflict, NotApplied, Waiting};

    const NOW: u64 = 1_790_000_040_900;

    #[test]
    fn sentence_tells_since_next_try_reason() {
        assert_eq!(sentence(&fixture::standing(Applied, None), NOW), None);
        let mut job = fixture::standing(NotApplied, Some("it is\u{1b} not allowed"));
        job.cluster = "prod".to_owned();
        assert_eq!(
            sentence(&job, NOW).unwrap(),
            "job/prod/job123: override not applied since 41s, next try in 14s: it is\\u{1b} not allowed"
        );
        assert_eq!(short(&job, NOW).text, "not applied 41s");
        let mut job = fixture::standing(Conflict, Some("somebody else changed it"));
        assert_eq!(
            sentence(&job, NOW).unwrap(),
            "job/job123: override in conflict since 41s: somebody else changed it"
        );
        let status = job.override_status.as_mut().unwrap();
        status.since = None;
        assert_eq!(
            sentence(&job, NOW).unwrap(),
            "job/job123: override in conflict: somebody else changed it"
        );
        job.override_status.as_mut().unwrap().why = None;
        assert_eq!(sentence(&job, NOW).unwrap(), "job/job123: override in conflict");
        assert_eq!(short(&job, NOW).text, "conflict");
    }

    #[test]
    fn older_ckptd_tells_no_reason() {
        let mut job = fixture::standing(Waiting, None);
        (job.override_status, job.applied) = (None, false);
        assert_eq!(sentence(&job, NOW).unwrap(), "job/job123: override not applied yet");
        assert_eq!((short(&job, NOW).text.as_str(), details(&job, NOW)), ("waiting", None));
    }
}
