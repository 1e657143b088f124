//! A job of a Flink cluster, as the rest of ckptd sees it: facts to read, and requests to the owner of its cluster.

use super::facts::{ClusterFacts, JobFacts};
use super::link::Link;
use super::message::Message;
use super::observation;
use super::perform::java_millis;
use super::rest;
use super::routes::Route;
use super::settings::Attach;
use super::state::event::{Reply, Request, RequestError};
use super::view::JobView;
use crate::anatomy::{Anatomy, CACHED_LIMIT, off_thread_if_large};
use crate::seam::{
    Applied, FlinkBody, Freshness, Identity, Intent, JobCoordinator, JobFeed, JobPart, JobSnapshot, LogTail,
    ManualTrigger, Observation, OverrideStanding, PartView, Revision, SeamError, Settled,
};
use async_trait::async_trait;
use ckpt_api::flink::{self, CheckpointStatus, NO_INTERVAL};
use ckpt_api::{self as api, Outcome, OverrideStatus};
use ckpt_coordinator::InFlight;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_types::ids::{CheckpointId, JobId, TriggerId};
use futures::future::join_all;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

/// Longest wait for an owner's reply; every action behind it ends earlier.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a change: for the one before it, and for its own.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for the cluster's first answer.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for Flink to tell what became of a checkpoint that ended during a change.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(4);
/// Interval at which it is asked.
const OUTCOME_INTERVAL: Duration = Duration::from_millis(500);

/// A job of a Flink cluster. Clones are handles of one job.
#[derive(Clone)]
pub struct FlinkJob(Arc<Handle>);

struct Handle {
    link: Arc<Link>,
    identity: Identity,
    cluster: watch::Receiver<Arc<ClusterFacts>>,
    facts: watch::Receiver<Arc<JobFacts>>,
    owner: mpsc::Sender<Message>,
    /// It ends with the owner's knowledge of the job.
    events: broadcast::WeakSender<api::Event>,
}

impl fmt::Debug for FlinkJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlinkJob").field(&self.0.identity).finish()
    }
}

impl FlinkJob {
    pub(super) fn new(
        link: Arc<Link>,
        cluster: watch::Receiver<Arc<ClusterFacts>>,
        facts: watch::Receiver<Arc<JobFacts>>,
        owner: mpsc::Sender<Message>,
        events: broadcast::WeakSender<api::Event>,
    ) -> Self {
        let identity = {
            let facts = facts.borrow();
            let name = facts.overview.name.clone();
            Identity { cluster: link.name().to_owned(), id: facts.id(), name }
        };
        Self(Arc::new(Handle { link, identity, cluster, facts, owner, events }))
    }

    pub(super) fn id(&self) -> JobId {
        self.0.identity.id
    }

    fn link(&self) -> &Link {
        &self.0.link
    }

    fn facts(&self) -> Arc<JobFacts> {
        Arc::clone(&self.0.facts.borrow())
    }

    fn cluster(&self) -> Arc<ClusterFacts> {
        Arc::clone(&self.0.cluster.borrow())
    }

