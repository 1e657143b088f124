//! One job in detail.

use super::row::{Ink, Row, heading, ink_of, sentence, within};
use super::{gauge, missing, overrides};
use crate::console::clean;
use crate::name::{is_hosted, label, quoted, typed};
use crate::next::more_time;
use crate::render::chart::{self, Mark, Point};
use crate::render::text::{age, at, cut_middle, due, exact, exact_or_none};
use crate::standing::state;
use crate::watch::full::model::{Detail, Key, Model, Now};
use crate::watch::full::order::{how, is_at_its_limit};
use ckpt_api::{Configuration, Failures, OverrideState, Pace, Value};
use unicode_width::UnicodeWidthStr;

/// The least lines of a chart, with its heading.
const LEAST_CHART: usize = 7;
/// The most.
const MOST_CHART: usize = 26;

/// A part of the screen, how many lines of it there have to be, and how many it is given.
struct Part {
    lines: Vec<Row>,
    least: usize,
    given: usize,
}

/// All of it, on `room` lines.
pub(super) fn lines(model: &Model, key: &Key, now: Now, width: usize, room: usize) -> Vec<Row> {
    let (data, now) = model.shown(now);
    let Some(seen) = data.jobs.get(key) else {
        return vec![Row::of("the job is not known any more; b shows all jobs", Ink::Notice)];
    };
    let job = seen.at(now);
    let nothing = Detail::default();
    let detail = data.details.get(key).unwrap_or(&nothing);
    let mut lines = head(&job, now.wall, width);
    lines.extend(gauge::lines(&job, width));
    lines.extend(
        next_command(&job).map(|command| Row::of("type next: ", Ink::Plain).with(command, Ink::Strong)),
    );
    lines.truncate(room);
    let mut free = room - lines.len();
    let missing = match (&detail.diagnosis, job.in_flight.first()) {
        (Some(diagnosis), Some(oldest)) => missing::lines(diagnosis, oldest, &job.warnings, width),
        _ => Vec::new(),
    };
    let overridden = overrides::lines(&job, now.wall, width);
    let failures = failures(detail, width);
    let warnings = warnings(&job, width);
    let points = points(&job, detail, now.wall);
    // What may be left out comes last; each gets its least first, and then what it would like.
    let part = |lines: Vec<Row>, least: usize| Part { least: least.min(lines.len()), lines, given: 0 };
    let mut parts = [part(overridden, 3), part(missing, 3), part(failures, 1), part(warnings, 3)];
    for part in &mut parts[..3] {
        part.given = if part.least <= free { part.least } else { 0 };
        free -= part.given;
    }
    let mut chart_room = if points.is_empty() || free < LEAST_CHART { 0 } else { LEAST_CHART };
    free -= chart_room;
    for part in &mut parts {
        let more = (part.lines.len() - part.given).min(free);
        part.given += more;
        free -= more;
    }
    if chart_room > 0 {
        chart_room = (chart_room + free).min(MOST_CHART);
    }
    if let Part { least, given, .. } = &mut parts[3]
        && *given < *least
    {
        // A heading and the words that there is more would say nothing.
        *given = 0;
    }
    let [overridden, missing, failures, warnings] = parts.map(|part| {
        let more = |more| format!("… {more} more lines; a taller window shows them");
        within(part.lines, part.given, more)
    });
    lines.extend(missing);
    lines.extend(chart_lines(&points, width, chart_room));
    lines.extend(failures);
    lines.extend(overridden);
    lines.extend(warnings);
    lines
}

/// What it is and how bad, and the values in force.
fn head(job: &Configuration, now: u64, width: usize) -> Vec<Row> {
    let (rank, word) = how(job);
    let said = word.to_uppercase();
    let state = if job.state.name() == said { String::new() } else { format!("  {}", job.state) };
    let room = width.saturating_sub(state.width() + said.width() + 3);
    let mut lines = vec![
        Row::of(cut_middle(&label(job), room.max(12)), Ink::Strong)
            .with(format!("{state}  "), Ink::Plain)
            .with(said, ink_of(rank)),
    ];
    if let Some(why) = &job.stale {
        let text = format!(
            "STALE: last seen at {} UTC, {} ago: {}",
            at(job.observed_at, now),
            age(job.observed_at, now),
            clean(why)
        );
        lines.extend(sentence(&text, Ink::Alarm, width));
    }
    let values = format!(
        "{}, {}, {}{}",
        value("timeout", &job.checkpoint_timeout),
        value("interval", &job.checkpoint_interval),
        failed(job.failures),
        next(job, now)
    );
    let ink = if is_at_its_limit(job.failures) { Ink::Alarm } else { Ink::Plain };
    lines.extend(sentence(&values, ink, width));
    lines
}

