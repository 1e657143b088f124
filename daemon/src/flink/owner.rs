//! The owner of a cluster: the one task that holds its state. It performs the actions of the state machine side by side,
//! tells it what came of them, answers requests, and publishes facts for readers.

use super::facts::{ClusterFacts, JobFacts};
use super::job::FlinkJob;
use super::link::{Link, Services};
use super::message::Message;
use super::perform;
use super::routes::Lesson;
use super::settings::ClusterSettings;
use super::state::event::{ClusterAction, ClusterEvent, Records, Reply, RequestId};
use super::state::{ClusterIdentity, ClusterState};
use crate::clock::Moment;
use crate::overrides::Key;
use crate::registry::JobIndex;
use crate::seam::JobCoordinator;
use ckpt_api::{self as api, Pause};
use ckpt_types::ids::JobId;
use futures::future::BoxFuture;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep_until;

/// Requests that wait for an owner.
const MAX_QUEUED: usize = 1_024;
/// Reads in the background performed side by side. Changes and requests never wait for those.
const MAX_BACKGROUND_READS: usize = 4;
/// Events that a slow reader may be behind.
const MAX_EVENTS: usize = 1_024;

/// A cluster that is followed for as long as this value lives.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) link: Arc<Link>,
    /// True if it was discovered on this machine; false if it was named at the start.
    pub(super) is_discovered: bool,
    facts: watch::Receiver<Arc<ClusterFacts>>,
    jobs: watch::Receiver<Arc<Vec<FlinkJob>>>,
    messages: mpsc::Sender<Message>,
    index: JobIndex,
    owner: AbortHandle,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.owner.abort();
        for job in self.jobs.borrow().iter() {
            self.index.remove(&Key::of(job.identity()));
        }
    }
}

impl Cluster {
    /// Starts to follow a cluster.
    pub(super) fn follow(settings: ClusterSettings, services: &Services, is_discovered: bool) -> Self {
        let Services { clock, overrides, pauses, index } = services.clone();
        let link = Arc::new(Link::new(settings, overrides, clock));
        let identity = ClusterIdentity {
            name: link.name().to_owned(),
            url: link.settings.url.clone(),
            attach: link.settings.consent.attach,
        };
        let pauses = pauses.changes();
        let pause = pause_of(&pauses.borrow(), link.name());
        let state = ClusterState::new(identity, link.clock.now(), records(&link), pause);
        let (messages, received) = mpsc::channel(MAX_QUEUED);
        let (publish_facts, facts) = watch::channel(Arc::new(state.facts().clone()));
        let (publish_jobs, jobs) = watch::channel(Arc::default());
        let mut owner = Owner {
            link: Arc::clone(&link),
            state,
            messages: messages.downgrade(),
            requests: HashMap::new(),
            next_request: 0,
            work: JoinSet::new(),
            background: Arc::new(Semaphore::new(MAX_BACKGROUND_READS)),
            published: HashMap::new(),
            index: index.clone(),
            facts: publish_facts,
            jobs: publish_jobs,
        };
        owner.publish();
        let owner = tokio::spawn(owner.run(received, pauses)).abort_handle();
        Self { link, is_discovered, facts, jobs, messages, index, owner }
    }

    /// The jobs, the oldest first.
    pub(super) fn jobs(&self) -> Arc<Vec<FlinkJob>> {
        Arc::clone(&self.jobs.borrow())
    }

    /// The facts about it.
    pub(super) fn facts(&self) -> Arc<ClusterFacts> {
        Arc::clone(&self.facts.borrow())
    }

    /// Passes on what a search for a route learned. It is dropped if the owner is busy: it is only a hint.
    pub(super) fn teach(&self, lessons: Vec<Lesson>) {
        drop(self.messages.try_send(Message::Learned(lessons)));
    }

    /// The cluster's entry of the list.
    pub(super) fn state(&self) -> api::ClusterState {
        let facts = self.facts();
        let health = &facts.health;
        api::ClusterState {
            name: self.link.name().to_owned(),
            url: self.link.settings.url.clone(),
            version: health.version.clone(),
            trouble: health.trouble.clone(),
            observed_at: health.observed_at,
        }
    }
}

