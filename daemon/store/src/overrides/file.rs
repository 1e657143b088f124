//! The format of `overrides.json`.

use super::layers::{Layer, Layers};
use crate::durable::read_limited;
use ckpt_coordinator::config::{Override, SubmittedConfig};
use ckpt_types::bounds::{BoundsError, CheckpointInterval, CheckpointTimeout};
use ckpt_types::duration::Exact;
use ckpt_types::ids::{Identity, JobId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The format's number; it changes when an older ckptd could not read the file any more.
const SCHEMA: u32 = 1;
/// The number of a file in which a record has layers: whoever does not know them would let them never end.
const WITH_LAYERS: u32 = 2;
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
#[serde(try_from = "Written", into = "Written")]
pub struct Record {
    /// The job's name when it was changed, for people who read the file.
    pub name: String,
    /// Counts the changes; it rises through resets too, and when an override ends by itself.
    pub revision: u64,
    /// Instead of the submitted interval.
    pub interval: Layers,
    /// Instead of the submitted timeout.
    pub timeout: Layers,
    /// Why, as the author of the last change put it.
    pub reason: Option<String>,
    /// When, in milliseconds since the epoch.
    pub changed_at: u64,
    /// As the job was submitted, for jobs of Flink clusters: a change there overwrites what Flink shows.
    pub submitted: Option<Submitted>,
}

/// A record in the file: the values on top for people, and the layers where these do not say all.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    name: String,
    revision: u64,
    checkpoint_interval: Option<u64>,
    checkpoint_timeout: Option<u64>,
    reason: Option<String>,
    changed_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submitted: Option<Submitted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layers: Option<Both>,
}

/// The layers of both values, the lowest first.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Both {
    checkpoint_interval: Vec<Layer>,
    checkpoint_timeout: Vec<Layer>,
}

impl From<Record> for Written {
    fn from(record: Record) -> Self {
        let top = |layers: &Layers| layers.all().last().map(|layer| layer.value);
        let says_all = !record.has_layers();
        let Record { name, revision, interval, timeout, reason, changed_at, submitted } = record;
        Self {
            name,
            revision,
            checkpoint_interval: top(&interval),
            checkpoint_timeout: top(&timeout),
            reason,
            changed_at,
            submitted,
            layers: (!says_all).then(|| Both {
                checkpoint_interval: interval.all().to_vec(),
                checkpoint_timeout: timeout.all().to_vec(),
            }),
        }
    }
}

impl TryFrom<Written> for Record {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { name, revision, reason, changed_at, submitted, layers, .. } = written;
        let stack = |what: &str, top: Option<u64>, layers: Option<Vec<Layer>>| match layers {
            None => Ok(Layers::plain(top, reason.as_ref(), changed_at)),
            Some(layers) if layers.last().map(|layer| layer.value) != top => {
                Err(format!("the topmost layer of {what} is not the value that is given for it"))
            }
            Some(layers) => Layers::checked(layers).map_err(|why| format!("{what}: {why}")),
        };
        let (interval, timeout) =
            layers.map(|both| (both.checkpoint_interval, both.checkpoint_timeout)).unzip();
        let interval = stack("checkpointInterval", written.checkpoint_interval, interval)?;
        let timeout = stack("checkpointTimeout", written.checkpoint_timeout, timeout)?;
        Ok(Self { name, revision, interval, timeout, reason, changed_at, submitted })
    }
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
    /// Whether it stands in for anything that was submitted at `now`, in milliseconds since the epoch. A reset does not.
    #[must_use]
    pub fn is_override(&self, now: u64) -> bool {
        self.interval.value(now).is_some() || self.timeout.value(now).is_some()
    }

    /// Its values at `now`, in milliseconds since the epoch, and its revision, for a sentence.
    #[must_use]
    pub fn in_words(&self, now: u64) -> String {
        let value = |name: &str, layers: &Layers| {
            layers
                .value(now)
                .map(|millis| format!("{name} {}, ", Exact(Duration::from_millis(millis))))
                .unwrap_or_default()
        };
        format!(
            "{}{}revision {}",
            value("timeout", &self.timeout),
            value("interval", &self.interval),
            self.revision
        )
    }

    /// The override as it is at `now`, in milliseconds since the epoch: what has ended is none any more, though it may
    /// still be written down.
    ///
    /// # Errors
    /// [`BoundsError`] when a value is out of bounds, which no record of the store is.
    pub fn overridden(&self, now: u64) -> Result<Override, BoundsError> {
        Ok(Override {
            interval: self.interval.value(now).map(CheckpointInterval::from_millis).transpose()?,
            timeout: self.timeout.value(now).map(CheckpointTimeout::from_millis).transpose()?,
        })
    }

    /// Takes away what has ended. Whether there was something.
    pub(super) fn end(&mut self, now: u64) -> bool {
        let interval = self.interval.end(now);
        self.timeout.end(now) || interval
    }

    /// When the next layer ends, in milliseconds since the epoch.
    #[must_use]
    pub fn next_end(&self) -> Option<u64> {
        [&self.interval, &self.timeout].into_iter().filter_map(Layers::next_end).min()
    }

    /// Whether its layers say more than its other fields.
    fn has_layers(&self) -> bool {
        let plain = |layers: &Layers| {
            let value = layers.all().last().map(|layer| layer.value);
            *layers == Layers::plain(value, self.reason.as_ref(), self.changed_at)
        };
        !plain(&self.interval) || !plain(&self.timeout)
    }

    /// Whether every value in it is one.
    fn check(&self) -> Result<(), BoundsError> {
        for layer in self.interval.all() {
            CheckpointInterval::from_millis(layer.value)?;
        }
        for layer in self.timeout.all() {
            CheckpointTimeout::from_millis(layer.value)?;
        }
        match &self.submitted {
            Some(own) => own.put_into(&mut SubmittedConfig::default()),
            None => Ok(()),
        }
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
        #[source]
        cause: io::Error,
    },
    /// It is damaged.
    #[error("the overrides in {path} are damaged: {cause}; repair the file, or move it away to start without overrides", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        #[source]
        cause: DamageError,
    },
}

