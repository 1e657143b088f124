//! One cluster: the task that follows its jobs.

use super::gone::Gone;
use super::job::FlinkJob;
use super::link::Link;
use super::reconcile;
use super::remembering;
use super::rest;
use super::settings::{Attach, ClusterSettings};
use crate::clock::wall_millis;
use crate::durable::STORE_LIMIT;
use crate::overrides::{EditError, OverrideStore, Record};
use crate::pauses::Pauses;
use crate::seam::JobCoordinator;
use ckpt_api::ClusterState;
use ckpt_api::flink::JobOverview;
use futures::StreamExt;
use futures::future::join_all;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// How often a cluster is asked for its jobs.
const POLL: Duration = Duration::from_secs(2);
/// How soon again when there was a sign.
const SOONEST: Duration = Duration::from_millis(100);
/// How many jobs of a cluster are looked at at once.
const AT_ONCE: usize = 8;
/// After how many looks the way into the cluster is looked for again.
const LOOKS_PER_WAY: u32 = 15;
/// The most jobs of one cluster that are followed.
const MOST_JOBS: usize = 10_000;

/// A cluster that is followed for as long as this value lives.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) link: Arc<Link>,
    /// Nobody named it: it was found on this machine.
    pub(super) found: bool,
    jobs: Jobs,
    tasks: [AbortHandle; 3],
}

/// The jobs of a cluster, the oldest first. Clones share one list.
#[derive(Debug, Clone, Default)]
pub(super) struct Jobs(Arc<RwLock<Vec<FlinkJob>>>);

impl Jobs {
    pub(super) fn all(&self) -> Vec<FlinkJob> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Cluster {
    /// Starts to follow a cluster.
    pub(super) fn follow(
        settings: ClusterSettings,
        overrides: OverrideStore,
        pauses: Pauses,
        found: bool,
    ) -> Self {
        let link = Arc::new(Link::new(settings, overrides, pauses));
        // Those with an override are known before the cluster answers: it may be away.
        let stored = link.overrides.of_cluster(link.name()).into_iter();
        let stored = stored.map(|(id, record)| FlinkJob::stored(Arc::clone(&link), id, record.name));
        let jobs = Jobs(Arc::new(RwLock::new(stored.collect())));
        let follower =
            Follower { link: Arc::clone(&link), jobs: jobs.clone(), gone: Gone::default(), looks: 0 };
        let tasks = [
            tokio::spawn(follower.run()).abort_handle(),
            tokio::spawn(reconcile::keep(Arc::clone(&link), jobs.clone())).abort_handle(),
            tokio::spawn(remembering::remember(Arc::clone(&link), jobs.clone())).abort_handle(),
        ];
        Self { link, found, jobs, tasks }
    }

    /// Its jobs, the oldest first.
    pub(super) fn jobs(&self) -> Vec<FlinkJob> {
        self.jobs.all()
    }

    /// How it is.
    pub(super) fn state(&self) -> ClusterState {
        self.link.state()
    }
}

struct Follower {
    link: Arc<Link>,
    jobs: Jobs,
    gone: Gone,
    looks: u32,
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.look().await {
                Ok(()) => {}
                Err(trouble) => {
                    self.link.heard(Err(trouble));
                    self.link.was_tried();
                    self.link.is_version(None);
                    // What answers next may be another release, or another process.
                    self.link.ways.forget();
                    self.looks = 0;
                }
            }
            let asked = timeout(POLL, self.link.look_now.notified()).await;
            if asked.is_ok() {
                // Whoever asked may do so again at once.
                sleep(SOONEST).await;
            }
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        if self.link.health().version.is_none() {
            let version = rest::version(self.link.client()).await.map_err(|error| error.to_string())?;
            tracing::info!(
                cluster = self.link.name(),
                url = self.link.settings.url,
                version,
                "following a cluster"
            );
            self.link.is_version(Some(version));
        }
        let asked = wall_millis();
        let mut listed = rest::overview(self.link.client()).await.map_err(|error| error.to_string())?.jobs;
        let answered = wall_millis();
        // If there are too many, the live and the newest are followed.
        listed.sort_by_key(|job| (job.state.has_ended(), Reverse(job.start_time)));
        listed.truncate(MOST_JOBS);
        listed.sort_by_key(|job| (job.start_time, job.jid));
        self.link.heard(Ok(ahead(&listed, asked.midpoint(answered))));
        self.take(listed);
        self.link.was_tried();
        let jobs = self.jobs.all();
        self.look_for_a_way(&jobs).await;
        self.forget_ended(&jobs).await;
        self.forget_replaced(&jobs).await;
        let looked_at: Vec<_> = jobs.iter().filter(|job| self.is_looked_at(job)).cloned().collect();
        let looks = futures::stream::iter(looked_at);
        looks.for_each_concurrent(AT_ONCE, |job| async move { drop(job.observe().await) }).await;
        let kept: Vec<_> = jobs.into_iter().filter(|job| job.is_there() && job.is_kept()).collect();
        let kept = futures::stream::iter(kept);
        kept.for_each_concurrent(AT_ONCE, |job| async move { job.look_when_it_ran().await }).await;
        Ok(())
    }

