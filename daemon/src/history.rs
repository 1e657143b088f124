//! The checkpoints of a job that have ended, with the timeout that each had. No clock and no I/O here; it is
//! all in memory, and gone when ckptd restarts.

use ckpt_api::flink::{self, CheckpointStatus};
use ckpt_api::{CheckpointHistory, EndedCheckpoint};
use ckpt_coordinator::reason::FailureReason;
use ckpt_types::ids::CheckpointId;
use std::collections::VecDeque;

/// How many changes of the timeout are remembered.
const MOST_TIMEOUTS: usize = 1_000;
/// How much is kept of why a checkpoint failed, in characters.
const LONGEST_MESSAGE: usize = 500;

/// The newest [`CheckpointHistory::MOST`] checkpoints of a job that have ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// In the order in which they ended, as far as that was seen.
    ended: VecDeque<(Mark, EndedCheckpoint)>,
    /// When the newest was triggered of those that are not remembered any more, as its mark says it.
    forgotten: Option<i64>,
    timeouts: Timeouts,
}

/// By how much a timeout may be late on a busy machine, in milliseconds.
const LATE: u64 = 1_000;

/// What tells a checkpoint from all others of its job: a number may come again when a job starts from nothing, the
/// moment of its trigger, on the clock of whoever triggered it, does not.
type Mark = (Option<CheckpointId>, i64);

/// From when until when a checkpoint was in flight, on the clock that timeouts are noted by, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flight {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl History {
    /// The timeout in force is this one, in milliseconds, as of `at`.
    pub(crate) fn timeout_is(&mut self, at: u64, timeout: u64) {
        self.timeouts.note(at, timeout);
    }

    /// A checkpoint has ended; what timeout it had, and whether it owes its completion to a change, is found out.
    pub(crate) fn ended(&mut self, checkpoint: EndedCheckpoint, flight: Flight) {
        let mark = (checkpoint.id, i64::try_from(checkpoint.triggered_at).unwrap_or(i64::MAX));
        self.add(mark, checkpoint, flight);
    }

    fn add(&mut self, mark: Mark, checkpoint: EndedCheckpoint, flight: Flight) {
        if self.knows(mark) {
            return;
        }
        let shortest = self.timeouts.shortest(flight);
        let took = flight.to.saturating_sub(flight.from);
        // One that completed later than that had more time, which somebody gave it between two looks.
        let fits = |timeout: &u64| !checkpoint.completed || took <= timeout.saturating_add(LATE);
        let last = self.timeouts.at(flight.to);
        let timeout = last.filter(fits);
        // Whoever was only lucky that its timer was late owes nothing to a change.
        let rescued = checkpoint.completed && shortest.is_some_and(|it| it < took) && last > shortest;
        let message = checkpoint.message.map(|message| message.chars().take(LONGEST_MESSAGE).collect());
        if self.ended.len() == CheckpointHistory::MOST
            && let Some(((_, triggered), _)) = self.ended.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(triggered));
        }
        self.ended.push_back((mark, EndedCheckpoint { timeout, rescued, message, ..checkpoint }));
    }

    /// Takes what is new in Flink's own history. `to_here` makes of a time on Flink's clock one on ours.
    pub(crate) fn saw(&mut self, history: &[flink::Checkpoint], to_here: impl Fn(i64) -> u64) {
        for entry in history.iter().rev().filter(|entry| entry.status != CheckpointStatus::InProgress) {
            let from = to_here(entry.trigger_timestamp);
            let known = u64::try_from(entry.end_to_end_duration).ok();
            let failed_after = entry.failure_timestamp.and_then(|at| to_here(at).checked_sub(from));
            let duration = failed_after.or(known);
            let flight = Flight { from, to: from.saturating_add(duration.unwrap_or(0)) };
            self.add((Some(entry.id), entry.trigger_timestamp), of_flink(entry, from, duration), flight);
        }
    }

    /// Those that owe their completion to a change, with when they were triggered.
    pub(crate) fn rescued(&self) -> Vec<(CheckpointId, i64)> {
        let rescued = self.ended.iter().filter(|(_, one)| one.rescued);
        rescued.filter_map(|((id, triggered), _)| Some(((*id)?, *triggered))).collect()
    }

    /// All that is remembered, the oldest first.
    pub(crate) fn all(&self) -> Vec<EndedCheckpoint> {
        self.ended.iter().map(|(_, ended)| ended.clone()).collect()
    }

    /// Whether it is there already, or has been.
    fn knows(&self, mark: Mark) -> bool {
        let (id, triggered) = mark;
        let is_known = self.ended.iter().any(|(known, _)| *known == mark);
        id.is_some() && (is_known || self.forgotten.is_some_and(|at| triggered <= at))
    }
}

fn of_flink(entry: &flink::Checkpoint, triggered_at: u64, duration: Option<u64>) -> EndedCheckpoint {
    let completed = entry.status == CheckpointStatus::Completed;
    let size = |bytes: i64| u64::try_from(bytes).ok();
    EndedCheckpoint {
        id: Some(entry.id),
        savepoint: entry.is_savepoint,
        completed,
        triggered_at,
        duration,
        state_size: size(entry.state_size),
        checkpointed_size: size(entry.checkpointed_size),
        timeout: None,
        rescued: false,
        reason: entry.failure_message.as_deref().and_then(reason).map(str::to_owned),
        message: entry.failure_message.clone().filter(|_| !completed),
    }
}

