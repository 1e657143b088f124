//! Checkpoints in flight as bars.

use crate::render::TextStyle;
use crate::view::checkpoint::{acknowledged, is_finishing, named, urgency};
use crate::view::line::Tone;
use crate::view::text::{NONE, bar, cut, exact, rough};
use ckpt_api::InFlight;

/// The columns in front of a bar.
const BEFORE_BAR: usize = 28;
/// The columns behind it.
const AFTER_BAR: usize = 28;

/// Two bars a checkpoint: its acknowledgements, and the part of its time that is used.
pub(in crate::render) fn gauges(checkpoints: &[InFlight], style: TextStyle) -> Vec<String> {
    if checkpoints.is_empty() {
        return vec!["no checkpoint in flight".to_owned()];
    }
    let length = usize::from(style.width.unwrap_or(80)).saturating_sub(BEFORE_BAR + AFTER_BAR).clamp(5, 60);
    let gauge = |name: &str, what: &str, (part, whole), said: &str, tone| {
        let bar = bar(part, whole, length);
        style.line(&format!("{:14} {what:12} {bar} {said}", cut(name, 14)), tone)
    };
    let both = |checkpoint: &InFlight| {
        let InFlight { elapsed, remaining, .. } = *checkpoint;
        let share = (checkpoint.acknowledged.into(), checkpoint.subtasks.into());
        let whole = elapsed.saturating_add(remaining.unwrap_or(0));
        // Without a deadline there is nothing that it could have used up.
        let used = if remaining.is_some() || is_finishing(checkpoint) { elapsed } else { 0 };
        let time = match remaining {
            Some(left) => format!("{} of {}, {} left", rough(elapsed), exact(whole), rough(left)),
            None if is_finishing(checkpoint) => format!("{}, it is finishing", rough(elapsed)),
            None => format!("{} of {NONE}", rough(elapsed)),
        };
        [
            gauge(&named(checkpoint), "acknowledged", share, &acknowledged(checkpoint), Tone::Plain),
            gauge("", "time", (used, whole), &time, urgency(checkpoint)),
        ]
    };
    checkpoints.iter().flat_map(both).collect()
}
