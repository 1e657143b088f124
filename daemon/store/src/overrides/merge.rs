//! What an edit makes of what is there. No I/O here.

use super::file::{Document, Key, Record, Submitted};
use super::layers::{Layer, Layers, MOST_LAYERS, TooDeep};
use crate::durable::WriteError;
use ckpt_api::{ConfigurationPatch, Field, HOSTED};
use ckpt_coordinator::config::{Override, SubmittedConfig};

/// What `If-Match` demands of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: any.
    Any,
    /// This one; `None` stands for a tag that no revision has.
    Revision(Option<u64>),
}

/// A change of one job's override.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Whose.
    pub key: Key,
    /// The job's name.
    pub name: String,
    /// What changes.
    pub patch: ConfigurationPatch,
    /// What the revision must be.
    pub if_match: IfMatch,
    /// As the job was submitted. It is written down with the first change, which may be the last moment
    /// at which it can be seen.
    pub submitted: SubmittedConfig,
    /// When it is made, in milliseconds since the epoch.
    pub at: u64,
    /// When what is set ends by itself, likewise.
    pub until: Option<u64>,
    /// Who makes it, as they call themselves.
    pub by: Option<String>,
}

/// One job takes over the override of an earlier one, whose own then ends: one step, whole or not at all.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The earlier job.
    pub from: Key,
    /// Who takes it over.
    pub key: Key,
    /// That one's name.
    pub name: String,
    /// Why; the override's own reason stays when there is none.
    pub reason: Option<String>,
    /// As it was submitted.
    pub submitted: SubmittedConfig,
    /// When all that is taken over ends at the latest, in milliseconds since the epoch.
    pub until: Option<u64>,
}

/// What an edit led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The override before.
    pub previous: Override,
    /// The override now.
    pub overridden: Override,
    /// The revision now.
    pub revision: u64,
    /// Whether it changed anything; the revision is another one then.
    pub changed: bool,
    /// The record now; `None` when nothing was ever changed.
    pub record: Option<Record>,
}

/// Why an edit was not made. Nothing was written then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// `If-Match` names another revision.
    #[error(
        "the job's revision is {actual} by now; look at it again, and repeat the change if it still holds"
    )]
    Stale {
        /// The revision.
        actual: u64,
    },
    /// What should be taken over is not there.
    #[error(
        "the override that should be adopted is not there any more, as when somebody has just adopted it; look at the job again"
    )]
    NothingToAdopt,
    /// The job has an override of its own.
    #[error(
        "the job has an override of its own (revision {revision}); reset it first, and adopt the other one then"
    )]
    HasItsOwn {
        /// Its revision.
        revision: u64,
    },
    /// Too many temporary overrides lie on each other.
    #[error(
        "{MOST_LAYERS} overrides of this value lie on each other already; let one end, or reset it (ckptctl reset) and \
         set it anew"
    )]
    TooDeep,
    /// It could not be stored.
    #[error("the change could not be stored, so nothing was changed: {cause}")]
    NotStored {
        /// Why.
        #[from]
        cause: WriteError,
    },
}

/// An override that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Whose.
    pub key: Key,
    /// The record before.
    pub before: Record,
    /// The record now.
    pub now: Record,
}

