//! `ckptctl get [JOB]`

use crate::args::Output;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::{Style, job, jobs};
use crate::resolve::{self, Matching, label};
use crate::server::Server;
use ckpt_shared::api::ConfigurationList;
use ckpt_shared::client::Answer;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A job's name or id, or a unique prefix of either; all jobs if left out
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: Option<String>,
    /// Also show jobs that have ended
    #[arg(long, conflicts_with = "job")]
    all: bool,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    match &args.job {
        Some(name) => one(server, output, name).await?,
        None => all(server, output, args.all).await?,
    }
    Ok(Exit::Done)
}

async fn one(server: &Server, output: Option<Output>, name: &str) -> Result<(), Error> {
    let found = resolve::job(server, name, Matching::Prefix).await?;
    match output {
        Some(Output::Json) => console::data(&found.body),
        Some(Output::Name) => console::data(&found.label()),
        Some(Output::Wide) | None => console::data(&job::text(&found.configuration, Style::of_stdout(false))),
    }
}

async fn all(server: &Server, output: Option<Output>, ended_too: bool) -> Result<(), Error> {
    let Answer { value: ConfigurationList { jobs, .. }, body } = server.jobs(ended_too).await?;
    if output == Some(Output::Json) {
        return console::data(&body);
    }
    if jobs.is_empty() {
        let hint = if ended_too { "submit one with: ckptctl submit FILE" } else { "--all shows ended ones" };
        console::note(&format!("no jobs on {}; {hint}", server.address()));
        return Ok(());
    }
    if output == Some(Output::Name) {
        let names: Vec<_> = jobs.iter().map(|job| label(&job.name)).collect();
        return console::data(&names.join("\n"));
    }
    let wide = output == Some(Output::Wide);
    console::data(&jobs::table(&jobs, wide, Style::of_stdout(wide)).join("\n"))?;
    for job in &jobs {
        for warning in &job.warnings {
            console::warn(&format!("{}: {warning}", label(&job.name)));
        }
    }
    Ok(())
}
