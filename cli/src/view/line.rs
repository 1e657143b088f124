//! Lines of text whose parts have a tone; each surface decides how a tone looks.

use super::text::wrapping;
use unicode_width::UnicodeWidthStr;

/// Meaning of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// Headings.
    Strong,
    /// Less important.
    Muted,
    /// As it should be.
    Good,
    /// Other than one would expect.
    Notice,
    /// Highlighted, neither good nor bad.
    Accent,
    Bad,
    /// Bad, and across the screen.
    Banner,
}

/// Amount of words in a cell of a table; less on a narrow terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    Full,
    Less,
    Least,
}

/// Clean text with one tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Span {
    /// Text with a tone.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// Text on as many lines of this width as it needs, at least 10 columns; those after the first are indented.
    pub(crate) fn wrap(&self, width: usize) -> Vec<Line> {
        let options = wrapping(width.max(10)).subsequent_indent("  ");
        textwrap::wrap(&self.text, options).into_iter().map(|line| Line::new(line, self.tone)).collect()
    }
}

/// One line of a screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) spans: Vec<Span>,
    pub(crate) is_selected: bool,
}

impl Line {
    /// Line of one span.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self::default().with(text, tone)
    }

    /// Heading across the screen: `── missing ─────`.
    pub(crate) fn heading(text: &str, width: usize) -> Self {
        let rest = width.saturating_sub(text.width() + 4);
        let rule = format!(" {}", "─".repeat(rest));
        Self::new("── ", Tone::Muted).with(text, Tone::Strong).with(rule, Tone::Muted)
    }

    /// Appends a span.
    pub(crate) fn add(&mut self, text: impl Into<String>, tone: Tone) {
        self.spans.push(Span::new(text, tone));
    }

    /// The line with another span.
    pub(crate) fn with(mut self, text: impl Into<String>, tone: Tone) -> Self {
        self.add(text, tone);
        self
    }

    /// Text without tones, and without spaces at its end.
    pub(crate) fn plain(&self) -> String {
        let text: String = self.spans.iter().map(|span| span.text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// Columns of the terminal.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|span| span.text.width()).sum()
    }

    /// The line with a text at the right end, if there is room for it.
    pub(crate) fn right(mut self, text: &str, tone: Tone, width: usize) -> Self {
        let gap = width.saturating_sub(self.width() + text.width());
        if gap >= 2 {
            self.add(" ".repeat(gap), Tone::Plain);
            self.add(text, tone);
        }
        self
    }
}

/// At most `room` lines; if lines are left out, the last one is `more` of their number.
pub(crate) fn within(mut lines: Vec<Line>, room: usize, more: impl Fn(usize) -> String) -> Vec<Line> {
    if lines.len() > room {
        let hidden = lines.len() - room + 1;
        lines.truncate(room.saturating_sub(1));
        if room > 0 {
            lines.push(Line::new(more(hidden), Tone::Muted));
        }
    }
    lines
}
