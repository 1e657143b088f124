//! One job in detail.

mod gauges;

use super::diagnosis;
use super::jobs::urgency;
use super::origin;
use super::standing::{self, details, predicate, word};
use super::text::{at, cut_middle, due, exact_or_none, percent, rough};
use super::{NONE, Paint, Style, build, cell, lines};
use crate::console::clean;
use crate::name::{is_hosted, label};
use crate::sentence::{is_finishing, named};
use crate::standing::trouble;
use ckpt_api::{Configuration, Estimate, Failures, InFlight, Value, Via};
use comfy_table::Cell;
use unicode_width::UnicodeWidthStr;

pub(super) use gauges::gauges;

/// The columns of a job's name at least.
const LEAST_NAME: usize = 12;

/// All of it, as `get JOB` prints it.
pub(crate) fn text(job: &Configuration, now: u64, style: Style) -> String {
    let mut all = head(job, now, style);
    all.push(String::new());
    all.extend(in_flight(&job.in_flight, style));
    all.push(String::new());
    all.extend(foot(job, style));
    all.join("\n")
}

/// Whether something else is in force than what was submitted.
fn differs(job: &Configuration) -> bool {
    let differs = |value: &Value| value.effective != value.submitted;
    differs(&job.checkpoint_interval) || differs(&job.checkpoint_timeout)
}

/// What it is, and its two values in their three forms.
pub(super) fn head(job: &Configuration, now: u64, style: Style) -> Vec<String> {
    let stored = if job.stored { "stored" } else { "not stored" };
    let trouble = trouble(job);
    let change = match (job.revision, trouble) {
        // Its override has ended with it; what was in force then is still shown.
        (0, None) if job.state.has_ended() && differs(job) => "no override any more (revision 0)".to_owned(),
        (0, None) => "as submitted (revision 0)".to_owned(),
        (0, Some(state)) => format!("as submitted (revision 0), override {}", word(state)),
        (revision, _) => format!("revision {revision}, {stored}, {}", predicate(job)),
    };
    let (state, paint) = match (&job.stale, Paint::of_state(job.state)) {
        (Some(_), _) => (format!("STALE, was {}", job.state), Paint::Alarm),
        (None, Paint::Plain) => (job.state.to_string(), trouble.map_or(Paint::Strong, standing::paint)),
        (None, other) => (job.state.to_string(), other),
    };
    let behind = format!("  {state}  {change}");
    let room = match style.width {
        Some(width) if style.cut => usize::from(width).saturating_sub(behind.width()).max(LEAST_NAME),
        _ => usize::MAX,
    };
    let id = format!("cluster {}, id {}", clean(&job.cluster), job.job_id);
    let mut all = Vec::new();
    if let Some(why) = &job.stale {
        let since = format!("STALE since {} UTC: {}", at(job.observed_at, now), clean(why));
        all.extend(style.lines(&since, Paint::Banner));
    }
    all.push(style.line(&format!("{}{behind}", cut_middle(&label(job), room)), paint));
    if let (Some(state), Some(details)) = (trouble, details(job, now)) {
        all.extend(style.indented(&details, "  ", standing::paint(state)));
    }
    all.push(style.line(&id, Paint::Plain));
    all.extend(way(job, style));
    all.push(String::new());
    let rows = vec![row("interval", &job.checkpoint_interval), row("timeout", &job.checkpoint_timeout)];
    all.extend(lines(&build(&["VALUE", "SUBMITTED", "OVERRIDE", "IN FORCE"], rows, style)));
    for sentence in origin::sentences(job, now) {
        all.extend(style.lines(&sentence, Paint::Plain));
    }
    all
}

/// How a change reaches a job that ckptd does not host itself.
fn way(job: &Configuration, style: Style) -> Vec<String> {
    if is_hosted(job) {
        return Vec::new();
    }
    let (name, paint) = match job.via {
        Some(Via::None) => ("none", Paint::Notice),
        Some(via) => (via.name(), Paint::Plain),
        None => (NONE, Paint::Plain),
    };
    let detail = job.via_detail.as_deref().map(|detail| format!(" ({})", clean(detail)));
    style.lines(&format!("via {name}{}", detail.unwrap_or_default()), paint)
}

fn row(name: &str, value: &Value) -> Vec<Cell> {
    let paint = if value.overridden.is_some() { Paint::Notice } else { Paint::Plain };
    vec![
        cell(name, Paint::Plain),
        cell(exact_or_none(value.submitted), Paint::Plain),
        cell(exact_or_none(value.overridden), paint),
        cell(exact_or_none(value.effective), paint),
    ]
}

