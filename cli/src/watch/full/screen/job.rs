//! One job in detail.

use super::{gauge, missing};
use crate::view::chart::{self, Point};
use crate::view::job::JobView;
use crate::view::line::{Line, Span, Tone, within};
use crate::view::suggestion::next_command;
use crate::view::text::{clean, cut_middle};
use crate::watch::full::model::{JobDetail, Model};
use crate::watch::full::snapshot::{JobKey, Now};
use ckpt_api::Configuration;
use unicode_width::UnicodeWidthStr;

/// Least lines of a chart, with its heading.
const MIN_CHART: usize = 7;
/// Most lines of a chart.
const MAX_CHART: usize = 26;

/// Section of the screen, the least number of its lines, and the number that it is given.
struct Section {
    lines: Vec<Line>,
    least: usize,
    given: usize,
}

/// All of it, on `room` lines.
pub(super) fn lines(model: &Model, key: &JobKey, now: Now, width: usize, room: usize) -> Vec<Line> {
    let (data, now) = model.shown(now);
    let Some(seen) = data.jobs.get(key) else {
        return vec![Line::new("the job is not known any more; b shows all jobs", Tone::Notice)];
    };
    let job = seen.at(now);
    let nothing = JobDetail::default();
    let detail = data.details.get(key).unwrap_or(&nothing);
    let view = JobView::new(&job, now.wall);
    let mut lines = head(&view, width);
    lines.extend(gauge::lines(&job, width));
    lines.extend(
        next_command(&job).map(|command| Line::new("type next: ", Tone::Plain).with(command, Tone::Strong)),
    );
    lines.truncate(room);
    let mut free = room - lines.len();
    let missing = match (&detail.diagnosis, job.in_flight.first()) {
        (Some(diagnosis), Some(oldest)) => missing::lines(diagnosis, oldest, &job.warnings, width),
        _ => Vec::new(),
    };
    let overridden = overrides(&view, width);
    let failures = failures(detail, width);
    let warnings = warnings(&job, width);
    let points = points(&job, detail, now.wall);
    // What may be left out comes last; each gets its least first, and then what it would like.
    let part = |lines: Vec<Line>, least: usize| Section { least: least.min(lines.len()), lines, given: 0 };
    let mut parts = [part(overridden, 3), part(missing, 3), part(failures, 1), part(warnings, 3)];
    for part in &mut parts[..3] {
        part.given = if part.least <= free { part.least } else { 0 };
        free -= part.given;
    }
    let mut chart_room = if points.is_empty() || free < MIN_CHART { 0 } else { MIN_CHART };
    free -= chart_room;
    for part in &mut parts {
        let more = (part.lines.len() - part.given).min(free);
        part.given += more;
        free -= more;
    }
    if chart_room > 0 {
        chart_room = (chart_room + free).min(MAX_CHART);
    }
    if let Section { least, given, .. } = &mut parts[3]
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

/// Identity and severity, and the values in force.
fn head(job: &JobView<'_>, width: usize) -> Vec<Line> {
    let verdict = job.verdict.text.to_uppercase();
    let state = job.job.state.name();
    let state = if state == verdict { String::new() } else { format!("  {state}") };
    let room = width.saturating_sub(state.width() + verdict.width() + 3);
    let title = Line::new(cut_middle(&job.label, room.max(12)), Tone::Strong)
        .with(format!("{state}  "), Tone::Plain)
        .with(verdict, job.verdict.tone);
    let sentences = job.last_seen().into_iter().chain([job.headline()]);
    [title].into_iter().chain(sentences.flat_map(|sentence| sentence.wrap(width))).collect()
}

/// Overrides with their state, origin and end.
fn overrides(job: &JobView<'_>, width: usize) -> Vec<Line> {
    let Some((title, sentences)) = job.overrides() else { return Vec::new() };
    let sentences = sentences.iter().flat_map(|sentence| sentence.wrap(width));
    [Line::heading(&title, width)].into_iter().chain(sentences).collect()
}

fn points(job: &Configuration, detail: &JobDetail, now: u64) -> Vec<Point> {
    let ended = detail.history.iter().map(Point::ended);
    let running = job.in_flight.iter().map(|checkpoint| Point::in_flight(checkpoint, now));
    let all: Vec<_> = ended.chain(running).collect();
    if detail.history.is_empty() { Vec::new() } else { all }
}

fn chart_lines(points: &[Point], width: usize, room: usize) -> Vec<Line> {
    let Some(height) = room.checked_sub(2) else { return Vec::new() };
    let chart = chart::chart(points, width, height);
    if chart.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::heading("how long they took, against the timeout of their time", width)];
    lines.extend(chart);
    lines.push(Line::new(format!("          {}", chart::legend(points, width)), Tone::Muted));
    lines
}

/// Reasons of the newest failures.
fn failures(detail: &JobDetail, width: usize) -> Vec<Line> {
    let reasons = chart::failures(&detail.history);
    reasons.iter().take(6).flat_map(|reason| Span::new(reason, Tone::Bad).wrap(width)).collect()
}

fn warnings(job: &Configuration, width: usize) -> Vec<Line> {
    let mut lines: Vec<_> =
        job.warnings.iter().flat_map(|warning| Span::new(clean(warning), Tone::Notice).wrap(width)).collect();
    if !lines.is_empty() {
        lines.insert(0, Line::heading("warnings", width));
    }
    lines
}
