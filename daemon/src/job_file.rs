//! A job as it is submitted: a TOML file, parsed whole into types that cannot be wrong. A mistake is
//! named with its line and column.
//!
//! | module | holds |
//! |---|---|
//! | `raw` | the shape of the file |

mod raw;

use ckpt_coordinator::config::SubmittedConfig;
use ckpt_types::ids::{Subtask, VertexId};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// The most subtasks of one job.
pub const MAX_SUBTASKS: u32 = 10_000;
/// How long a process that holds subtasks may be silent, unless the job says otherwise.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest time that a job may say.
pub(crate) const SHORTEST_HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(100);
/// The longest one.
pub(crate) const LONGEST_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3_600);

/// A mistake in a job file.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct JobFileError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The error of a parser that found it.
    #[source]
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl JobFileError {
    /// A mistake that the TOML parser found in `text`.
    pub(crate) fn from_toml(text: &str, error: toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        at(text, start, error.message()).caused_by(error)
    }

    /// Keeps the error that led to it; the message contains it already.
    pub(crate) fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Box::new(cause)), ..self }
    }
}

/// A job as submitted.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// Its vertices, in the order of the flow.
    pub vertices: Vec<VertexSpec>,
    /// Its checkpointing.
    pub checkpointing: SubmittedConfig,
    /// Where its checkpoints go, unless it is below the state directory.
    pub directory: Option<PathBuf>,
    /// How long it waits before it restarts after a failure.
    pub restart_delay: Duration,
    /// Who its tasks are.
    pub tasks: Tasks,
}

/// Who the tasks of a job are.
#[derive(Debug, Clone, PartialEq)]
pub enum Tasks {
    /// Simulated ones.
    Rehearsal(Rehearsal),
    /// Programs that come and claim them.
    Programs {
        /// One that is not heard of for this long is lost.
        heartbeat_timeout: Duration,
    },
}

/// A vertex of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VertexSpec {
    /// Its id, made of its place and name.
    pub id: VertexId,
    /// Its name.
    pub name: String,
    /// How many subtasks it has.
    pub parallelism: u32,
}

/// How the tasks of a rehearsal behave.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// How much each subtask stores for a checkpoint, in bytes.
    pub size: u64,
    /// How fast it stores it, in bytes a second.
    pub speed: u64,
    /// Which ones behave otherwise, and when; the last one that matches holds.
    pub faults: Vec<Fault>,
}

/// A subtask that behaves otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Which vertex; `None` for all.
    pub vertex: Option<VertexId>,
    /// Which of its subtasks; `None` for all.
    pub subtask: Option<u32>,
    /// From this checkpoint on.
    pub from: u64,
    /// Until this checkpoint, this one included.
    pub to: u64,
    /// Only for checkpoints whose number is a multiple of this.
    pub every: u64,
    /// What it does.
    pub kind: FaultKind,
}

/// What a faulty subtask does.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// It stores at another speed, in bytes a second.
    Straggler {
        /// That speed.
        speed: u64,
    },
    /// It declines.
    Decline,
    /// It never answers.
    Hang,
}

impl JobSpec {
    /// Parses a job file.
    ///
    /// # Errors
    /// [`JobFileError`] for the first mistake.
    pub fn parse(text: &str) -> Result<Self, JobFileError> {
        let file: raw::File = toml::from_str(text).map_err(|error| JobFileError::from_toml(text, error))?;
        file.check().map_err(|(start, message)| at(text, start, &message))
    }

    /// Its vertices' ids and how many subtasks each has.
    #[must_use]
    pub fn graph(&self) -> Vec<(VertexId, u32)> {
        self.vertices.iter().map(|vertex| (vertex.id, vertex.parallelism)).collect()
    }

    /// How long a process that holds subtasks may be silent.
    #[must_use]
    pub fn heartbeat_timeout(&self) -> Duration {
        match self.tasks {
            Tasks::Rehearsal(_) => HEARTBEAT_TIMEOUT,
            Tasks::Programs { heartbeat_timeout } => heartbeat_timeout,
        }
    }

