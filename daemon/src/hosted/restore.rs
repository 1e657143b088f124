//! What a job is restored from: the newest checkpoint of its own, or, as long as it has none, the savepoint
//! that it was submitted with.

use super::files::{CheckpointFiles, Found};
use super::metadata::{METADATA, Metadata, RestorePoint};
use super::places::local_path;
use crate::durable::with_path;
use crate::job_file::{JobSpec, VertexSpec, names};
use ckpt_types::ids::{Subtask, VertexId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// The file in a job's directory that names its savepoint.
pub(super) const FROM_SAVEPOINT_FILE: &str = "from-savepoint.json";
/// The format's number.
const SCHEMA: u32 = 1;

/// The savepoint, or retained checkpoint, that a job was submitted with; the content of `from-savepoint.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromSavepoint {
    schema: u32,
    /// Its directory.
    directory: PathBuf,
}

/// Why a job cannot start from a savepoint.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// It is not there, or not whole.
    #[error(transparent)]
    Damaged(Box<dyn Error + Send + Sync>),
    /// It is another kind of job's.
    #[error("{0}")]
    DoesNotFit(String),
}

/// Failure to restore the savepoint of a job that was submitted with one.
#[derive(Debug, thiserror::Error)]
#[error("the savepoint that the job starts from cannot be restored: {0}; bring it back, or cancel the job")]
struct RestoreError(#[source] Unfit);

impl FromSavepoint {
    /// The savepoint with this directory or `_metadata`, as a path or a `file:` URI.
    ///
    /// # Errors
    /// What is wrong with the text, to be put behind it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut directory = local_path(text)?;
        if directory.file_name().is_some_and(|name| name == METADATA) {
            directory.pop();
        }
        Ok(Self { schema: SCHEMA, directory })
    }

    /// Reads the content of its file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn from_json(content: &[u8]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let from: Self = serde_json::from_slice(content)?;
        match from.schema {
            SCHEMA => Ok(from),
            other => Err(format!("it has schema {other}, not {SCHEMA}").into()),
        }
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What there is to restore for the job `spec`: all of the savepoint, or nothing.
    pub(super) fn restore_point(&self, spec: &JobSpec) -> Result<RestorePoint, Unfit> {
        let damaged = |error| Unfit::Damaged(with_path(&self.directory, error).into());
        let metadata = Metadata::load(&self.directory).map_err(damaged)?;
        let vertices = vertices(&metadata, &spec.vertices)?;
        let mut point = metadata.restore_point(self.directory.clone());
        // As in Flink, a retained checkpoint that a job is submitted with stands for a savepoint.
        point.savepoint = true;
        let ours = |(subtask, snapshot): (Subtask, _)| {
            let vertex = vertices.get(&subtask.vertex).copied().unwrap_or(subtask.vertex);
            (Subtask { vertex, ..subtask }, snapshot)
        };
        point.snapshots = point.snapshots.into_iter().map(ours).collect();
        Ok(point)
    }
}

/// Which vertex of the job each vertex of a savepoint is: the one with its id, or else with its name.
/// Vertices that are new start from nothing.
fn vertices(metadata: &Metadata, job: &[VertexSpec]) -> Result<BTreeMap<VertexId, VertexId>, Unfit> {
    let mut stored: BTreeMap<VertexId, (&str, BTreeSet<u32>)> = BTreeMap::new();
    for subtask in &metadata.subtasks {
        let (name, indices) = stored.entry(subtask.vertex).or_insert((&subtask.vertex_name, BTreeSet::new()));
        if !indices.insert(subtask.index) {
            return Err(Unfit::Damaged(
                format!("subtask {} of '{name}' is in it twice", subtask.index).into(),
            ));
        }
    }
    let mut found = BTreeMap::new();
    for (id, (name, indices)) in stored {
        let by_id = job.iter().find(|vertex| vertex.id == id);
        let found_one = by_id.or_else(|| job.iter().find(|vertex| vertex.name == name));
        let name = name.escape_debug();
        let Some(vertex) = found_one else {
            return Err(Unfit::DoesNotFit(format!(
                "it has state of a vertex '{name}', which the job does not have; the job has: {}",
                names(job)
            )));
        };
        let parallelism = indices.len();
        if (0..).zip(&indices).any(|(expected, index)| expected != *index) {
            return Err(Unfit::Damaged(format!("not all subtasks of '{name}' are in it").into()));
        }
        if usize::try_from(vertex.parallelism) != Ok(parallelism) {
            return Err(Unfit::DoesNotFit(format!(
                "its vertex '{name}' has parallelism {parallelism} and the job's has {}; state is not rescaled, so \
                 submit the job with parallelism {parallelism} there",
                vertex.parallelism
            )));
        }
        if found.values().any(|other| *other == vertex.id) {
            return Err(Unfit::DoesNotFit(format!("two of its vertices are '{name}' in the job")));
        }
        found.insert(id, vertex.id);
    }
    Ok(found)
}

