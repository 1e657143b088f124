//! Which request is triggered next (`CheckpointRequestDecider`, rules 10 to 15).

use crate::Kind;
use ckpt_types::time::Monotonic;
use std::time::Duration;

/// The most requests that wait (rule 10).
pub const MOST_QUEUED: usize = 1_000;

/// Names a request, so that its outcome finds whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// A request for a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) periodic: bool,
    pub(crate) answer_to: Option<RequestToken>,
}

impl Request {
    /// A savepoint is forced, as checkpoints are aligned (rule 15).
    fn forced(&self) -> bool {
        self.kind.is_savepoint()
    }

    /// Savepoints first, then forced ones, then those made by hand (rule 10); time decides the rest.
    fn rank(&self) -> (bool, bool, bool) {
        (!self.kind.is_savepoint(), !self.forced(), self.periodic)
    }
}

/// What the queue needs to know of the coordinator to choose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    pub(crate) triggering: bool,
    pub(crate) pending: usize,
    pub(crate) cleaning: usize,
    pub(crate) max_concurrent: usize,
    pub(crate) now: Monotonic,
    /// The end of min-pause after the last completion.
    pub(crate) pause_until: Option<Monotonic>,
}

/// What became of a request that was put into the queue.
#[derive(Debug)]
pub(crate) enum Queued {
    /// It waits its turn.
    Waits,
    /// Another periodic one waits already; the two are one now (rule 14, ckptd's variant).
    Merged,
    /// The queue is full, and this is the request that had to go.
    Refused(Request),
}

/// What is to be done now.
#[derive(Debug)]
pub(crate) enum Choice {
    /// Nothing.
    Wait,
    /// Trigger this one.
    Trigger(Request),
    /// This periodic one came within min-pause, which ends after so long.
    TooEarly(Duration),
}

/// Requests in the order in which they are to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestQueue {
    waiting: Vec<Request>,
}

impl RequestQueue {
    /// Puts a request in its place.
    pub(crate) fn push(&mut self, request: Request) -> Queued {
        if request.periodic && self.waiting.iter().any(|waiting| waiting.periodic) {
            return Queued::Merged;
        }
        let full = self.waiting.len() >= MOST_QUEUED;
        if full && self.waiting.last().is_some_and(|last| !last.periodic) {
            return Queued::Refused(request);
        }
        let place = self.waiting.partition_point(|waiting| waiting.rank() <= request.rank());
        self.waiting.insert(place, request);
        match (full, self.waiting.pop_if(|_| full)) {
            (true, Some(evicted)) => Queued::Refused(evicted),
            _ => Queued::Waits,
        }
    }

    /// Chooses what runs now (rules 11 to 13).
    pub(crate) fn choose(&mut self, situation: Situation) -> Choice {
        let Some(head) = self.waiting.first() else { return Choice::Wait };
        if situation.triggering || situation.cleaning > situation.max_concurrent {
            return Choice::Wait;
        }
        if situation.pending >= situation.max_concurrent && !head.forced() {
            return Choice::Wait;
        }
        let pause = situation.pause_until.map_or(Duration::ZERO, |until| until.since(situation.now));
        let head_waits = head.periodic && !head.forced() && !pause.is_zero();
        let head = self.waiting.remove(0);
        if head_waits { Choice::TooEarly(pause) } else { Choice::Trigger(head) }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn drain(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.waiting)
    }
}
