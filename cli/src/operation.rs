//! What was asked for by hand, a checkpoint or a savepoint, until it has ended.

use crate::error::Error;
use crate::exit::Exit;
use crate::resolve::Job;
use crate::server::Server;
use crate::view::name::typed;
use crate::wait;
use ckpt_api::flink::{FailureCause, OperationStatus, QueueStatusId};
use ckpt_client::{Answer, ClientError};
use ckpt_types::duration::Exact;
use std::time::Duration;

/// Asks again and again until it has ended. `what` is a checkpoint or a savepoint.
pub(crate) async fn ended<T>(
    server: &Server,
    job: &Job,
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<Answer<OperationStatus<T>>, ClientError>,
) -> Result<Answer<OperationStatus<T>>, Error> {
    let label = job.label();
    let result = wait::until(limit, async || {
        let answer = ask().await.map_err(|error| lost(server, &label, what, &error))?;
        Ok((answer.value.status.id == QueueStatusId::Completed).then_some(answer))
    });
    result.await?.ok_or_else(|| {
        Error::new(Exit::InVain, format!("{label}: the {what} has not ended within {}", Exact(limit)))
            .hint(format!("it goes on; see how with: ckptctl watch {}", typed(&job.configuration)))
    })
}

/// A restarted ckptd does not know what was requested before.
fn lost(server: &Server, label: &str, what: &str, error: &ClientError) -> Error {
    match error.status().map(|status| status.as_u16()) {
        Some(404) => Error::new(
            Exit::InVain,
            format!("{label}: what became of the {what} is not known any more: {error}"),
        ),
        _ => server.failed(error),
    }
}

/// It failed; `so` is what that means for the job, if anything.
pub(crate) fn failed(job: &Job, what: &str, cause: &FailureCause, so: &str) -> Error {
    Error::new(Exit::InVain, format!("{}: the {what} failed{so}: {}", job.label(), sentence(cause)))
        .hint(format!("see what went before with: ckptctl history {}", typed(&job.configuration)))
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
    }
}
