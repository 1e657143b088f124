//! Searches for a route into a cluster, and questions to its JVMs. Each works on a copy of what is known and reports
//! what it learned.

use super::facts::ClusterFacts;
use super::link::Link;
use super::routes::{Lesson, Route, Routes};
use super::settings::{Attach, Consent};
use crate::seam::SeamError;
use ckpt_agent::protocol::{Answered, Ask, Refusal};
use ckpt_api::Verdict;
use ckpt_api::flink::JobOverview;
use ckpt_attach::{AttachError, AttachPolicy, Jvm, Listeners};
use ckpt_types::duration::Exact;
use ckpt_types::ids::JobId;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// Longest wait for an answer out of a JVM; the first one takes longest.
pub(super) const JVM_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a name to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Flink's answer for a path that it does not have.
const NO_SUCH_PATH: &str = "Not found: /";

/// A search, or a question, with what it knows and has learned.
#[derive(Debug)]
pub(super) struct Search<'a> {
    link: &'a Link,
    routes: Routes,
    /// True while the cluster does not answer as it should.
    is_troubled: bool,
    lessons: Vec<Lesson>,
}

impl<'a> Search<'a> {
    pub(super) fn new(link: &'a Link, facts: &ClusterFacts) -> Self {
        let is_troubled = facts.health.trouble.is_some();
        Self { link, routes: facts.routes.clone(), is_troubled, lessons: Vec::new() }
    }

    /// Facts learned, in their order.
    pub(super) fn lessons(self) -> Vec<Lesson> {
        self.lessons
    }

    /// Reason why the REST API takes no changes, if it refuses them.
    pub(super) fn forbidden(&self) -> Option<String> {
        self.routes.forbidden()
    }

    fn learn(&mut self, lesson: Lesson) {
        self.routes.learn(lesson.clone());
        self.lessons.push(lesson);
    }

    /// The route for a change: the one that is known, or else it is searched for. Loads and changes nothing.
    pub(super) async fn route(&mut self, job: Option<JobId>) -> Route {
        let known = self.routes.known(self.link.clock.now().monotonic).cloned();
        match known {
            // Its end may not have been noticed yet.
            Some(Route::Attach(jvm)) if !jvm.is_alive() => self.search(job).await,
            Some(route) => route,
            None => self.search(job).await,
        }
    }

    /// Searches for the route. Loads and changes nothing.
    pub(super) async fn search(&mut self, job: Option<JobId>) -> Route {
        let route = match self.is_native(job).await {
            Some(true) => Route::Native,
            Some(false) | None => match candidates(self.link).await {
                Err(why) => Route::None(self.routes.forbidden().unwrap_or(why)),
                Ok(jvms) => self.first_attachable(jvms).await,
            },
        };
        self.learn(Lesson::Found(self.link.clock.now().monotonic, route.clone()));
        route
    }

    async fn first_attachable(&self, mut jvms: Vec<Jvm>) -> Route {
        if let Some(leader) = self.routes.leader().filter(Jvm::is_alive) {
            jvms.retain(|jvm| *jvm != leader);
            jvms.insert(0, leader);
        }
        let mut why = None;
        for jvm in jvms {
            match obstacle(jvm, self.link.settings.consent).await {
                None => return Route::Attach(jvm),
                found => why = why.or(found),
            }
        }
        Route::None(why.unwrap_or_else(|| "no JobManager was found behind its address".to_owned()))
    }

    /// Whether the cluster offers FLIP-571; `None` if that cannot be told. A change that every version must refuse is
    /// answered 404 by a Flink without it, and 400 by one with it. Nothing changes.
    pub(super) async fn is_native(&mut self, job: Option<JobId>) -> Option<bool> {
        if let Some(native) = self.routes.native() {
            return Some(native);
        }
        if self.is_troubled {
            return None;
        }
        let path = format!("/jobs/{}/checkpoints/configuration", job?);
        let refused = self.link.client().send_patch(&path, "[]".to_owned()).await.err()?;
        let status = refused.status()?.as_u16();
        let native = match status {
            400 => true,
            // The job is unknown there, as one that has only just been started.
            404 if !refused.to_string().contains(NO_SUCH_PATH) => return None,
            401 | 403 | 404 | 405 => false,
            _ => return None,
        };
        self.learn(Lesson::Native { native, forbidden: matches!(status, 401 | 403).then_some(status) });
        Some(native)
    }

