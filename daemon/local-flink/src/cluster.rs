//! A JobManager and its TaskManagers as children on loopback.

use crate::config::{self, Ports, Scheduler};
use crate::http::{self, Answer, HttpError};
use crate::install::Distribution;
use crate::job::{self, JobError, SlowJob};
use crate::watcher::Watcher;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The longest wait for a process to be ready: it takes about 5 s on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(150);
const EVERY: Duration = Duration::from_millis(200);
/// How much of a log is shown, in lines.
const TAIL: usize = 25;

/// What a cluster is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Flink.
    pub distribution: Distribution,
    /// Its scheduler.
    pub scheduler: Scheduler,
    /// How many TaskManagers.
    pub task_managers: usize,
    /// How many slots each of them has.
    pub slots: u32,
    /// The job that the JobManager runs by itself, and no other: application mode. A session without.
    pub application: Option<SlowJob>,
    /// More configuration.
    pub config: Vec<(String, String)>,
    /// Whether the JobManager's JVM optimises what it compiles, as in production. It starts later for it.
    pub optimized: bool,
    /// More arguments for the JobManager's JVM.
    pub job_manager_arguments: Vec<String>,
    /// A program, and its first arguments, that runs the JobManager's command line, which follows them.
    pub job_manager_wrapper: Vec<String>,
    /// Whether the JobManager's JVM writes down its safepoints, see [`Cluster::safepoint_log`].
    pub safepoint_log: bool,
}

impl Options {
    /// One TaskManager with 20 slots, and the default scheduler.
    #[must_use]
    pub fn new(distribution: Distribution) -> Self {
        Self {
            distribution,
            scheduler: Scheduler::Default,
            task_managers: 1,
            slots: 20,
            application: None,
            config: Vec::new(),
            optimized: false,
            job_manager_arguments: Vec::new(),
            job_manager_wrapper: Vec::new(),
            safepoint_log: false,
        }
    }
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A process or a file cannot be made.
    #[error("cannot {what}: {cause}")]
    Machine {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// It does not come up.
    #[error("{what}; the end of its log:\n{log}")]
    NotReady {
        /// What is missing.
        what: String,
        /// What was logged last.
        log: String,
    },
    /// It does not answer as it should.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The job of an application cannot be built.
    #[error(transparent)]
    Job(#[from] JobError),
}

pub(crate) fn machine(what: &'static str) -> impl FnOnce(io::Error) -> ClusterError {
    move |cause| ClusterError::Machine { what, cause }
}

/// A running cluster. Its processes and files end with it.
#[derive(Debug)]
pub struct Cluster {
    options: Options,
    /// The application's.
    jar: Option<PathBuf>,
    ports: Ports,
    job_manager: Option<Child>,
    task_managers: Vec<Child>,
    started: usize,
    // The last one: it ends what is left.
    watcher: Watcher,
}

impl Cluster {
    /// Starts a cluster and waits until it can run jobs.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn start(options: Options) -> Result<Self, ClusterError> {
        let watcher = Watcher::start().map_err(machine("make a directory for Flink"))?;
        let ports = Ports::free().map_err(machine("find a free port"))?;
        let (scheduler, slots) = (options.scheduler, options.slots);
        config::write(&options.distribution, watcher.directory(), ports, (scheduler, slots), &options.config)
            .map_err(machine("write Flink's configuration"))?;
        let wanted = options.task_managers;
        let jar = match options.application {
            Some(_) => Some(job::jar(&options.distribution).await?),
            None => None,
        };
        let mut cluster =
            Self { options, jar, ports, job_manager: None, task_managers: Vec::new(), started: 0, watcher };
        cluster.spawn_job_manager()?;
        for _ in 0..wanted {
            cluster.spawn_task_manager()?;
        }
        cluster.ready(wanted).await?;
        Ok(cluster)
    }

    /// Where its REST API is: `127.0.0.1:port`, unless its configuration names another `rest.address`.
    #[must_use]
    pub fn address(&self) -> String {
        let set = self.options.config.iter().rfind(|(key, _)| key == "rest.address");
        let host = set.map_or("127.0.0.1", |(_, host)| host.as_str());
        format!("{host}:{}", self.ports.rest)
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Its Flink.
    #[must_use]
    pub fn distribution(&self) -> &Distribution {
        &self.options.distribution
    }

    /// The JobManager's process, if it runs; or that of its wrapper.
    #[must_use]
    pub fn job_manager_pid(&self) -> Option<u32> {
        self.job_manager.as_ref().and_then(Child::id)
    }

    /// A directory that ends with the cluster.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.watcher.directory()
    }

    /// What the JobManager writes to stdout: its log.
    #[must_use]
    pub fn job_manager_stdout(&self) -> PathBuf {
        self.directory().join(format!("jobmanager-{}.out", self.started))
    }

    /// What the JobManager writes to stderr.
    #[must_use]
    pub fn job_manager_stderr(&self) -> PathBuf {
        self.directory().join(format!("jobmanager-{}.err", self.started))
    }

    /// Where the JobManager's JVM writes down its safepoints, if it was asked to.
    #[must_use]
    pub fn safepoint_log(&self) -> PathBuf {
        self.directory().join("safepoints.log")
    }

    /// Sends a request to its REST API.
    ///
    /// # Errors
    /// [`HttpError::Silent`] when no answer comes.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Answer, HttpError> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        http::call(&self.address(), method, path, &["Content-Type: application/json"], &body).await
    }

