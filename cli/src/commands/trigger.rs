//! `ckptctl trigger JOB`

use crate::args::{MatchArgs, Output, WaitLimit};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::name::typed;
use crate::resolve::{self, Job};
use crate::server::Server;
use crate::wait;
use ckpt_shared::client::{Answer, ClientError};
use ckpt_shared::duration::Exact;
use ckpt_shared::flink::{CheckpointType, FailureCause, QueueStatusId, TriggerRequest, TriggerResult};
use ckpt_shared::ids::TriggerId;
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
    let label = job.label();
    let result = wait::until(args.limit.wait_timeout, async || {
        let answer = server.client.trigger_status(&reference, request).await;
        let answer = answer.map_err(|error| lost(server, &label, &error))?;
        Ok((answer.value.status.id == QueueStatusId::Completed).then_some(answer))
    });
    let Some(Answer { value: status, body }) = result.await? else {
        let limit = Exact(args.limit.wait_timeout);
        return Err(Error::new(
            Exit::InVain,
            format!("{label}: the checkpoint has not ended within {limit}"),
        )
        .hint(format!("it goes on; see how with: ckptctl watch {}", typed(&job.configuration))));
    };
    if output == Some(Output::Json) {
        console::data(&body)?;
    }
    let id = verdict(status.operation).map_err(|why| {
        Error::new(Exit::InVain, format!("{label}: the checkpoint failed: {why}"))
            .hint(format!("see what went before with: ckptctl history {}", typed(&job.configuration)))
    })?;
    match output {
        Some(Output::Json) => {}
        Some(Output::Name) => console::data(&label)?,
        Some(Output::Wide) | None => console::data(&format!("{label} {id} completed"))?,
    }
    Ok(Exit::Done)
}

/// A restarted ckptd does not know what was requested before.
fn lost(server: &Server, label: &str, error: &ClientError) -> Error {
    match error.status().map(|status| status.as_u16()) {
        Some(404) => Error::new(
            Exit::InVain,
            format!("{label}: what became of the checkpoint is not known any more: {error}"),
        ),
        _ => server.failed(error),
    }
}

/// What to call the checkpoint that completed, or why it failed.
fn verdict(result: Option<TriggerResult>) -> Result<String, String> {
    match result {
        Some(TriggerResult { failure_cause: Some(cause), .. }) => Err(sentence(&cause)),
        Some(TriggerResult { checkpoint_id: Some(id), .. }) => Ok(format!("checkpoint {id}")),
        Some(TriggerResult { checkpoint_id: None, failure_cause: None }) | None => {
            Ok("checkpoint".to_owned())
        }
    }
}

/// The first line of a Java stack trace, without the names of its classes.
fn sentence(cause: &FailureCause) -> String {
    let line = cause.stack_trace.lines().next().unwrap_or_default();
    let is_class = |word: &str| word.contains('.') && !word.contains(' ');
    let mut rest = line;
    while let Some((class, after)) = rest.split_once(": ")
        && is_class(class)
    {
        rest = after;
    }
    if rest.is_empty() { cause.class.clone() } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_without_java() {
        let cause = |trace: &str| FailureCause {
            class: "java.util.concurrent.CompletionException".to_owned(),
            stack_trace: trace.to_owned(),
            serialized_throwable: String::new(),
        };
        let flink = "java.util.concurrent.CompletionException: org.apache.flink.runtime.checkpoint.CheckpointException: \
                     Checkpoint expired before completing.\n\tat org.apache";
        assert_eq!(sentence(&cause(flink)), "Checkpoint expired before completing.");
        assert_eq!(sentence(&cause("disk is full: chk-7")), "disk is full: chk-7");
        assert_eq!(sentence(&cause("")), "java.util.concurrent.CompletionException");
        let failed = TriggerResult { checkpoint_id: None, failure_cause: Some(cause("late")) };
        assert_eq!(verdict(Some(failed)), Err("late".to_owned()));
    }
}
