//! Where reconcile is paused: the one file `reconcile.json`, written before a pause is answered, so that hands
//! that are off stay off after a crash. Clones share one value.

use crate::durable;
use ckpt_api::Pause;
use ckpt_clock::Clock;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// The format's number.
const SCHEMA: u32 = 1;
/// The file is never larger, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// The most pauses there can be.
const MOST: usize = 1_000;

/// The pauses, in memory and on disk.
#[derive(Debug, Clone)]
pub struct Pauses {
    path: Arc<Path>,
    clock: Clock,
    /// One change at a time.
    writing: Arc<Mutex<()>>,
    durable: watch::Sender<Vec<Pause>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: u32,
    pauses: Vec<Pause>,
}

/// Why the file cannot be used. It is never ignored: ckptd would act where it was told not to.
#[derive(Debug, thiserror::Error)]
#[error("cannot read where reconcile is paused from {path}: {cause}; repair the file, or delete it to let reconcile run everywhere", path = .path.display())]
pub struct PausesError {
    /// The file.
    path: PathBuf,
    /// Why.
    #[source]
    cause: io::Error,
}

/// Why a pause could not be made or ended. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[error("it could not be stored, so nothing was changed: {0}")]
pub struct NotStored(#[from] io::Error);

impl Pauses {
    /// Reads the file at `path`; a missing one holds nothing.
    ///
    /// # Errors
    /// [`PausesError`] when it is damaged.
    pub fn open(path: PathBuf, clock: Clock) -> Result<Self, PausesError> {
        let pauses = load(&path).map_err(|cause| PausesError { path: path.clone(), cause })?;
        let durable = watch::Sender::new(pauses);
        Ok(Self { path: path.into(), clock, writing: Arc::default(), durable })
    }

    /// All of them, the one for every cluster first.
    #[must_use]
    pub fn all(&self) -> Vec<Pause> {
        self.durable.borrow().clone()
    }

    /// The one that holds for a cluster.
    #[must_use]
    pub fn of(&self, cluster: &str) -> Option<Pause> {
        let pauses = self.durable.borrow();
        pauses.iter().find(|pause| pause.cluster.as_deref().is_none_or(|name| name == cluster)).cloned()
    }

    /// Pauses a cluster, or all of them. One that is paused already stays so since then, for the new reason.
    ///
    /// # Errors
    /// [`NotStored`].
    pub async fn pause(&self, cluster: Option<String>, reason: Option<String>) -> Result<(), NotStored> {
        self.change(|pauses| {
            if let Some(known) = pauses.iter_mut().find(|pause| pause.cluster == cluster) {
                known.reason = reason.or(known.reason.take());
            } else {
                pauses.push(Pause { cluster, since: self.clock.wall_millis(), reason });
                pauses.sort_by(|one, other| one.cluster.cmp(&other.cluster));
            }
        })
        .await
    }

    /// Ends the pause of a cluster, or all pauses.
    ///
    /// # Errors
    /// [`NotStored`].
    pub async fn resume(&self, cluster: Option<&str>) -> Result<(), NotStored> {
        self.change(|pauses| {
            pauses.retain(|pause| cluster.is_some_and(|name| pause.cluster.as_deref() != Some(name)));
        })
        .await
    }

    /// Resolves when something was paused or resumed.
    pub fn changes(&self) -> watch::Receiver<Vec<Pause>> {
        self.durable.subscribe()
    }

    async fn change(&self, change: impl FnOnce(&mut Vec<Pause>)) -> Result<(), NotStored> {
        let _turn = self.writing.lock().await;
        let before = self.all();
        let mut pauses = before.clone();
        change(&mut pauses);
        if pauses == before {
            return Ok(());
        }
        if pauses.len() > MOST {
            return Err(io::Error::other(format!("there are {MOST} pauses already")).into());
        }
        let document = Document { schema: SCHEMA, pauses };
        let mut content = serde_json::to_vec_pretty(&document).map_err(io::Error::from)?;
        content.push(b'\n');
        let path = Arc::clone(&self.path);
        let written = tokio::task::spawn_blocking(move || durable::replace(&path, &content)).await;
        written.map_err(io::Error::other)??;
        self.durable.send_replace(document.pauses);
        Ok(())
    }
}

fn load(path: &Path) -> io::Result<Vec<Pause>> {
    let content = match durable::read_limited(path, LARGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        content => content?,
    };
    let Document { schema, pauses } = serde_json::from_slice(&content)?;
    match schema {
        SCHEMA => Ok(pauses),
        other => {
            Err(io::Error::other(format!("it has schema {other}, and this ckptd reads schema {SCHEMA}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_is_there_after_a_restart_and_ends_when_it_is_resumed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("reconcile.json");
        let pauses = Pauses::open(path.clone(), Clock::start()).unwrap();
        assert_eq!(pauses.of("prod"), None);
        pauses.pause(Some("prod".to_owned()), Some("hands off".to_owned())).await.unwrap();
        let again = Pauses::open(path.clone(), Clock::start()).unwrap();
        assert_eq!(again.of("prod").unwrap().reason.as_deref(), Some("hands off"));
        assert_eq!(again.of("test"), None);
        again.pause(None, None).await.unwrap();
        assert_eq!(again.of("test").unwrap().cluster, None);
        again.resume(Some("prod")).await.unwrap();
        assert_eq!(again.all().len(), 1, "the one for all is another one");
        again.resume(None).await.unwrap();
        assert_eq!(Pauses::open(path, Clock::start()).unwrap().all(), []);
    }

    #[tokio::test]
    async fn what_cannot_be_stored_or_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("gone/reconcile.json");
        let pauses = Pauses::open(path, Clock::start()).unwrap();
        let refused = pauses.pause(None, None).await.unwrap_err().to_string();
        assert!(refused.contains("nothing was changed"), "{refused}");
        assert_eq!(pauses.all(), []);
        for damaged in ["", "{\"schema\": 2, \"pauses\": []}", "{\"schema\": 1}"] {
            let path = home.path().join("reconcile.json");
            std::fs::write(&path, damaged).unwrap();
            let refused = Pauses::open(path, Clock::start()).unwrap_err().to_string();
            assert!(refused.contains("reconcile.json") && refused.contains("delete it"), "{refused}");
        }
    }
}
