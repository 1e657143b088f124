//! The demonstration: a checkpoint that is about to be thrown away at 95% is saved, by a real daemon, on
//! real files, over HTTP as ckptctl does it. It ends well only if all of this truly happened.

mod show;

use crate::state_dir::Owner;
use ckpt_shared::api::{Configuration, ConfigurationPatch, Field, InFlight, Outcome};
use ckpt_shared::bounds::CheckpointTimeout;
use ckpt_shared::client::{ChangeOptions, Client, ClientError};
use ckpt_shared::duration::Rough;
use ckpt_shared::flink::{Checkpoint, CheckpointStatus};
use ckpt_shared::ids::CheckpointId;
use ckpt_shared::paths;
use show::Show;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The job, as in `examples/`.
const JOB_FILE: &str = include_str!("../../examples/job123.toml");
const JOB: &str = "job123";
/// The timeout that saves the checkpoint.
const LONGER: Duration = Duration::from_secs(20 * 60);
/// How old the second checkpoint gets before the timeout is raised: as late as somebody would dare.
const AGE_OF_RESCUE: Duration = Duration::from_secs(8);
/// The longest wait for anything: a checkpoint is triggered within 15 s, and takes 14 s.
const LIMIT: Duration = Duration::from_secs(45);
/// How often the daemon is asked.
const EVERY: Duration = Duration::from_millis(100);

/// What `ckptd demo` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Leave the daemon running at the end, to try ckptctl on it from a second terminal.
    #[arg(long)]
    keep: bool,
}

/// Why the demonstration did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The machine refuses something.
    #[error("{what}: {cause}")]
    Machine {
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        cause: io::Error,
    },
    /// The daemon refuses something.
    #[error("the daemon did not do what was asked: {0}")]
    Daemon(#[from] ClientError),
    /// The daemon has ended.
    #[error("the daemon ended before it was ready:\n{log}")]
    DaemonEnded {
        /// What it said.
        log: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} s", LIMIT.as_secs())]
    Never {
        /// What.
        what: &'static str,
    },
    /// Something happened otherwise.
    #[error("this was to be seen, and was not: {0}")]
    Otherwise(String),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Runs the demonstration.
///
/// # Errors
/// [`DemoError`] when anything was not as it should be.
pub async fn run(options: &Options) -> Result<(), DemoError> {
    tokio::select! {
        result = perform(options) => result,
        _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted),
    }
}

async fn perform(options: &Options) -> Result<(), DemoError> {
    let machine = |what| move |cause| DemoError::Machine { what, cause };
    let home = tempfile::Builder::new()
        .prefix("ckptd-demo-")
        .tempdir()
        .map_err(machine("cannot make a temporary directory"))?;
    let show = Show::start();
    let job_file = home.path().join("job123.toml");
    std::fs::write(&job_file, JOB_FILE).map_err(machine("cannot write the job file"))?;

    show.step("a daemon hosts job123: a checkpoint every 15s, thrown away after 10s, and one slow subtask");
    show.typed("ckptd serve --job examples/job123.toml");
    let mut daemon = Daemon::start(home.path(), Some(&job_file)).await?;
    let job = daemon.client.configuration(JOB).await?.value.job_id;

    show.step("nobody acts");
    show.typed("ckptctl watch job123");
    let first = daemon.in_flight_after(CheckpointId(0), &show).await?;
    let lost = daemon.end_of(first, &show).await?;
    expect(lost.status == CheckpointStatus::Failed && lost.num_acknowledged_subtasks == 19, || {
        format!("checkpoint {first} expires at 19 of 20 subtasks; it was {lost:?}")
    })?;
    show.bad(&format!(
        "checkpoint {first} was thrown away after {} with 19 of 20 subtasks stored",
        took(&lost)
    ));

    show.step("the timeout is raised while the next one is in flight");
    let second = daemon.in_flight_after(first, &show).await?;
    let aged = daemon.aged(second, &show).await?;
    show.typed("ckptctl set-timeout job123 20m");
    let saved = daemon.raise_timeout(second).await?;
    show.good(&format!(
        "checkpoint {second}, {} of {} subtasks stored: it had {} left, and has {} now",
        aged.acknowledged,
        aged.subtasks,
        Rough(millis(saved.change.and_then(|change| change.previous_remaining))),
        Rough(millis(saved.remaining))
    ));
    let completed = daemon.end_of(second, &show).await?;
    expect(completed.status == CheckpointStatus::Completed, || {
        format!("checkpoint {second} completes; it was {completed:?}")
    })?;
    let metadata = home.path().join(format!("state/checkpoints/{job}/chk-{second}/_metadata"));
    expect(metadata.is_file(), || format!("{} is on disk", metadata.display()))?;
    show.good(&format!("checkpoint {second} completed after {}: {}", took(&completed), metadata.display()));

    show.step("the daemon is killed with SIGKILL, and started again");
    show.typed("kill -9 <ckptd>; ckptd serve");
    daemon.kill().await?;
    daemon = Daemon::start(home.path(), None).await?;
    let third = daemon.in_flight_after(CheckpointId(0), &show).await?;
    let after = daemon.client.configuration(JOB).await?.value;
    expect(after.job_id == job && after.applied && third > second && in_force(&after), || {
        format!("the override of 20m is in force again, and ids go on after {second}; it was {after:?}")
    })?;
    show.typed("ckptctl get job123");
    show.good(&format!(
        "the timeout is still 20m (revision {}), and checkpoint {third} is in flight after checkpoint {second}",
        after.revision
    ));
    show.done();
    conclude(options, &mut daemon, &show).await
}