    /// Brings the jobs up to date with the cluster's list.
    fn take(&mut self, listed: Vec<JobOverview>) {
        let ids: HashSet<_> = listed.iter().map(|job| job.jid).collect();
        let mut jobs = self.jobs.0.write().unwrap_or_else(PoisonError::into_inner);
        // A job with an override is not forgotten on an assumption: a JobManager that restarts has none.
        let now = self.link.clock.now().monotonic;
        jobs.retain(|job| {
            let stays = ids.contains(&job.id()) || self.link.record(job.id()).is_some();
            if !stays {
                self.gone.keep(job, now);
            }
            stays
        });
        self.gone.forget_old(now);
        for job in jobs.iter().filter(|job| !ids.contains(&job.id())) {
            job.not_listed();
        }
        let known: HashMap<_, _> = jobs.iter().map(|job| (job.id(), job.clone())).collect();
        for overview in listed {
            match known.get(&overview.jid) {
                Some(job) => job.listed(overview),
                None => {
                    let remains = self.gone.take(overview.jid);
                    jobs.push(FlinkJob::new(Arc::clone(&self.link), overview, remains));
                }
            }
        }
        self.find_namesakes(&jobs);
    }

    /// An override may belong to a job that is not listed any more, whose name runs under another id.
    fn find_namesakes(&self, jobs: &[FlinkJob]) {
        let (there, gone): (Vec<_>, Vec<_>) = jobs.iter().partition(|job| job.is_there());
        let gone =
            gone.into_iter().filter(|job| self.link.record(job.id()).is_some_and(|it| it.is_override()));
        let gone: Vec<_> = gone.collect();
        let mut names: HashMap<_, (Vec<_>, Vec<_>)> = HashMap::new();
        for job in there.iter().filter(|job| !job.state().has_ended()) {
            names.entry(&job.identity().name).or_default().0.push(job.id());
        }
        for job in &gone {
            names.entry(&job.identity().name).or_default().1.push(job.id());
        }
        for job in &there {
            let left = names.get(&job.identity().name).map(|(_, gone)| gone.clone());
            job.has_namesakes(left.unwrap_or_default());
        }
        for job in gone {
            let live = names.get(&job.identity().name).map(|(there, _)| there.clone());
            job.has_namesakes(live.unwrap_or_default());
        }
    }

    /// Finds out, now and then, how a change would reach the cluster; that loads nothing.
    async fn look_for_a_way(&mut self, jobs: &[FlinkJob]) {
        if self.looks.is_multiple_of(LOOKS_PER_WAY) {
            let live = jobs.iter().find(|job| job.is_there() && !job.state().has_ended());
            if live.is_none() {
                return;
            }
            self.link.ways.find(&self.link, live.map(FlinkJob::id)).await;
        }
        self.looks = self.looks.wrapping_add(1);
    }

    /// The override of a job that was seen to end, ends.
    async fn forget_ended(&self, jobs: &[FlinkJob]) {
        let ended = jobs.iter().filter(|job| job.state().has_ended());
        let removing = ended.filter_map(|job| {
            let record = self.link.record(job.id())?;
            job.ends_with(&record);
            let removing = self.link.overrides.remove(self.link.key(job.id()));
            Some(removed(job, removing, "the override of a job that has ended cannot be removed"))
        });
        // They share a write, and the wait for a disk that does not answer.
        join_all(removing).await;
    }

    /// A job that is gone, whose name runs under another id, and of which nothing is overridden any more, as when its
    /// override has ended: there is nothing left to keep for it.
    async fn forget_replaced(&self, jobs: &[FlinkJob]) {
        let names: HashSet<_> = jobs
            .iter()
            .filter(|job| job.is_there() && !job.state().has_ended())
            .map(|job| job.identity().name.as_str())
            .collect();
        let gone = jobs.iter().filter(|job| !job.is_there());
        let removing = gone.filter_map(|job| {
            let over = self.link.record(job.id()).filter(|record| !record.is_override());
            let Record { revision, .. } = over.filter(|_| names.contains(job.identity().name.as_str()))?;
            // Somebody may set something meanwhile.
            let removing = self.link.overrides.remove_revision(self.link.key(job.id()), revision);
            Some(removed(job, removing, "the record of a job that is gone cannot be removed"))
        });
        join_all(removing).await;
    }

    /// Whether a job is looked at though nobody asks: for those who follow it.
    fn is_looked_at(&self, job: &FlinkJob) -> bool {
        let always = self.link.settings.consent.attach == Attach::Always;
        !job.state().has_ended() && (job.is_followed() || (always && !job.was_seen()))
    }
}

/// Waits for a removal, as long as a disk may take: it is tried again with the next look.
async fn removed<T>(job: &FlinkJob, removing: impl Future<Output = Result<T, EditError>>, what: &str) {
    match timeout(STORE_LIMIT, removing).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(job = %job.id(), %error, "{what}"),
        Err(_) => tracing::error!(job = %job.id(), "{what}: the disk does not answer"),
    }
}

/// By how much the cluster's clock is ahead of ours: what runs says when it started and for how long.
fn ahead(listed: &[JobOverview], now_here: u64) -> Option<i64> {
    let running = listed.iter().find(|job| job.end_time < 0 && job.start_time > 0)?;
    let now_there = running.start_time.checked_add(running.duration)?;
    now_there.checked_sub(i64::try_from(now_here).ok()?)
}
