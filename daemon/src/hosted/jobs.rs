//! The jobs that ckptd hosts: submitted, stored once, recovered at the next start.

use super::disk::Disk;
use super::restore::{FROM_SAVEPOINT_FILE, Unfit};
use super::{ENDED_FILE, Ended, FromSavepoint, HostedJob, Setup, TaskDoor};
use crate::clock::Clock;
use crate::durable::{self, read_limited};
use crate::job_file::{JobFileError, JobSpec};
use crate::overrides::{Key, OverrideStore};
use crate::registry::JobIndex;
use crate::seam::{Identity, JobCoordinator};
use crate::state_dir::StateDir;
use ckpt_api::{HOSTED, LARGEST_BODY};
use ckpt_types::ids::JobId;
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How many jobs that have ended are still shown; the files of older ones stay.
const ENDED_SHOWN: usize = 100;
/// How many savepoints are looked at, at once, for jobs that are submitted.
const MOST_LOOKS: usize = 8;
/// The longest look at one.
const LOOK_LIMIT: Duration = Duration::from_secs(20);

/// Why a job cannot be hosted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The file has a mistake.
    #[error("the job file has a mistake: {0}")]
    Mistake(#[from] JobFileError),
    /// A job of this name is alive and was submitted otherwise.
    #[error(
        "a job '{name}' is running as {id} with another job file; cancel it first (ckptctl cancel {name}), or give this one another name"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// The job that has it.
        id: JobId,
    },
    /// Two files that are submitted together name different jobs alike.
    #[error("another of these job files names its job '{name}' too; give one of them another name")]
    NamedTwice {
        /// The name.
        name: String,
    },
    /// The same file was submitted with another savepoint, or with none.
    #[error(
        "the job '{name}' runs as {id} already and did not start from this savepoint; cancel it first (ckptctl cancel {name})"
    )]
    StartedOtherwise {
        /// The name.
        name: String,
        /// The job that has it.
        id: JobId,
    },
    /// There is no such savepoint, or it is not whole.
    #[error("the savepoint cannot be started from, so nothing was submitted: {0}")]
    NoSavepoint(#[source] Box<dyn Error + Send + Sync>),
    /// The savepoint is another kind of job's.
    #[error("the savepoint does not fit the job, so nothing was submitted: {0}")]
    DoesNotFit(String),
    /// It could not be stored.
    #[error("the job could not be stored, so it was not submitted: {0}")]
    NotStored(#[source] io::Error),
}

/// Why what was stored cannot be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}; make it readable, or move the job's directory away to start without the job", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file is damaged.
    #[error("{path} is damaged: {cause}; repair it, or move the job's directory away to start without the job", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

/// The hosted jobs. There is one in a ckptd.
#[derive(Debug)]
pub struct HostedJobs {
    directory: Arc<StateDir>,
    overrides: OverrideStore,
    hosted: RwLock<HashMap<JobId, Hosted>>,
    next_sequence: AtomicU64,
    /// One submission at a time: two of the same name must not both find it free.
    submitting: Mutex<()>,
    /// Looks at the savepoints of jobs that are submitted.
    looks: Disk,
    index: JobIndex,
    clock: Clock,
}

#[derive(Debug)]
struct Hosted {
    /// Rises with each job.
    sequence: u64,
    job: HostedJob,
    spec: Arc<JobSpec>,
    from_savepoint: Option<FromSavepoint>,
}

impl Hosted {
    fn has_ended(&self) -> bool {
        self.job.state().has_ended()
    }
}

impl HostedJobs {
    /// Brings back every job that was submitted before.
    ///
    /// # Errors
    /// [`RecoverError`] when a job's file is damaged: it is not ignored.
    pub async fn recover(
        directory: Arc<StateDir>,
        overrides: OverrideStore,
        index: JobIndex,
        clock: Clock,
    ) -> Result<Self, RecoverError> {
        let jobs = Self {
            hosted: RwLock::default(),
            next_sequence: AtomicU64::default(),
            submitting: Mutex::new(()),
            looks: Disk::new(MOST_LOOKS),
            directory: Arc::clone(&directory),
            overrides,
            index,
            clock,
        };
        let stored = tokio::task::spawn_blocking(move || load(&directory, clock)).await;
        let mut stored = stored.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        stored.sort_by_key(|stored| stored.ended.map_or(u64::MAX, |ended| ended.at));
        for stored in stored {
            if stored.ended.is_some() {
                jobs.forget_override(stored.id).await;
            }
            jobs.host(stored);
        }
        Ok(jobs)
    }

    /// A crash may have come between a job's end and that of its override.
    async fn forget_override(&self, id: JobId) {
        let key = Key { cluster: HOSTED.to_owned(), job: id };
        if self.overrides.record(&key).is_some()
            && let Err(error) = self.overrides.remove(key).await
        {
            tracing::error!(job = %id, %error, "the override of a job that has ended cannot be removed");
        }
    }

    fn host(&self, stored: Stored) -> HostedJob {
        let identity = Identity { cluster: HOSTED.to_owned(), id: stored.id, name: stored.spec.name.clone() };
        let job = HostedJob::start(Setup {
            clock: self.clock,
            identity,
            spec: stored.spec.clone(),
            submitted_at: stored.submitted_at,
            job_dir: self.directory.job(stored.id),
            checkpoints: self.directory.checkpoints(),
            overrides: self.overrides.clone(),
            ended: stored.ended,
            from_savepoint: stored.from_savepoint.clone(),
        });
        let mut all = self.hosted.write().unwrap_or_else(PoisonError::into_inner);
        let (spec, from_savepoint) = (Arc::new(stored.spec), stored.from_savepoint);
        let sequence = self.next_sequence.fetch_add(1, Ordering::Relaxed);
        all.insert(stored.id, Hosted { sequence, job: job.clone(), spec, from_savepoint });
        let ended: Vec<_> = all.values().filter(|hosted| hosted.has_ended()).collect();
        if ended.len() > ENDED_SHOWN
            && let Some(oldest) = ended.iter().min_by_key(|hosted| hosted.sequence)
        {
            let oldest = oldest.job.identity().clone();
            all.remove(&oldest.id);
            self.index.remove(&Key::of(&oldest));
        }
        self.index.add(Arc::new(job.clone()));
        job
    }

    fn hosted(&self) -> RwLockReadGuard<'_, HashMap<JobId, Hosted>> {
        self.hosted.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The door for the tasks of a job, if ckptd hosts it.
    #[must_use]
    pub fn tasks(&self, identity: &Identity) -> Option<TaskDoor> {
        let hosted = self.hosted();
        hosted
            .get(&identity.id)
            .filter(|hosted| hosted.job.identity() == identity)
            .map(|hosted| hosted.job.tasks())
    }

    /// Makes sure that all these job files can be submitted, before the first one is.
    ///
    /// # Errors
    /// [`SubmitError`], with the place of the file that cannot be.
    pub fn check(&self, texts: &[String]) -> Result<(), (usize, SubmitError)> {
        let mut specs: Vec<JobSpec> = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            let spec = JobSpec::parse(text).map_err(|mistake| (place, mistake.into()))?;
            self.live(&spec, None).map_err(|taken| (place, taken))?;
            if specs.iter().any(|other| other.name == spec.name && *other != spec) {
                return Err((place, SubmitError::NamedTwice { name: spec.name }));
            }
            specs.push(spec);
        }
        Ok(())
    }

    /// The live job that `spec` is, if its name is not free. Without a savepoint it is that job whatever it
    /// started from.
    fn live(&self, spec: &JobSpec, from: Option<&FromSavepoint>) -> Result<Option<HostedJob>, SubmitError> {
        let namesake = |hosted: &Hosted| hosted.spec.name == spec.name && !hosted.has_ended();
        let hosted = self.hosted();
        let Some(live) = hosted.values().find(|hosted| namesake(hosted)) else { return Ok(None) };
        let (name, id) = (spec.name.clone(), live.job.identity().id);
        if *live.spec != *spec {
            return Err(SubmitError::NameTaken { name, id });
        }
        match from.is_none_or(|from| live.from_savepoint.as_ref() == Some(from)) {
            true => Ok(Some(live.job.clone())),
            false => Err(SubmitError::StartedOtherwise { name, id }),
        }
    }

    /// Submits a job file. The same file as that of a live job is that job; the flag tells whether a
    /// new one was made. A new one starts from the savepoint that `from` names, as a path or a `file:` URI.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was submitted then.
    pub async fn submit(&self, text: &str, from: Option<&str>) -> Result<(HostedJob, bool), SubmitError> {
        let spec = JobSpec::parse(text)?;
        let named = |from: &str| {
            let wrong = |wrong| SubmitError::NoSavepoint(format!("'{}' {wrong}", from.escape_debug()).into());
            FromSavepoint::parse(from).map_err(wrong)
        };
        let from = from.map(named).transpose()?;
        if let Some(same) = self.live(&spec, from.as_ref())? {
            return Ok((same, false));
        }
        if let Some(from) = &from {
            self.check_savepoint(from.clone(), spec.clone()).await?;
        }
        let _one_at_a_time = self.submitting.lock().await;
        if let Some(same) = self.live(&spec, from.as_ref())? {
            return Ok((same, false));
        }
        let id = JobId::from_bits(rand::random());
        let stored =
            Stored { id, spec, submitted_at: self.clock.wall_millis(), ended: None, from_savepoint: from };
        let (target, text) = (self.directory.job(id), text.to_owned());
        let storing = tokio::task::spawn_blocking(move || {
            store(&target, &text, stored.from_savepoint.as_ref()).map_err(SubmitError::NotStored)?;
            Ok(stored)
        });
        let stored =
            storing.await.unwrap_or_else(|error| Err(SubmitError::NotStored(io::Error::other(error))))?;
        Ok((self.host(stored), true))
    }

    /// Makes sure that a job can start from a savepoint. Whoever has one on a disk that does not answer holds
    /// nobody else up.
    async fn check_savepoint(&self, from: FromSavepoint, spec: JobSpec) -> Result<(), SubmitError> {
        let looked = self.looks.run(move || Ok(from.restore_point(&spec).map(drop)));
        let silent = || io::Error::new(io::ErrorKind::TimedOut, "the savepoint's disk does not answer");
        let looked = timeout(LOOK_LIMIT, looked).await.unwrap_or_else(|_| Err(silent()));
        Ok(looked.map_err(SubmitError::NotStored)??)
    }
}

