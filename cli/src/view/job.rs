//! One job.

use super::checkpoint::{is_finishing, time_left, urgency};
use super::failures;
use super::line::{Span, Tone, Verbosity};
use super::name::{is_hosted, label};
use super::origin;
use super::override_status::{self, details, predicate, trouble, word};
use super::severity::Severity;
use super::text::{NONE, age, at, clean, due, percent, rough};
use super::value::ValueView;
use ckpt_api::{Configuration, JobState, OverrideState, Value, Via};

/// A job as every surface shows it.
#[derive(Debug)]
pub(crate) struct JobView<'a> {
    pub(crate) job: &'a Configuration,
    /// Time of the view, in milliseconds since the epoch.
    now: u64,
    pub(crate) label: String,
    pub(crate) name: String,
    pub(crate) cluster: String,
    /// Word for the severity.
    pub(crate) verdict: Span,
    pub(crate) interval: ValueView<'a>,
    pub(crate) timeout: ValueView<'a>,
}

impl<'a> JobView<'a> {
    /// View of a job at `now`, in milliseconds since the epoch.
    pub(crate) fn new(job: &'a Configuration, now: u64) -> Self {
        let (severity, verdict) = Severity::of(job);
        Self {
            job,
            now,
            label: label(job),
            name: clean(&job.name),
            cluster: clean(&job.cluster),
            verdict: Span::new(verdict, severity.tone()),
            interval: ValueView::interval(job),
            timeout: ValueView::timeout(job),
        }
    }

    /// Name, with the cluster if ckptd does not host the job.
    pub(crate) fn title(&self) -> String {
        match is_hosted(self.job) {
            true => self.name.clone(),
            false => format!("{} ({})", self.name, self.cluster),
        }
    }

    /// State, or the age of the last answer if it is stale.
    pub(crate) fn state(&self) -> Span {
        match self.job.stale {
            Some(_) => Span::new(format!("STALE {}", age(self.job.observed_at, self.now)), Tone::Bad),
            None => Span::new(self.job.state.name(), tone_of(self.job.state)),
        }
    }

    /// State of the override, and since when it does not hold.
    pub(crate) fn override_state(&self) -> Span {
        override_status::short(self.job, self.now)
    }

    /// Oldest checkpoint in flight, and the number of others.
    pub(crate) fn in_flight(&self, verbosity: Verbosity) -> Span {
        let [oldest, others @ ..] = self.job.in_flight.as_slice() else {
            return Span::new(NONE, Tone::Plain);
        };
        let kind = if oldest.savepoint { "savepoint " } else { "" };
        let mut text = format!("{kind}#{} {}/{}", oldest.id, oldest.acknowledged, oldest.subtasks);
        if verbosity == Verbosity::Full {
            text.push_str(&format!(" {}%", percent(oldest.acknowledged, oldest.subtasks)));
        }
        match (oldest.remaining, verbosity) {
            (Some(left), Verbosity::Least) => text.push_str(&format!(" {}", rough(left))),
            (Some(left), _) => text.push_str(&format!(" {} left", rough(left))),
            (None, _) if is_finishing(oldest) => text.push_str(" finishing"),
            (None, Verbosity::Least) => {}
            (None, _) => text.push_str(&format!(" {NONE} left")),
        }
        if !others.is_empty() {
            text.push_str(&format!(" +{}", others.len()));
        }
        Span::new(text, urgency(oldest))
    }

    /// Time left of the oldest checkpoint in flight; empty if there is none.
    pub(crate) fn time_left(&self) -> String {
        self.job.in_flight.first().map(|oldest| time_left(oldest, "finishing", "?")).unwrap_or_default()
    }

    /// Way of changes into the job.
    pub(crate) fn via(&self) -> Span {
        let tone = if self.job.via == Some(Via::None) { Tone::Notice } else { Tone::Plain };
        Span::new(self.job.via.map_or(NONE, Via::name), tone)
    }

    /// Sentence above a stale job.
    pub(crate) fn stale_banner(&self) -> Option<Span> {
        let why = clean(self.job.stale.as_ref()?);
        let seen = at(self.job.observed_at, self.now);
        Some(Span::new(format!("STALE since {seen} UTC: {why}"), Tone::Banner))
    }

    /// Sentence about the last answer of a stale job.
    pub(crate) fn last_seen(&self) -> Option<Span> {
        let why = clean(self.job.stale.as_ref()?);
        let seen = self.job.observed_at;
        let (at, age) = (at(seen, self.now), age(seen, self.now));
        Some(Span::new(format!("STALE: last seen at {at} UTC, {age} ago: {why}"), Tone::Bad))
    }

