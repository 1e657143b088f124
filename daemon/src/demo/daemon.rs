//! The daemon of a demonstration, and the requests to it.

use super::screen::DemoScreen;
use super::{DemoError, POLL_INTERVAL, RAISED_TIMEOUT, STEP_TIMEOUT, machine};
use crate::state_dir::Owner;
use ckpt_api::flink::{Checkpoint, CheckpointStatus};
use ckpt_api::{Configuration, ConfigurationPatch, Field, InFlight, Outcome};
use ckpt_client::local as paths;
use ckpt_client::{ChangeOptions, Client, StatusCode};
use ckpt_types::bounds::CheckpointTimeout;
use ckpt_types::ids::CheckpointId;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// A daemon that runs as a child, and a client for it. It is killed when this is dropped.
#[derive(Debug)]
pub struct DemoDaemon {
    child: Child,
    job: &'static str,
    pub(super) client: Client,
    state: PathBuf,
}

impl DemoDaemon {
    /// Starts the subcommand `serve` of the running program with these arguments, and with its state and log
    /// below `home`. All other calls are about `job`.
    ///
    /// # Errors
    /// [`DemoError`] when it does not come up.
    pub async fn start(home: &Path, job: &'static str, arguments: &[OsString]) -> Result<Self, DemoError> {
        let state = home.join("state");
        let log_file = home.join("ckptd.log");
        let log = File::create(&log_file).map_err(machine("cannot make a log file"))?;
        let program = std::env::current_exe().map_err(machine("cannot find this program"))?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]).arg(&state).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().map_err(machine("cannot start the daemon"))?;
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            let owner = Owner::of(&state).filter(|owner| Some(owner.pid) == child.id());
            if let Some(address) = owner.and_then(|owner| owner.listen) {
                let token = paths::read_token(&paths::token_file(&state))
                    .map_err(machine("cannot read the token"))?;
                let client = Client::new(&format!("http://{address}"), Some(token))?;
                return Ok(Self { child, job, client, state });
            }
            if !matches!(child.try_wait(), Ok(None)) {
                let log = std::fs::read_to_string(&log_file).unwrap_or_default();
                return Err(DemoError::DaemonEnded { log });
            }
            pause(until, "the start of the daemon").await?;
        }
    }

    /// Waits until the job is as wanted.
    ///
    /// # Errors
    /// [`DemoError`] when it does not become so in time.
    pub async fn until(
        &self,
        what: &'static str,
        screen: &DemoScreen,
        wanted: impl Fn(&Configuration) -> bool,
    ) -> Result<Configuration, DemoError> {
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            match self.client.configuration(self.job).await {
                Ok(seen) if wanted(&seen.value) => return Ok(seen.value),
                Ok(seen) => screen.look(&seen.value),
                // A cluster that is not known yet has no jobs.
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {}
                Err(error) => return Err(error.into()),
            }
            pause(until, what).await?;
        }
    }

    /// Waits for a checkpoint in flight with a number above `id`.
    pub(super) async fn in_flight_after(
        &self,
        id: CheckpointId,
        screen: &DemoScreen,
    ) -> Result<CheckpointId, DemoError> {
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            let configuration = self.client.configuration(self.job).await?.value;
            screen.look(&configuration);
            if let Some(found) = configuration.in_flight.iter().find(|checkpoint| checkpoint.id > id) {
                return Ok(found.id);
            }
            pause(until, "the next checkpoint").await?;
        }
    }

    /// Waits until a checkpoint is 19 of 20 stored and `age` old.
    pub(super) async fn aged(
        &self,
        id: CheckpointId,
        age: Duration,
        screen: &DemoScreen,
    ) -> Result<InFlight, DemoError> {
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            let configuration = self.client.configuration(self.job).await?.value;
            screen.look(&configuration);
            let found = configuration.in_flight.into_iter().find(|checkpoint| checkpoint.id == id);
            let found = found.ok_or_else(|| DemoError::Otherwise(format!("checkpoint {id} is in flight")))?;
            if found.acknowledged == 19 && Duration::from_millis(found.elapsed) >= age {
                return Ok(found);
            }
            pause(until, "19 of 20 acknowledgements").await?;
        }
    }

    pub(super) async fn raise_timeout(&self, id: CheckpointId) -> Result<InFlight, DemoError> {
        let timeout = CheckpointTimeout::new(RAISED_TIMEOUT)?;
        let patch = ConfigurationPatch {
            timeout: Field::Set(timeout),
            reason: Some("demonstration".to_owned()),
            ..ConfigurationPatch::default()
        };
        let changed = self.client.change(self.job, &patch, ChangeOptions::default()).await?.value;
        let found = changed.in_flight.iter().find(|checkpoint| checkpoint.id == id);
        let extended =
            found.filter(|found| found.change.is_some_and(|change| change.outcome == Outcome::Extended));
        extended.filter(|_| changed.stored && changed.applied).cloned().ok_or_else(|| {
            DemoError::Otherwise(format!("the change extends checkpoint {id}; it was {changed:?}"))
        })
    }

    /// Goes back to what was submitted.
    ///
    /// # Errors
    /// [`DemoError`] when the daemon refuses it.
    pub async fn reset(&self) -> Result<Configuration, DemoError> {
        let patch = ConfigurationPatch { timeout: Field::Clear, ..ConfigurationPatch::default() };
        Ok(self.client.change(self.job, &patch, ChangeOptions::default()).await?.value)
    }

    /// Waits until a checkpoint has completed or failed.
    pub(super) async fn end_of(
        &self,
        id: CheckpointId,
        screen: &DemoScreen,
    ) -> Result<Checkpoint, DemoError> {
        let until = Instant::now() + STEP_TIMEOUT;
        loop {
            screen.look(&self.client.configuration(self.job).await?.value);
            let path = format!("/jobs/{}/checkpoints/details/{id}", self.job);
            let checkpoint: Checkpoint = self.client.get(&path).await?.value;
            if checkpoint.status != CheckpointStatus::InProgress {
                return Ok(checkpoint);
            }
            pause(until, "the end of the checkpoint").await?;
        }
    }

    /// Leaves the daemon running until the user presses Ctrl-C.
    ///
    /// # Errors
    /// [`DemoError::Machine`] when signals cannot be received.
    pub async fn keep(&self, screen: &DemoScreen) -> Result<(), DemoError> {
        screen.keep(self.client.server(), &self.state, self.job);
        tokio::signal::ctrl_c().await.map_err(machine("cannot wait for Ctrl-C"))
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// [`DemoError::Machine`] when it cannot be killed.
    pub async fn kill(&mut self) -> Result<(), DemoError> {
        self.child.kill().await.map_err(machine("cannot kill the daemon"))
    }
}

/// Waits a moment before the next request.
///
/// # Errors
/// [`DemoError::Never`] when it is later than `until`.
pub async fn pause(until: Instant, what: &'static str) -> Result<(), DemoError> {
    #[allow(clippy::disallowed_methods, reason = "tokio's clock")]
    let late = Instant::now() >= until;
    if late {
        return Err(DemoError::Never { what });
    }
    sleep(POLL_INTERVAL).await;
    Ok(())
}
