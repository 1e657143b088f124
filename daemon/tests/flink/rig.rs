//! The clusters of one release, started when a test first wants them.

use crate::failover::Grounds;
use ckpt_local_flink::{Cluster, ClusterError, Distribution, Options, Scheduler, install};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, OnceCell, Semaphore, SemaphorePermit};

/// How many clusters start at once.
static STARTING: Semaphore = Semaphore::const_new(2);

/// How often a cluster is started that does not come up.
const MOST_TRIES: u32 = 3;

/// The right to start JVMs, of which there are few at once: each takes all the processors that it gets.
pub(crate) async fn may_start() -> Option<SemaphorePermit<'static>> {
    STARTING.acquire().await.ok()
}

/// Everything anew at the same place, when it is its turn.
pub(crate) async fn restart(cluster: &mut Cluster) {
    let _permit = may_start().await;
    cluster.restart().await.unwrap();
}

/// The kinds of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whose JVM checks every JNI call; many tests use it at once, each with a job of its own.
    Shared,
    /// The same, for one test alone.
    Checked,
    /// With the adaptive scheduler and a log of safepoints, for one test at a time, which may kill parts of it.
    Own,
    /// A JobManager alone, into which nothing is ever loaded; its jobs wait for slots.
    Quiet,
    /// The same, whose JVM has the attach protocol switched off.
    NoAttach,
    /// The same, whose JVM lets nobody load agents.
    NoAgents,
}

/// A cluster that a test has for itself; the next test gets it too, unless this one fails.
pub(crate) struct Own<'a>(MutexGuard<'a, Option<Cluster>>);

impl Deref for Own<'_> {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0.as_ref().expect("it is there until the end")
    }
}

impl DerefMut for Own<'_> {
    fn deref_mut(&mut self) -> &mut Cluster {
        self.0.as_mut().expect("it is there until the end")
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.0.take());
        }
    }
}

/// What the tests of one release share.
#[derive(Default)]
pub(crate) struct Rig {
    pub(crate) version: String,
    distribution: OnceCell<Result<Distribution, String>>,
    shared: Mutex<Option<Result<Arc<Cluster>, String>>>,
    quiet: Mutex<Option<Result<Arc<Cluster>, String>>>,
    own: Mutex<Option<Cluster>>,
    default_grounds: Grounds,
    adaptive_grounds: Grounds,
}

impl Rig {
    pub(crate) fn new(version: &str) -> Self {
        Self { version: version.to_owned(), ..Self::default() }
    }

    /// The Flink, fetched if need be; or what the machine lacks.
    pub(crate) async fn distribution(&self) -> Result<Distribution, String> {
        let fetch = || async {
            let installed = install(&self.version, &beside_target("flink"), |_| ()).await;
            installed.map_err(|error| error.to_string())
        };
        self.distribution.get_or_init(fetch).await.clone()
    }

    /// The cluster that most tests use at once.
    pub(crate) async fn shared(&self) -> Arc<Cluster> {
        self.started(&self.shared, Kind::Shared).await
    }

    /// The cluster into which nothing is loaded.
    pub(crate) async fn quiet(&self) -> Arc<Cluster> {
        self.started(&self.quiet, Kind::Quiet).await
    }

    /// The cluster that one test has for itself.
    pub(crate) async fn own(&self) -> Own<'_> {
        let mut own = self.own.lock().await;
        if own.is_none() {
            *own = Some(self.start(Kind::Own).await.unwrap_or_else(|error| panic!("{error}")));
        }
        Own(own)
    }

    /// Where failovers are tried.
    pub(crate) fn grounds(&self, scheduler: Scheduler) -> &Grounds {
        match scheduler {
            Scheduler::Default => &self.default_grounds,
            Scheduler::Adaptive => &self.adaptive_grounds,
        }
    }

    /// A cluster for one test.
    pub(crate) async fn start(&self, kind: Kind) -> Result<Cluster, String> {
        let mut options = Options::new(self.distribution().await?);
        let argument = |argument: &str| vec![argument.to_owned()];
        match kind {
            Kind::Shared | Kind::Checked => options.job_manager_arguments = argument("-Xcheck:jni"),
            Kind::Own => {
                options.scheduler = Scheduler::Adaptive;
                // Its JVM is as in production.
                options.optimized = true;
                options.safepoint_log = true;
            }
            Kind::Quiet => options.task_managers = 0,
            Kind::NoAttach | Kind::NoAgents => {
                options.task_managers = 0;
                options.job_manager_arguments = match kind {
                    Kind::NoAttach => argument("-XX:+DisableAttachMechanism"),
                    _ => argument("-XX:-EnableDynamicAgentLoading"),
                };
            }
        }
        self.start_with(options).await.map_err(|error| format!("{kind:?}: {error}"))
    }

    /// A cluster that is like nobody else's.
    pub(crate) async fn start_with(&self, options: Options) -> Result<Cluster, String> {
        let _permit = may_start().await;
        let mut tries = 0;
        loop {
            tries += 1;
            match Cluster::start(options.clone()).await {
                Ok(cluster) => return Ok(cluster),
                // A port that was free may be taken by the time that Flink wants it: then other ones are.
                Err(error @ ClusterError::NotReady { .. }) if tries < MOST_TRIES => {
                    eprintln!("{}: {error}\nonce more", self.version);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    async fn started(&self, place: &Mutex<Option<Result<Arc<Cluster>, String>>>, kind: Kind) -> Arc<Cluster> {
        let mut place = place.lock().await;
        if place.is_none() {
            *place = Some(self.start(kind).await.map(Arc::new));
        }
        let started = place.clone().unwrap_or_else(|| Err("it has ended".to_owned()));
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Ends the clusters: what is static is never dropped.
    pub(crate) async fn end(&'static self) {
        self.default_grounds.end().await;
        self.adaptive_grounds.end().await;
        drop(self.own.lock().await.take());
        drop(self.shared.lock().await.take());
        drop(self.quiet.lock().await.take());
    }
}

/// A directory in `target` of this checkout, wherever that is.
pub(crate) fn beside_target(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_ckptd"));
    program.ancestors().nth(2).unwrap_or(Path::new("target")).join(name)
}
