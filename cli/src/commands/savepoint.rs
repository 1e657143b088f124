//! `ckptctl savepoint JOB DIR`

use crate::args::{MatchArgs, Output, place};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::operation::Operation;
use crate::resolve::{self, Job};
use crate::server::Server;
use ckpt_api::flink::{SavepointRequest, TriggerResponse};
use ckpt_client::Answer;
use ckpt_types::duration;
use clap::ValueHint;
use clap::builder::NonEmptyStringValueParser;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name or id, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// Where the savepoint's own directory is made: an absolute path on the machine that stores it, or a URI
    #[arg(value_name = "DIR", value_parser = place, value_hint = ValueHint::DirPath)]
    directory: String,
    /// Do not wait until it has completed or failed
    #[arg(long)]
    no_wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", conflicts_with = "no_wait", default_value = "5m", value_parser = duration::parse)]
    wait_timeout: Duration,
    #[command(flatten)]
    matching: MatchArgs,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let job = resolve::job(server, &args.job, (&args.matching).into()).await?;
    let Answer { value: requested, body } = ask(server, &job, &args.directory, false).await?;
    if !args.no_wait {
        wait(server, output, &job, requested, args.wait_timeout, "").await?;
        return Ok(Exit::Done);
    }
    let (label, request) = (job.label(), requested.request_id);
    console::result(output, &body, &label, || format!("{label} savepoint requested (request {request})"))?;
    Ok(Exit::Done)
}

/// Asks for a savepoint in `directory`, after which the job is cancelled if `cancel` says so.
pub(super) async fn ask(
    server: &Server,
    job: &Job,
    directory: &str,
    cancel: bool,
) -> Result<Answer<TriggerResponse>, Error> {
    let request = SavepointRequest {
        target_directory: Some(directory.to_owned()),
        cancel_job: cancel,
        ..SavepointRequest::default()
    };
    server.client.savepoint(&job.reference(), &request).await.map_err(|error| server.failed(error))
}

/// Waits until a savepoint has completed, and says where it is. `so` is what its failure means for the job.
pub(super) async fn wait(
    server: &Server,
    output: Option<Output>,
    job: &Job,
    TriggerResponse { request_id }: TriggerResponse,
    limit: Duration,
    so: &str,
) -> Result<(), Error> {
    let reference = job.reference();
    let ask = async || server.client.savepoint_status(&reference, request_id).await;
    let operation = Operation { server, job, what: "savepoint", limit, so };
    let Answer { value: result, body } =
        operation.result(output, ask, |result| result.failure_cause.as_ref()).await?;
    if output != Some(Output::Json) {
        let location = result.and_then(|result| result.location).unwrap_or_default();
        let number = match output {
            Some(Output::Name) => String::new(),
            _ => number(server, &reference, &location).await.unwrap_or_default(),
        };
        let (label, shown) = (job.label(), location.strip_prefix("file:").unwrap_or(&location));
        console::result(output, &body, &label, || format!("{label} savepoint {number}completed: {shown}"))?;
    }
    Ok(())
}

/// The savepoint's number and a space, if the job's history has it already: Flink's may be 3 s old.
async fn number(server: &Server, job: &str, location: &str) -> Option<String> {
    let history = server.client.checkpoints(job).await.ok()?.value.history;
    let found = history.into_iter().find(|seen| seen.external_path.as_deref() == Some(location))?;
    Some(format!("{} ", found.id))
}
