//! A checkpoint in flight.

use super::line::{Span, Tone};
use super::text::{clean, percent, rough};
use ckpt_api::{InFlight, Pace};

/// `checkpoint 7`, or `savepoint 7`.
pub(crate) fn named(checkpoint: &InFlight) -> String {
    let kind = if checkpoint.savepoint { "savepoint" } else { "checkpoint" };
    format!("{kind} {}", checkpoint.id)
}

/// `19 of 20, 95%`
pub(crate) fn acknowledged(checkpoint: &InFlight) -> String {
    let InFlight { acknowledged, subtasks, .. } = *checkpoint;
    format!("{acknowledged} of {subtasks}, {}%", percent(acknowledged, subtasks))
}

/// Whether it has no deadline because all subtasks have acknowledged it; otherwise its deadline is unknown.
pub(crate) fn is_finishing(checkpoint: &InFlight) -> bool {
    checkpoint.remaining.is_none() && checkpoint.acknowledged >= checkpoint.subtasks
}

/// Whether less than a fifth of its time is left.
pub(crate) fn is_urgent(checkpoint: &InFlight) -> bool {
    checkpoint.remaining.is_some_and(|left| left.saturating_mul(4) < checkpoint.elapsed)
}

/// Whether it is more likely than not to need more time than it has.
pub(crate) fn will_expire(checkpoint: &InFlight) -> bool {
    let needed = checkpoint.estimate.as_ref().and_then(|estimate| estimate.done_in);
    matches!((needed, checkpoint.remaining), (Some(needed), Some(left)) if needed.likely > left)
}

/// Tone of its time left.
pub(crate) fn urgency(checkpoint: &InFlight) -> Tone {
    if is_urgent(checkpoint) { Tone::Notice } else { Tone::Plain }
}

/// Time left: `6.2s`, or these words if it is finishing or its deadline is unknown.
pub(crate) fn time_left(checkpoint: &InFlight, finishing: &str, unknown: &str) -> String {
    match checkpoint.remaining {
        Some(left) => rough(left),
        None if is_finishing(checkpoint) => finishing.to_owned(),
        None => unknown.to_owned(),
    }
}

/// Verdict in words, with its evidence.
pub(crate) fn verdict(checkpoint: &InFlight) -> Option<Span> {
    let estimate = checkpoint.estimate.as_ref()?;
    let tone = match estimate.verdict {
        Pace::Stuck => Tone::Bad,
        Pace::Slow if will_expire(checkpoint) => Tone::Bad,
        Pace::Slow | Pace::CannotTell => Tone::Notice,
        Pace::OnTrack => Tone::Good,
    };
    Some(Span::new(clean(&estimate.sentence), tone))
}

/// [`verdict`], with the checkpoint's name in front.
pub(crate) fn named_verdict(checkpoint: &InFlight) -> Option<Span> {
    let Span { text, tone } = verdict(checkpoint)?;
    Some(Span::new(format!("{}: {text}", named(checkpoint)), tone))
}
