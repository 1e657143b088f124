//! The way of a change, the same for every kind of coordinator: validate all, make sure that it can be
//! applied, persist, apply, answer. Nothing is applied that is not durable, and nothing is stored that
//! could not be applied.

use crate::clock::wall_millis;
use crate::diagnosis;
use crate::hosted::tolerable;
use crate::overrides::{Adoption, Edit, EditError, Edited, IfMatch, Key, OverrideStore};
use crate::registry::Job;
use crate::seam::{Applied, Identity, JobCoordinator, Observation, SeamError, Wanted};
use ckpt_coordinator::config::{Override, SubmittedConfig};
use ckpt_coordinator::{InFlight, InFlightUpdate};
use ckpt_shared::api::{
    AdoptRequest, Configuration, ConfigurationPatch, Failures, Field, InFlight as SeenInFlight,
    InFlightChange, Outcome, OverrideState, OverrideStatus, SCHEMA, Value,
};
use ckpt_shared::duration::{Exact, millis};
use ckpt_shared::ids::JobId;
use std::time::Duration;

/// Why a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// The job's coordinator says no.
    #[error(transparent)]
    Seam(#[from] SeamError),
    /// It is stale, or could not be stored.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The job has no interval to change.
    #[error(
        "the job was submitted without periodic checkpoints, so it has no interval to change; its timeout can be changed"
    )]
    NoInterval,
    /// Which override is meant is not clear.
    #[error(
        "several jobs of this name have left an override behind: {}; say which one with --from (\"from\")",
        in_a_row(.0)
    )]
    SeveralToAdopt(Vec<JobId>),
    /// There is none.
    #[error("{}", none_to_adopt(.wanted.as_ref(), .others))]
    NoneToAdopt {
        /// Whose was wanted.
        wanted: Option<JobId>,
        /// Those that have left one behind.
        others: Vec<JobId>,
    },
}

fn in_a_row(ids: &[JobId]) -> String {
    ids.iter().map(JobId::to_string).collect::<Vec<_>>().join(", ")
}

