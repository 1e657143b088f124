//! `ckptctl set-interval JOB DURATION`

use crate::args::{ChangeArgs, LastingArgs, Output};
use crate::change;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use ckpt_api::{ConfigurationPatch, Field};
use ckpt_types::bounds::CheckpointInterval;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// How often a checkpoint is triggered, such as 5m
    #[arg(value_name = "DURATION", allow_hyphen_values = true)]
    interval: CheckpointInterval,
    /// Bring the next trigger forward to one new interval from now
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    lasting: LastingArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let patch = ConfigurationPatch {
        interval: Field::Set(args.interval),
        pull_in: args.now,
        lasting: args.lasting.lasting(),
        ..ConfigurationPatch::default()
    };
    change::run(server, output, &args.job, patch, &args.change).await
}
