//! The configuration of a job as the API shows it: of an observation, of what is stored alone, and in the answer to a
//! change. `warnings` are for its operator.

mod warnings;

use crate::overrides::{Key, Layers, OverrideStore, Record};
use crate::seam::{Applied, Identity, JobCoordinator, Observation, SeamError, Wanted};
use ckpt_api::{
    Configuration, Failures, InFlight as SeenInFlight, InFlightChange, Origin, Outcome, OverrideState,
    OverrideStatus, SCHEMA, Value,
};
use ckpt_coordinator::config::{Override, SubmittedConfig, Tolerable};
use ckpt_coordinator::{InFlight, InFlightUpdate};
use ckpt_types::duration::millis;
use std::time::Duration;
use warnings::{Situation, warnings};

/// A job's configuration when this was observed.
///
/// # Errors
/// [`SeamError`] when nothing was, and nothing is stored for the job.
pub(crate) fn shown(
    job: &dyn JobCoordinator,
    overrides: &OverrideStore,
    observed: Result<Observation, SeamError>,
    now: u64,
) -> Result<Configuration, SeamError> {
    let record = overrides.record(&Key::of(job.identity()));
    let observation = match observed {
        // What is stored for it can be told all the same.
        Err(why @ SeamError::Unreachable(_)) if record.is_some() => {
            return Ok(unseen(job, overrides, &why, now));
        }
        observed => observed?,
    };
    let held = Held::of(record, now);
    let applied = observation.revision_in_force == Some(held.wanted.revision);
    let in_flight = observation.in_flight.iter().map(|checkpoint| seen(checkpoint, None)).collect();
    let stage = Stage { stored: true, applied };
    Ok(configuration(job.identity(), &observation, &held, stage, (false, in_flight), now))
}

/// What is known of a job whose coordinator does not answer: what is stored for it, and that it is silent.
#[must_use]
pub(crate) fn unseen(
    job: &dyn JobCoordinator,
    overrides: &OverrideStore,
    why: &SeamError,
    now: u64,
) -> Configuration {
    let (identity, snapshot) = (job.identity(), job.snapshot());
    let record = overrides.record(&Key::of(identity));
    let submitted = record.as_ref().and_then(|record| record.submitted);
    let value = |submitted, layers: Option<&Layers>| {
        let origin = layers.and_then(|layers| origin(layers, submitted, now));
        Value { origin, ..Value::of(submitted, layers.and_then(|layers| layers.value(now)), None) }
    };
    let (stale, warnings) = match why {
        SeamError::NoCheckpoints => (None, vec![why.to_string()]),
        _ => (Some(why.to_string()), Vec::new()),
    };
    Configuration {
        schema: SCHEMA.to_owned(),
        cluster: identity.cluster.clone(),
        job_id: identity.id,
        name: identity.name.clone(),
        state: snapshot.state,
        revision: record.as_ref().map_or(0, |record| record.revision),
        stored: true,
        applied: false,
        superseded_by: None,
        override_status: record.as_ref().map(|_| {
            let waits = OverrideStatus {
                state: OverrideState::Waiting,
                why: Some(why.to_string()),
                since: None,
                next_try: None,
            };
            job.standing().status.unwrap_or(waits)
        }),
        checkpoint_interval: value(
            submitted.and_then(|submitted| submitted.checkpoint_interval),
            record.as_ref().map(|record| &record.interval),
        ),
        checkpoint_timeout: value(
            submitted.map(|submitted| submitted.checkpoint_timeout),
            record.as_ref().map(|record| &record.timeout),
        ),
        in_flight: Vec::new(),
        failures: Failures { consecutive: 0, tolerable: Failures::UNLIMITED },
        next_trigger: None,
        warnings,
        via: None,
        via_detail: None,
        stale,
        observed_at: snapshot.seen_at,
    }
}

/// The tolerable failures as Flink writes them.
pub(crate) fn tolerable(submitted: &SubmittedConfig) -> u32 {
    match submitted.tolerable_failures {
        Tolerable::AtMost(number) => number,
        Tolerable::Unlimited => Failures::UNLIMITED,
    }
}

/// How far a change has come.
#[derive(Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) stored: bool,
    pub(crate) applied: bool,
}

/// What is stored for a job, or would be.
#[derive(Default)]
pub(crate) struct Held {
    /// What should be in force.
    pub(crate) wanted: Wanted,
    /// Where that comes from.
    pub(crate) record: Option<Record>,
}

impl Held {
    /// What a record says at `now`, in milliseconds since the epoch.
    pub(crate) fn of(record: Option<Record>, now: u64) -> Self {
        let overridden = record.as_ref().and_then(|record| record.overridden(now).ok()).unwrap_or_default();
        let revision = record.as_ref().map_or(0, |record| record.revision);
        Self { wanted: Wanted { overridden, revision }, record }
    }
}

