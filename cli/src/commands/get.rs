//! `ckptctl get [JOB]`

use crate::args::Output;
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::render::{TextStyle, job, jobs};
use crate::resolve::{self, Matching};
use crate::server::Server;
use crate::view::job::JobView;
use crate::view::line::Span;
use crate::view::list;
use crate::view::name::{label, listed};
use crate::view::override_status::{trouble, word};
use ckpt_api::Configuration;
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
    let exit = exit::worst_override(&jobs);
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
            let view = JobView::new(&found.configuration, clock::wall_millis());
            console::data(&job::text(&view, TextStyle::of_stdout(false)))?;
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
    let troubles = list::clusters(&list.clusters, now);
    show(server, output, &list.jobs, &troubles, ended_too, now)?;
    if output != Some(Output::Name) {
        let overrides = list::overrides(&list.jobs, &list.pauses, now);
        let of_jobs = list.jobs.iter().flat_map(|job| list::verdicts(job).chain(list::warnings(job)));
        overrides.into_iter().chain(of_jobs).for_each(|attention| console::warn(&attention.text));
    }
    troubles.iter().for_each(|trouble| console::warn(&trouble.text));
    Ok(list.jobs)
}

/// The jobs whose override does not hold, in a line for logs.
fn failing(jobs: &[Configuration]) -> String {
    let failing = jobs.iter().filter(|job| exit::of_override(job) != Exit::Done);
    let name = |job: &Configuration| match trouble(job) {
        Some(state) => format!("{} ({})", label(job), word(state)),
        None => format!("{} (STALE)", label(job)),
    };
    failing.map(name).collect::<Vec<_>>().join(", ")
}

fn show(
    server: &Server,
    output: Option<Output>,
    jobs: &[Configuration],
    troubles: &[Span],
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
    console::data(&jobs::table(jobs, wide, now, TextStyle::of_stdout(wide)).join("\n"))
}
