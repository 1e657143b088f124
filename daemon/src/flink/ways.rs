//! How a change reaches a coordinator: the cluster's own FLIP-571, a library in its JobManager, or not at all.

use super::link::Link;
use super::settings::{Attach, Consent};
use crate::attach::find::{self, Listeners};
use crate::attach::{self, AttachError, Jvm};
use crate::seam::{Reach, SeamError};
use ckpt_agent::protocol::{Answered, Ask, Refusal};
use ckpt_api::flink::JobOverview;
use ckpt_api::{Verdict, Via};
use ckpt_types::duration::Exact;
use ckpt_types::ids::JobId;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

/// The longest wait for an answer out of a JVM; the first one takes longest.
pub(super) const INSIDE_LIMIT: Duration = Duration::from_secs(10);
/// For how long nobody searches again when nothing was found.
const AT_ONCE: Duration = Duration::from_millis(150);
/// The longest wait for a name to be resolved.
const NAME_LIMIT: Duration = Duration::from_secs(2);
/// What Flink answers for a path that it does not have.
const NO_SUCH_PATH: &str = "Not found: /";

/// A way, for one change.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// The cluster offers FLIP-571.
    Native,
    /// This JVM can be attached to.
    Attach(Jvm),
    /// There is none, for this reason.
    None(String),
}

/// What is known of the ways into a cluster.
#[derive(Debug, Default)]
pub(super) struct Ways {
    known: RwLock<Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    /// Whether it offers FLIP-571; `None` while nobody asked.
    native: Option<bool>,
    /// The status with which it, or a proxy in front of it, refuses every change.
    forbidden: Option<u16>,
    /// Who led last.
    leader: Option<Jvm>,
    /// When it was searched for a way last.
    searched: Option<Instant>,
    /// The way that was found last.
    found: Option<Way>,
}

impl Known {
    /// Who led last, or else is behind the address.
    fn asked_first(&self) -> Option<Jvm> {
        let behind = match self.found {
            Some(Way::Attach(jvm)) => Some(jvm),
            _ => None,
        };
        self.leader.or(behind)
    }
}

impl From<Consent> for attach::Consent {
    fn from(consent: Consent) -> Self {
        Self { other_users: consent.other_users }
    }
}

impl Ways {
    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Forgets what may be another cluster's by now: all but a process that still is there.
    pub(super) fn forget(&self) {
        self.learn(|known| {
            let is_there = |way: &Way| matches!(way, Way::Attach(jvm) if jvm.is_alive());
            let (leader, found) = (known.leader.filter(Jvm::is_alive), known.found.take().filter(is_there));
            *known = Known { leader, found, ..Known::default() };
        });
    }

    /// The way that was found last, for people.
    pub(super) fn reach(&self, link: &Link) -> Reach {
        match self.known().found {
            None => Reach { via: None, detail: None },
            Some(Way::Native) => Reach { via: Some(Via::Native), detail: Some(link.settings.url.clone()) },
            Some(Way::Attach(jvm)) => {
                Reach { via: Some(Via::Attach), detail: Some(format!("pid {}", jvm.pid())) }
            }
            Some(Way::None(why)) => Reach { via: Some(Via::None), detail: Some(why) },
        }
    }

    /// Resolves when the process that is asked first has ended; never, while none is known.
    pub(super) async fn leader_ends(&self) -> Jvm {
        let Some(leader) = self.known().asked_first() else { return pending().await };
        match leader.ended().await {
            Ok(()) => {
                self.forget();
                leader
            }
            // Then other signs have to do.
            Err(_) => pending().await,
        }
    }

    /// The way for a change: the one that worked last, or else it is looked for. Whether a JVM may be asked
    /// is looked at again with every question.
    pub(super) async fn choose(&self, link: &Link, job: Option<JobId>) -> Way {
        match self.known() {
            Known { found: Some(Way::Attach(jvm)), .. } if jvm.is_alive() => Way::Attach(jvm),
            // Many jobs may ask at once, and often while a JobManager starts.
            Known { found: Some(way @ Way::None(_)), searched: Some(at), .. } if at.elapsed() < AT_ONCE => {
                way
            }
            _ => self.find(link, job).await,
        }
    }

