//! Tables and screens as text: pure functions of what a server said and of the space there is.

#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod screen;

use crate::console;
use ckpt_shared::api::JobState;
use ckpt_shared::duration::{Exact, Rough};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets};
use jiff::Timestamp;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What stands for nothing.
pub(crate) const NONE: &str = "<none>";
/// What stands between two columns, in columns of the terminal.
const GAP: u16 = 2;

/// The space and the means there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Whether colours may be used.
    pub(crate) colours: bool,
    /// How wide a table may be, if that is known.
    pub(crate) width: Option<u16>,
    /// Whether other lines are cut to that width too, since no terminal will wrap them.
    pub(crate) cut: bool,
}

impl Style {
    /// Of text that scrolls by on stdout. Whoever asks for a `wide` table gets it whole, on however many
    /// lines the terminal breaks it into.
    pub(crate) fn of_stdout(wide: bool) -> Self {
        let width = if wide { None } else { console::width() };
        Self { colours: console::colours(), width, cut: false }
    }

    /// One line outside a table.
    fn line(self, text: &str, paint: Paint) -> String {
        let text = match self.width {
            Some(width) if self.cut => cut(text, width.into()),
            _ => text.to_owned(),
        };
        match (self.colours, paint.code()) {
            (true, Some(code)) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text,
        }
    }
}

/// What a text is to stand out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
    /// Other than one would expect.
    Notice,
    /// Bad.
    Alarm,
    /// Across the screen.
    Banner,
}

impl Paint {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Notice => Some("33"),
            Self::Alarm => Some("31"),
            Self::Banner => Some("7;31"),
        }
    }

    fn of_state(state: JobState) -> Self {
        match state {
            JobState::Failed | JobState::Failing => Self::Alarm,
            JobState::Restarting | JobState::Suspended => Self::Notice,
            JobState::Initializing
            | JobState::Created
            | JobState::Running
            | JobState::Cancelling
            | JobState::Canceled
            | JobState::Finished
            | JobState::Reconciling => Self::Plain,
        }
    }
}

/// A cell of a table. Its text must be clean.
fn cell(text: impl Into<String>, paint: Paint) -> Cell {
    let cell = Cell::new_owned(text.into());
    match paint {
        Paint::Plain => cell,
        Paint::Strong | Paint::Banner => cell.add_attribute(Attribute::Bold),
        Paint::Faint => cell.add_attribute(Attribute::Dim),
        Paint::Notice => cell.fg(Color::DarkYellow),
        Paint::Alarm => cell.fg(Color::DarkRed),
    }
}

/// A table without borders, one line a row.
fn build(headings: &[&str], rows: Vec<Vec<Cell>>, style: Style) -> Table {
    let mut table = Table::new();
    let one_line = |cells: Vec<Cell>| {
        let mut row = Row::from(cells);
        row.max_height(1);
        row
    };
    table
        .load_style(presets::NOTHING)
        .set_header(one_line(headings.iter().map(|heading| cell(*heading, Paint::Strong)).collect()))
        .add_rows(rows.into_iter().map(one_line));
    match style.width {
        Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    if style.colours {
        table.enforce_styling();
    }
    table.force_no_tty();
    let last = headings.len() - 1;
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { GAP }));
    }
    table
}

/// Its lines, the heading first.
fn lines(table: &Table) -> Vec<String> {
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// How wide it would like to be.
fn natural_width(table: &Table) -> u16 {
    let widths = table.column_max_content_widths();
    let gaps = GAP * u16::try_from(widths.len().saturating_sub(1)).unwrap_or(u16::MAX);
    widths.iter().fold(gaps, |sum, width| sum.saturating_add(*width))
}

/// As much of a text as fits, with a sign that there was more.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

fn exact(millis: u64) -> String {
    Exact(Duration::from_millis(millis)).to_string()
}

fn exact_or_none(millis: Option<u64>) -> String {
    millis.map_or_else(|| NONE.to_owned(), exact)
}

fn rough(millis: u64) -> String {
    Rough(Duration::from_millis(millis)).to_string()
}

/// `in 5.9s`, as seen at `now`.
fn due(at: Option<u64>, now: u64) -> String {
    match at {
        None => NONE.to_owned(),
        Some(at) if at <= now => "now".to_owned(),
        Some(at) => format!("in {}", rough(at - now)),
    }
}

/// Whole percent, rounded down: 100% only when all are there.
fn percent(part: u32, whole: u32) -> u64 {
    u64::from(part) * 100 / u64::from(whole.max(1))
}

/// A number of bytes.
fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let Ok(bytes) = u64::try_from(bytes) else {
        return NONE.to_owned();
    };
    let mut unit = "B";
    let mut tenths = bytes.saturating_mul(10);
    for larger in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1_024;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{}.{} {unit}", tenths / 10, tenths % 10),
    }
}

/// A point in time in UTC, by a format of strftime.
fn utc(millis: i64, format: &str) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(at) if millis >= 0 => at.strftime(format).to_string(),
        _ => NONE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_rounded_down() {
        for (bytes, text) in [
            (-1, "<none>"),
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_288_490_189, "1.2 GiB"),
            (i64::MAX, "1638.3 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((percent(19, 20), percent(999, 1000), percent(0, 0)), (95, 99, 0));
    }

    #[test]
    fn a_cut_text_fits_also_when_its_letters_are_wide() {
        assert_eq!(cut("checkpoint", 10), "checkpoint");
        assert_eq!(cut("checkpoint", 6), "check…");
        assert_eq!(cut("検査点検査点", 6), "検査…");
        assert_eq!(cut("checkpoint", 0), "");
    }

    #[test]
    fn time_is_utc() {
        assert_eq!(utc(1_795_351_753_881, "%Y-%m-%d %H:%M:%S"), "2026-11-22 12:49:13");
        assert_eq!(utc(-1, "%H"), "<none>");
        assert_eq!(due(Some(6_000), 100), "in 5.9s");
    }
}
