//! One job of a Flink cluster behind the seam.

use super::apply::{By, signed};
use super::known::{FromRest, Known};
use super::link::{Health, Link};
use super::news;
use super::rest;
use super::settings::Attach;
use super::sight::{self, Base};
use super::ways::Way;
use crate::attach::Jvm;
use crate::clock::wall_millis;
use crate::seam::{Applied, Changing, Identity, JobCoordinator, Observation, SeamError, Wanted};
use async_trait::async_trait;
use ckpt_agent::protocol::{Answered, Ask, Sight};
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_shared::api::{self, Happening, JobState, OverrideState, OverrideStatus};
use ckpt_shared::client::ClientError;
use ckpt_shared::flink::{self, NO_INTERVAL};
use ckpt_shared::ids::{CheckpointId, JobId, TriggerId, VertexId};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;

/// How many events a slow reader may be behind.
const MOST_EVENTS: usize = 1_024;
/// How long looking through the agent is given up after it failed.
const BLIND: Duration = Duration::from_secs(30);

/// A job of a Flink cluster.
#[derive(Clone)]
pub struct FlinkJob(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    identity: Identity,
    events: broadcast::Sender<api::Event>,
    known: Mutex<Known>,
    /// One change at a time, so that an older one never comes after a newer one.
    applying: tokio::sync::Mutex<()>,
}

impl fmt::Debug for FlinkJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlinkJob").field(&self.0.identity).finish()
    }
}

impl FlinkJob {
    pub(super) fn new(link: Arc<Link>, overview: flink::JobOverview) -> Self {
        let identity =
            Identity { cluster: link.name().to_owned(), id: overview.jid, name: overview.name.clone() };
        let known = Known::new(overview, link.clock.now().monotonic);
        let (events, _) = broadcast::channel(MOST_EVENTS);
        let (known, applying) = (Mutex::new(known), tokio::sync::Mutex::new(()));
        Self(Arc::new(Inner { link, identity, events, known, applying }))
    }

    /// A job of which only its override is known.
    pub(super) fn stored(link: Arc<Link>, id: JobId, name: String) -> Self {
        let overview = flink::JobOverview {
            jid: id,
            name,
            start_time: -1,
            end_time: -1,
            duration: -1,
            // Flink's word for a job that does not run and has not ended.
            state: JobState::Suspended,
            last_modification: -1,
            tasks: flink::OverviewTasks::default(),
            job_type: None,
            scheduler_type: None,
            pending_operators: 0,
        };
        let job = Self::new(link, overview);
        job.known().missing = true;
        job
    }

    pub(super) fn id(&self) -> JobId {
        self.0.identity.id
    }

    pub(super) fn state(&self) -> JobState {
        self.known().overview.state
    }

    /// Whether it was looked at before.
    pub(super) fn was_seen(&self) -> bool {
        self.known().rest.is_some()
    }

    pub(super) fn applying(&self) -> &tokio::sync::Mutex<()> {
        &self.0.applying
    }

