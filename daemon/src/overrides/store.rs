//! The one task that writes `overrides.json`. Requests that come together share a write.

use super::file::{Document, Key, LoadError, Record, Submitted};
use crate::clock::wall_millis;
use crate::durable;
use ckpt_coordinator::config::{Override, SubmittedConfig};
use ckpt_shared::api::{ConfigurationPatch, HOSTED};
use ckpt_shared::ids::JobId;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// The most edits that wait, and that share a write.
const MOST_WAITING: usize = 1_024;

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
}

/// What an edit led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edited {
    /// The override before.
    pub previous: Override,
    /// The override now.
    pub overridden: Override,
    /// The revision now.
    pub revision: u64,
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
    /// It could not be stored.
    #[error("the change could not be stored, so nothing was changed: {cause}")]
    NotStored {
        /// Why.
        cause: Arc<str>,
    },
}

enum Request {
    Edit(Edit, oneshot::Sender<Result<Edited, EditError>>),
    Adopt(Adoption, oneshot::Sender<Result<Edited, EditError>>),
    PutBack(Key, Box<Record>, oneshot::Sender<Result<(), EditError>>),
    Remove(Key, oneshot::Sender<Result<(), EditError>>),
    SubmittedAgain(Key, Submitted, oneshot::Sender<Result<(), EditError>>),
}

/// The overrides, in memory and on disk. Clones share one store.
#[derive(Debug, Clone)]
pub struct OverrideStore {
    requests: mpsc::Sender<Request>,
    durable: watch::Receiver<Arc<Document>>,
}

impl OverrideStore {
    /// Reads the file at `path` and starts the task that writes it, which ends with the last clone.
    ///
    /// # Errors
    /// [`LoadError`] when the file is damaged.
    pub fn open(path: PathBuf) -> Result<Self, LoadError> {
        let document = Arc::new(Document::load(&path)?);
        let (requests, waiting) = mpsc::channel(MOST_WAITING);
        let (publish, durable) = watch::channel(Arc::clone(&document));
        tokio::spawn(write_what_comes(path, document, waiting, publish));
        Ok(Self { requests, durable })
    }

    /// A job's record, as it is on disk.
    #[must_use]
    pub fn record(&self, key: &Key) -> Option<Record> {
        self.durable.borrow().get(key).cloned()
    }

    /// Under which other cluster's name there is a record for this job, if there is.
    #[must_use]
    pub fn elsewhere(&self, key: &Key, name: &str) -> Option<String> {
        let document = self.durable.borrow();
        document.clusters().into_iter().find(|cluster| {
            let there = Key { cluster: cluster.clone(), job: key.job };
            *cluster != key.cluster && document.get(&there).is_some_and(|record| record.name == name)
        })
    }

    /// Every job of a cluster that has a record.
    #[must_use]
    pub fn of_cluster(&self, cluster: &str) -> Vec<(JobId, Record)> {
        self.durable.borrow().of_cluster(cluster)
    }

    /// The clusters that have records.
    #[must_use]
    pub fn clusters(&self) -> Vec<String> {
        self.durable.borrow().clusters()
    }

    /// What `edit` would lead to now, without making it.
    ///
    /// # Errors
    /// [`EditError::Stale`].
    pub fn preview(&self, edit: &Edit) -> Result<Edited, EditError> {
        merge(&self.durable.borrow(), edit).map(|(edited, _)| edited)
    }

