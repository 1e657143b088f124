//! `ckptctl cancel JOB`

use crate::args::{MatchArgs, Output};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::server::Server;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    #[command(flatten)]
    matching: MatchArgs,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let job = resolve::job(server, &args.job, (&args.matching).into()).await?;
    server.client.cancel(&job.reference()).await.map_err(|error| server.failed(&error))?;
    match output {
        Some(Output::Json) => console::data("{}")?,
        Some(Output::Name) => console::data(&job.label())?,
        Some(Output::Wide) | None => console::data(&format!("{} is being cancelled", job.label()))?,
    }
    Ok(Exit::Done)
}
