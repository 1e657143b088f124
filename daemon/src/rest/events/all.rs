//! The events of all jobs as one stream, also of those that come later.

use crate::clock::wall_millis;
use crate::registry::Registry;
use crate::seam::JobCoordinator;
use ckpt_api::{self as api, Happening, JobState};
use ckpt_types::ids::JobId;
use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt, stream};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged;

/// How often is looked for jobs that have come or gone.
const LOOK: Duration = Duration::from_millis(250);

/// A job of a cluster.
type Key = (String, JobId);

/// What happens to all jobs from now on. It begins with the state of each; one that comes later begins with its
/// state too, and one that is not there any more is told of with its last state and why.
pub(super) fn all(registry: Arc<Registry>) -> impl Stream<Item = api::Event> + Send {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed {
        registry,
        looks,
        followed: HashMap::new(),
        events: SelectAll::new(),
        told: VecDeque::new(),
        round: 0,
    };
    stream::unfold(feed, |mut feed| async move { Some((feed.next().await, feed)) })
}

struct Feed {
    registry: Arc<Registry>,
    looks: Interval,
    followed: HashMap<Key, Followed>,
    /// Each holds no more than a job's own channel does.
    /// A job's ends with `None`, when nobody tells of it any more.
    events: SelectAll<BoxStream<'static, (Key, Option<api::Event>)>>,
    /// What a look has found; one for each job that has come or gone since the last.
    told: VecDeque<api::Event>,
    round: u64,
}

struct Followed {
    state: JobState,
    is_there: bool,
    /// In which round it was seen last.
    seen: u64,
    /// Nobody tells of it any more: should it be there all the same, it is another one of the same id.
    is_over: bool,
}

impl Feed {
    async fn next(&mut self) -> api::Event {
        loop {
            if let Some(event) = self.told.pop_front() {
                return event;
            }
            tokio::select! {
                Some((key, event)) = self.events.next(), if !self.events.is_empty() => {
                    let Some(event) = event else {
                        if let Some(followed) = self.followed.get_mut(&key) {
                            followed.is_over = true;
                        }
                        continue;
                    };
                    if let (Happening::State { state, .. }, Some(followed)) =
                        (&event.what, self.followed.get_mut(&key))
                    {
                        followed.state = *state;
                    }
                    return event;
                }
                _ = self.looks.tick() => self.look(),
            }
        }
    }

    /// Compares the jobs that there are with those that are followed.
    fn look(&mut self) {
        self.round += 1;
        for job in self.registry.jobs() {
            self.follow(job.as_ref());
        }
        let round = self.round;
        let gone = self.followed.extract_if(|_, followed| followed.seen != round);
        for (key, followed) in gone {
            let why = followed.is_there.then(|| "it is not known any more".to_owned());
            self.told.extend(why.map(|why| state(key, followed.state, Some(why))));
        }
    }

    fn follow(&mut self, job: &dyn JobCoordinator) {
        let identity = job.identity();
        let key = (identity.cluster.clone(), identity.id);
        let (is_there, round) = (job.is_there(), self.round);
        if self.followed.get(&key).is_some_and(|followed| followed.is_over) {
            self.followed.remove(&key);
        }
        let Some(followed) = self.followed.get_mut(&key) else {
            // Subscribed first, so that nothing is missed after the state that is told.
            self.events.push(events_of(key.clone(), job));
            let followed = Followed { state: job.last_state(), is_there, seen: round, is_over: false };
            self.told.push_back(state(key.clone(), followed.state, missing(is_there, &key.0)));
            self.followed.insert(key, followed);
            return;
        };
        followed.seen = round;
        if followed.is_there != is_there {
            followed.is_there = is_there;
            self.told.push_back(state(key.clone(), job.last_state(), missing(is_there, &key.0)));
        }
    }
}

fn events_of(key: Key, job: &dyn JobCoordinator) -> BoxStream<'static, (Key, Option<api::Event>)> {
    let last = (key.clone(), None);
    let lagged = |(cluster, job_id): Key, missed| event(cluster, job_id, Happening::Lagged { missed });
    let events = BroadcastStream::new(job.events()).map(move |event| {
        let event = event.unwrap_or_else(|Lagged(missed)| lagged(key.clone(), missed));
        (key.clone(), Some(event))
    });
    events.chain(stream::once(async move { last })).boxed()
}

fn missing(is_there: bool, cluster: &str) -> Option<String> {
    (!is_there).then(|| format!("cluster {cluster} does not list this job"))
}

fn state((cluster, job_id): Key, state: JobState, reason: Option<String>) -> api::Event {
    event(cluster, job_id, Happening::State { state, reason })
}

pub(super) fn event(cluster: String, job_id: JobId, what: Happening) -> api::Event {
    api::Event { schema: api::SCHEMA.to_owned(), cluster, job_id, at: wall_millis(), what }
}