/// Damage of an override file.
#[derive(Debug, thiserror::Error)]
pub enum DamageError {
    /// A later ckptd wrote it.
    #[error("they have schema {0}, and this ckptd reads schema {SCHEMA} and {WITH_LAYERS}")]
    Schema(u32),
    /// It has another form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value is out of bounds.
    #[error("{record}: {cause}")]
    Bounds {
        /// The job and its cluster, as text.
        record: String,
        /// Which value.
        #[source]
        cause: BoundsError,
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
        let damaged = |cause| LoadError::Damaged { path: path.to_owned(), cause };
        // The number comes first: a later format need not parse as this one to be named.
        #[derive(Deserialize)]
        struct Numbered {
            schema: u32,
        }
        if let Ok(Numbered { schema }) = serde_json::from_slice(&content)
            && !(SCHEMA..=WITH_LAYERS).contains(&schema)
        {
            return Err(damaged(DamageError::Schema(schema)));
        }
        let document: Self = serde_json::from_slice(&content).map_err(|error| damaged(error.into()))?;
        for (cluster, jobs) in &document.clusters {
            for (job, record) in jobs {
                record.check().map_err(|cause| {
                    damaged(DamageError::Bounds { record: format!("job {job} of cluster {cluster}"), cause })
                })?;
            }
        }
        Ok(document)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let has_layers = self.clusters.values().flat_map(BTreeMap::values).any(Record::has_layers);
        let schema = if has_layers { WITH_LAYERS } else { SCHEMA };
        // Whatever it was read with.
        let written = Self { schema, clusters: self.clusters.clone() };
        let mut bytes = serde_json::to_vec_pretty(&written).unwrap_or_default();
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

    /// Those of which something has ended.
    pub(super) fn ended(&self, now: u64) -> Vec<Key> {
        let ended = |record: &Record| record.next_end().is_some_and(|until| until <= now);
        self.records().filter(|(_, record)| ended(record)).map(|(key, _)| key).collect()
    }

    /// When the next layer of any of them ends.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.records().filter_map(|(_, record)| record.next_end()).min()
    }

    fn records(&self) -> impl Iterator<Item = (Key, &Record)> {
        let of = |(cluster, jobs): (&String, _)| (cluster.clone(), jobs);
        self.clusters.iter().map(of).flat_map(|(cluster, jobs): (_, &BTreeMap<JobId, Record>)| {
            jobs.iter().map(move |(job, record)| (Key { cluster: cluster.clone(), job: *job }, record))
        })
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
    use std::error::Error;

    fn load(content: &str) -> Result<Document, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("overrides.json");
        std::fs::write(&path, content).unwrap();
        Document::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn load_error_keeps_source() {
        let home = tempfile::tempdir().unwrap();
        let error = Document::load(home.path()).unwrap_err();
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::IsADirectory), "{error}");
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

    const TEMPORARY: &str = r#"{
  "schema": 2,
  "$internal.job-checkpoint-overrides": {
    "hosted": {
      "0123456789abcdef0123456789abcdef": {
        "name": "job123",
        "revision": 4,
        "checkpointInterval": null,
        "checkpointTimeout": 1200000,
        "reason": "storage is slow",
        "changedAt": 1790000000000,
        "layers": {
          "checkpointInterval": [],
          "checkpointTimeout": [
            {
              "value": 600000,
              "until": null,
              "by": null,
              "reason": null,
              "since": 1780000000000
            },
            {
              "value": 1200000,
              "until": 1790014400000,
              "by": "ada@host",
              "reason": "storage is slow",
              "since": 1790000000000
            }
          ]
        }
      }
    }
  }
}
"#;

    #[test]
    fn the_format_of_schema_2_stays_readable() {
        let document = load(TEMPORARY).unwrap();
        assert_eq!(String::from_utf8(document.to_bytes()).unwrap(), TEMPORARY);
        assert_eq!(document.next_end(), Some(1_790_014_400_000));
        assert_eq!(document.ended(1_790_014_399_999), []);
        assert_eq!(document.ended(1_790_014_400_000).len(), 1);
    }

    #[test]
    fn damaged_layers_are_named_with_their_place() {
        for (from, to, part) in [
            ("\"value\": 1200000", "\"value\": 1200001", "topmost layer of checkpointTimeout"),
            ("\"until\": null", "\"until\": 1790000000000", "checkpointTimeout: a layer ends no later"),
            ("\"value\": 600000", "\"value\": 1", "0123456789abcdef of cluster hosted: 1ms is too short"),
            ("\"by\": \"ada@host\"", "\"who\": \"ada@host\"", "unknown field `who`"),
            ("\"checkpointInterval\": [],", "", "missing field `checkpointInterval`"),
        ] {
            assert!(TEMPORARY.contains(from));
            let error = load(&TEMPORARY.replace(from, to)).unwrap_err();
            assert!(error.contains(part) && error.contains("repair the file"), "{from} gave {error}");
        }
    }

    #[test]
    fn damage_is_named_with_its_place() {
        for (content, part) in [
            ("", "line 1 column 0"),
            ("{\"schema\": 1,\n \"$internal.job-ch", "line 2"),
            (r#"{"schema": 3, "future": true}"#, "schema 3"),
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
