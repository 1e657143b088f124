//! What Prometheus is told: counts that only rise, from ckptd's start, and how things are at the moment.
//!
//! | module | holds |
//! |---|---|
//! | `tally` | what is counted of one job's checkpoints |
//! | `witness` | the task that follows all jobs and counts |
//! | `requests` | what is counted of requests and changes |
//! | `scrape` | all of it at one moment, for an encoder |
//! | `families` | names, units and help of what is told |
//! | `text` | the two text formats |
//!
//! A scrape asks no cluster: it tells what was seen last, which for a job of Flink's is up to 10 s old, and 3 s
//! more since Flink keeps its answers for so long.

mod families;
mod requests;
mod scrape;
mod tally;
mod text;
mod witness;

pub use requests::Asked;
pub use text::Format;

use crate::clock::Clock;
use crate::overrides::{Key, OverrideStore};
use crate::pauses::Pauses;
use crate::registry::Registry;
use requests::Requests;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tally::Tally;

/// The most jobs that are told of; the others are counted as left out.
const MOST_JOBS: usize = 1_000;
/// The longest job or cluster name in a label, in characters.
const LONGEST_NAME: usize = 200;

/// What is counted. Clones share it; there is one in a ckptd.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// In milliseconds since the epoch.
    started_at: u64,
    requests: Requests,
    tallies: Mutex<HashMap<Key, Tally>>,
}

impl Inner {
    fn tallies(&self) -> MutexGuard<'_, HashMap<Key, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metrics {
    /// Metrics that count from now on.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            started_at: clock.wall_millis(),
            requests: Requests::default(),
            tallies: Mutex::default(),
        }))
    }

    /// Follows all jobs of a registry, for as long as that and this live.
    pub fn follow(&self, registry: &Arc<Registry>) {
        tokio::spawn(witness::follow(Arc::downgrade(&self.0), Arc::downgrade(registry)));
    }

    /// Counts a request that was answered.
    pub fn answered(&self, asked: &Asked) {
        self.0.requests.count(asked);
    }

    /// All that there is to tell now.
    pub async fn scrape(
        &self,
        registry: &Registry,
        overrides: &OverrideStore,
        pauses: &Pauses,
        format: Format,
    ) -> String {
        scrape::look(&self.0, registry, overrides, pauses).await.text(format)
    }
}

/// Labels of a series, in the order in which they are written.
type Labels = Vec<(&'static str, String)>;

/// The labels of a job. Prometheus calls what it scrapes `job`, so that is called as Flink's own reporter calls it.
fn of_job(key: &Key, name: &str) -> Labels {
    vec![("cluster", short(&key.cluster)), ("job_name", short(name)), ("job_id", key.job.to_string())]
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}
