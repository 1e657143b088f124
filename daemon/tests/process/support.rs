//! `ckptd serve` as a child.

use ckpt_api::{Configuration, ConfigurationPatch, Field};
use ckpt_client::local as paths;
use ckpt_client::{ChangeOptions, Client, ClientError};
use ckpt_types::bounds::CheckpointTimeout;
use ckpt_types::ids::TriggerId;
use ckptd::state_dir::Owner;
use serde_json::Value;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Nothing takes longer, however slow the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_millis(20);

/// Waits until `look` sees something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    let seen = seen_within(LIMIT, look).await;
    seen.unwrap_or_else(|| panic!("{what} did not happen within {LIMIT:?}"))
}

/// What `look` sees, if it sees something in time.
pub(crate) async fn seen_within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> Option<T> {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(EVERY).await;
        }
    };
    timeout(limit, looking).await.ok()
}

/// A directory for one test: `state` for the daemon, and room for job files.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `ckptd serve` on a free port and this directory.
    pub(crate) fn serve(&self) -> Command {
        let mut command = ckptd();
        command.args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]).arg(self.state());
        command
    }

    /// The same with a job file.
    pub(crate) fn serve_job(&self, file: &Path) -> Command {
        let mut command = self.serve();
        command.arg("--job").arg(file);
        command
    }

    pub(crate) async fn daemon(&self) -> Daemon {
        Daemon::start(self.serve(), &self.state()).await
    }

    pub(crate) async fn daemon_with(&self, file: &Path) -> Daemon {
        Daemon::start(self.serve_job(file), &self.state()).await
    }
}

pub(crate) fn ckptd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ckptd"));
    command.env_remove("CKPTD_LOG");
    command
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The sentence with which ckptd refused to start: the last line, after its logs.
    #[track_caller]
    pub(crate) fn refusal(&self) -> &str {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        last.strip_prefix("ckptd: ").unwrap_or_else(|| panic!("no sentence: {self:?}"))
    }
}

/// Runs a program to its end.
pub(crate) async fn run(mut command: Command, limit: Duration) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(limit, command.output()).await.expect("the program ends").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Starts a daemon that is expected to refuse.
pub(crate) async fn refused(command: Command) -> String {
    run(command, LIMIT).await.refusal().to_owned()
}

/// A daemon that listens. It is killed when this is dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) address: String,
    pub(crate) client: Client,
    log: Arc<Mutex<String>>,
    logging: JoinHandle<()>,
}

impl Daemon {
    pub(crate) async fn start(mut command: Command, state: &Path) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let pid = child.id().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let logging = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().unwrap().push_str(&(line + "\n"));
                }
            }
        });
        let address = until("the start of the daemon", || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", log.lock().unwrap());
            let owner = Owner::of(state).filter(|owner| owner.pid == pid);
            async move { owner.and_then(|owner| owner.listen) }
        })
        .await;
        let token = paths::read_token(&paths::token_file(state)).unwrap();
        let client = Client::new(&format!("http://{address}"), Some(token)).unwrap();
        Self { child, pid, address, client, log, logging }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL, and the process is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end of the process; what it logged comes with it.
    pub(crate) async fn ended(mut self, limit: Duration) -> (ExitStatus, String) {
        let status = timeout(limit, self.child.wait()).await.expect("the daemon ends").unwrap();
        self.logging.await.unwrap();
        let log = self.log.lock().unwrap().clone();
        (status, log)
    }

    /// Ends it as an operator does.
    pub(crate) async fn stop(self) -> String {
        self.signal(rustix::process::Signal::TERM);
        let (status, log) = self.ended(LIMIT).await;
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }

    pub(crate) async fn set_timeout(&self, job: &str, millis: u64) -> Result<Configuration, ClientError> {
        self.change(job, millis, None).await
    }

    pub(crate) async fn change(
        &self,
        job: &str,
        timeout: u64,
        reason: Option<String>,
    ) -> Result<Configuration, ClientError> {
        let timeout = Field::Set(CheckpointTimeout::from_millis(timeout).unwrap());
        let patch = ConfigurationPatch { timeout, reason, ..ConfigurationPatch::default() };
        Ok(self.client.change(job, &patch, ChangeOptions::default()).await?.value)
    }

    pub(crate) async fn configuration(&self, job: &str) -> Configuration {
        self.client.configuration(job).await.unwrap().value
    }

    /// Waits until the job's configuration is as wanted.
    pub(crate) async fn until(
        &self,
        what: &str,
        job: &str,
        wanted: impl Fn(&Configuration) -> bool,
    ) -> Configuration {
        until(what, || async { Some(self.configuration(job).await).filter(|seen| wanted(seen)) }).await
    }

    pub(crate) async fn until_running(&self, job: &str) -> Configuration {
        self.until("RUNNING", job, |seen| seen.state == ckpt_api::JobState::Running).await
    }

    /// The body of a `GET` that succeeds.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.unwrap().value
    }

    pub(crate) async fn trigger(&self, job: &str) -> TriggerId {
        let request = ckpt_api::flink::TriggerRequest::default();
        self.client.trigger(job, &request).await.unwrap().value.request_id
    }

    /// Triggers a checkpoint by hand and waits for its end; its number, or why it failed.
    pub(crate) async fn checkpoint(&self, job: &str) -> Result<u64, String> {
        let id = self.trigger(job).await;
        let path = format!("/jobs/{job}/checkpoints/{id}");
        let result = until("the end of a checkpoint", || async {
            let status: ckpt_api::flink::TriggerStatus =
                serde_json::from_value(self.get(&path).await).unwrap();
            status.operation
        })
        .await;
        match (result.checkpoint_id, result.failure_cause) {
            (Some(id), _) => Ok(id.0),
            (None, cause) => Err(cause.unwrap().stack_trace),
        }
    }
}

/// A job whose checkpoints are triggered by hand and complete at once.
pub(crate) const QUICK: &str = "name = 'quick'
vertices = [{name = 'v', parallelism = 2}]
[checkpointing]
timeout = '1h'
retained = 2
[rehearsal]
size = '1kB'
";

/// A job whose checkpoints are triggered by hand and stay in flight.
pub(crate) const HANGING: &str = "# A comment that is part of the file.
name   = 'hanging'
vertices = [{name = 'v', parallelism = 2}]
[checkpointing]
timeout = '1h'
[rehearsal]
size = '1kB'
faults = [{subtask = 1, kind = 'hang'}]
";
