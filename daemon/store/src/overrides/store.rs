//! The one task that writes `overrides.json`. Requests that come together share a write.

use super::file::{Document, Key, LoadError, Record, Submitted};
use super::merge::{Adoption, Edit, EditError, Edited, Expired, expire, merge, take_over};
use crate::LOG_TARGET;
use crate::durable::{self, WriteError};
use ckpt_clock::Clock;
use ckpt_types::ids::JobId;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// The most edits that wait, and that share a write.
const MOST_WAITING: usize = 1_024;

enum Request {
    Edit(Edit, oneshot::Sender<Result<Edited, EditError>>),
    Adopt(Adoption, oneshot::Sender<Result<Edited, EditError>>),
    PutBack(Key, Box<Record>, oneshot::Sender<Result<(), EditError>>),
    /// Whatever its revision, or only this one.
    Remove(Key, Option<u64>, oneshot::Sender<Result<bool, EditError>>),
    SubmittedAgain(Key, Submitted, oneshot::Sender<Result<(), EditError>>),
    Expire(Key, oneshot::Sender<Result<Option<Expired>, EditError>>),
}

/// The overrides, in memory and on disk. Clones share one store.
#[derive(Debug, Clone)]
pub struct OverrideStore {
    clock: Clock,
    requests: mpsc::Sender<Request>,
    durable: watch::Receiver<Arc<Document>>,
}

impl OverrideStore {
    /// Reads the file at `path` and starts the task that writes it, which ends with the last clone.
    ///
    /// # Errors
    /// [`LoadError`] when the file is damaged.
    pub fn open(path: PathBuf, clock: Clock) -> Result<Self, LoadError> {
        let document = Arc::new(Document::load(&path)?);
        let (requests, waiting) = mpsc::channel(MOST_WAITING);
        let (publish, durable) = watch::channel(Arc::clone(&document));
        tokio::spawn(write_what_comes(path, clock, document, waiting, publish));
        Ok(Self { clock, requests, durable })
    }

    /// Those of which something has ended, and is still there.
    #[must_use]
    pub fn ended(&self) -> Vec<Key> {
        self.durable.borrow().ended(self.clock.wall_millis())
    }

    /// When the next one ends, in milliseconds since the epoch.
    #[must_use]
    pub fn next_end(&self) -> Option<u64> {
        self.durable.borrow().next_end()
    }

    /// Resolves when something was stored since the last time.
    pub async fn stored(&mut self) {
        if self.durable.changed().await.is_err() {
            // The task that writes has ended: nothing will be stored any more.
            std::future::pending::<()>().await;
        }
        self.durable.borrow_and_update();
    }

    /// True if something was stored since the last time, without waiting; see [`Self::stored`].
    pub fn take_stored(&mut self) -> bool {
        let is_stored = self.durable.has_changed().unwrap_or(false);
        if is_stored {
            self.durable.borrow_and_update();
        }
        is_stored
    }

    /// What would be left of a job's override if what has ended were taken away; `None` when nothing has.
    #[must_use]
    pub fn preview_expiry(&self, key: &Key) -> Option<Expired> {
        expire(&self.durable.borrow(), key, self.clock.wall_millis())
    }

    /// Takes away what has ended of a job's override, durably; `None` when nothing has.
    ///
    /// # Errors
    /// [`EditError::NotStored`].
    pub async fn expire(&self, key: Key) -> Result<Option<Expired>, EditError> {
        self.ask(|answer| Request::Expire(key, answer)).await
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
        merge(&self.durable.borrow(), edit, self.clock.wall_millis()).map(|(edited, _)| edited)
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
        take_over(&self.durable.borrow(), adoption, self.clock.wall_millis()).map(|(edited, _)| edited)
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
        self.ask(|answer| Request::Remove(key, None, answer)).await.map(drop)
    }