    pub(super) fn link(&self) -> &Link {
        &self.0.link
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Monotonic {
        self.link().clock.now().monotonic
    }

    /// Takes what the cluster's list says of it.
    pub(super) fn listed(&self, overview: flink::JobOverview) {
        let state = overview.state;
        let (was, started) = (self.state(), self.known().overview.start_time);
        let comes_back = std::mem::take(&mut self.known().missing);
        let starts_anew = started != overview.start_time;
        self.known().listed(overview);
        if was != state {
            self.tell(Happening::State { state, reason: None });
        }
        if (was != state || starts_anew || comes_back) && self.link().record(self.id()).is_some() {
            self.link().reconcile_now.notify_one();
        }
    }

    /// Other jobs have its name: they have left an override behind, or its own is left behind.
    pub(super) fn has_namesakes(&self, namesakes: Vec<JobId>) {
        self.known().namesakes = namesakes;
    }

    /// The cluster answered without it.
    pub(super) fn not_listed(&self) {
        self.known().missing = true;
    }

    /// Whether somebody follows its events.
    pub(super) fn is_followed(&self) -> bool {
        self.0.events.receiver_count() > 0
    }

    pub(super) fn tell(&self, what: Happening) {
        let Identity { id, .. } = self.0.identity;
        let event = api::Event { schema: api::SCHEMA.to_owned(), job_id: id, at: wall_millis(), what };
        drop(self.0.events.send(event));
    }

    /// Asks REST how it is.
    async fn ask_rest(&self) -> Result<(), ClientError> {
        let (client, id) = (self.link().client(), self.id());
        let answers = tokio::try_join!(rest::checkpoint_config(client, id), rest::checkpoints(client, id));
        let (config, statistics) = answers?;
        let now = self.link().clock.now();
        let before = self.known().rest.replace(FromRest {
            config,
            statistics: statistics.clone(),
            at: now.monotonic,
            at_wall: now.wall_millis(),
        });
        if let Some(before) = before {
            news::between(&before.statistics, &statistics).into_iter().for_each(|news| self.tell(news));
        }
        Ok(())
    }

    /// Asks the cluster for its state, and refuses when it has ended.
    pub(super) async fn refuse_if_ended(&self) -> Result<(), SeamError> {
        let listed =
            rest::overview(self.link().client()).await.map_err(|error| self.link().refused(&error))?;
        if let Some(overview) = listed.jobs.into_iter().find(|job| job.jid == self.id()) {
            self.listed(overview);
        }
        match self.state() {
            state if state.has_ended() => Err(SeamError::Ended { state }),
            _ => Ok(()),
        }
    }

    /// A job without a record may have one under a name that its cluster had before.
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

    /// What is known whoever looks at the checkpoints.
    pub(super) fn base(&self, observed_at: u64) -> Base {
        let record = self.link().record(self.id());
        let known = self.known();
        Base {
            state: known.overview.state,
            submitted: known.submitted(record.as_ref()),
            record,
            reach: self.link().ways.reach(self.link()),
            kept: self.orphaned(&known).or_else(|| known.keeping.status(self.link().clock.now())),
            trouble: self.stranded().or_else(|| self.not_kept()),
            observed_at,
        }
    }

    /// Nobody sees to it that its override goes on to hold.
    fn not_kept(&self) -> Option<String> {
        let pause = self.link().record(self.id()).and_then(|_| self.link().pause())?;
        Some(format!("its override is not applied again if it is lost: {pause}"))
    }

    /// An override of this name and another job than the one that has the name now.
    fn orphaned(&self, known: &Known) -> Option<OverrideStatus> {
        let first = known.namesakes.first()?;
        let Identity { name, id, .. } = self.identity();
        let why = match (known.missing, self.link().record(*first)) {
            (true, _) => format!(
                "its cluster does not list this job any more, and its name runs under the id {first}; ckptctl adopt \
                 {name} carries the override over, ckptctl reset {id} forgets it"
            ),
            (false, Some(record)) if !self.link().record(*id).is_some_and(|own| own.is_override()) => {
                format!(
                    "an override of an earlier job of this name ({first}, {}) was left behind and does not hold for this \
                     one; ckptctl adopt {name} carries it over",
                    record.in_words()
                )
            }
            (false, _) => return None,
        };
        Some(OverrideStatus { state: OverrideState::Orphaned, why: Some(why), since: None, next_try: None })
    }

    /// How its override stood when it was looked at last, without looking; with its name.
    pub(super) fn named_standing(&self) -> Option<(String, OverrideStatus)> {
        if self.state().has_ended() || self.link().record(self.id()).is_none() {
            return None;
        }
        let kept = self.base(wall_millis()).kept?;
        Some((self.0.identity.name.clone(), kept))
    }

    /// What REST told last.
    fn through_rest(&self) -> Option<Observation> {
        let rest = self.known().rest.clone()?;
        let base = self.base(rest.at_wall);
        let effective = self.known().in_force(&base.submitted)?;
        let Health { ahead, .. } = self.link().health();
        let now_there = i64::try_from(rest.at_wall).unwrap_or(i64::MAX).saturating_add(ahead);
        Some(sight::from_rest(base, effective, &rest.statistics, now_there))
    }

    /// What was seen last, and why it is not fresher.
    fn stale(&self, why: String) -> Result<Observation, SeamError> {
        let mut observation = self.through_rest().ok_or_else(|| SeamError::Unreachable(why.clone()))?;
        if observation.standing.is_some() {
            // What was in force is not known to be so any more, unless its keeper has seen it meanwhile.
            let kept = self.base(observation.observed_at).kept;
            let waits = || OverrideStatus {
                state: OverrideState::Waiting,
                why: Some(why.clone()),
                since: Some(observation.observed_at),
                next_try: None,
            };
            let standing = kept.unwrap_or_else(waits);
            observation.revision_in_force.take_if(|_| standing.state != OverrideState::Applied);
            observation.standing = Some(standing);
        }
        observation.stale = Some(why);
        Ok(observation)
    }

    /// Why nothing fresh can be seen, without asking.
    pub(super) fn obstacle(&self) -> Option<String> {
        let Health { trouble, observed_at, .. } = self.link().health();
        let unheard =
            observed_at.is_none().then(|| format!("cluster {} has not answered yet", self.link().name()));
        let missing = || {
            let missing = self.known().missing;
            missing.then(|| format!("cluster {} does not list this job any more", self.link().name()))
        };
        trouble.or(unheard).or_else(missing)
    }

    /// Looks through REST.
    pub(super) async fn look(&self) -> Result<Observation, SeamError> {
        if let Some(why) = self.obstacle() {
            return self.stale(why);
        }
        match self.ask_rest().await {
            Ok(()) => self.through_rest().ok_or(SeamError::Silent),
            Err(error) if rest::has_no_checkpoints(&error) => Err(SeamError::NoCheckpoints),
            Err(error) => self.stale(error.to_string()),
        }
    }

    fn sees_with_agent(&self) -> bool {
        self.link().settings.consent.attach == Attach::Always
    }

    /// Keeps what the agent saw, and makes an observation of it.
    pub(super) fn saw(&self, jvm: Jvm, sight: &Sight) -> Observation {
        let now = self.link().clock.now();
        let mut known = self.known();
        (known.sight, known.seen_in) = (Some((sight.clone(), now.monotonic)), Some(jvm));
        drop(known);
        sight::from_agent(self.base(now.wall_millis()), sight)
    }

    /// Looks through the agent.
    pub(super) async fn look_inside(&self) -> Result<Observation, SeamError> {
        let job = self.id().to_string();
        let overview = self.known().overview.clone();
        match self.link().ways.ask(self.link(), &overview, Ask::Read { job }).await? {
            (jvm, Answered::Read(sight)) => Ok(self.saw(jvm, &sight)),
            (_, Answered::Jobs(_) | Answered::Changed { .. }) => Err(SeamError::Silent),
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
}

#[async_trait]
impl JobCoordinator for FlinkJob {
    fn identity(&self) -> &Identity {
        &self.0.identity
    }

    fn last_state(&self) -> JobState {
        self.state()
    }

    fn is_there(&self) -> bool {
        !self.known().missing
    }

    fn last_seen(&self) -> u64 {
        self.link().health().observed_at.unwrap_or_else(wall_millis)
    }

    async fn observe(&self) -> Result<Observation, SeamError> {
        if self.sees_with_agent()
            && self.link().pause().is_none()
            && self.obstacle().is_none()
            && !self.last_state().has_ended()
        {
            if self.known().wants_rest(self.now()) {
                // For what the agent does not tell; without it the agent's word is enough.
                drop(self.ask_rest().await);
            }
            if self.now() >= self.known().blind_until {
                match self.look_inside().await {
                    Ok(observation) => return Ok(observation),
                    Err(error) => {
                        tracing::debug!(job = %self.id(), %error, "the agent does not see; REST has to do");
                        let briefly = matches!(error, SeamError::NotNow { .. });
                        self.known().blind_until = self.now() + if briefly { BLIND / 10 } else { BLIND };
                    }
                }
            }
        }
        self.look().await
    }

    async fn prepare(&self, pull_in: bool, dry_run: bool) -> Result<Observation, SeamError> {
        let state = self.last_state();
        if state.has_ended() {
            return Err(SeamError::Ended { state });
        }
        match self.link().ways.choose(self.link(), Some(self.id())).await {
            // A cluster that does not answer has no process behind its address either.
            Way::None(why) => Err(self.obstacle().map_or(SeamError::NoWay(why), SeamError::Unreachable)),
            Way::Native if pull_in => Err(SeamError::NoWay(
                "its cluster's own FLIP-571 has no way to bring a trigger forward; leave --now (pullIn) out"
                    .to_owned(),
            )),
            Way::Attach(_) if !dry_run || self.sees_with_agent() => {
                if self.known().rest.is_none() && self.obstacle().is_none() {
                    // What else it was submitted with; a change goes on without.
                    drop(self.ask_rest().await);
                }
                match self.look_inside().await {
                    // What is stored is applied when the coordinator is there.
                    Err(SeamError::NotNow { .. }) => {
                        self.refuse_if_ended().await?;
                        let observation = self.look().await?;
                        Ok(Observation { revision_in_force: None, ..observation })
                    }
                    looked => looked,
                }
            }
            Way::Native | Way::Attach(_) => match self.look().await? {
                Observation { stale: Some(why), .. } => Err(SeamError::Unreachable(why)),
                fresh => Ok(fresh),
            },
        }
    }

    async fn preview(&self, overridden: Override, pull_in: bool) -> Result<Applied, SeamError> {
        let mut observation = self.prepare(pull_in, true).await?;
        observation.effective = EffectiveConfig::of(&observation.submitted, &overridden);
        let updates = sight::foreseen(&observation.in_flight, observation.effective.timeout());
        Ok(Applied { observation, updates, ended: Vec::new() })
    }

    async fn apply(
        &self,
        _wanted: Wanted,
        pull_in: bool,
        seen: Vec<CheckpointId>,
    ) -> Result<Applied, SeamError> {
        // What is stored is at least as new as what was asked for.
        let applied = self.put_in_force(By::Operator { pull_in }, seen).await;
        self.known().keeping.starts_over();
        match &applied {
            // Otherwise the next look tells what came of it.
            Ok(applied) if !applied.observation.holds() => {}
            Ok(_) => drop(self.was_put_in_force()),
            Err(error) => {
                self.known().keeping.failed(self.link().clock.now(), error);
                if error.override_state() == OverrideState::Waiting {
                    self.link().reconcile_now.notify_one();
                }
            }
        }
        applied
    }

    async fn trigger(&self, request: flink::TriggerRequest) -> Result<TriggerId, SeamError> {
        let id = self.id().to_string();
        let answer = self.link().client().trigger(&id, &request).await;
        answer.map(|answer| answer.value.request_id).map_err(|error| self.link().refused(&error))
    }

    async fn trigger_status(&self, id: TriggerId) -> Result<Option<flink::TriggerStatus>, SeamError> {
        self.read(&format!("/checkpoints/{id}")).await
    }

    async fn savepoint(&self, request: flink::SavepointRequest) -> Result<TriggerId, SeamError> {
        let id = self.id().to_string();
        match self.link().client().savepoint(&id, &request).await {
            Ok(answer) => Ok(answer.value.request_id),
            Err(error) if error.status().is_some_and(|status| status.as_u16() == 400) => {
                Err(SeamError::Mistake(format!("cluster {}: {error}", self.link().name())))
            }
            Err(error) => Err(self.link().refused(&error)),
        }
    }

    async fn savepoint_status(&self, id: TriggerId) -> Result<Option<flink::SavepointStatus>, SeamError> {
        self.read(&format!("/savepoints/{id}")).await
    }

    async fn cancel(&self) -> Result<(), SeamError> {
        let id = self.id().to_string();
        self.link().client().cancel(&id).await.map(drop).map_err(|error| self.link().refused(&error))
    }

    async fn overview(&self) -> Result<flink::JobOverview, SeamError> {
        Ok(self.known().overview.clone())
    }

    async fn details(&self) -> Result<flink::JobDetails, SeamError> {
        self.must_read("").await
    }

    async fn checkpoints(&self) -> Result<flink::CheckpointStatistics, SeamError> {
        self.must_read("/checkpoints").await
    }

    async fn checkpoint_config(&self) -> Result<flink::CheckpointConfig, SeamError> {
        self.ask_rest().await.map_err(|error| self.link().refused(&error))?;
        let base = self.base(wall_millis());
        let in_force = self.known().in_force(&base.submitted).ok_or(SeamError::Silent)?;
        let shown = self.known().rest.as_ref().map(|rest| rest.config.clone()).ok_or(SeamError::Silent)?;
        Ok(flink::CheckpointConfig {
            interval: in_force.interval().map_or(NO_INTERVAL, signed),
            timeout: signed(in_force.timeout()),
            ..shown
        })
    }

    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<flink::Checkpoint>, SeamError> {
        let found = rest::checkpoint(self.link().client(), self.id(), id).await;
        found.map_err(|error| self.link().refused(&error))
    }

    async fn subtasks(
        &self,
        id: CheckpointId,
        vertex: VertexId,
    ) -> Result<Option<Option<flink::TaskCheckpointWithSubtasks>>, SeamError> {
        let known = rest::remembered(self.link().client(), self.id(), id).await;
        match known.map_err(|error| self.link().refused(&error))? {
            None => Ok(None),
            Some(_) => self.read(&format!("/checkpoints/details/{id}/subtasks/{vertex}")).await.map(Some),
        }
    }

    fn changing(&self) -> Changing {
        Changing::of(&self.known().changing)
    }

    fn standing(&self) -> Option<OverrideStatus> {
        self.base(wall_millis()).kept
    }

    fn left_behind(&self) -> Vec<JobId> {
        let known = self.known();
        if known.missing { Vec::new() } else { known.namesakes.clone() }
    }

    fn events(&self) -> broadcast::Receiver<api::Event> {
        self.0.events.subscribe()
    }
}