/// Looks for what a job starts from.
pub(super) fn look(
    files: &CheckpointFiles,
    from: Option<&FromSavepoint>,
    spec: &JobSpec,
) -> io::Result<Found> {
    let mut found = files.scan()?;
    if let (Some(from), true) = (from, found.completed.is_empty()) {
        let lost = |unfit| io::Error::new(io::ErrorKind::InvalidData, RestoreError(unfit));
        let point = from.restore_point(spec).map_err(lost)?;
        found.next_id = found.next_id.max(point.checkpoint.next());
        found.newest = Some(point);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::metadata::StoredSubtask;
    use super::*;
    use ckpt_types::ids::CheckpointId;

    const JOB: &str =
        "name = 'a'\nvertices = [{name = 'v', parallelism = 2}, {name = 'w', parallelism = 1}]\n[rehearsal]";

    fn saved(subtasks: &[(&str, u32)]) -> Metadata {
        // The ids are those of another place in the flow, so that names have to do.
        let mut metadata =
            Metadata::new("0123456789abcdef0123456789abcdef".parse().unwrap(), "old", CheckpointId(7));
        metadata.subtasks = subtasks
            .iter()
            .map(|(name, index)| StoredSubtask {
                vertex: VertexId::from_bits(name.bytes().map(u128::from).sum()),
                vertex_name: (*name).to_owned(),
                index: *index,
                location: format!("{name}-{index}"),
                bytes: 1,
            })
            .collect();
        metadata
    }

    fn fit(subtasks: &[(&str, u32)]) -> Result<Vec<String>, Unfit> {
        let job = JobSpec::parse(JOB).unwrap();
        let name = |id: VertexId| job.vertices.iter().find(|vertex| vertex.id == id).unwrap().name.clone();
        Ok(vertices(&saved(subtasks), &job.vertices)?.into_values().map(name).collect())
    }

    #[test]
    fn vertices_are_found_by_name_and_new_ones_start_from_nothing() {
        assert_eq!(fit(&[("v", 1), ("v", 0)]).unwrap(), ["v"]);
        assert_eq!(fit(&[("w", 0), ("v", 0), ("v", 1)]).unwrap(), ["v", "w"]);
        assert!(fit(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_fit_or_is_not_whole_is_refused() {
        let refused = |subtasks: &[(&str, u32)], damaged: bool, part: &str| {
            let why = match (fit(subtasks), damaged) {
                (Err(Unfit::Damaged(why)), true) => why.to_string(),
                (Err(Unfit::DoesNotFit(why)), false) => why,
                (other, _) => panic!("{other:?}"),
            };
            assert!(why.contains(part), "{why}");
        };
        refused(&[("x", 0)], false, "'x', which the job does not have; the job has: v, w");
        refused(&[("w", 0), ("w", 1)], false, "parallelism 2 and the job's has 1");
        refused(&[("v", 0)], false, "parallelism 1 and the job's has 2");
        refused(&[("v", 0), ("v", 2)], true, "not all subtasks");
        refused(&[("v", 0), ("v", 0)], true, "twice");
    }

    #[test]
    fn a_savepoint_is_named_by_its_directory_or_its_metadata() {
        let directory = FromSavepoint::parse("/s/savepoint-1").unwrap();
        for same in ["file:/s/savepoint-1/_metadata", "/s/savepoint-1/", "file:///s/savepoint-1"] {
            assert_eq!(FromSavepoint::parse(same).as_ref(), Ok(&directory), "{same}");
        }
        assert!(FromSavepoint::parse("savepoint-1").is_err());
        let json = serde_json::to_vec(&directory).unwrap();
        assert_eq!(FromSavepoint::from_json(&json).unwrap(), directory);
        assert!(FromSavepoint::from_json(br#"{"schema": 2, "directory": "/s"}"#).is_err());
    }
}
