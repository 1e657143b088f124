//! What every action has to fit to.

use crate::model::{Checkpoint, DECLINED, End, JOB, Model, SUBTASKS, VERTEX, Work};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{Action, Event, Fact, Kind, TriggerOutcome};
use ckpt_types::ids::CheckpointId;
use std::collections::BTreeSet;

/// What becomes of a message from a task.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// An acknowledgement is counted.
    pub(crate) counts: bool,
    late: bool,
    discards: bool,
    /// A decline ends its checkpoint.
    aborts: bool,
}

impl Told {
    pub(crate) fn by(actions: &[Action]) -> Self {
        let mut told = Self::default();
        for action in actions {
            match action {
                Action::Record(Fact::Acknowledged { .. }) => told.counts = true,
                Action::Record(Fact::AcknowledgedLate { .. }) => told.late = true,
                Action::DiscardSnapshot { .. } => told.discards = true,
                Action::Record(Fact::Failed { detail: Some(said), .. }) if said == DECLINED => {
                    told.aborts = true;
                }
                _ => {}
            }
        }
        told
    }
}

impl Model {
    /// What has to become of an event, if it is a message from a task.
    pub(crate) fn expected(&self, event: &Event) -> Told {
        let nothing = Told::default();
        let (Event::Acknowledge { job, id, subtask, .. } | Event::Decline { job, id, subtask, .. }) = event
        else {
            return nothing;
        };
        if *job != JOB || self.shut_down {
            return nothing;
        }
        let takes_part = subtask.vertex == VERTEX && (subtask.index as usize) < SUBTASKS;
        let checkpoint = self.checkpoints.get(id);
        let in_flight = checkpoint.is_some_and(|checkpoint| checkpoint.end.is_none());
        if matches!(event, Event::Decline { .. }) {
            return Told { aborts: takes_part && in_flight && !self.is_being_stored(*id), ..nothing };
        }
        match checkpoint.map(|checkpoint| (checkpoint.end, &checkpoint.acknowledged)) {
            Some((None, acknowledged)) if takes_part => {
                Told { counts: !acknowledged.contains(&subtask.index), ..nothing }
            }
            Some((None, _)) => Told { discards: true, ..nothing },
            Some((Some(End::Completed), _)) => nothing,
            Some((Some(End::Failed(_)), _)) | None => Told { late: true, discards: true, ..nothing },
        }
    }

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
                Action::Answer { to, outcome } => self.answer(to.0, outcome, event),
                Action::Discard { id, kind, completed } => self.discard(*id, kind, *completed, event),
                Action::DiscardSnapshot { id, .. } => {
                    let completed = |checkpoint: &Checkpoint| checkpoint.end == Some(End::Completed);
                    assert!(!self.checkpoints.get(id).is_some_and(completed), "{id} is complete");
                }
                Action::NotifyComplete { id } => {
                    assert_eq!(self.of(*id).end, Some(End::Completed));
                    assert_eq!(self.kept.last(), Some(id), "neither a savepoint nor an old one");
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
        if !declined {
            self.check_reason(id, reason, event);
        }
        let checkpoint = self.of(id);
        assert_eq!(checkpoint.end.replace(End::Failed(reason)), None, "{id} has two outcomes");
        let savepoint = checkpoint.savepoint;
        let stale = self.last_success.is_some_and(|last| id <= last);
        if reason.counts() && !stale && (declined || !savepoint) {
            self.failures += 1;
            if !self.tolerates(self.failures) {
                self.failures = 0;
                self.job_has_to_fail = true;
            }
        }
    }

    /// What the coordinator gives as a reason has to be true.
    fn check_reason(&self, id: CheckpointId, reason: FailureReason, event: Option<&Event>) {
        let checkpoint = &self.checkpoints[&id];
        let spared = self.is_being_stored(id);
        match reason {
            FailureReason::CheckpointExpired => {
                assert!(self.now >= checkpoint.created + self.timeout(), "{id} expires too early");
                assert!(!spared);
            }
            FailureReason::CheckpointSubsumed => {
                let Some(Event::Finalized { id: newer, .. }) = event else { panic!("{id} is not subsumed") };
                assert!(id < *newer && !checkpoint.savepoint && !spared);
                let newer = &self.checkpoints[newer];
                assert!(newer.end == Some(End::Completed) && !newer.savepoint);
            }
            FailureReason::CheckpointCoordinatorSuspend => assert!(!self.running && !spared),
            FailureReason::CheckpointCoordinatorShutdown => {
                assert!(matches!(event, Some(Event::Shutdown { .. })));
            }
            FailureReason::IoException => {
                let failed =
                    |id| matches!(event, Some(Event::Prepared { id: made, result: Err(_) }) if *made == id);
                assert!(failed(id));
            }
            FailureReason::FinalizeCheckpointFailure => {
                let failed = |id| matches!(event, Some(Event::Finalized { id: stored, result: Err(_) }) if *stored == id);
                assert!(failed(id));
            }
            FailureReason::PeriodicSchedulerShutdown
            | FailureReason::TooManyCheckpointRequests
            | FailureReason::MinimumTimeBetweenCheckpoints
            | FailureReason::CheckpointAsyncException
            | FailureReason::CheckpointDeclined
            | FailureReason::CheckpointDeclinedTaskNotReady => panic!("no task declined {id}"),
        }
    }

    fn answer(&mut self, token: u64, outcome: &TriggerOutcome, event: Option<&Event>) {
        assert!(self.answered.insert(token), "a second answer to {token}");
        match outcome {
            TriggerOutcome::Completed(id) => {
                assert_eq!((self.of(*id).token, self.of(*id).end), (Some(token), Some(End::Completed)));
            }
            TriggerOutcome::Failed { id: Some(id), reason } => {
                assert_eq!((self.of(*id).token, self.of(*id).end), (Some(token), Some(End::Failed(*reason))));
            }
            TriggerOutcome::Failed { id: None, reason } => {
                let shutting_down = self.shut_down || matches!(event, Some(Event::Shutdown { .. }));
                match reason {
                    FailureReason::CheckpointCoordinatorSuspend => assert!(!self.running),
                    FailureReason::CheckpointCoordinatorShutdown => assert!(shutting_down),
                    other => panic!("{other:?} is no reason to refuse anything here"),
                }
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
}
