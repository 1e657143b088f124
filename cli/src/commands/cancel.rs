//! `ckptctl cancel JOB`

use super::savepoint;
use crate::args::{MatchArgs, Output, place};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::server::Server;
use ckpt_types::duration;
use clap::ValueHint;
use clap::builder::NonEmptyStringValueParser;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// Make a savepoint in DIR first, and wait for it; if it fails, the job goes on
    #[arg(long, value_name = "DIR", value_parser = place, value_hint = ValueHint::DirPath)]
    with_savepoint: Option<String>,
    /// How long to wait for the savepoint at most
    #[arg(long, value_name = "DURATION", requires = "with_savepoint", default_value = "5m", value_parser = duration::parse)]
    wait_timeout: Duration,
    #[command(flatten)]
    matching: MatchArgs,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let job = resolve::job(server, &args.job, (&args.matching).into()).await?;
    match &args.with_savepoint {
        Some(directory) => {
            let requested = savepoint::ask(server, &job, directory, true).await?.value;
            console::note(&format!(
                "{} is cancelled when its savepoint has completed, whether or not that is waited for",
                job.label()
            ));
            let so = ", so this did not cancel the job";
            savepoint::wait(server, output, &job, requested, args.wait_timeout, so).await?;
        }
        None => drop(server.client.cancel(&job.reference()).await.map_err(|error| server.failed(error))?),
    }
    // The savepoint's answer was printed.
    if args.with_savepoint.is_none() || matches!(output, None | Some(Output::Wide)) {
        let label = job.label();
        console::result(output, "{}", &label, || format!("{label} is being cancelled"))?;
    }
    Ok(Exit::Done)
}
