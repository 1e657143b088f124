//! Tables and screens as text: pure functions of what a server said and of the space there is.

pub(crate) mod audit;
mod below;
pub(crate) mod chart;
pub(crate) mod cluster;
pub(crate) mod csv;
pub(crate) mod diagnosis;
pub(crate) mod doctor;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod origin;
pub(crate) mod screen;
pub(crate) mod standing;
pub(crate) mod text;

use crate::console;
use ckpt_api::JobState;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets};
use text::cut;

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

    /// A sentence on as many lines as the terminal needs for it: what is cut off cannot be acted on.
    fn lines(self, sentence: &str, paint: Paint) -> Vec<String> {
        self.indented(sentence, "", paint)
    }

    /// The same, every line indented, and those after the first a little more.
    fn indented(self, sentence: &str, indent: &str, paint: Paint) -> Vec<String> {
        let width = self.width.map_or(usize::MAX, usize::from);
        let more = format!("{indent}  ");
        let options = console::wrapping(width).initial_indent(indent).subsequent_indent(&more);
        textwrap::wrap(sentence, options).iter().map(|line| self.line(line, paint)).collect()
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
    let one_line = |cells: Vec<Cell>| {
        let mut row = Row::from(cells);
        row.max_height(1);
        row
    };
    build_of(headings, rows.into_iter().map(one_line).collect(), style)
}

/// A table without borders, whose rows are as high as they say.
fn build_of(headings: &[&str], rows: Vec<Row>, style: Style) -> Table {
    let mut table = Table::new();
    let mut header: Row =
        headings.iter().map(|heading| cell(*heading, Paint::Strong)).collect::<Vec<_>>().into();
    header.max_height(1);
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
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

/// How wide columns of these widths are together.
fn natural(widths: &[u16]) -> u16 {
    let gaps = GAP * u16::try_from(widths.len().saturating_sub(1)).unwrap_or(u16::MAX);
    widths.iter().fold(gaps, |sum, width| sum.saturating_add(*width))
}
