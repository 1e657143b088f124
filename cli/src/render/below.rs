//! Sentences below a table, as far as there is room for them.

use super::{Paint, Style};

/// The sentences below an empty line: `room` lines at most with that. What does not fit is counted by
/// `rest`, which is given how many were told and how many were not.
pub(super) fn below(
    sentences: &[(String, Paint)],
    room: usize,
    style: Style,
    rest: impl Fn(usize, usize) -> String,
) -> Vec<String> {
    if sentences.is_empty() || room < 2 {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    for (told, (sentence, paint)) in sentences.iter().enumerate() {
        let next = style.lines(sentence, *paint);
        let others = sentences.len() - told;
        if lines.len() + next.len() + usize::from(others > 1) > room {
            lines.push(style.line(&rest(told, others), *paint));
            break;
        }
        lines.extend(next);
    }
    lines
}