fn in_flight(checkpoints: &[InFlight], style: Style) -> Vec<String> {
    if checkpoints.is_empty() {
        return vec![style.line("no checkpoint in flight", Paint::Plain)];
    }
    let row = |checkpoint: &InFlight| {
        let InFlight { acknowledged, subtasks, .. } = *checkpoint;
        vec![
            cell(named(checkpoint), Paint::Plain),
            cell(format!("{acknowledged} of {subtasks}, {}%", percent(acknowledged, subtasks)), Paint::Plain),
            cell(rough(checkpoint.elapsed), Paint::Plain),
            cell(time_left(checkpoint), urgency(checkpoint)),
        ]
    };
    let headings = ["IN FLIGHT", "ACKNOWLEDGED", "ELAPSED", "TIME LEFT"];
    let mut all = lines(&build(&headings, checkpoints.iter().map(row).collect(), style));
    all.extend(verdicts(checkpoints, style));
    all
}

/// What is to be expected of each, in a sentence.
pub(super) fn verdicts(checkpoints: &[InFlight], style: Style) -> Vec<String> {
    let known = checkpoints.iter().filter_map(|checkpoint| Some((checkpoint, checkpoint.estimate.as_ref()?)));
    let sentence = |(checkpoint, estimate): (&InFlight, &Estimate)| {
        let about = format!("{}: {}", named(checkpoint), clean(&estimate.sentence));
        style.lines(&about, diagnosis::paint(estimate.verdict))
    };
    known.flat_map(sentence).collect()
}

fn time_left(checkpoint: &InFlight) -> String {
    match checkpoint.remaining {
        Some(left) => rough(left),
        None if is_finishing(checkpoint) => "any: it is finishing".to_owned(),
        None => NONE.to_owned(),
    }
}

/// Failures, what comes next, and warnings.
pub(super) fn foot(job: &Configuration, style: Style) -> Vec<String> {
    let Failures { consecutive, tolerable } = job.failures;
    let (tolerated, paint) = match tolerable {
        Failures::UNLIMITED => ("any number is tolerated".to_owned(), Paint::Plain),
        limit if consecutive > 0 && consecutive >= limit => {
            (format!("{limit} tolerated: the next one fails the job"), Paint::Alarm)
        }
        limit => (format!("{limit} tolerated"), Paint::Plain),
    };
    let mut all = vec![
        style.line(&format!("failures in a row: {consecutive}, {tolerated}"), paint),
        style.line(&format!("next trigger: {}", next_trigger(job)), Paint::Plain),
    ];
    for warning in &job.warnings {
        let warning = format!("warning: {}", clean(warning));
        all.extend(style.lines(&warning, Paint::Notice));
    }
    all
}

