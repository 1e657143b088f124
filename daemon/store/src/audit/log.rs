//! The one task that writes the audit log. What comes together shares a write, and its `fsync`.

use super::Settings;
use super::files::Files;
use super::line::{Ending, Line};
use super::read::{self, Query};
use crate::LOG_TARGET;
use crate::durable::WriteError;
use crate::overrides::{Key, Layers, OverrideStore, Record};
use ckpt_api::{Audit, AuditAction, AuditAsked, AuditEntry, AuditResult, AuditStep};
use ckpt_clock::Clock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// The most lines that wait, and that share a write.
const MOST_WAITING: usize = 1_024;
/// How many read it at once.
const MOST_READERS: usize = 4;
/// How many of the newest entries are looked at for some that have no end.
const LOOKED_AT: usize = 4_096;

/// How long the answer to something that was refused waits for its lines.
const REFUSAL_LIMIT: Duration = Duration::from_secs(2);

/// It could not be written, so nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the change could not be written to the audit log, so nothing was changed: {0}")]
pub struct NotWritten(#[source] WriteError);

type Written = oneshot::Sender<Result<(), WriteError>>;

/// The audit log. Clones share one.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: Arc<Path>,
    clock: Clock,
    lines: mpsc::Sender<(Vec<u8>, Written)>,
    readers: Arc<Semaphore>,
}

/// Something that was written down as asked for, and has to be given an end.
#[derive(Debug)]
#[must_use = "it stays without an end"]
pub struct Begun {
    id: String,
    log: AuditLog,
}

impl AuditLog {
    /// Starts the task that appends to the file at `path`, which ends with the last clone.
    #[must_use]
    pub fn open(path: PathBuf, settings: Settings, clock: Clock) -> Self {
        let (lines, waiting) = mpsc::channel(MOST_WAITING);
        let own = path.clone();
        tokio::spawn(write_what_comes(move || Files::new(own.clone(), settings), waiting));
        Self { path: path.into(), clock, lines, readers: Arc::new(Semaphore::new(MOST_READERS)) }
    }

    /// Writes down what is asked for, durably and before it is done.
    ///
    /// # Errors
    /// [`NotWritten`]; it must not be done then.
    pub async fn begin(&self, asked: AuditAsked) -> Result<Begun, NotWritten> {
        let id = format!("{:016x}", rand::random::<u64>());
        self.write(&[Line::Asked { id: id.clone(), asked }]).await.map_err(NotWritten)?;
        Ok(Begun { id, log: self.clone() })
    }

    /// Writes down what was refused before anything was done. Nothing hangs on it: a disk that does not answer takes
    /// it when it does.
    pub async fn refused(&self, asked: AuditAsked, why: String) {
        let id = format!("{:016x}", rand::random::<u64>());
        let ending = Ending::with(AuditResult::Refused, Some(why));
        let lines =
            [Line::Asked { id: id.clone(), asked }, Line::Ended { id, at: self.clock.wall_millis(), ending }];
        match timeout(REFUSAL_LIMIT, self.write(&lines)).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => {
                tracing::error!(target: LOG_TARGET, %cause, "what was refused cannot be written to the audit log");
            }
            Err(_) => {
                tracing::warn!(target: LOG_TARGET, "what was refused is not in the audit log yet: the disk does not answer");
            }
        }
    }

    /// Gives an end to what an earlier ckptd had begun, as far as what is stored tells it.
    pub async fn close_what_was_begun(&self, overrides: &OverrideStore) {
        let query = Query { limit: LOOKED_AT, ..Query::default() };
        let begun = match self.read(query).await {
            Ok(Audit { entries, .. }) => entries.into_iter().filter(|entry| entry.outcome.is_none()),
            Err(error) => {
                tracing::error!(target: LOG_TARGET, %error, "the audit log cannot be read");
                return;
            }
        };
        let ended = |AuditEntry { id, asked, .. }| {
            let ending = what_came_of(&asked, overrides);
            Line::Ended { id, at: self.clock.wall_millis(), ending }
        };
        let lines: Vec<_> = begun.map(ended).collect();
        if !lines.is_empty()
            && let Err(cause) = self.write(&lines).await
        {
            tracing::error!(target: LOG_TARGET, %cause, "what an earlier ckptd had begun cannot be given an end in the audit log");
        }
    }

    /// Reads it, the newest first.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn read(&self, query: Query) -> io::Result<Audit> {
        let _turn = self.readers.acquire().await.map_err(io::Error::other)?;
        let path = Arc::clone(&self.path);
        tokio::task::spawn_blocking(move || read::read(&path, &query)).await.map_err(io::Error::other)?
    }

    async fn write(&self, lines: &[Line]) -> Result<(), WriteError> {
        let bytes = lines.iter().flat_map(Line::to_bytes).collect();
        let (answer, answered) = oneshot::channel();
        self.lines.try_send((bytes, answer)).map_err(|_| WriteError::QueueFull)?;
        answered.await.unwrap_or(Err(WriteError::ShuttingDown))
    }
}

