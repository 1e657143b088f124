//! `ckptctl set-timeout JOB DURATION`

use crate::args::{ChangeArgs, LastingArgs, Output};
use crate::change;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use ckpt_api::{ConfigurationPatch, Field};
use ckpt_types::bounds::CheckpointTimeout;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// How long a checkpoint may take, such as 20m
    #[arg(value_name = "DURATION", allow_hyphen_values = true)]
    timeout: CheckpointTimeout,
    #[command(flatten)]
    lasting: LastingArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let patch = ConfigurationPatch {
        timeout: Field::Set(args.timeout),
        lasting: args.lasting.lasting(),
        ..ConfigurationPatch::default()
    };
    change::run(server, output, &args.job, patch, &args.change).await
}