    /// Removes a job's record, durably, unless it has another revision by now, or there is none. Whether it did.
    ///
    /// # Errors
    /// [`EditError::NotStored`].
    pub async fn remove_revision(&self, key: Key, revision: u64) -> Result<bool, EditError> {
        self.ask(|answer| Request::Remove(key, Some(revision), answer)).await
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
        self.requests.try_send(request(answer)).map_err(|_| WriteError::QueueFull)?;
        answered.await.unwrap_or(Err(WriteError::ShuttingDown.into()))
    }
}

/// Answers that wait for a write: told the outcome of their own edit, or that the write failed.
type Waiting = Vec<Box<dyn FnOnce(Option<WriteError>) + Send>>;

async fn write_what_comes(
    path: PathBuf,
    clock: Clock,
    mut document: Arc<Document>,
    mut requests: mpsc::Receiver<Request>,
    publish: watch::Sender<Arc<Document>>,
) {
    let mut batch = Vec::new();
    while requests.recv_many(&mut batch, MOST_WAITING).await > 0 {
        let mut draft = Document::clone(&document);
        let mut waiting: Waiting = Vec::new();
        for request in batch.drain(..) {
            take(&mut draft, clock.wall_millis(), request, &mut waiting);
        }
        let mut failure = None;
        if draft != *document {
            match write(&path, &document, &draft).await {
                Ok(()) => {
                    document = Arc::new(draft);
                    publish.send_replace(Arc::clone(&document));
                }
                Err(cause) => {
                    tracing::error!(target: LOG_TARGET, %cause, "overrides cannot be stored");
                    failure = Some(WriteError::from(cause));
                }
            }
        }
        for answer in waiting {
            answer(failure.clone());
        }
    }
}

fn take(draft: &mut Document, now: u64, request: Request, waiting: &mut Waiting) {
    match request {
        Request::Edit(edit, answer) => {
            let merged = merge(draft, &edit, now).map(|(edited, record)| {
                if let Some(record) = record {
                    draft.insert(&edit.key, record);
                }
                edited
            });
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, merged)))));
        }
        Request::Adopt(adoption, answer) => {
            let adopted = take_over(draft, &adoption, now).map(|(edited, record)| {
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
        Request::Expire(key, answer) => {
            let expired = expire(draft, &key, now);
            if let Some(expired) = &expired {
                draft.insert(&key, expired.now.clone());
            }
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, Ok(expired))))));
        }
        Request::Remove(key, revision, answer) => {
            let is_it = |wanted| draft.get(&key).is_some_and(|record| record.revision == wanted);
            let is_removed = revision.is_none_or(is_it);
            if is_removed {
                draft.remove(&key);
            }
            waiting.push(Box::new(move |failure| drop(answer.send(outcome(failure, Ok(is_removed))))));
        }
    }
}

/// A refusal waits for the write too: it may rest on an edit that could not be stored.
fn outcome<T>(failure: Option<WriteError>, result: Result<T, EditError>) -> Result<T, EditError> {
    match failure {
        None => result,
        Some(cause) => Err(cause.into()),
    }
}

/// Writes on another thread; a job's disk never has all of those, see `hosted::disk` of ckptd.
async fn write(path: &Path, old: &Document, new: &Document) -> io::Result<()> {
    let (path, old, new) = (path.to_owned(), old.to_bytes(), new.to_bytes());
    tokio::task::spawn_blocking(move || replace_or_restore(&path, &old, &new))
        .await
        .map_err(io::Error::other)?
}

/// Replaces the file. Where that fails after the new content has taken its place, the old one is put
/// back, since its author will be told that nothing has changed.
fn replace_or_restore(path: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    durable::replace(path, new).map_err(|error| {
        if std::fs::read(path).is_ok_and(|there| there == new)
            && let Err(again) = durable::replace(path, old)
        {
            tracing::error!(target: LOG_TARGET, file = %path.display(), %again, "a change that was refused may be on disk");
        }
        durable::with_path(path, error)
    })
}

#[cfg(test)]
mod tests {
    use super::super::IfMatch;
    use super::*;
    use ckpt_api::{ConfigurationPatch, Field};
    use ckpt_clock::simulate_wall_clock;
    use ckpt_coordinator::config::{Override, SubmittedConfig};
    use ckpt_types::bounds::CheckpointTimeout;
    use ckpt_types::ids::JobId;
    use std::error::Error;