    /// The vertex with this name or id.
    #[must_use]
    pub fn vertex(&self, wanted: &str) -> Option<&VertexSpec> {
        let id = wanted.parse().ok();
        self.vertices.iter().find(|vertex| vertex.name == wanted || Some(vertex.id) == id)
    }

    /// The name of the vertex with this id; empty if there is none.
    #[must_use]
    pub fn vertex_name(&self, id: VertexId) -> &str {
        self.vertices.iter().find(|vertex| vertex.id == id).map_or("", |vertex| &vertex.name)
    }

    /// What to call a subtask in messages for people, such as `sink/7`.
    #[must_use]
    pub fn label(&self, subtask: Subtask) -> String {
        format!("{}/{}", self.vertex_name(subtask.vertex), subtask.index)
    }

    /// How many subtasks it has.
    #[must_use]
    pub fn subtasks(&self) -> u32 {
        self.vertices.iter().map(|vertex| vertex.parallelism).sum()
    }
}

/// The names of vertices, for a sentence that says which there are.
pub(crate) fn names(vertices: &[VertexSpec]) -> String {
    let names: Vec<_> = vertices.iter().map(|vertex| vertex.name.as_str()).collect();
    names.join(", ")
}

impl VertexSpec {
    fn new(place: usize, name: String, parallelism: u32) -> Self {
        let digest = Sha256::digest(format!("{place}\0{name}"));
        let mut bits = [0; 16];
        bits.copy_from_slice(&digest[..16]);
        Self { id: VertexId::from_bits(u128::from_be_bytes(bits)), name, parallelism }
    }
}

