//! One job in detail.

use super::jobs::urgency;
use super::text::{at, cut, cut_middle, due, exact, exact_or_none, percent, rough};
use super::{NONE, Paint, Style, build, cell, lines};
use crate::console::clean;
use crate::name::{is_hosted, label};
use crate::sentence::{is_finishing, named};
use ckpt_shared::api::{Configuration, Failures, InFlight, Value, Via};
use comfy_table::Cell;
use unicode_width::UnicodeWidthStr;

/// The columns in front of a gauge's bar.
const BEFORE_BAR: usize = 28;
/// The columns behind it.
const AFTER_BAR: usize = 28;
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

/// What it is, and its two values in their three forms.
pub(super) fn head(job: &Configuration, now: u64, style: Style) -> Vec<String> {
    let stored = if job.stored { "stored" } else { "not stored" };
    let applied = if job.applied { "applied" } else { "not applied yet" };
    let change = match job.revision {
        0 => "as submitted (revision 0)".to_owned(),
        revision => format!("revision {revision}, {stored}, {applied}"),
    };
    let (state, paint) = match (&job.stale, Paint::of_state(job.state)) {
        (Some(_), _) => (format!("STALE, was {}", job.state), Paint::Alarm),
        (None, Paint::Plain) if job.applied || job.revision == 0 || job.state.has_ended() => {
            (job.state.to_string(), Paint::Strong)
        }
        (None, Paint::Plain) => (job.state.to_string(), Paint::Notice),
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
    all.push(style.line(&id, Paint::Plain));
    all.extend(way(job, style));
    all.push(String::new());
    let rows = vec![row("interval", job.checkpoint_interval), row("timeout", job.checkpoint_timeout)];
    all.extend(lines(&build(&["VALUE", "SUBMITTED", "OVERRIDE", "IN FORCE"], rows, style)));
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

fn row(name: &str, value: Value) -> Vec<Cell> {
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
    lines(&build(&headings, checkpoints.iter().map(row).collect(), style))
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

/// Two bars a checkpoint: who has acknowledged, and how much of its time is used.
pub(super) fn gauges(checkpoints: &[InFlight], style: Style) -> Vec<String> {
    if checkpoints.is_empty() {
        return vec![style.line("no checkpoint in flight", Paint::Plain)];
    }
    let length = usize::from(style.width.unwrap_or(80)).saturating_sub(BEFORE_BAR + AFTER_BAR).clamp(5, 60);
    let gauge = |name: &str, what: &str, filled: String, said: &str, paint| {
        style.line(&format!("{:14} {what:12} {filled} {said}", cut(name, 14)), paint)
    };
    let both = |checkpoint: &InFlight| {
        let InFlight { acknowledged, subtasks, elapsed, remaining, .. } = *checkpoint;
        let share = format!("{acknowledged} of {subtasks}, {}%", percent(acknowledged, subtasks));
        let whole = elapsed.saturating_add(remaining.unwrap_or(0));
        // Without a deadline there is nothing that it could have used up.
        let used = if remaining.is_some() || is_finishing(checkpoint) { elapsed } else { 0 };
        let time = match remaining {
            Some(left) => format!("{} of {}, {} left", rough(elapsed), exact(whole), rough(left)),
            None if is_finishing(checkpoint) => format!("{}, it is finishing", rough(elapsed)),
            None => format!("{} of {NONE}", rough(elapsed)),
        };
        [
            gauge(
                &named(checkpoint),
                "acknowledged",
                bar(acknowledged.into(), subtasks.into(), length),
                &share,
                Paint::Plain,
            ),
            gauge("", "time", bar(used, whole, length), &time, urgency(checkpoint)),
        ]
    };
    checkpoints.iter().flat_map(both).collect()
}

/// A bar that is full only when all is there.
fn bar(part: u64, whole: u64, length: usize) -> String {
    let filled = u128::from(part) * length as u128 / u128::from(whole.max(1));
    let filled = usize::try_from(filled).unwrap_or(length).min(length);
    format!("{}{}", "█".repeat(filled), "░".repeat(length - filled))
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
    fn a_long_warning_is_whole() {
        let mut job = fixture::configuration();
        job.warnings = vec![format!("{} and it is restarted in 6s", "why ".repeat(30))];
        let shown = foot(&job, PLAIN);
        assert!(shown.iter().all(|line| line.len() <= 80), "{shown:?}");
        assert!(shown.last().unwrap().ends_with("it is restarted in 6s"), "{shown:?}");
    }

    #[test]
    fn what_is_not_applied_or_about_to_fail_is_said() {
        let mut job = fixture::configuration();
        job.applied = false;
        job.in_flight.clear();
        job.failures.tolerable = 2;
        let shown = text(&job, NOW, PLAIN);
        assert!(shown.contains("stored, not applied yet"), "{shown}");
        assert!(shown.contains("no checkpoint in flight"), "{shown}");
        assert!(shown.contains("2, 2 tolerated: the next one fails the job"), "{shown}");
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

    #[test]
    fn a_bar_is_full_only_when_all_is_there() {
        assert_eq!(bar(19, 20, 10), "█████████░");
        assert_eq!(bar(20, 20, 4), "████");
        assert_eq!(bar(0, 0, 4), "░░░░");
        assert_eq!(bar(u64::MAX, 1, 4), "████");
    }
}
