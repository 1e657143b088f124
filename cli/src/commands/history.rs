//! `ckptctl history JOB`

use crate::args::Output;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::history::JobHistory;
use crate::render::csv::csv;
use crate::render::{TextStyle, history};
use crate::resolve::{self, Matching};
use crate::server::Server;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A job's name or id, or CLUSTER/NAME, or a unique prefix of these
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// Print one line of CSV for each checkpoint that has ended, the oldest first: id, savepoint, completed,
    /// triggered_at_ms, duration_ms, state_size_bytes, checkpointed_size_bytes, timeout_ms, rescued, reason, message
    #[arg(long, conflicts_with = "output")]
    csv: bool,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let job = resolve::job(server, &args.job, Matching::Prefix).await?.reference();
    if args.csv || output == Some(Output::Json) {
        let past = JobHistory::of(server, &job).await.map_err(|error| server.failed(error))?;
        console::data(&if args.csv { csv(&past.checkpoints) } else { past.body })?;
        return Ok(Exit::Done);
    }
    let statistics = server.client.checkpoints(&job).await.map_err(|error| server.failed(error))?.value;
    if output == Some(Output::Name) {
        let names: Vec<_> =
            statistics.history.iter().map(|entry| format!("checkpoint/{}", entry.id)).collect();
        if !names.is_empty() {
            console::data(&names.join("\n"))?;
        }
        return Ok(Exit::Done);
    }
    let past = JobHistory::of(server, &job).await.map_err(|error| server.failed(error))?;
    let wide = output == Some(Output::Wide);
    let style = TextStyle::of_stdout(wide);
    let mut lines = history::chart(&past.checkpoints, console::width().unwrap_or(history::WIDTH), style);
    lines.extend(history::table(&statistics.history, wide, style));
    lines.push(history::summary(&statistics.counts));
    console::data(&lines.join("\n"))?;
    Ok(Exit::Done)
}