    /// Finds the way, without loading anything and without changing anything.
    pub(super) async fn find(&self, link: &Link, job: Option<JobId>) -> Way {
        let way = match self.is_native(link, job).await {
            Some(true) => Way::Native,
            Some(false) | None => match candidates(link).await {
                Err(why) => Way::None(self.forbidden().unwrap_or(why)),
                Ok(jvms) => self.first_that_can(link, jvms).await,
            },
        };
        self.learn(|known| (known.found, known.searched) = (Some(way.clone()), Some(Instant::now())));
        way
    }

    /// Why nothing can be changed through its REST API, if that is refused there.
    pub(super) fn forbidden(&self) -> Option<String> {
        self.known().forbidden.map(|status| {
            format!(
                "the cluster, or a proxy in front of it, refuses changes ({status}); name its token-file in \
                 ckptd's configuration, or give the JobManager's own address"
            )
        })
    }

    async fn first_that_can(&self, link: &Link, mut jvms: Vec<Jvm>) -> Way {
        if let Some(leader) = self.known().leader.filter(Jvm::is_alive) {
            jvms.retain(|jvm| *jvm != leader);
            jvms.insert(0, leader);
        }
        let mut why = None;
        for jvm in jvms {
            match obstacle(jvm, link.settings.consent).await {
                None => return Way::Attach(jvm),
                found => why = why.or(found),
            }
        }
        Way::None(why.unwrap_or_else(|| "no JobManager was found behind its address".to_owned()))
    }

    /// Whether the cluster offers FLIP-571: a change that every version must refuse is answered 404 by a
    /// Flink without it, and 400 by one with it. Nothing changes. `None` when that cannot be told.
    pub(super) async fn is_native(&self, link: &Link, job: Option<JobId>) -> Option<bool> {
        if let Some(native) = self.known().native {
            return Some(native);
        }
        if link.health().trouble.is_some() {
            return None;
        }
        let path = format!("/jobs/{}/checkpoints/configuration", job?);
        let refused = link.client().send_patch(&path, "[]".to_owned()).await.err()?;
        let status = refused.status()?.as_u16();
        let native = match status {
            400 => true,
            // It is the job that it does not know, as one that has only just been started.
            404 if !refused.to_string().contains(NO_SUCH_PATH) => return None,
            401 | 403 | 404 | 405 => false,
            _ => return None,
        };
        self.learn(|known| {
            known.native = Some(native);
            known.forbidden = matches!(status, 401 | 403).then_some(status);
        });
        Some(native)
    }

    /// Puts a question about a job to the JVM that leads it.
    pub(super) async fn ask(
        &self,
        link: &Link,
        job: &JobOverview,
        ask: Ask,
    ) -> Result<(Jvm, Answered), SeamError> {
        let consent = link.settings.consent.into();
        let first = self.known().asked_first().filter(|_| link.settings.consent.attach != Attach::Never);
        let is_one_of_several = |error: &AttachError| {
            matches!(
                error,
                AttachError::Gone { .. }
                    | AttachError::Refused(_)
                    | AttachError::Refusal(Refusal::NotFlink | Refusal::NoSuchJob)
            )
        };
        if let Some(jvm) = first {
            match attach::ask(&jvm, &consent, ask.clone(), INSIDE_LIMIT).await {
                Ok(answer) => return Ok(self.leads(jvm, answer)),
                Err(AttachError::Refusal(Refusal::NotLeading { leader, .. })) => {
                    self.learn(|known| known.leader = None);
                    return self.ask_leader(link, job, ask, jvm, leader).await;
                }
                // Behind the address there may be another one by now.
                Err(error) if is_one_of_several(&error) => self.learn(|known| known.leader = None),
                Err(error) => return Err(self.refused(job, &error, &ask)),
            }
        }
        let mut why = None;
        for jvm in candidates(link).await.map_err(SeamError::NoWay)? {
            match attach::ask(&jvm, &consent, ask.clone(), INSIDE_LIMIT).await {
                Ok(answer) => return Ok(self.leads(jvm, answer)),
                Err(AttachError::Refusal(Refusal::NotLeading { leader, .. })) => {
                    return self.ask_leader(link, job, ask, jvm, leader).await;
                }
                // Another process behind the same port may be the right one.
                Err(error) if is_one_of_several(&error) => why = why.or(Some(error)),
                Err(error) => return Err(self.refused(job, &error, &ask)),
            }
        }
        Err(why.map_or(SeamError::Silent, |error| self.refused(job, &error, &ask)))
    }

