//! The state machine itself.

mod completion;
mod trigger;
mod update;

pub use update::InFlightUpdate;

use crate::Kind;
use crate::config::{EffectiveConfig, JobEnd, Override, SubmittedConfig};
use crate::failure::FailureCounter;
use crate::pending::{Pending, Phase};
use crate::protocol::{Action, Event, Fact, TriggerOutcome, Work};
use crate::queue::{RequestQueue, RequestToken};
use crate::reason::FailureReason;
use crate::retained::Retained;
use crate::scheduler::Scheduler;
use crate::view::{InFlight, Standing, View};
use ckpt_types::ids::{CheckpointId, JobId, Subtask, VertexId};
use ckpt_types::time::Monotonic;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many completed checkpoints are remembered, so that a message that comes late or twice cannot
/// touch what they stored.
const REMEMBERED: usize = 1_000;

/// Where a coordinator starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The job.
    pub job: JobId,
    /// Its vertices and their parallelism.
    pub vertices: Vec<(VertexId, u32)>,
    /// Its configuration as submitted.
    pub submitted: SubmittedConfig,
    /// What was changed since; it is in force from the first moment.
    pub overridden: Override,
    /// The completed checkpoints that are there already.
    pub completed: Vec<CheckpointId>,
    /// The number of the next checkpoint: above every number that was ever taken (rule 29).
    pub next_id: CheckpointId,
    /// Whether the job starts for the first time (rule 5).
    pub fresh: bool,
}

/// The checkpoint coordinator of one job.
///
/// It is `Clone`, so that a dry run is the real thing done to a copy.
#[derive(Debug, Clone)]
pub struct Coordinator {
    job: JobId,
    vertices: Vec<(VertexId, u32)>,
    submitted: SubmittedConfig,
    overridden: Override,
    effective: EffectiveConfig,
    scheduler: Scheduler,
    queue: RequestQueue,
    pending: BTreeMap<CheckpointId, Pending>,
    /// What the host is doing, and for what kind of checkpoint. One that is aborted meanwhile is
    /// discarded when the work is done, so that nobody deletes what somebody is writing.
    at_work: BTreeMap<CheckpointId, (Work, Kind)>,
    next_id: CheckpointId,
    last_completion: Option<Monotonic>,
    recently_completed: BTreeSet<CheckpointId>,
    /// Up to this one, nobody remembers which completed.
    forgotten: CheckpointId,
    failures: FailureCounter,
    retained: Retained,
    merged: u64,
    shut_down: bool,
}

impl Coordinator {
    /// A coordinator whose scheduler is stopped until [`Event::TasksRunning`].
    #[must_use]
    pub fn new(start: Start) -> Self {
        let effective = EffectiveConfig::of(&start.submitted, &start.overridden);
        Self {
            job: start.job,
            vertices: start.vertices,
            effective,
            overridden: start.overridden,
            scheduler: Scheduler::new(start.fresh),
            queue: RequestQueue::default(),
            pending: BTreeMap::new(),
            at_work: BTreeMap::new(),
            next_id: start.next_id,
            last_completion: None,
            recently_completed: BTreeSet::new(),
            forgotten: CheckpointId(start.next_id.0.saturating_sub(1)),
            failures: FailureCounter::new(start.submitted.tolerable_failures),
            retained: Retained::new(start.submitted.retained, start.completed),
            merged: 0,
            shut_down: false,
            submitted: start.submitted,
        }
    }

