//! What the program has to say, and what became of it.

use super::mailbox::Mailbox;
use super::reports::{Pending, Reports};
use ckpt_api::tasks::{DeclineReason, ReportResult, StoredSnapshot, TaskReport};
use ckpt_types::duration::millis;
use ckpt_types::ids::CheckpointId;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many reports wait to be sent before whoever reports has to wait.
const MOST_WAITING: usize = 4_096;

/// Sends reports. They go out in their order, together with what else waits.
///
/// A report belongs to the session whose [`Order::Restore`](super::Order::Restore) was read last: it is
/// [lost](ReportError::Lost) when that session is over, and before the first one. Whatever still works for an
/// earlier restore has to end before the next one is read.
///
/// Its methods return as soon as the report is queued; they wait only while 4096 others are. Whoever wants
/// to know what became of a report awaits the [`Receipt`], and whoever does not drops it.
#[derive(Debug, Clone)]
pub struct Reporter {
    queue: mpsc::Sender<Pending>,
    mailbox: Arc<Mailbox>,
}

/// For how long a snapshot took. Without it, all are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Took {
    /// For how long the task stood still.
    pub sync: Duration,
    /// For how long it stored while it went on.
    pub background: Duration,
    /// How long after the trigger it began.
    pub start_delay: Duration,
}

/// Why a report does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The daemon refused it, as when a file that it names is not there.
    #[error("{sentence}")]
    Refused {
        /// Why, for people.
        sentence: String,
    },
    /// The session that it belongs to is over; [`Order::Restore`](super::Order::Restore) follows if there
    /// is to be another one.
    #[error("the session is over")]
    Lost,
}

/// What becomes of a report: a future, which may be dropped.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<ReportResult, ReportError>>);

impl Future for Receipt {
    type Output = Result<ReportResult, ReportError>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or(Err(ReportError::Lost)))
    }
}

pub(super) fn channel(mailbox: Arc<Mailbox>) -> (Reporter, Reports) {
    let (queue, reports) = mpsc::channel(MOST_WAITING);
    (Reporter { queue, mailbox }, Reports::new(reports))
}

impl Reporter {
    /// All subtasks of the session have restored and run.
    pub async fn running(&self, execution: u64) -> Receipt {
        self.report(TaskReport::Running { execution }).await
    }

    /// A subtask has stored its state, durably.
    pub async fn acknowledge(&self, checkpoint: CheckpointId, stored: StoredSnapshot, took: Took) -> Receipt {
        let StoredSnapshot { vertex, index, location, bytes } = stored;
        self.report(TaskReport::Acknowledge {
            checkpoint_id: checkpoint,
            vertex,
            index,
            location,
            bytes,
            sync_millis: millis(took.sync),
            async_millis: millis(took.background),
            start_delay_millis: millis(took.start_delay),
        })
        .await
    }

    /// A subtask cannot store its state: the checkpoint fails, for the reason in `message`.
    pub async fn decline(
        &self,
        checkpoint: CheckpointId,
        vertex: impl Into<String>,
        index: u32,
        message: impl Into<String>,
    ) -> Receipt {
        let (vertex, message) = (vertex.into(), message.into());
        self.report(TaskReport::Decline {
            checkpoint_id: checkpoint,
            vertex,
            index,
            reason: DeclineReason::default(),
            message,
        })
        .await
    }

    /// All subtasks of the session have done all their work. They go on storing checkpoints until
    /// [`Order::End`](super::Order::End).
    pub async fn finished(&self, execution: u64) -> Receipt {
        self.report(TaskReport::Finished { execution }).await
    }

    /// The session's subtasks cannot go on: the job is restarted.
    pub async fn failed(&self, execution: u64, message: impl Into<String>) -> Receipt {
        self.report(TaskReport::Failed { execution, message: message.into() }).await
    }

    /// Any report.
    pub async fn report(&self, report: TaskReport) -> Receipt {
        let (outcome, result) = oneshot::channel();
        // A report has nothing that JSON could not carry.
        let bytes = serde_json::to_string(&report).map_or(0, |json| json.len() + 1);
        // Whatever is not sent is lost, and the receipt says so.
        if let Some(session) = self.mailbox.restored() {
            drop(self.queue.send(Pending { session, report, outcome, bytes }).await);
        }
        Receipt(result)
    }
}
