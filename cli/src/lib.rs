//! `ckptctl` sees and changes the checkpoint interval and timeout of running streaming jobs.
//!
//! | module | holds |
//! |---|---|
//! | `args` | options that several commands share |
//! | `commands` | one file per command |
//! | `completion` | answers to the shells at TAB |
//! | `shell` | the shells and their completion scripts |
//! | `server` | address and token of the server |
//! | `resolve` | the one job that a name on the command line means |
//! | `change` | the way of every change |
//! | `history` | ended checkpoints, from any server |
//! | `operation`, `wait` | a checkpoint or savepoint requested by hand, until it has ended |
//! | `view` | the view model: every text that is shown, with its tone; pure functions of API bodies and the time |
//! | `render` | the view model as text and tables, for `get` and the plain `watch` |
//! | `watch` | the full screen, the plain one, and following one checkpoint or override |
//! | `console`, `clock` | stdout and stderr, and the time of day |
//! | `error`, [`exit`] | errors as they are told, and the exit codes |

mod args;
mod change;
mod clock;
mod commands;
mod completion;
mod console;
mod error;
pub mod exit;
mod history;
mod operation;
mod render;
mod resolve;
mod server;
mod shell;
mod view;
mod wait;
mod watch;

use clap::Parser;
use commands::Cli;
use error::Error;
use exit::Exit;
use std::ffi::OsString;
use tokio::signal::unix::{SignalKind, signal};

pub use shell::Shell;

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
