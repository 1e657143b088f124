//! An observation of a Flink job, made of what Flink's REST API and the agent tell. No I/O here.

use super::rest;
use crate::overrides::Record;
use crate::seam::{CompletedCheckpoint, Observation, Reach};
use ckpt_agent::protocol::{Pending, Sight, Update};
use ckpt_api::flink::{Checkpoint, CheckpointStatistics, CheckpointStatus};
use ckpt_api::{JobState, Outcome, OverrideState, OverrideStatus, Via};
use ckpt_coordinator::config::{EffectiveConfig, Override, SubmittedConfig};
use ckpt_coordinator::{InFlight, InFlightUpdate};
use ckpt_types::ids::CheckpointId;
use std::time::Duration;

/// Facts about a job that do not depend on the source of an observation.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) state: JobState,
    pub(super) submitted: SubmittedConfig,
    pub(super) record: Option<Record>,
    /// The wall clock, in milliseconds since the epoch.
    pub(super) now: u64,
    pub(super) reach: Reach,
    /// Status of the override when it was checked last, or of one that another job of this name left behind.
    pub(super) status: Option<OverrideStatus>,
    pub(super) trouble: Option<String>,
    /// Usual duration of checkpoints by the newest answers of the REST API.
    pub(super) usual_duration: Option<Duration>,
    pub(super) last_completed: Option<CompletedCheckpoint>,
    pub(super) observed_at: u64,
}

impl Base {
    /// The values that should be in force.
    pub(super) fn wanted(&self) -> EffectiveConfig {
        let overridden =
            self.record.as_ref().and_then(|record| record.overridden(self.now).ok()).unwrap_or_default();
        EffectiveConfig::of(&self.submitted, &overridden)
    }

    /// The revision that is in force when these values are. Nothing is wanted any more of a job that has ended.
    fn revision(&self, in_force: &EffectiveConfig) -> Option<u64> {
        let revision = self.record.as_ref().map_or(0, |record| record.revision);
        let is_over = self.record.is_none() && self.state.has_ended();
        (is_over || *in_force == self.wanted()).then_some(revision)
    }

    /// Its keeper looked into the JVM and found no coordinator; what Flink's REST API shows meanwhile is what the last
    /// one had.
    fn waits(&self) -> bool {
        let waits = |kept: &OverrideStatus| kept.state == OverrideState::Waiting;
        self.reach.via == Some(Via::Attach)
            && self.record.is_some()
            && self.status.as_ref().is_some_and(waits)
    }

    /// How its override stands, now that it was seen whether it is in force.
    fn judged(&self, is_in_force: bool) -> Option<OverrideStatus> {
        let now = |state, why| OverrideStatus { state, why, since: Some(self.observed_at), next_try: None };
        let kept = self.status.clone();
        match (&self.record, is_in_force) {
            (None, _) => kept,
            (Some(_), true) => {
                let applied = kept.filter(|kept| kept.state == OverrideState::Applied);
                Some(applied.unwrap_or_else(|| now(OverrideState::Applied, None)))
            }
            (Some(_), false) => {
                let lost = kept.filter(|kept| kept.state != OverrideState::Applied);
                let why = "it was just seen not to be in force".to_owned();
                Some(lost.unwrap_or_else(|| now(OverrideState::NotApplied, Some(why))))
            }
        }
    }

    fn observation(self, effective: EffectiveConfig, in_flight: Vec<InFlight>) -> Observation {
        let revision_in_force = self.revision(&effective).filter(|_| !self.waits());
        let standing = self.judged(revision_in_force.is_some());
        Observation {
            revision_in_force,
            state: self.state,
            submitted: self.submitted,
            effective,
            in_flight,
            consecutive_failures: 0,
            next_trigger: None,
            merged: 0,
            queued: 0,
            usual_duration: self.usual_duration,
            last_completed: self.last_completed,
            standing,
            trouble: self.trouble,
            reach: self.reach,
            stale: None,
            observed_at: self.observed_at,
        }
    }
}

/// What these values of Flink's are when they are in force.
pub(super) fn in_force(submitted: &SubmittedConfig, interval: i64, timeout: i64) -> EffectiveConfig {
    let actual = Override { interval: rest::interval(interval), timeout: Some(rest::timeout(timeout)) };
    EffectiveConfig::of(submitted, &actual)
}

/// What REST tells; `now_there` is the cluster's clock, in milliseconds since the epoch.
pub(super) fn from_rest(
    base: Base,
    effective: EffectiveConfig,
    statistics: &CheckpointStatistics,
    now_there: i64,
) -> Observation {
    let running =
        statistics.history.iter().rev().filter(|entry| entry.status == CheckpointStatus::InProgress);
    let in_flight = running.map(|entry| in_progress(entry, effective.timeout(), now_there)).collect();
    Observation {
        consecutive_failures: rest::failures_in_a_row(statistics),
        ..base.observation(effective, in_flight)
    }
}

fn in_progress(entry: &Checkpoint, timeout: Duration, now_there: i64) -> InFlight {
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
    (InFlight { elapsed, remaining: None, ..in_progress(entry, Duration::ZERO, 0) }, outcome)
}

/// What the agent tells.
pub(super) fn from_agent(base: Base, sight: &Sight) -> Observation {
    let effective = in_force(&base.submitted, sight.interval, sight.timeout);
    let in_flight = sight.pending.iter().map(|pending| in_flight(pending, pending.remaining, sight.timeout));
    let in_flight = in_flight.collect();
    let observed_at = base.observed_at;
    Observation {
        consecutive_failures: sight.consecutive_failures.unwrap_or(0),
        next_trigger: sight.next_trigger_in.map(|left| observed_at.saturating_add_signed(left.max(0))),
        queued: u64::from(sight.queued),
        ..base.observation(effective, in_flight)
    }
}

/// A pending checkpoint whose canceller has `remaining` left of `timeout`: on Flink its age follows from
/// the two, since its timestamp is wall clock.
fn in_flight(pending: &Pending, remaining: Option<i64>, timeout: i64) -> InFlight {
    InFlight {
        id: checkpoint_id(pending.id),
        savepoint: pending.savepoint,
        acknowledged: size(pending.acknowledged),
        subtasks: size(pending.tasks),
        elapsed: remaining.map_or(Duration::ZERO, |left| duration(timeout.saturating_sub(left))),
        remaining: remaining.map(duration),
    }
}

/// What a change did, from the agent's point of view.
pub(super) fn updates(before_timeout: i64, sight: &Sight, updates: &[Update]) -> Vec<InFlightUpdate> {
    let update = |update: &Update| {
        let before = in_flight(&update.before, update.before.remaining, before_timeout);
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
                ..in_flight(&update.before, update.remaining, sight.timeout)
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
