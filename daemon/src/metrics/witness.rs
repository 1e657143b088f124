//! The task that sees every checkpoint end. What it counts is what the newest checkpoints of a job show. The events
//! of hosted jobs only tell it when to look, so one that is lost is no loss. Those of Flink's jobs it does not follow:
//! whoever follows them makes ckptd ask the cluster every 2 s, and what is remembered anyway is enough for counting.

use super::tally::{End, Tally, known_reason};
use super::{Inner, MOST_JOBS};
use crate::clock::wall_millis;
use crate::overrides::Key;
use crate::registry::{Job, Registry};
use ckpt_api::{Event, HOSTED, Happening};
use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged;

/// How often is looked whether there are other jobs.
const LOOK: Duration = Duration::from_secs(1);
/// How many of those looks pass until what is known of Flink's jobs is looked at.
const FLINK_LOOK: u64 = 5;
/// The longest wait for a job's owner; whoever is slower is looked at again.
pub(super) const GLANCE_LIMIT: Duration = Duration::from_secs(1);
/// How late a job is noticed at most, in milliseconds.
const NOTICED: u64 = 10_000;
/// How long the counts of a job stay when it has ended, so that its last ones are scraped.
const AFTERGLOW: Duration = Duration::from_secs(5 * 60);

/// What came of following a job.
enum News {
    /// One more may have ended.
    Look,
    /// One failed before it had a number, so that no history shows it.
    Failed(&'static str),
    /// There will be no more.
    Over,
}

/// Follows all jobs until nobody is left to count for.
pub(super) async fn follow(metrics: Weak<Inner>, registry: Weak<Registry>) {
    let mut news: SelectAll<BoxStream<'static, (Key, News)>> = SelectAll::new();
    let mut followed = HashSet::new();
    let mut looks: u64 = 0;
    let mut ticks = interval(LOOK);
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
                for (key, job) in jobs.iter().filter(|(key, _)| key.cluster == HOSTED) {
                    if followed.insert(key.clone()) {
                        news.push(listen(key.clone(), job));
                    }
                }
                keep(&metrics, &jobs);
                let has_turn = looks.is_multiple_of(FLINK_LOOK);
                looks += 1;
                let unseen = |key: &Key| metrics.tallies().get(key).is_some_and(|tally| !tally.was_seen);
                let is_due = |key: &Key| unseen(key) || (has_turn && key.cluster != HOSTED);
                let due: Vec<_> = jobs.iter().filter(|(key, _)| is_due(key)).collect();
                futures::future::join_all(due.iter().map(|(key, job)| look(&metrics, key, job))).await;
            }
            Some((key, News::Over)) => drop(followed.remove(&key)),
            Some((key, News::Failed(reason))) => {
                if let Some(tally) = metrics.tallies().get_mut(&key) {
                    tally.ended(End { savepoint: false, reason: Some(reason) });
                }
            }
            Some((key, News::Look)) => {
                if let Some(job) = registry.job_of(&key) {
                    look(&metrics, &key, &job).await;
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

fn listen(key: Key, job: &Job) -> BoxStream<'static, (Key, News)> {
    let last = (key.clone(), News::Over);
    let news = BroadcastStream::new(job.events()).filter_map(move |event| {
        let news = match event {
            Ok(Event { what, .. }) => news_of(&what),
            Err(Lagged(_)) => Some(News::Look),
        };
        let news = news.map(|news| (key.clone(), news));
        async move { news }
    });
    news.chain(futures::stream::once(async move { last })).boxed()
}

fn news_of(what: &Happening) -> Option<News> {
    match what {
        Happening::Completed { .. } | Happening::Failed { id: Some(_), .. } => Some(News::Look),
        Happening::Failed { id: None, reason, .. } => Some(News::Failed(known_reason(reason))),
        Happening::State { .. }
        | Happening::Triggered { .. }
        | Happening::Acknowledged { .. }
        | Happening::Configured { .. }
        | Happening::Merged { .. }
        | Happening::Lagged { .. } => None,
    }
}

/// There is a tally for each of these jobs, and for those that were there a moment ago.
fn keep(metrics: &Inner, jobs: &[(Key, Job)]) {
    let now = metrics.clock.now().monotonic;
    // One that comes later, or again, is noticed within a moment; what it did before is none of ours, or was counted.
    let since = metrics.started_at.max(wall_millis().saturating_sub(NOTICED));
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
        tally.gone_since.is_none_or(|since| now - since < AFTERGLOW)
    });
}

async fn look(metrics: &Arc<Inner>, key: &Key, job: &Job) {
    let glance = timeout(GLANCE_LIMIT, job.glance()).await;
    if let Some(tally) = metrics.tallies().get_mut(key) {
        match glance {
            Ok(Ok(glance)) => tally.saw(&glance.newest, &glance.rescued, glance.ahead),
            // Its cluster has not told anything yet, or its owner is busy.
            Ok(Err(_)) => {}
            Err(_) => tracing::debug!(job = %key.job, "its owner does not answer; it is looked at later"),
        }
    }
}
