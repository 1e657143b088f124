//! `_metadata`: what makes a directory a completed checkpoint or savepoint.

use crate::durable::{read_limited, with_path};
use ckpt_coordinator::Snapshot;
use ckpt_types::ids::{CheckpointId, JobId, Subtask, VertexId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The file's name.
pub(super) const METADATA: &str = "_metadata";
/// The highest number of a checkpoint, as in Flink.
pub(super) const HIGHEST: u64 = i64::MAX.unsigned_abs();
/// The format's number; it changes when an older ckptd could not read the file any more.
const SCHEMA: u32 = 1;
/// No metadata is larger, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The content of `_metadata`: which subtask stored what, where, and how large it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The format's number.
    pub schema: u32,
    /// The job.
    pub job_id: JobId,
    /// Its name.
    pub job_name: String,
    /// The checkpoint's number.
    pub checkpoint_id: CheckpointId,
    /// Whether it is a savepoint.
    pub savepoint: bool,
    /// When it was triggered, in milliseconds since the epoch.
    pub triggered_at: u64,
    /// When all had acknowledged, in milliseconds since the epoch.
    pub completed_at: u64,
    /// What was stored.
    pub subtasks: Vec<StoredSubtask>,
}

/// What one subtask stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSubtask {
    /// Its vertex.
    pub vertex: VertexId,
    /// That vertex's name.
    pub vertex_name: String,
    /// Its place in the vertex.
    pub index: u32,
    /// The file, relative to the checkpoint's directory.
    pub location: String,
    /// The file's size, in bytes.
    pub bytes: u64,
}

/// A completed checkpoint to start from.
#[derive(Debug, Clone)]
pub(super) struct RestorePoint {
    pub(super) checkpoint: CheckpointId,
    /// Whether it is the savepoint that the job was submitted with.
    pub(super) savepoint: bool,
    pub(super) directory: PathBuf,
    pub(super) snapshots: BTreeMap<Subtask, Snapshot>,
}

impl Metadata {
    pub(super) fn new(job: JobId, name: &str, id: CheckpointId) -> Self {
        Self {
            schema: SCHEMA,
            job_id: job,
            job_name: name.to_owned(),
            checkpoint_id: id,
            savepoint: false,
            triggered_at: 0,
            completed_at: 0,
            subtasks: Vec::new(),
        }
    }

    /// Reads the metadata in `directory`, and makes sure that all that it names is there.
    pub(super) fn load(directory: &Path) -> io::Result<Self> {
        let damaged = |cause: String| io::Error::new(io::ErrorKind::InvalidData, cause);
        let file = directory.join(METADATA);
        let named = |error| with_path(Path::new(METADATA), error);
        if !fs::metadata(&file).map_err(named)?.is_file() {
            return Err(named(damaged("it is no file".to_owned())));
        }
        let content = read_limited(&file, LARGEST).map_err(named)?;
        let metadata: Self = serde_json::from_slice(&content)
            .map_err(|error| named(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        if metadata.schema != SCHEMA {
            return Err(damaged(format!("{METADATA} has schema {}, not {SCHEMA}", metadata.schema)));
        }
        if !(1..HIGHEST).contains(&metadata.checkpoint_id.0) {
            return Err(damaged(format!("{METADATA} has the number {}", metadata.checkpoint_id)));
        }
        metadata.check_files(directory)?;
        Ok(metadata)
    }

    /// Makes sure that all that was stored is in `directory`.
    pub(super) fn check_files(&self, directory: &Path) -> io::Result<()> {
        let damaged = |cause: String| io::Error::new(io::ErrorKind::InvalidData, cause);
        for stored in &self.subtasks {
            if !is_a_name(&stored.location) {
                return Err(damaged(format!(
                    "{METADATA} names a file elsewhere: {}",
                    stored.location.escape_debug()
                )));
            }
            let size = fs::metadata(directory.join(&stored.location)).map(|file| file.len());
            match size {
                Ok(size) if size == stored.bytes => {}
                Ok(size) => {
                    return Err(damaged(format!("{} has {size} of {} bytes", stored.location, stored.bytes)));
                }
                Err(error) => return Err(with_path(Path::new(&stored.location), error)),
            }
        }
        Ok(())
    }

    pub(super) fn restore_point(&self, directory: PathBuf) -> RestorePoint {
        let snapshots = self.subtasks.iter().map(|stored| {
            let subtask = Subtask { vertex: stored.vertex, index: stored.index };
            let location = stored.location.clone();
            (subtask, Snapshot { location, bytes: stored.bytes, ..Snapshot::default() })
        });
        let (checkpoint, snapshots) = (self.checkpoint_id, snapshots.collect());
        RestorePoint { checkpoint, savepoint: self.savepoint, directory, snapshots }
    }
}

/// Whether files are missing or not what they were, rather than a disk that does not answer well at the
/// moment.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidData
            | io::ErrorKind::FileTooLarge
    )
}

/// Whether it is the name of a file, and no way to elsewhere.
pub(super) fn is_a_name(location: &str) -> bool {
    let mut components = Path::new(location).components();
    matches!(components.next(), Some(Component::Normal(_))) && components.next().is_none()
}
