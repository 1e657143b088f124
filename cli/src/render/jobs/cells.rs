//! What the cells of the table say.

use super::{Detail, Shape};
use crate::render::standing::{paint, short, word};
use crate::render::text::{age, exact, percent, rough};
use crate::render::{NONE, Paint, cell};
use crate::sentence::is_finishing;
use crate::standing::{state as state_of, trouble};
use ckpt_api::{Configuration, Failures, InFlight, OverrideState, Value};
use comfy_table::Cell;

/// The state, or for how long nobody has known it.
pub(super) fn state(job: &Configuration, now: u64) -> Cell {
    match job.stale {
        Some(_) => cell(format!("STALE {}", age(job.observed_at, now)), Paint::Alarm),
        None => cell(job.state.name(), Paint::of_state(job.state)),
    }
}

/// The interval in force, and its override. One that does not hold is said here if it is the interval's.
pub(super) fn interval(job: &Configuration, shape: Shape, detail: Detail) -> Cell {
    let Configuration { checkpoint_interval: interval, checkpoint_timeout: timeout, .. } = job;
    let is_its = interval.overridden.is_some() && (differs(interval) || timeout.overridden.is_none());
    value(interval, trouble(job).filter(|_| is_its), shape.wide, detail)
}

/// The timeout in force, and its override. One that does not hold is said here unless it is the interval's.
pub(super) fn timeout(job: &Configuration, shape: Shape, detail: Detail) -> Cell {
    let Configuration { checkpoint_interval: interval, checkpoint_timeout: timeout, .. } = job;
    let is_its = match timeout.overridden {
        Some(_) => differs(timeout) || !differs(interval),
        None => interval.overridden.is_none(),
    };
    value(timeout, trouble(job).filter(|_| is_its), shape.wide, detail)
}

/// Whether something else is in force than what was asked for.
fn differs(value: &Value) -> bool {
    value.overridden.is_some() && value.overridden != value.effective
}

/// The value in force; an override that holds shows what it stands in for, and one that does not shows itself
/// and how it stands. A `wide` table says that in a column of its own.
fn value(value: &Value, trouble: Option<OverrideState>, wide: bool, detail: Detail) -> Cell {
    let effective = value.effective.map_or_else(|| NONE.to_owned(), exact);
    let wanted = value.overridden.filter(|_| differs(value)).map(exact);
    match (trouble, wanted) {
        (Some(state), Some(wanted)) => {
            let text = match (detail, state) {
                _ if wide => format!("{effective} (not {wanted})"),
                (Detail::Least, OverrideState::NotApplied | OverrideState::Conflict) => {
                    format!("{effective} not {wanted}")
                }
                (Detail::Least, _) => format!("{effective} {wanted} {}", word(state)),
                (Detail::Full | Detail::Less, _) => format!("{effective} ({wanted} {})", word(state)),
            };
            cell(text, paint(state))
        }
        (Some(state), None) if !wide => {
            let text = match detail {
                Detail::Least => format!("{effective} {}", word(state)),
                Detail::Full | Detail::Less => format!("{effective} ({})", word(state)),
            };
            cell(text, paint(state))
        }
        _ => in_force(value, effective, detail),
    }
}

fn in_force(value: &Value, effective: String, detail: Detail) -> Cell {
    match (value.effective.and(value.overridden), value.submitted) {
        (None, _) => cell(effective, Paint::Plain),
        (Some(_), None) => cell(format!("{effective} (override)"), Paint::Notice),
        (Some(_), Some(submitted)) => {
            let was = if detail == Detail::Least { "" } else { "was " };
            cell(format!("{effective} ({was}{})", exact(submitted)), Paint::Notice)
        }
    }
}

/// How the override stands, and for how long, if it is not as it should be.
pub(super) fn standing(job: &Configuration, now: u64) -> Cell {
    cell(short(job, now), state_of(job).map_or(Paint::Plain, paint))
}

/// The oldest checkpoint in flight, and how many more there are.
pub(super) fn in_flight(checkpoints: &[InFlight], detail: Detail) -> Cell {
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
        (None, _) if is_finishing(oldest) => text.push_str(" finishing"),
        (None, Detail::Least) => {}
        (None, Detail::Full | Detail::Less) => text.push_str(&format!(" {NONE} left")),
    }
    if !others.is_empty() {
        text.push_str(&format!(" +{}", others.len()));
    }
    cell(text, urgency(oldest))
}

/// Less than a fifth of its time is left.
pub(in crate::render) fn urgency(checkpoint: &InFlight) -> Paint {
    match checkpoint.remaining {
        Some(left) if left.saturating_mul(4) < checkpoint.elapsed => Paint::Notice,
        _ => Paint::Plain,
    }
}

