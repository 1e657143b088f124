//! `ckptctl history JOB`

use crate::args::Output;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::{Style, history};
use crate::resolve::{self, Matching};
use crate::server::Server;
use ckpt_shared::client::Answer;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A job's name or id, or CLUSTER/NAME, or a unique prefix of these
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let job = resolve::job(server, &args.job, Matching::Prefix).await?;
    let Answer { value: statistics, body } =
        server.client.checkpoints(&job.reference()).await.map_err(|error| server.failed(&error))?;
    if output == Some(Output::Json) {
        console::data(&body)?;
        return Ok(Exit::Done);
    }
    if output == Some(Output::Name) {
        let names: Vec<_> =
            statistics.history.iter().map(|entry| format!("checkpoint/{}", entry.id)).collect();
        if !names.is_empty() {
            console::data(&names.join("\n"))?;
        }
        return Ok(Exit::Done);
    }
    let wide = output == Some(Output::Wide);
    let mut lines = history::table(&statistics.history, wide, Style::of_stdout(wide));
    lines.push(history::summary(&statistics.counts));
    console::data(&lines.join("\n"))?;
    Ok(Exit::Done)
}
