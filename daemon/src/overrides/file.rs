//! The format of `overrides.json`.

use crate::seam::Identity;
use crate::state_dir::read_limited;
use ckpt_coordinator::config::{Override, SubmittedConfig};
use ckpt_shared::bounds::{BoundsError, CheckpointInterval, CheckpointTimeout};
use ckpt_shared::duration::Exact;
use ckpt_shared::ids::JobId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The format's number; it changes when an older ckptd could not read the file any more.
const SCHEMA: u32 = 1;
/// No file with a human's overrides is larger, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Whose override it is: ids repeat across clusters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The cluster, `hosted` for ckptd's own jobs.
    pub cluster: String,
    /// The job.
    pub job: JobId,
}

impl Key {
    /// That of a job.
    #[must_use]
    pub fn of(job: &Identity) -> Self {
        Self { cluster: job.cluster.clone(), job: job.id }
    }
}

/// One job's override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The job's name when it was changed, for people who read the file.
    pub name: String,
    /// Counts the changes; it rises through resets too.
    pub revision: u64,
    /// Instead of the submitted interval, in milliseconds.
    pub checkpoint_interval: Option<u64>,
    /// Instead of the submitted timeout, in milliseconds.
    pub checkpoint_timeout: Option<u64>,
    /// Why, as its author put it.
    pub reason: Option<String>,
    /// When, in milliseconds since the epoch.
    pub changed_at: u64,
    /// As the job was submitted, for jobs of Flink clusters: a change there overwrites what Flink shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted: Option<Submitted>,
}

/// The two values as a job was submitted, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Submitted {
    /// `None` without periodic checkpoints.
    pub checkpoint_interval: Option<u64>,
    /// How long a checkpoint may take.
    pub checkpoint_timeout: u64,
}

impl Submitted {
    /// The two of these.
    #[must_use]
    pub fn of(config: &SubmittedConfig) -> Self {
        Self {
            checkpoint_interval: config.interval.map(|interval| interval.as_millis()),
            checkpoint_timeout: config.timeout.as_millis(),
        }
    }

    /// Puts the two into `config`.
    ///
    /// # Errors
    /// [`BoundsError`] when a value is out of bounds, which no record of the store is.
    pub fn put_into(&self, config: &mut SubmittedConfig) -> Result<(), BoundsError> {
        let interval = self.checkpoint_interval.map(CheckpointInterval::from_millis).transpose()?;
        config.timeout = CheckpointTimeout::from_millis(self.checkpoint_timeout)?;
        config.interval = interval;
        Ok(())
    }
}

impl Record {
    /// Whether it stands in for anything that was submitted, as a reset does not.
    #[must_use]
    pub fn is_override(&self) -> bool {
        self.checkpoint_interval.is_some() || self.checkpoint_timeout.is_some()
    }

    /// Its values and its revision, for a sentence.
    #[must_use]
    pub fn in_words(&self) -> String {
        let value = |name: &str, millis: Option<u64>| {
            millis
                .map(|millis| format!("{name} {}, ", Exact(Duration::from_millis(millis))))
                .unwrap_or_default()
        };
        let (timeout, interval) = (self.checkpoint_timeout, self.checkpoint_interval);
        format!("{}{}revision {}", value("timeout", timeout), value("interval", interval), self.revision)
    }

    /// The override itself.
    ///
    /// # Errors
    /// [`BoundsError`] when a value is out of bounds, which no record of the store is.
    pub fn overridden(&self) -> Result<Override, BoundsError> {
        Ok(Override {
            interval: self.checkpoint_interval.map(CheckpointInterval::from_millis).transpose()?,
            timeout: self.checkpoint_timeout.map(CheckpointTimeout::from_millis).transpose()?,
        })
    }
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    schema: u32,
    #[serde(rename = "$internal.job-checkpoint-overrides")]
    clusters: BTreeMap<String, BTreeMap<JobId, Record>>,
}

impl Default for Document {
    fn default() -> Self {
        Self { schema: SCHEMA, clusters: BTreeMap::new() }
    }
}

