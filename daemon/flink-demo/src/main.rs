//! `ckpt-flink-demo`: see `ckpt-flink-demo --help`.

mod scenario;

use ckptd::{demo, serve};
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Saves a checkpoint of a job on a real, unmodified Flink, which is downloaded from PyPI first if need be.
///
/// Needs Java 11 or later with its compiler, and python3.
#[derive(Debug, Parser)]
#[command(name = "ckpt-flink-demo", version, after_help = "Exit codes: 0 done, 1 error, 2 usage.")]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Arguments of the demonstration.
#[derive(Debug, clap::Args)]
struct Options {
    /// Leave the daemon running at the end, to try ckptctl on it from a second terminal.
    #[arg(long)]
    keep: bool,
    /// Release of Flink, 1.17 or later.
    #[arg(long, value_name = "VERSION", default_value = "2.3.0")]
    flink_version: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: the demonstration starts it as a child.
    // The daemon is this program, so that nothing else has to be built or found.
    #[command(hide = true)]
    Serve(Box<serve::Options>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Serve(options)) => {
            tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).with_ansi(false).init();
            serve::run(*options).await.map_err(|error| error.to_string())
        }
        None => {
            let performing = scenario::perform(&cli.options);
            demo::until_interrupted(performing).await.map_err(|error| error.to_string())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            drop(writeln!(io::stderr(), "ckpt-flink-demo: {sentence}"));
            ExitCode::FAILURE
        }
    }
}