/// Published facts of a job, and the channel of its events.
struct PublishedJob {
    facts: watch::Sender<Arc<JobFacts>>,
    events: broadcast::Sender<api::Event>,
    handle: FlinkJob,
}

struct Owner {
    link: Arc<Link>,
    state: ClusterState,
    messages: mpsc::WeakSender<Message>,
    requests: HashMap<RequestId, oneshot::Sender<Reply>>,
    next_request: RequestId,
    work: JoinSet<ClusterEvent>,
    background: Arc<Semaphore>,
    published: HashMap<JobId, PublishedJob>,
    index: JobIndex,
    facts: watch::Sender<Arc<ClusterFacts>>,
    jobs: watch::Sender<Arc<Vec<FlinkJob>>>,
}

impl Owner {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>, mut pauses: watch::Receiver<Vec<Pause>>) {
        let mut overrides = self.link.overrides.clone();
        self.handle(ClusterEvent::Timer);
        loop {
            let wakeup = self.link.clock.instant(self.state.next_wakeup());
            let process = self.state.facts().routes.first_process();
            let ended = async {
                match process {
                    // Without a sign of the process others have to do.
                    Some(jvm) if jvm.ended().await.is_ok() => jvm,
                    _ => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                () = overrides.stored() => ClusterEvent::Stored(records(&self.link)),
                Ok(()) = pauses.changed() => {
                    ClusterEvent::Paused(pause_of(&pauses.borrow_and_update(), self.link.name()))
                }
                Some(done) = self.work.join_next() => match done {
                    Ok(event) => event,
                    // Only when the runtime shuts down, or after a bug that was reported.
                    Err(error) => {
                        tracing::error!(cluster = self.link.name(), %error, "an action broke off");
                        continue;
                    }
                },
                message = messages.recv() => match message {
                    None => return,
                    Some(Message::Learned(lessons)) => ClusterEvent::Learned(lessons),
                    Some(Message::Request(request, reply)) => {
                        // What was stored before the request is seen before it.
                        if overrides.take_stored() {
                            self.handle(ClusterEvent::Stored(records(&self.link)));
                        }
                        let id = self.next_request;
                        self.next_request += 1;
                        self.requests.insert(id, reply);
                        ClusterEvent::Requested { id, request }
                    }
                },
                jvm = ended => ClusterEvent::ProcessEnded(jvm),
                () = sleep_until(wakeup) => ClusterEvent::Timer,
            };
            self.handle(event);
        }
    }

    /// Hands an event to the state machine, publishes what changed and performs the actions.
    fn handle(&mut self, event: ClusterEvent) {
        let now = self.link.clock.now();
        let actions = self.state.handle(now, event);
        // Readers that are answered see what they were answered for.
        self.publish();
        for action in actions {
            self.perform(now, action);
        }
    }

