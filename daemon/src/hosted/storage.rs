//! The files of one job, and the work on them, which may block and is done on other threads.

use super::disk::Disk;
use super::files::{CheckpointFiles, Found};
use super::lifecycle::Ended;
use super::metadata::Metadata;
use super::restore::{self, FromSavepoint};
use crate::durable;
use crate::job_file::JobSpec;
use crate::overrides::EditError;
use ckpt_coordinator::Kind;
use ckpt_types::ids::{CheckpointId, JobId};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

/// The work of one owner that waits for the disk.
const MAX_DISK_WORK: usize = 16;
/// The longest wait for the disk before the work on a checkpoint counts as failed.
const DISK_TIMEOUT: Duration = Duration::from_secs(60);

/// The file that says how a job ended, in its directory.
pub(crate) const ENDED_FILE: &str = "ended.json";

/// Finished work.
pub(super) enum StorageEvent {
    Found(Result<Found, String>),
    Prepared {
        id: CheckpointId,
        result: Result<(), String>,
    },
    Finalized {
        id: CheckpointId,
        result: Result<(), String>,
    },
    /// With the id of a completed checkpoint, if it was one.
    Discarded {
        completed: Option<CheckpointId>,
        result: Result<(), String>,
    },
    Ended(Result<(), String>),
}

/// The files of one job.
#[derive(Debug)]
pub(super) struct Storage {
    files: CheckpointFiles,
    job_dir: PathBuf,
    /// The restore point of a job without a checkpoint of its own.
    from_savepoint: Option<FromSavepoint>,
    /// The reason why the job was not restored from a newer checkpoint, until the next one completes.
    damage: Option<String>,
    disk: Disk,
    work: JoinSet<StorageEvent>,
}

impl Storage {
    pub(super) fn new(
        job: JobId,
        checkpoints: &Path,
        job_dir: PathBuf,
        from_savepoint: Option<FromSavepoint>,
    ) -> Self {
        Self {
            files: CheckpointFiles::new(job, checkpoints, &job_dir),
            job_dir,
            from_savepoint,
            damage: None,
            disk: Disk::new(MAX_DISK_WORK),
            work: JoinSet::new(),
        }
    }

    /// The next finished work; `None` if there is none under way.
    pub(super) async fn next_event(&mut self) -> Option<Result<StorageEvent, JoinError>> {
        self.work.join_next().await
    }

    /// True if no work is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.work.is_empty()
    }

    pub(super) fn directory(&self, id: CheckpointId, kind: &Kind) -> PathBuf {
        self.files.directory(id, kind)
    }

    pub(super) fn damage(&self) -> Option<&String> {
        self.damage.as_ref()
    }

    pub(super) fn set_damage(&mut self, damage: Option<String>) {
        self.damage = damage;
    }

    /// Records that a checkpoint has completed. Its damaged predecessor does not matter any more; the directory of a
    /// savepoint belongs to its user.
    pub(super) fn record_completed(&mut self, id: CheckpointId, savepoint: bool) {
        match savepoint {
            true => self.files.places.hand_over(id),
            false => self.damage = None,
        }
    }

    /// Looks for the restore point.
    pub(super) fn restore(&mut self, spec: &Arc<JobSpec>) {
        let (files, from, spec) = (self.files.clone(), self.from_savepoint.clone(), Arc::clone(spec));
        self.run(move || restore::look(&files, from.as_ref(), &spec), StorageEvent::Found);
    }

    pub(super) fn prepare(&mut self, id: CheckpointId, kind: Kind) {
        let files = self.files.clone();
        self.run(move || files.prepare(id, &kind), move |result| StorageEvent::Prepared { id, result });
    }

    pub(super) fn finalize(&mut self, metadata: Metadata, kind: Kind) {
        let (files, id) = (self.files.clone(), metadata.checkpoint_id);
        self.run(
            move || files.finalize(&metadata, &kind),
            move |result| StorageEvent::Finalized { id, result },
        );
    }

    pub(super) fn discard(&mut self, id: CheckpointId, kind: Kind, completed: bool) {
        let files = self.files.clone();
        self.run(
            move || files.discard(id, &kind),
            move |result| StorageEvent::Discarded { completed: completed.then_some(id), result },
        );
    }

    pub(super) fn discard_snapshot(&mut self, id: CheckpointId, location: String) {
        let files = self.files.clone();
        self.run(move || files.discard_snapshot(id, &location), StorageEvent::of_partial_discard);
    }

    pub(super) fn discard_all(&mut self) {
        let files = self.files.clone();
        self.run(move || files.discard_all(), StorageEvent::of_partial_discard);
    }

    /// Writes the end of the job, then runs `remove_override`: an override is never lost before its job's end is
    /// known.
    pub(super) fn write_end(
        &mut self,
        ended: Ended,
        remove_override: impl Future<Output = Result<(), EditError>> + Send + 'static,
    ) {
        let file = self.job_dir.join(ENDED_FILE);
        self.work.spawn(async move {
            let content = serde_json::to_vec(&ended).unwrap_or_default();
            let write = tokio::task::spawn_blocking(move || durable::replace(&file, &content));
            let written = match write.await {
                Ok(written) => written.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            StorageEvent::Ended(match written {
                Ok(()) => remove_override.await.map_err(|error| error.to_string()),
                Err(cause) => Err(cause),
            })
        });
    }

    fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
        event: impl FnOnce(Result<T, String>) -> StorageEvent + Send + 'static,
    ) {
        let disk = self.disk.clone();
        self.work.spawn(async move {
            event(match timeout(DISK_TIMEOUT, disk.run(work)).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_) => Err(format!("the disk did not answer within {} s", DISK_TIMEOUT.as_secs())),
            })
        });
    }
}

impl StorageEvent {
    fn of_partial_discard(result: Result<(), String>) -> Self {
        Self::Discarded { completed: None, result }
    }
}