    /// `RUNNING  revision 3, stored, applied`
    pub(crate) fn status(&self) -> Span {
        let job = self.job;
        let trouble = trouble(job);
        let stored = if job.stored { "stored" } else { "not stored" };
        let change = match (job.revision, trouble) {
            // Its override has ended with it; what was in force then is still shown.
            (0, None) if job.state.has_ended() && is_changed(job) => {
                "no override any more (revision 0)".to_owned()
            }
            (0, None) => "as submitted (revision 0)".to_owned(),
            (0, Some(state)) => format!("as submitted (revision 0), override {}", word(state)),
            (revision, _) => format!("revision {revision}, {stored}, {}", predicate(job)),
        };
        let state = job.state;
        match (&job.stale, tone_of(state)) {
            (Some(_), _) => Span::new(format!("STALE, was {state}  {change}"), Tone::Bad),
            (None, Tone::Plain) => {
                let tone = trouble.map_or(Tone::Strong, override_status::tone);
                Span::new(format!("{state}  {change}"), tone)
            }
            (None, tone) => Span::new(format!("{state}  {change}"), tone),
        }
    }

    /// Since when and why the override does not hold.
    pub(crate) fn trouble(&self) -> Option<Span> {
        let state = trouble(self.job)?;
        Some(Span::new(details(self.job, self.now)?, override_status::tone(state)))
    }

    /// Identity, and the way of changes if ckptd does not host the job.
    pub(crate) fn identity(&self) -> Vec<Span> {
        let id = format!("cluster {}, id {}", self.cluster, self.job.job_id);
        let mut spans = vec![Span::new(id, Tone::Plain)];
        if !is_hosted(self.job) {
            let Span { text: via, tone } = self.via();
            let detail = self.job.via_detail.as_deref().map(|detail| format!(" ({})", clean(detail)));
            spans.push(Span::new(format!("via {via}{}", detail.unwrap_or_default()), tone));
        }
        spans
    }

    /// Origins of the overrides.
    pub(crate) fn origins(&self) -> Vec<Span> {
        let origin = |value: &ValueView<'_>| {
            Some(Span::new(origin::sentence(value.name, value.value, self.now)?, Tone::Plain))
        };
        [&self.interval, &self.timeout].into_iter().filter_map(origin).collect()
    }

    /// Overrides with their state and origins, under the title; `None` if nothing is overridden.
    pub(crate) fn overrides(&self) -> Option<(String, Vec<Span>)> {
        let values = [&self.timeout, &self.interval];
        let overridden: Vec<_> =
            values.into_iter().filter(|value| value.value.overridden.is_some()).collect();
        if overridden.is_empty() && trouble(self.job).is_none() {
            return None;
        }
        let title = match override_status::state(self.job) {
            Some(OverrideState::Applied) if self.job.stale.is_some() => {
                "overrides: held when last seen".to_owned()
            }
            Some(OverrideState::Applied) | None => "overrides: in force".to_owned(),
            Some(state) => format!("overrides: NOT IN FORCE, {}", word(state)),
        };
        let change =
            |value: &ValueView<'_>| Span::new(origin::change(value.name, value.value, self.now), Tone::Plain);
        Some((title, self.trouble().into_iter().chain(overridden.into_iter().map(change)).collect()))
    }

    /// Values in force, failures in a row and the next trigger, in one sentence.
    pub(crate) fn headline(&self) -> Span {
        let job = self.job;
        let Span { text: failures, tone } = failures::headline(job.failures);
        let next = match job.next_trigger {
            Some(next) if job.stale.is_none() => format!(", next trigger {}", due(Some(next), self.now)),
            _ => String::new(),
        };
        let (timeout, interval) = (self.timeout.sentence(), self.interval.sentence());
        Span::new(format!("{timeout}, {interval}, {failures}{next}"), tone)
    }

    /// Failures, next trigger, and warnings.
    pub(crate) fn footer(&self) -> Vec<Span> {
        let next = format!("next trigger: {}", self.next_trigger());
        let warning = |warning: &String| Span::new(format!("warning: {}", clean(warning)), Tone::Notice);
        let mut spans = vec![failures::sentence(self.job.failures), Span::new(next, Tone::Plain)];
        spans.extend(self.job.warnings.iter().map(warning));
        spans
    }

    /// Time of the next periodic checkpoint. Flink's REST API does not tell it, which does not mean that there will
    /// be none.
    fn next_trigger(&self) -> String {
        let job = self.job;
        match job.next_trigger {
            None if job.via != Some(Via::Hosted) && job.checkpoint_interval.effective.is_some() => {
                "not known".to_owned()
            }
            next => due(next, job.observed_at),
        }
    }
}

/// Whether something else is in force than what was submitted.
fn is_changed(job: &Configuration) -> bool {
    let differs = |value: &Value| value.effective != value.submitted;
    differs(&job.checkpoint_interval) || differs(&job.checkpoint_timeout)
}

fn tone_of(state: JobState) -> Tone {
    match state {
        JobState::Failed | JobState::Failing => Tone::Bad,
        JobState::Restarting | JobState::Suspended => Tone::Notice,
        JobState::Initializing
        | JobState::Created
        | JobState::Running
        | JobState::Cancelling
        | JobState::Canceled
        | JobState::Finished
        | JobState::Reconciling => Tone::Plain,
    }
}
