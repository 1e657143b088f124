//! Checkpoints and savepoints that were asked for by hand, and what became of them.

use ckpt_api::flink::{
    CHECKPOINT_EXCEPTION, FailureCause, OperationStatus, QueueStatus, QueueStatusId, SavepointResult,
    SavepointStatus, TriggerResult, TriggerStatus,
};
use ckpt_coordinator::RequestToken;
use ckpt_types::ids::{CheckpointId, TriggerId};
use std::collections::{HashMap, VecDeque};

/// Ended requests that are remembered.
const MAX_ENDED: usize = 1_000;

/// The kind of a request. As in Flink, the ids of one know nothing of those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Checkpoint,
    Savepoint,
}

/// A completed checkpoint or savepoint.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: CheckpointId,
    /// URI of its directory.
    pub(super) location: String,
}

/// The result of a request, or the message of its failure.
pub(super) type Outcome = Result<Made, String>;

/// The savepoint after which the job is cancelled.
#[derive(Debug, Default, Clone, Copy)]
enum LastSavepoint {
    #[default]
    None,
    /// Being made. The periodic scheduler stands still.
    Awaited(RequestToken),
    Ended {
        completed: bool,
    },
}

/// The requests of one job.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    by_id: HashMap<(Asked, TriggerId), Option<Outcome>>,
    under_way: HashMap<RequestToken, (Asked, TriggerId)>,
    ended: VecDeque<(Asked, TriggerId)>,
    next_token: u64,
    last_savepoint: LastSavepoint,
}

impl Triggers {
    /// True if this very request was made before.
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
        if matches!(self.last_savepoint, LastSavepoint::Awaited(awaited) if awaited == token) {
            self.last_savepoint = LastSavepoint::Ended { completed: outcome.is_ok() };
        }
        let Some(request) = self.under_way.remove(&token) else { return };
        self.by_id.insert(request, Some(outcome));
        self.ended.push_back(request);
        if self.ended.len() > MAX_ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// Makes a request the last savepoint.
    pub(super) fn await_last_savepoint(&mut self, token: RequestToken) {
        self.last_savepoint = LastSavepoint::Awaited(token);
    }

    /// True while the last savepoint is being made.
    pub(super) fn awaits_last_savepoint(&self) -> bool {
        matches!(self.last_savepoint, LastSavepoint::Awaited(_))
    }

    /// The result of the last savepoint, once: true if it completed.
    pub(super) fn take_last_savepoint(&mut self) -> Option<bool> {
        let LastSavepoint::Ended { completed } = self.last_savepoint else { return None };
        self.last_savepoint = LastSavepoint::None;
        Some(completed)
    }

    /// The status of the request for a checkpoint, as Flink's REST API has it.
    pub(super) fn checkpoint_status(&self, id: TriggerId) -> Option<TriggerStatus> {
        self.status(Asked::Checkpoint, id, |outcome| TriggerResult {
            checkpoint_id: outcome.as_ref().ok().map(|made| made.id),
            failure_cause: outcome.as_ref().err().map(|message| cause(message)),
        })
    }

    /// The status of the request for a savepoint, as Flink's REST API has it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_savepoint_ends_once() {
        let mut triggers = Triggers::default();
        let id = TriggerId::from_bits(1);
        let token = triggers.begin(Asked::Savepoint, id).unwrap();
        let other = triggers.begin(Asked::Checkpoint, id).unwrap();
        triggers.await_last_savepoint(token);
        triggers.end(other, Err("declined".to_owned()));
        assert!(triggers.awaits_last_savepoint());
        assert_eq!(triggers.take_last_savepoint(), None);
        triggers.end(token, Err("expired".to_owned()));
        assert!(!triggers.awaits_last_savepoint());
        assert_eq!((triggers.take_last_savepoint(), triggers.take_last_savepoint()), (Some(false), None));
    }
}