/// Where a value's override comes from, and what comes after it.
fn origin(layers: &Layers, submitted: Option<u64>, now: u64) -> Option<Origin> {
    let (layer, below) = layers.at(now)?;
    Some(Origin {
        by: layer.by.clone(),
        reason: layer.reason.clone(),
        since: layer.since,
        until: layer.until,
        afterwards: layer.until.and_then(|_| below.map_or(submitted, |below| Some(below.value))),
    })
}

/// The answer to a change.
pub(crate) fn answer(
    identity: &Identity,
    applied: &Applied,
    held: &Held,
    stage: Stage,
    now: u64,
) -> Configuration {
    let updated = applied.updates.iter().map(|InFlightUpdate { checkpoint, previous_remaining, outcome }| {
        let previous_remaining = previous_remaining.map(|left| whole_rest(checkpoint, left));
        let mut entry = seen(checkpoint, Some(InFlightChange { previous_remaining, outcome: *outcome }));
        if matches!(outcome, Outcome::Expired | Outcome::TooLate) {
            entry.remaining = None;
        }
        entry
    });
    let ended = applied.ended.iter().map(|(checkpoint, outcome)| {
        seen(checkpoint, Some(InFlightChange { previous_remaining: None, outcome: *outcome }))
    });
    let mut in_flight: Vec<_> = updated.chain(ended).collect();
    in_flight.sort_by_key(|checkpoint| checkpoint.id);
    configuration(identity, &applied.observation, held, stage, (true, in_flight), now)
}

fn seen(checkpoint: &InFlight, change: Option<InFlightChange>) -> SeenInFlight {
    SeenInFlight {
        id: checkpoint.id,
        savepoint: checkpoint.savepoint,
        acknowledged: u32::try_from(checkpoint.acknowledged).unwrap_or(u32::MAX),
        subtasks: u32::try_from(checkpoint.subtasks).unwrap_or(u32::MAX),
        elapsed: millis(checkpoint.elapsed),
        remaining: checkpoint.remaining.map(|left| whole_rest(checkpoint, left)),
        estimate: None,
        change,
    }
}

/// The milliseconds left, so that they and those elapsed make up the timeout to the millisecond.
fn whole_rest(checkpoint: &InFlight, left: Duration) -> u64 {
    millis(checkpoint.elapsed + left) - millis(checkpoint.elapsed)
}

fn configuration(
    identity: &Identity,
    observation: &Observation,
    Held { wanted, record }: &Held,
    stage: Stage,
    (changes, in_flight): (bool, Vec<SeenInFlight>),
    now: u64,
) -> Configuration {
    let Override { interval, timeout } = wanted.overridden;
    let submitted = &observation.submitted;
    let value = |submitted, overridden, effective, layers: fn(&Record) -> &Layers| {
        let origin = record.as_ref().and_then(|record| origin(layers(record), submitted, now));
        Value { origin, ..Value::of(submitted, overridden, effective) }
    };
    Configuration {
        schema: SCHEMA.to_owned(),
        cluster: identity.cluster.clone(),
        job_id: identity.id,
        name: identity.name.clone(),
        state: observation.state,
        revision: wanted.revision,
        stored: stage.stored,
        applied: stage.applied,
        superseded_by: None,
        override_status: if stage.stored { standing(observation, wanted, stage.applied) } else { None },
        checkpoint_interval: value(
            submitted.interval.map(|interval| interval.as_millis()),
            interval.map(|interval| interval.as_millis()),
            observation.effective.interval().map(millis),
            |record| &record.interval,
        ),
        checkpoint_timeout: value(
            Some(submitted.timeout.as_millis()),
            timeout.map(|timeout| timeout.as_millis()),
            Some(millis(observation.effective.timeout())),
            |record| &record.timeout,
        ),
        in_flight,
        failures: Failures { consecutive: observation.consecutive_failures, tolerable: tolerable(submitted) },
        next_trigger: observation.next_trigger,
        warnings: warnings(&Situation {
            observation,
            changes,
            overridden: wanted.overridden,
            record: record.as_ref(),
            now,
        }),
        via: observation.reach.via,
        via_detail: observation.reach.detail.clone(),
        stale: observation.stale.clone(),
        observed_at: observation.observed_at,
    }
}

/// How the override stands. A job whose coordinator is in the same hands as the override says nothing of it, and one that
/// is as submitted has none to hold.
fn standing(observation: &Observation, wanted: &Wanted, applied: bool) -> Option<OverrideStatus> {
    if applied && wanted.overridden == Override::default() {
        let is_trouble = |standing: &OverrideStatus| standing.state != OverrideState::Applied;
        return observation.standing.clone().filter(is_trouble);
    }
    if observation.standing.is_some() || wanted.revision == 0 {
        return observation.standing.clone();
    }
    let (state, why) = match applied {
        true => (OverrideState::Applied, None),
        false => {
            let why = SeamError::NotNow { state: observation.state }.to_string();
            (OverrideState::Waiting, Some(why))
        }
    };
    Some(OverrideStatus { state, why, since: None, next_try: None })
}
