//! What every action has to fit to, and what has to be seen after every step.

use crate::model::{Checkpoint, End, Model, SUBTASKS, Work};
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{Action, Event, Fact, InFlightUpdate, Kind, TriggerOutcome, View};
use ckpt_shared::api::Outcome;
use ckpt_shared::ids::CheckpointId;
use std::collections::BTreeSet;
use std::time::Duration;

impl Model {
    /// Goes through what came out, one action after another.
    pub(crate) fn absorb(&mut self, actions: &[Action], event: Option<&Event>) {
        for action in actions {
            match action {
                Action::Record(Fact::Created { id, kind }) => self.created(*id, kind),
                Action::Record(Fact::Completed { id }) => self.completed(*id, event),
                Action::Record(Fact::Failed { id, reason, .. }) => self.failed(*id, *reason, event),
                Action::Prepare { id, .. } => {
                    assert_eq!(self.at_work.insert(*id, Work::Prepare), None);
                }
                Action::TriggerTasks { id, .. } => {
                    let checkpoint = self.of(*id);
                    assert!(checkpoint.end.is_none() && !checkpoint.tasks_know);
                    checkpoint.tasks_know = true;
                }
                Action::Finalize { id, snapshots, .. } => {
                    let checkpoint = self.of(*id);
                    assert!(checkpoint.tasks_know && checkpoint.acknowledged.len() == SUBTASKS);
                    let stored: BTreeSet<_> = snapshots.keys().map(|subtask| subtask.index).collect();
                    assert_eq!(stored, checkpoint.acknowledged);
                    assert_eq!(self.at_work.insert(*id, Work::Finalize), None);
                }
                Action::Answer { to, outcome } => self.answer(to.0, outcome),
                Action::Discard { id, kind, completed } => self.discard(*id, kind, *completed, event),
                Action::DiscardSnapshot { id, .. } => {
                    let completed = |checkpoint: &Checkpoint| checkpoint.end == Some(End::Completed);
                    assert!(!self.checkpoints.get(id).is_some_and(completed), "{id} is complete");
                }
                Action::NotifyComplete { id } => {
                    assert!(self.of(*id).end == Some(End::Completed) && !self.of(*id).savepoint);
                }
                Action::NotifyAborted { id } => {
                    assert!(self.of(*id).tasks_know && matches!(self.of(*id).end, Some(End::Failed(_))));
                }
                Action::FailJob { .. } => {
                    assert!(std::mem::take(&mut self.job_has_to_fail), "not that many failures");
                    self.running = false;
                }
                Action::Record(_) => {}
            }
        }
        assert!(!self.job_has_to_fail, "the job has to fail");
    }

    fn of(&mut self, id: CheckpointId) -> &mut Checkpoint {
        self.checkpoints.get_mut(&id).unwrap()
    }

    fn created(&mut self, id: CheckpointId, kind: &Kind) {
        assert!(self.checkpoints.keys().all(|older| *older < id), "numbers only rise");
        assert!(!self.shut_down);
        assert!(self.at_work.values().all(|work| *work != Work::Prepare), "one trigger at a time");
        let max_concurrent = self.submitted.max_concurrent.get() as usize;
        assert!(self.cleaning.len() <= max_concurrent, "the old ones have to be cleaned first");
        let savepoint = kind.is_savepoint();
        let token = if savepoint {
            Some(self.waiting_savepoints.pop_front().unwrap())
        } else {
            assert!(self.waiting_savepoints.is_empty(), "savepoints come first");
            assert!(self.in_flight().count() < max_concurrent);
            self.waiting_checkpoints.pop_front()
        };
        if token.is_none() {
            assert!(self.running && self.interval().is_some(), "nobody asked for {id}");
            let pause = self.last_completion.map(|completion| self.now - completion);
            assert!(
                pause.is_none_or(|pause| pause >= self.submitted.min_pause),
                "{id} comes within min-pause"
            );
        }
        let checkpoint = Checkpoint {
            savepoint,
            created: self.now,
            token,
            acknowledged: BTreeSet::new(),
            tasks_know: false,
            end: None,
            discarded: false,
        };
        self.checkpoints.insert(id, checkpoint);
    }

