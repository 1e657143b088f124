//! A change of a job's interval, timeout or both.

use super::carry::carry_out;
use super::look::{Held, Stage, answer, unseen};
use super::record::{self, ending};
use super::{ChangeError, Changes, Request};
use crate::audit::Ending;
use crate::clock::wall_millis;
use crate::overrides::{Edit, Key};
use crate::policy::Asked;
use crate::registry::Job;
use crate::seam::{Observation, SeamError};
use ckpt_coordinator::config::SubmittedConfig;
use ckpt_shared::api::{AuditResult, Configuration, ConfigurationPatch, Field};
use ckpt_shared::duration::millis;
use std::time::Duration;

/// Makes a change, or says what it would do.
///
/// Once its override is durable, a change is carried through whoever waits for it: the caller spawns
/// this, so that a client that goes away does not leave it half done.
///
/// # Errors
/// [`ChangeError`]; nothing has changed then.
pub async fn change(job: Job, changes: Changes, request: Request) -> Result<Configuration, ChangeError> {
    let _changing = job.changing();
    if !job.is_there() {
        return forget(&job, &changes, request).await;
    }
    let (dry_run, pull_in) = (request.dry_run, request.patch.pull_in);
    let asked = record::asks(job.identity(), &request);
    let planned = match plan(&job, &changes, request).await {
        Ok(planned) => planned,
        Err(error) => {
            if !dry_run {
                changes.audit.refused(asked, error.to_string()).await;
            }
            return Err(error);
        }
    };
    let Planned { before, edit } = planned;
    let foreseen = match changes.overrides.preview(&edit) {
        Ok(foreseen) => foreseen,
        Err(error) => {
            if !dry_run {
                changes.audit.refused(asked, error.to_string()).await;
            }
            return Err(error.into());
        }
    };
    if dry_run {
        let applied = job.preview(foreseen.overridden, pull_in).await?;
        let mut held = Held::of(foreseen.record);
        held.wanted.revision = foreseen.revision - u64::from(foreseen.changed);
        return Ok(answer(job.identity(), &applied, &held, Stage { stored: false, applied: false }));
    }
    let asked = record::with_steps(asked, &edit, &foreseen);
    let begun = changes.audit.begin(asked).await?;
    let made = match changes.overrides.edit(edit.clone()).await {
        Ok(edited) => {
            let steps = record::steps(&edit, &edited);
            let carried_out = carry_out(&job, &changes.overrides, before, edited, pull_in).await;
            (carried_out, Some(steps))
        }
        Err(error) => (Err(error.into()), None),
    };
    let (mut made, steps) = made;
    let written = record::ended(begun, ending(&made, steps)).await;
    if let Ok(configuration) = &mut made {
        configuration.warnings.extend(written);
    }
    made
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
    let before = job.prepare(patch.pull_in, dry_run).await?;
    if before.state.has_ended() {
        return Err(SeamError::Ended { state: before.state }.into());
    }
    if matches!(patch.interval, Field::Set(_)) && before.submitted.interval.is_none() {
        return Err(ChangeError::NoInterval);
    }
    changes.rules.check(&Asked { timeout_in_force: before.effective.timeout(), ..asked })?;
    let edit = Edit {
        key: Key::of(job.identity()),
        name: job.identity().name.clone(),
        patch,
        if_match,
        submitted: before.submitted.clone(),
        until: lasts.map(|lasts| wall_millis().saturating_add(millis(lasts))),
        by: who.by,
    };
    Ok(Planned { before, edit })
}

/// A job that its cluster does not list any more can only be forgotten: should it come back, it comes with
/// what was submitted.
async fn forget(
    job: &Job,
    changes: &Changes,
    Request { patch, if_match, dry_run, who }: Request,
) -> Result<Configuration, ChangeError> {
    let Changes { overrides, audit, rules } = changes;
    let clears_all = ConfigurationPatch { reason: patch.reason.clone(), ..ConfigurationPatch::clear_all() };
    if patch != clears_all {
        let why = match job.observe().await {
            Ok(observation) => observation.stale.unwrap_or_else(|| "the job is not there now".to_owned()),
            Err(error) => error.to_string(),
        };
        return Err(SeamError::Unreachable(format!("{why}, so nothing was changed")).into());
    }
    let reason = patch.reason.clone();
    rules.check(&Asked {
        job: job.identity(),
        interval: None,
        timeout: None,
        timeout_in_force: Duration::MAX,
        reason: reason.as_deref(),
    })?;
    let (name, submitted) = (job.identity().name.clone(), SubmittedConfig::default());
    let key = Key::of(job.identity());
    // Another revision than the one that was asked for stays.
    overrides.preview(&Edit { key: key.clone(), name, patch, if_match, submitted, until: None, by: None })?;
    if dry_run {
        let why = SeamError::Unreachable("its cluster does not list this job any more".to_owned());
        return Ok(Configuration { stored: false, ..unseen(job.as_ref(), overrides, &why) });
    }
    let begun = audit.begin(record::forgets(job.identity(), &who, reason)).await?;
    if let Err(error) = overrides.remove(key).await {
        record::ended(begun, Ending::with(AuditResult::Refused, Some(error.to_string()))).await;
        return Err(error.into());
    }
    let why = SeamError::Unreachable(
        "its cluster does not list this job any more; its override was forgotten".to_owned(),
    );
    let mut forgotten = Configuration { applied: true, ..unseen(job.as_ref(), overrides, &why) };
    let written = record::ended(begun, Ending::with(AuditResult::Applied, None)).await;
    forgotten.warnings.extend(written);
    Ok(forgotten)
}
