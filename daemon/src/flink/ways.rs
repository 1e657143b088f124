//! How a change reaches a coordinator: the cluster's own FLIP-571, a library in its JobManager, or not at all.

use super::link::Link;
use super::rest;
use super::settings::{Attach, Consent};
use crate::attach::find::{self, Listeners};
use crate::attach::{self, AttachError, Jvm};
use crate::seam::{Reach, SeamError};
use ckpt_agent::protocol::{Answered, Ask, Refusal};
use ckpt_shared::api::{Verdict, Via};
use ckpt_shared::duration::Exact;
use ckpt_shared::flink::JobOverview;
use ckpt_shared::ids::JobId;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

/// The longest wait for an answer out of a JVM; the first one takes longest.
pub(super) const INSIDE_LIMIT: Duration = Duration::from_secs(10);
/// The longest wait for a name to be resolved.
const NAME_LIMIT: Duration = Duration::from_secs(2);
/// What Flink answers for a path that it does not have.
const NO_SUCH_PATH: &str = "Not found: /";
/// How many JobManagers of this machine are asked when the one behind the address does not lead.
const MOST_OTHERS: usize = 16;
/// How long it is not searched for them again, only to look.
const SEARCH_PAUSE: Duration = Duration::from_secs(2);

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
    /// When this machine was searched for a leader last, only to look.
    searched: Option<Instant>,
    /// The way that was found last.
    found: Option<Way>,
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

    /// Forgets what may be another cluster's by now.
    pub(super) fn forget(&self) {
        self.learn(|known| *known = Known::default());
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

    /// Who led last.
    pub(super) fn leader(&self) -> Option<Jvm> {
        self.known().leader
    }

    /// Resolves when the process that led last has ended; never, while none is known.
    pub(super) async fn leader_ends(&self) -> Jvm {
        let Some(leader) = self.leader() else { return pending().await };
        match leader.ended().await {
            Ok(()) => {
                self.learn(|known| known.leader = known.leader.filter(|led| *led != leader));
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
            Known { leader: Some(leader), found: Some(way @ Way::Attach(_)), .. } if leader.is_alive() => way,
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
        self.learn(|known| known.found = Some(way.clone()));
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
    pub(super) async fn ask(&self, link: &Link, job: &JobOverview, ask: Ask) -> Result<Answered, SeamError> {
        let consent = link.settings.consent;
        let writes = matches!(ask, Ask::Change { .. });
        let led_last = self.known().leader.filter(|_| consent.attach != Attach::Never);
        if let Some(leader) = led_last {
            match attach::ask(&leader, &consent.into(), ask.clone(), INSIDE_LIMIT).await {
                Err(
                    AttachError::Gone { .. }
                    | AttachError::Refusal(Refusal::NotLeading { .. } | Refusal::NoSuchJob),
                ) => self.learn(|known| known.leader = None),
                Err(error) => return Err(self.refused(job, &error, writes)),
                Ok(answer) => return Ok(answer),
            }
        }
        let jvms = candidates(link).await.map_err(SeamError::NoWay)?;
        let mut first = None;
        let (mut is_standby, mut leads_elsewhere) = (false, None);
        for jvm in jvms {
            match attach::ask(&jvm, &consent.into(), ask.clone(), INSIDE_LIMIT).await {
                Err(AttachError::Refusal(refusal @ (Refusal::NotLeading { .. } | Refusal::NoSuchJob))) => {
                    if let Refusal::NotLeading { leader, .. } = &refusal {
                        is_standby = true;
                        leads_elsewhere = leads_elsewhere.or_else(|| leader.clone());
                    }
                    first = first.or(Some(AttachError::Refusal(refusal)));
                }
                // Another process behind the same port may be the right one.
                Err(
                    error @ (AttachError::Gone { .. }
                    | AttachError::Refused(_)
                    | AttachError::Refusal(Refusal::NotFlink)),
                ) => first = first.or(Some(error)),
                Err(error) => return Err(self.refused(job, &error, writes)),
                Ok(answer) => return Ok(self.leads(jvm, answer)),
            }
        }
        // One that leads knows all jobs there are; only a standby has others beside it.
        let others = if is_standby && (writes || self.may_search()) { others(job).await } else { Vec::new() };
        for jvm in others {
            if let Ok(answer) = attach::ask(&jvm, &consent.into(), ask.clone(), INSIDE_LIMIT).await {
                return Ok(self.leads(jvm, answer));
            }
        }
        if let Some(leader) = leads_elsewhere {
            let why = format!("another JobManager leads: {leader}; run ckptd there");
            self.learn(|known| known.found = Some(Way::None(why.clone())));
            return Err(SeamError::NoWay(why));
        }
        Err(first.map_or(SeamError::Silent, |error| self.refused(job, &error, writes)))
    }

    /// Whether this machine may be searched for other JobManagers, which takes long, for a look alone.
    fn may_search(&self) -> bool {
        let now = Instant::now();
        let may = self.known().searched.is_none_or(|last| now.duration_since(last) >= SEARCH_PAUSE);
        if may {
            self.learn(|known| known.searched = Some(now));
        }
        may
    }

    fn leads(&self, jvm: Jvm, answer: Answered) -> Answered {
        self.learn(|known| {
            known.leader = Some(jvm);
            known.found = Some(Way::Attach(jvm));
        });
        answer
    }

    /// What a refusal means to whoever wants to change `job`.
    fn refused(&self, job: &JobOverview, error: &AttachError, writes: bool) -> SeamError {
        let sentence = error.to_string();
        match error {
            AttachError::Silent { limit, .. } if !writes => SeamError::Unreachable(format!(
                "the JobManager's JVM did not answer within {}; it was only looked at, and nothing was changed",
                Exact(*limit)
            )),
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

/// The JobManagers of this machine whose REST API knows this very job: a standby answers what its leader
/// says. The id alone proves nothing, as ids repeat across clusters.
pub(super) async fn others(job: &JobOverview) -> Vec<Jvm> {
    let mut same = Vec::new();
    let managers = off_thread(find::job_managers).await;
    for manager in managers.into_iter().take(MOST_OTHERS) {
        for address in &manager.ports {
            let Ok(client) = rest::probe(*address) else { continue };
            let Ok(listed) = rest::overview(&client).await else { continue };
            let is_same = |other: &JobOverview| {
                (other.jid, &other.name, other.start_time) == (job.jid, &job.name, job.start_time)
            };
            if listed.jobs.iter().any(is_same) {
                same.push(manager.jvm);
                break;
            }
        }
    }
    same
}

async fn off_thread<T: Send + Default + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap_or_default()
}
