//! Lines of a screen, and what stands in them.

use crate::console;
use crate::render::text::{cut_middle, rough};
use crate::sentence::is_finishing;
use crate::watch::full::order::Rank;
use ckpt_api::InFlight;
use unicode_width::UnicodeWidthStr;

/// What a text is to stand out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Notice,
    Accent,
    Alarm,
    Banner,
}

/// A line: its pieces, whose text is clean, and whether it is the selected one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row(pub(super) Vec<(String, Ink)>, pub(super) bool);

impl Row {
    pub(super) fn of(text: impl Into<String>, ink: Ink) -> Self {
        Self(vec![(text.into(), ink)], false)
    }

    pub(super) fn add(&mut self, text: impl Into<String>, ink: Ink) {
        self.0.push((text.into(), ink));
    }

    pub(super) fn with(mut self, text: impl Into<String>, ink: Ink) -> Self {
        self.add(text, ink);
        self
    }

    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| text.width()).sum()
    }

    /// Something at the right end, if there is room for it.
    pub(super) fn right(mut self, text: &str, ink: Ink, width: usize) -> Self {
        let gap = width.saturating_sub(self.width() + text.width());
        if gap >= 2 {
            self.add(" ".repeat(gap), Ink::Plain);
            self.add(text, ink);
        }
        self
    }
}

/// A heading across the screen: `── missing ─────`.
pub(super) fn heading(text: &str, width: usize) -> Row {
    let rest = width.saturating_sub(text.width() + 4);
    Row::of("── ", Ink::Faint).with(text, Ink::Strong).with(format!(" {}", "─".repeat(rest)), Ink::Faint)
}

/// A sentence on as many lines as it needs; those after the first are indented.
pub(super) fn sentence(text: &str, ink: Ink, width: usize) -> Vec<Row> {
    let options = console::wrapping(width.max(10)).subsequent_indent("  ");
    textwrap::wrap(text, options).into_iter().map(|line| Row::of(line, ink)).collect()
}

/// As many of these lines as there is room for; the last one says how many there are more.
pub(super) fn within(mut lines: Vec<Row>, room: usize, more: impl Fn(usize) -> String) -> Vec<Row> {
    if lines.len() > room {
        let hidden = lines.len() - room + 1;
        lines.truncate(room.saturating_sub(1));
        if room > 0 {
            lines.push(Row::of(more(hidden), Ink::Faint));
        }
    }
    lines
}

/// A text in a column of this width.
pub(super) fn column(text: &str, width: usize) -> String {
    let text = cut_middle(text, width);
    let gap = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(gap))
}

/// A number in a column of this width, at its right end.
pub(super) fn number(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// A bar that is full only when all is there.
pub(super) fn bar(part: u64, whole: u64, length: usize) -> String {
    let filled = u128::from(part) * length as u128 / u128::from(whole.max(1));
    let filled = usize::try_from(filled).unwrap_or(length).min(length);
    format!("{}{}", "█".repeat(filled), "░".repeat(length - filled))
}

/// What a checkpoint has left: `6.2s`, `finishing`, or nothing that is known.
pub(super) fn time_left(checkpoint: &InFlight) -> String {
    match checkpoint.remaining {
        Some(left) => rough(left),
        None if is_finishing(checkpoint) => "finishing".to_owned(),
        None => "?".to_owned(),
    }
}

/// What how bad it is looks like.
pub(super) fn ink_of(rank: Rank) -> Ink {
    match rank {
        Rank::Stuck | Rank::Failing => Ink::Alarm,
        Rank::Expiring | Rank::Slow | Rank::Stale | Rank::Waiting | Rank::CannotTell => Ink::Notice,
        Rank::HasFailed | Rank::Ended => Ink::Plain,
        Rank::Fine => Ink::Good,
    }
}
