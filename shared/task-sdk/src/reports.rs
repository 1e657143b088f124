//! Sends reports in batches, one request at a time.

use super::pause::Pause;
use crate::{Door, DoorError, ReportError};
use ckpt_api::tasks::{LARGEST_REPORTS, MOST_REPORTS, ReportResult, Reported, TaskReport};
use ckpt_types::ids::SessionId;
use std::convert::Infallible;
use std::future::pending;
use tokio::sync::{mpsc, oneshot};

/// The bytes of reports in one request, unless a single one is larger.
const BATCH_BYTES: usize = LARGEST_REPORTS / 4;

/// Where the program learns what became of its report. Whatever is dropped is lost with its session.
type Outcome = oneshot::Sender<Result<ReportResult, ReportError>>;

/// A report on its way.
#[derive(Debug)]
pub(super) struct Pending {
    /// Which session it is for.
    pub(super) session: SessionId,
    pub(super) report: TaskReport,
    pub(super) outcome: Outcome,
    /// Its size as JSON.
    pub(super) bytes: usize,
}

/// The reports that wait to be sent.
#[derive(Debug)]
pub(super) struct Reports {
    queue: mpsc::Receiver<Pending>,
    /// It did not fit into the batch before.
    left_over: Option<Pending>,
}

/// Reports that are sent together.
#[derive(Debug, Default)]
struct Batch {
    reports: Vec<TaskReport>,
    outcomes: Vec<Outcome>,
}

impl Reports {
    pub(super) fn new(queue: mpsc::Receiver<Pending>) -> Self {
        Self { queue, left_over: None }
    }

    /// Sends what is reported for this session, until that fails for good: never with [`DoorError::Unreachable`].
    pub(super) async fn send(&mut self, door: &dyn Door, session: SessionId) -> DoorError {
        loop {
            // Together or not at all: what is refused is halved until the bad ones are found.
            let mut parts = vec![self.batch(session).await];
            while let Some(mut part) = parts.pop() {
                match report(door, session, &part.reports).await {
                    Ok(reported) => part.settle(reported),
                    Err(DoorError::Refused { .. }) if part.reports.len() > 1 => {
                        let later = part.split();
                        parts.extend([later, part]);
                    }
                    Err(DoorError::Refused { sentence }) => part.refuse(&sentence),
                    Err(error) => return error,
                }
            }
        }
    }

    /// Loses what is reported, for ever.
    pub(super) async fn lose_all(&mut self) -> Infallible {
        loop {
            drop(self.any().await);
        }
    }

    /// The next report for this session, and what else waits.
    async fn batch(&mut self, session: SessionId) -> Batch {
        let first = self.next(session).await;
        let mut bytes = first.bytes;
        let mut batch = Batch::default();
        batch.add(first);
        while batch.reports.len() < MOST_REPORTS
            && let Ok(next) = self.queue.try_recv()
        {
            if next.session != session {
                continue;
            }
            bytes += next.bytes;
            if bytes > BATCH_BYTES {
                self.left_over = Some(next);
                break;
            }
            batch.add(next);
        }
        batch
    }

    /// The next report for this session; those for others are lost.
    async fn next(&mut self, session: SessionId) -> Pending {
        loop {
            let pending = self.any().await;
            if pending.session == session {
                return pending;
            }
        }
    }

    async fn any(&mut self) -> Pending {
        if let Some(pending) = self.left_over.take() {
            return pending;
        }
        match self.queue.recv().await {
            Some(pending) => pending,
            // Nobody is left who could report.
            None => pending().await,
        }
    }
}

/// Reports until there is an answer: never [`DoorError::Unreachable`].
async fn report(door: &dyn Door, session: SessionId, reports: &[TaskReport]) -> Result<Reported, DoorError> {
    let mut pause = Pause::default();
    loop {
        match door.report(session, reports).await {
            Err(DoorError::Unreachable { cause }) => pause.wait("reports cannot be sent", &cause).await,
            answered => return answered,
        }
    }
}

impl Batch {
    fn add(&mut self, pending: Pending) {
        self.reports.push(pending.report);
        self.outcomes.push(pending.outcome);
    }

    /// Takes the later half out.
    fn split(&mut self) -> Self {
        let half = self.reports.len() / 2;
        Self { reports: self.reports.split_off(half), outcomes: self.outcomes.split_off(half) }
    }

    fn settle(self, reported: Reported) {
        for (outcome, result) in self.outcomes.into_iter().zip(reported.results) {
            drop(outcome.send(Ok(result)));
        }
    }

    fn refuse(self, sentence: &str) {
        for (outcome, report) in self.outcomes.into_iter().zip(self.reports) {
            tracing::warn!(?report, sentence, "a report was refused");
            drop(outcome.send(Err(ReportError::Refused { sentence: sentence.to_owned() })));
        }
    }
}