    /// The body of a `GET` that is answered well.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn get(&self, path: &str) -> Result<Value, HttpError> {
        self.call("GET", path, &Value::Null).await?.ok(path)
    }

    /// SIGKILL for the JobManager, and nothing in its place; without high availability its jobs are gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill_job_manager(&mut self) -> Result<(), ClusterError> {
        match self.job_manager.take() {
            Some(mut child) => child.kill().await.map_err(machine("kill the JobManager")),
            None => Ok(()),
        }
    }

    /// Starts a JobManager in place of one that was killed. TaskManagers that live on find it when the cluster is
    /// highly available.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn start_job_manager(&mut self) -> Result<(), ClusterError> {
        self.spawn_job_manager()
    }

    /// Whether the JobManager's process has ended by itself.
    pub fn job_manager_has_ended(&mut self) -> bool {
        self.job_manager.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// What all its JobManagers have logged, the first one's first.
    #[must_use]
    pub fn job_manager_log(&self) -> String {
        let file = |number| self.directory().join(format!("jobmanager-{number}.out"));
        let logs = (1..=self.started).map(|number| std::fs::read(file(number)).unwrap_or_default());
        logs.map(|log| String::from_utf8_lossy(&log).into_owned()).collect()
    }

    /// SIGKILL for everything, and everything anew at the same place, without what ran before. (A TaskManager
    /// that is left alone looks for its JobManager for most of a minute.)
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn restart(&mut self) -> Result<(), ClusterError> {
        self.kill_job_manager().await?;
        let wanted = self.task_managers.len();
        while !self.task_managers.is_empty() {
            self.kill_task_manager().await?;
        }
        self.spawn_job_manager()?;
        for _ in 0..wanted {
            self.spawn_task_manager()?;
        }
        self.ready(wanted).await
    }

    /// SIGKILL for the TaskManager that was started last.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill_task_manager(&mut self) -> Result<(), ClusterError> {
        match self.task_managers.pop() {
            Some(mut child) => child.kill().await.map_err(machine("kill the TaskManager")),
            None => Ok(()),
        }
    }

    /// Starts one more TaskManager; it registers by itself a little later.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn start_task_manager(&mut self) -> Result<(), ClusterError> {
        self.spawn_task_manager()
    }

    fn spawn_job_manager(&mut self) -> Result<(), ClusterError> {
        self.started += 1;
        let mut arguments = Vec::new();
        if !self.options.optimized {
            arguments.push(config::QUICK.to_owned());
        }
        arguments.extend(self.options.job_manager_arguments.iter().cloned());
        if self.options.safepoint_log {
            arguments.push(format!("-Xlog:safepoint*:file={}", self.safepoint_log().display()));
        }
        let class = match self.options.application {
            Some(_) => "container.entrypoint.StandaloneApplicationClusterEntryPoint",
            None => "runtime.entrypoint.StandaloneSessionClusterEntrypoint",
        };
        let mut command = self.java(&arguments, class);
        match &self.options.application {
            Some(job) => command.args(["--job-classname", job::CLASS]).args(job.arguments()),
            None => command.args(["--executionMode", "cluster"]),
        };
        let command = config::wrapped(&self.options.job_manager_wrapper, command);
        let child = self.watcher.spawn(&format!("jobmanager-{}", self.started), command);
        self.job_manager = Some(child.map_err(machine("start the JobManager"))?);
        Ok(())
    }

    fn spawn_task_manager(&mut self) -> Result<(), ClusterError> {
        let quick = [config::QUICK, config::SERIAL].map(str::to_owned);
        let command = self.java(&quick, "runtime.taskexecutor.TaskManagerRunner");
        let name = (1..).map(|number| format!("taskmanager-{number}"));
        let mut name = name.filter(|name| !self.directory().join(format!("{name}.pid")).exists());
        let child = self.watcher.spawn(&name.next().unwrap_or_default(), command);
        self.task_managers.push(child.map_err(machine("start a TaskManager"))?);
        Ok(())
    }

    fn java(&self, arguments: &[String], class: &str) -> Command {
        let jar = self.jar.as_deref();
        config::java(&self.options.distribution, self.watcher.directory(), arguments, jar, class)
    }

    /// Waits until the REST API answers and all slots are there.
    async fn ready(&mut self, task_managers: usize) -> Result<(), ClusterError> {
        let until = Instant::now() + LIMIT;
        loop {
            let seen = self.get("/overview").await;
            // A standby shows what its leader has.
            let there = seen.ok().and_then(|seen| usize::try_from(seen["taskmanagers"].as_u64()?).ok());
            if there.is_some_and(|there| there >= task_managers) {
                return Ok(());
            }
            let ended = self.children().find_map(|(name, child)| {
                let runs = matches!(child.try_wait(), Ok(None));
                (!runs).then_some(name)
            });
            if let Some(name) = ended {
                return Err(self.not_ready(format!("Flink's {name} has ended"), name));
            }
            if Instant::now() >= until {
                let what = format!("Flink was not ready within {} s", LIMIT.as_secs());
                return Err(self.not_ready(what, "jobmanager"));
            }
            sleep(EVERY).await;
        }
    }

    fn children(&mut self) -> impl Iterator<Item = (&'static str, &mut Child)> {
        let job_manager = self.job_manager.iter_mut().map(|child| ("jobmanager", child));
        job_manager.chain(self.task_managers.iter_mut().map(|child| ("taskmanager", child)))
    }

    fn not_ready(&self, what: String, name: &str) -> ClusterError {
        ClusterError::NotReady { what, log: self.tail(name) }
    }

    /// The last lines that the processes of this kind (`jobmanager`, `taskmanager`) wrote.
    #[must_use]
    pub fn tail(&self, name: &str) -> String {
        let files = std::fs::read_dir(self.directory()).into_iter().flatten().flatten();
        let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
        files.sort();
        let mut tail = String::new();
        for file in files.iter().filter(|file| {
            let file = file.file_name().unwrap_or_default().to_string_lossy();
            file.starts_with(name) && !file.ends_with(".pid")
        }) {
            let text = std::fs::read(file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(TAIL)..] {
                tail.push_str(&format!("{line}\n"));
            }
        }
        tail
    }
}
