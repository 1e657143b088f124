//! From acknowledgements to a completed checkpoint (rules 20 to 28).

use super::{Abort, Coordinator, REMEMBERED, discard_completed};
use crate::pending::Phase;
use crate::protocol::{Acknowledgement, Action, Fact, Snapshot, TriggerOutcome, Work};
use crate::reason::FailureReason;
use ckpt_types::ids::{CheckpointId, Subtask};
use ckpt_types::time::Monotonic;

impl Coordinator {
    /// Takes an acknowledgement (rule 20). One that comes too late leaves its numbers in the
    /// statistics (rule 21), and what it stored is deleted; but what belongs to a completed
    /// checkpoint is never touched.
    pub(super) fn acknowledge(
        &mut self,
        id: CheckpointId,
        subtask: Subtask,
        snapshot: Snapshot,
        actions: &mut Vec<Action>,
    ) {
        let Some(pending) = self.pending.get_mut(&id) else {
            if id > self.forgotten && !self.recently_completed.contains(&id) {
                let fact = Fact::AcknowledgedLate { id, subtask, snapshot: snapshot.clone() };
                actions.push(Action::Record(fact));
                actions.push(Action::DiscardSnapshot { id, snapshot });
            }
            return;
        };
        match pending.acknowledge(subtask, snapshot.clone()) {
            Acknowledgement::Success => {
                actions.push(Action::Record(Fact::Acknowledged { id, subtask, snapshot }));
                self.finalize_if_complete(id, actions);
            }
            Acknowledgement::Duplicate => {}
            Acknowledgement::UnknownTask => actions.push(Action::DiscardSnapshot { id, snapshot }),
        }
    }

    pub(super) fn finalize_if_complete(&mut self, id: CheckpointId, actions: &mut Vec<Action>) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if pending.phase == Phase::Running && pending.is_fully_acknowledged() {
            pending.phase = Phase::Finalizing;
            let (kind, snapshots) = (pending.kind.clone(), pending.snapshots().clone());
            self.at_work.insert(id, (Work::Finalize, kind.clone()));
            actions.push(Action::Finalize { id, kind, snapshots });
        }
    }

    /// Takes a decline: the checkpoint is aborted with its reason (rule 22). Unknown checkpoints and
    /// subtasks are ignored, and so is a task that changes its mind after all have acknowledged.
    pub(super) fn decline(
        &mut self,
        now: Monotonic,
        id: CheckpointId,
        subtask: Subtask,
        reason: FailureReason,
        detail: String,
        actions: &mut Vec<Action>,
    ) {
        let takes_part = self.subtasks().any(|known| known == subtask);
        let in_flight = self.pending.get(&id).is_some_and(|pending| pending.phase != Phase::Finalizing);
        if takes_part && in_flight {
            let detail = Some(detail).filter(|detail| !detail.is_empty());
            self.abort(id, &Abort { reason, detail, by_task: true }, actions);
            self.run_queue(now, actions);
        }
    }

    /// The metadata of a checkpoint is durable, or cannot be stored.
    pub(super) fn finalized(
        &mut self,
        now: Monotonic,
        id: CheckpointId,
        result: Result<(), String>,
        actions: &mut Vec<Action>,
    ) {
        let Some(kind) = self.work_is_done(id, Work::Finalize) else { return };
        if !self.pending.contains_key(&id) {
            actions.push(Action::Discard { id, kind, completed: false });
            return;
        }
        match result {
            Ok(()) => self.complete(now, id, actions),
            Err(detail) => {
                let reason = FailureReason::FinalizeCheckpointFailure;
                self.abort(id, &Abort { reason, detail: Some(detail), by_task: false }, actions);
            }
        }
        self.run_queue(now, actions);
    }

    /// Completes a checkpoint, in the order of rule 24: stored, failures cleared, statistics, answer.
    fn complete(&mut self, now: Monotonic, id: CheckpointId, actions: &mut Vec<Action>) {
        let Some(pending) = self.pending.get(&id) else { return };
        let (savepoint, answer_to) = (pending.kind.is_savepoint(), pending.answer_to);
        let going = if savepoint { Vec::new() } else { self.retained.store(id) };
        self.failures.succeeded(id);
        // Any success counts here, a savepoint's too (rule 25).
        self.last_completion = Some(now);
        self.recently_completed.insert(id);
        if self.recently_completed.len() > REMEMBERED
            && let Some(oldest) = self.recently_completed.pop_first()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        actions.push(Action::Record(Fact::Completed { id }));
        Self::answer(answer_to, TriggerOutcome::Completed(id), actions);
        self.pending.remove(&id);
        if !savepoint && self.retained.kept().last() == Some(id) {
            self.subsume_below(id, actions);
            actions.push(Action::NotifyComplete { id });
        }
        discard_completed(going, actions);
    }

    /// Aborts what a completed checkpoint makes superfluous: older checkpoints, not savepoints (rule
    /// 26), and not what all tasks have acknowledged, which will complete in a moment.
    fn subsume_below(&mut self, id: CheckpointId, actions: &mut Vec<Action>) {
        let older = self.pending.range(..id);
        let subsumed: Vec<_> = older
            .filter(|(_, pending)| !pending.kind.is_savepoint() && pending.phase != Phase::Finalizing)
            .map(|(older, _)| *older)
            .collect();
        for older in subsumed {
            self.abort(older, &Abort::by_coordinator(FailureReason::CheckpointSubsumed), actions);
        }
    }
}