/// Flink's name of a reason, as far as its REST API lets that be told.
pub(crate) fn reason(message: &str) -> Option<&'static str> {
    FailureReason::of_words(message).map(FailureReason::name)
}

/// Which timeout was in force when: since when, and which, in milliseconds.
#[derive(Debug, Clone, Default)]
struct Timeouts(VecDeque<(u64, u64)>);

impl Timeouts {
    fn note(&mut self, at: u64, timeout: u64) {
        if self.0.back().is_some_and(|(_, last)| *last == timeout) {
            return;
        }
        if self.0.len() == MOST_TIMEOUTS {
            self.0.pop_front();
        }
        // A clock that was put back must not turn the order around.
        let at = self.0.back().map_or(at, |(last, _)| at.max(*last));
        self.0.push_back((at, timeout));
    }

    /// The one in force at a time; `None` before anything was known.
    fn at(&self, time: u64) -> Option<u64> {
        self.0.iter().rev().find(|(since, _)| *since <= time).map(|(_, timeout)| *timeout)
    }

    /// The shortest that was in force during a flight.
    fn shortest(&self, Flight { from, to }: Flight) -> Option<u64> {
        let changes = self.0.iter().filter(|(since, _)| (from..=to).contains(since));
        changes.map(|(_, timeout)| *timeout).chain(self.at(from)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(id: u64, triggered_at: u64, duration: u64) -> (EndedCheckpoint, Flight) {
        let checkpoint = EndedCheckpoint {
            id: Some(CheckpointId(id)),
            savepoint: false,
            completed: true,
            triggered_at,
            duration: Some(duration),
            state_size: None,
            checkpointed_size: None,
            timeout: None,
            rescued: false,
            reason: None,
            message: None,
        };
        (checkpoint, Flight { from: triggered_at, to: triggered_at + duration })
    }

    #[test]
    fn each_has_the_timeout_that_was_in_force_when_it_ended() {
        let mut history = History::default();
        let add = |history: &mut History, id, at, took| {
            let (checkpoint, flight) = completed(id, at, took);
            history.ended(checkpoint, flight);
        };
        add(&mut history, 1, 5_000, 1_000);
        history.timeout_is(10_000, 10_000);
        add(&mut history, 2, 20_000, 9_000);
        history.timeout_is(48_000, 60_000);
        add(&mut history, 3, 40_000, 14_000);
        add(&mut history, 4, 60_000, 14_000);
        let seen: Vec<_> = history.all().iter().map(|one| (one.timeout, one.rescued)).collect();
        assert_eq!(
            seen,
            [(None, false), (Some(10_000), false), (Some(60_000), true), (Some(60_000), false)],
            "only the third had less time when it began than it needed"
        );
    }

    #[test]
    fn a_timeout_that_was_shorter_for_a_while_counts_too() {
        let mut history = History::default();
        for (at, timeout) in [(0, 60_000), (105_000, 10_000), (108_000, 60_000)] {
            history.timeout_is(at, timeout);
        }
        let (checkpoint, flight) = completed(1, 100_000, 20_000);
        history.ended(checkpoint, flight);
        assert!(history.all()[0].rescued);
    }

    #[test]
    fn no_more_are_remembered_than_is_said_and_what_is_forgotten_does_not_come_back() {
        let mut history = History::default();
        for id in 0..500 {
            let (mut checkpoint, flight) = completed(id, id * 10_000, 1_000);
            checkpoint.message = Some("x".repeat(10_000));
            history.ended(checkpoint, flight);
            history.timeout_is(id * 10_000, id);
        }
        let all = history.all();
        assert_eq!((all.len(), all[0].id), (CheckpointHistory::MOST, Some(CheckpointId(300))));
        assert_eq!(all[0].message.as_ref().unwrap().len(), LONGEST_MESSAGE);
        for id in [7, 499] {
            let (checkpoint, flight) = completed(id, id * 10_000, 1_000);
            history.ended(checkpoint, flight);
        }
        assert_eq!(history.all(), all, "neither what was forgotten nor what is known is new");
        let (again, flight) = completed(1, 9_000_000, 1_000);
        history.ended(again, flight);
        assert_eq!(history.all().last().unwrap().id, Some(CheckpointId(1)), "a job that starts from nothing");
        for at in 0..5_000 {
            history.timeout_is(at, at);
        }
        assert_eq!(history.timeouts.0.len(), MOST_TIMEOUTS);
    }

    #[test]
    fn flinks_own_history_is_taken_with_what_it_tells() {
        let recorded = include_str!("../../shared/api/tests/flink-rest/checkpoints-in-progress.json");
        let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let statistics: flink::CheckpointStatistics =
            serde_json::from_value(recorded["body"].clone()).unwrap();
        let mut history = History::default();
        let here = |there: i64| u64::try_from(there).unwrap() - 1_000;
        history.saw(&statistics.history, here);
        history.saw(&statistics.history, |there| here(there) + 3);
        let all = history.all();
        let [expired] = all.as_slice() else { panic!("one has ended: {all:?}") };
        assert_eq!((expired.id, expired.completed, expired.timeout), (Some(CheckpointId(1)), false, None));
        assert_eq!(expired.reason.as_deref(), Some("CHECKPOINT_EXPIRED"));
        assert_eq!(expired.message.as_deref(), Some(flink::EXPIRED));
        let theirs = statistics.history.iter().find(|entry| entry.id == CheckpointId(1)).unwrap();
        assert_eq!(expired.triggered_at, here(theirs.trigger_timestamp));
        assert!(expired.duration.unwrap() >= 1_000, "{expired:?}");
    }
}