    fn edit(job: u128, millis: u64) -> Edit {
        let timeout = Field::Set(CheckpointTimeout::from_millis(millis).unwrap());
        Edit {
            key: Key { cluster: "hosted".to_owned(), job: JobId::from_bits(job) },
            name: "a".to_owned(),
            patch: ConfigurationPatch { timeout, ..ConfigurationPatch::default() },
            if_match: IfMatch::Any,
            submitted: SubmittedConfig::default(),
            at: Clock::start().wall_millis(),
            until: None,
            by: None,
        }
    }

    #[tokio::test]
    async fn an_override_is_taken_over_whole_and_only_once() {
        let home = tempfile::tempdir().unwrap();
        let store = OverrideStore::open(home.path().join("overrides.json"), Clock::start()).unwrap();
        let on_flink = |job| Key { cluster: "prod".to_owned(), job: JobId::from_bits(job) };
        let adoption = |from, to| Adoption {
            from: on_flink(from),
            key: on_flink(to),
            name: "a".to_owned(),
            reason: None,
            submitted: SubmittedConfig::default(),
            until: None,
        };
        for millis in [1_000, 2_000] {
            store.edit(Edit { key: on_flink(1), ..edit(1, millis) }).await.unwrap();
        }
        let adopted = store.adopt(adoption(1, 2)).await.unwrap();
        assert_eq!((adopted.revision, adopted.previous), (3, Override::default()));
        assert_eq!(store.record(&on_flink(1)), None);
        let record = store.record(&on_flink(2)).unwrap();
        assert_eq!((record.revision, record.timeout.value(0)), (3, Some(2_000)));
        assert_eq!(record.submitted, Some(Submitted::of(&SubmittedConfig::default())));
        assert!(matches!(store.adopt(adoption(1, 3)).await, Err(EditError::NothingToAdopt)));
        store.edit(Edit { key: on_flink(4), ..edit(4, 9_000) }).await.unwrap();
        assert!(matches!(store.adopt(adoption(2, 4)).await, Err(EditError::HasItsOwn { revision: 1 })));
        assert_eq!(store.record(&on_flink(2)), Some(record));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_counts_as_a_change_and_does_not_hold_before_that_is_written_down() {
        simulate_wall_clock(1_000_000);
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("overrides.json");
        let store = OverrideStore::open(path.clone(), Clock::start()).unwrap();
        store.edit(edit(1, 1_000)).await.unwrap();
        let temporary = |millis, until| Edit { until: Some(until), ..edit(1, millis) };
        let edited = store.edit(temporary(2_000, 1_060_000)).await.unwrap();
        assert_eq!((edited.revision, edited.changed), (2, true));
        store.edit(temporary(3_000, 1_030_000)).await.unwrap();
        let key = edit(1, 1_000).key;
        let in_force = |store: &OverrideStore| {
            store.record(&key).unwrap().overridden(Clock::start().wall_millis()).unwrap().timeout
        };
        let millis = |timeout: Option<CheckpointTimeout>| timeout.map(CheckpointTimeout::as_millis);
        assert_eq!((store.next_end(), store.ended()), (Some(1_030_000), vec![]));
        simulate_wall_clock(1_030_000);
        assert_eq!(millis(in_force(&store)), Some(2_000), "before it is written down");
        assert_eq!(store.ended(), vec![key.clone()]);
        let expired = store.expire(key.clone()).await.unwrap().unwrap();
        assert_eq!((expired.before.revision, expired.now.revision), (3, 4));
        assert_eq!(store.expire(key.clone()).await.unwrap(), None);
        drop(store);
        simulate_wall_clock(2_000_000);
        let store = OverrideStore::open(path.clone(), Clock::start()).unwrap();
        assert_eq!((millis(in_force(&store)), store.ended()), (Some(1_000), vec![key.clone()]));
        store.expire(key.clone()).await.unwrap().unwrap();
        let record = Document::load(&path).unwrap().get(&key).unwrap().clone();
        assert_eq!(
            (record.revision, millis(record.overridden(Clock::start().wall_millis()).unwrap().timeout)),
            (5, Some(1_000))
        );
        assert_eq!(OverrideStore::open(path, Clock::start()).unwrap().ended(), vec![]);
    }

    #[tokio::test]
    async fn what_somebody_changed_meanwhile_is_not_removed() {
        let home = tempfile::tempdir().unwrap();
        let store = OverrideStore::open(home.path().join("overrides.json"), Clock::start()).unwrap();
        let key = edit(1, 1_000).key;
        store.edit(edit(1, 1_000)).await.unwrap();
        // Both come together, as when somebody changes what was just looked at.
        let (edited, removed) =
            tokio::join!(store.edit(edit(1, 2_000)), store.remove_revision(key.clone(), 1));
        assert_eq!((edited.unwrap().revision, removed.unwrap()), (2, false));
        assert_eq!(store.record(&key).unwrap().revision, 2);
        assert!(store.remove_revision(key.clone(), 2).await.unwrap());
        assert_eq!(store.record(&key), None);
    }

    #[tokio::test]
    async fn a_ninth_layer_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let store = OverrideStore::open(home.path().join("overrides.json"), Clock::start()).unwrap();
        let far = Clock::start().wall_millis() + 1_000_000_000;
        for nth in 0..8 {
            store.edit(Edit { until: Some(far - nth), ..edit(1, 1_000 + nth) }).await.unwrap();
        }
        let refused = store.edit(Edit { until: Some(far - 8), ..edit(1, 9_000) }).await.unwrap_err();
        assert!(matches!(refused, EditError::TooDeep), "{refused}");
        assert_eq!(store.record(&edit(1, 1_000).key).unwrap().revision, 8);
    }