    fn completed(&mut self, id: CheckpointId, event: Option<&Event>) {
        let stored = matches!(event, Some(Event::Finalized { id: stored, result: Ok(()) }) if *stored == id);
        assert!(stored, "{id} completes, but its metadata is not stored");
        let checkpoint = self.of(id);
        assert_eq!(checkpoint.acknowledged.len(), SUBTASKS);
        assert_eq!(checkpoint.end.replace(End::Completed), None, "{id} has two outcomes");
        if !checkpoint.savepoint {
            self.kept.insert(id);
        }
        self.last_completion = Some(self.now);
        if self.last_success.is_none_or(|last| last < id) {
            self.last_success = Some(id);
            self.failures = 0;
        }
    }

    fn failed(&mut self, id: CheckpointId, reason: FailureReason, event: Option<&Event>) {
        let declined = matches!(event, Some(Event::Decline { id: declined, .. }) if *declined == id);
        let (now, timeout, being_stored) = (self.now, self.timeout(), self.is_being_stored(id));
        let checkpoint = self.of(id);
        assert_eq!(checkpoint.end.replace(End::Failed(reason)), None, "{id} has two outcomes");
        let savepoint = checkpoint.savepoint;
        if reason == FailureReason::CheckpointExpired && !declined {
            assert!(now >= checkpoint.created + timeout, "{id} expires too early");
            assert!(!being_stored, "all have acknowledged {id}");
        }
        let stale = self.last_success.is_some_and(|last| id <= last);
        if reason.counts() && !stale && (declined || !savepoint) {
            self.failures += 1;
            if !self.tolerates(self.failures) {
                self.failures = 0;
                self.job_has_to_fail = true;
            }
        }
    }

    fn answer(&mut self, token: u64, outcome: &TriggerOutcome) {
        assert!(self.answered.insert(token), "a second answer to {token}");
        match outcome {
            TriggerOutcome::Completed(id) => {
                assert_eq!((self.of(*id).token, self.of(*id).end), (Some(token), Some(End::Completed)));
            }
            TriggerOutcome::Failed { id: Some(id), reason } => {
                assert_eq!((self.of(*id).token, self.of(*id).end), (Some(token), Some(End::Failed(*reason))));
            }
            TriggerOutcome::Failed { id: None, .. } => {
                let waiting = self.waiting_checkpoints.len() + self.waiting_savepoints.len();
                self.waiting_checkpoints.retain(|waiting| *waiting != token);
                self.waiting_savepoints.retain(|waiting| *waiting != token);
                assert_eq!(self.waiting_checkpoints.len() + self.waiting_savepoints.len() + 1, waiting);
            }
        }
    }

    fn discard(&mut self, id: CheckpointId, kind: &Kind, completed: bool, event: Option<&Event>) {
        assert!(!self.at_work.contains_key(&id), "somebody is at work on {id}");
        let policy = self.submitted.retention_policy;
        let ended = matches!(event, Some(Event::Shutdown { end: Some(end) }) if !policy.retains(*end));
        if completed {
            let surplus = self.kept.len() > self.submitted.retained.get();
            let oldest = self.kept.first() == Some(&id) && self.kept.last() != Some(&id);
            assert!(ended || (surplus && oldest), "{id} does not have to go");
            assert!(self.kept.remove(&id));
            self.cleaning.insert(id);
        }
        let checkpoint = self.of(id);
        assert_eq!(matches!(checkpoint.end, Some(End::Completed)), completed);
        assert_eq!(kind.is_savepoint(), checkpoint.savepoint);
        assert!(!completed || !checkpoint.savepoint, "a savepoint is its owner's");
        assert!(!std::mem::replace(&mut checkpoint.discarded, true), "{id} is discarded twice");
    }

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
        assert_eq!(in_flight.next(), None, "it is not in flight any more");
        assert_eq!(self.coordinator.next_wakeup(), due.into_iter().min());

        let checkpoints = self.in_flight().filter(|(_, checkpoint)| !checkpoint.savepoint).count();
        assert!(checkpoints <= self.submitted.max_concurrent.get() as usize);
        assert!(view.next_trigger.is_none() || self.running);
        let waiting = self.waiting_checkpoints.len() + self.waiting_savepoints.len();
        assert!((waiting..=waiting + 1).contains(&view.queued), "and at most one periodic request");
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
            // One that expires beside it may fail the job, and that ends this one.
            Outcome::Extended | Outcome::Shortened => {
                assert!(if update.outcome == Outcome::Extended { after > before } else { after < before });
                let suspended = End::Failed(FailureReason::CheckpointCoordinatorSuspend);
                assert!(end.is_none() || end == Some(suspended));
            }
            Outcome::Completed | Outcome::TooLate => panic!("only the host can tell that"),
        }
    }
}