async fn conclude(options: &Options, daemon: &mut Daemon, show: &Show) -> Result<(), DemoError> {
    let machine = |what| move |cause| DemoError::Machine { what, cause };
    if options.keep {
        show.keep(daemon.client.server(), &daemon.state);
        tokio::signal::ctrl_c().await.map_err(machine("cannot wait for Ctrl-C"))?;
    } else {
        show.next();
    }
    daemon.kill().await
}

fn in_force(configuration: &Configuration) -> bool {
    configuration.checkpoint_timeout.effective.map(Duration::from_millis) == Some(LONGER)
}

fn expect(happened: bool, what: impl FnOnce() -> String) -> Result<(), DemoError> {
    if happened { Ok(()) } else { Err(DemoError::Otherwise(what())) }
}

fn millis(millis: Option<u64>) -> Duration {
    Duration::from_millis(millis.unwrap_or(0))
}

fn took(checkpoint: &Checkpoint) -> Rough {
    Rough(millis(u64::try_from(checkpoint.end_to_end_duration).ok()))
}

/// A daemon that runs as a child, and a client for it. It is killed when this is dropped.
struct Daemon {
    child: Child,
    client: Client,
    state: PathBuf,
}

impl Daemon {
    async fn start(home: &Path, job_file: Option<&Path>) -> Result<Self, DemoError> {
        let machine = |what| move |cause| DemoError::Machine { what, cause };
        let state = home.join("state");
        let log_file = home.join("ckptd.log");
        let log = File::create(&log_file).map_err(machine("cannot make a log file"))?;
        let program = std::env::current_exe().map_err(machine("cannot find this program"))?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]).arg(&state);
        if let Some(job_file) = job_file {
            command.arg("--job").arg(job_file);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().map_err(machine("cannot start the daemon"))?;
        let until = Instant::now() + LIMIT;
        loop {
            let owner = Owner::of(&state).filter(|owner| Some(owner.pid) == child.id());
            if let Some(address) = owner.and_then(|owner| owner.listen) {
                let token = paths::read_token(&paths::token_file(&state))
                    .map_err(machine("cannot read the token"))?;
                let client = Client::new(&format!("http://{address}"), Some(token))?;
                return Ok(Self { child, client, state });
            }
            if !matches!(child.try_wait(), Ok(None)) {
                let log = std::fs::read_to_string(&log_file).unwrap_or_default();
                return Err(DemoError::DaemonEnded { log });
            }
            pause(until, "the start of the daemon").await?;
        }
    }

    /// Waits for a checkpoint in flight with a number above `id`.
    async fn in_flight_after(&self, id: CheckpointId, show: &Show) -> Result<CheckpointId, DemoError> {
        let until = Instant::now() + LIMIT;
        loop {
            let configuration = self.client.configuration(JOB).await?.value;
            show.look(&configuration);
            if let Some(found) = configuration.in_flight.iter().find(|checkpoint| checkpoint.id > id) {
                return Ok(found.id);
            }
            pause(until, "the next checkpoint").await?;
        }
    }

    /// Waits until a checkpoint is 19 of 20 stored, and as old as somebody would dare.
    async fn aged(&self, id: CheckpointId, show: &Show) -> Result<InFlight, DemoError> {
        let until = Instant::now() + LIMIT;
        loop {
            let configuration = self.client.configuration(JOB).await?.value;
            show.look(&configuration);
            let found = configuration.in_flight.into_iter().find(|checkpoint| checkpoint.id == id);
            let found = found.ok_or_else(|| DemoError::Otherwise(format!("checkpoint {id} is in flight")))?;
            if found.acknowledged == 19 && Duration::from_millis(found.elapsed) >= AGE_OF_RESCUE {
                return Ok(found);
            }
            pause(until, "19 of 20 acknowledgements").await?;
        }
    }

    async fn raise_timeout(&self, id: CheckpointId) -> Result<InFlight, DemoError> {
        let timeout =
            CheckpointTimeout::new(LONGER).map_err(|error| DemoError::Otherwise(error.to_string()))?;
        let patch = ConfigurationPatch {
            timeout: Field::Set(timeout),
            reason: Some("demonstration".to_owned()),
            ..ConfigurationPatch::default()
        };
        let changed = self.client.change(JOB, &patch, ChangeOptions::default()).await?.value;
        let found = changed.in_flight.iter().find(|checkpoint| checkpoint.id == id);
        let extended =
            found.filter(|found| found.change.is_some_and(|change| change.outcome == Outcome::Extended));
        extended.filter(|_| changed.stored && changed.applied).cloned().ok_or_else(|| {
            DemoError::Otherwise(format!("the change extends checkpoint {id}; it was {changed:?}"))
        })
    }

    /// Waits until a checkpoint has completed or failed.
    async fn end_of(&self, id: CheckpointId, show: &Show) -> Result<Checkpoint, DemoError> {
        let until = Instant::now() + LIMIT;
        loop {
            show.look(&self.client.configuration(JOB).await?.value);
            let path = format!("/jobs/{JOB}/checkpoints/details/{id}");
            let checkpoint: Checkpoint = self.client.get(&path).await?.value;
            if checkpoint.status != CheckpointStatus::InProgress {
                return Ok(checkpoint);
            }
            pause(until, "the end of the checkpoint").await?;
        }
    }

    async fn kill(&mut self) -> Result<(), DemoError> {
        let killed = self.child.kill().await;
        killed.map_err(|cause| DemoError::Machine { what: "cannot kill the daemon", cause })
    }
}

async fn pause(until: Instant, what: &'static str) -> Result<(), DemoError> {
    #[allow(clippy::disallowed_methods, reason = "tokio's clock")]
    let late = Instant::now() >= until;
    if late {
        return Err(DemoError::Never { what });
    }
    sleep(EVERY).await;
    Ok(())
}
