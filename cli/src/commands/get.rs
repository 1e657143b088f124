//! `ckptctl get [JOB]`

use crate::args::Output;
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::name::{label, listed};
use crate::render::cluster::troubles;
use crate::render::standing::{sentences, word};
use crate::render::{Style, job, jobs};
use crate::resolve::{self, Matching};
use crate::sentence::named;
use crate::server::Server;
use crate::standing;
use ckpt_api::{Configuration, ConfigurationList, Estimate, Pace};
use ckpt_client::Answer;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A job's name or id, or CLUSTER/NAME, or a unique prefix of these; all jobs if left out
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: Option<String>,
    /// Also show jobs that have ended
    #[arg(long, conflicts_with = "job")]
    all: bool,
    /// Say by the exit code whether every override that is shown holds: 0 if so, 6 when one is in conflict, 5
    /// when one is orphaned, 8 when one waits or is not applied
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let jobs = match &args.job {
        Some(name) => vec![one(server, output, name).await?],
        None => all(server, output, args.all).await?,
    };
    if !args.check {
        return Ok(Exit::Done);
    }
    let exit = standing::worst(&jobs);
    if exit != Exit::Done && matches!(output, Some(Output::Json | Output::Name)) {
        console::note(&format!("ckptctl: overrides that do not hold: {}", failing(&jobs)));
    }
    Ok(exit)
}

async fn one(server: &Server, output: Option<Output>, name: &str) -> Result<Configuration, Error> {
    let found = resolve::job(server, name, Matching::Prefix).await?;
    match output {
        Some(Output::Json) => console::data(&found.body)?,
        Some(Output::Name) => console::data(&found.label())?,
        Some(Output::Wide) | None => {
            let now = clock::wall_millis();
            console::data(&job::text(&found.configuration, now, Style::of_stdout(false)))?;
        }
    }
    Ok(found.configuration)
}

async fn all(server: &Server, output: Option<Output>, ended_too: bool) -> Result<Vec<Configuration>, Error> {
    let Answer { value: list, body } = server.jobs(ended_too).await?;
    if output == Some(Output::Json) {
        console::data(&body)?;
        return Ok(list.jobs);
    }
    let now = clock::wall_millis();
    let troubles = troubles(&list.clusters, now);
    show(server, output, &list.jobs, &troubles, ended_too, now)?;
    if output != Some(Output::Name) {
        told(&list, now);
    }
    for trouble in &troubles {
        console::warn(trouble);
    }
    Ok(list.jobs)
}

/// What operators ought to know, below the table.
fn told(list: &ConfigurationList, now: u64) {
    for sentence in sentences(&list.jobs, &list.pauses, now) {
        console::warn(&sentence);
    }
    for job in &list.jobs {
        for checkpoint in &job.in_flight {
            match &checkpoint.estimate {
                Some(Estimate { verdict: Pace::OnTrack, .. }) | None => {}
                Some(Estimate { sentence, .. }) => {
                    console::warn(&format!(
                        "{} {}: {}",
                        label(job),
                        named(checkpoint),
                        console::clean(sentence)
                    ));
                }
            }
        }
        for warning in &job.warnings {
            console::warn(&format!("{}: {warning}", label(job)));
        }
    }
}

/// The jobs whose override does not hold, in a line for logs.
fn failing(jobs: &[Configuration]) -> String {
    let failing = jobs.iter().filter(|job| standing::exit(job) != Exit::Done);
    let name = |job: &Configuration| match standing::trouble(job) {
        Some(state) => format!("{} ({})", label(job), word(state)),
        None => format!("{} (STALE)", label(job)),
    };
    failing.map(name).collect::<Vec<_>>().join(", ")
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
