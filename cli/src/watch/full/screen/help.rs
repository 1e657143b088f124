//! Meaning of the keys and the signs.

use crate::view::line::{Line, Tone, within};
use crate::view::text::{column, wrapping};
use crate::watch::full::keys::HELP;

/// All of it, as far as there is room.
pub(super) fn lines(width: usize, room: usize) -> Vec<Line> {
    let mut lines = vec![Line::heading("keys and signs", width)];
    for (keys, what) in HELP {
        let options = wrapping(width.saturating_sub(20).max(20));
        for (place, part) in textwrap::wrap(what, options).iter().enumerate() {
            let keys = if place == 0 { keys } else { "" };
            lines.push(Line::new(column(keys, 19), Tone::Strong).with(part.to_string(), Tone::Plain));
        }
    }
    within(lines, room, |more| format!("… {more} more lines; a taller window shows them"))
}
