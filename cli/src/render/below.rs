//! Sentences below a table, as far as there is room for them.

use super::TextStyle;
use crate::view::line::Span;

/// Sentences below an empty line: `room` lines at most with that. Those that do not fit are counted by `rest`, from
/// the numbers of sentences that are shown and that are not.
pub(super) fn below(
    sentences: &[Span],
    room: usize,
    style: TextStyle,
    rest: impl Fn(usize, usize) -> String,
) -> Vec<String> {
    if sentences.is_empty() || room < 2 {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    for (told, sentence) in sentences.iter().enumerate() {
        let next = style.lines(&sentence.text, sentence.tone);
        let others = sentences.len() - told;
        if lines.len() + next.len() + usize::from(others > 1) > room {
            lines.push(style.line(&rest(told, others), sentence.tone));
            break;
        }
        lines.extend(next);
    }
    lines
}
