//! All jobs in one view, the worst first: one line a job.

use super::overrides::marked;
use super::row::{Ink, Row, bar, column, heading, ink_of, number, sentence, time_left, within};
use crate::console::clean;
use crate::name::is_hosted;
use crate::render::standing::sentences;
use crate::render::text::{percent, rough, utc};
use crate::watch::full::model::{Data, Key, Model, Now, Seen};
use crate::watch::full::order::how;
use ckpt_api::{Configuration, Failures, InFlight};
use unicode_width::UnicodeWidthStr;

/// The columns of the word for how bad it is.
const WORD: usize = 12;
/// The columns of a small gauge.
const GAUGE: usize = 6;
/// Below this width the checkpoint's acknowledgements and the timeout make room for the names.
const NARROW: usize = 72;
/// From this width on the interval is shown.
const MEDIUM: usize = 100;
/// From this width on more is said of each job.
const WIDE: usize = 120;

/// The list, and below it what ought to be known and what has just happened, as far as there is room.
pub(super) fn lines(model: &Model, now: Now, width: usize, room: usize) -> Vec<Row> {
    let keys = model.in_order(now);
    let (data, now) = model.shown(now);
    if keys.is_empty() {
        return vec![Row::of(nothing(model, data), Ink::Plain)];
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
    lines.resize(lines.len() + room.saturating_sub(used), Row::default());
    lines.extend(told);
    lines
}

/// The list alone, where it stands beside a job.
pub(super) fn narrow(model: &Model, now: Now, width: usize, room: usize) -> Vec<Row> {
    let keys = model.in_order(now);
    let (data, now) = model.shown(now);
    let rows = keys.iter().filter_map(|key| Some((key, data.jobs.get(key)?)));
    let line = |(key, seen): (&Key, &Seen)| {
        let job = seen.at(now);
        let (rank, word) = how(&job);
        let left = job.in_flight.first().map(time_left).unwrap_or_default();
        let is_open = model.selected.as_ref() == Some(key);
        let mark = if is_open { "▸ " } else { "  " };
        let name = column(&named(&job), width.saturating_sub(WORD + 12));
        let mut row = Row::of(mark, Ink::Plain).with(column(word, WORD), ink_of(rank));
        row.add(format!(" {name} {}", number(&left, 8)), Ink::Plain);
        row.1 = is_open;
        row
    };
    let lines = vec![Row::of(format!("  {} JOB", column("HOW", WORD)), Ink::Strong)];
    let lines = lines.into_iter().chain(rows.map(line)).collect();
    within(lines, room, |more| format!("  … {more} more"))
}

fn nothing(model: &Model, data: &Data) -> String {
    match (model.filter.is_empty(), data.jobs.is_empty()) {
        (false, false) => format!("no job has '{}' in its name; Esc drops the filter", clean(&model.filter)),
        _ if data.clusters.iter().any(|cluster| cluster.trouble.is_some()) => {
            "no jobs are known, as not every cluster answers as it should".to_owned()
        }
        _ => "no jobs; submit one with: ckptctl submit FILE".to_owned(),
    }
}

/// The rows around the selected one.
fn list(model: &Model, data: &Data, keys: &[Key], now: Now, width: usize, room: usize) -> Vec<Row> {
    let columns = Columns::of(width);
    let mut lines = vec![columns.heading()];
    let room = room.saturating_sub(1).max(1);
    let selected = keys.iter().position(|key| model.selected.as_ref() == Some(key)).unwrap_or(0);
    let is_cut = keys.len() > room;
    let rows = if is_cut { room.saturating_sub(1).max(1) } else { room };
    let first = (selected + 1).saturating_sub(rows).min(keys.len().saturating_sub(rows));
    for (place, key) in keys.iter().enumerate().skip(first).take(rows) {
        if let Some(seen) = data.jobs.get(key) {
            lines.push(columns.row(&seen.at(now), now.wall, place == selected));
        }
    }
    if is_cut {
        let last = (first + rows).min(keys.len());
        lines.push(Row::of(format!("  {} to {last} of {} jobs", first + 1, keys.len()), Ink::Faint));
    }
    lines
}

/// How wide the columns are.
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

    fn heading(&self) -> Row {
        let wider = |text: &str, width| if self.narrow { String::new() } else { column(text, width) + " " };
        let text = format!(
            "  {} {} {}{} {}{}{}{}",
            column("HOW", WORD),
            column("JOB", self.name),
            wider("ACKNOWLEDGED", GAUGE + 1 + Self::ACKED),
            number("LEFT", Self::LEFT),
            wider("TIMEOUT", Self::TIMEOUT),
            column("INTERVAL", self.interval),
            number("FAILS", Self::FAILED),
            if self.wide { "  CHECKPOINT IN FLIGHT" } else { "" },
        );
        Row::of(text.trim_end(), Ink::Strong)
    }

    fn row(&self, job: &Configuration, now: u64, selected: bool) -> Row {
        let (rank, word) = how(job);
        let oldest = job.in_flight.first();
        let gauge =
            oldest.map_or(" ".repeat(GAUGE), |it| bar(it.acknowledged.into(), it.subtasks.into(), GAUGE));
        let (timeout, timeout_ink) = marked(&job.checkpoint_timeout, job, now);
        let (interval, interval_ink) = marked(&job.checkpoint_interval, job, now);
        let left = oldest.map(time_left).unwrap_or_default();
        let urgent =
            oldest.is_some_and(|it| it.remaining.is_some_and(|left| left.saturating_mul(4) < it.elapsed));
        let mut row = Row::of(if selected { "▸ " } else { "  " }, Ink::Strong);
        row.add(column(word, WORD), ink_of(rank));
        let name = if self.narrow { clean(&job.name) } else { named(job) };
        row.add(format!(" {} ", column(&name, self.name)), Ink::Plain);
        if !self.narrow {
            row.add(gauge, Ink::Good);
            row.add(format!(" {} ", column(&acked(oldest), Self::ACKED)), Ink::Plain);
        }
        row.add(number(&left, Self::LEFT), if urgent { Ink::Alarm } else { Ink::Plain });
        row.add(" ".to_owned(), Ink::Plain);
        if !self.narrow {
            row.add(format!("{} ", whole(&timeout, Self::TIMEOUT)), timeout_ink);
        }
        row.add(whole(&interval, self.interval), interval_ink);
        row.add(number(&failed(job.failures), Self::FAILED), Ink::Plain);
        if self.wide {
            row.add(format!("  {}", crate::render::text::cut(&told_of(oldest), self.sentence)), Ink::Plain);
        }
        row.1 = selected;
        row
    }
}