/// Why the file cannot be used. It is never ignored.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot read the overrides in {path}: {cause}; make the file readable, or move it away to start without overrides", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is damaged.
    #[error("the overrides in {path} are damaged: {cause}; repair the file, or move it away to start without overrides", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        cause: String,
    },
}

impl Document {
    /// Reads the file; a missing one holds nothing.
    pub(super) fn load(path: &Path) -> Result<Self, LoadError> {
        let content = match read_limited(path, LARGEST) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(LoadError::Unreadable { path: path.to_owned(), cause }),
        };
        let damaged = |cause: String| LoadError::Damaged { path: path.to_owned(), cause };
        // The number comes first: a later format need not parse as this one to be named.
        #[derive(Deserialize)]
        struct Numbered {
            schema: u32,
        }
        if let Ok(Numbered { schema }) = serde_json::from_slice(&content)
            && schema != SCHEMA
        {
            return Err(damaged(format!("they have schema {schema}, and this ckptd reads schema {SCHEMA}")));
        }
        let document: Self = serde_json::from_slice(&content).map_err(|error| damaged(error.to_string()))?;
        for (cluster, jobs) in &document.clusters {
            for (job, record) in jobs {
                let submitted = record.submitted.map(|own| own.put_into(&mut SubmittedConfig::default()));
                if let Err(error) = record.overridden().and(submitted.unwrap_or(Ok(()))) {
                    return Err(damaged(format!("job {job} of cluster {cluster}: {error}")));
                }
            }
        }
        Ok(document)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    pub(super) fn clusters(&self) -> Vec<String> {
        self.clusters.keys().cloned().collect()
    }

    pub(super) fn of_cluster(&self, cluster: &str) -> Vec<(JobId, Record)> {
        let jobs = self.clusters.get(cluster).into_iter().flatten();
        jobs.map(|(job, record)| (*job, record.clone())).collect()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Record> {
        self.clusters.get(&key.cluster)?.get(&key.job)
    }

    pub(super) fn insert(&mut self, key: &Key, record: Record) {
        self.clusters.entry(key.cluster.clone()).or_default().insert(key.job, record);
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Record> {
        let jobs = self.clusters.get_mut(&key.cluster)?;
        let record = jobs.remove(&key.job);
        if jobs.is_empty() {
            self.clusters.remove(&key.cluster);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(content: &str) -> Result<Document, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("overrides.json");
        std::fs::write(&path, content).unwrap();
        Document::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_format_of_schema_1_stays_readable() {
        let file = r#"{
  "schema": 1,
  "$internal.job-checkpoint-overrides": {
    "hosted": {
      "0123456789abcdef0123456789abcdef": {
        "name": "job123",
        "revision": 3,
        "checkpointInterval": null,
        "checkpointTimeout": 1200000,
        "reason": "storage is slow",
        "changedAt": 1790000000000
      }
    }
  }
}
"#;
        let document = load(file).unwrap();
        assert_eq!(String::from_utf8(document.to_bytes()).unwrap(), file);
    }

    #[test]
    fn damage_is_named_with_its_place() {
        for (content, part) in [
            ("", "line 1 column 0"),
            ("{\"schema\": 1,\n \"$internal.job-ch", "line 2"),
            (r#"{"schema": 2, "future": true}"#, "schema 2"),
            (r#"{"schema": 1, "$internal.job-checkpoint-overrides": {}, "more": 1}"#, "unknown field `more`"),
            (
                r#"{"schema": 1, "$internal.job-checkpoint-overrides": {"hosted": {"0123456789abcdef0123456789abcdef":
                {"name": "x", "revision": 1, "checkpointInterval": 1, "checkpointTimeout": null, "reason": null, "changedAt": 1}}}}"#,
                "0123456789abcdef0123456789abcdef of cluster hosted: 1ms is too short",
            ),
        ] {
            let error = load(content).unwrap_err();
            assert!(error.contains(part) && error.contains("overrides.json"), "{content:?} gave {error}");
        }
    }
}