    /// Puts a question about a job to the JVM that leads it.
    pub(super) async fn ask_jvm(
        &mut self,
        job: &JobOverview,
        ask: Ask,
    ) -> Result<(Jvm, Answered), SeamError> {
        let consent = self.link.settings.consent;
        let first = self.routes.first_process().filter(|_| consent.attach != Attach::Never);
        if let Some(jvm) = first {
            match ckpt_attach::ask(&jvm, &consent.into(), ask.clone(), JVM_TIMEOUT).await {
                Ok(answer) => return Ok(self.answered(jvm, answer)),
                Err(AttachError::Refusal(Refusal::NotLeading { leader, .. })) => {
                    self.learn(Lesson::LeaderLost);
                    return self.ask_leader(job, ask, jvm, leader).await;
                }
                // Behind the address there may be another one by now.
                Err(error) if is_one_of_several(&error) => self.learn(Lesson::LeaderLost),
                Err(error) => return Err(self.refused(job, &error, &ask)),
            }
        }
        let mut why = None;
        for jvm in candidates(self.link).await.map_err(SeamError::NoWay)? {
            match ckpt_attach::ask(&jvm, &consent.into(), ask.clone(), JVM_TIMEOUT).await {
                Ok(answer) => return Ok(self.answered(jvm, answer)),
                Err(AttachError::Refusal(Refusal::NotLeading { leader, .. })) => {
                    return self.ask_leader(job, ask, jvm, leader).await;
                }
                // Another process behind the same port may be the right one.
                Err(error) if is_one_of_several(&error) => why = why.or(Some(error)),
                Err(error) => return Err(self.refused(job, &error, &ask)),
            }
        }
        Err(why.map_or(SeamError::Silent, |error| self.refused(job, &error, &ask)))
    }

    /// Asks the leader that `standby` names, if that is on this machine.
    async fn ask_leader(
        &mut self,
        job: &JobOverview,
        ask: Ask,
        standby: Jvm,
        leader: Option<String>,
    ) -> Result<(Jvm, Answered), SeamError> {
        // It may be the leader itself, or one that has gone: then there will be another.
        let not_now = SeamError::NotNow { state: job.state };
        let Some(leader) = leader else { return Err(not_now) };
        let jvms = match behind(&leader).await {
            Ok(jvms) => jvms,
            Err(why) => {
                self.learn(Lesson::Blocked(why.clone()));
                return Err(SeamError::NoWay(why));
            }
        };
        let consent = self.link.settings.consent.into();
        for jvm in jvms.into_iter().filter(|jvm| *jvm != standby) {
            match ckpt_attach::ask(&jvm, &consent, ask.clone(), JVM_TIMEOUT).await {
                Ok(answer) => return Ok(self.answered(jvm, answer)),
                Err(AttachError::Gone { .. } | AttachError::Refusal(Refusal::NotLeading { .. })) => {}
                Err(error) => return Err(self.refused(job, &error, &ask)),
            }
        }
        Err(not_now)
    }

    fn answered(&mut self, jvm: Jvm, answer: Answered) -> (Jvm, Answered) {
        self.learn(Lesson::Leader(jvm));
        (jvm, answer)
    }

    /// Meaning of a refusal for a change of `job`.
    fn refused(&mut self, job: &JobOverview, error: &AttachError, ask: &Ask) -> SeamError {
        let sentence = error.to_string();
        match error {
            AttachError::Silent { limit, .. } if !matches!(ask, Ask::Change { .. }) => {
                SeamError::Unreachable(format!(
                    "the JobManager's JVM did not answer within {}; it was only looked at, and nothing was changed",
                    Exact(*limit)
                ))
            }
            AttachError::Refusal(Refusal::ShutDown) if job.state.has_ended() => {
                SeamError::Ended { state: job.state }
            }
            AttachError::Refusal(
                Refusal::NotLeading { .. }
                | Refusal::NoSuchJob
                | Refusal::NoCoordinator { .. }
                | Refusal::ShutDown,
            ) => SeamError::NotNow { state: job.state },
            AttachError::Refusal(Refusal::NoCheckpoints) => SeamError::NoCheckpoints,
            AttachError::Gone { .. }
            | AttachError::Silent { .. }
            | AttachError::Unintelligible { .. }
            | AttachError::Refusal(Refusal::TooLate) => SeamError::Unreachable(sentence),
            AttachError::Refusal(Refusal::NotFlink | Refusal::Unexpected { .. } | Refusal::Failed { .. })
            | AttachError::Refused(_)
            | AttachError::NotPlaced { .. }
            | AttachError::TooLong { .. }
            | AttachError::NotLoaded { .. }
            | AttachError::Disconnected(_) => {
                self.learn(Lesson::Blocked(sentence.clone()));
                SeamError::NoWay(sentence)
            }
        }
    }
}

