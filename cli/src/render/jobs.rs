//! The table of many jobs.

use super::{NONE, Paint, Style, build, cell, due, exact, lines, natural_width, percent, rough};
use crate::console::clean;
use ckpt_shared::api::{Configuration, Failures, InFlight, Value};
use comfy_table::{Cell, Table};

/// How much a cell says; less when the terminal is narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    Less,
    Least,
}

/// The table's lines, the heading first: the most detailed one that fits.
pub(crate) fn table(jobs: &[Configuration], wide: bool, style: Style) -> Vec<String> {
    let at = |detail| build_at(jobs, wide, style, detail);
    let fits = |table: &Table| style.width.is_none_or(|width| natural_width(table) <= width);
    let fitting = [Detail::Full, Detail::Less].into_iter().map(at).find(fits);
    lines(&fitting.unwrap_or_else(|| at(Detail::Least)))
}

fn build_at(jobs: &[Configuration], wide: bool, style: Style, detail: Detail) -> Table {
    let mut headings = vec!["JOB", "STATE", "INTERVAL", "TIMEOUT", "IN FLIGHT", "FAILURES"];
    if wide {
        headings.extend(["NEXT", "REVISION", "CLUSTER", "ID"]);
    }
    build(&headings, jobs.iter().map(|job| row(job, wide, detail)).collect(), style)
}

fn row(job: &Configuration, wide: bool, detail: Detail) -> Vec<Cell> {
    let mut cells = vec![
        cell(clean(&job.name), Paint::Plain),
        cell(job.state.name(), Paint::of_state(job.state)),
        value(job.checkpoint_interval, detail),
        value(job.checkpoint_timeout, detail),
        in_flight(&job.in_flight, detail),
        failures(job.failures),
    ];
    if wide {
        cells.push(cell(due(job.next_trigger, job.observed_at), Paint::Plain));
        cells.push(cell(job.revision.to_string(), Paint::Plain));
        cells.push(cell(clean(&job.cluster), Paint::Plain));
        cells.push(cell(job.job_id.to_string(), Paint::Plain));
    }
    cells
}

/// The value in force; an override shows what it stands in for.
fn value(value: Value, detail: Detail) -> Cell {
    let Some(effective) = value.effective.map(exact) else {
        return cell(NONE, Paint::Plain);
    };
    match (value.overridden, value.submitted) {
        (None, _) => cell(effective, Paint::Plain),
        (Some(_), None) => cell(format!("{effective} (override)"), Paint::Notice),
        (Some(_), Some(submitted)) => {
            let was = if detail == Detail::Least { "" } else { "was " };
            cell(format!("{effective} ({was}{})", exact(submitted)), Paint::Notice)
        }
    }
}

/// The oldest checkpoint in flight, and how many more there are.
fn in_flight(checkpoints: &[InFlight], detail: Detail) -> Cell {
    let [oldest, others @ ..] = checkpoints else {
        return cell(NONE, Paint::Plain);
    };
    let mut text = format!(
        "{}#{} {}/{}",
        if oldest.savepoint { "savepoint " } else { "" },
        oldest.id,
        oldest.acknowledged,
        oldest.subtasks
    );
    if detail == Detail::Full {
        text.push_str(&format!(" {}%", percent(oldest.acknowledged, oldest.subtasks)));
    }
    match (oldest.remaining, detail) {
        (Some(left), Detail::Least) => text.push_str(&format!(" {}", rough(left))),
        (Some(left), Detail::Full | Detail::Less) => text.push_str(&format!(" {} left", rough(left))),
        (None, _) => text.push_str(" finishing"),
    }
    if !others.is_empty() {
        text.push_str(&format!(" +{}", others.len()));
    }
    cell(text, urgency(oldest))
}

/// Less than a fifth of its time is left.
pub(super) fn urgency(checkpoint: &InFlight) -> Paint {
    match checkpoint.remaining {
        Some(left) if left.saturating_mul(4) < checkpoint.elapsed => Paint::Notice,
        _ => Paint::Plain,
    }
}

fn failures(failures: Failures) -> Cell {
    let Failures { consecutive, tolerable } = failures;
    match (consecutive, tolerable) {
        (_, Failures::UNLIMITED) => cell(format!("{consecutive}/∞"), Paint::Plain),
        (0, _) => cell(format!("0 of {tolerable}"), Paint::Plain),
        _ if consecutive >= tolerable => cell(format!("{consecutive} of {tolerable}"), Paint::Alarm),
        _ => cell(format!("{consecutive} of {tolerable}"), Paint::Notice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use ckpt_shared::api::JobState;
    use unicode_width::UnicodeWidthStr;

    const fn plain(width: Option<u16>) -> Style {
        Style { colours: false, width, cut: false }
    }

    #[test]
    fn a_job_fits_eighty_columns_with_all_there_is_to_say() {
        assert_eq!(
            table(&[fixture::configuration()], false, plain(Some(80))),
            [
                "JOB     STATE    INTERVAL  TIMEOUT        IN FLIGHT                  FAILURES",
                "job123  RUNNING  15s       20m (was 10s)  #7 19/20 95% 19m 50s left  2/∞",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_gets_less_but_never_a_wider_line() {
        let mut job = fixture::configuration();
        job.name = "a-job-with-a-rather-long-name-as-people-have-them".to_owned();
        job.state = JobState::Initializing;
        job.checkpoint_interval.overridden = Some(90_061_000);
        job.checkpoint_interval.effective = Some(90_061_000);
        job.in_flight.push(fixture::in_flight(8));
        for width in [40, 60, 80, 100, 120] {
            for line in table(&[job.clone(), fixture::configuration()], false, plain(Some(width))) {
                assert!(line.width() <= width.into(), "{width}: {line}");
            }
        }
        let wide = table(&[job], false, plain(None)).join("\n");
        assert!(wide.contains("as-people-have-them"), "{wide}");
        assert!(wide.contains("#7 19/20 95% 19m 50s left +1"), "{wide}");
        assert!(wide.contains("1d 1h 1m 1s (was 15s)"), "{wide}");
    }

    #[test]
    fn wide_adds_what_identifies_a_job() {
        let lines = table(&[fixture::configuration()], true, plain(None));
        assert!(lines[0].ends_with("NEXT     REVISION  CLUSTER  ID"), "{}", lines[0]);
        assert!(lines[1].ends_with("in 5.9s  3         hosted   0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn nothing_and_limits_have_words_and_names_are_harmless() {
        let mut job = fixture::configuration();
        job.name = "\u{1b}[2Jevil".to_owned();
        job.in_flight.clear();
        job.checkpoint_interval = Value { submitted: None, overridden: None, effective: None };
        job.failures.tolerable = 3;
        let lines = table(&[job], false, plain(None));
        assert!(lines[1].starts_with("\\u{1b}[2Jevil  RUNNING  <none> "), "{}", lines[1]);
        assert!(lines[1].ends_with("<none>     2 of 3"), "{}", lines[1]);
    }

    #[test]
    fn colours_appear_only_when_asked_for() {
        let job = fixture::configuration();
        let coloured =
            table(std::slice::from_ref(&job), false, Style { colours: true, width: Some(80), cut: false });
        assert!(coloured[1].contains("\u{1b}["), "{}", coloured[1]);
        assert!(!table(&[job], false, plain(Some(80))).concat().contains('\u{1b}'));
    }
}
