//! Requests that share one read: those that come while it is under way wait for the next one, since they must not be
//! answered with something older than themselves.

use super::event::RequestId;

/// Reads of one kind.
#[derive(Debug, Default)]
pub(super) struct Reading {
    is_under_way: bool,
    /// Requests that the present read answers.
    current: Vec<RequestId>,
    /// Requests that wait for the next one.
    next: Vec<RequestId>,
    /// True if a next one is wanted, with or without a request.
    is_next_wanted: bool,
}

impl Reading {
    /// Asks for a read that starts from now on. Returns true if it is to be started now.
    pub(super) fn request(&mut self, id: Option<RequestId>) -> bool {
        if self.is_under_way {
            self.next.extend(id);
            self.is_next_wanted = true;
            return false;
        }
        self.current.extend(id);
        self.is_under_way = true;
        true
    }

    /// Asks for the result of the present read, or for a new one if none is under way, as [`Self::request`].
    pub(super) fn join(&mut self, id: Option<RequestId>) -> bool {
        self.current.extend(id);
        !std::mem::replace(&mut self.is_under_way, true)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Ends the present read: the requests that it answers, and whether the next one is to be started now.
    pub(super) fn finish(&mut self) -> (Vec<RequestId>, bool) {
        let answered = std::mem::replace(&mut self.current, std::mem::take(&mut self.next));
        self.is_under_way = std::mem::take(&mut self.is_next_wanted);
        (answered, self.is_under_way)
    }

    /// All requests, when there will be no more reads.
    pub(super) fn abandon(&mut self) -> Vec<RequestId> {
        let mut all = std::mem::take(&mut self.current);
        all.append(&mut self.next);
        all
    }
}
