//! Changing interval and timeout of a running coordinator.

use super::Coordinator;
use crate::config::{EffectiveConfig, Override};
use crate::pending::Phase;
use crate::protocol::Action;
use crate::view::InFlight;
use ckpt_types::outcome::Outcome;
use ckpt_types::time::Monotonic;
use std::time::Duration;

/// What an update did to one checkpoint in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightUpdate {
    /// The checkpoint under the new configuration.
    pub checkpoint: InFlight,
    /// How long it had before; `None` when it could not expire any more.
    pub previous_remaining: Option<Duration>,
    /// What happened to it.
    pub outcome: Outcome,
}

impl Coordinator {
    /// Puts `overridden` in force, both values in one step.
    ///
    /// The timeout holds at once, counted from the creation of each checkpoint in flight, savepoints
    /// included; what has used it up already expires now, exactly once and counted as any other
    /// expiry. The interval holds from the next trigger cycle, as the scheduler reads it when it
    /// fires; with `pull_in` the pending trigger moves forward to `now` + interval, never back. The
    /// failure counter is not touched.
    pub fn update(
        &mut self,
        now: Monotonic,
        overridden: Override,
        pull_in: bool,
    ) -> (Vec<InFlightUpdate>, Vec<Action>) {
        let before = self.effective.timeout();
        self.overridden = overridden;
        self.effective = EffectiveConfig::of(&self.submitted, &overridden);
        let after = self.effective.timeout();
        let mut updates: Vec<_> = self
            .pending
            .iter()
            .map(|(id, pending)| InFlightUpdate {
                checkpoint: self.seen(now, *id, pending),
                previous_remaining: pending.deadline(before).map(|deadline| deadline - now),
                outcome: match pending.deadline(after) {
                    _ if pending.phase == Phase::Finalizing || before == after => Outcome::Unchanged,
                    Some(deadline) if deadline <= now => Outcome::Expired,
                    _ if after > before => Outcome::Extended,
                    _ => Outcome::Shortened,
                },
            })
            .collect();
        if pull_in {
            self.scheduler.pull_in(now, self.effective.interval());
        }
        let mut actions = Vec::new();
        if before != after {
            self.expire(now, &mut actions);
            // One expiry may have failed the job, and with it the others.
            let gone = |update: &InFlightUpdate| !self.pending.contains_key(&update.checkpoint.id);
            for update in updates.iter_mut().filter(|update| gone(update)) {
                if update.outcome != Outcome::Expired {
                    update.outcome = Outcome::TooLate;
                }
            }
        }
        (updates, actions)
    }
}
