//! All jobs in one view, the worst first: one line a job.

use crate::view::checkpoint::urgency;
use crate::view::failures;
use crate::view::job::JobView;
use crate::view::line::{Line, Span, Tone, within};
use crate::view::list;
use crate::view::text::{bar, clean, column, cut, percent, right_column, rough, utc};
use crate::watch::full::model::{Data, Model};
use crate::watch::full::snapshot::{JobKey, JobSnapshot, Now};
use ckpt_api::{Failures, InFlight};
use unicode_width::UnicodeWidthStr;

/// Columns of the word for the severity.
const WORD: usize = 12;
/// Columns of a small gauge.
const GAUGE: usize = 6;
/// Below this width the checkpoint's acknowledgements and the timeout make room for the names.
const NARROW: usize = 72;
/// From this width on the interval is shown.
const MEDIUM: usize = 100;
/// From this width on more is said of each job.
const WIDE: usize = 120;

/// The list, and below it what needs attention and the newest events, as far as there is room.
pub(super) fn lines(model: &Model, now: Now, width: usize, room: usize) -> Vec<Line> {
    let keys = model.in_order(now);
    let (data, now) = model.shown(now);
    if keys.is_empty() {
        return vec![Line::new(nothing(model, data), Tone::Plain)];
    }
    let below = below(data, now, width);
    let spare = room.saturating_sub(keys.len() + 1);
    let told = told(data, width, spare.saturating_sub(below.len()).min(9));
    let below =
        within(below, spare.max(room / 4), |more| format!("… {more} more; see them with: ckptctl get"));
    let list_room = room.saturating_sub(below.len() + told.len());
    let mut lines = list(model, data, &keys, now, width, list_room);
    let used = lines.len() + below.len() + told.len();
    lines.extend(below);
    lines.resize(lines.len() + room.saturating_sub(used), Line::default());
    lines.extend(told);
    lines
}

/// The list alone, where it stands beside a job.
pub(super) fn narrow(model: &Model, now: Now, width: usize, room: usize) -> Vec<Line> {
    let keys = model.in_order(now);
    let (data, now) = model.shown(now);
    let rows = keys.iter().filter_map(|key| Some((key, data.jobs.get(key)?)));
    let line = |(key, seen): (&JobKey, &JobSnapshot)| {
        let job = seen.at(now);
        let job = JobView::new(&job, now.wall);
        let is_open = model.selected.as_ref() == Some(key);
        let mark = if is_open { "▸ " } else { "  " };
        let name = column(&job.title(), width.saturating_sub(WORD + 12));
        let mut line = Line::new(mark, Tone::Plain).with(column(&job.verdict.text, WORD), job.verdict.tone);
        line.add(format!(" {name} {}", right_column(&job.time_left(), 8)), Tone::Plain);
        line.is_selected = is_open;
        line
    };
    let lines = vec![Line::new(format!("  {} JOB", column("HOW", WORD)), Tone::Strong)];
    let lines = lines.into_iter().chain(rows.map(line)).collect();
    within(lines, room, |more| format!("  … {more} more"))
}

fn nothing(model: &Model, data: &Data) -> String {
    match (model.filter.is_empty(), data.jobs.is_empty()) {
        (false, false) => format!("no job has '{}' in its name; Esc drops the filter", clean(&model.filter)),
        _ => list::nothing(&data.clusters).to_owned(),
    }
}

/// The rows around the selected one.
fn list(model: &Model, data: &Data, keys: &[JobKey], now: Now, width: usize, room: usize) -> Vec<Line> {
    let columns = Columns::of(width);
    let mut lines = vec![columns.heading()];
    let room = room.saturating_sub(1).max(1);
    let selected = keys.iter().position(|key| model.selected.as_ref() == Some(key)).unwrap_or(0);
    let is_cut = keys.len() > room;
    let rows = if is_cut { room.saturating_sub(1).max(1) } else { room };
    let first = (selected + 1).saturating_sub(rows).min(keys.len().saturating_sub(rows));
    for (place, key) in keys.iter().enumerate().skip(first).take(rows) {
        if let Some(seen) = data.jobs.get(key) {
            let job = seen.at(now);
            lines.push(columns.row(&JobView::new(&job, now.wall), now.wall, place == selected));
        }
    }
    if is_cut {
        let last = (first + rows).min(keys.len());
        lines.push(Line::new(format!("  {} to {last} of {} jobs", first + 1, keys.len()), Tone::Muted));
    }
    lines
}

/// Widths of the columns.
struct Columns {
    name: usize,
    interval: usize,
    narrow: bool,
    wide: bool,
    sentence: usize,
}

impl Columns {
    const ACKED: usize = 7;
    const LEFT: usize = 9;
    const TIMEOUT: usize = 11;
    const INTERVAL: usize = 8;
    const FAILED: usize = 5;

    fn of(width: usize) -> Self {
        let narrow = width < NARROW;
        let left_out = if narrow { GAUGE + Self::ACKED + Self::TIMEOUT + 3 } else { 0 };
        let fixed = 2 + WORD + GAUGE + Self::ACKED + Self::LEFT + Self::TIMEOUT + Self::FAILED + 6 - left_out;
        let interval = if width >= MEDIUM { Self::INTERVAL + 1 } else { 0 };
        let spare = width.saturating_sub(fixed + interval);
        let wide = width >= WIDE;
        let name = if wide { (spare / 2).clamp(16, 48) } else { spare };
        Self { name, interval, narrow, wide, sentence: if wide { spare.saturating_sub(name + 2) } else { 0 } }
    }

