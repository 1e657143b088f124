//! A cluster under ZooKeeper with two jobs, and a ckptd that follows it: tests take turns on it.

use super::log::Log;
use super::samples;
use crate::daemon::{CLUSTER, Daemon, LIMIT, until};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_api::{Configuration, OverrideState};
use ckpt_local_flink::{Cluster, Options, Scheduler, ZooKeeper};
use ckptd::clock::wall_millis;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{sleep, timeout};

/// What both jobs are submitted with: interval and timeout, in milliseconds. A checkpoint of theirs takes no time.
pub(super) const SUBMITTED: (u64, u64) = (1_000, 3_000);
/// What the override is: later than any test ends.
const OVERRIDE: (u64, u64) = (3_600_000_000, 1_200_000);
/// So many checkpoints of the neighbour are as long as any wait for one that must not be.
const NEIGHBOURS: usize = 3;
/// How many JobManagers are started one after another.
const MOST_TRIES: u32 = 5;
/// How often ckptd is asked whether the override is in force again.
const EVERY: Duration = Duration::from_millis(20);

/// The place of one kind of ground.
#[derive(Default)]
pub(crate) struct Grounds {
    place: Mutex<Option<Ground>>,
    waiting: AtomicUsize,
}

/// The right to use it.
pub(super) struct Turn<'a> {
    place: MutexGuard<'a, Option<Ground>>,
    waiting: &'a AtomicUsize,
}

impl Grounds {
    /// Waits for a turn. What is taken and not given back, since the test failed, is made anew for the next one.
    pub(super) async fn turn(&self) -> Turn<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let place = self.place.lock().await;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Turn { place, waiting: &self.waiting }
    }

    /// Ends what is there.
    pub(crate) async fn end(&self) {
        drop(self.place.lock().await.take());
    }
}

impl Turn<'_> {
    /// Gives it to the next test, if there is one.
    pub(super) fn give_back(mut self, ground: Ground) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            *self.place = Some(ground);
        }
    }
}

impl Deref for Turn<'_> {
    type Target = Option<Ground>;

    fn deref(&self) -> &Self::Target {
        &self.place
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.place
    }
}

/// One of the two jobs.
pub(super) struct Submitted {
    pub(super) id: String,
    name: String,
}

/// What holds before a blow.
pub(super) struct Before {
    revision: u64,
    pub(super) submitted: (u64, u64),
    /// Interval and timeout as overridden.
    pub(super) values: (u64, u64),
}

/// How a job comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CameBack {
    /// With the coordinator that it had.
    SameCoordinator,
    /// With another one, which Flink builds of what ckptd has changed too.
    NewCoordinator,
    /// From what is stored in the cluster, with what was submitted.
    Anew,
}

/// What was seen after it, in milliseconds since 1970.
pub(super) struct Again {
    /// When the coordinator was built, or the job ran again.
    pub(super) born: u64,
    /// When ckptd first said that the override is in force in it.
    pub(super) at: u64,
}

pub(crate) struct Ground {
    pub(super) daemon: Daemon,
    pub(super) cluster: Cluster,
    pub(super) zookeeper: ZooKeeper,
    pub(super) job: Submitted,
    pub(super) neighbour: Submitted,
    step: u64,
    parallelism: u32,
}

