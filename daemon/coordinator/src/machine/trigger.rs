//! From a request to a checkpoint in flight (rules 10 to 19).

use super::{Abort, Coordinator};
use crate::Kind;
use crate::pending::{Pending, Phase};
use crate::protocol::{Action, Fact, TriggerOutcome, Work};
use crate::queue::{Choice, Queued, Request, RequestToken, Situation};
use crate::reason::FailureReason;
use ckpt_types::ids::CheckpointId;
use ckpt_types::time::Monotonic;

impl Coordinator {
    /// A request made by hand also runs while the scheduler is stopped, and on a job without periodic
    /// checkpoints (rule 16).
    pub(super) fn trigger_by_hand(
        &mut self,
        now: Monotonic,
        kind: Kind,
        answer_to: RequestToken,
        actions: &mut Vec<Action>,
    ) {
        self.request(now, Request { kind, periodic: false, answer_to: Some(answer_to) }, actions);
    }

    /// `due` triggers have come due since the last one; all but the first are merged at once, as are
    /// those that find one waiting (rule 14, ckptd's variant).
    pub(super) fn trigger_periodically(&mut self, now: Monotonic, due: u64, actions: &mut Vec<Action>) {
        let before = self.merged;
        self.request(now, Request { kind: Kind::Checkpoint, periodic: true, answer_to: None }, actions);
        self.merged += due - 1;
        if self.merged > before || due > 1 {
            actions.push(Action::Record(Fact::Merged { so_far: self.merged }));
        }
    }

    fn request(&mut self, now: Monotonic, request: Request, actions: &mut Vec<Action>) {
        if let Some(reason) = self.refusal(&request) {
            return Self::fail_without_id(request.answer_to, reason, actions);
        }
        let periodic = request.periodic;
        match self.queue.push(request) {
            Queued::Merged => self.merged += 1,
            Queued::Waits if periodic => self.merged = 0,
            Queued::Waits => {}
            Queued::Refused(refused) => {
                let reason = FailureReason::TooManyCheckpointRequests;
                Self::answer(refused.answer_to, TriggerOutcome::Failed { id: None, reason }, actions);
            }
        }
        self.run_queue(now, actions);
    }

    /// The preconditions (rule 16). They are checked here and again when the checkpoint's place is
    /// made, where an aborted one is not in flight any more.
    fn refusal(&self, request: &Request) -> Option<FailureReason> {
        if self.shut_down {
            Some(FailureReason::CheckpointCoordinatorShutdown)
        } else if request.periodic && !self.scheduler.is_running() {
            Some(FailureReason::PeriodicSchedulerShutdown)
        } else {
            None
        }
    }

    fn fail_without_id(to: Option<RequestToken>, reason: FailureReason, actions: &mut Vec<Action>) {
        actions.push(Action::Record(Fact::FailedWithoutId { reason }));
        Self::answer(to, TriggerOutcome::Failed { id: None, reason }, actions);
    }

    /// Triggers what may run now.
    pub(super) fn run_queue(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        let situation = Situation {
            triggering: self.at_work.values().any(|(work, _)| *work == Work::Prepare),
            pending: self.pending.len(),
            cleaning: self.retained.cleaning(),
            max_concurrent: usize::try_from(self.submitted.max_concurrent.get()).unwrap_or(usize::MAX),
            now,
            pause_until: self.pause_until(),
        };
        match self.queue.choose(situation) {
            Choice::Wait => {}
            Choice::TooEarly(remaining) => self.scheduler.postpone(now, remaining),
            Choice::Trigger(request) => self.start(now, request, actions),
        }
    }

    /// Creates the pending checkpoint: it takes the next number, and its clock starts (rule 17).
    fn start(&mut self, now: Monotonic, request: Request, actions: &mut Vec<Action>) {
        let id = self.next_id;
        self.next_id = id.next();
        let kind = request.kind;
        let pending = Pending::new(kind.clone(), now, request.answer_to, self.subtasks());
        self.pending.insert(id, pending);
        self.at_work.insert(id, (Work::Prepare, kind.clone()));
        actions.push(Action::Record(Fact::Created { id, kind: kind.clone() }));
        actions.push(Action::Prepare { id, kind });
    }

    /// The place of a checkpoint is made, or cannot be made. One that has expired meanwhile triggers
    /// no task (rule 19).
    pub(super) fn prepared(
        &mut self,
        now: Monotonic,
        id: CheckpointId,
        result: Result<(), String>,
        actions: &mut Vec<Action>,
    ) {
        let Some(kind) = self.work_is_done(id, Work::Prepare) else { return };
        match (self.pending.get_mut(&id), result) {
            (None, _) => actions.push(Action::Discard { id, kind, completed: false }),
            (Some(_), Err(detail)) => {
                let why = Abort { reason: FailureReason::IoException, detail: Some(detail), by_task: false };
                self.abort(id, &why, actions);
            }
            (Some(pending), Ok(())) => {
                pending.phase = Phase::Running;
                actions.push(Action::TriggerTasks { id, kind });
                self.finalize_if_complete(id, actions);
            }
        }
        self.run_queue(now, actions);
    }

    /// Takes note that the host has done `work` for `id`; `None` when it was never asked to.
    pub(super) fn work_is_done(&mut self, id: CheckpointId, work: Work) -> Option<Kind> {
        match self.at_work.get(&id) {
            Some((at_work, _)) if *at_work == work => self.at_work.remove(&id).map(|(_, kind)| kind),
            _ => None,
        }
    }
}
