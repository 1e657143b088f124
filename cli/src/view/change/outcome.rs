//! Outcome of a change for a checkpoint in flight, in words.

use crate::view::checkpoint::{is_finishing, named};
use crate::view::text::rough;
use ckpt_api::{InFlight, InFlightChange, Outcome};

/// Outcome, or the expected one of a dry run.
pub(super) fn sentence(checkpoint: &InFlight, change: InFlightChange, dry_run: bool) -> String {
    let name = named(checkpoint);
    let unknown = || format!("{name}: what it has left is not known");
    let before = change.previous_remaining.map(rough);
    match change.outcome {
        Outcome::Extended | Outcome::Shortened => {
            let expires = match (checkpoint.remaining.map(rough), dry_run) {
                (Some(left), false) => format!("{name} now expires in {left}"),
                (Some(left), true) => format!("{name} would expire in {left}"),
                (None, _) if !is_finishing(checkpoint) => unknown(),
                (None, false) => format!("{name} cannot expire any more"),
                (None, true) => format!("{name} could not expire any more"),
            };
            match (before, dry_run) {
                (Some(before), false) => format!("{expires}, was {before}"),
                (Some(before), true) => format!("{expires}, now in {before}"),
                (None, _) => expires,
            }
        }
        Outcome::Expired => {
            let verb = if dry_run { "would expire" } else { "expired" };
            format!(
                "{name} {verb} at once, {} of {} acknowledged",
                checkpoint.acknowledged, checkpoint.subtasks
            )
        }
        Outcome::Unchanged => match checkpoint.remaining.map(rough) {
            Some(left) => format!("{name} still expires in {left}"),
            None if !is_finishing(checkpoint) => unknown(),
            None => format!("{name} cannot expire any more"),
        },
        Outcome::Completed => format!("{name} completed meanwhile"),
        Outcome::TooLate => format!("too late for {name}, which failed meanwhile"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;

    #[test]
    fn unknown_deadline_is_not_invented() {
        let mut checkpoint = InFlight { remaining: None, ..fixture::in_flight(7) };
        let extended = InFlightChange { previous_remaining: Some(988), outcome: Outcome::Extended };
        let unchanged = InFlightChange { previous_remaining: None, outcome: Outcome::Unchanged };
        assert_eq!(
            sentence(&checkpoint, extended, false),
            "checkpoint 7: what it has left is not known, was 988ms"
        );
        assert_eq!(sentence(&checkpoint, unchanged, false), "checkpoint 7: what it has left is not known");
        checkpoint.acknowledged = 20;
        assert_eq!(sentence(&checkpoint, unchanged, false), "checkpoint 7 cannot expire any more");
    }
}