impl Begun {
    /// Writes down what came of it, durably.
    ///
    /// # Errors
    /// Why that failed; what was done is done.
    pub async fn end(self, ending: Ending) -> Result<(), WriteError> {
        let Self { id, log } = self;
        let at = log.clock.wall_millis();
        log.write(&[Line::Ended { id, at, ending }]).await
    }
}

/// What is stored tells what came of a change whose ckptd ended.
fn what_came_of(asked: &AuditAsked, overrides: &OverrideStore) -> Ending {
    let unknown = || {
        let why = "ckptd ended before it was known what came of it";
        Ending::with(AuditResult::Unknown, Some(why.to_owned()))
    };
    let (Some(cluster), Some(job), Some(revision)) = (asked.cluster.clone(), asked.job_id, asked.revision)
    else {
        return unknown();
    };
    let key = Key { cluster, job };
    // A job without a record may have ended since.
    let Some(stored) = overrides.record(&key) else { return unknown() };
    match stored.revision.cmp(&revision) {
        std::cmp::Ordering::Less => {
            Ending::with(AuditResult::Refused, Some("ckptd ended before it was stored".to_owned()))
        }
        std::cmp::Ordering::Equal if is_made_of(&stored, asked) => Ending::with(
            AuditResult::Stored,
            Some("ckptd ended after it was stored; whether it was in force is not known".to_owned()),
        ),
        // Somebody else's change came first.
        std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => unknown(),
    }
}

/// Whether a record of the revision that was foreseen has what was asked for: of several who ask at once all foresee the
/// same revision.
fn is_made_of(record: &Record, asked: &AuditAsked) -> bool {
    let has = |layers: &Layers, step: Option<AuditStep>| match (step, layers.all().last()) {
        (Some(AuditStep { to, .. }), Some(top)) => {
            let is_theirs = asked.action != AuditAction::Change || top.by == asked.by;
            Some(top.value) == to && is_theirs
        }
        (_, None) | (None, _) => true,
    };
    let is_explained = asked.action == AuditAction::Expire || record.reason == asked.reason;
    is_explained && has(&record.interval, asked.interval) && has(&record.timeout, asked.timeout)
}

async fn write_what_comes(files: impl Fn() -> Files, mut waiting: mpsc::Receiver<(Vec<u8>, Written)>) {
    let mut opened = None;
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, MOST_WAITING).await > 0 {
        let (lines, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let mut own = opened.take().unwrap_or_else(&files);
        let written = tokio::task::spawn_blocking(move || {
            let written = own.append(&lines.concat());
            (own, written)
        });
        let written = match written.await {
            Ok((own, written)) => {
                opened = Some(own);
                written.map_err(WriteError::from)
            }
            Err(error) => Err(io::Error::other(error).into()),
        };
        if let Err(cause) = &written {
            tracing::error!(target: LOG_TARGET, %cause, "the audit log cannot be written");
        }
        for answer in answers {
            drop(answer.send(written.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::{Edit, IfMatch};
    use ckpt_api::{ConfigurationPatch, Field, HOSTED};
    use ckpt_coordinator::config::SubmittedConfig;
    use ckpt_types::ids::JobId;

    /// Both foresaw the same revision, and one of them made it before ckptd was killed.
    #[tokio::test]
    async fn of_two_who_asked_at_once_only_the_one_whose_change_is_there_is_said_to_have_made_it() {
        let home = tempfile::tempdir().unwrap();
        let overrides = OverrideStore::open(home.path().join("overrides.json"), Clock::start()).unwrap();
        let key = Key { cluster: HOSTED.to_owned(), job: JobId::from_bits(1) };
        let asked = |by: &str, to: u64, revision| AuditAsked {
            at: 1,
            action: AuditAction::Change,
            by: Some(by.to_owned()),
            from: None,
            cluster: Some(key.cluster.clone()),
            job_id: Some(key.job),
            name: Some("a".to_owned()),
            interval: None,
            timeout: Some(AuditStep { from: Some(600_000), to: Some(to) }),
            until: None,
            reason: Some("slow".to_owned()),
            revision: Some(revision),
        };
        let patch = ConfigurationPatch {
            timeout: Field::Set("20m".parse().unwrap()),
            reason: Some("slow".to_owned()),
            ..ConfigurationPatch::default()
        };
        let edit = Edit {
            key: key.clone(),
            name: "a".to_owned(),
            patch,
            if_match: IfMatch::Any,
            submitted: SubmittedConfig::default(),
            at: 1,
            until: None,
            by: Some("ada".to_owned()),
        };
        overrides.edit(edit).await.unwrap();
        for (by, to, revision, result) in [
            ("ada", 1_200_000, 1, AuditResult::Stored),
            ("bob", 1_200_000, 1, AuditResult::Unknown),
            ("ada", 900_000, 1, AuditResult::Unknown),
            ("ada", 900_000, 2, AuditResult::Refused),
        ] {
            let found = what_came_of(&asked(by, to, revision), &overrides).result;
            assert_eq!(found, result, "{by} {to} {revision}");
        }
    }
}