    fn perform(&mut self, now: Moment, action: ClusterAction) {
        let link = Arc::clone(&self.link);
        let work: BoxFuture<'static, ClusterEvent> = match action {
            ClusterAction::Reply(id, reply) => {
                if let Some(request) = self.requests.remove(&id) {
                    drop(request.send(reply));
                }
                return;
            }
            ClusterAction::Tell { job, happening } => return self.tell(now, job, happening),
            ClusterAction::List { with_version } => {
                let followed = self.followed();
                Box::pin(async move { perform::list(&link, with_version, followed).await })
            }
            ClusterAction::ReadRest { job, is_background } => {
                let permits = is_background.then(|| Arc::clone(&self.background));
                Box::pin(async move {
                    let _permit = permit(permits).await;
                    perform::read_rest(&link, job).await
                })
            }
            ClusterAction::ReadAgent { overview, facts } => {
                Box::pin(async move { perform::read_agent(&link, overview, &facts).await })
            }
            ClusterAction::FindRoute { job, facts, again } => {
                Box::pin(async move { perform::find_route(&link, job, &facts, again).await })
            }
            ClusterAction::ReadRunningSince(job) => {
                let permits = Some(Arc::clone(&self.background));
                Box::pin(async move {
                    let _permit = permit(permits).await;
                    perform::read_running_since(&link, job).await
                })
            }
            ClusterAction::Change(order) => Box::pin(async move { perform::change(&link, *order).await }),
            ClusterAction::StoreResubmission { job, submitted } => {
                Box::pin(async move { perform::store_resubmission(&link, job, submitted).await })
            }
            ClusterAction::Remove { job, revision } => {
                Box::pin(async move { perform::remove(&link, job, revision).await })
            }
            ClusterAction::ReadBreakdown(request) => {
                Box::pin(async move { perform::read_breakdown(&link, request).await })
            }
            ClusterAction::ReadNewest(request, newest) => {
                Box::pin(async move { perform::read_newest(&link, request, newest).await })
            }
        };
        self.work.spawn(work);
    }

    /// Jobs whose events have readers.
    fn followed(&self) -> HashSet<JobId> {
        let followed = self.published.iter().filter(|(_, job)| job.events.receiver_count() > 0);
        followed.map(|(id, _)| *id).collect()
    }

    fn tell(&self, now: Moment, job: JobId, what: api::Happening) {
        let Some(published) = self.published.get(&job) else { return };
        let cluster = self.link.name().to_owned();
        let at = now.wall_millis();
        let event = api::Event { schema: api::SCHEMA.to_owned(), cluster, job_id: job, at, what };
        // Without readers it is dropped.
        drop(published.events.send(event));
    }

    /// Publishes the facts that changed.
    fn publish(&mut self) {
        let changed = self.state.take_changed();
        for id in changed.jobs {
            let Some(facts) = self.state.job(id) else { continue };
            let Some(job) = self.published.get(&id) else {
                self.publish_new(id, facts.clone());
                continue;
            };
            let was = job.facts.send_replace(Arc::new(facts.clone()));
            if was.is_missing != facts.is_missing {
                self.index.tell_availability(&self.link.key(id));
            }
        }
        if changed.order {
            let order: Vec<_> = self.state.order().to_vec();
            for id in &order {
                if let (false, Some(facts)) = (self.published.contains_key(id), self.state.job(*id)) {
                    self.publish_new(*id, facts.clone());
                }
            }
            let kept: HashSet<_> = order.iter().copied().collect();
            let index = &self.index;
            self.published.retain(|id, _| {
                let is_kept = kept.contains(id);
                if !is_kept {
                    index.remove(&self.link.key(*id));
                }
                is_kept
            });
            let handles = order.iter().filter_map(|id| Some(self.published.get(id)?.handle.clone()));
            self.jobs.send_replace(Arc::new(handles.collect()));
        }
        // After the jobs: whoever waits until the cluster has answered finds them as it listed them.
        if changed.facts {
            self.facts.send_replace(Arc::new(self.state.facts().clone()));
        }
    }

    fn publish_new(&mut self, id: JobId, facts: JobFacts) {
        // The owner ends with the cluster, before its channel of messages is closed.
        let Some(messages) = self.messages.upgrade() else { return };
        let (events, _) = broadcast::channel(MAX_EVENTS);
        let (sender, receiver) = watch::channel(Arc::new(facts));
        let cluster = self.facts.subscribe();
        let handle = FlinkJob::new(Arc::clone(&self.link), cluster, receiver, messages, events.downgrade());
        self.published.insert(id, PublishedJob { facts: sender, events, handle: handle.clone() });
        self.index.add(Arc::new(handle));
    }
}

async fn permit(permits: Option<Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    // The semaphore is never closed.
    permits?.acquire_owned().await.ok()
}

fn records(link: &Link) -> Records {
    link.overrides.of_cluster(link.name()).into_iter().collect()
}

/// Reason why a cluster's overrides are not applied by themselves.
fn pause_of(pauses: &[Pause], cluster: &str) -> Option<String> {
    let pause = pauses.iter().find(|pause| pause.cluster.as_deref().is_none_or(|name| name == cluster))?;
    let reason = pause.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
    let which = pause.cluster.as_ref().map_or(String::new(), |cluster| format!(" {cluster}"));
    Some(format!("reconcile is paused{reason}; ckptctl reconcile resume{which} ends that"))
}
