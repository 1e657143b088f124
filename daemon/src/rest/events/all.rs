//! The events of all jobs as one stream, also of those that come later.

use crate::clock::Clock;
use crate::registry::{JobChange, Registry};
use crate::seam::JobCoordinator;
use ckpt_api::{self as api, Happening, JobState};
use ckpt_types::ids::JobId;
use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt, stream};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged;

/// A job of a cluster.
type Key = (String, JobId);

/// Events of all jobs from now on. The stream begins with the state of each; a job that comes later begins with its
/// state too, and one that is not there any more is told of with its last state and why.
pub(super) fn all(registry: Arc<Registry>, clock: Clock) -> impl Stream<Item = api::Event> + Send {
    let changes = registry.changes();
    let mut feed = Feed {
        registry,
        clock,
        changes,
        followed: HashMap::new(),
        events: SelectAll::new(),
        told: VecDeque::new(),
    };
    feed.look();
    stream::unfold(feed, |mut feed| async move { Some((feed.next().await?, feed)) })
}

struct Feed {
    registry: Arc<Registry>,
    clock: Clock,
    changes: broadcast::Receiver<JobChange>,
    followed: HashMap<Key, Followed>,
    /// The events of each job, which hold no more than the job's own channel does. A job's end with `None`.
    events: SelectAll<BoxStream<'static, (Key, Option<api::Event>)>>,
    /// Events to tell next; one for each job that has come or gone.
    told: VecDeque<api::Event>,
}

struct Followed {
    state: JobState,
    is_there: bool,
    /// True once the job's events have ended: if it is there all the same, it is another one of the same id.
    is_over: bool,
}

impl Feed {
    async fn next(&mut self) -> Option<api::Event> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some(event);
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
                    return Some(event);
                }
                change = self.changes.recv() => match change {
                    Ok(JobChange::Added(job) | JobChange::Availability(job)) => self.follow(job.as_ref()),
                    Ok(JobChange::Removed(key)) => self.leave(&(key.cluster, key.job)),
                    Err(RecvError::Lagged(_)) => self.look(),
                    // ckptd shuts down.
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// Compares all jobs with those that are followed.
    fn look(&mut self) {
        let jobs = self.registry.jobs();
        let there: HashSet<Key> =
            jobs.iter().map(|job| (job.identity().cluster.clone(), job.identity().id)).collect();
        jobs.iter().for_each(|job| self.follow(job.as_ref()));
        let gone: Vec<_> = self.followed.keys().filter(|key| !there.contains(*key)).cloned().collect();
        gone.iter().for_each(|key| self.leave(key));
    }

    fn leave(&mut self, key: &Key) {
        let Some(followed) = self.followed.remove(key) else { return };
        if followed.is_there {
            let why = "it is not known any more".to_owned();
            self.told.push_back(state(self.clock, key.clone(), followed.state, Some(why)));
        }
    }

    fn follow(&mut self, job: &dyn JobCoordinator) {
        let identity = job.identity();
        let key = (identity.cluster.clone(), identity.id);
        let snapshot = job.snapshot();
        let is_there = snapshot.is_listed;
        if self.followed.get(&key).is_some_and(|followed| followed.is_over) {
            self.followed.remove(&key);
        }
        let Some(followed) = self.followed.get_mut(&key) else {
            // Subscribed first, so that nothing is missed after the state that is told.
            self.events.push(events_of(key.clone(), job, self.clock));
            let followed = Followed { state: job.snapshot().state, is_there, is_over: false };
            self.told.push_back(state(self.clock, key.clone(), followed.state, missing(is_there, &key.0)));
            self.followed.insert(key, followed);
            return;
        };
        if followed.is_there != is_there {
            followed.is_there = is_there;
            self.told.push_back(state(self.clock, key.clone(), snapshot.state, missing(is_there, &key.0)));
        }
    }
}

fn events_of(
    key: Key,
    job: &dyn JobCoordinator,
    clock: Clock,
) -> BoxStream<'static, (Key, Option<api::Event>)> {
    let last = (key.clone(), None);
    let lagged =
        move |(cluster, job_id): Key, missed| event(clock, cluster, job_id, Happening::Lagged { missed });
    let events = BroadcastStream::new(job.subscribe().events).map(move |event| {
        let event = event.unwrap_or_else(|Lagged(missed)| lagged(key.clone(), missed));
        (key.clone(), Some(event))
    });
    events.chain(stream::once(async move { last })).boxed()
}

fn missing(is_there: bool, cluster: &str) -> Option<String> {
    (!is_there).then(|| format!("cluster {cluster} does not list this job"))
}

fn state(clock: Clock, (cluster, job_id): Key, state: JobState, reason: Option<String>) -> api::Event {
    event(clock, cluster, job_id, Happening::State { state, reason })
}

pub(super) fn event(clock: Clock, cluster: String, job_id: JobId, what: Happening) -> api::Event {
    api::Event { schema: api::SCHEMA.to_owned(), cluster, job_id, at: clock.wall_millis(), what }
}
