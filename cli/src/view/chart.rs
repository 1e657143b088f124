//! Chart of the durations of recent checkpoints, against the timeout that was in force when each ended.

use super::line::{Line, Tone};
use super::text::{clean, exact, rough, utc};
use ckpt_api::{EndedCheckpoint, InFlight};
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

/// The columns of the labels on the left.
const LABELS: usize = 9;
/// A timeout is off the chart when it is more than this many times as long as the longest checkpoint: otherwise
/// nobody could tell the checkpoints from each other.
const OFF: u64 = 4;
/// The most columns of one checkpoint, with the gap behind it, on a small screen; more on a wide one.
const WIDEST: usize = 3;
/// As many columns of a screen allow a checkpoint to be one wider.
const PER_COLUMN: usize = 30;
/// The lines below the bars.
const BELOW: usize = 2;

/// Meaning of a character of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Blank,
    Completed,
    Rescued,
    Failed,
    InFlight,
    Timeout,
}

/// One checkpoint of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    /// Its number, if it had one.
    pub(crate) id: Option<u64>,
    /// Time of the trigger, in milliseconds since the epoch.
    pub(crate) at: u64,
    /// Duration so far, in milliseconds.
    pub(crate) took: Option<u64>,
    /// The timeout, in milliseconds, if it is known.
    pub(crate) timeout: Option<u64>,
    /// Outcome.
    pub(crate) kind: Mark,
}

impl Point {
    /// Point of an ended checkpoint.
    pub(crate) fn ended(checkpoint: &EndedCheckpoint) -> Self {
        let kind = match (checkpoint.completed, checkpoint.rescued) {
            (false, _) => Mark::Failed,
            (true, true) => Mark::Rescued,
            (true, false) => Mark::Completed,
        };
        Self {
            id: checkpoint.id.map(|id| id.0),
            at: checkpoint.triggered_at,
            took: checkpoint.duration,
            timeout: checkpoint.timeout,
            kind,
        }
    }

    /// Point of a checkpoint in flight, seen at `now`.
    pub(crate) fn in_flight(checkpoint: &InFlight, now: u64) -> Self {
        let elapsed = checkpoint.elapsed;
        Self {
            id: Some(checkpoint.id.0),
            at: now.saturating_sub(elapsed),
            took: Some(elapsed),
            timeout: checkpoint.remaining.map(|left| elapsed.saturating_add(left)),
            kind: Mark::InFlight,
        }
    }
}

impl Mark {
    fn tone(self) -> Tone {
        match self {
            Self::Blank => Tone::Plain,
            Self::Completed => Tone::Good,
            Self::Rescued => Tone::Accent,
            Self::Failed => Tone::Bad,
            Self::InFlight => Tone::Strong,
            Self::Timeout => Tone::Notice,
        }
    }
}

/// Characters of a line, with their marks.
type Cells = Vec<(char, Mark)>;

/// The chart, `height` lines of at most `width` columns; the newest checkpoints as far as they fit, the oldest of
/// them first. Empty when there is no room or nothing to draw.
pub(crate) fn chart(points: &[Point], width: usize, height: usize) -> Vec<Line> {
    let room = width.saturating_sub(LABELS + 1);
    if points.is_empty() || height < BELOW + 2 || room < 8 {
        return Vec::new();
    }
    let (shown, step) = visible(points, room);
    let scale = Scale::of(shown, height - BELOW);
    let mut plot = Plot { cells: vec![vec![(' ', Mark::Blank); shown.len() * step]; scale.rows], step };
    for (index, point) in shown.iter().enumerate() {
        plot.timeout(index, point.timeout, scale);
    }
    for (index, point) in shown.iter().enumerate() {
        plot.bar(index, point, scale);
    }
    let labels = labels(shown, scale);
    let row = |(row, cells): (usize, Cells)| {
        let label = labels.iter().find(|(at, _)| *at == row).map_or("", |(_, label)| label);
        let tick = if label.is_empty() { '│' } else { '┤' };
        let mut line = axis(&format!("{label:>LABELS$}{tick}"));
        for (c, mark) in cells {
            match line.spans.last_mut() {
                Some(span) if span.tone == mark.tone() => span.text.push(c),
                _ => line.add(c, mark.tone()),
            }
        }
        line
    };
    let mut lines: Vec<Line> = plot.cells.into_iter().enumerate().rev().map(row).collect();
    let columns = shown.len() * step;
    lines.push(axis(&format!("{:>LABELS$}└{}", "0s", "─".repeat(columns))));
    lines.push(axis(&format!("{:LABELS$} {}", "", ends(shown, columns, room))));
    lines
}

/// The newest that fit into this many columns, and how many columns each has.
fn visible(points: &[Point], room: usize) -> (&[Point], usize) {
    let step = (room / points.len().max(1)).clamp(1, WIDEST.max(room / PER_COLUMN));
    (&points[points.len().saturating_sub(room / step)..], step)
}

