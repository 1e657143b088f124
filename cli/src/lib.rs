//! `ckptctl` sees and changes the checkpoint interval and timeout of running streaming jobs.
//!
//! | module | holds |
//! |---|---|
//! | `args` | what all commands have in common on the command line |
//! | `commands` | one file per command |
//! | `completion` | what the shells ask for at TAB |
//! | `server` | which server is asked, and with which token |
//! | `resolve`, `name` | from what was typed to one job, and what it is called |
//! | `change`, `sentence` | the way of every change, and the one line that tells of it |
//! | `next` | commands that are suggested |
//! | `standing` | whether overrides hold, and which exit code it is when they do not |
//! | `past` | the checkpoints that have ended, from whatever server tells of them |
//! | `operation`, `wait` | what was asked for by hand, until it has ended |
//! | `render` | tables and screens as text, pure functions of what a server said |
//! | `watch` | the full screen, the plain one, the polling and the following of one checkpoint or override behind `watch` |
//! | `console`, `clock` | the one door to stdout and stderr, and the one to the time of day |
//! | [`exit`] | the exit codes |

mod args;
mod change;
mod clock;
mod commands;
mod completion;
mod console;
mod error;
pub mod exit;
mod name;
mod next;
mod operation;
mod past;
mod render;
mod resolve;
mod sentence;
mod server;
mod standing;
mod wait;
mod watch;

use args::Cli;
use clap::Parser;
use error::Error;
use exit::Exit;
use std::ffi::OsString;
use tokio::signal::unix::{SignalKind, signal};

pub use completion::Shell;

/// Runs `ckptctl` with these arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(exit) = completion::answered(&arguments) {
        return exit;
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // It goes to stdout for --help and to stderr otherwise; a closed pipe is nobody's mistake.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    match block_on(&cli) {
        Ok(exit) => exit,
        Err(error) => {
            let exit = error.exit();
            if !matches!(error, Error::PipeClosed) {
                console::note(&format!("ckptctl: {error}"));
            }
            exit
        }
    }
}

fn block_on(cli: &Cli) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        // A command that loses is dropped here, and with it whatever puts the terminal back.
        tokio::select! {
            result = commands::run(cli) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
            _ = terminate.recv() => Err(Error::Interrupted),
        }
    });
    // A thread that still waits for an answer on stdin must not hold the program back.
    runtime.shutdown_background();
    result
}
