//! One job of a Flink cluster: looking at it, through REST and through the agent.

use super::anatomy::Memory;
use super::gone::Remains;
use super::known::{FromRest, Known};
use super::link::{Health, Link};
use super::news;
use super::rest;
use super::settings::Attach;
use super::sight::{self, Base};
use crate::attach::Jvm;
use crate::clock::wall_millis;
use crate::overrides::Record;
use crate::seam::{Glance, Identity, JobCoordinator, Observation, SeamError};
use ckpt_agent::protocol::{Answered, Ask, Sight};
use ckpt_api::flink;
use ckpt_api::{self as api, Happening, JobState, OverrideState, OverrideStatus};
use ckpt_client::ClientError;
use ckpt_coordinator::Monotonic;
use ckpt_types::duration::{Rough, millis};
use ckpt_types::ids::JobId;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;

/// How many events a slow reader may be behind.
const MOST_EVENTS: usize = 1_024;
/// What was seen longer ago is told as old. A job is looked at every 10 s for its history; see `remembering`.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// A job of a Flink cluster.
#[derive(Clone)]
pub struct FlinkJob(pub(super) Arc<Inner>);

pub(super) struct Inner {
    link: Arc<Link>,
    pub(super) identity: Identity,
    pub(super) events: broadcast::Sender<api::Event>,
    known: Mutex<Known>,
    memory: Arc<Memory>,
    /// One change at a time, so that an older one never comes after a newer one.
    applying: tokio::sync::Mutex<()>,
}

impl fmt::Debug for FlinkJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlinkJob").field(&self.0.identity).finish()
    }
}

impl FlinkJob {
    /// A job of which so much is remembered from before.
    pub(super) fn new(link: Arc<Link>, overview: flink::JobOverview, remains: Remains) -> Self {
        let identity =
            Identity { cluster: link.name().to_owned(), id: overview.jid, name: overview.name.clone() };
        let Remains { memory, history } = remains;
        let known = Known { history, ..Known::new(overview, link.clock.now().monotonic) };
        let (events, _) = broadcast::channel(MOST_EVENTS);
        let (known, applying) = (Mutex::new(known), tokio::sync::Mutex::new(()));
        Self(Arc::new(Inner { link, identity, events, known, memory, applying }))
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
        let job = Self::new(link, overview, Remains::default());
        job.known().missing = true;
        job
    }

    /// What is worth keeping of it when its cluster does not list it.
    pub(super) fn remains(&self) -> Remains {
        Remains { memory: Arc::clone(self.memory()), history: self.known().history.clone() }
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

    /// What is remembered of its checkpoints.
    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.0.memory
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
        let Identity { id, cluster, .. } = self.0.identity.clone();
        let event =
            api::Event { schema: api::SCHEMA.to_owned(), cluster, job_id: id, at: wall_millis(), what };
        drop(self.0.events.send(event));
    }

    /// Asks REST how it is.
    pub(super) async fn ask_rest(&self) -> Result<(), ClientError> {
        let (client, id, asked) = (self.link().client(), self.id(), self.now());
        let answers = tokio::try_join!(rest::checkpoint_config(client, id), rest::checkpoints(client, id));
        let (config, statistics) = answers?;
        let now = self.link().clock.now();
        self.remember_subtasks(&statistics);
        let news = statistics.clone();
        let (at, at_wall) = (now.monotonic, now.wall_millis());
        let before = self.remember(FromRest { config, statistics: news, asked, at, at_wall });
        if let Some(before) = before {
            news::between(&before.statistics, &statistics).into_iter().for_each(|news| self.tell(news));
        }
        Ok(())
    }

    /// Takes what REST told, and what has ended by it into the history: nobody sees the one without the other. What
    /// was told before.
    fn remember(&self, told: FromRest) -> Option<FromRest> {
        let Health { ahead, .. } = self.link().health();
        let record = self.link().record(self.id());
        let mut known = self.known();
        // Of two that were asked side by side, the one that was asked earlier may be answered later.
        if known.rest.as_ref().is_some_and(|rest| rest.asked > told.asked) {
            return None;
        }
        // What has ended by now did so with the timeout that was seen before, unless a change was made meanwhile.
        let to_here = |there: i64| u64::try_from(there.saturating_sub(ahead)).unwrap_or(0);
        known.history.saw(&told.statistics.history, to_here);
        let before = known.rest.replace(told);
        let submitted = known.submitted(record.as_ref());
        if let Some(in_force) = known.in_force(&submitted) {
            known.history.timeout_is(wall_millis(), millis(in_force.timeout()));
        }
        before
    }

    /// Notes the timeout that a change has just put in force.
    pub(super) fn note_timeout(&self, timeout: Duration) {
        self.known().history.timeout_is(wall_millis(), millis(timeout));
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

    /// Its record is about to end, since it has ended itself; what it was submitted with is still shown then.
    pub(super) fn ends_with(&self, record: &Record) {
        self.known().ended_from = record.submitted;
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
            usual_duration: known.rest.as_ref().and_then(|rest| rest::usual_duration(&rest.statistics)),
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

    /// How it was seen last through REST, without asking.
    pub(super) fn last_glance(&self) -> Result<Glance, SeamError> {
        let statistics = self.known().rest.as_ref().map(|rest| (rest.at, rest.statistics.clone()));
        let (at, statistics) = statistics.ok_or(SeamError::Silent)?;
        let unheard = || {
            let silent = self.now() - at;
            (silent > LONGEST_SILENCE)
                .then(|| format!("its cluster has said nothing of its checkpoints for {}", Rough(silent)))
        };
        let observation = match self.obstacle().or_else(unheard) {
            Some(why) => self.stale(why)?,
            None => self.through_rest().ok_or(SeamError::Silent)?,
        };
        let last_completed = statistics.latest.completed;
        let Health { ahead, .. } = self.link().health();
        Ok(Glance { observation, last_completed, ahead })
    }

    pub(super) fn sees_with_agent(&self) -> bool {
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

    pub(super) async fn read<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, SeamError> {
        let path = format!("/jobs/{}{path}", self.id());
        rest::found(self.link().client().get(&path).await).map_err(|error| self.link().refused(&error))
    }

    pub(super) async fn must_read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, SeamError> {
        let gone = || {
            SeamError::Unreachable(format!("cluster {} does not know this job any more", self.link().name()))
        };
        self.read(path).await?.ok_or_else(gone)
    }
}
