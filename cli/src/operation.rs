//! Checkpoints and savepoints requested by hand, until they have ended.

use crate::args::Output;
use crate::console;
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

/// A checkpoint or savepoint that was requested.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation<'a> {
    pub(crate) server: &'a Server,
    pub(crate) job: &'a Job,
    /// `checkpoint` or `savepoint`.
    pub(crate) what: &'static str,
    /// Longest wait for it.
    pub(crate) limit: Duration,
    /// Meaning of a failure for the job, if any.
    pub(crate) so: &'a str,
}

impl Operation<'_> {
    /// Asks until it has ended, prints the answer if JSON is wanted, and returns its result unless it failed.
    pub(crate) async fn result<T>(
        self,
        output: Option<Output>,
        mut ask: impl AsyncFnMut() -> Result<Answer<OperationStatus<T>>, ClientError>,
        cause: impl Fn(&T) -> Option<&FailureCause>,
    ) -> Result<Answer<Option<T>>, Error> {
        let Self { job, what, limit, .. } = self;
        let (label, typed) = (job.label(), typed(&job.configuration));
        let ended = wait::until(limit, async || {
            let answer = ask().await.map_err(|error| self.lost(error))?;
            Ok((answer.value.status.id == QueueStatusId::Completed).then_some(answer))
        });
        let Answer { value, body } = ended.await?.ok_or_else(|| {
            Error::new(Exit::InVain, format!("{label}: the {what} has not ended within {}", Exact(limit)))
                .hint(format!("it goes on; see how with: ckptctl watch {typed}"))
        })?;
        if output == Some(Output::Json) {
            console::data(&body)?;
        }
        if let Some(cause) = value.operation.as_ref().and_then(cause) {
            let why = sentence(cause);
            return Err(Error::new(Exit::InVain, format!("{label}: the {what} failed{}: {why}", self.so))
                .hint(format!("see what went before with: ckptctl history {typed}")));
        }
        Ok(Answer { value: value.operation, body })
    }

    /// A restarted ckptd does not know what was requested before.
    fn lost(self, error: ClientError) -> Error {
        let Self { server, job, what, .. } = self;
        match error.status().map(|status| status.as_u16()) {
            Some(404) => Error::new(
                Exit::InVain,
                format!("{}: what became of the {what} is not known any more: {error}", job.label()),
            )
            .caused_by(error),
            _ => server.failed(error),
        }
    }
}

/// First line of a Java stack trace, without the names of its classes.
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
    fn failure_is_told_without_java() {
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
