//! Checkpoints and savepoints that were asked for by hand, and what became of them.

use ckpt_api::flink::{
    CHECKPOINT_EXCEPTION, FailureCause, OperationStatus, QueueStatus, QueueStatusId, SavepointResult,
    SavepointStatus, TriggerResult, TriggerStatus,
};
use ckpt_coordinator::RequestToken;
use ckpt_types::ids::{CheckpointId, TriggerId};
use std::collections::{HashMap, VecDeque};

/// How many ended ones are remembered.
const REMEMBERED: usize = 1_000;

/// What was asked for. As in Flink, the ids of one know nothing of those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Checkpoint,
    Savepoint,
}

/// What completed.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: CheckpointId,
    /// Where it is, as a URI.
    pub(super) location: String,
}

/// How a request ended: what completed, or why nothing did.
pub(super) type Outcome = Result<Made, String>;

/// The requests of one job.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    by_id: HashMap<(Asked, TriggerId), Option<Outcome>>,
    under_way: HashMap<RequestToken, (Asked, TriggerId)>,
    ended: VecDeque<(Asked, TriggerId)>,
    next_token: u64,
}

impl Triggers {
    /// Whether this very request was made before.
    pub(super) fn knows(&self, asked: Asked, id: TriggerId) -> bool {
        self.by_id.contains_key(&(asked, id))
    }

    /// Notes a request; `None` when this very one was made before.
    pub(super) fn begin(&mut self, asked: Asked, id: TriggerId) -> Option<RequestToken> {
        if self.knows(asked, id) {
            return None;
        }
        let token = RequestToken(self.next_token);
        self.next_token += 1;
        self.by_id.insert((asked, id), None);
        self.under_way.insert(token, (asked, id));
        Some(token)
    }

    /// Notes how a request ended.
    pub(super) fn end(&mut self, token: RequestToken, outcome: Outcome) {
        let Some(request) = self.under_way.remove(&token) else { return };
        self.by_id.insert(request, Some(outcome));
        self.ended.push_back(request);
        if self.ended.len() > REMEMBERED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// What became of the request for a checkpoint, in Flink's words.
    pub(super) fn checkpoint_status(&self, id: TriggerId) -> Option<TriggerStatus> {
        self.status(Asked::Checkpoint, id, |outcome| TriggerResult {
            checkpoint_id: outcome.as_ref().ok().map(|made| made.id),
            failure_cause: outcome.as_ref().err().map(|message| cause(message)),
        })
    }

    /// What became of the request for a savepoint, in Flink's words.
    pub(super) fn savepoint_status(&self, id: TriggerId) -> Option<SavepointStatus> {
        self.status(Asked::Savepoint, id, |outcome| SavepointResult {
            location: outcome.as_ref().ok().map(|made| made.location.clone()),
            failure_cause: outcome.as_ref().err().map(|message| cause(message)),
        })
    }

    fn status<T>(
        &self,
        asked: Asked,
        id: TriggerId,
        result: impl Fn(&Outcome) -> T,
    ) -> Option<OperationStatus<T>> {
        let status = |id, operation| OperationStatus { status: QueueStatus { id }, operation };
        Some(match self.by_id.get(&(asked, id))? {
            None => status(QueueStatusId::InProgress, None),
            Some(outcome) => status(QueueStatusId::Completed, Some(result(outcome))),
        })
    }
}

fn cause(message: &str) -> FailureCause {
    FailureCause::new(CHECKPOINT_EXCEPTION, message)
}
