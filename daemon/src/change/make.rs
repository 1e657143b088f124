//! A change of a job's interval, timeout or both.

use super::carry::carry_out;
use super::entry::Entry;
use super::record;
use super::{ChangeError, Changes, Request};
use crate::configuration::{Held, Stage, answer, unseen};
use crate::overrides::{Edit, EditError, Key};
use crate::policy::Asked;
use crate::registry::Job;
use crate::seam::{Freshness, Intent, Observation, SeamError};
use ckpt_api::{Configuration, ConfigurationPatch, Field};
use ckpt_coordinator::config::SubmittedConfig;
use ckpt_types::bounds::CheckpointTimeout;
use ckpt_types::duration::millis;
use std::time::Duration;

/// Makes a change, or says what it would do.
///
/// Once its override is durable, a change is carried through whoever waits for it: the caller spawns
/// this, so that a client that goes away does not leave it half done.
///
/// # Errors
/// [`ChangeError`]; nothing has changed then.
pub async fn change(job: Job, changes: Changes, request: Request) -> Result<Configuration, ChangeError> {
    let is_there = job.settled().await.is_listed;
    let at = changes.clock.wall_millis();
    let asked = match !is_there && clears_all(&request.patch) {
        true => record::forgets(at, job.identity(), &request.who, request.patch.reason.clone()),
        false => record::asks(at, job.identity(), &request),
    };
    let mut entry = Entry::new(&changes.audit, asked, request.dry_run);
    let made = match is_there {
        true => store_and_apply(&job, &changes, request, &mut entry).await,
        false => forget(&job, &changes, request, &mut entry).await,
    };
    entry.close(made).await
}

async fn store_and_apply(
    job: &Job,
    changes: &Changes,
    request: Request,
    entry: &mut Entry<'_>,
) -> Result<Configuration, ChangeError> {
    let (dry_run, pull_in) = (request.dry_run, request.patch.pull_in);
    let Planned { before, edit } = plan(job, changes, request).await?;
    let foreseen = changes.overrides.preview(&edit)?;
    if dry_run {
        let applied = job.preview(foreseen.overridden, pull_in).await?;
        let now = changes.clock.wall_millis();
        let mut held = Held::of(foreseen.record, now);
        held.wanted.revision = foreseen.revision - u64::from(foreseen.changed);
        let stage = Stage { stored: false, applied: false };
        return Ok(answer(job.identity(), &applied, &held, stage, now));
    }
    entry.begin(|asked| record::with_steps(asked, &edit, &foreseen)).await?;
    let edited = changes.overrides.edit(edit.clone()).await?;
    entry.steps = Some(record::steps(&edit, &edited));
    carry_out(job, changes, before, edited, pull_in).await
}

/// A change that is allowed and can be made, as far as can be seen.
struct Planned {
    before: Observation,
    edit: Edit,
}

async fn plan(job: &Job, changes: &Changes, request: Request) -> Result<Planned, ChangeError> {
    let Request { patch, if_match, dry_run, who } = request;
    let set = |field| if let Field::Set(value) = field { Some(value) } else { None };
    let timeout = if let Field::Set(timeout) = patch.timeout { Some(timeout) } else { None };
    let asked = Asked {
        job: job.identity(),
        interval: set(patch.interval),
        timeout,
        timeout_in_force: Duration::MAX,
        reason: patch.reason.as_deref(),
    };
    // What is not allowed anyway reaches no cluster.
    changes.rules.check(&asked)?;
    let lasts = if patch.sets_something() { changes.rules.lasts(patch.lasting)? } else { None };
    let before = job.prepare(Intent { pull_in: patch.pull_in, dry_run }).await?;
    if before.state.has_ended() {
        return Err(SeamError::Ended { state: before.state }.into());
    }
    if matches!(patch.interval, Field::Set(_)) && before.submitted.interval.is_none() {
        return Err(ChangeError::NoInterval);
    }
    let now = changes.clock.wall_millis();
    // While a job restarts nothing is in force, and what is stored will be.
    let key = Key::of(job.identity());
    let stored = changes.overrides.record(&key).and_then(|record| record.overridden(now).ok()?.timeout);
    let stored = stored.map_or(Duration::ZERO, CheckpointTimeout::get);
    let timeout_in_force = before.effective.timeout().max(stored);
    changes.rules.check(&Asked { timeout_in_force, ..asked })?;
    let edit = Edit {
        key,
        name: job.identity().name.clone(),
        patch,
        if_match,
        submitted: before.submitted.clone(),
        at: now,
        until: lasts.map(|lasts| now.saturating_add(millis(lasts))),
        by: who.by,
    };
    Ok(Planned { before, edit })
}

/// A job that its cluster does not list any more can only be forgotten: should it come back, it comes with
/// what was submitted.
async fn forget(
    job: &Job,
    changes: &Changes,
    Request { patch, if_match, dry_run, .. }: Request,
    entry: &mut Entry<'_>,
) -> Result<Configuration, ChangeError> {
    let Changes { overrides, rules, clock, .. } = changes;
    let now = clock.wall_millis();
    if !clears_all(&patch) {
        let why = match job.observe(Freshness::Current).await {
            Ok(observation) => observation.stale.unwrap_or_else(|| "the job is not there now".to_owned()),
            Err(error) => error.to_string(),
        };
        return Err(SeamError::Unreachable(format!("{why}, so nothing was changed")).into());
    }
    rules.check(&Asked {
        job: job.identity(),
        interval: None,
        timeout: None,
        timeout_in_force: Duration::MAX,
        reason: patch.reason.as_deref(),
    })?;
    let (name, submitted) = (job.identity().name.clone(), SubmittedConfig::default());
    let key = Key::of(job.identity());
    // Another revision than the one that was asked for stays.
    let foreseen = overrides.preview(&Edit {
        key: key.clone(),
        name,
        patch,
        if_match,
        submitted,
        at: now,
        until: None,
        by: None,
    })?;
    if dry_run {
        let why = SeamError::Unreachable("its cluster does not list this job any more".to_owned());
        return Ok(Configuration { stored: false, ..unseen(job.as_ref(), overrides, &why, now) });
    }
    entry.begin(|asked| asked).await?;
    // So does one that was made meanwhile, as when the job is there again.
    let revision = foreseen.revision - u64::from(foreseen.changed);
    if !overrides.remove_revision(key.clone(), revision).await?
        && let Some(record) = overrides.record(&key)
    {
        return Err(EditError::Stale { actual: record.revision }.into());
    }
    let why = SeamError::Unreachable(
        "its cluster does not list this job any more; its override was forgotten".to_owned(),
    );
    Ok(Configuration { applied: true, ..unseen(job.as_ref(), overrides, &why, now) })
}

/// Whether it clears both values, and does nothing else.
fn clears_all(patch: &ConfigurationPatch) -> bool {
    *patch == ConfigurationPatch { reason: patch.reason.clone(), ..ConfigurationPatch::clear_all() }
}
