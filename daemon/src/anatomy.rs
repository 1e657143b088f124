//! A job's checkpoints, subtask by subtask: what a diagnosis and an estimate rest on.

use ckpt_types::ids::{CheckpointId, VertexId};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Longest wait for a breakdown that may be a little old.
pub const CACHED_LIMIT: Duration = Duration::from_millis(300);
/// The most subtasks of a job whose checkpoints are looked at subtask by subtask.
pub const MAX_SUBTASKS: usize = 20_000;

/// Subtasks of a job up to which work on them is done where it is asked for: that takes about 10 ms.
const MAX_AT_HAND: usize = 2_000;

/// A job's checkpoints, subtask by subtask. Those of a large job are megabytes, which clones share.
#[derive(Debug, Clone, Default)]
pub struct Anatomy {
    /// The vertices, in the order of the flow.
    pub vertices: Vec<VertexAnatomy>,
    /// The checkpoints in flight.
    pub in_flight: Vec<Arc<CheckpointAnatomy>>,
    /// Those that have ended, the oldest first.
    pub ended: Vec<Arc<CheckpointAnatomy>>,
    /// What could not be found out, and why.
    pub warnings: Vec<String>,
}

/// A vertex, apart from any checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VertexAnatomy {
    /// Its id.
    pub id: VertexId,
    /// Its name.
    pub name: String,
    /// How many subtasks it has.
    pub subtasks: usize,
    /// Where they run, as far as is known.
    pub hosts: Vec<Option<String>>,
    /// How much they are held back, as far as is known.
    pub backpressure: Backpressure,
}

/// How much a vertex is held back by those downstream of it: `ok`, `low` or `high`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backpressure {
    /// All of it.
    pub whole: Option<String>,
    /// Its subtasks.
    pub subtasks: Vec<Option<String>>,
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointAnatomy {
    /// Its number.
    pub id: CheckpointId,
    /// When it was triggered, in milliseconds since the epoch, on its cluster's clock.
    pub triggered_at: i64,
    /// Whether it is a savepoint.
    pub savepoint: bool,
    /// Whether it completed.
    pub completed: bool,
    /// From its trigger until its end; of one in flight until what is known of its subtasks was true.
    pub lasted: Duration,
    /// What each subtask said, by vertex; `None` when that is not known.
    pub subtasks: Option<Vec<Vec<Option<SubtaskTimes>>>>,
}

/// How long a subtask took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubtaskTimes {
    /// From the trigger until it acknowledged.
    pub took: Duration,
    /// Its synchronous part.
    pub sync: Duration,
    /// Its asynchronous part.
    pub asynchronous: Duration,
    /// Its alignment.
    pub alignment: Duration,
    /// From the trigger until the barrier reached it.
    pub start_delay: Duration,
}

impl VertexAnatomy {
    /// A vertex of which nothing more is known.
    #[must_use]
    pub fn new(id: VertexId, name: String, subtasks: usize) -> Self {
        Self { id, name, subtasks, hosts: Vec::new(), backpressure: Backpressure::default() }
    }
}

impl Anatomy {
    /// The sizes of the vertices.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        self.vertices.iter().map(|vertex| vertex.subtasks).collect()
    }

    /// How many subtasks there are.
    #[must_use]
    pub fn subtasks(&self) -> usize {
        self.vertices.iter().map(|vertex| vertex.subtasks).sum()
    }

    /// A checkpoint in flight.
    #[must_use]
    pub fn of(&self, id: CheckpointId) -> Option<&CheckpointAnatomy> {
        self.in_flight.iter().map(Arc::as_ref).find(|checkpoint| checkpoint.id == id)
    }
}

/// Flink's milliseconds; what is negative is not known.
#[must_use]
pub fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Does work on so many subtasks, on another thread if there are many. `None` when ckptd is about to end.
pub(crate) async fn off_thread_if_large<T: Send + 'static>(
    subtasks: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    match subtasks {
        0..=MAX_AT_HAND => Some(work()),
        _ => match spawn_blocking(work).await {
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            done => done.ok(),
        },
    }
}
