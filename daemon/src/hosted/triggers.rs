//! Checkpoints that were asked for by hand, and what became of them.

use ckpt_coordinator::RequestToken;
use ckpt_shared::flink::{
    CHECKPOINT_EXCEPTION, FailureCause, QueueStatus, QueueStatusId, TriggerResult, TriggerStatus,
};
use ckpt_shared::ids::{CheckpointId, TriggerId};
use std::collections::{HashMap, VecDeque};

/// How many ended ones are remembered.
const REMEMBERED: usize = 1_000;

/// How a request ended: the checkpoint that completed, or why none did.
pub(super) type Outcome = Result<CheckpointId, String>;

/// The requests of one job.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    by_id: HashMap<TriggerId, Option<Outcome>>,
    under_way: HashMap<RequestToken, TriggerId>,
    ended: VecDeque<TriggerId>,
    next_token: u64,
}

impl Triggers {
    /// Notes a request; `None` when this very one was made before.
    pub(super) fn begin(&mut self, id: TriggerId) -> Option<RequestToken> {
        if self.by_id.contains_key(&id) {
            return None;
        }
        let token = RequestToken(self.next_token);
        self.next_token += 1;
        self.by_id.insert(id, None);
        self.under_way.insert(token, id);
        Some(token)
    }

    /// Notes how a request ended.
    pub(super) fn end(&mut self, token: RequestToken, outcome: Outcome) {
        let Some(id) = self.under_way.remove(&token) else { return };
        self.by_id.insert(id, Some(outcome));
        self.ended.push_back(id);
        if self.ended.len() > REMEMBERED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// What became of a request, in Flink's words.
    pub(super) fn status(&self, id: TriggerId) -> Option<TriggerStatus> {
        let status = |id, operation| TriggerStatus { status: QueueStatus { id }, operation };
        Some(match self.by_id.get(&id)? {
            None => status(QueueStatusId::InProgress, None),
            Some(outcome) => status(QueueStatusId::Completed, Some(result(outcome))),
        })
    }
}

fn result(outcome: &Outcome) -> TriggerResult {
    match outcome {
        Ok(id) => TriggerResult { checkpoint_id: Some(*id), failure_cause: None },
        Err(message) => TriggerResult {
            checkpoint_id: None,
            failure_cause: Some(FailureCause::new(CHECKPOINT_EXCEPTION, message)),
        },
    }
}
