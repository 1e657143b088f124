//! Who, what and why, for the audit log.

use super::{ChangeError, Request, Who};
use crate::audit::{Begun, Ending};
use crate::overrides::{Edit, Edited, Expired, Layers};
use crate::seam::Identity;
use ckpt_api::{AuditAction, AuditAsked, AuditResult, AuditStep, Configuration, ConfigurationPatch, Field};
use ckpt_coordinator::config::{Override, SubmittedConfig};

/// What became of both values; `None` for one that was not touched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    interval: Option<AuditStep>,
    timeout: Option<AuditStep>,
    revision: u64,
    /// Whether anything is otherwise than before.
    changed: bool,
}

fn asked(at: u64, action: AuditAction, job: &Identity, who: &Who, reason: Option<String>) -> AuditAsked {
    AuditAsked {
        at,
        action,
        by: who.by.clone(),
        from: who.from.clone(),
        cluster: Some(job.cluster.clone()),
        job_id: Some(job.id),
        name: Some(job.name.clone()),
        interval: None,
        timeout: None,
        until: None,
        reason,
        revision: None,
    }
}

/// A change, as far as it is known before the job was looked at.
pub(super) fn asks(at: u64, job: &Identity, request: &Request) -> AuditAsked {
    let ConfigurationPatch { interval, timeout, reason, .. } = &request.patch;
    let sets = request.patch.sets_something();
    let action = if sets { AuditAction::Change } else { AuditAction::Reset };
    let to = |to: Field<u64>| match to {
        Field::Keep => None,
        Field::Clear => Some(AuditStep { from: None, to: None }),
        Field::Set(to) => Some(AuditStep { from: None, to: Some(to) }),
    };
    AuditAsked {
        interval: to(in_millis(*interval, |interval| interval.as_millis())),
        timeout: to(in_millis(*timeout, |timeout| timeout.as_millis())),
        ..asked(at, action, job, &request.who, reason.clone())
    }
}

fn in_millis<T>(field: Field<T>, millis: impl Fn(T) -> u64) -> Field<u64> {
    match field {
        Field::Keep => Field::Keep,
        Field::Clear => Field::Clear,
        Field::Set(value) => Field::Set(millis(value)),
    }
}

/// Adds what the change leads to.
pub(super) fn with_steps(asked: AuditAsked, edit: &Edit, foreseen: &Edited) -> AuditAsked {
    let Steps { interval, timeout, revision, .. } = steps(edit, foreseen);
    let until = edit.until.filter(|_| edit.patch.sets_something());
    AuditAsked { interval, timeout, until, revision: Some(revision), ..asked }
}

/// What an edit led to.
pub(super) fn steps(edit: &Edit, edited: &Edited) -> Steps {
    let all = both(&edit.submitted, edited);
    // What was not overridden is nothing to go back from.
    let was_touched = |step: &AuditStep, set: bool, cleared: bool| set || (cleared && step.from != step.to);
    let (interval, timeout) = (edit.patch.interval, edit.patch.timeout);
    let is_set = (matches!(interval, Field::Set(_)), matches!(timeout, Field::Set(_)));
    Steps {
        interval: all.interval.filter(|step| was_touched(step, is_set.0, interval == Field::Clear)),
        timeout: all.timeout.filter(|step| was_touched(step, is_set.1, timeout == Field::Clear)),
        ..all
    }
}

fn both(submitted: &SubmittedConfig, edited: &Edited) -> Steps {
    let (from, to) = (edited.previous, edited.overridden);
    let interval = |own: Override| own.interval.or(submitted.interval).map(|interval| interval.as_millis());
    let timeout = |own: Override| Some(own.timeout.unwrap_or(submitted.timeout).as_millis());
    Steps {
        interval: Some(AuditStep { from: interval(from), to: interval(to) }),
        timeout: Some(AuditStep { from: timeout(from), to: timeout(to) }),
        revision: edited.revision,
        changed: edited.changed,
    }
}