/// Legend of the characters that occur in a chart of this width.
pub(crate) fn legend(points: &[Point], width: usize) -> String {
    let (points, _) = visible(points, width.saturating_sub(LABELS + 1));
    let signs = [
        (Mark::Completed, "█ completed"),
        (Mark::Rescued, "◆ rescued"),
        (Mark::Failed, "✗ failed"),
        (Mark::InFlight, "▒ in flight"),
    ];
    let there = |mark| points.iter().any(|point| point.kind == mark);
    let mut said: Vec<_> = signs.iter().filter(|(mark, _)| there(*mark)).map(|(_, sign)| *sign).collect();
    if points.iter().any(|point| point.timeout.is_some()) {
        said.push("─ timeout");
    }
    said.join("  ")
}

/// Reasons of failures, the newest first, with consecutive failures for the same reason together:
/// `✗ #12 #11  Checkpoint expired before completing.`
pub(crate) fn failures(checkpoints: &[EndedCheckpoint]) -> Vec<String> {
    /// How many of a group are named.
    const NAMED: usize = 4;
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for checkpoint in checkpoints.iter().rev().filter(|checkpoint| !checkpoint.completed) {
        let name = checkpoint.id.map_or("without a number".to_owned(), |id| format!("#{id}"));
        let why = why(checkpoint);
        match groups.last_mut() {
            Some((last, names)) if *last == why => names.push(name),
            _ => groups.push((why, vec![name])),
        }
    }
    let sentence = |(why, names): (String, Vec<String>)| {
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} before"),
        };
        format!("✗ {}{more}: {why}", names[..names.len().min(NAMED)].join(" "))
    };
    groups.into_iter().map(sentence).collect()
}

/// Why one failed, with the timeout if that is what it failed of.
fn why(checkpoint: &EndedCheckpoint) -> String {
    let words = checkpoint.message.as_deref().or(checkpoint.reason.as_deref());
    let words = clean(words.unwrap_or("no reason is given"));
    match (checkpoint.reason.as_deref(), checkpoint.timeout) {
        (Some("CHECKPOINT_EXPIRED"), Some(timeout)) => {
            format!("{} (timeout {})", words.trim_end_matches('.'), exact(timeout))
        }
        _ => words,
    }
}

fn axis(text: &str) -> Line {
    Line::new(text, Tone::Muted)
}

/// Heights of durations.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// What the top stands for, in milliseconds.
    top: u64,
    rows: usize,
}

impl Scale {
    fn of(points: &[Point], rows: usize) -> Self {
        let longest = points.iter().filter_map(|point| point.took).max().unwrap_or(0);
        let timeouts = || points.iter().filter_map(|point| point.timeout);
        let near = |timeout: &u64| longest == 0 || *timeout <= longest.saturating_mul(OFF);
        Self { top: timeouts().filter(near).chain([longest]).max().unwrap_or(0).max(1), rows }
    }

    /// How many eighths of a line high it is.
    fn eighths(self, millis: u64) -> usize {
        let whole = u128::from(millis) * self.rows as u128 * 8 / u128::from(self.top);
        usize::try_from(whole).unwrap_or(usize::MAX).min(self.rows * 8)
    }

    /// The line that the end of a bar of this height is in, from the bottom.
    fn row(self, millis: u64) -> usize {
        self.eighths(millis).div_ceil(8).saturating_sub(1).min(self.rows - 1)
    }

    fn is_off(self, millis: u64) -> bool {
        millis > self.top
    }
}

struct Plot {
    /// From the bottom.
    cells: Vec<Cells>,
    step: usize,
}

impl Plot {
    /// The timeout's line runs through, so that its steps are seen.
    fn timeout(&mut self, index: usize, timeout: Option<u64>, scale: Scale) {
        let Some(timeout) = timeout else { return };
        let sign = if scale.is_off(timeout) { '↑' } else { '─' };
        let cells = &mut self.cells[scale.row(timeout)][index * self.step..][..self.step];
        cells.fill((sign, Mark::Timeout));
    }

    fn bar(&mut self, index: usize, point: &Point, scale: Scale) {
        const PARTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let width = self.step.saturating_sub(1).max(1);
        let height = point.took.map_or(0, |took| scale.eighths(took)).max(1);
        let top = height.div_ceil(8) - 1;
        for row in 0..=top {
            let part = (height - row * 8).min(8);
            let sign = match point.kind {
                Mark::Failed if row == top => '✗',
                Mark::Failed => '░',
                Mark::Rescued if row == top => '◆',
                Mark::InFlight => '▒',
                _ => PARTS[part],
            };
            self.cells[row][index * self.step..][..width].fill((sign, point.kind));
        }
    }
}

/// What stands at which line: the newest timeout, other timeouts and the top, as far as there is room for them.
fn labels(points: &[Point], scale: Scale) -> Vec<(usize, String)> {
    let mut seen = BTreeSet::new();
    let timeouts =
        points.iter().rev().filter_map(|point| point.timeout).filter(|timeout| seen.insert(*timeout));
    let of_timeout = |timeout: u64| match scale.is_off(timeout) {
        true => (scale.rows - 1, format!("{} ↑", short(timeout))),
        false => (scale.row(timeout), short(timeout)),
    };
    let mut labels: Vec<(usize, String)> = Vec::new();
    let levels = [scale.top, scale.top / 2].map(|level| (scale.row(level), rough(level)));
    for (row, label) in timeouts.map(of_timeout).chain(levels) {
        let is_free = labels.iter().all(|(other, _)| other.abs_diff(row) > usize::from(scale.rows > 4));
        if is_free && label.width() < LABELS {
            labels.push((row, label));
        }
    }
    labels
}