    /// Makes an edit; it is durable when this returns.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub async fn edit(&self, edit: Edit) -> Result<Edited, EditError> {
        self.ask(|answer| Request::Edit(edit, answer)).await
    }

    /// What `adoption` would lead to now, without making it.
    ///
    /// # Errors
    /// [`EditError::NothingToAdopt`], [`EditError::HasItsOwn`].
    pub fn preview_adoption(&self, adoption: &Adoption) -> Result<Edited, EditError> {
        take_over(&self.durable.borrow(), adoption).map(|(edited, _)| edited)
    }

    /// Lets one job take over the override of another; it is durable when this returns.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub async fn adopt(&self, adoption: Adoption) -> Result<Edited, EditError> {
        self.ask(|answer| Request::Adopt(adoption, answer)).await
    }

    /// Gives a job its record back, durably; one that it has by now stays.
    ///
    /// # Errors
    /// [`EditError::NotStored`].
    pub async fn put_back(&self, key: Key, record: Record) -> Result<(), EditError> {
        self.ask(|answer| Request::PutBack(key, Box::new(record), answer)).await
    }

    /// Removes a job's record, durably.
    ///
    /// # Errors
    /// [`EditError::NotStored`].
    pub async fn remove(&self, key: Key) -> Result<(), EditError> {
        self.ask(|answer| Request::Remove(key, answer)).await
    }

    /// Writes down, durably, what a job was submitted with again. Without a record nothing is written.
    ///
    /// # Errors
    /// [`EditError::NotStored`].
    pub async fn submitted_again(&self, key: Key, submitted: Submitted) -> Result<(), EditError> {
        self.ask(|answer| Request::SubmittedAgain(key, submitted, answer)).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, EditError>>) -> Request,
    ) -> Result<T, EditError> {
        let (answer, answered) = oneshot::channel();
        let not_stored = |cause: &str| EditError::NotStored { cause: cause.into() };
        self.requests
            .try_send(request(answer))
            .map_err(|_| not_stored("too many changes wait for the disk; try again in a moment"))?;
        answered.await.unwrap_or_else(|_| Err(not_stored("ckptd is shutting down")))
    }
}

/// Merges an edit over what is there; the record is `None` when nothing changes.
fn merge(document: &Document, edit: &Edit) -> Result<(Edited, Option<Record>), EditError> {
    let current = document.get(&edit.key);
    let revision = current.map_or(0, |record| record.revision);
    if let IfMatch::Revision(wanted) = edit.if_match
        && wanted != Some(revision)
    {
        return Err(EditError::Stale { actual: revision });
    }
    let previous = current.and_then(|record| record.overridden().ok()).unwrap_or_default();
    let overridden = Override {
        interval: edit.patch.interval.merge(previous.interval),
        timeout: edit.patch.timeout.merge(previous.timeout),
    };
    if overridden == previous {
        return Ok((Edited { previous, overridden, revision }, None));
    }
    let revision = revision + 1;
    let record = Record {
        name: edit.name.clone(),
        revision,
        checkpoint_interval: overridden.interval.map(|interval| interval.as_millis()),
        checkpoint_timeout: overridden.timeout.map(|timeout| timeout.as_millis()),
        reason: edit.patch.reason.clone(),
        changed_at: wall_millis(),
        submitted: match edit.key.cluster == HOSTED {
            // A hosted job's file is never rewritten.
            true => None,
            false => current.and_then(|record| record.submitted).or(Some(Submitted::of(&edit.submitted))),
        },
    };
    Ok((Edited { previous, overridden, revision }, Some(record)))
}

/// The record of whoever takes an override over.
fn take_over(document: &Document, adoption: &Adoption) -> Result<(Edited, Record), EditError> {
    let left = document.get(&adoption.from).filter(|left| left.is_override());
    let left = left.ok_or(EditError::NothingToAdopt)?;
    let own = document.get(&adoption.key);
    if let Some(own) = own.filter(|own| own.is_override()) {
        return Err(EditError::HasItsOwn { revision: own.revision });
    }
    let record = Record {
        name: adoption.name.clone(),
        revision: left.revision.max(own.map_or(0, |own| own.revision)) + 1,
        reason: adoption.reason.clone().or(left.reason.clone()),
        changed_at: wall_millis(),
        submitted: own.and_then(|own| own.submitted).or(Some(Submitted::of(&adoption.submitted))),
        ..left.clone()
    };
    let overridden = record.overridden().unwrap_or_default();
    Ok((Edited { previous: Override::default(), overridden, revision: record.revision }, record))
}

/// Answers that wait for a write: told the outcome of their own edit, or that the write failed.
type Waiting = Vec<Box<dyn FnOnce(Option<Arc<str>>) + Send>>;