/// An adoption, before it is known of what.
pub(super) fn adopts(at: u64, job: &Identity, who: &Who, reason: Option<String>) -> AuditAsked {
    asked(at, AuditAction::Adopt, job, who, reason)
}

/// What an adoption leads to.
pub(super) fn adopted_steps(submitted: &SubmittedConfig, foreseen: &Edited) -> Steps {
    let all = both(submitted, foreseen);
    Steps {
        interval: all.interval.filter(|_| foreseen.overridden.interval.is_some()),
        timeout: all.timeout.filter(|_| foreseen.overridden.timeout.is_some()),
        ..all
    }
}

/// Adds what an adoption leads to.
pub(super) fn with_adopted(asked: AuditAsked, foreseen: &Edited, steps: Steps) -> AuditAsked {
    let Steps { interval, timeout, revision, .. } = steps;
    let record = foreseen.record.as_ref();
    let reason = asked.reason.clone().or_else(|| record?.reason.clone());
    let until = record.and_then(|record| record.next_end());
    AuditAsked { interval, timeout, until, reason, revision: Some(revision), ..asked }
}

/// The override of a job that is gone is forgotten.
pub(super) fn forgets(at: u64, job: &Identity, who: &Who, reason: Option<String>) -> AuditAsked {
    asked(at, AuditAction::Forget, job, who, reason)
}

/// An override that ends by itself; its own reason says why it was there.
pub(crate) fn expiry(expired: &Expired, at: u64) -> AuditAsked {
    let Expired { key, before, now } = expired;
    let step = |layers: fn(&crate::overrides::Record) -> &Layers, submitted: Option<u64>| {
        let top = |record| layers(record).all().last();
        let ended = top(before).filter(|was| top(now) != Some(was));
        let to = || top(now).map(|layer| layer.value).or(submitted);
        ended.map(|was| (was.clone(), AuditStep { from: Some(was.value), to: to() }))
    };
    let interval =
        step(|record| &record.interval, now.submitted.and_then(|submitted| submitted.checkpoint_interval));
    let timeout = step(|record| &record.timeout, now.submitted.map(|submitted| submitted.checkpoint_timeout));
    let ended = timeout.as_ref().or(interval.as_ref()).map(|(layer, _)| layer);
    AuditAsked {
        at,
        action: AuditAction::Expire,
        by: None,
        from: None,
        cluster: Some(key.cluster.clone()),
        job_id: Some(key.job),
        name: Some(now.name.clone()),
        until: ended.and_then(|layer| layer.until),
        reason: ended.and_then(|layer| layer.reason.clone()),
        interval: interval.map(|(_, step)| step),
        timeout: timeout.map(|(_, step)| step),
        revision: Some(now.revision),
    }
}

/// What came of a change.
pub(super) fn ending(made: &Result<Configuration, ChangeError>, steps: Option<Steps>) -> Ending {
    let (result, why) = match made {
        Ok(_) if steps.is_some_and(|steps| !steps.changed) => (AuditResult::Unchanged, None),
        Ok(configuration) if configuration.applied => (AuditResult::Applied, None),
        Ok(configuration) => {
            let why = configuration.override_status.as_ref().and_then(|status| status.why.clone());
            (AuditResult::Stored, why)
        }
        Err(error) => (AuditResult::Refused, Some(error.to_string())),
    };
    Ending {
        result,
        why,
        revision: steps.map(|steps| steps.revision),
        interval: steps.and_then(|steps| steps.interval),
        timeout: steps.and_then(|steps| steps.timeout),
    }
}

/// Writes the result down. A warning when that fails: what was done is done.
pub(super) async fn ended(begun: Begun, ending: Ending) -> Option<String> {
    let cause = begun.end(ending).await.err()?;
    Some(format!("what came of this could not be written to the audit log: {cause}"))
}