/// A job as it is on disk.
struct Stored {
    id: JobId,
    spec: JobSpec,
    submitted_at: u64,
    ended: Option<Ended>,
    from_savepoint: Option<FromSavepoint>,
}

impl From<Unfit> for SubmitError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Damaged(why) => Self::NoSavepoint(why),
            Unfit::DoesNotFit(why) => Self::DoesNotFit(why),
        }
    }
}

/// Stores a job whole or not at all: its directory gets its name when all is in it.
fn store(target: &Path, text: &str, from: Option<&FromSavepoint>) -> io::Result<()> {
    let jobs = target.parent().unwrap_or(target);
    let draft = tempfile::Builder::new().prefix(durable::DRAFT).tempdir_in(jobs)?;
    durable::create(&draft.path().join("job.toml"), text.as_bytes())?;
    if let Some(from) = from {
        durable::create(&draft.path().join(FROM_SAVEPOINT_FILE), &serde_json::to_vec(from)?)?;
    }
    fs::rename(draft.path(), target)?;
    drop(draft.keep());
    // Its author will be told that it was not submitted.
    durable::sync_directory(jobs).inspect_err(|_| drop(fs::remove_dir_all(target)))
}

fn load(directory: &StateDir, clock: Clock) -> Result<Vec<Stored>, RecoverError> {
    let jobs = directory.jobs();
    let unreadable = |path: &Path, cause| RecoverError::Unreadable { path: path.to_owned(), cause };
    let mut found = Vec::new();
    for entry in fs::read_dir(&jobs).map_err(|cause| unreadable(&jobs, cause))? {
        let entry = entry.map_err(|cause| unreadable(&jobs, cause))?;
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<JobId>().ok()) else { continue };
        durable::remove_drafts(&entry.path()).map_err(|cause| unreadable(&entry.path(), cause))?;
        let path = entry.path().join("job.toml");
        let content = read_limited(&path, LARGEST_BODY as u64).map_err(|cause| unreadable(&path, cause))?;
        let spec = String::from_utf8(content).map_err(Into::into);
        let spec = spec.and_then(|text| JobSpec::parse(&text).map_err(Into::into));
        let spec = spec.map_err(|cause| RecoverError::Damaged { path: path.clone(), cause })?;
        let submitted = fs::metadata(&path).and_then(|file| file.modified());
        let submitted_at = submitted.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let submitted_at = submitted_at.map_or_else(|| clock.wall_millis(), ckpt_types::duration::millis);
        let ended =
            load_file(&entry.path().join(ENDED_FILE), |content| Ok(serde_json::from_slice(content)?))?;
        let from_savepoint = load_file(&entry.path().join(FROM_SAVEPOINT_FILE), FromSavepoint::from_json)?;
        found.push(Stored { id, spec, submitted_at, ended, from_savepoint });
    }
    Ok(found)
}

/// The content of a file that need not be there.
fn load_file<T>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, Box<dyn Error + Send + Sync>>,
) -> Result<Option<T>, RecoverError> {
    match read_limited(path, LARGEST_BODY as u64) {
        Ok(content) => {
            parse(&content).map(Some).map_err(|cause| RecoverError::Damaged { path: path.to_owned(), cause })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(RecoverError::Unreadable { path: path.to_owned(), cause }),
    }
}
