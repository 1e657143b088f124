//! Checkpoints in flight as bars.

use crate::render::jobs::urgency;
use crate::render::text::{cut, exact, percent, rough};
use crate::render::{NONE, Paint, Style};
use crate::sentence::{is_finishing, named};
use ckpt_api::InFlight;

/// The columns in front of a bar.
const BEFORE_BAR: usize = 28;
/// The columns behind it.
const AFTER_BAR: usize = 28;

/// Two bars a checkpoint: who has acknowledged, and how much of its time is used.
pub(in crate::render) fn gauges(checkpoints: &[InFlight], style: Style) -> Vec<String> {
    if checkpoints.is_empty() {
        return vec![style.line("no checkpoint in flight", Paint::Plain)];
    }
    let length = usize::from(style.width.unwrap_or(80)).saturating_sub(BEFORE_BAR + AFTER_BAR).clamp(5, 60);
    let gauge = |name: &str, what: &str, filled: String, said: &str, paint| {
        style.line(&format!("{:14} {what:12} {filled} {said}", cut(name, 14)), paint)
    };
    let both = |checkpoint: &InFlight| {
        let InFlight { acknowledged, subtasks, elapsed, remaining, .. } = *checkpoint;
        let share = format!("{acknowledged} of {subtasks}, {}%", percent(acknowledged, subtasks));
        let whole = elapsed.saturating_add(remaining.unwrap_or(0));
        // Without a deadline there is nothing that it could have used up.
        let used = if remaining.is_some() || is_finishing(checkpoint) { elapsed } else { 0 };
        let time = match remaining {
            Some(left) => format!("{} of {}, {} left", rough(elapsed), exact(whole), rough(left)),
            None if is_finishing(checkpoint) => format!("{}, it is finishing", rough(elapsed)),
            None => format!("{} of {NONE}", rough(elapsed)),
        };
        [
            gauge(
                &named(checkpoint),
                "acknowledged",
                bar(acknowledged.into(), subtasks.into(), length),
                &share,
                Paint::Plain,
            ),
            gauge("", "time", bar(used, whole, length), &time, urgency(checkpoint)),
        ]
    };
    checkpoints.iter().flat_map(both).collect()
}

/// A bar that is full only when all is there.
fn bar(part: u64, whole: u64, length: usize) -> String {
    let filled = u128::from(part) * length as u128 / u128::from(whole.max(1));
    let filled = usize::try_from(filled).unwrap_or(length).min(length);
    format!("{}{}", "█".repeat(filled), "░".repeat(length - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_when_all_is_there() {
        assert_eq!(bar(19, 20, 10), "█████████░");
        assert_eq!(bar(20, 20, 4), "████");
        assert_eq!(bar(0, 0, 4), "░░░░");
        assert_eq!(bar(u64::MAX, 1, 4), "████");
    }
}