async fn write_what_comes(
    path: PathBuf,
    mut document: Arc<Document>,
    mut requests: mpsc::Receiver<Request>,
    publish: watch::Sender<Arc<Document>>,
) {
    let mut batch = Vec::new();
    while requests.recv_many(&mut batch, MOST_WAITING).await > 0 {
        let mut draft = Document::clone(&document);
        let mut waiting: Waiting = Vec::new();
        for request in batch.drain(..) {
            take(&mut draft, request, &mut waiting);
        }
        let mut failure = None;
        if draft != *document {
            match write(&path, &document, &draft).await {
                Ok(()) => {
                    document = Arc::new(draft);
                    publish.send_replace(Arc::clone(&document));
                }
                Err(cause) => {
                    tracing::error!(%cause, "overrides cannot be stored");
                    failure = Some(cause);
                }
            }
        }
        for answer in waiting {
            answer(failure.clone());
        }
    }
}

fn take(draft: &mut Document, request: Request, waiting: &mut Waiting) {
    match request {
        Request::Edit(edit, answer) => {
            let merged = merge(draft, &edit).map(|(edited, record)| {
                if let Some(record) = record {
                    draft.insert(&edit.key, record);
                }
                edited
            });
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, merged)))));
        }
        Request::Adopt(adoption, answer) => {
            let adopted = take_over(draft, &adoption).map(|(edited, record)| {
                draft.remove(&adoption.from);
                draft.insert(&adoption.key, record);
                edited
            });
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, adopted)))));
        }
        Request::PutBack(key, record, answer) => {
            if draft.get(&key).is_none() {
                draft.insert(&key, *record);
            }
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, Ok(()))))));
        }
        Request::SubmittedAgain(key, submitted, answer) => {
            if let Some(record) = draft.get(&key).cloned() {
                draft.insert(&key, Record { submitted: Some(submitted), ..record });
            }
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, Ok(()))))));
        }
        Request::Remove(key, answer) => {
            draft.remove(&key);
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, Ok(()))))));
        }
    }
}

/// A refusal waits for the write too: it may rest on an edit that could not be stored.
fn outcome<T>(failure: Option<Arc<str>>, result: Result<T, EditError>) -> Result<T, EditError> {
    match failure {
        None => result,
        Some(cause) => Err(EditError::NotStored { cause }),
    }
}

/// Writes on another thread; a job's disk never has all of those, see `hosted::disk`.
async fn write(path: &Path, old: &Document, new: &Document) -> Result<(), Arc<str>> {
    let (path, old, new) = (path.to_owned(), old.to_bytes(), new.to_bytes());
    let written = tokio::task::spawn_blocking(move || replace_or_restore(&path, &old, &new)).await;
    match written {
        Ok(written) => written.map_err(|error| error.to_string().into()),
        Err(error) => Err(error.to_string().into()),
    }
}