    /// Computes something from the facts of this moment.
    fn compute<T>(&self, of: impl FnOnce(JobView<'_>) -> T) -> T {
        let (facts, job) = (self.cluster(), self.facts());
        let record = self.link().record(self.id());
        let namesake = job.namesakes.first().and_then(|id| self.link().record(*id));
        let now = self.link().clock.now();
        of(JobView {
            cluster_name: self.link().name(),
            url: &self.link().settings.url,
            cluster: &facts,
            job: &job,
            record: record.as_ref(),
            namesake: namesake.as_ref(),
            now,
        })
    }

    /// Puts a request to the owner of the cluster.
    async fn ask(&self, request: Request) -> Result<Reply, RequestError> {
        self.ask_within(REPLY_TIMEOUT, request).await
    }

    async fn ask_within(&self, limit: Duration, request: Request) -> Result<Reply, RequestError> {
        let silent = || RequestError::Job(SeamError::Silent);
        let (reply, replied) = oneshot::channel();
        let asked = async {
            self.0.owner.send(Message::Request(request, reply)).await.map_err(|_| silent())?;
            replied.await.map_err(|_| silent())
        };
        match timeout(limit, asked).await {
            Ok(Ok(Reply::Failed(error))) => Err(error),
            Ok(reply) => reply,
            Err(_) => Err(silent()),
        }
    }

    fn error(&self, error: RequestError) -> SeamError {
        match error {
            RequestError::Rest(error) if rest::has_no_checkpoints(&error) => SeamError::NoCheckpoints,
            RequestError::Rest(error) => self.link().refused(&error),
            RequestError::Job(error) => error,
        }
    }

    async fn read_rest(&self) -> Result<(), SeamError> {
        let read = self.ask(Request::ReadRest(self.id())).await;
        read.map(drop).map_err(|error| self.error(error))
    }

    /// Reads the job through the REST API.
    async fn look(&self) -> Result<Observation, SeamError> {
        if let Some(why) = self.compute(|view| view.obstacle()) {
            return self.compute(|view| view.stale(why)).map(|seen| self.with_trouble(seen));
        }
        let looked = match self.ask(Request::ReadRest(self.id())).await {
            Ok(_) => self.compute(|view| view.through_rest().ok_or(SeamError::Silent)),
            Err(RequestError::Rest(error)) if rest::has_no_checkpoints(&error) => {
                Err(SeamError::NoCheckpoints)
            }
            Err(RequestError::Rest(error)) => self.compute(|view| view.stale(error.to_string())),
            Err(RequestError::Job(error)) => self.compute(|view| view.stale(error.to_string())),
        };
        looked.map(|seen| self.with_trouble(seen))
    }

    /// Reads the job through the agent.
    async fn look_inside(&self) -> Result<Observation, SeamError> {
        self.ask(Request::ReadAgent(self.id())).await.map_err(|error| self.error(error))?;
        let seen = self.compute(|view| view.through_agent().ok_or(SeamError::Silent))?;
        Ok(self.with_trouble(seen))
    }

    /// Adds that an override of the job is stored under a name that its cluster had before.
    fn with_trouble(&self, seen: Observation) -> Observation {
        Observation { trouble: self.stranded().or(seen.trouble), ..seen }
    }

    fn stranded(&self) -> Option<String> {
        let Link { overrides, settings, .. } = self.link();
        let key = self.link().key(self.id());
        let cluster =
            overrides.record(&key).is_none().then(|| overrides.elsewhere(&key, &self.0.identity.name))??;
        Some(format!(
            "an override of this job is stored for a cluster '{cluster}'; if that is this one, follow it under that \
             name: --flink {cluster}={}",
            settings.url
        ))
    }

    fn sees_with_agent(&self) -> bool {
        self.link().settings.consent.attach == Attach::Always
    }

    /// Asks the cluster for its jobs, and refuses if this one has ended.
    async fn refuse_if_ended(&self) -> Result<(), SeamError> {
        self.ask(Request::List).await.map_err(|error| self.error(error))?;
        match self.facts().state() {
            state if state.has_ended() => Err(SeamError::Ended { state }),
            _ => Ok(()),
        }
    }

    /// Name and status of its override, without asking.
    pub(super) fn named_status(&self) -> Option<(String, OverrideStatus)> {
        if self.facts().state().has_ended() || self.link().record(self.id()).is_none() {
            return None;
        }
        Some((self.0.identity.name.clone(), self.compute(|view| view.status())?))
    }

    /// Outcomes of checkpoints that are not pending any more.
    async fn ended(&self, gone: Vec<CheckpointId>) -> Vec<(InFlight, Outcome)> {
        let outcomes = join_all(gone.into_iter().map(|id| self.outcome(id))).await;
        outcomes.iter().flatten().map(observation::ended).collect()
    }

    /// Flink's answers may still show it in progress.
    async fn outcome(&self, id: CheckpointId) -> Option<flink::Checkpoint> {
        let clock = &self.link().clock;
        let limit = clock.now().monotonic + OUTCOME_TIMEOUT;
        loop {
            let found = rest::remembered(self.link().client(), self.id(), id).await.ok().flatten();
            let found = found.filter(|entry| entry.status != CheckpointStatus::InProgress);
            if found.is_some() || clock.now().monotonic >= limit {
                return found;
            }
            sleep(OUTCOME_INTERVAL).await;
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>, SeamError> {
        let path = format!("/jobs/{}{path}", self.id());
        rest::found(self.link().client().get(&path).await).map_err(|error| self.link().refused(&error))
    }

    async fn must_read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, SeamError> {
        let gone = || {
            SeamError::Unreachable(format!("cluster {} does not know this job any more", self.link().name()))
        };
        self.read(path).await?.ok_or_else(gone)
    }

    /// What Flink shows, with the values in force.
    async fn checkpoint_config(&self) -> Result<flink::CheckpointConfig, SeamError> {
        let read = self.ask(Request::ReadRest(self.id())).await;
        read.map_err(|error| match error {
            RequestError::Rest(error) => self.link().refused(&error),
            RequestError::Job(error) => error,
        })?;
        let facts = self.facts();
        let submitted = facts.submitted(self.link().record(self.id()).as_ref());
        let in_force = facts.in_force(&submitted).ok_or(SeamError::Silent)?;
        let shown = facts.rest.as_ref().map(|rest| rest.config.clone()).ok_or(SeamError::Silent)?;
        Ok(flink::CheckpointConfig {
            interval: in_force.interval().map_or(NO_INTERVAL, java_millis),
            timeout: java_millis(in_force.timeout()),
            ..shown
        })
    }

    /// Whether it runs, as far as is known.
    pub(super) fn is_live(&self) -> bool {
        let facts = self.facts();
        !facts.is_missing && !facts.state().has_ended()
    }
}

#[async_trait]
impl JobCoordinator for FlinkJob {
    fn identity(&self) -> &Identity {
        &self.0.identity
    }

    fn snapshot(&self) -> JobSnapshot {
        let observed_at = self.0.cluster.borrow().health.observed_at;
        let facts = self.0.facts.borrow();
        JobSnapshot {
            state: facts.state(),
            seen_at: observed_at.unwrap_or_else(|| self.link().clock.wall_millis()),
            is_listed: !facts.is_missing,
        }
    }

    fn standing(&self) -> OverrideStanding {
        self.compute(|view| OverrideStanding {
            status: view.status(),
            predecessors: if view.job.is_missing { Vec::new() } else { view.job.namesakes.clone() },
        })
    }

    async fn settled(&self) -> JobSnapshot {
        if self.facts().is_missing {
            let mut cluster = self.0.cluster.clone();
            drop(timeout(FIRST_ANSWER_TIMEOUT, cluster.wait_for(|facts| facts.is_tried)).await);
        }
        self.snapshot()
    }

    fn subscribe(&self) -> JobFeed {
        let events = match self.0.events.upgrade() {
            Some(events) => events.subscribe(),
            // The job is not known any more: nothing will be told.
            None => broadcast::channel(1).1,
        };
        JobFeed { events, ended: self.facts().log.subscribe() }
    }

    async fn observe(&self, freshness: Freshness) -> Result<Observation, SeamError> {
        if freshness == Freshness::Cached {
            return self.compute(|view| view.cached()).map(|seen| self.with_trouble(seen));
        }
        let sees_inside = self.sees_with_agent()
            && self.cluster().pause.is_none()
            && self.compute(|view| view.obstacle().is_none())
            && !self.facts().state().has_ended();
        if sees_inside {
            let now = self.link().clock.now().monotonic;
            if self.facts().wants_rest(now) {
                // For what the agent does not tell; without it the agent's word is enough.
                drop(self.read_rest().await);
            }
            if now >= self.facts().blind_until {
                match self.look_inside().await {
                    Ok(observation) => return Ok(observation),
                    Err(error) => {
                        tracing::debug!(job = %self.id(), %error, "the agent does not answer; the REST API has to do");
                    }
                }
            }
        }
        self.look().await
    }

    async fn ended_after(&self, sequence: u64, freshness: Freshness) -> Result<LogTail, SeamError> {
        let obstacle = || self.compute(|view| view.obstacle());
        let is_old = || self.facts().wants_rest(self.link().clock.now().monotonic);
        if freshness == Freshness::Current
            && !self.facts().state().has_ended()
            && is_old()
            && obstacle().is_none()
        {
            // What is remembered is told also if its cluster does not answer.
            drop(self.read_rest().await);
        }
        let facts = self.facts();
        match &facts.rest {
            Some(rest) => Ok(facts.log.after(sequence, rest.answered.wall_millis())),
            None => Err(SeamError::Unreachable(obstacle().unwrap_or_else(|| {
                format!("cluster {} has not told of this job's checkpoints yet", self.link().name())
            }))),
        }
    }

    async fn breakdown(&self, freshness: Freshness) -> Result<Anatomy, SeamError> {
        let with_places = freshness == Freshness::Current;
        let read = self.ask(Request::ReadBreakdown { job: self.id(), with_places });
        match freshness {
            // It goes on without a reader: the next one has it.
            Freshness::Cached => drop(timeout(CACHED_LIMIT, read).await),
            Freshness::Current => drop(read.await.map_err(|error| self.error(error))?),
        }
        let facts = self.facts();
        let subtasks = facts.breakdown.subtasks();
        let anatomy = off_thread_if_large(subtasks, move || facts.breakdown.anatomy(&facts.log)).await;
        anatomy.ok_or(SeamError::Silent)
    }

    async fn view(&self, part: JobPart) -> Result<PartView, SeamError> {
        let client = self.link().client();
        let unknown = |kind, id| SeamError::UnknownTrigger { kind, id, job: self.id() };
        let body = match part {
            JobPart::Overview => FlinkBody::Overview(self.facts().overview.clone()),
            JobPart::Details => FlinkBody::Details(Box::new(self.must_read("").await?)),
            JobPart::Checkpoints => FlinkBody::Checkpoints(Box::new(self.must_read("/checkpoints").await?)),
            JobPart::CheckpointConfig => FlinkBody::CheckpointConfig(self.checkpoint_config().await?),
            JobPart::Checkpoint(id) => {
                let found = rest::checkpoint(client, self.id(), id).await;
                let found = found.map_err(|error| self.link().refused(&error))?;
                FlinkBody::Checkpoint(Box::new(found.ok_or(SeamError::UnknownCheckpoint(id))?))
            }
            JobPart::Subtasks(id, vertex) => {
                let known = rest::remembered(client, self.id(), id).await;
                known
                    .map_err(|error| self.link().refused(&error))?
                    .ok_or(SeamError::UnknownCheckpoint(id))?;
                let found = self.read(&format!("/checkpoints/details/{id}/subtasks/{vertex}")).await?;
                FlinkBody::Subtasks(Box::new(found.ok_or(SeamError::UnknownVertex(vertex))?))
            }
            JobPart::CheckpointTrigger(id) => {
                let found = self.read(&format!("/checkpoints/{id}")).await?;
                FlinkBody::CheckpointTrigger(found.ok_or_else(|| unknown("checkpoint", id))?)
            }
            JobPart::SavepointTrigger(id) => {
                let found = self.read(&format!("/savepoints/{id}")).await?;
                FlinkBody::SavepointTrigger(found.ok_or_else(|| unknown("savepoint", id))?)
            }
        };
        Ok(PartView::Body(body))
    }

    async fn prepare(&self, Intent { pull_in, dry_run }: Intent) -> Result<Observation, SeamError> {
        let state = self.facts().state();
        if state.has_ended() {
            return Err(SeamError::Ended { state });
        }
        let route = match self.ask(Request::FindRoute(self.id())).await {
            Ok(Reply::Route(route)) => route,
            Ok(_) => return Err(SeamError::Silent),
            Err(error) => return Err(self.error(error)),
        };
        match route {
            // A cluster that does not answer has no process behind its address either.
            Route::None(why) => {
                let obstacle = self.compute(|view| view.obstacle());
                Err(obstacle.map_or(SeamError::NoWay(why), SeamError::Unreachable))
            }
            Route::Native if pull_in => Err(SeamError::NoWay(
                "its cluster's own FLIP-571 has no way to bring a trigger forward; leave --now (pullIn) out"
                    .to_owned(),
            )),
            Route::Attach(_) if !dry_run || self.sees_with_agent() => {
                if self.facts().rest.is_none() && self.compute(|view| view.obstacle().is_none()) {
                    // For what else it was submitted with; a change goes on without.
                    drop(self.read_rest().await);
                }
                match self.look_inside().await {
                    // The stored values are applied when the coordinator is there.
                    Err(SeamError::NotNow { .. }) => {
                        self.refuse_if_ended().await?;
                        let observation = self.look().await?;
                        Ok(Observation { revision_in_force: None, ..observation })
                    }
                    looked => looked,
                }
            }
            Route::Native | Route::Attach(_) => match self.look().await? {
                Observation { stale: Some(why), .. } => Err(SeamError::Unreachable(why)),
                fresh => Ok(fresh),
            },
        }
    }

    async fn preview(&self, overridden: Override, pull_in: bool) -> Result<Applied, SeamError> {
        let mut observation = self.prepare(Intent { pull_in, dry_run: true }).await?;
        observation.effective = EffectiveConfig::of(&observation.submitted, &overridden);
        let updates = observation::foreseen(&observation.in_flight, observation.effective.timeout());
        Ok(Applied { observation, updates, ended: Vec::new() })
    }

    async fn apply(&self, revision: Revision) -> Result<Settled, SeamError> {
        let Revision { revision, pull_in, seen, initiator } = revision;
        let request = Request::Apply { job: self.id(), revision, pull_in, initiator };
        let mut applied = match self.ask_within(CHANGE_TIMEOUT, request).await {
            Ok(Reply::Applied(applied)) => applied.applied,
            Ok(Reply::Superseded { by }) => return Ok(Settled::Superseded { by }),
            Ok(Reply::Done | Reply::Route(_) | Reply::Failed(_)) => return Err(SeamError::Silent),
            Err(RequestError::Job(SeamError::Silent)) => {
                return Err(SeamError::Unreachable(
                    "changes that were asked for before are still being applied".to_owned(),
                ));
            }
            Err(error) => return Err(self.error(error)),
        };
        let is_pending = |id: &CheckpointId| applied.updates.iter().any(|one| one.checkpoint.id == *id);
        let gone: Vec<_> = seen.into_iter().filter(|id| !is_pending(id)).collect();
        applied.ended = self.ended(gone).await;
        Ok(Settled::Applied(Box::new(applied)))
    }

    async fn trigger(&self, request: ManualTrigger) -> Result<TriggerId, SeamError> {
        let (client, id) = (self.link().client(), self.id().to_string());
        match request {
            ManualTrigger::Checkpoint(request) => {
                let answer = client.trigger(&id, &request).await;
                answer.map(|answer| answer.value.request_id).map_err(|error| self.link().refused(&error))
            }
            ManualTrigger::Savepoint(request) => match client.savepoint(&id, &request).await {
                Ok(answer) => Ok(answer.value.request_id),
                Err(error) if error.status().is_some_and(|status| status.as_u16() == 400) => {
                    Err(SeamError::Mistake(format!("cluster {}: {error}", self.link().name())))
                }
                Err(error) => Err(self.link().refused(&error)),
            },
        }
    }

    async fn cancel(&self) -> Result<(), SeamError> {
        let id = self.id().to_string();
        self.link().client().cancel(&id).await.map(drop).map_err(|error| self.link().refused(&error))
    }
}