/// The name, and the cluster unless ckptd hosts the job itself.
fn named(job: &Configuration) -> String {
    match is_hosted(job) {
        true => clean(&job.name),
        false => format!("{} ({})", clean(&job.name), clean(&job.cluster)),
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

fn failed(failures: Failures) -> String {
    let Failures { consecutive, tolerable } = failures;
    let text = match tolerable {
        Failures::UNLIMITED => format!("{consecutive}/∞"),
        _ => format!("{consecutive}/{tolerable}"),
    };
    if text.width() > Columns::FAILED { consecutive.to_string() } else { text }
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

/// Overrides that do not hold, pauses of reconcile, warnings.
fn below(data: &Data, now: Now, width: usize) -> Vec<Row> {
    let jobs: Vec<_> = data.jobs.values().map(|seen| seen.job.clone()).collect();
    let mut told = sentences(&jobs, &data.pauses, now.wall);
    for job in &jobs {
        let warnings = job.warnings.iter();
        told.extend(warnings.map(|warning| format!("{}: {}", crate::name::label(job), clean(warning))));
    }
    let mut lines: Vec<_> = told.iter().flat_map(|line| sentence(line, Ink::Notice, width)).collect();
    if !lines.is_empty() {
        lines.insert(0, heading("to be seen to", width));
    }
    lines
}

/// The newest events.
fn told(data: &Data, width: usize, room: usize) -> Vec<Row> {
    if room < 2 || data.told.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![heading("just now", width)];
    let newest = data.told.iter().rev().take(room - 1).collect::<Vec<_>>();
    lines.extend(newest.into_iter().rev().map(|(at, what)| {
        let time = utc(i64::try_from(*at).unwrap_or(-1), "%H:%M:%S");
        Row::of(format!("{time}  "), Ink::Faint)
            .with(crate::render::text::cut(what, width.saturating_sub(10)), Ink::Plain)
    }));
    lines
}
