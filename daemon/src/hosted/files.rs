//! Checkpoint directories: `chk-<n>` with one file for each subtask and, once complete, `_metadata`.

use super::metadata::{HIGHEST, METADATA, Metadata, RestorePoint, is_a_name, is_damage};
use super::places::{self, Places};
use crate::durable::{self, read_limited, with_path};
use ckpt_coordinator::Kind;
use ckpt_types::ids::{CheckpointId, JobId};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was found on disk to start from.
#[derive(Debug)]
pub(super) struct Found {
    /// The completed checkpoints, oldest first.
    pub(super) completed: Vec<CheckpointId>,
    /// The newest of them (rule 28).
    pub(super) newest: Option<RestorePoint>,
    /// The number of the next checkpoint, above all that were ever taken.
    pub(super) next_id: CheckpointId,
    /// Whether no checkpoint was ever triggered.
    pub(super) fresh: bool,
    /// Why the job is not restored from a newer one.
    pub(super) damage: Option<String>,
}

/// The highest numbers that were written into files.
#[derive(Debug)]
struct Noted {
    next: CheckpointId,
    newest: CheckpointId,
}

impl Default for Noted {
    fn default() -> Self {
        Self { next: CheckpointId(0), newest: CheckpointId(0) }
    }
}

/// The checkpoints of one job on disk. Every call may block.
#[derive(Debug, Clone)]
pub(super) struct CheckpointFiles {
    job: JobId,
    /// Where `chk-<n>` are.
    root: PathBuf,
    /// The file with the number of the next checkpoint.
    counter: PathBuf,
    /// The file with the number of the newest checkpoint that has completed: it must be there when the job is
    /// restored.
    newest: PathBuf,
    /// The highest numbers that are in these files.
    noted: Arc<Mutex<Noted>>,
    /// The directories of savepoints in flight.
    pub(super) places: Places,
}

impl CheckpointFiles {
    pub(super) fn new(job: JobId, checkpoints: &Path, job_dir: &Path) -> Self {
        Self {
            job,
            root: checkpoints.join(job.to_string()),
            counter: job_dir.join("next-checkpoint"),
            newest: job_dir.join("newest-checkpoint"),
            noted: Arc::default(),
            places: Places::default(),
        }
    }

    /// The directory of a checkpoint.
    pub(super) fn directory(&self, id: CheckpointId, kind: &Kind) -> PathBuf {
        match kind {
            Kind::Checkpoint => self.root.join(format!("chk-{id}")),
            Kind::Savepoint { target } => places::directory(self.job, id, target),
        }
    }

    /// Takes `id` for good, so that it is never given again, and makes its directory.
    pub(super) fn prepare(&self, id: CheckpointId, kind: &Kind) -> io::Result<()> {
        if self.root_is_missed()? {
            return Err(self.root_is_gone());
        }
        durable::create_directory(&self.root)?;
        self.note(&self.counter, id.next(), |noted| &mut noted.next)?;
        let directory = self.directory(id, kind);
        let made = match kind {
            Kind::Checkpoint => durable::create_directory(&directory),
            Kind::Savepoint { .. } => self.places.make(id, &directory),
        };
        named(&directory, made)
    }

    /// Makes a checkpoint complete; it is durable when this returns. Its snapshots are durable already:
    /// a task stores before it acknowledges.
    pub(super) fn finalize(&self, metadata: &Metadata, kind: &Kind) -> io::Result<()> {
        let id = metadata.checkpoint_id;
        let directory = self.directory(id, kind);
        let content = serde_json::to_vec_pretty(metadata)?;
        // Somebody may have deleted what was there when it was acknowledged.
        let there = metadata.check_files(&directory);
        let stored = there.and_then(|()| durable::replace(&directory.join(METADATA), &content));
        let parent = directory.parent().unwrap_or(&self.root);
        named(&directory, stored.and_then(|()| durable::sync_directory(parent)))?;
        match kind {
            Kind::Checkpoint => self.note(&self.newest, id, |noted| &mut noted.newest),
            Kind::Savepoint { .. } => Ok(()),
        }
    }

    /// Writes a number into its file. A disk may wake up long after its work was given up: the number on it
    /// only rises.
    fn note(
        &self,
        file: &Path,
        number: CheckpointId,
        which: impl Fn(&mut Noted) -> &mut CheckpointId,
    ) -> io::Result<()> {
        let mut noted = self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let noted = which(&mut noted);
        if number > *noted {
            durable::replace(file, number.to_string().as_bytes())?;
            *noted = number;
        }
        Ok(())
    }

    /// Whether checkpoints have completed, and the directory that holds them is not there: as when the storage
    /// is not mounted.
    fn root_is_missed(&self) -> io::Result<bool> {
        Ok(!named(&self.root, self.root.try_exists())? && number_in(&self.newest)?.is_some())
    }

    fn root_is_gone(&self) -> io::Error {
        let (root, newest) = (self.root.display(), self.newest.display());
        let sentence =
            format!("{root} is gone; bring it back, or delete {newest} to start without its checkpoints");
        io::Error::new(io::ErrorKind::NotFound, sentence)
    }

    /// Deletes a checkpoint. `_metadata` goes first: what is half deleted must not look complete.
    pub(super) fn discard(&self, id: CheckpointId, kind: &Kind) -> io::Result<()> {
        if kind.is_savepoint() && !self.places.give_up(id) {
            return Ok(());
        }
        let directory = self.directory(id, kind);
        let removed = gone(fs::remove_file(directory.join(METADATA)));
        // A task that has not heard of the abort yet may put a file into it meanwhile.
        let retried =
            || gone(fs::remove_dir_all(&directory)).or_else(|_| gone(fs::remove_dir_all(&directory)));
        named(&directory, removed.and_then(|()| retried()))
    }

