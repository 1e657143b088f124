//! Text for stdout and for the plain watch: the view model on lines and in tables.

pub(crate) mod audit;
pub(crate) mod csv;
pub(crate) mod diagnosis;
pub(crate) mod doctor;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod screen;
mod table;

use crate::console;
use crate::view::line::{Span, Tone};
use crate::view::text::{cut, wrapping};

/// Room and means of a terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    /// Whether colours may be used.
    pub(crate) colours: bool,
    /// Width of a table, if it is limited.
    pub(crate) width: Option<u16>,
    /// Whether other lines are cut to that width too, since no terminal will wrap them.
    pub(crate) cut: bool,
}

impl TextStyle {
    /// TextStyle of text that scrolls by on stdout. A `wide` table is printed whole, on however many lines the terminal
    /// breaks it into.
    pub(crate) fn of_stdout(wide: bool) -> Self {
        let width = if wide { None } else { console::width() };
        Self { colours: console::colours(), width, cut: false }
    }

    /// One line outside a table.
    fn line(self, text: &str, tone: Tone) -> String {
        let text = match self.width {
            Some(width) if self.cut => cut(text, width.into()),
            _ => text.to_owned(),
        };
        match (self.colours, code(tone)) {
            (true, Some(code)) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text,
        }
    }

    /// A sentence on as many lines as the terminal needs for it: a sentence that is cut off cannot be acted on.
    fn lines(self, sentence: &str, tone: Tone) -> Vec<String> {
        self.indented(sentence, "", tone)
    }

    /// A sentence whose lines are indented, and those after the first a little more.
    fn indented(self, sentence: &str, indent: &str, tone: Tone) -> Vec<String> {
        let width = self.width.map_or(usize::MAX, usize::from);
        let more = format!("{indent}  ");
        let options = wrapping(width).initial_indent(indent).subsequent_indent(&more);
        textwrap::wrap(sentence, options).iter().map(|line| self.line(line, tone)).collect()
    }

    /// Several sentences.
    pub(crate) fn sentences<'a>(self, all: impl IntoIterator<Item = &'a Span>) -> Vec<String> {
        all.into_iter().flat_map(|sentence| self.lines(&sentence.text, sentence.tone)).collect()
    }
}

/// Parameters of the escape sequence for a tone. Text has colours only for what stands out.
fn code(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Plain | Tone::Good | Tone::Accent => None,
        Tone::Strong => Some("1"),
        Tone::Muted => Some("2"),
        Tone::Notice => Some("33"),
        Tone::Bad => Some("31"),
        Tone::Banner => Some("7;31"),
    }
}
