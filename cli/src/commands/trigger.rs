//! `ckptctl trigger JOB`

use crate::args::{MatchArgs, Output, WaitLimit};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::operation;
use crate::resolve::{self, Job};
use crate::server::Server;
use ckpt_api::flink::{CheckpointType, TriggerRequest};
use ckpt_client::Answer;
use ckpt_types::ids::TriggerId;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// A full checkpoint, even where incremental ones are configured
    #[arg(long)]
    full: bool,
    /// Wait until it has completed or failed
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limit: WaitLimit,
    #[command(flatten)]
    matching: MatchArgs,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let job = resolve::job(server, &args.job, (&args.matching).into()).await?;
    let checkpoint_type = if args.full { CheckpointType::Full } else { CheckpointType::Configured };
    let request = TriggerRequest { checkpoint_type, trigger_id: None };
    let Answer { value: requested, body } =
        server.client.trigger(&job.reference(), &request).await.map_err(|error| server.failed(&error))?;
    if args.wait {
        return wait(server, output, &job, requested.request_id, args).await;
    }
    match output {
        Some(Output::Json) => console::data(&body)?,
        Some(Output::Name) => console::data(&job.label())?,
        Some(Output::Wide) | None => console::data(&format!(
            "{} checkpoint requested (request {})",
            job.label(),
            requested.request_id
        ))?,
    }
    Ok(Exit::Done)
}

async fn wait(
    server: &Server,
    output: Option<Output>,
    job: &Job,
    request: TriggerId,
    args: &Args,
) -> Result<Exit, Error> {
    let reference = job.reference();
    let ask = async || server.client.trigger_status(&reference, request).await;
    let limit = args.limit.wait_timeout;
    let Answer { value: status, body } = operation::ended(server, job, "checkpoint", limit, ask).await?;
    if output == Some(Output::Json) {
        console::data(&body)?;
    }
    let result = status.operation;
    if let Some(cause) = result.as_ref().and_then(|result| result.failure_cause.as_ref()) {
        return Err(operation::failed(job, "checkpoint", cause, ""));
    }
    let number =
        result.and_then(|result| result.checkpoint_id).map_or_else(String::new, |id| format!("{id} "));
    match output {
        Some(Output::Json) => {}
        Some(Output::Name) => console::data(&job.label())?,
        Some(Output::Wide) | None => {
            console::data(&format!("{} checkpoint {number}completed", job.label()))?;
        }
    }
    Ok(Exit::Done)
}