/// Replaces the file. Where that fails after the new content has taken its place, the old one is put
/// back, since its author will be told that nothing has changed.
fn replace_or_restore(path: &Path, old: &[u8], new: &[u8]) -> std::io::Result<()> {
    durable::replace(path, new).map_err(|error| {
        if std::fs::read(path).is_ok_and(|there| there == new)
            && let Err(again) = durable::replace(path, old)
        {
            tracing::error!(file = %path.display(), %again, "a change that was refused may be on disk");
        }
        std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_shared::api::Field;
    use ckpt_shared::bounds::CheckpointTimeout;
    use ckpt_shared::ids::JobId;

    fn edit(job: u128, millis: u64) -> Edit {
        let timeout = Field::Set(CheckpointTimeout::from_millis(millis).unwrap());
        Edit {
            key: Key { cluster: "hosted".to_owned(), job: JobId::from_bits(job) },
            name: "a".to_owned(),
            patch: ConfigurationPatch { timeout, ..ConfigurationPatch::default() },
            if_match: IfMatch::Any,
            submitted: SubmittedConfig::default(),
        }
    }

    #[tokio::test]
    async fn an_override_is_taken_over_whole_and_only_once() {
        let home = tempfile::tempdir().unwrap();
        let store = OverrideStore::open(home.path().join("overrides.json")).unwrap();
        let on_flink = |job| Key { cluster: "prod".to_owned(), job: JobId::from_bits(job) };
        let adoption = |from, to| Adoption {
            from: on_flink(from),
            key: on_flink(to),
            name: "a".to_owned(),
            reason: None,
            submitted: SubmittedConfig::default(),
        };
        for millis in [1_000, 2_000] {
            store.edit(Edit { key: on_flink(1), ..edit(1, millis) }).await.unwrap();
        }
        let adopted = store.adopt(adoption(1, 2)).await.unwrap();
        assert_eq!((adopted.revision, adopted.previous), (3, Override::default()));
        assert_eq!(store.record(&on_flink(1)), None);
        let record = store.record(&on_flink(2)).unwrap();
        assert_eq!((record.revision, record.checkpoint_timeout), (3, Some(2_000)));
        assert_eq!(record.submitted, Some(Submitted::of(&SubmittedConfig::default())));
        assert!(matches!(store.adopt(adoption(1, 3)).await, Err(EditError::NothingToAdopt)));
        store.edit(Edit { key: on_flink(4), ..edit(4, 9_000) }).await.unwrap();
        assert!(matches!(store.adopt(adoption(2, 4)).await, Err(EditError::HasItsOwn { revision: 1 })));
        assert_eq!(store.record(&on_flink(2)), Some(record));
    }

    /// On one thread the writer runs only when all have asked: what comes together shares a write.
    #[tokio::test]
    async fn requests_that_come_together_share_a_write() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("overrides.json");
        let store = OverrideStore::open(path.clone()).unwrap();
        let mut writes = store.durable.clone();
        writes.borrow_and_update();
        let edits = (0..100).map(|nth| store.edit(edit(u128::from(nth % 10), 1_000 + nth)));
        let edited = futures::future::join_all(edits).await;
        let revisions: Vec<_> = edited.into_iter().map(|edited| edited.unwrap().revision).collect();
        assert_eq!(revisions[..10], [1; 10]);
        assert_eq!(revisions[90..], [10; 10], "none of ten changes of a job was lost");
        assert!(writes.has_changed().unwrap());
        let written = Document::load(&path).unwrap();
        assert_eq!(written.get(&edit(7, 1_000).key).unwrap().checkpoint_timeout, Some(1_097));
        assert_eq!(written, **writes.borrow_and_update());
        assert!(!writes.has_changed().unwrap(), "it was one write");
    }

    #[tokio::test]
    async fn what_cannot_be_stored_is_refused_whole_and_leaves_no_trace() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("overrides.json");
        let store = OverrideStore::open(path.clone()).unwrap();
        store.edit(edit(1, 1_000)).await.unwrap();
        let kept = std::fs::read(&path).unwrap();
        // No file can be made in a directory that is gone.
        let away = home.path().with_extension("away");
        std::fs::rename(home.path(), &away).unwrap();
        let stale = Edit { if_match: IfMatch::Revision(Some(1)), ..edit(1, 3_000) };
        let refused = futures::future::join(store.edit(edit(1, 2_000)), store.edit(stale)).await;
        assert!(matches!(refused.0, Err(EditError::NotStored { .. })), "{refused:?}");
        assert!(matches!(refused.1, Err(EditError::NotStored { .. })), "it rests on the first: {refused:?}");
        std::fs::rename(&away, home.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), kept);
        assert_eq!(store.record(&edit(1, 1_000).key).unwrap().revision, 1);
        let unchanged = store.edit(edit(1, 1_000)).await.unwrap();
        assert_eq!(unchanged.revision, 1);
        assert_eq!(std::fs::read(&path).unwrap(), kept, "nothing changed, so nothing was written");
        assert_eq!(store.edit(edit(1, 2_000)).await.unwrap().revision, 2);
    }
}
