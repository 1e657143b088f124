//! `ckptctl trigger JOB`

use crate::args::{MatchArgs, Output, WaitLimit};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::operation::Operation;
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
        server.client.trigger(&job.reference(), &request).await.map_err(|error| server.failed(error))?;
    if args.wait {
        return wait(server, output, &job, requested.request_id, args).await;
    }
    let (label, request) = (job.label(), requested.request_id);
    console::result(output, &body, &label, || format!("{label} checkpoint requested (request {request})"))?;
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
    let operation = Operation { server, job, what: "checkpoint", limit: args.limit.wait_timeout, so: "" };
    let Answer { value: result, body } =
        operation.result(output, ask, |result| result.failure_cause.as_ref()).await?;
    if output != Some(Output::Json) {
        let number = result.and_then(|result| result.checkpoint_id);
        let number = number.map_or_else(String::new, |id| format!("{id} "));
        let label = job.label();
        console::result(output, &body, &label, || format!("{label} checkpoint {number}completed"))?;
    }
    Ok(Exit::Done)
}