/// Merges an edit over what is there at `now`, in milliseconds since the epoch; the record is `None` when nothing
/// changes.
pub(super) fn merge(
    document: &Document,
    edit: &Edit,
    now: u64,
) -> Result<(Edited, Option<Record>), EditError> {
    let current = document.get(&edit.key);
    let revision = current.map_or(0, |record| record.revision);
    if let IfMatch::Revision(wanted) = edit.if_match
        && wanted != Some(revision)
    {
        return Err(EditError::Stale { actual: revision });
    }
    let (mut before_interval, mut before_timeout) =
        current.map_or_else(Default::default, |record| (record.interval.clone(), record.timeout.clone()));
    // What has ended is none any more; whoever sees to that writes it down.
    before_interval.end(now);
    before_timeout.end(now);
    let layer = |value| Layer {
        value,
        until: edit.until,
        by: edit.by.clone(),
        reason: edit.patch.reason.clone(),
        since: edit.at,
    };
    let (mut interval, mut timeout) = (before_interval.clone(), before_timeout.clone());
    put(&mut interval, edit.patch.interval, |interval| layer(interval.as_millis()))?;
    put(&mut timeout, edit.patch.timeout, |timeout| layer(timeout.as_millis()))?;
    let changed = interval != before_interval || timeout != before_timeout;
    let previous = current.and_then(|record| record.overridden(now).ok()).unwrap_or_default();
    if !changed {
        let record = current.cloned();
        return Ok((Edited { overridden: previous, previous, revision, changed, record }, None));
    }
    let revision = revision + 1;
    let record = Record {
        name: edit.name.clone(),
        revision,
        interval,
        timeout,
        reason: edit.patch.reason.clone(),
        changed_at: edit.at,
        submitted: match edit.key.cluster == HOSTED {
            // A hosted job's file is never rewritten.
            true => None,
            false => current.and_then(|record| record.submitted).or(Some(Submitted::of(&edit.submitted))),
        },
    };
    let overridden = record.overridden(now).unwrap_or_default();
    let edited = Edited { previous, overridden, revision, changed, record: Some(record.clone()) };
    Ok((edited, Some(record)))
}

/// Does with the layers of one value what was asked for.
fn put<T: Copy>(
    layers: &mut Layers,
    asked: Field<T>,
    layer: impl FnOnce(T) -> Layer,
) -> Result<(), EditError> {
    match asked {
        Field::Keep => {}
        Field::Clear => layers.clear(),
        Field::Set(value) => {
            let layer = layer(value);
            // The same value for ever is what is there; its author and reason stay.
            let is_there = |only: &Layer| only.value == layer.value && only.until.is_none();
            if !(layer.until.is_none() && matches!(layers.all(), [only] if is_there(only))) {
                layers.push(layer).map_err(|TooDeep| EditError::TooDeep)?;
            }
        }
    }
    Ok(())
}

/// The record of whoever takes an override over, with all that lies on each other.
pub(super) fn take_over(
    document: &Document,
    adoption: &Adoption,
    now: u64,
) -> Result<(Edited, Record), EditError> {
    let left = document.get(&adoption.from).filter(|left| left.is_override(now));
    let left = left.ok_or(EditError::NothingToAdopt)?;
    let own = document.get(&adoption.key);
    if let Some(own) = own.filter(|own| own.is_override(now)) {
        return Err(EditError::HasItsOwn { revision: own.revision });
    }
    let mut record = Record {
        name: adoption.name.clone(),
        revision: left.revision.max(own.map_or(0, |own| own.revision)) + 1,
        reason: adoption.reason.clone().or(left.reason.clone()),
        changed_at: now,
        submitted: own.and_then(|own| own.submitted).or(Some(Submitted::of(&adoption.submitted))),
        ..left.clone()
    };
    record.end(now);
    if let Some(until) = adoption.until {
        record.interval.end_by(until);
        record.timeout.end_by(until);
    }
    if let Some(reason) = &adoption.reason {
        record.interval.explain(reason);
        record.timeout.explain(reason);
    }
    let edited = Edited {
        previous: Override::default(),
        overridden: record.overridden(now).unwrap_or_default(),
        revision: record.revision,
        changed: true,
        record: Some(record.clone()),
    };
    Ok((edited, record))
}

/// What is left when what has ended by `now` is taken away; `None` when nothing has.
pub(super) fn expire(document: &Document, key: &Key, now: u64) -> Option<Expired> {
    let before = document.get(key)?;
    let mut record = before.clone();
    if !record.end(now) {
        return None;
    }
    record.revision += 1;
    if record.interval.all().is_empty() && record.timeout.all().is_empty() {
        record.reason = None;
    }
    Some(Expired { key: key.clone(), before: before.clone(), now: record })
}
