//! The demonstration: a checkpoint that is about to expire at 95 % is saved by a real daemon over HTTP, as
//! ckptctl does it. Every step is checked; the first one that goes wrong ends it with an error.
//!
//! `ckptd demo` runs it on a hosted job with real files. The program `ckpt-flink-demo` runs it on a real Flink
//! and uses [`DemoDaemon`], [`DemoScreen`] and [`rescue_checkpoint`] for it.

mod daemon;
mod hosted;
mod rescue;
mod screen;

pub use daemon::{DemoDaemon, pause};
pub use rescue::rescue_checkpoint;
pub use screen::{DemoScreen, program};

use ckpt_api::flink::Checkpoint;
use ckpt_client::ClientError;
use ckpt_types::bounds::BoundsError;
use ckpt_types::duration::Rough;
use std::io;
use std::time::Duration;

/// Timeout that saves the checkpoint.
pub const RAISED_TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// Longest wait for one step: a checkpoint is triggered within 15 s, and takes 14 s.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(45);
/// Pause between two requests to the daemon.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Arguments of `ckptd demo`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Leave the daemon running at the end, to try ckptctl on it from a second terminal.
    #[arg(long)]
    keep: bool,
    /// Moved to the program `ckpt-flink-demo`; accepted so that the mistake can be explained.
    #[arg(long, hide = true)]
    flink: bool,
    /// Moved like `--flink`.
    #[arg(long, hide = true, value_name = "VERSION", requires = "flink")]
    flink_version: Option<String>,
}

impl Options {
    /// Checks whether the demo on Flink was asked for, which is a program of its own.
    #[must_use]
    pub fn is_on_flink(&self) -> bool {
        self.flink
    }
}

/// Reasons why a demonstration fails.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The machine refuses something.
    #[error("{what}: {cause}")]
    Machine {
        /// The attempt.
        what: &'static str,
        /// The reason.
        #[source]
        cause: io::Error,
    },
    /// The daemon refuses something.
    #[error("the daemon did not do what was asked: {0}")]
    Daemon(#[from] ClientError),
    /// The daemon has ended.
    #[error("the daemon ended before it was ready:\n{log}")]
    DaemonEnded {
        /// Its log.
        log: String,
    },
    /// A step took too long.
    #[error("{what} did not happen within {} s", STEP_TIMEOUT.as_secs())]
    Never {
        /// The step.
        what: &'static str,
    },
    /// A step had another result.
    #[error("this was to be seen, and was not: {0}")]
    Otherwise(String),
    /// The timeout that saves the checkpoint is none.
    #[error("this was to be seen, and was not: {0}")]
    BadTimeout(#[from] BoundsError),
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Runs the demonstration on a hosted job.
///
/// # Errors
/// [`DemoError`] when a step has another result than promised.
pub async fn run(options: &Options) -> Result<(), DemoError> {
    until_interrupted(hosted::perform(options)).await
}

/// Runs a demonstration until it ends or the user presses Ctrl-C.
///
/// # Errors
/// The demonstration's own, or [`DemoError::Interrupted`].
pub async fn until_interrupted<E: From<DemoError>>(
    performing: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    tokio::select! {
        result = performing => result,
        _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted.into()),
    }
}

/// Fails with `expected` unless the step has that result.
///
/// # Errors
/// [`DemoError::Otherwise`].
pub fn expect(is_met: bool, expected: impl FnOnce() -> String) -> Result<(), DemoError> {
    if is_met { Ok(()) } else { Err(DemoError::Otherwise(expected())) }
}

/// End-to-end duration of a checkpoint.
#[must_use]
pub fn took(checkpoint: &Checkpoint) -> Rough {
    Rough(millis(u64::try_from(checkpoint.end_to_end_duration).ok()))
}

fn machine(what: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |cause| DemoError::Machine { what, cause }
}

fn millis(millis: Option<u64>) -> Duration {
    Duration::from_millis(millis.unwrap_or(0))
}
