//! The parts of an observation of a Flink job, made of what its REST API and the agent tell. No I/O here.

use super::rest;
use ckpt_agent::protocol::{Pending, Sight, Update};
use ckpt_api::Outcome;
use ckpt_api::flink::{Checkpoint, CheckpointStatistics, CheckpointStatus};
use ckpt_coordinator::config::{EffectiveConfig, Override, SubmittedConfig};
use ckpt_coordinator::{InFlight, InFlightUpdate};
use ckpt_types::ids::CheckpointId;
use std::time::Duration;

/// What these values of Flink's are when they are in force.
pub(super) fn in_force(submitted: &SubmittedConfig, interval: i64, timeout: i64) -> EffectiveConfig {
    let actual = Override { interval: rest::interval(interval), timeout: Some(rest::timeout(timeout)) };
    EffectiveConfig::of(submitted, &actual)
}

/// The checkpoints in flight by Flink's REST API, oldest first; `now_there` is the cluster's clock, in milliseconds since
/// the epoch.
pub(super) fn in_progress(
    statistics: &CheckpointStatistics,
    timeout: Duration,
    now_there: i64,
) -> Vec<InFlight> {
    let running =
        statistics.history.iter().rev().filter(|entry| entry.status == CheckpointStatus::InProgress);
    running.map(|entry| in_flight(entry, timeout, now_there)).collect()
}

fn in_flight(entry: &Checkpoint, timeout: Duration, now_there: i64) -> InFlight {
    let elapsed = duration(now_there.saturating_sub(entry.trigger_timestamp));
    InFlight {
        id: entry.id,
        savepoint: entry.is_savepoint,
        acknowledged: size(entry.num_acknowledged_subtasks),
        subtasks: size(entry.num_subtasks),
        elapsed,
        remaining: Some(timeout.saturating_sub(elapsed)),
    }
}

/// A checkpoint that is over, and what that means to whoever wanted to change it.
pub(super) fn ended(entry: &Checkpoint) -> (InFlight, Outcome) {
    let outcome = match entry.status {
        CheckpointStatus::Completed => Outcome::Completed,
        CheckpointStatus::Failed | CheckpointStatus::InProgress => Outcome::TooLate,
    };
    let elapsed = duration(entry.end_to_end_duration);
    (InFlight { elapsed, remaining: None, ..in_flight(entry, Duration::ZERO, 0) }, outcome)
}

/// The checkpoints in flight by the agent.
pub(super) fn all_pending(sight: &Sight) -> Vec<InFlight> {
    let of = |one: &Pending| pending(one, one.remaining, sight.timeout);
    sight.pending.iter().map(of).collect()
}

/// A pending checkpoint whose canceller has `remaining` left of `timeout`: on Flink its age follows from
/// the two, since its timestamp is wall clock.
fn pending(one: &Pending, remaining: Option<i64>, timeout: i64) -> InFlight {
    InFlight {
        id: checkpoint_id(one.id),
        savepoint: one.savepoint,
        acknowledged: size(one.acknowledged),
        subtasks: size(one.tasks),
        elapsed: remaining.map_or(Duration::ZERO, |left| duration(timeout.saturating_sub(left))),
        remaining: remaining.map(duration),
    }
}

/// What a change did, from the agent's point of view.
pub(super) fn updates(before_timeout: i64, sight: &Sight, updates: &[Update]) -> Vec<InFlightUpdate> {
    let update = |update: &Update| {
        let before = pending(&update.before, update.before.remaining, before_timeout);
        let outcome = match (update.too_late, update.before.remaining, update.remaining) {
            (true, _, _) => Outcome::TooLate,
            (false, Some(_), Some(left)) if left <= 0 => Outcome::Expired,
            (false, Some(was), Some(left)) => compared(&left, &was),
            (false, _, _) => Outcome::Unchanged,
        };
        let checkpoint = match outcome {
            Outcome::TooLate => InFlight { remaining: None, ..before },
            _ => InFlight {
                elapsed: before.elapsed,
                ..pending(&update.before, update.remaining, sight.timeout)
            },
        };
        InFlightUpdate { checkpoint, previous_remaining: update.before.remaining.map(duration), outcome }
    };
    updates.iter().map(update).collect()
}

/// What a timeout would do to what is in flight, worked out from here.
pub(super) fn foreseen(seen: &[InFlight], timeout: Duration) -> Vec<InFlightUpdate> {
    let update = |before: &InFlight| {
        let remaining = before.remaining.map(|_| timeout.saturating_sub(before.elapsed));
        let outcome = match (before.remaining, remaining) {
            (Some(_), Some(Duration::ZERO)) => Outcome::Expired,
            (Some(was), Some(left)) => compared(&left, &was),
            _ => Outcome::Unchanged,
        };
        let checkpoint = InFlight { remaining, ..*before };
        InFlightUpdate { checkpoint, previous_remaining: before.remaining, outcome }
    };
    seen.iter().map(update).collect()
}

fn compared<T: Ord>(now: &T, before: &T) -> Outcome {
    match now.cmp(before) {
        std::cmp::Ordering::Greater => Outcome::Extended,
        std::cmp::Ordering::Less => Outcome::Shortened,
        std::cmp::Ordering::Equal => Outcome::Unchanged,
    }
}

fn checkpoint_id(id: i64) -> CheckpointId {
    CheckpointId(u64::try_from(id).unwrap_or(0))
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