    fn heading(&self) -> Line {
        let wider = |text: &str, width| if self.narrow { String::new() } else { column(text, width) + " " };
        let text = format!(
            "  {} {} {}{} {}{}{}{}",
            column("HOW", WORD),
            column("JOB", self.name),
            wider("ACKNOWLEDGED", GAUGE + 1 + Self::ACKED),
            right_column("LEFT", Self::LEFT),
            wider("TIMEOUT", Self::TIMEOUT),
            column("INTERVAL", self.interval),
            right_column("FAILS", Self::FAILED),
            if self.wide { "  CHECKPOINT IN FLIGHT" } else { "" },
        );
        Line::new(text.trim_end(), Tone::Strong)
    }

    fn row(&self, job: &JobView<'_>, now: u64, is_selected: bool) -> Line {
        let oldest = job.job.in_flight.first();
        let [timeout, interval] = [&job.timeout, &job.interval].map(|value| value.marked(now));
        let mut line = Line::new(if is_selected { "▸ " } else { "  " }, Tone::Strong);
        line.add(column(&job.verdict.text, WORD), job.verdict.tone);
        let name = if self.narrow { job.name.clone() } else { job.title() };
        line.add(format!(" {} ", column(&name, self.name)), Tone::Plain);
        if !self.narrow {
            let gauge = oldest.map(|it| bar(it.acknowledged.into(), it.subtasks.into(), GAUGE));
            line.add(gauge.unwrap_or(" ".repeat(GAUGE)), Tone::Good);
            line.add(format!(" {} ", column(&acked(oldest), Self::ACKED)), Tone::Plain);
        }
        line.add(right_column(&job.time_left(), Self::LEFT), oldest.map_or(Tone::Plain, urgency));
        line.add(" ", Tone::Plain);
        if !self.narrow {
            line.add(format!("{} ", whole(&timeout.text, Self::TIMEOUT)), timeout.tone);
        }
        line.add(whole(&interval.text, self.interval), interval.tone);
        let failed = failed(job.job.failures);
        line.add(right_column(&failed.text, Self::FAILED), failed.tone);
        if self.wide {
            line.add(format!("  {}", cut(&told_of(oldest), self.sentence)), Tone::Plain);
        }
        line.is_selected = is_selected;
        line
    }
}

/// A value in its column. One that is too long loses its end time before it loses a digit.
fn whole(text: &str, width: usize) -> String {
    match text.split_once('*') {
        Some((value, _)) if text.width() > width => column(&format!("{value}*"), width),
        _ => column(text, width),
    }
}

fn acked(oldest: Option<&InFlight>) -> String {
    let Some(checkpoint) = oldest else { return "-".to_owned() };
    let whole = format!("{}/{}", checkpoint.acknowledged, checkpoint.subtasks);
    match (checkpoint.subtasks, whole.width() > Columns::ACKED) {
        (0, _) => "?".to_owned(),
        (_, true) => format!("{}%", percent(checkpoint.acknowledged, checkpoint.subtasks)),
        (_, false) => whole,
    }
}

fn failed(failures: Failures) -> Span {
    let share = failures::share(failures, "/");
    if share.text.width() <= Columns::FAILED {
        return share;
    }
    Span::new(failures.consecutive.to_string(), share.tone)
}

/// Number, time and verdict of a checkpoint, for wide screens.
fn told_of(oldest: Option<&InFlight>) -> String {
    let Some(checkpoint) = oldest else { return "none in flight".to_owned() };
    let begun = format!("#{} for {}", checkpoint.id, rough(checkpoint.elapsed));
    match &checkpoint.estimate {
        Some(estimate) => format!("{begun}; {}", clean(&estimate.sentence)),
        None => begun,
    }
}

/// Overrides that do not hold, pauses of reconciliation, warnings.
fn below(data: &Data, now: Now, width: usize) -> Vec<Line> {
    let jobs = || data.jobs.values().map(|seen| &seen.job);
    let overrides = list::overrides(jobs(), &data.pauses, now.wall);
    let told = overrides.into_iter().chain(jobs().flat_map(list::warnings));
    let mut lines: Vec<_> = told.flat_map(|sentence| sentence.wrap(width)).collect();
    if !lines.is_empty() {
        lines.insert(0, Line::heading("to be seen to", width));
    }
    lines
}

/// The newest events.
fn told(data: &Data, width: usize, room: usize) -> Vec<Line> {
    if room < 2 || data.told.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::heading("just now", width)];
    let newest = data.told.iter().rev().take(room - 1).collect::<Vec<_>>();
    lines.extend(newest.into_iter().rev().map(|(at, what)| {
        let time = utc(i64::try_from(*at).unwrap_or(-1), "%H:%M:%S");
        Line::new(format!("{time}  "), Tone::Muted).with(cut(what, width.saturating_sub(10)), Tone::Plain)
    }));
    lines
}
