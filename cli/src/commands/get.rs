//! `ckptctl get [JOB]`

use crate::args::Output;
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::name::{label, listed};
use crate::render::cluster::troubles;
use crate::render::{Style, job, jobs};
use crate::resolve::{self, Matching};
use crate::server::Server;
use ckpt_shared::api::{Configuration, ConfigurationList};
use ckpt_shared::client::Answer;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A job's name or id, or CLUSTER/NAME, or a unique prefix of these; all jobs if left out
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
        Some(Output::Wide) | None => {
            let now = clock::wall_millis();
            console::data(&job::text(&found.configuration, now, Style::of_stdout(false)))
        }
    }
}

async fn all(server: &Server, output: Option<Output>, ended_too: bool) -> Result<(), Error> {
    let Answer { value: ConfigurationList { jobs, clusters, .. }, body } = server.jobs(ended_too).await?;
    if output == Some(Output::Json) {
        return console::data(&body);
    }
    let now = clock::wall_millis();
    let troubles = troubles(&clusters, now);
    show(server, output, &jobs, &troubles, ended_too, now)?;
    for job in jobs.iter().filter(|_| output != Some(Output::Name)) {
        for warning in &job.warnings {
            console::warn(&format!("{}: {warning}", label(job)));
        }
    }
    for trouble in &troubles {
        console::warn(trouble);
    }
    Ok(())
}

fn show(
    server: &Server,
    output: Option<Output>,
    jobs: &[Configuration],
    troubles: &[String],
    ended_too: bool,
    now: u64,
) -> Result<(), Error> {
    let address = server.address();
    if jobs.is_empty() && !troubles.is_empty() {
        console::note(&format!("no jobs are known on {address}, as not every cluster answers as it should"));
        return Ok(());
    }
    if jobs.is_empty() {
        let hint = if ended_too { "submit one with: ckptctl submit FILE" } else { "--all shows ended ones" };
        console::note(&format!("no jobs on {address}; {hint}"));
        return Ok(());
    }
    if output == Some(Output::Name) {
        return console::data(&listed(jobs).join("\n"));
    }
    let wide = output == Some(Output::Wide);
    console::data(&jobs::table(jobs, wide, now, Style::of_stdout(wide)).join("\n"))
}
