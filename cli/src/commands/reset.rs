//! `ckptctl reset JOB [timeout|interval]`

use crate::args::{ChangeArgs, Output};
use crate::change;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use ckpt_api::{ConfigurationPatch, Field};
use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// Only this value; both if left out
    #[arg(value_enum, value_name = "VALUE")]
    value: Option<Value>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Value {
    Timeout,
    Interval,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let patch = match args.value {
        None => ConfigurationPatch::clear_all(),
        Some(Value::Timeout) => ConfigurationPatch { timeout: Field::Clear, ..ConfigurationPatch::default() },
        Some(Value::Interval) => {
            ConfigurationPatch { interval: Field::Clear, ..ConfigurationPatch::default() }
        }
    };
    change::run(server, output, &args.job, patch, &args.change).await
}
