//! `ckptd`: see `ckptd --help`.

use ckptd::{demo, flink, rest, serve};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How long the process waits, when it ends, for threads that wait for a disk.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// How many threads may wait for disks; all jobs together take half of them.
const MOST_THREADS: usize = 2_048;

/// Answer to `ckptd demo --flink`.
const FLINK_DEMO_MOVED: &str = "the demo on Flink is a program of its own: \
    run 'cargo run --release -p ckpt-flink-demo' in the source tree instead\n";

/// Hosts checkpoint coordinators whose interval and timeout can be changed while a job runs.
#[derive(Debug, Parser)]
#[command(name = "ckptd", version, about, after_help = "Exit codes: 0 done, 1 error, 2 usage.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Host jobs, and serve the REST API.
    Serve {
        #[command(flatten)]
        options: serve::Options,
        /// Write logs as JSON, one object a line.
        #[arg(long)]
        log_json: bool,
        /// What to log, such as info or ckptd=debug.
        #[arg(long, env = "CKPTD_LOG", default_value = "info", value_name = "FILTER", value_parser = parse_filter)]
        log: Box<EnvFilter>,
    },
    /// Save a checkpoint that is about to be thrown away, on real files, in about a minute.
    Demo(demo::Options),
    /// Check a configuration file, and say whether ckptd serve --config would take it.
    CheckConfig {
        /// The file.
        file: std::path::PathBuf,
    },
    /// Print the description of the REST API, in OpenAPI 3.1.
    Openapi,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(&cli.command, Command::Demo(options) if options.is_on_flink()) {
        clap::Error::raw(ErrorKind::InvalidValue, FLINK_DEMO_MOVED).exit();
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.enable_all().max_blocking_threads(MOST_THREADS).build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}")),
    };
    let result = match cli.command {
        Command::Serve { options, log_json, log } => {
            start_log(log_json, *log);
            runtime.block_on(serve::run(options)).map_err(|error| error.to_string())
        }
        Command::CheckConfig { file } => flink::Options { config: Some(file.clone()), ..Default::default() }
            .settings()
            .map_err(|error| error.to_string())
            .and_then(|_| {
                writeln!(io::stdout(), "{} is fine", file.display()).map_err(|error| error.to_string())
            }),
        Command::Openapi => {
            io::stdout().write_all(rest::document().as_bytes()).map_err(|error| error.to_string())
        }
        Command::Demo(options) => runtime.block_on(demo::run(&options)).map_err(|error| error.to_string()),
    };
    runtime.shutdown_timeout(LAST_WAIT);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => failed(&sentence),
    }
}

fn parse_filter(text: &str) -> Result<Box<EnvFilter>, String> {
    text.parse().map(Box::new).map_err(|error| format!("{error}; write for example info or ckptd=debug"))
}

fn start_log(json: bool, filter: EnvFilter) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if json {
        log.json().flatten_event(true).init();
    } else {
        log.with_target(false).with_ansi(io::stderr().is_terminal()).init();
    }
}

fn failed(sentence: &str) -> ExitCode {
    drop(writeln!(io::stderr(), "ckptd: {sentence}"));
    ExitCode::FAILURE
}