    /// On one thread the writer runs only when all have asked: what comes together shares a write.
    #[tokio::test]
    async fn requests_that_come_together_share_a_write() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("overrides.json");
        let store = OverrideStore::open(path.clone(), Clock::start()).unwrap();
        let mut writes = store.durable.clone();
        writes.borrow_and_update();
        let edits = (0..100).map(|nth| store.edit(edit(u128::from(nth % 10), 1_000 + nth)));
        let edited = futures::future::join_all(edits).await;
        let revisions: Vec<_> = edited.into_iter().map(|edited| edited.unwrap().revision).collect();
        assert_eq!(revisions[..10], [1; 10]);
        assert_eq!(revisions[90..], [10; 10], "none of ten changes of a job was lost");
        assert!(writes.has_changed().unwrap());
        let written = Document::load(&path).unwrap();
        assert_eq!(written.get(&edit(7, 1_000).key).unwrap().timeout.value(0), Some(1_097));
        assert_eq!(written, **writes.borrow_and_update());
        assert!(!writes.has_changed().unwrap(), "it was one write");
    }

    #[tokio::test]
    async fn what_cannot_be_stored_is_refused_whole_and_leaves_no_trace() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("overrides.json");
        let store = OverrideStore::open(path.clone(), Clock::start()).unwrap();
        store.edit(edit(1, 1_000)).await.unwrap();
        let kept = std::fs::read(&path).unwrap();
        // No file can be made in a directory that is gone.
        let away = home.path().with_extension("away");
        std::fs::rename(home.path(), &away).unwrap();
        let stale = Edit { if_match: IfMatch::Revision(Some(1)), ..edit(1, 3_000) };
        let refused = futures::future::join(store.edit(edit(1, 2_000)), store.edit(stale)).await;
        assert!(matches!(refused.0, Err(EditError::NotStored { .. })), "{refused:?}");
        let causes = std::iter::successors(refused.0.as_ref().unwrap_err().source(), |&cause| cause.source());
        let kind = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(io::Error::kind);
        assert_eq!(kind, Some(io::ErrorKind::NotFound), "{refused:?}");
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
