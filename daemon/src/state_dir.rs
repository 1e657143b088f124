//! The state directory: everything that ckptd must not forget.
//!
//! | path | holds |
//! |---|---|
//! | `lock` | who uses the directory, which is itself locked: one daemon at a time |
//! | `token` | the token for changes, readable for its owner alone |
//! | `overrides.json` | what operators changed |
//! | `reconcile.json` | where reconcile is paused |
//! | `audit.jsonl`, `audit.jsonl.<n>` | who did what, when and why |
//! | `jobs/<id>/job.toml` | a job as it was submitted, never rewritten |
//! | `jobs/<id>/next-checkpoint` | the number of its next checkpoint |
//! | `jobs/<id>/ended.json` | how and when it ended |
//! | `checkpoints/<id>/chk-<n>/` | its checkpoints, unless its file names another directory |

use crate::durable;
use ckpt_client::local as paths;
use ckpt_types::ids::JobId;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file that says who uses the directory.
const LOCK_FILE: &str = "lock";

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// No directory was named and there is no home directory to have one in.
    #[error("there is no home directory to keep state in; name a directory with --state-dir")]
    NoDefault,
    /// The file system refuses.
    #[error("cannot use the state directory {path}: {cause}; name another one with --state-dir, or make it writable for this user", path = .path.display())]
    Unusable {
        /// The file or directory in question.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Another daemon uses it.
    #[error("the state directory {path} is in use by the ckptd with {owner}; stop that one first, or name another directory with --state-dir", path = .path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who has it, such as `pid 123`.
        owner: String,
    },
    /// The token file holds something else.
    #[error("{path} holds no token; delete it and a new one is made", path = .path.display())]
    BadToken {
        /// The file.
        path: PathBuf,
    },
}

/// What the lock file says about the daemon that holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process.
    pub pid: u32,
    /// Where it listens, once it does.
    pub listen: Option<String>,
}

impl Owner {
    /// Reads the lock file of the directory at `path`, whether or not its daemon lives.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path.join(LOCK_FILE)).ok()?).ok()
    }
}

/// A state directory that this process alone uses, for as long as this value lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Opens the directory at `path`, or the default one, and makes what is missing.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn open(path: Option<PathBuf>) -> Result<Self, StateDirError> {
        let path = path.or_else(paths::default_state_dir).ok_or(StateDirError::NoDefault)?;
        let path = std::path::absolute(&path).unwrap_or(path);
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |cause| StateDirError::Unusable { path, cause }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(unusable(&path))?;
        // The directory itself is locked: a lock file could be deleted while it is held.
        let lock = File::open(&path).map_err(unusable(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = Owner::of(&path)
                    .map_or("an unknown pid".to_owned(), |owner| format!("pid {}", owner.pid));
                return Err(StateDirError::Locked { path, owner });
            }
            Err(TryLockError::Error(cause)) => return Err(unusable(&path)(cause)),
        }
        let lock_file = path.join(LOCK_FILE);
        let directory = Self { path, _lock: lock };
        directory.announce(None).map_err(unusable(&lock_file))?;
        for needed in [directory.jobs(), directory.checkpoints()] {
            durable::create_directory(&needed).map_err(unusable(&needed))?;
        }
        for cleared in [directory.path.clone(), directory.jobs()] {
            durable::remove_drafts(&cleared).map_err(unusable(&cleared))?;
        }
        Ok(directory)
    }

    /// Writes into the lock file who uses the directory, and where it listens.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn announce(&self, listen: Option<String>) -> io::Result<()> {
        let owner = Owner { pid: std::process::id(), listen };
        let content = serde_json::to_vec(&owner)?;
        // In this order, so that whoever reads meanwhile does not find it empty.
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(self.path.join(LOCK_FILE))?;
        file.write_all_at(&content, 0)?;
        file.set_len(content.len() as u64)
    }

    /// The token for changes, made when there is none yet (mode 0600).
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn token(&self) -> Result<String, StateDirError> {
        let path = paths::token_file(&self.path);
        let unusable = |cause| StateDirError::Unusable { path: path.clone(), cause };
        match paths::read_token(&path) {
            Ok(token) => {
                let mode = fs::metadata(&path).map_err(unusable)?.permissions().mode();
                if mode & 0o077 != 0 {
                    tracing::warn!(file = %path.display(), "others can read the token; chmod 600 it");
                }
                return Ok(token);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(StateDirError::BadToken { path });
            }
            Err(error) => return Err(unusable(error)),
        }
        let token = format!("{:032x}{:032x}", rand::rng().random::<u128>(), rand::rng().random::<u128>());
        durable::replace(&path, format!("{token}\n").as_bytes()).map_err(unusable)?;
        Ok(token)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the overrides are.
    #[must_use]
    pub fn overrides(&self) -> PathBuf {
        self.path.join("overrides.json")
    }

    /// Where it is written where reconcile is paused.
    #[must_use]
    pub fn pauses(&self) -> PathBuf {
        self.path.join("reconcile.json")
    }

    /// Where it is written who did what.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.path.join("audit.jsonl")
    }

    /// Where the jobs are.
    #[must_use]
    pub fn jobs(&self) -> PathBuf {
        self.path.join("jobs")
    }

    /// Where one job's files are.
    #[must_use]
    pub fn job(&self, job: JobId) -> PathBuf {
        self.jobs().join(job.to_string())
    }

    /// Where checkpoints are, unless a job names another directory.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_kept_off_and_told_the_pid_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let first = StateDir::open(Some(home.path().join("deep/er"))).unwrap();
        first.announce(Some("127.0.0.1:1".to_owned())).unwrap();
        let error = StateDir::open(Some(first.path().to_owned())).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        assert_eq!(Owner::of(first.path()).unwrap().listen.as_deref(), Some("127.0.0.1:1"));
    }

    #[test]
    fn the_token_is_made_once_and_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let directory = StateDir::open(Some(home.path().to_owned())).unwrap();
        let token = directory.token().unwrap();
        assert_eq!(directory.token().unwrap(), token);
        let file = paths::token_file(directory.path());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, "\n").unwrap();
        assert!(matches!(directory.token(), Err(StateDirError::BadToken { .. })));
    }
}