/// When the next periodic checkpoint is due. Flink's REST API does not tell, and nobody may take that for
/// "there will be none".
fn next_trigger(job: &Configuration) -> String {
    match job.next_trigger {
        None if job.via != Some(Via::Hosted) && job.checkpoint_interval.effective.is_some() => {
            "not known".to_owned()
        }
        next => due(next, job.observed_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use ckpt_api::{JobState, OverrideState};

    const PLAIN: Style = Style { colours: false, width: Some(80), cut: false };
    const NOW: u64 = 1_790_000_040_900;

    #[test]
    fn a_job_in_detail() {
        let mut job = fixture::configuration();
        job.warnings.push("the health check restarts it after 5m".to_owned());
        let expected = "\
job/job123  RUNNING  revision 3, stored, applied
cluster hosted, id 0123456789abcdef0123456789abcdef

VALUE     SUBMITTED  OVERRIDE  IN FORCE
interval  15s        <none>    15s
timeout   10s        20m       20m

IN FLIGHT     ACKNOWLEDGED   ELAPSED  TIME LEFT
checkpoint 7  19 of 20, 95%  9.0s     19m 50s

failures in a row: 2, any number is tolerated
next trigger: in 5.9s
warning: the health check restarts it after 5m";
        assert_eq!(text(&job, NOW, PLAIN), expected);
    }

    #[test]
    fn an_override_that_ended_with_its_job_leaves_what_was_in_force() {
        let timeout = Value::of(Some(10_000), None, Some(1_200_000));
        let ended = Configuration {
            state: JobState::Canceled,
            revision: 0,
            checkpoint_timeout: timeout,
            override_status: None,
            ..fixture::configuration()
        };
        let text = text(&ended, NOW, PLAIN);
        assert!(text.starts_with("job/job123  CANCELED  no override any more (revision 0)\n"), "{text}");
        assert!(text.contains("\ntimeout   10s        <none>    20m\n"), "{text}");
    }

    #[test]
    fn a_verdict_is_below_what_is_in_flight() {
        let mut job = fixture::configuration();
        job.in_flight[0].estimate = Some(Estimate {
            verdict: ckpt_api::Pace::Slow,
            sentence: "slow, likely done in about 4m (between 2m and 9m)".to_owned(),
            done_in: None,
            suggested_timeout: None,
        });
        let shown = text(&job, NOW, PLAIN);
        let line = "\ncheckpoint 7: slow, likely done in about 4m (between 2m and 9m)\n\nfailures";
        assert!(shown.contains(line), "{shown}");
    }

    #[test]
    fn a_long_warning_is_whole() {
        let mut job = fixture::configuration();
        job.warnings = vec![format!("{} and it is restarted in 6s", "why ".repeat(30))];
        let shown = foot(&job, PLAIN);
        assert!(shown.iter().all(|line| line.len() <= 80), "{shown:?}");
        assert!(shown.last().unwrap().ends_with("it is restarted in 6s"), "{shown:?}");
        job.warnings = vec![format!("{} say --attach-other-users", "why ".repeat(14))];
        assert_eq!(foot(&job, PLAIN).last().unwrap(), "  --attach-other-users");
    }

    #[test]
    fn what_is_not_applied_or_about_to_fail_is_said() {
        let mut job = Configuration { override_status: None, ..fixture::configuration() };
        job.applied = false;
        job.in_flight.clear();
        job.failures.tolerable = 2;
        let shown = text(&job, NOW, PLAIN);
        assert!(shown.contains("stored, not applied yet"), "{shown}");
        assert!(shown.contains("no checkpoint in flight"), "{shown}");
        assert!(shown.contains("2, 2 tolerated: the next one fails the job"), "{shown}");
    }

    #[test]
    fn an_override_that_does_not_hold_says_since_when_and_why() {
        let why = "this job's coordinator cannot be changed from here: its JobManager runs as 'flink' and ckptd \
                   as 'ckpt'; see ckptctl doctor";
        let shown = text(&fixture::standing(OverrideState::NotApplied, Some(why)), NOW, PLAIN);
        let expected = "\
job/job123  RUNNING  revision 3, stored, not applied
  since 41s, next try in 14s: this job's coordinator cannot be changed from
    here: its JobManager runs as 'flink' and ckptd as 'ckpt'; see ckptctl doctor
cluster hosted, id 0123456789abcdef0123456789abcdef

VALUE     SUBMITTED  OVERRIDE  IN FORCE
interval  15s        <none>    15s
timeout   10s        20m       10s
";
        assert!(shown.starts_with(expected), "{shown}");
        for (state, expected) in [
            (OverrideState::Waiting, "  RESTARTING  revision 3, stored, waiting\n  since 41s: why\n"),
            (OverrideState::Conflict, "  RUNNING  revision 3, stored, in conflict\n  since 41s: why\n"),
            (
                OverrideState::Orphaned,
                "  RUNNING  as submitted (revision 0), override orphaned\n  since 41s: why\n",
            ),
        ] {
            let shown = text(&fixture::standing(state, Some("why")), NOW, PLAIN);
            assert!(shown.contains(expected), "{shown}");
        }
        let coloured = Style { colours: true, ..PLAIN };
        for (state, code) in [(OverrideState::Waiting, "33"), (OverrideState::Conflict, "31")] {
            let shown = text(&fixture::standing(state, Some("why")), NOW, coloured);
            assert!(shown.contains(&format!("\u{1b}[{code}m  since 41s: why")), "{shown}");
        }
    }

    #[test]
    fn a_job_elsewhere_says_how_it_is_reached_and_since_when_nobody_has_seen_it() {
        let mut jobs = fixture::mixed();
        let expected = "\
STALE since 14:13:20 UTC: http://10.0.0.2:8081 does not answer: Connection
  refused
job/staging/payments  STALE, was RUNNING  revision 3, stored, applied
cluster staging, id 0123456789abcdef0123456789abcdef
via attach (pid 1234)

VALUE     SUBMITTED  OVERRIDE  IN FORCE
interval  15s        <none>    15s
timeout   10s        20m       20m
";
        assert!(text(&jobs[3], NOW, PLAIN).starts_with(expected), "{}", text(&jobs[3], NOW, PLAIN));
        let unknown = text(&jobs[1], NOW, PLAIN);
        for part in [
            "\nvia <none>\n",
            "timeout   10m        <none>    <none>\n",
            "checkpoint 31412  19 of 20, 95%  9.0s     <none>\n",
            "0, 3 tolerated\nnext trigger: not known",
        ] {
            assert!(unknown.contains(part), "{part}\n{unknown}");
        }
        jobs[0].via_detail = Some(format!("{} say --user", "why ".repeat(30)));
        let none = text(&jobs[0], NOW, PLAIN);
        assert!(none.contains("\nvia none (why") && none.contains("--user)\n"), "{none}");
        assert!(none.lines().all(|line| line.width() <= 80), "{none}");
    }
}
