//! Taking over the override that an earlier job of the same name left behind.

use super::carry::carry_out;
use super::entry::Entry;
use super::record;
use super::{ChangeError, Changes, Who};
use crate::configuration::{Held, Stage, answer};
use crate::overrides::{Adoption, Key, Record};
use crate::policy::{Asked, Refusal};
use crate::registry::Job;
use crate::seam::{Identity, Intent, Observation, SeamError};
use ckpt_api::{AdoptRequest, Configuration, Lasting};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use ckpt_types::duration::millis;
use std::time::Duration;

/// Lets a job take over the override that an earlier job of its name left behind, or says what that would do. What
/// lies on each other is taken over whole, and ends when it would have ended, or when the request says.
///
/// # Errors
/// [`ChangeError`]; nothing has changed then.
pub async fn adopt(
    job: Job,
    changes: Changes,
    request: AdoptRequest,
    dry_run: bool,
    who: Who,
) -> Result<Configuration, ChangeError> {
    let asked = record::adopts(changes.clock.wall_millis(), job.identity(), &who, request.reason.clone());
    let mut entry = Entry::new(&changes.audit, asked, dry_run);
    let made = store_and_apply(&job, &changes, request, dry_run, &mut entry).await;
    entry.close(made).await
}

async fn store_and_apply(
    job: &Job,
    changes: &Changes,
    request: AdoptRequest,
    dry_run: bool,
    entry: &mut Entry<'_>,
) -> Result<Configuration, ChangeError> {
    let (before, adoption) = plan(job, changes, request, dry_run).await?;
    let overrides = &changes.overrides;
    let foreseen = overrides.preview_adoption(&adoption)?;
    if dry_run {
        let applied = job.preview(foreseen.overridden, false).await?;
        let mut held = Held::of(foreseen.record, changes.clock.wall_millis());
        held.wanted.revision = overrides.record(&adoption.key).map_or(0, |record| record.revision);
        let stage = Stage { stored: false, applied: false };
        return Ok(answer(job.identity(), &applied, &held, stage, changes.clock.wall_millis()));
    }
    tracing::info!(job = %job.identity().id, from = %adoption.from.job, "an override is adopted");
    let steps = record::adopted_steps(&before.submitted, &foreseen);
    entry.begin(|asked| record::with_adopted(asked, &foreseen, steps)).await?;
    let (from, left) = (adoption.from.clone(), overrides.record(&adoption.from));
    let key = adoption.key.clone();
    let mut made = match overrides.adopt(adoption).await {
        Ok(adopted) => carry_out(job, changes, before, adopted, false).await,
        Err(error) => Err(error.into()),
    };
    if let Some(left) = left
        && overrides.record(&key).is_none()
        && overrides.record(&from).is_none()
    {
        // The job has gone meanwhile, and its override with it. The next one may adopt it.
        if let Err(error) = overrides.put_back(from, left).await {
            made = Err(error.into());
        }
    }
    made
}

async fn plan(
    job: &Job,
    changes: &Changes,
    AdoptRequest { from, lasting, reason }: AdoptRequest,
    dry_run: bool,
) -> Result<(Observation, Adoption), ChangeError> {
    let left_behind = job.standing().predecessors;
    let from = match (from, left_behind.as_slice()) {
        (Some(from), left) if left.contains(&from) => from,
        (None, [only]) => *only,
        (None, [_, _, ..]) => return Err(ChangeError::SeveralToAdopt(left_behind)),
        (_, left) => {
            return Err(ChangeError::NoneToAdopt { wanted: from, others: left.to_vec() });
        }
    };
    let before = job.prepare(Intent { pull_in: false, dry_run }).await?;
    if before.state.has_ended() {
        return Err(SeamError::Ended { state: before.state }.into());
    }
    let Identity { cluster, name, .. } = job.identity().clone();
    let from = Key { cluster, job: from };
    let submitted = before.submitted.clone();
    let lasts = match lasting {
        Some(time) => changes.rules.lasts(Lasting::For(Duration::from_millis(time)))?,
        None => None,
    };
    let until = lasts.map(|lasts| changes.clock.wall_millis().saturating_add(millis(lasts)));
    let adoption = Adoption { from, key: Key::of(job.identity()), name, reason, submitted, until };
    let foreseen = changes.overrides.preview_adoption(&adoption)?;
    if foreseen.overridden.interval.is_some() && before.submitted.interval.is_none() {
        return Err(ChangeError::NoInterval);
    }
    if let Some(record) = &foreseen.record {
        check(changes, job.identity(), record, before.effective.timeout())?;
    }
    Ok((before, adoption))
}

/// Whoever adopts sets each of the layers: what would come out later has to be allowed, too, and to end in time.
fn check(
    Changes { clock, rules, .. }: &Changes,
    job: &Identity,
    record: &Record,
    timeout_in_force: Duration,
) -> Result<(), Refusal> {
    let nothing =
        Asked { job, interval: None, timeout: None, timeout_in_force, reason: record.reason.as_deref() };
    rules.check(&nothing)?;
    let now = clock.wall_millis();
    for layer in record.timeout.all().iter().rev() {
        rules.check(&Asked { timeout: CheckpointTimeout::from_millis(layer.value).ok(), ..nothing })?;
        rules.may_last("timeout", layer, now)?;
    }
    for layer in record.interval.all().iter().rev() {
        rules.check(&Asked { interval: CheckpointInterval::from_millis(layer.value).ok(), ..nothing })?;
        rules.may_last("interval", layer, now)?;
    }
    Ok(())
}
