//! `ckptctl diagnose JOB`

use crate::args::Output;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::{TextStyle, diagnosis, history};
use crate::resolve::{self, Matching};
use crate::server::Server;
use crate::view::name::typed;
use ckpt_client::Answer;
use clap::builder::NonEmptyStringValueParser;

/// How many recent checkpoints are shown when none is in flight.
const RECENT: usize = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A job's name or id, or CLUSTER/NAME, or a unique prefix of these
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let job = resolve::job(server, &args.job, Matching::Prefix).await?;
    let reference = job.reference();
    let answer = server.client.checkpoint_diagnosis(&reference).await;
    let Answer { value: seen, body } =
        answer.map_err(|error| match error.status().map(|status| status.as_u16()) {
            // The job was there a moment ago.
            Some(404 | 405) => {
                Error::new(Exit::Error, format!("{} cannot diagnose checkpoints: {error}", server.address()))
                    .hint("is it as new as this ckptctl? see what is in flight with: ckptctl get JOB")
                    .caused_by(error)
            }
            _ => server.failed(error),
        })?;
    match output {
        Some(Output::Json) => console::data(&body)?,
        Some(Output::Name) => {
            if let Some(checkpoint) = &seen.checkpoint {
                console::data(&format!("checkpoint/{}", checkpoint.id))?;
            }
        }
        Some(Output::Wide) | None => {
            let style = TextStyle::of_stdout(output == Some(Output::Wide));
            let mut lines = diagnosis::lines(&seen, &typed(&job.configuration), style);
            if seen.checkpoint.is_none()
                && let Ok(Answer { value: statistics, .. }) = server.client.checkpoints(&reference).await
                && !statistics.history.is_empty()
            {
                let recent = &statistics.history[..statistics.history.len().min(RECENT)];
                lines.push(String::new());
                lines.extend(history::table(recent, output == Some(Output::Wide), style));
            }
            console::data(&lines.join("\n"))?;
            let others = job.configuration.in_flight.len().saturating_sub(1);
            if seen.checkpoint.is_some() && others > 0 {
                let more = if others == 1 { "one more is".to_owned() } else { format!("{others} more are") };
                console::note(&format!(
                    "this is the oldest; {more} in flight: ckptctl get {}",
                    typed(&job.configuration)
                ));
            }
        }
    }
    Ok(Exit::Done)
}
