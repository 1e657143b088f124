//! `ckptctl set JOB --timeout DURATION --interval DURATION`

use crate::args::{ChangeArgs, LastingArgs, Output};
use crate::change;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use ckpt_api::{ConfigurationPatch, Field};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use clap::ArgGroup;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("values").args(["timeout", "interval"]).required(true).multiple(true))]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// How long a checkpoint may take, such as 20m
    #[arg(long, value_name = "DURATION")]
    timeout: Option<CheckpointTimeout>,
    /// How often a checkpoint is triggered, such as 5m
    #[arg(long, value_name = "DURATION")]
    interval: Option<CheckpointInterval>,
    /// Bring the next trigger forward to one new interval from now
    #[arg(long, requires = "interval")]
    now: bool,
    #[command(flatten)]
    lasting: LastingArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let patch = ConfigurationPatch {
        interval: args.interval.map_or(Field::Keep, Field::Set),
        timeout: args.timeout.map_or(Field::Keep, Field::Set),
        pull_in: args.now,
        lasting: args.lasting.lasting(),
        reason: None,
    };
    change::run(server, output, &args.job, patch, &args.change).await
}
