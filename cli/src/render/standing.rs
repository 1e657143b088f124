//! How an override stands, in words, and where reconcile is paused.

use super::text::{age, due};
use super::{NONE, Paint, Style};
use crate::console::clean;
use crate::name::{label, quoted};
use crate::standing::{state, trouble};
use ckpt_api::{Configuration, OverrideState, Pause};

/// One word for it, for tables.
pub(crate) fn word(state: OverrideState) -> &'static str {
    match state {
        OverrideState::Applied => "applied",
        OverrideState::Waiting => "waiting",
        OverrideState::NotApplied => "not applied",
        OverrideState::Conflict => "conflict",
        OverrideState::Orphaned => "orphaned",
    }
}

/// What may mend itself is a notice, all else an alarm.
pub(super) fn paint(state: OverrideState) -> Paint {
    match state {
        OverrideState::Applied => Paint::Plain,
        OverrideState::Waiting => Paint::Notice,
        OverrideState::NotApplied | OverrideState::Conflict | OverrideState::Orphaned => Paint::Alarm,
    }
}

/// The word with for how long it has been so, if it is not as it should be.
pub(super) fn short(job: &Configuration, now: u64) -> String {
    let since = job.override_status.as_ref().and_then(|status| status.since);
    match (state(job), since) {
        (None, _) => NONE.to_owned(),
        (Some(state), Some(since)) if state != OverrideState::Applied => {
            format!("{} {}", word(state), age(since, now))
        }
        (Some(state), _) => word(state).to_owned(),
    }
}

/// What follows "stored" in a sentence about a job.
pub(super) fn predicate(job: &Configuration) -> &'static str {
    match (&job.override_status, state(job)) {
        (_, Some(OverrideState::Conflict)) => "in conflict",
        (Some(_), Some(state)) => word(state),
        (None, _) if job.applied => "applied",
        // An older ckptd does not say why.
        (_, _) => "not applied yet",
    }
}

/// Since when an override does not hold, when that is tried to be changed, and why: `since 2m, next try in
/// 14s: …`; `None` when it holds or nothing is known of it.
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

/// When it is tried again to apply an override: `in 14s`, or `now`.
pub(crate) fn next_try(job: &Configuration, now: u64) -> Option<String> {
    let next = job.override_status.as_ref()?.next_try?;
    Some(due(Some(next), now))
}

/// One sentence on an override that does not hold.
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

/// Where reconcile is paused, and the overrides that do not hold, the worst first: a sentence for each.
pub(super) fn troubles(jobs: &[Configuration], pauses: &[Pause], now: u64) -> Vec<(String, Paint)> {
    let told = |job| Some((sentence(job, now)?, paint(trouble(job)?)));
    let mut overrides: Vec<_> = jobs.iter().filter_map(told).collect();
    overrides.sort_by_key(|(_, paint)| *paint != Paint::Alarm);
    let pauses = self::pauses(pauses, now).into_iter().map(|pause| (pause, Paint::Notice));
    pauses.chain(overrides).collect()
}

/// The same, for wherever there is no paint.
pub(crate) fn sentences(jobs: &[Configuration], pauses: &[Pause], now: u64) -> Vec<String> {
    troubles(jobs, pauses, now).into_iter().map(|(sentence, _)| sentence).collect()
}

/// The pauses as text for stdout.
pub(crate) fn pauses_text(pauses: &[Pause], now: u64, style: Style) -> Vec<String> {
    self::pauses(pauses, now).iter().flat_map(|pause| style.lines(pause, Paint::Plain)).collect()
}

/// One sentence for each pause, with how it is ended.
fn pauses(pauses: &[Pause], now: u64) -> Vec<String> {
    let sentence = |pause: &Pause| {
        let (what, argument) = match &pause.cluster {
            Some(cluster) => (format!(" for cluster {}", clean(cluster)), format!(" {}", quoted(cluster))),
            None => (String::new(), String::new()),
        };
        let reason = pause.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
        format!(
            "reconcile is paused{what} since {}{}; end that with: ckptctl reconcile resume{}",
            age(pause.since, now),
            reason.unwrap_or_default(),
            clean(&argument)
        )
    };
    pauses.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use OverrideState::{Applied, Conflict, NotApplied, Waiting};

    const NOW: u64 = 1_790_000_040_900;

    #[test]
    fn what_holds_needs_no_sentence_and_what_does_not_has_since_next_try_and_why() {
        assert_eq!(sentence(&fixture::standing(Applied, None), NOW), None);
        let mut job = fixture::standing(NotApplied, Some("it is\u{1b} not allowed"));
        job.cluster = "prod".to_owned();
        assert_eq!(
            sentence(&job, NOW).unwrap(),
            "job/prod/job123: override not applied since 41s, next try in 14s: it is\\u{1b} not allowed"
        );
        assert_eq!(short(&job, NOW), "not applied 41s");
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
        assert_eq!(short(&job, NOW), "conflict");
    }

    #[test]
    fn an_older_ckptd_does_not_say_why() {
        let mut job = fixture::standing(Waiting, None);
        (job.override_status, job.applied) = (None, false);
        assert_eq!(sentence(&job, NOW).unwrap(), "job/job123: override not applied yet");
        assert_eq!((short(&job, NOW).as_str(), details(&job, NOW)), ("waiting", None));
    }

    #[test]
    fn a_pause_says_how_it_is_ended() {
        let pause = |cluster: Option<&str>, reason: Option<&str>| Pause {
            cluster: cluster.map(str::to_owned),
            since: NOW - 185_000,
            reason: reason.map(str::to_owned),
        };
        assert_eq!(
            pauses(&[pause(None, Some("upgrade\n")), pause(Some("eu west"), None)], NOW),
            [
                "reconcile is paused since 3m 5s: upgrade\\n; end that with: ckptctl reconcile resume",
                "reconcile is paused for cluster eu west since 3m 5s; \
                 end that with: ckptctl reconcile resume 'eu west'",
            ]
        );
    }
}