    /// Takes an event and returns what is to be done, in this order.
    pub fn handle(&mut self, now: Monotonic, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => self.tick(now, &mut actions),
            Event::TasksRunning { spread } => {
                if !self.shut_down {
                    self.scheduler.start(now, &self.effective, spread);
                }
            }
            Event::Suspend => self.suspend(&mut actions),
            Event::Trigger { kind, answer_to } => self.trigger_by_hand(now, kind, answer_to, &mut actions),
            Event::Prepared { id, result } => self.prepared(now, id, result, &mut actions),
            Event::Acknowledge { job, id, subtask, snapshot } => {
                if job == self.job && !self.shut_down {
                    self.acknowledge(id, subtask, snapshot, &mut actions);
                }
            }
            Event::Decline { job, id, subtask, reason, detail } => {
                if job == self.job {
                    self.decline(now, id, subtask, reason, detail, &mut actions);
                }
            }
            Event::Finalized { id, result } => self.finalized(now, id, result, &mut actions),
            Event::Cleaned { id } => {
                self.retained.cleaned(id);
                self.run_queue(now, &mut actions);
            }
            Event::Shutdown { end } => self.shut_down(end, &mut actions),
        }
        actions
    }

    /// When to hand in [`Event::Tick`]; `None` when nothing is due at any time.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        let timeout = self.effective.timeout();
        let expiries = self.pending.values().filter_map(|pending| pending.deadline(timeout));
        expiries.chain(self.scheduler.next()).min()
    }

    /// What can be seen at `now`.
    #[must_use]
    pub fn view(&self, now: Monotonic) -> View {
        View {
            overridden: self.overridden,
            effective: self.effective,
            in_flight: self.pending.iter().map(|(id, pending)| self.seen(now, *id, pending)).collect(),
            consecutive_failures: self.failures.consecutive(),
            next_trigger: self.scheduler.next(),
            queued: self.queue.len(),
            merged: self.merged,
        }
    }

    /// The configuration as submitted.
    #[must_use]
    pub fn submitted(&self) -> &SubmittedConfig {
        &self.submitted
    }

    /// The completed checkpoints that are kept, oldest first; a job is restored from the last one,
    /// also when a savepoint is newer (rule 28).
    pub fn completed(&self) -> impl Iterator<Item = CheckpointId> + '_ {
        self.retained.kept()
    }

    /// Whether a checkpoint is in flight.
    #[must_use]
    pub fn is_in_flight(&self, id: CheckpointId) -> bool {
        self.pending.contains_key(&id)
    }

    /// How a subtask stands to a checkpoint, before it says anything.
    #[must_use]
    pub fn standing(&self, id: CheckpointId, subtask: Subtask) -> Standing<'_> {
        match self.pending.get(&id) {
            Some(pending) if pending.awaits(subtask) => Standing::Awaited(&pending.kind),
            Some(_) => Standing::Acknowledged,
            None if (CheckpointId::FIRST..self.next_id).contains(&id) => Standing::Over,
            None => Standing::NeverTriggered,
        }
    }

    /// The number of the next checkpoint.
    #[must_use]
    pub fn next_id(&self) -> CheckpointId {
        self.next_id
    }

    fn seen(&self, now: Monotonic, id: CheckpointId, pending: &Pending) -> InFlight {
        InFlight {
            id,
            savepoint: pending.kind.is_savepoint(),
            acknowledged: pending.acknowledged(),
            subtasks: pending.subtasks(),
            elapsed: now - pending.created,
            remaining: pending.deadline(self.effective.timeout()).map(|deadline| deadline - now),
        }
    }

    fn subtasks(&self) -> impl Iterator<Item = Subtask> + '_ {
        let vertices = self.vertices.iter();
        vertices.flat_map(|(vertex, parallelism)| {
            (0..*parallelism).map(|index| Subtask { vertex: *vertex, index })
        })
    }

    fn tick(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        self.expire(now, actions);
        let due = self.scheduler.take_due(now, self.effective.interval());
        if due > 0 {
            self.trigger_periodically(now, due, actions);
        }
    }

    /// Expires what has reached the timeout in force. Acknowledged by all means too late for that:
    /// whoever comes first wins (rule 23).
    fn expire(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        let timeout = self.effective.timeout();
        let is_due = |pending: &Pending| pending.deadline(timeout).is_some_and(|deadline| deadline <= now);
        let due: Vec<_> =
            self.pending.iter().filter(|(_, pending)| is_due(pending)).map(|(id, _)| *id).collect();
        for id in &due {
            self.abort(*id, &Abort::by_coordinator(FailureReason::CheckpointExpired), actions);
        }
        if !due.is_empty() {
            self.run_queue(now, actions);
        }
    }

    /// Ends a checkpoint in flight without success, once and for all.
    fn abort(&mut self, id: CheckpointId, why: &Abort, actions: &mut Vec<Action>) {
        let Some(pending) = self.pending.remove(&id) else { return };
        actions.push(Action::Record(Fact::Failed { id, reason: why.reason, detail: why.detail.clone() }));
        if let Some(to) = pending.answer_to {
            actions.push(Action::Answer {
                to,
                outcome: TriggerOutcome::Failed { id: Some(id), reason: why.reason },
            });
        }
        if pending.phase != Phase::Triggering {
            actions.push(Action::NotifyAborted { id });
        }
        let savepoint = pending.kind.is_savepoint();
        if !self.at_work.contains_key(&id) {
            actions.push(Action::Discard { id, kind: pending.kind, completed: false });
        }
        // A savepoint counts only when a task declined it (rule 35).
        if savepoint && !why.by_task {
            return;
        }
        if let Some(reason) = self.failures.failed(id, why.reason) {
            actions.push(Action::FailJob { reason });
            self.suspend(actions);
        }
    }

    /// Stops the scheduler and empties everything (rule 8), but for what all tasks have acknowledged:
    /// that has won against any abort already.
    fn suspend(&mut self, actions: &mut Vec<Action>) {
        self.scheduler.stop();
        self.empty(FailureReason::CheckpointCoordinatorSuspend, |phase| phase != Phase::Finalizing, actions);
    }

    fn shut_down(&mut self, end: Option<JobEnd>, actions: &mut Vec<Action>) {
        if std::mem::replace(&mut self.shut_down, true) {
            return;
        }
        self.scheduler.stop();
        self.empty(FailureReason::CheckpointCoordinatorShutdown, |_| true, actions);
        if end.is_some_and(|end| !self.submitted.retention_policy.retains(end)) {
            let going = self.retained.clear();
            discard_completed(going, actions);
        }
    }

    fn empty(&mut self, reason: FailureReason, goes: impl Fn(Phase) -> bool, actions: &mut Vec<Action>) {
        for request in self.queue.drain() {
            if let Some(to) = request.answer_to {
                actions.push(Action::Answer { to, outcome: TriggerOutcome::Failed { id: None, reason } });
            }
        }
        let going: Vec<_> =
            self.pending.iter().filter(|(_, pending)| goes(pending.phase)).map(|(id, _)| *id).collect();
        for id in going {
            self.abort(id, &Abort::by_coordinator(reason), actions);
        }
    }

    /// The end of min-pause after the last completion.
    fn pause_until(&self) -> Option<Monotonic> {
        let pause: Duration = self.effective.min_pause();
        self.last_completion.map(|completion| completion + pause)
    }

    fn answer(to: Option<RequestToken>, outcome: TriggerOutcome, actions: &mut Vec<Action>) {
        actions.extend(to.map(|to| Action::Answer { to, outcome }));
    }
}

/// Why a checkpoint is aborted, and by whom.
struct Abort {
    reason: FailureReason,
    detail: Option<String>,
    by_task: bool,
}

impl Abort {
    fn by_coordinator(reason: FailureReason) -> Self {
        Self { reason, detail: None, by_task: false }
    }
}

fn discard_completed(going: Vec<CheckpointId>, actions: &mut Vec<Action>) {
    for id in going {
        actions.push(Action::Record(Fact::Discarded { id }));
        actions.push(Action::Discard { id, kind: Kind::Checkpoint, completed: true });
    }
}
