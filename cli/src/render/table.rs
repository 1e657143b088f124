//! Tables without borders.

use super::TextStyle;
use crate::view::line::{Span, Tone};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets};

/// Columns of the terminal between two columns of a table.
const GAP: u16 = 2;

/// Cell of a table. Its text must be clean.
pub(super) fn cell(text: impl Into<String>, tone: Tone) -> Cell {
    let cell = Cell::new_owned(text.into());
    match tone {
        Tone::Plain | Tone::Good | Tone::Accent => cell,
        Tone::Strong | Tone::Banner => cell.add_attribute(Attribute::Bold),
        Tone::Muted => cell.add_attribute(Attribute::Dim),
        Tone::Notice => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
    }
}

/// Cell without a tone.
pub(super) fn plain(text: impl Into<String>) -> Cell {
    cell(text, Tone::Plain)
}

/// Cell of a span.
pub(super) fn span_cell(span: Span) -> Cell {
    cell(span.text, span.tone)
}

/// Table with one line a row.
pub(super) fn build(headings: &[&str], rows: Vec<Vec<Cell>>, style: TextStyle) -> Table {
    let one_line = |cells: Vec<Cell>| {
        let mut row = Row::from(cells);
        row.max_height(1);
        row
    };
    build_of(headings, rows.into_iter().map(one_line).collect(), style)
}

/// Table whose rows have any height.
pub(super) fn build_of(headings: &[&str], rows: Vec<Row>, style: TextStyle) -> Table {
    let mut table = Table::new();
    let mut header: Row =
        headings.iter().map(|heading| cell(*heading, Tone::Strong)).collect::<Vec<_>>().into();
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

/// Lines of a table, the heading first.
pub(super) fn lines(table: &Table) -> Vec<String> {
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Width of columns of these widths together.
pub(super) fn natural(widths: &[u16]) -> u16 {
    let gaps = GAP * u16::try_from(widths.len().saturating_sub(1)).unwrap_or(u16::MAX);
    widths.iter().fold(gaps, |sum, width| sum.saturating_add(*width))
}
