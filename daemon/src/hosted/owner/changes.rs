//! Changes of the override.

use super::Owner;
use crate::checkpoint_log::CheckpointOutcome;
use crate::clock::Moment;
use crate::seam::{Applied, Revision, SeamError, Settled};
use ckpt_api::{Happening, Outcome};
use ckpt_coordinator::config::Override;
use ckpt_coordinator::{InFlight, InFlightUpdate};
use ckpt_types::duration::{Exact, millis};
use ckpt_types::ids::CheckpointId;

impl Owner {
    /// Applies an override to a copy of the coordinator.
    pub(in crate::hosted) fn preview(
        &mut self,
        now: Moment,
        overridden: Override,
        pull_in: bool,
    ) -> Result<Applied, SeamError> {
        self.lifecycle.refuse_if_ended()?;
        let Some(coordinator) = self.active_coordinator() else {
            let observation = self.absence(now, overridden);
            return Ok(Applied { observation, updates: Vec::new(), ended: Vec::new() });
        };
        let mut copy = coordinator.clone();
        let (updates, _) = copy.update(now.monotonic, overridden, pull_in);
        let observation = self.observation(now, None, &copy.view(now.monotonic));
        Ok(Applied { observation, updates, ended: Vec::new() })
    }

    /// Puts the stored override in force, unless a later revision than the wanted one is stored: that one's own
    /// request follows.
    pub(in crate::hosted) fn apply(
        &mut self,
        now: Moment,
        Revision { revision, pull_in, seen, .. }: &Revision,
    ) -> Result<Settled, SeamError> {
        self.lifecycle.refuse_if_ended()?;
        let stored = self.override_in_force.stored_revision();
        if stored > *revision {
            return Ok(Settled::Superseded { by: stored });
        }
        let changes = self.override_in_force.reload();
        let overridden = self.override_in_force.overridden();
        let mut updates = Vec::new();
        if let (true, Some(coordinator)) = (self.lifecycle.is_active(), &mut self.coordinator) {
            let (updated, actions) = coordinator.update(now.monotonic, overridden, *pull_in);
            updates = updated;
            if changes {
                // What the change lets expire did so with the new timeout.
                self.record_timeout(now);
                self.configured(now);
            }
            self.perform(now, actions);
        }
        let ended = self.ended_meanwhile(now, seen, &updates);
        let observation = self.observe(now);
        Ok(Settled::Applied(Box::new(Applied { observation, updates, ended })))
    }

    fn configured(&self, now: Moment) {
        let effective = self.override_in_force.effective();
        let happening = Happening::Configured {
            revision: self.override_in_force.revision(),
            checkpoint_interval: effective.interval().map(millis),
            checkpoint_timeout: millis(effective.timeout()),
        };
        let interval = effective.interval().map(|interval| Exact(interval).to_string());
        let (job, revision, timeout) =
            (&self.identity.name, self.override_in_force.revision(), Exact(effective.timeout()));
        tracing::info!(job, revision, interval, %timeout, "configuration changed");
        self.publisher.publish(now, happening);
    }

    /// The outcomes of checkpoints that were in flight when a change was asked for, and had ended when it was
    /// applied.
    fn ended_meanwhile(
        &self,
        now: Moment,
        seen: &[CheckpointId],
        updates: &[InFlightUpdate],
    ) -> Vec<(InFlight, Outcome)> {
        let gone = seen.iter().filter(|id| !updates.iter().any(|update| update.checkpoint.id == **id));
        gone.filter_map(|id| Some((*id, self.tracker.get(*id)?)))
            .map(|(id, seen)| {
                let completed = seen.outcome.is_some_and(CheckpointOutcome::is_completed);
                let outcome = if completed { Outcome::Completed } else { Outcome::TooLate };
                let checkpoint = InFlight {
                    id,
                    savepoint: seen.progress.savepoint,
                    acknowledged: seen.progress.acknowledged(),
                    subtasks: seen.progress.parallelism(),
                    elapsed: seen.age(now.monotonic),
                    remaining: None,
                };
                (checkpoint, outcome)
            })
            .collect()
    }
}