impl Ground {
    pub(super) async fn start(rig: &Rig, scheduler: Scheduler) -> Self {
        let distribution = rig.distribution().await.unwrap();
        let zookeeper = ZooKeeper::start(&distribution).await.unwrap_or_else(|error| panic!("{error}"));
        // What is measured has the compiler that others have.
        let mut options = Options { scheduler, optimized: super::measures(), ..Options::new(distribution) };
        options.config = zookeeper.settings();
        let more = [
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "1000000"),
            ("restart-strategy.fixed-delay.delay", "1 s"),
            // So that a TaskManager that was killed is missed within seconds.
            ("heartbeat.interval", "1000"),
            // A rescale waits for none of these: 2.x has names of its own for them.
            ("jobmanager.adaptive-scheduler.scaling-interval.min", "0 s"),
            ("jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling", "0 s"),
            ("jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout", "0 s"),
            ("jobmanager.adaptive-scheduler.rescale-trigger.max-delay", "0 s"),
        ];
        options.config.extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let cluster = rig.start_with(options).await.unwrap_or_else(|error| panic!("{error}"));
        let (interval, timeout) = SUBMITTED;
        let mut submitted = Vec::new();
        for _ in 0..2 {
            let job = Job::submit(&cluster, interval, timeout).await;
            job.until_running().await;
            submitted.push(Submitted { id: job.id.clone(), name: job.name.clone() });
        }
        let daemon = Daemon::follow(&cluster.url()).await;
        let neighbour = submitted.pop().unwrap();
        let job = submitted.pop().unwrap();
        let mut ground = Self { daemon, cluster, zookeeper, job, neighbour, step: 0, parallelism: 1 };
        ground.overridden().await;
        // The trigger that was pending before the first change still comes.
        ground.is_quiet().await;
        ground
    }

    /// Overrides the job with values that it never had before.
    pub(super) async fn overridden(&mut self) -> Before {
        self.step += 1;
        let values = (OVERRIDE.0 + self.step, OVERRIDE.1 + self.step);
        self.daemon.until("a job that is known", &self.job.id, |_| true).await;
        let changed = self.daemon.changed(&self.job.id, Some(values.0), Some(values.1)).await;
        let submitted = (changed.checkpoint_interval.submitted, changed.checkpoint_timeout.submitted);
        assert_eq!(submitted, (Some(SUBMITTED.0), Some(SUBMITTED.1)), "{changed:?}");
        Before { revision: changed.revision, submitted: SUBMITTED, values }
    }

    pub(super) fn job(&self) -> Job<'_> {
        Job::known(&self.cluster, &self.job.id, &self.job.name)
    }

    /// Starts a JobManager in place of one that was killed. It may give up, on a machine with too much to do: then
    /// the next one is started, as whoever watches over a JobManager would.
    pub(super) async fn next_job_manager(&mut self) {
        for _ in 0..MOST_TRIES {
            self.cluster.start_job_manager().unwrap();
            let up = until("a JobManager that starts", || {
                let log = std::fs::read_to_string(self.cluster.job_manager_stdout()).unwrap_or_default();
                let up = log.contains("Actor system started at");
                let ended = self.cluster.job_manager_has_ended();
                async move { (up || ended).then_some(up) }
            });
            if up.await {
                return;
            }
        }
        panic!("no JobManager starts: {}", self.cluster.tail("jobmanager"));
    }

    /// The neighbour's checkpoints go on: long enough for a trigger of the submitted interval that was pending when
    /// the override came.
    pub(super) async fn pending_triggers_are_over(&self) {
        let from = wall_millis();
        let neighbour =
            || async { (self.log().triggers(&self.neighbour.id, from).len() >= NEIGHBOURS).then_some(()) };
        until("checkpoints of the neighbour", neighbour).await;
    }

    /// Another one than before.
    pub(super) fn other_parallelism(&mut self) -> u32 {
        self.parallelism = 3 - self.parallelism;
        self.parallelism
    }

    /// The JobManagers' log.
    pub(super) fn log(&self) -> Log {
        Log::read(&self.cluster.job_manager_log(), wall_millis())
    }

    /// A ckptd that starts while the cluster is away shows the job and its override all the same.
    pub(super) async fn is_known_from_its_file(&self, before: &Before) {
        let shown = |seen: &Configuration| {
            let overridden = (seen.checkpoint_interval.overridden, seen.checkpoint_timeout.overridden);
            seen.revision == before.revision && overridden == (Some(before.values.0), Some(before.values.1))
        };
        let seen = self.daemon.until("a job that is known from its override", &self.job.id, shown).await;
        assert!(seen.stale.is_some(), "{seen:?}");
    }

    /// Waits until ckptd says that the override is in force in the coordinator that there is after the blow.
    pub(super) async fn in_force_again(&self, before: &Before, struck: u64, came_back: CameBack) -> Again {
        let looking = async {
            loop {
                let born = match came_back {
                    CameBack::SameCoordinator => self.log().runs(&self.job.id, struck),
                    CameBack::NewCoordinator | CameBack::Anew => self.log().built(&self.job.id, struck),
                };
                if let Some(born) = born
                    && let Ok(seen) = self.daemon.client.configuration(&self.job.id).await
                    && let Some(at) = in_force_since(&seen.value, before, born, came_back)
                {
                    return Again { born, at };
                }
                sleep(EVERY).await;
            }
        };
        let again = timeout(LIMIT, looking).await;
        again.unwrap_or_else(|_| {
            panic!("the override is not in force again; ckptd's log:\n{}", self.daemon.log())
        })
    }

    /// When a job last began to run, as Flink's REST API says.
    pub(super) async fn running_since(&self, job: &str) -> u64 {
        let seen = self.cluster.get(&format!("/jobs/{job}")).await.unwrap();
        seen["timestamps"]["RUNNING"].as_u64().unwrap_or(0)
    }

    /// Waits until all tasks of the job run again, under its old id and nobody else's.
    pub(super) async fn runs_again(&self, struck: u64) {
        until("a job that runs again", || async {
            let seen = self.cluster.get(&format!("/jobs/{}", self.job.id)).await.ok()?;
            let since = seen["timestamps"]["RUNNING"].as_u64()?;
            let all = seen["vertices"].as_array()?.iter().all(|vertex| vertex["status"] == "RUNNING");
            (seen["state"] == "RUNNING" && all && since >= struck).then_some(())
        })
        .await;
        let listed = self.cluster.get("/jobs/overview").await.unwrap();
        let jobs = listed["jobs"].as_array().unwrap();
        let known = |id: &serde_json::Value| *id == self.job.id || *id == self.neighbour.id;
        assert!(jobs.len() == 2 && jobs.iter().all(|job| known(&job["jid"])), "{listed}");
    }

    /// Waits until the neighbour has made some checkpoints more, and the job none meanwhile.
    pub(super) async fn is_quiet(&self) {
        let mut from = wall_millis();
        until("a job that triggers nothing while its neighbour does", || {
            let log = self.log();
            let triggers = log.triggers(&self.job.id, from);
            from = triggers.last().copied().map_or(from, |last| last + 1);
            let quiet = log.triggers(&self.neighbour.id, from).len() >= NEIGHBOURS;
            async move { quiet.then_some(()) }
        })
        .await;
    }

    /// The override is in force by every account, and the neighbour is as it was submitted.
    pub(super) async fn is_what_was_wanted(&self, before: &Before) {
        let jvm = samples::jvm(&self.cluster);
        assert_eq!(samples::look(&jvm, &self.job.id).await, Some(before.values), "{}", self.daemon.log());
        assert_eq!(samples::look(&jvm, &self.neighbour.id).await, Some(before.submitted));
        let fresh = |seen: &Configuration| is_in_force(seen, before) && seen.stale.is_none();
        let seen = self.daemon.until("an override in force", &self.job.id, fresh).await;
        let submitted = (seen.checkpoint_interval.submitted, seen.checkpoint_timeout.submitted);
        assert_eq!(submitted, (Some(before.submitted.0), Some(before.submitted.1)), "{seen:?}");
        self.job().until_flinks_values(before.values).await;
        let neighbour = Job::known(&self.cluster, &self.neighbour.id, &self.neighbour.name);
        assert_eq!(neighbour.flinks_values().await, before.submitted);
        let seen = self.daemon.until("the neighbour", &self.neighbour.id, |seen| seen.stale.is_none()).await;
        let overridden = (seen.checkpoint_interval.overridden, seen.checkpoint_timeout.overridden);
        assert_eq!(
            (seen.cluster.as_str(), seen.revision, overridden),
            (CLUSTER, 0, (None, None)),
            "{seen:?}"
        );
    }
}

/// When it came into force after `born`. What was lost is in force since ckptd applied it again, even if Flink's REST
/// API is not there yet; what never was lost, since it was first seen.
fn in_force_since(seen: &Configuration, before: &Before, born: u64, came_back: CameBack) -> Option<u64> {
    let since = seen.override_status.as_ref().and_then(|status| status.since)?;
    if !is_in_force(seen, before) {
        return None;
    }
    match came_back {
        CameBack::Anew => (since >= born).then_some(since),
        CameBack::SameCoordinator | CameBack::NewCoordinator => {
            (seen.stale.is_none() && seen.observed_at >= born).then(|| since.max(seen.observed_at))
        }
    }
}

fn is_in_force(seen: &Configuration, before: &Before) -> bool {
    let effective = (seen.checkpoint_interval.effective, seen.checkpoint_timeout.effective);
    seen.applied
        && seen.override_status.as_ref().is_some_and(|status| status.state == OverrideState::Applied)
        && seen.revision == before.revision
        && effective == (Some(before.values.0), Some(before.values.1))
}