    /// Asks the leader that `standby` names, when that is on this machine.
    async fn ask_leader(
        &self,
        link: &Link,
        job: &JobOverview,
        ask: Ask,
        standby: Jvm,
        leader: Option<String>,
    ) -> Result<(Jvm, Answered), SeamError> {
        // It may be the leader itself, or one that has gone: then there will be another.
        let not_now = SeamError::NotNow { state: job.state };
        let Some(leader) = leader else { return Err(not_now) };
        let jvms = behind(&leader).await.inspect_err(|why| {
            self.learn(|known| known.found = Some(Way::None(why.clone())));
        });
        for jvm in jvms.map_err(SeamError::NoWay)?.into_iter().filter(|jvm| *jvm != standby) {
            match attach::ask(&jvm, &link.settings.consent.into(), ask.clone(), INSIDE_LIMIT).await {
                Ok(answer) => return Ok(self.leads(jvm, answer)),
                Err(AttachError::Gone { .. } | AttachError::Refusal(Refusal::NotLeading { .. })) => {}
                Err(error) => return Err(self.refused(job, &error, &ask)),
            }
        }
        Err(not_now)
    }

    fn leads(&self, jvm: Jvm, answer: Answered) -> (Jvm, Answered) {
        self.learn(|known| {
            known.leader = Some(jvm);
            known.found = Some(Way::Attach(jvm));
        });
        (jvm, answer)
    }

    /// What a refusal means to whoever wants to change `job`.
    fn refused(&self, job: &JobOverview, error: &AttachError, ask: &Ask) -> SeamError {
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
            | AttachError::NotLoaded { .. } => {
                self.learn(|known| known.found = Some(Way::None(sentence.clone())));
                SeamError::NoWay(sentence)
            }
        }
    }
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
    let resolved = timeout(NAME_LIMIT, lookup_host((host.as_str(), port))).await;
    let Ok(Ok(addresses)) = resolved else { return Err(format!("its host {host} cannot be resolved")) };
    let addresses: Vec<SocketAddr> = addresses.collect();
    let is_local = addresses.iter().any(|address| find::is_local(address.ip().to_canonical()));
    let mut found = Vec::new();
    let mut unseen = Vec::new();
    for address in addresses {
        let Listeners { processes, unseen: others } = off_thread(move || find::listening_on(address)).await;
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

/// The first check that fails, in words.
async fn obstacle(jvm: Jvm, consent: Consent) -> Option<String> {
    let checks = off_thread(move || attach::preflight(&jvm, &consent.into()).checks).await;
    checks.iter().find(|check| check.verdict == Verdict::Failed).map(attach::in_words)
}

/// The processes of this machine that listen where a JobManager's RPC address leads, such as
/// `pekko.tcp://flink@host:6123/user/rpc/dispatcher_1`. None when nobody does any more.
///
/// # Errors
/// Why it cannot be reached from here.
pub(super) async fn behind(rpc: &str) -> Result<Vec<Jvm>, String> {
    let place = rpc.split_once('@').and_then(|(_, rest)| rest.split('/').next()).unwrap_or(rpc);
    let resolved = timeout(NAME_LIMIT, lookup_host(place)).await;
    let addresses: Vec<_> = resolved.ok().and_then(Result::ok).into_iter().flatten().collect();
    let mut unseen = Vec::new();
    for address in &addresses {
        let address = *address;
        let listeners = off_thread(move || find::listening_on(address)).await;
        if !listeners.processes.is_empty() {
            return Ok(listeners.processes);
        }
        unseen.extend(listeners.unseen.into_iter().map(|unseen| unseen.sentence(address.port())));
    }
    match unseen.pop() {
        Some(why) => Err(why),
        None if addresses.iter().any(|address| find::is_local(address.ip().to_canonical())) => Ok(Vec::new()),
        None => Err(format!("another JobManager leads: {rpc}; run ckptd there")),
    }
}

async fn off_thread<T: Send + Default + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap_or_default()
}