fn none_to_adopt(wanted: Option<&JobId>, others: &[JobId]) -> String {
    match (wanted, others) {
        (Some(wanted), [_, ..]) => {
            format!("no job {wanted} of this name has left an override behind; adopt that of {}", in_a_row(others))
        }
        _ => "no earlier job of this name has left an override behind, so there is nothing to adopt; ckptctl get \
              shows what holds"
            .to_owned(),
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The change.
    pub patch: ConfigurationPatch,
    /// What the revision must be.
    pub if_match: IfMatch,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// Looks at a job's configuration.
///
/// # Errors
/// [`SeamError`] when its coordinator does not answer.
pub async fn look(job: &dyn JobCoordinator, overrides: &OverrideStore) -> Result<Configuration, SeamError> {
    let record = overrides.record(&key(job.identity()));
    let observation = match job.observe().await {
        // What is stored for it can be told all the same.
        Err(why @ SeamError::Unreachable(_)) if record.is_some() => return Ok(unseen(job, overrides, &why)),
        observed => observed?,
    };
    let stored = Wanted {
        overridden: record.as_ref().and_then(|record| record.overridden().ok()).unwrap_or_default(),
        revision: record.map_or(0, |record| record.revision),
    };
    let applied = observation.revision_in_force == Some(stored.revision);
    let in_flight = observation.in_flight.iter().map(|checkpoint| seen(checkpoint, None)).collect();
    let mut seen =
        configuration(job.identity(), &observation, stored, Stage { stored: true, applied }, in_flight);
    diagnosis::estimate(job, &mut seen).await;
    Ok(seen)
}

/// What is known of a job whose coordinator does not answer: what is stored for it, and that it is silent.
#[must_use]
pub fn unseen(job: &dyn JobCoordinator, overrides: &OverrideStore, why: &SeamError) -> Configuration {
    let identity = job.identity();
    let record = overrides.record(&key(identity));
    let submitted = record.as_ref().and_then(|record| record.submitted);
    let value = |submitted, overridden| Value::of(submitted, overridden, None);
    let (stale, warnings) = match why {
        SeamError::NoCheckpoints => (None, vec![why.to_string()]),
        _ => (Some(why.to_string()), Vec::new()),
    };
    Configuration {
        schema: SCHEMA.to_owned(),
        cluster: identity.cluster.clone(),
        job_id: identity.id,
        name: identity.name.clone(),
        state: job.last_state(),
        revision: record.as_ref().map_or(0, |record| record.revision),
        stored: true,
        applied: false,
        override_status: record.as_ref().map(|_| {
            let waits = OverrideStatus {
                state: OverrideState::Waiting,
                why: Some(why.to_string()),
                since: None,
                next_try: None,
            };
            job.standing().unwrap_or(waits)
        }),
        checkpoint_interval: value(
            submitted.and_then(|submitted| submitted.checkpoint_interval),
            record.as_ref().and_then(|record| record.checkpoint_interval),
        ),
        checkpoint_timeout: value(
            submitted.map(|submitted| submitted.checkpoint_timeout),
            record.as_ref().and_then(|record| record.checkpoint_timeout),
        ),
        in_flight: Vec::new(),
        failures: Failures { consecutive: 0, tolerable: Failures::UNLIMITED },
        next_trigger: None,
        warnings,
        via: None,
        via_detail: None,
        stale,
        observed_at: job.last_seen(),
    }
}

/// Makes a change, or says what it would do.
///
/// Once its override is durable, a change is carried through whoever waits for it: the caller spawns
/// this, so that a client that goes away does not leave it half done.
///
/// # Errors
/// [`ChangeError`]; nothing has changed then.
pub async fn change(
    job: Job,
    overrides: OverrideStore,
    request: Request,
) -> Result<Configuration, ChangeError> {
    let _changing = job.changing();
    if !job.is_there() {
        return forget(&job, &overrides, request).await;
    }
    let before = job.prepare(request.patch.pull_in, request.dry_run).await?;
    if before.state.has_ended() {
        return Err(SeamError::Ended { state: before.state }.into());
    }
    if matches!(request.patch.interval, Field::Set(_)) && before.submitted.interval.is_none() {
        return Err(ChangeError::NoInterval);
    }
    let pull_in = request.patch.pull_in;
    let edit = Edit {
        key: key(job.identity()),
        name: job.identity().name.clone(),
        patch: request.patch,
        if_match: request.if_match,
        submitted: before.submitted.clone(),
    };
    if request.dry_run {
        let edited = overrides.preview(&edit)?;
        let applied = job.preview(edited.overridden, pull_in).await?;
        let revision = edited.revision - u64::from(edited.overridden != edited.previous);
        let wanted = Wanted { overridden: edited.overridden, revision };
        return Ok(answer(job.identity(), &applied, wanted, Stage { stored: false, applied: false }));
    }
    let edited = overrides.edit(edit).await?;
    carry_out(&job, &overrides, before, edited, pull_in).await
}

/// Lets a job take over the override that an earlier job of its name left behind, or says what that would do.
///
/// # Errors
/// [`ChangeError`]; nothing has changed then.
pub async fn adopt(
    job: Job,
    overrides: OverrideStore,
    AdoptRequest { from, reason }: AdoptRequest,
    dry_run: bool,
) -> Result<Configuration, ChangeError> {
    let _changing = job.changing();
    let left_behind = job.left_behind();
    let from = match (from, left_behind.as_slice()) {
        (Some(from), left) if left.contains(&from) => from,
        (None, [only]) => *only,
        (None, [_, _, ..]) => return Err(ChangeError::SeveralToAdopt(left_behind)),
        (_, left) => {
            return Err(ChangeError::NoneToAdopt { wanted: from, others: left.to_vec() });
        }
    };
    let before = job.prepare(false, dry_run).await?;
    if before.state.has_ended() {
        return Err(SeamError::Ended { state: before.state }.into());
    }
    let Identity { cluster, name, .. } = job.identity().clone();
    let from = Key { cluster, job: from };
    let adoption =
        Adoption { from, key: key(job.identity()), name, reason, submitted: before.submitted.clone() };
    let adopted = overrides.preview_adoption(&adoption)?;
    if adopted.overridden.interval.is_some() && before.submitted.interval.is_none() {
        return Err(ChangeError::NoInterval);
    }
    if dry_run {
        let applied = job.preview(adopted.overridden, false).await?;
        let revision = overrides.record(&adoption.key).map_or(0, |record| record.revision);
        let wanted = Wanted { overridden: adopted.overridden, revision };
        return Ok(answer(job.identity(), &applied, wanted, Stage { stored: false, applied: false }));
    }
    tracing::info!(job = %job.identity().id, from = %adoption.from.job, "an override is adopted");
    let (from, left) = (adoption.from.clone(), overrides.record(&adoption.from));
    let adopted = overrides.adopt(adoption).await?;
    let carried_out = carry_out(&job, &overrides, before, adopted, false).await;
    if let (Err(ChangeError::Seam(SeamError::Ended { .. })), Some(left)) = (&carried_out, left) {
        // Whoever comes next may want it.
        overrides.put_back(from, left).await?;
    }
    carried_out
}

/// Puts what was stored in force.
async fn carry_out(
    job: &Job,
    overrides: &OverrideStore,
    before: Observation,
    edited: Edited,
    pull_in: bool,
) -> Result<Configuration, ChangeError> {
    let seen = before.in_flight.iter().map(|checkpoint| checkpoint.id).collect();
    let key = key(job.identity());
    let wanted = Wanted { overridden: edited.overridden, revision: edited.revision };
    match job.apply(wanted, pull_in, seen).await {
        Ok(applied) => {
            // A later change may have been applied meanwhile: the answer shows what is in force.
            let in_force = applied.observation.revision_in_force;
            let applied_now = in_force.is_some_and(|revision| revision >= wanted.revision);
            let shown = match overrides.record(&key) {
                Some(record) if in_force == Some(record.revision) => Wanted {
                    overridden: record.overridden().unwrap_or(wanted.overridden),
                    revision: record.revision,
                },
                _ => wanted,
            };
            Ok(answer(job.identity(), &applied, shown, Stage { stored: true, applied: applied_now }))
        }
        Err(ended @ SeamError::Ended { .. }) => {
            // It ended while the change was stored; its override ends with it.
            if let Err(error) = overrides.remove(key).await {
                tracing::error!(job = %job.identity().id, %error, "the override of a job that has ended stays on disk");
            }
            Err(ended.into())
        }
        Err(error) => {
            tracing::error!(job = %job.identity().name, %error, "a change is stored, and not known to be applied");
            let standing = Some(OverrideStatus {
                state: error.override_state(),
                why: Some(error.to_string()),
                since: Some(wall_millis()),
                next_try: None,
            });
            let observation = Observation { standing, ..before };
            let nothing = Applied { observation, updates: Vec::new(), ended: Vec::new() };
            Ok(answer(job.identity(), &nothing, wanted, Stage { stored: true, applied: false }))
        }
    }
}

/// A job that its cluster does not list any more can only be forgotten: should it come back, it comes with
/// what was submitted.
async fn forget(
    job: &Job,
    overrides: &OverrideStore,
    Request { patch, if_match, dry_run }: Request,
) -> Result<Configuration, ChangeError> {
    let clears_all = ConfigurationPatch { reason: patch.reason.clone(), ..ConfigurationPatch::clear_all() };
    if patch != clears_all {
        let why = match job.observe().await {
            Ok(observation) => observation.stale.unwrap_or_else(|| "the job is not there now".to_owned()),
            Err(error) => error.to_string(),
        };
        return Err(SeamError::Unreachable(format!("{why}, so nothing was changed")).into());
    }
    let Identity { name, .. } = job.identity();
    let key = key(job.identity());
    let submitted = SubmittedConfig::default();
    // Another revision than the one that was asked for stays.
    overrides.preview(&Edit { key: key.clone(), name: name.clone(), patch, if_match, submitted })?;
    if dry_run {
        let why = SeamError::Unreachable("its cluster does not list this job any more".to_owned());
        return Ok(Configuration { stored: false, ..unseen(job.as_ref(), overrides, &why) });
    }
    overrides.remove(key).await?;
    let why = SeamError::Unreachable(
        "its cluster does not list this job any more; its override was forgotten".to_owned(),
    );
    Ok(Configuration { applied: true, ..unseen(job.as_ref(), overrides, &why) })
}

fn key(identity: &Identity) -> Key {
    Key { cluster: identity.cluster.clone(), job: identity.id }
}

/// How far a change has come.
#[derive(Clone, Copy)]
struct Stage {
    stored: bool,
    applied: bool,
}

fn answer(identity: &Identity, applied: &Applied, wanted: Wanted, stage: Stage) -> Configuration {
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
    configuration(identity, &applied.observation, wanted, stage, in_flight)
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
    wanted: Wanted,
    stage: Stage,
    in_flight: Vec<SeenInFlight>,
) -> Configuration {
    let Override { interval, timeout } = wanted.overridden;
    let submitted = &observation.submitted;
    Configuration {
        schema: SCHEMA.to_owned(),
        cluster: identity.cluster.clone(),
        job_id: identity.id,
        name: identity.name.clone(),
        state: observation.state,
        revision: wanted.revision,
        stored: stage.stored,
        applied: stage.applied,
        override_status: if stage.stored {
            standing(observation, wanted.revision, stage.applied)
        } else {
            None
        },
        checkpoint_interval: Value::of(
            submitted.interval.map(|interval| interval.as_millis()),
            interval.map(|interval| interval.as_millis()),
            observation.effective.interval().map(millis),
        ),
        checkpoint_timeout: Value::of(
            Some(submitted.timeout.as_millis()),
            timeout.map(|timeout| timeout.as_millis()),
            Some(millis(observation.effective.timeout())),
        ),
        in_flight,
        failures: Failures { consecutive: observation.consecutive_failures, tolerable: tolerable(submitted) },
        next_trigger: observation.next_trigger,
        warnings: warnings(observation, wanted.overridden),
        via: observation.reach.via,
        via_detail: observation.reach.detail.clone(),
        stale: observation.stale.clone(),
        observed_at: observation.observed_at,
    }
}

/// How the override stands. A job whose coordinator is in the same hands as the override says nothing of it.
fn standing(observation: &Observation, revision: u64, applied: bool) -> Option<OverrideStatus> {
    if observation.standing.is_some() || revision == 0 {
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

/// What an operator ought to know.
fn warnings(observation: &Observation, overridden: Override) -> Vec<String> {
    let mut warnings: Vec<_> = observation.trouble.iter().cloned().collect();
    let asked: Option<Duration> =
        overridden.interval.or(observation.submitted.interval).map(|interval| interval.get());
    let effective = &observation.effective;
    if let (Some(asked), Some(in_force)) = (asked, effective.interval())
        && asked < in_force
        && asked < effective.min_pause()
    {
        warnings.push(format!(
            "the interval {} is below min-pause {}, so {} is in force",
            Exact(asked),
            Exact(effective.min_pause()),
            Exact(in_force)
        ));
    }
    match observation.queued {
        0 => {}
        1 => warnings.push(
            "a periodic checkpoint came due meanwhile; it runs right after the one in flight".to_owned(),
        ),
        queued => warnings.push(format!(
            "{queued} periodic checkpoints came due meanwhile; they run back to back after the one in flight"
        )),
    }
    match observation.merged {
        0 => {}
        1 => warnings.push("a periodic checkpoint was due while another was in flight; it was merged into the one that follows".to_owned()),
        merged => warnings.push(format!(
            "{merged} periodic checkpoints were due while another was in flight; they were merged into the one that follows"
        )),
    }
    warnings
}
