//! One job in detail.

use super::jobs::urgency;
use super::{Paint, Style, build, cell, cut, due, exact, exact_or_none, lines, percent, rough};
use crate::console::clean;
use crate::resolve::label;
use crate::sentence::named;
use ckpt_shared::api::{Configuration, Failures, InFlight, Value};
use comfy_table::Cell;

/// The columns in front of a gauge's bar.
const BEFORE_BAR: usize = 28;
/// The columns behind it.
const AFTER_BAR: usize = 28;

/// All of it, as `get JOB` prints it.
pub(crate) fn text(job: &Configuration, style: Style) -> String {
    let mut all = head(job, style);
    all.push(String::new());
    all.extend(in_flight(&job.in_flight, style));
    all.push(String::new());
    all.extend(foot(job, style));
    all.join("\n")
}

/// What it is, and its two values in their three forms.
pub(super) fn head(job: &Configuration, style: Style) -> Vec<String> {
    let stored = if job.stored { "stored" } else { "not stored" };
    let applied = if job.applied { "applied" } else { "not applied yet" };
    let change = match job.revision {
        0 => "as submitted (revision 0)".to_owned(),
        revision => format!("revision {revision}, {stored}, {applied}"),
    };
    let state = format!("{}  {}  {change}", label(&job.name), job.state);
    let paint = match Paint::of_state(job.state) {
        Paint::Plain if job.applied || job.revision == 0 || job.state.has_ended() => Paint::Strong,
        Paint::Plain => Paint::Notice,
        other => other,
    };
    let id = format!("cluster {}, id {}", clean(&job.cluster), job.job_id);
    let mut all = vec![style.line(&state, paint), style.line(&id, Paint::Plain), String::new()];
    let rows = vec![row("interval", job.checkpoint_interval), row("timeout", job.checkpoint_timeout)];
    all.extend(lines(&build(&["VALUE", "SUBMITTED", "OVERRIDE", "IN FORCE"], rows, style)));
    all
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
    checkpoint.remaining.map_or_else(|| "any: it is finishing".to_owned(), rough)
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
        style.line(&format!("next trigger: {}", due(job.next_trigger, job.observed_at)), Paint::Plain),
    ];
    for warning in &job.warnings {
        let warning = format!("warning: {}", clean(warning));
        all.extend(wrapped(&warning, style).iter().map(|line| style.line(line, Paint::Notice)));
    }
    all
}

/// A sentence on as many lines as the terminal needs for it: what is cut off cannot be acted on.
fn wrapped(sentence: &str, style: Style) -> Vec<String> {
    let width = style.width.map_or(usize::MAX, usize::from);
    let lines = textwrap::wrap(sentence, textwrap::Options::new(width).subsequent_indent("  "));
    lines.into_iter().map(Into::into).collect()
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
        let time = match remaining {
            Some(left) => format!("{} of {}, {} left", rough(elapsed), exact(whole), rough(left)),
            None => format!("{}, it is finishing", rough(elapsed)),
        };
        [
            gauge(
                &named(checkpoint),
                "acknowledged",
                bar(acknowledged.into(), subtasks.into(), length),
                &share,
                Paint::Plain,
            ),
            gauge("", "time", bar(elapsed, whole, length), &time, urgency(checkpoint)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    const PLAIN: Style = Style { colours: false, width: Some(80), cut: false };

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
        assert_eq!(text(&job, PLAIN), expected);
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
        let shown = text(&job, PLAIN);
        assert!(shown.contains("stored, not applied yet"), "{shown}");
        assert!(shown.contains("no checkpoint in flight"), "{shown}");
        assert!(shown.contains("2, 2 tolerated: the next one fails the job"), "{shown}");
    }

    #[test]
    fn a_bar_is_full_only_when_all_is_there() {
        assert_eq!(bar(19, 20, 10), "█████████░");
        assert_eq!(bar(20, 20, 4), "████");
        assert_eq!(bar(0, 0, 4), "░░░░");
        assert_eq!(bar(u64::MAX, 1, 4), "████");
    }
}
