//! The demonstration: a checkpoint that is about to be thrown away at 95% is saved, by a real daemon over
//! HTTP as ckptctl does it: one of a job that ckptd hosts, on real files, or one of a real Flink. It ends well
//! only if all of this truly happened.

mod daemon;
mod flink;
mod hosted;
mod rescue;
mod show;

use crate::local_flink::{ClusterError, HttpError, InstallError, JobError};
use ckpt_api::flink::Checkpoint;
use ckpt_client::ClientError;
use ckpt_types::duration::Rough;
use std::io;
use std::time::Duration;

/// The timeout that saves the checkpoint.
const LONGER: Duration = Duration::from_secs(20 * 60);
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
    /// On a real, unmodified Flink instead, which is fetched from PyPI first if need be; it wants Java 11 or
    /// later with its compiler, and python3.
    #[arg(long)]
    flink: bool,
    /// Which release of Flink, from 1.17 on.
    #[arg(long, value_name = "VERSION", default_value = "2.3.0", requires = "flink")]
    flink_version: String,
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
    /// Flink cannot be fetched.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// Flink does not start.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Flink does not take the job.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Flink does not answer.
    #[error(transparent)]
    Flink(#[from] HttpError),
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
    let performing = async {
        match options.flink {
            true => flink::perform(options).await,
            false => hosted::perform(options).await,
        }
    };
    tokio::select! {
        result = performing => result,
        _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted),
    }
}

fn machine(what: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |cause| DemoError::Machine { what, cause }
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
