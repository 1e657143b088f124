//! What the keys and the signs mean.

use super::row::{Ink, Row, column, heading, within};
use crate::watch::full::keys::HELP;

/// All of it, as far as there is room.
pub(super) fn lines(width: usize, room: usize) -> Vec<Row> {
    let mut lines = vec![heading("keys and signs", width)];
    for (keys, what) in HELP {
        let options = crate::console::wrapping(width.saturating_sub(20).max(20));
        for (place, part) in textwrap::wrap(what, options).iter().enumerate() {
            let keys = if place == 0 { keys } else { "" };
            lines.push(Row::of(column(keys, 19), Ink::Strong).with(part.to_string(), Ink::Plain));
        }
    }
    within(lines, room, |more| format!("… {more} more lines; a taller window shows them"))
}
