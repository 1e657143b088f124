//! The task that counts the ended checkpoints of all jobs. A job's log tells when it has grown, and its sequence
//! numbers tell what was counted. Reading it asks no cluster.

use super::tally::Tally;
use super::{Inner, MOST_JOBS};
use crate::overrides::Key;
use crate::registry::{Job, Registry};
use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::WatchStream;

/// The interval at which new jobs are noticed.
const JOBS_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for a job's owner; a job whose owner is slower is looked at again.
pub(super) const GLANCE_LIMIT: Duration = Duration::from_secs(1);
/// Delay until a new job is noticed at the latest, in milliseconds.
const MAX_NOTICE_DELAY: u64 = 10_000;
/// Retention of the counts of a job that has ended, so that its last ones are scraped.
const RETENTION: Duration = Duration::from_secs(5 * 60);

/// News of the log of a job.
enum LogNews {
    Grown,
    Closed,
}

/// Counts until the metrics or the registry are dropped.
pub(super) async fn follow(metrics: Weak<Inner>, registry: Weak<Registry>) {
    let mut news: SelectAll<BoxStream<'static, (Key, LogNews)>> = SelectAll::new();
    let mut followed = HashSet::new();
    let mut ticks = interval(JOBS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let what = tokio::select! {
            _ = ticks.tick() => None,
            Some(what) = news.next() => Some(what),
        };
        // Jobs end with the last who holds them: nothing is held while waiting.
        let (Some(metrics), Some(registry)) = (metrics.upgrade(), registry.upgrade()) else { return };
        match what {
            None => {
                let jobs = live(&registry);
                for (key, job) in &jobs {
                    if followed.insert(key.clone()) {
                        news.push(listen(key.clone(), job));
                    }
                }
                keep(&metrics, &jobs);
                let is_behind = |key: &Key| metrics.tallies().get(key).is_some_and(|tally| tally.behind);
                let due = jobs.iter().filter(|(key, _)| is_behind(key));
                futures::future::join_all(due.map(|(key, job)| count(&metrics, key, job))).await;
            }
            Some((key, LogNews::Closed)) => {
                followed.remove(&key);
                // Its successor, if there is one, may have grown before it is followed.
                if let Some(tally) = metrics.tallies().get_mut(&key) {
                    tally.behind = true;
                }
            }
            Some((key, LogNews::Grown)) => {
                if let Some(job) = registry.job_of(&key) {
                    count(&metrics, &key, &job).await;
                }
            }
        }
    }
}

/// The jobs that are told of.
pub(super) fn live(registry: &Registry) -> Vec<(Key, Job)> {
    let mut jobs = registry.jobs();
    jobs.retain(|job| !job.last_state().has_ended());
    jobs.truncate(MOST_JOBS);
    jobs.into_iter().map(|job| (Key::of(job.identity()), job)).collect()
}

fn listen(key: Key, job: &Job) -> BoxStream<'static, (Key, LogNews)> {
    let closed = (key.clone(), LogNews::Closed);
    let grown = WatchStream::from_changes(job.subscribe_ended()).map(move |_| (key.clone(), LogNews::Grown));
    grown.chain(futures::stream::once(async move { closed })).boxed()
}

/// There is a tally for each of these jobs, and for those that were there a moment ago.
fn keep(metrics: &Inner, jobs: &[(Key, Job)]) {
    let now = metrics.clock.now().monotonic;
    // One that comes later, or again, is noticed within a moment; what it did before is none of ours, or was counted.
    let since = metrics.started_at.max(metrics.clock.wall_millis().saturating_sub(MAX_NOTICE_DELAY));
    let mut tallies = metrics.tallies();
    for (key, job) in jobs {
        let tally = tallies.entry(key.clone());
        tally.or_insert_with_key(|key| Tally::new(key, &job.identity().name, since));
    }
    let live: HashMap<_, _> = jobs.iter().map(|(key, job)| (key, job)).collect();
    tallies.retain(|key, tally| {
        tally.gone_since = match live.contains_key(key) {
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
    let tail = timeout(GLANCE_LIMIT, job.ended_after(counted)).await;
    if let Some(tally) = metrics.tallies().get_mut(key) {
        match tail {
            Ok(Ok(tail)) => tally.count(&tail),
            Ok(Err(_)) => {}
            Err(_) => tracing::debug!(job = %key.job, "its owner does not answer; it is looked at later"),
        }
    }
}