/// A mistake at this place of `text`.
pub(crate) fn at(text: &str, offset: usize, message: &str) -> JobFileError {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    JobFileError {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: message.replace('\n', "; "),
        cause: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../examples/job123.toml");

    #[test]
    fn the_example_is_what_it_says() {
        let job = JobSpec::parse(EXAMPLE).unwrap();
        assert_eq!((job.name.as_str(), job.subtasks()), ("job123", 20));
        assert_eq!(job.checkpointing.interval.unwrap().as_millis(), 15_000);
        assert_eq!(job.checkpointing.timeout.as_millis(), 10_000);
        assert_eq!(job.checkpointing.tolerable_failures, ckpt_coordinator::config::Tolerable::Unlimited);
        let Tasks::Rehearsal(rehearsal) = &job.tasks else { panic!("a rehearsal") };
        let [straggler] = rehearsal.faults.as_slice() else { panic!("one straggler") };
        let FaultKind::Straggler { speed } = straggler.kind else { panic!("a straggler") };
        assert_eq!(rehearsal.size / speed, 14, "seconds");
    }

    #[test]
    fn defaults_are_flinks() {
        let job =
            JobSpec::parse("name = 'a'\nvertices = [{name = 'v', parallelism = 1}]\n[rehearsal]\n").unwrap();
        assert_eq!(job.checkpointing, SubmittedConfig::default());
    }

    /// A minimal job with `checkpointing` and `rehearsal` lines put in; the lines start at 4 and at
    /// the line after `[rehearsal]`.
    fn job(checkpointing: &str, rehearsal: &str) -> String {
        format!(
            "name = 'a'\nvertices = [{{name = 'v', parallelism = 2}}]\n[checkpointing]\n{checkpointing}\n[rehearsal]\n{rehearsal}\n"
        )
    }

    fn programs(tasks: &str) -> String {
        format!("name = 'a'\nvertices = [{{name = 'v', parallelism = 2}}]\n[tasks]\n{tasks}\n")
    }

    #[test]
    fn programs_may_be_silent_for_as_long_as_the_job_says() {
        let silent = |text| JobSpec::parse(&programs(text)).unwrap().heartbeat_timeout();
        assert_eq!(silent(""), HEARTBEAT_TIMEOUT);
        assert_eq!(silent("heartbeat-timeout = '2s'"), Duration::from_secs(2));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let fault = |fields: &str| job("", &format!("faults = [{{{fields}}}]"));
        for (text, place, part) in [
            (String::new(), (1, 1), "missing field `name`"),
            ("name = \n".to_owned(), (1, 8), ""),
            ("nam = 'a'\n".to_owned(), (1, 1), "unknown field `nam`"),
            (job("interval = '20M'", ""), (4, 12), "'M' in '20M' is not a unit"),
            (job("interval = 20", ""), (4, 12), "a duration as a text, such as \"20m\""),
            (job("interval = '5ms'", ""), (4, 12), "too short"),
            (job("timeout = '9ms'", ""), (4, 11), "the shortest is 10ms"),
            (job("min-pause = '-1s'", ""), (4, 13), "negative"),
            (job("max-concurrent = 0", ""), (4, 18), "nonzero"),
            (job("tolerable-failures = -1", ""), (4, 22), "\"unlimited\""),
            (job("tolerable-failures = 'many'", ""), (4, 22), "\"unlimited\""),
            (job("retained = 0", ""), (4, 12), "nonzero"),
            (job("mode = 'twice'", ""), (4, 8), "exactly-once"),
            (job("unaligned = true", ""), (4, 1), "unknown field"),
            (job("directory = 'relative'", ""), (4, 13), "absolute"),
            (job("", "size = 'big'"), (6, 8), "a size"),
            (job("", "speed = '0 B/s'"), (6, 9), "more than zero"),
            (fault("vertex = 'w', kind = 'hang'"), (6, 21), "no vertex is named 'w'; there are: v"),
            (fault("vertex = 'v', subtask = 2, kind = 'hang'"), (6, 36), "'v' has the subtasks 0 to 1"),
            (fault("subtask = 7, kind = 'hang'"), (6, 22), "no vertex has a subtask 7"),
            (fault("kind = 'sleep'"), (6, 19), "straggler"),
            (fault("kind = 'straggler'"), (6, 11), "speed"),
            (fault("kind = 'hang', speed = '1kB/s'"), (6, 11), "only a straggler"),
            (fault("kind = 'hang', every = 0"), (6, 35), "nonzero"),
            ("name = 'a/b'\nvertices = []\n[rehearsal]".to_owned(), (1, 8), "slash"),
            ("name = '..'\nvertices = []\n[rehearsal]".to_owned(), (1, 8), "directory"),
            ("name = ''\nvertices = []\n[rehearsal]".to_owned(), (1, 8), "empty"),
            ("name = 'a\u{1b}'\nvertices = []\n[rehearsal]".to_owned(), (1, 10), ""),
            ("name = \"a\\u001b\"\nvertices = []\n[rehearsal]".to_owned(), (1, 8), "control"),
            (format!("name = '{:032}'\nvertices = []\n[rehearsal]", 0), (1, 8), "looks like an id"),
            ("name = 'a'\nvertices = []\n[rehearsal]".to_owned(), (2, 12), "at least one vertex"),
            (
                "name = 'a'\nvertices = [{name='v', parallelism=0}]\n[rehearsal]".to_owned(),
                (2, 36),
                "nonzero",
            ),
            (
                "name = 'a'\nvertices = [{name='v', parallelism=1}, {name='v', parallelism=1}]\n[rehearsal]"
                    .to_owned(),
                (2, 12),
                "two vertices are named 'v'",
            ),
            (
                "name = 'a'\nvertices = [{name='v', parallelism=99999}]\n[rehearsal]".to_owned(),
                (2, 12),
                "99999 subtasks",
            ),
            (
                "name = 'a'\nvertices = [{name = 'v', parallelism = 1}]\n".to_owned(),
                (1, 1),
                "neither [tasks] nor",
            ),
            (job("", "[tasks]"), (6, 1), "both [tasks] and [rehearsal]"),
            (programs("heartbeat-timeout = '99ms'"), (4, 21), "from 100ms to 1h"),
            (programs("heartbeat-timeout = '2h'"), (4, 21), "from 100ms to 1h"),
            (programs("heartbeat-timeout = 5"), (4, 21), "a duration as a text"),
            (programs("heartbeat = '5s'"), (4, 1), "unknown field"),
        ] {
            let error = JobSpec::parse(&text).unwrap_err();
            assert!(error.message.contains(part), "{text}\ngave {error}");
            assert_eq!((error.line, error.column), place, "{text}\ngave {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = JobSpec::parse(&text);
        }
    }
}