fn short(millis: u64) -> String {
    let label = exact(millis);
    if label.width() + 2 < LABELS { label } else { rough(millis) }
}

/// The first and the last checkpoint, below the ends of the axis, or as much of that as there is room for.
fn ends(points: &[Point], columns: usize, room: usize) -> String {
    let number = |point: &Point| point.id.map_or("#?".to_owned(), |id| format!("#{id}"));
    let name =
        |point: &Point| format!("{} {}", number(point), utc(i64::try_from(point.at).unwrap_or(-1), "%H:%M"));
    let [first, .., last] = points else {
        return points.first().map(name).filter(|name| name.width() <= room).unwrap_or_default();
    };
    let (left, right) = (name(first), format!("{} UTC", name(last)));
    let both = left.width() + right.width();
    match columns.max(both + 2) {
        whole if whole <= room => format!("{left}{}{right}", " ".repeat(whole - both)),
        _ => Some(number(last)).filter(|last| last.width() <= room).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::ended;

    fn points() -> Vec<Point> {
        let mut all: Vec<_> = (1..=6).map(|id| ended(id, 4_000 + id * 700, Some(10_000))).collect();
        for checkpoint in &mut all[4..] {
            (checkpoint.completed, checkpoint.duration) = (false, Some(10_000));
        }
        let mut rescued = ended(7, 14_000, Some(20_000));
        rescued.rescued = true;
        all.push(rescued);
        all.push(ended(8, 14_000, Some(20_000)));
        all.iter().map(Point::ended).collect()
    }

    fn drawn(points: &[Point], width: usize, height: usize) -> Vec<String> {
        let lines = chart(points, width, height);
        assert!(lines.len() <= height);
        assert!(lines.iter().all(|line| line.plain().width() <= width), "{width}: {lines:?}");
        lines.iter().map(Line::plain).collect()
    }

    #[test]
    fn bars_stand_against_past_timeouts() {
        assert_eq!(
            drawn(&points(), 40, 10),
            [
                "      20s┤                  ──────",
                "         │",
                "         │                  ◆◆ ▄▄",
                "         │                  ██ ██",
                "      10s┤────────────✗✗─✗✗─██ ██",
                "         │   ▁▁ ▃▃ ▅▅ ░░ ░░ ██ ██",
                "         │▇▇ ██ ██ ██ ░░ ░░ ██ ██",
                "         │██ ██ ██ ██ ░░ ░░ ██ ██",
                "       0s└────────────────────────",
                "          #1 14:13    #8 14:16 UTC",
            ]
        );
        assert_eq!(legend(&points(), 80), "█ completed  ◆ rescued  ✗ failed  ─ timeout");
    }

    #[test]
    fn far_timeout_is_off_chart() {
        let points: Vec<_> = [ended(1, 4_000, Some(1_200_000)), ended(2, 8_000, Some(1_200_000))]
            .iter()
            .map(Point::ended)
            .collect();
        let lines = drawn(&points, 40, 6);
        assert_eq!(lines[0], "    20m ↑┤↑↑↑██↑");
        assert_eq!(lines[3], "         │██ ██");
    }

    #[test]
    fn chart_keeps_newest_in_any_room() {
        let many: Vec<_> = (1..=200).map(|id| Point::ended(&ended(id, id, Some(300)))).collect();
        for (width, height) in [(0, 0), (10, 3), (17, 4), (18, 4), (80, 24), (300, 60)] {
            drawn(&many, width, height);
            drawn(&points(), width, height);
        }
        let lines = drawn(&many, 60, 8);
        assert!(lines[7].starts_with("          #151 ") && lines[7].contains("#200 "), "{lines:#?}");
        let unknown = Point { took: None, timeout: None, id: None, ..many[0].clone() };
        assert!(drawn(&[unknown], 40, 8)[7].contains("#? "));
    }

    #[test]
    fn failures_group_by_reason() {
        let mut all: Vec<_> = (1..=9).map(|id| ended(id, 10_000, Some(10_000))).collect();
        for checkpoint in &mut all {
            checkpoint.completed = false;
            checkpoint.reason = Some("CHECKPOINT_EXPIRED".to_owned());
            checkpoint.message = Some("Checkpoint expired before completing.".to_owned());
        }
        (all[7].reason, all[7].message) = (None, Some("declined\u{1b}[2J".to_owned()));
        assert_eq!(
            failures(&all),
            [
                "✗ #9: Checkpoint expired before completing (timeout 10s)",
                "✗ #8: declined\\u{1b}[2J",
                "✗ #7 #6 #5 #4 and 3 before: Checkpoint expired before completing (timeout 10s)",
            ]
        );
    }
}
