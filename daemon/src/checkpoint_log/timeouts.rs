//! The timeouts that were in force, and since when.

use std::collections::VecDeque;

/// Remembered changes of the timeout.
pub(super) const MAX_TIMEOUTS: usize = 1_000;
/// Lateness of a timeout on a busy machine, in milliseconds.
const MAX_LATENESS: u64 = 1_000;

/// The time in flight of a checkpoint, in milliseconds on the clock of [`TimeoutLog`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flight {
    /// Its trigger.
    pub(crate) from: u64,
    /// Its end.
    pub(crate) to: u64,
}

impl Flight {
    /// In milliseconds.
    pub(super) fn duration(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// True if it can have ended within this timeout.
    pub(super) fn fits(self, timeout: u64) -> bool {
        self.duration() <= timeout.saturating_add(MAX_LATENESS)
    }
}

/// Start and length of each timeout, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct TimeoutLog(VecDeque<(u64, u64)>);

impl TimeoutLog {
    /// Records the timeout in force as of `at`.
    pub(super) fn record(&mut self, at: u64, timeout: u64) {
        if self.0.back().is_some_and(|(_, last)| *last == timeout) {
            return;
        }
        if self.0.len() == MAX_TIMEOUTS {
            self.0.pop_front();
        }
        // A clock that was put back must not turn the order around.
        let at = self.0.back().map_or(at, |(last, _)| at.max(*last));
        self.0.push_back((at, timeout));
    }

    /// The timeout in force at a time; `None` before the first record.
    pub(super) fn at(&self, time: u64) -> Option<u64> {
        self.0.iter().rev().find(|(since, _)| *since <= time).map(|(_, timeout)| *timeout)
    }

    /// The shortest timeout in force during a flight.
    pub(super) fn shortest(&self, Flight { from, to }: Flight) -> Option<u64> {
        let changes = self.0.iter().filter(|(since, _)| (from..=to).contains(since));
        changes.map(|(_, timeout)| *timeout).chain(self.at(from)).min()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