    /// Deletes what one subtask stored for a checkpoint that did not complete.
    pub(super) fn discard_snapshot(&self, id: CheckpointId, location: &str) -> io::Result<()> {
        let directory = self.directory(id, &Kind::Checkpoint);
        let file = directory.join(location);
        if !is_a_name(location) || directory.join(METADATA).try_exists()? {
            return Ok(());
        }
        named(&file, gone(fs::remove_file(&file)))
    }

    /// Deletes every checkpoint of the job.
    pub(super) fn discard_all(&self) -> io::Result<()> {
        self.numbered()?.into_iter().try_for_each(|(id, _)| self.discard(id, &Kind::Checkpoint))
    }

    /// The numbers and directories that are there, complete or not.
    fn numbered(&self) -> io::Result<Vec<(CheckpointId, PathBuf)>> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|name| name.strip_prefix("chk-")?.parse().ok());
            found.extend(id.map(|id| (CheckpointId(id), entry.path())));
        }
        Ok(found)
    }

    /// Looks at what is there, and deletes what never became a checkpoint. One that lost files is said
    /// loudly and left alone; the one before it counts.
    pub(super) fn scan(&self) -> io::Result<Found> {
        let mut completed = Vec::new();
        let mut damaged: Option<(CheckpointId, String)> = None;
        let counted = number_in(&self.counter)?;
        let noted = number_in(&self.newest)?;
        let mut highest = noted.unwrap_or(CheckpointId(0));
        if self.root_is_missed()? {
            return Err(self.root_is_gone());
        }
        for (id, directory) in self.numbered()? {
            highest = highest.max(id);
            if !named(&directory, directory.join(METADATA).try_exists())? {
                // A look that the disk held up for long must not delete what came after it.
                if counted.is_some_and(|counted| id < counted) && noted != Some(id) {
                    self.discard(id, &Kind::Checkpoint)?;
                }
                continue;
            }
            let shown = directory.display().to_string();
            let cause = match Metadata::load(&directory) {
                Ok(metadata) if metadata.job_id == self.job && metadata.checkpoint_id == id => {
                    completed.push((id, metadata.restore_point(directory)));
                    continue;
                }
                Ok(Metadata { job_id, checkpoint_id, .. }) => {
                    format!("{METADATA} is of checkpoint {checkpoint_id} of job {job_id}")
                }
                Err(error) if is_damage(&error) => error.to_string(),
                // It may be there when the disk is well again.
                Err(error) => return named(&directory, Err(error)),
            };
            tracing::error!(directory = %shown, cause, "a checkpoint that cannot be restored from; it is left alone, and an older one is used if there is one");
            if damaged.as_ref().is_none_or(|(newest, _)| id > *newest) {
                damaged = Some((id, format!("{shown} is damaged: {cause}")));
            }
        }
        completed.sort_by_key(|(id, _)| *id);
        let found_damaged = damaged.as_ref().map(|(id, _)| *id);
        if let Some(noted) = noted.filter(|noted| {
            found_damaged.is_none_or(|id| id < *noted) && completed.last().is_none_or(|(id, _)| id < noted)
        }) {
            let directory = self.directory(noted, &Kind::Checkpoint);
            let cause =
                format!("{} is damaged: it has completed, and its {METADATA} is gone", directory.display());
            tracing::error!(directory = %directory.display(), "the newest checkpoint is not there any more; an older one is used if there is one");
            damaged = Some((noted, cause));
        }
        let newest = completed.last().map(|(id, _)| *id);
        let damage = match (damaged, newest) {
            (Some((_, damaged)), None) => {
                // To start from nothing would be to forget what was acknowledged.
                let sentence = format!(
                    "{damaged}, and there is no older one; repair it, or move it away and delete {} to start without it",
                    self.newest.display()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, sentence));
            }
            (Some((id, damaged)), Some(newest)) if id > newest => {
                Some(format!("the job was restored from checkpoint {newest}, as the newer {damaged}"))
            }
            _ => None,
        };
        let next_id = counted.unwrap_or(CheckpointId::FIRST).max(highest.next());
        Ok(Found {
            completed: completed.iter().map(|(id, _)| *id).collect(),
            newest: completed.pop().map(|(_, point)| point),
            next_id,
            fresh: counted.is_none(),
            damage,
        })
    }
}

/// The number of a checkpoint that a file holds, if there is that file.
fn number_in(file: &Path) -> io::Result<Option<CheckpointId>> {
    match read_limited(file, 64) {
        Ok(content) => {
            let number = std::str::from_utf8(&content).ok().and_then(|text| text.trim().parse().ok());
            let number = number.filter(|number| (1..=HIGHEST).contains(number));
            let damaged = || {
                let sentence = "it holds no checkpoint's number; write the one into it that it should hold";
                io::Error::new(io::ErrorKind::InvalidData, sentence)
            };
            named(file, number.map(|number| Some(CheckpointId(number))).ok_or_else(damaged))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => named(file, Err(error)),
    }
}

/// Whether a file that was to be deleted is gone.
fn gone(deleted: io::Result<()>) -> io::Result<()> {
    match deleted {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// An error that names the file it is about.
fn named<T>(path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| with_path(path, error))
}
