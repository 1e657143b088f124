//! The task that counts the ended checkpoints of all jobs. A job's log tells when it has grown, and its sequence
//! numbers tell what was counted. Reading it asks no cluster.

use super::tally::Tally;
use super::{Inner, MOST_JOBS};
use crate::overrides::Key;
use crate::registry::{Job, JobChange, Registry};
use crate::seam::Freshness;
use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::WatchStream;

/// The interval at which all jobs are looked at, for counts that are kept no longer and for logs that were not read.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// The longest wait for a job's owner; a job whose owner is slower is looked at again.
pub(super) const GLANCE_LIMIT: Duration = Duration::from_secs(1);
/// Delay until a new job is noticed at the latest, in milliseconds.
const MAX_NOTICE_DELAY: u64 = 10_000;
/// Retention of the counts of a job that has ended, so that its last ones are scraped.
const RETENTION: Duration = Duration::from_secs(5 * 60);

/// News of the log of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogNews {
    Grown,
    Closed,
}

/// Work of the task.
enum Step {
    /// Look at all jobs.
    Sweep,
    /// Follow these jobs too.
    Follow(Vec<(Key, Job)>),
    /// A log has news.
    Count(Key, LogNews),
}

/// Counts until the metrics or the registry are dropped.
pub(super) async fn follow(metrics: Weak<Inner>, registry: Weak<Registry>) {
    let Some(mut changes) = registry.upgrade().map(|registry| registry.changes()) else { return };
    let mut news: SelectAll<BoxStream<'static, (Key, LogNews)>> = SelectAll::new();
    let mut followed = HashSet::new();
    let mut sweeps = interval(SWEEP_INTERVAL);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let what = tokio::select! {
            _ = sweeps.tick() => Step::Sweep,
            change = changes.recv() => match change {
                Ok(JobChange::Added(job)) if job.snapshot().state.has_ended() => continue,
                Ok(JobChange::Added(job)) => Step::Follow(vec![(Key::of(job.identity()), job)]),
                Ok(JobChange::Removed(_) | JobChange::Availability(_)) => continue,
                Err(RecvError::Lagged(_)) => Step::Sweep,
                Err(RecvError::Closed) => return,
            },
            Some((key, news)) = news.next() => Step::Count(key, news),
        };
        // Jobs end with the last who holds them: nothing is held while waiting.
        let (Some(metrics), Some(registry)) = (metrics.upgrade(), registry.upgrade()) else { return };
        let (jobs, is_sweep) = match what {
            Step::Follow(jobs) => (jobs, false),
            Step::Sweep => (live(&registry), true),
            Step::Count(key, news) => {
                if news == LogNews::Closed {
                    followed.remove(&key);
                }
                // A closed log may have a successor, which may have grown before it is followed.
                let jobs = registry.job_of(&key).map(|job| (key, job)).into_iter().collect::<Vec<_>>();
                if news == LogNews::Grown {
                    for (key, job) in &jobs {
                        count(&metrics, key, job).await;
                    }
                    continue;
                }
                (jobs, false)
            }
        };
        for (key, job) in &jobs {
            if followed.insert(key.clone()) {
                news.push(listen(key.clone(), job));
            }
        }
        add_tallies(&metrics, &jobs);
        if is_sweep {
            retain_tallies(&metrics, &jobs);
        }
        let is_due = |key: &Key| !is_sweep || metrics.tallies().get(key).is_some_and(|tally| tally.behind);
        let due = jobs.iter().filter(|(key, _)| is_due(key));
        futures::future::join_all(due.map(|(key, job)| count(&metrics, key, job))).await;
    }
}

/// The jobs that are told of.
pub(super) fn live(registry: &Registry) -> Vec<(Key, Job)> {
    let mut jobs = registry.jobs();
    jobs.retain(|job| !job.snapshot().state.has_ended());
    jobs.truncate(MOST_JOBS);
    jobs.into_iter().map(|job| (Key::of(job.identity()), job)).collect()
}

fn listen(key: Key, job: &Job) -> BoxStream<'static, (Key, LogNews)> {
    let closed = (key.clone(), LogNews::Closed);
    let grown = WatchStream::from_changes(job.subscribe().ended).map(move |_| (key.clone(), LogNews::Grown));
    grown.chain(futures::stream::once(async move { closed })).boxed()
}

/// Adds a tally for each of these jobs that has none.
fn add_tallies(metrics: &Inner, jobs: &[(Key, Job)]) {
    // One that comes later, or again, is noticed within a moment; what it did before is none of ours, or was counted.
    let since = metrics.started_at.max(metrics.clock.wall_millis().saturating_sub(MAX_NOTICE_DELAY));
    let mut tallies = metrics.tallies();
    for (key, job) in jobs {
        if tallies.len() >= MOST_JOBS && !tallies.contains_key(key) {
            continue;
        }
        let tally = tallies.entry(key.clone());
        tally.or_insert_with_key(|key| Tally::new(key, &job.identity().name, since));
    }
}

/// Removes the tallies of jobs that have not been among these for long.
fn retain_tallies(metrics: &Inner, jobs: &[(Key, Job)]) {
    let now = metrics.clock.now().monotonic;
    let live: HashSet<_> = jobs.iter().map(|(key, _)| key).collect();
    metrics.tallies().retain(|key, tally| {
        tally.gone_since = match live.contains(key) {
            true => None,
            false => tally.gone_since.or(Some(now)),
        };
        tally.gone_since.is_none_or(|since| now - since < RETENTION)
    });
}

async fn count(metrics: &Arc<Inner>, key: &Key, job: &Job) {
    let Some(counted) = metrics.tallies().get_mut(key).map(|tally| {
        tally.behind = true;
        tally.counted()
    }) else {
        return;
    };
    let tail = timeout(GLANCE_LIMIT, job.ended_after(counted, Freshness::Cached)).await;
    if let Some(tally) = metrics.tallies().get_mut(key) {
        match tail {
            Ok(Ok(tail)) => tally.count(&tail),
            Ok(Err(_)) => {}
            Err(_) => tracing::debug!(job = %key.job, "its owner does not answer; it is looked at later"),
        }
    }
}