/// Failures in a row, and how many are tolerated.
pub(super) fn failures(failures: Failures, detail: Detail) -> Cell {
    let Failures { consecutive, tolerable } = failures;
    let of = if detail == Detail::Least { "/" } else { " of " };
    match (consecutive, tolerable) {
        (_, Failures::UNLIMITED) => cell(format!("{consecutive}/∞"), Paint::Plain),
        (0, _) => cell(format!("0{of}{tolerable}"), Paint::Plain),
        _ if consecutive >= tolerable => cell(format!("{consecutive}{of}{tolerable}"), Paint::Alarm),
        _ => cell(format!("{consecutive}{of}{tolerable}"), Paint::Notice),
    }
}

#[cfg(test)]
mod tests {
    use crate::render::jobs::table;
    use crate::render::{Style, fixture};
    use OverrideState::{Conflict, NotApplied, Orphaned, Waiting};
    use ckpt_api::{Configuration, JobState, OverrideState, Value};
    use unicode_width::UnicodeWidthStr;

    const NOW: u64 = 1_790_000_040_900;

    const STATES: [OverrideState; 4] = [Waiting, NotApplied, Conflict, Orphaned];

    fn row(job: Configuration, wide: bool, colours: bool) -> String {
        table(&[job], wide, NOW, Style { colours, width: None, cut: false }).remove(1)
    }

    #[test]
    fn an_override_that_does_not_hold_is_seen_beside_what_is_in_force() {
        for (state, shown, wide) in [
            (Waiting, "20m (waiting)", "in 5.9s  waiting 41s  3"),
            (NotApplied, "10s (20m not applied)", "in 5.9s  not applied 41s  3"),
            (Conflict, "7m (20m conflict)", "in 5.9s  conflict 41s  3"),
            (Orphaned, "10s (orphaned)", "in 5.9s  orphaned 41s  0"),
        ] {
            let job = fixture::standing(state, Some("why"));
            let line = row(job.clone(), false, false);
            assert!(line.contains(&format!("  15s       {shown}  ")), "{line}");
            let line = row(job, true, false);
            assert!(line.contains(wide), "{line}");
        }
        assert!(row(fixture::standing(NotApplied, None), true, false).contains("  10s (not 20m)  "));
        let mut job = fixture::standing(Waiting, None);
        job.checkpoint_timeout.effective = None;
        assert!(row(job, false, false).contains("  <none> (20m waiting)  "));
    }

    #[test]
    fn it_is_the_value_that_was_overridden_that_says_so() {
        let mut job = fixture::standing(NotApplied, None);
        let kept = Value::of(Some(15_000), Some(60_000), Some(60_000));
        let lost = Value { effective: Some(15_000), ..kept.clone() };
        let plain = Value::of(Some(10_000), None, Some(10_000));
        let shown = |job: &Configuration| row(job.clone(), false, false);
        (job.checkpoint_interval, job.checkpoint_timeout) = (lost.clone(), plain);
        assert!(shown(&job).contains("  15s (1m not applied)  10s  "), "{}", shown(&job));
        job.checkpoint_interval = kept.clone();
        assert!(shown(&job).contains("  1m (not applied)  10s  "), "{}", shown(&job));
        job.checkpoint_timeout = Value { submitted: Some(10_000), ..kept.clone() };
        assert!(shown(&job).contains("  1m (was 15s)  1m (not applied)  "), "{}", shown(&job));
        job.checkpoint_interval = lost;
        assert!(shown(&job).contains("  15s (1m not applied)  1m (was 10s)  "), "{}", shown(&job));
    }

    #[test]
    fn colours_tell_what_may_mend_itself_from_what_will_not() {
        let coloured = STATES.map(|state| row(fixture::standing(state, None), false, true));
        let red = coloured.iter().filter(|line| line.contains("38;5;1m")).count();
        assert!(!coloured[0].contains("38;5;1m") && red == 3, "{coloured:#?}");
    }

    #[test]
    fn a_narrow_terminal_shows_it_too() {
        let mut jobs: Vec<_> = STATES.into_iter().map(|state| fixture::standing(state, None)).collect();
        for (index, job) in jobs.iter_mut().enumerate() {
            job.cluster = "production-eu-west-1".to_owned();
            job.name = format!("insert-into_default_catalog.default_database.orders_{index}");
            job.in_flight = vec![fixture::in_flight(31_412)];
        }
        jobs[0].state = JobState::Restarting;
        for width in [80, 100, 120] {
            let lines = table(&jobs, false, NOW, Style { colours: false, width: Some(width), cut: false });
            assert!(lines.iter().all(|line| line.width() <= width.into()), "{width}: {lines:#?}");
            let said = [
                ("20m waiting", "20m (waiting)"),
                ("10s not 20m", "10s (20m not applied)"),
                ("7m not 20m", "7m (20m conflict)"),
                ("10s orphaned", "10s (orphaned)"),
            ];
            for ((least, more), line) in said.iter().zip(&lines[1..]) {
                assert!(line.contains(least) || (width > 80 && line.contains(more)), "{width}: {lines:#?}");
            }
        }
    }
}
