//! The commands, one file each.

mod adopt;
mod audit;
mod cancel;
mod completions;
mod diagnose;
mod doctor;
mod get;
mod history;
mod reconcile;
mod reset;
mod savepoint;
mod set;
mod set_interval;
mod set_timeout;
mod submit;
mod trigger;
mod watch;

use crate::args::Globals;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::server::{Environment, Server};
use clap::{Parser, Subcommand};

/// See and change the checkpoint interval and timeout of running streaming jobs.
///
/// Durations are whole numbers with a unit: ms, s, m, h, d, or several from large to small (20m, 1h30m).
/// JOB is a job's exact name or id; where several clusters have it, CLUSTER/NAME or CLUSTER/ID says which one is
/// meant ("hosted" are the jobs that ckptd runs itself). Commands that only read also take a unique prefix.
#[derive(Debug, Parser)]
#[command(name = "ckptctl", version, after_help = exit::help(), after_long_help = exit::help())]
pub(crate) struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Commands of `ckptctl`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show jobs, or one job: what was submitted, what is overridden, what is in flight
    Get(get::Args),
    /// Change how long a checkpoint may take, for checkpoints in flight too
    SetTimeout(set_timeout::Args),
    /// Change how often a checkpoint is triggered, from the next trigger on
    SetInterval(set_interval::Args),
    /// Change timeout and interval together
    Set(set::Args),
    /// Go back to what was submitted
    Reset(reset::Args),
    /// Carry the override of an earlier job of the same name over to the one that runs now
    Adopt(adopt::Args),
    /// Show who changed what, when and why, and what came of it
    Audit(audit::Args),
    /// Pause and resume the applying of overrides that stop holding, or say whether it is paused
    Reconcile(reconcile::Args),
    /// Follow jobs, or one job, as they go
    Watch(watch::Args),
    /// Say whether the checkpoint in flight is slow or stuck, what that rests on, and what to type next
    ///
    /// The oldest one, if there are several. It ends with 0 whatever the verdict is; a script finds that in
    /// checkpoint.estimate.verdict of -o json: onTrack, slow, stuck or cannotTell.
    Diagnose(diagnose::Args),
    /// Show a job's recent checkpoints
    History(history::Args),
    /// Make a checkpoint now
    Trigger(trigger::Args),
    /// Make a savepoint now, a checkpoint that outlives the job
    Savepoint(savepoint::Args),
    /// Say whether Flink clusters can be changed from where ckptd runs, and if not, why
    Doctor(doctor::Args),
    /// Submit a job file
    Submit(submit::Args),
    /// Cancel a job, with a savepoint or without
    Cancel(cancel::Args),
    /// Print the completion script of a shell
    Completions(completions::Args),
}

/// Runs one.
pub(crate) async fn run(cli: &Cli) -> Result<Exit, Error> {
    let output = cli.globals.output;
    let server = || Server::choose(&cli.globals, Environment::read());
    match &cli.command {
        Command::Get(args) => get::run(&server()?, output, args).await,
        Command::SetTimeout(args) => set_timeout::run(&server()?, output, args).await,
        Command::SetInterval(args) => set_interval::run(&server()?, output, args).await,
        Command::Set(args) => set::run(&server()?, output, args).await,
        Command::Reset(args) => reset::run(&server()?, output, args).await,
        Command::Adopt(args) => adopt::run(&server()?, output, args).await,
        Command::Audit(args) => audit::run(&server()?, output, args).await,
        Command::Reconcile(args) => reconcile::run(&server()?, output, args).await,
        Command::Watch(args) => watch::run(&server()?, output, args).await,
        Command::Diagnose(args) => diagnose::run(&server()?, output, args).await,
        Command::History(args) => history::run(&server()?, output, args).await,
        Command::Trigger(args) => trigger::run(&server()?, output, args).await,
        Command::Savepoint(args) => savepoint::run(&server()?, output, args).await,
        Command::Doctor(args) => doctor::run(&server()?, output, args).await,
        Command::Submit(args) => submit::run(&server()?, output, args).await,
        Command::Cancel(args) => cancel::run(&server()?, output, args).await,
        Command::Completions(args) => completions::run(args),
    }
}
