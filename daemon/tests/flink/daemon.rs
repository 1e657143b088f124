//! `ckptd serve --flink` as a child, spoken to through its REST API.

use ckpt_api::{Configuration, ConfigurationList, ConfigurationPatch, Field};
use ckpt_client::local as paths;
use ckpt_client::{Access, ChangeOptions, Client, ClientError, Peer, escape};
use ckpt_local_flink::{Answer, call};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use ckptd::state_dir::Owner;
use std::future::Future;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Nothing takes longer, however slow the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(150);
const EVERY: Duration = Duration::from_millis(100);
const PROGRAM: &str = env!("CARGO_BIN_EXE_ckptd");
/// The name that the followed cluster has.
pub(crate) const CLUSTER: &str = "real";

/// Waits until `look` sees something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(EVERY).await;
        }
    };
    timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("{what} did not happen within {LIMIT:?}"))
}

/// A state directory, and the daemon on it. The daemon is killed when this is dropped.
pub(crate) struct Daemon {
    home: TempDir,
    command: Vec<String>,
    arguments: Vec<String>,
    child: Child,
    pub(crate) address: String,
    pub(crate) client: Client,
}

impl Daemon {
    /// Follows the cluster at `url` under the name [`CLUSTER`].
    pub(crate) async fn follow(url: &str) -> Self {
        Self::start(&["--flink", &format!("{CLUSTER}={url}")]).await
    }

    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let command = vec![PROGRAM.to_owned()];
        let (child, address, client) = spawn(&home, &command, &arguments).await;
        Self { home, command, arguments, child, address, client }
    }

    /// One that `wrapper` runs, with a home of this user's.
    pub(crate) async fn within(wrapper: Vec<String>, user: u32, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        // Wherever it was built, not everybody may look there.
        let program = home.path().join("ckptd");
        std::fs::copy(PROGRAM, &program).unwrap();
        std::os::unix::fs::chown(home.path(), Some(user), Some(user)).unwrap();
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let command = [wrapper, vec![program.display().to_string()]].concat();
        let (child, address, client) = spawn(&home, &command, &arguments).await;
        Self { home, command, arguments, child, address, client }
    }

    /// SIGKILL, and the same daemon again.
    pub(crate) async fn kill_and_start(&mut self) {
        self.kill().await;
        self.start_again().await;
    }

    /// The same daemon again, after it was killed.
    pub(crate) async fn start_again(&mut self) {
        (self.child, self.address, self.client) = spawn(&self.home, &self.command, &self.arguments).await;
    }

    /// SIGKILL; the state directory stays.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it has not ended. Nobody else waits for it, so its pid is not somebody else's meanwhile.
    pub(crate) fn is_running(&self) -> bool {
        let stat =
            self.pid().and_then(|pid| procfs::process::Process::new(pid.cast_signed()).ok()?.stat().ok());
        stat.is_some_and(|stat| stat.state != 'Z')
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        paths::token_file(&self.state())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// A request with the token, whatever its method.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let token = paths::read_token(&self.token_file()).unwrap();
        let token = format!("Authorization: Bearer {token}");
        let headers = [token.as_str(), "Content-Type: application/json"];
        call(&self.address, method, path, &headers, body.as_bytes()).await.unwrap()
    }

    pub(crate) async fn list(&self) -> ConfigurationList {
        self.client.configurations(false).await.unwrap().value
    }

    pub(crate) async fn configuration(&self, job: &str) -> Configuration {
        self.client.configuration(job).await.unwrap_or_else(|error| panic!("{error}\n{}", self.log())).value
    }

    /// Waits until ckptd knows the job and it is as wanted.
    pub(crate) async fn until(
        &self,
        what: &str,
        job: &str,
        wanted: impl Fn(&Configuration) -> bool,
    ) -> Configuration {
        let look = || async { Some(self.client.configuration(job).await.ok()?.value).filter(&wanted) };
        until(what, look).await
    }

    /// Changes what is given, in milliseconds.
    pub(crate) async fn change(
        &self,
        job: &str,
        interval: Option<u64>,
        timeout: Option<u64>,
    ) -> Result<Configuration, ClientError> {
        let interval = interval.map(|millis| CheckpointInterval::from_millis(millis).unwrap());
        let timeout = timeout.map(|millis| CheckpointTimeout::from_millis(millis).unwrap());
        let patch = ConfigurationPatch {
            interval: interval.map_or(Field::Keep, Field::Set),
            timeout: timeout.map_or(Field::Keep, Field::Set),
            ..ConfigurationPatch::default()
        };
        Ok(self.client.change(job, &patch, ChangeOptions::default()).await?.value)
    }

    /// A change that is stored and in force at once. It is asked for again while the JobManager is too slow to be
    /// looked at, which changes nothing.
    pub(crate) async fn changed(
        &self,
        job: &str,
        interval: Option<u64>,
        timeout: Option<u64>,
    ) -> Configuration {
        let changed = self.settled(job, interval, timeout).await;
        assert!(changed.applied, "{changed:?}\n{}", self.log());
        changed
    }

    /// The same for a change that a later one may supersede.
    pub(crate) async fn settled(
        &self,
        job: &str,
        interval: Option<u64>,
        timeout: Option<u64>,
    ) -> Configuration {
        let changed = until("a JobManager that can be looked at", || async {
            let changed = self.change(job, interval, timeout).await;
            let slow = |error: &ClientError| {
                error.to_string().contains("it was only looked at, and nothing was changed")
            };
            (!changed.as_ref().is_err_and(slow)).then_some(changed)
        })
        .await;
        let changed = changed.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        let is_settled = changed.applied || changed.superseded_by.is_some();
        assert!(changed.stored && is_settled, "{changed:?}\n{}", self.log());
        changed
    }

    /// Goes back to what was submitted.
    pub(crate) async fn reset(&self, job: &str) -> Configuration {
        let path = format!("/jobs/{}/checkpoints/configuration", escape(job));
        let answer = self.call("DELETE", &path, "").await;
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.log());
        serde_json::from_value(answer.body).unwrap()
    }

    /// A change that there is no way for: 501, one sentence that says `why`, and nothing stored.
    pub(crate) async fn has_no_way(&self, job: &str, why: &[&str]) {
        let path = format!("/jobs/{}/checkpoints/configuration", escape(job));
        let answer = self.call("PATCH", &path, r#"{"checkpointTimeout": 1200000}"#).await;
        assert_eq!(answer.status, 501, "{answer:?}\n{}", self.log());
        let said = answer.body["errors"][0].as_str().unwrap_or_default().to_lowercase();
        assert!(why.iter().any(|part| said.contains(&part.to_lowercase())), "{said}");
        let seen = self.configuration(job).await;
        assert_eq!((seen.revision, seen.checkpoint_timeout.overridden), (0, None), "{seen:?}");
        let stored = std::fs::read_to_string(self.state().join("overrides.json")).unwrap_or_default();
        assert!(!stored.contains("1200000") && !stored.contains(job), "{stored}");
    }
}

async fn spawn(home: &TempDir, program: &[String], arguments: &[String]) -> (Child, String, Client) {
    let (state, log) = (home.path().join("state"), home.path().join("log"));
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).env("CKPT_LOCAL_FLINK", home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]).arg(&state).args(arguments);
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
    command.env("CKPTD_LOG", "info,ckptd=debug");
    let mut child = command.spawn().unwrap();
    // A wrapper's child has a pid of its own, and a home that is new.
    let pid = child.id().filter(|_| program.len() == 1);
    let address = until("the start of the daemon", || {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "ckptd ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
        let owner = Owner::of(&state).filter(|owner| pid.is_none_or(|pid| owner.pid == pid));
        async move { owner.and_then(|owner| owner.listen) }
    })
    .await;
    let token = paths::read_token(&paths::token_file(&state)).unwrap();
    // Longer than any answer may take, on a machine that stands still for a while.
    let access =
        Access { peer: Peer::Ckptd, token: Some(token), authorities: None, limit: Duration::from_secs(120) };
    let client = Client::with(&format!("http://{address}"), access).unwrap();
    (child, address, client)
}