impl From<Consent> for AttachPolicy {
    fn from(consent: Consent) -> Self {
        Self { other_users: consent.other_users }
    }
}

fn is_one_of_several(error: &AttachError) -> bool {
    matches!(
        error,
        AttachError::Gone { .. }
            | AttachError::Refused(_)
            | AttachError::Refusal(Refusal::NotFlink | Refusal::NoSuchJob)
    )
}

/// The processes of this machine that listen behind a cluster's address.
pub(super) async fn candidates(link: &Link) -> Result<Vec<Jvm>, String> {
    if link.settings.consent.attach == Attach::Never {
        return Err("loading a library into its JobManager is switched off (attach = never); allow it with \
                    --attach on-change"
            .to_owned());
    }
    let Some((host, port)) = link.client().host_and_port() else {
        return Err(format!("{} names no host", link.settings.url));
    };
    let resolved = timeout(RESOLVE_TIMEOUT, lookup_host((host.as_str(), port))).await;
    let Ok(Ok(addresses)) = resolved else { return Err(format!("its host {host} cannot be resolved")) };
    let addresses: Vec<SocketAddr> = addresses.collect();
    let is_local = addresses.iter().any(|address| ckpt_attach::is_local(address.ip().to_canonical()));
    let mut found = Vec::new();
    let mut unseen = Vec::new();
    for address in addresses {
        let Listeners { processes, unseen: others } =
            off_thread(move || ckpt_attach::listening_on(address)).await;
        found.extend(processes);
        unseen.extend(others);
    }
    match (found.is_empty(), unseen.first()) {
        (false, _) => Ok(found),
        (true, Some(unseen)) => Err(unseen.sentence(port)),
        (true, None) if !is_local => {
            Err(format!("its JobManager is not on this machine; run ckptd on {host}"))
        }
        (true, None) => Err(format!(
            "no process of this machine that ckptd can see listens on port {port}; run ckptd where the JobManager runs"
        )),
    }
}

/// The first check that fails, as a sentence.
async fn obstacle(jvm: Jvm, consent: Consent) -> Option<String> {
    let checks = off_thread(move || ckpt_attach::preflight(&jvm, &consent.into()).checks).await;
    checks.iter().find(|check| check.verdict == Verdict::Failed).map(ckpt_attach::describe_check)
}

/// The processes of this machine that listen where a JobManager's RPC address leads, such as
/// `pekko.tcp://flink@host:6123/user/rpc/dispatcher_1`. None when nobody does any more.
///
/// # Errors
/// Why it cannot be reached from here.
pub(super) async fn behind(rpc: &str) -> Result<Vec<Jvm>, String> {
    let place = rpc.split_once('@').and_then(|(_, rest)| rest.split('/').next()).unwrap_or(rpc);
    let resolved = timeout(RESOLVE_TIMEOUT, lookup_host(place)).await;
    let addresses: Vec<_> = resolved.ok().and_then(Result::ok).into_iter().flatten().collect();
    let mut unseen = Vec::new();
    for address in &addresses {
        let address = *address;
        let listeners = off_thread(move || ckpt_attach::listening_on(address)).await;
        if !listeners.processes.is_empty() {
            return Ok(listeners.processes);
        }
        unseen.extend(listeners.unseen.into_iter().map(|unseen| unseen.sentence(address.port())));
    }
    match unseen.pop() {
        Some(why) => Err(why),
        None if addresses.iter().any(|address| ckpt_attach::is_local(address.ip().to_canonical())) => {
            Ok(Vec::new())
        }
        None => Err(format!("another JobManager leads: {rpc}; run ckptd there")),
    }
}

async fn off_thread<T: Send + Default + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap_or_default()
}