/// `timeout 20m (submitted 10s)`
fn value(name: &str, value: &Value) -> String {
    let effective = exact_or_none(value.effective);
    match (value.overridden, value.submitted) {
        (Some(_), Some(submitted)) if value.effective != value.submitted => {
            format!("{name} {effective} (submitted {})", exact(submitted))
        }
        _ => format!("{name} {effective}"),
    }
}

fn failed(Failures { consecutive, tolerable }: Failures) -> String {
    match tolerable {
        Failures::UNLIMITED => format!("failed in a row: {consecutive}, any number tolerated"),
        limit if consecutive > 0 && consecutive >= limit => {
            format!("{consecutive} FAILED IN A ROW: THE NEXT ONE FAILS THE JOB")
        }
        limit => format!("failed in a row: {consecutive}, {limit} tolerated"),
    }
}

fn next(job: &Configuration, now: u64) -> String {
    match job.next_trigger {
        Some(next) if job.stale.is_none() => format!(", next trigger {}", due(Some(next), now)),
        _ => String::new(),
    }
}

/// What to type next, when there is something to do.
pub(super) fn next_command(job: &Configuration) -> Option<String> {
    let name = typed(job);
    match state(job) {
        Some(OverrideState::Orphaned) => return Some(format!("ckptctl adopt {name}")),
        Some(OverrideState::NotApplied) if !is_hosted(job) => {
            return Some(format!("ckptctl doctor {}", quoted(&job.cluster)));
        }
        Some(OverrideState::Conflict) => return Some(format!("ckptctl get {name}")),
        _ => {}
    }
    let estimate = job.in_flight.first()?.estimate.as_ref()?;
    match (estimate.suggested_timeout, estimate.verdict) {
        (Some(timeout), _) => Some(more_time(&name, timeout)),
        (None, Pace::Stuck | Pace::CannotTell) => Some(format!("ckptctl diagnose {name}")),
        (None, Pace::Slow | Pace::OnTrack) => None,
    }
    .map(|command| clean(&command))
}

fn points(job: &Configuration, detail: &Detail, now: u64) -> Vec<Point> {
    let ended = detail.history.iter().map(Point::ended);
    let running = job.in_flight.iter().map(|checkpoint| Point::in_flight(checkpoint, now));
    let all: Vec<_> = ended.chain(running).collect();
    if detail.history.is_empty() { Vec::new() } else { all }
}

fn chart_lines(points: &[Point], width: usize, room: usize) -> Vec<Row> {
    let Some(height) = room.checked_sub(2) else { return Vec::new() };
    let chart = chart::chart(points, width, height);
    if chart.is_empty() {
        return Vec::new();
    }
    let ink = |mark| match mark {
        Mark::Blank => Ink::Plain,
        Mark::Axis => Ink::Faint,
        Mark::Completed => Ink::Good,
        Mark::Rescued => Ink::Accent,
        Mark::Failed => Ink::Alarm,
        Mark::InFlight => Ink::Strong,
        Mark::Timeout => Ink::Notice,
    };
    let mut lines = vec![heading("how long they took, against the timeout of their time", width)];
    lines.extend(chart.iter().map(|line| {
        let mut row = Row::default();
        for (c, mark) in line {
            match row.0.last_mut() {
                Some((text, last)) if *last == ink(*mark) => text.push(*c),
                _ => row.add(c.to_string(), ink(*mark)),
            }
        }
        row
    }));
    lines.push(Row::of(format!("          {}", chart::legend(points, width)), Ink::Faint));
    lines
}

/// Why the newest of those that failed did.
fn failures(detail: &Detail, width: usize) -> Vec<Row> {
    let reasons = chart::failures(&detail.history);
    reasons.iter().take(6).flat_map(|reason| sentence(reason, Ink::Alarm, width)).collect()
}

fn warnings(job: &Configuration, width: usize) -> Vec<Row> {
    let mut lines: Vec<_> =
        job.warnings.iter().flat_map(|warning| sentence(&clean(warning), Ink::Notice, width)).collect();
    if !lines.is_empty() {
        lines.insert(0, heading("warnings", width));
    }
    lines
}
