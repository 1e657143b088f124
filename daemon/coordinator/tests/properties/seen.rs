//! What has to be seen after every step, and what an update has to say.

use crate::model::{Checkpoint, End, Model, SUBTASKS, Work};
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{InFlightUpdate, Monotonic, View};
use ckpt_types::outcome::Outcome;
use std::time::Duration;

/// How a checkpoint ends when one that expires beside it fails the job.
const SUSPENDED: End = End::Failed(FailureReason::CheckpointCoordinatorSuspend);

impl Model {
    /// What is seen at any time.
    pub(crate) fn check(&self) {
        let view = self.coordinator.view(self.now);
        self.check_configuration(&view);
        let timeout = self.timeout();
        let mut due = view.next_trigger.into_iter().collect::<Vec<_>>();
        let mut in_flight = view.in_flight.iter();
        for (id, checkpoint) in self.in_flight() {
            let seen = in_flight.next().unwrap();
            assert_eq!((seen.id, seen.savepoint), (id, checkpoint.savepoint));
            assert_eq!((seen.acknowledged, seen.subtasks), (checkpoint.acknowledged.len(), SUBTASKS));
            assert_eq!(seen.elapsed, self.now - checkpoint.created);
            if self.is_being_stored(id) {
                assert_eq!(seen.remaining, None);
            } else {
                assert_eq!(seen.remaining, Some(timeout.saturating_sub(seen.elapsed)));
                due.push(checkpoint.created + timeout);
            }
        }
        assert!(!self.shut_down || view.in_flight.is_empty() && view.queued == 0);
        assert_eq!(in_flight.next(), None, "it is not in flight any more");
        assert_eq!(self.coordinator.next_wakeup(), due.into_iter().min());

        let newest = self.kept.last();
        let subsumed =
            |id, checkpoint: &Checkpoint| !checkpoint.savepoint && newest.is_some_and(|newest| id < *newest);
        for (id, checkpoint) in self.in_flight() {
            assert!(!subsumed(id, checkpoint) || self.is_being_stored(id), "{id} is superfluous");
        }

        let checkpoints = self.in_flight().filter(|(_, checkpoint)| !checkpoint.savepoint).count();
        assert!(checkpoints <= self.submitted.max_concurrent.get() as usize);
        assert!(view.next_trigger.is_none() || self.running);
        let waiting = self.waiting_checkpoints.len() + self.waiting_savepoints.len();
        assert!((waiting..=waiting + 1).contains(&view.queued), "and at most one periodic request");
        if view.queued > 0 {
            let max_concurrent = self.submitted.max_concurrent.get() as usize;
            let crowded = self.in_flight().count() >= max_concurrent && self.waiting_savepoints.is_empty();
            let preparing = self.at_work.values().any(|work| *work == Work::Prepare);
            assert!(preparing || crowded || self.cleaning.len() > max_concurrent, "nothing holds it back");
        }
        assert_eq!(view.consecutive_failures, self.failures);
        assert!(self.kept.iter().copied().eq(self.coordinator.completed()));
        assert!(self.kept.len() <= self.submitted.retained.get());
    }

    /// Nobody sees a value of one configuration beside a value of another.
    fn check_configuration(&self, view: &View) {
        assert_eq!(view.overridden, self.overridden);
        assert_eq!(view.effective, EffectiveConfig::of(&self.submitted, &self.overridden));
        assert_eq!(view.effective.timeout(), self.timeout());
        assert_eq!(view.effective.interval(), self.interval());
        assert_eq!(view.effective.min_pause(), self.submitted.min_pause);
        assert_eq!(*self.coordinator.submitted(), self.submitted);
    }

    /// A tick moves the periodic trigger along its grid, to the first place after now; or min-pause
    /// moved it to its end.
    pub(crate) fn check_rate(&self, before: Option<Monotonic>) {
        let after = self.coordinator.view(self.now).next_trigger;
        let (Some(before), Some(after), Some(interval)) = (before, after, self.interval()) else { return };
        let moved = (after - before).as_nanos();
        let on_the_grid =
            moved.is_multiple_of(interval.as_nanos()) && after <= self.now.max(before) + interval;
        let paused = self.last_completion.map(|completion| completion + self.submitted.min_pause);
        assert!(before == after || on_the_grid || paused == Some(after));
    }

    pub(crate) fn update(&mut self, overridden: Override, pull_in: bool) {
        let before = self.coordinator.view(self.now);
        let mut dry_run = self.coordinator.clone();
        let foreseen = dry_run.update(self.now, overridden, pull_in);
        assert_eq!(self.coordinator.view(self.now), before, "a dry run changes nothing");

        let previous = std::mem::replace(&mut self.overridden, overridden);
        let timeout_changed = previous.timeout.unwrap_or(self.submitted.timeout).get() != self.timeout();
        let (updates, actions) = self.coordinator.update(self.now, overridden, pull_in);
        assert_eq!((&updates, &actions), (&foreseen.0, &foreseen.1), "a dry run tells what happens");
        self.absorb(&actions, None);
        self.check();

        assert_eq!(updates.len(), before.in_flight.len());
        for (update, before) in updates.iter().zip(&before.in_flight) {
            assert_eq!((update.checkpoint.id, update.previous_remaining), (before.id, before.remaining));
            self.check_outcome(update, timeout_changed);
        }
        let after = self.coordinator.view(self.now);
        if timeout_changed {
            let used_up = |remaining: Option<Duration>| remaining == Some(Duration::ZERO);
            assert!(!after.in_flight.iter().any(|seen| used_up(seen.remaining)), "it is due at once");
        }
        if actions.is_empty() {
            let pulled = before.next_trigger.map(|next| match self.interval() {
                Some(interval) if pull_in => next.min(self.now + interval),
                _ => next,
            });
            assert_eq!(after.next_trigger, pulled);
        }
    }

    fn check_outcome(&self, update: &InFlightUpdate, timeout_changed: bool) {
        let id = update.checkpoint.id;
        let end = self.checkpoints[&id].end;
        let (before, after) = (update.previous_remaining, update.checkpoint.remaining);
        match update.outcome {
            Outcome::Unchanged => {
                assert_eq!((before, end), (after, None));
                assert!(!timeout_changed || self.is_being_stored(id));
            }
            Outcome::Expired => {
                assert_eq!(after, Some(Duration::ZERO));
                assert!(matches!(end, Some(End::Failed(_))));
            }
            Outcome::Extended | Outcome::Shortened => {
                assert!(if update.outcome == Outcome::Extended { after > before } else { after < before });
                assert!(end.is_none() || end == Some(SUSPENDED));
            }
            Outcome::TooLate => assert_eq!(end, Some(SUSPENDED)),
            Outcome::Completed => panic!("only the host can tell that"),
        }
    }
}
