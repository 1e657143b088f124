//! The tasks' door to a hosted job: REST calls it for programs, and the rehearsal calls it from within.

use super::disk::Disk;
use super::mailbox::Told;
use super::owner::{Owner, Question, ask};
use super::parsed_report::{Expected, FileChecks};
use super::task_error::TaskError;
use crate::clock::Moment;
use crate::seam::SeamError;
use async_trait::async_trait;
use ckpt_api::tasks::{Claim, Claimed, Reported, TaskEvent, TaskList, TaskReport};
use ckpt_task_sdk::{Door, DoorError, Events};
use ckpt_types::ids::SessionId;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The longest wait for a look at what was acknowledged.
const LOOK_LIMIT: Duration = Duration::from_secs(15);
/// How many such looks a job makes at once.
pub(super) const MOST_LOOKS: usize = 8;

/// The door. It does not keep the job alive.
#[derive(Debug, Clone)]
pub struct TaskDoor {
    questions: mpsc::WeakSender<Question>,
    disk: Disk,
    /// Whether programs are behind it, and not the rehearsal.
    programs: bool,
}

impl TaskDoor {
    pub(super) fn new(questions: mpsc::WeakSender<Question>, disk: Disk, programs: bool) -> Self {
        Self { questions, disk, programs }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Owner, Moment) -> Result<T, TaskError> + Send + 'static,
    ) -> Result<T, TaskError> {
        let questions = self.questions.upgrade().ok_or(SeamError::Silent)?;
        ask(&questions, question).await?
    }

    /// Claims subtasks, all of them or none.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn claim(&self, claim: Claim) -> Result<Claimed, TaskError> {
        let programs = self.programs;
        self.ask(move |owner, now| owner.claim(now, claim, programs)).await
    }

    /// The events of a session after the one with this number. Whoever was away when the job ended is told
    /// so all the same.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn events(
        &self,
        session: SessionId,
        after: u64,
    ) -> Result<BoxStream<'static, Told>, TaskError> {
        match self.ask(move |owner, now| owner.mailbox(now, session)).await {
            Ok(mailbox) => match mailbox.open(after) {
                Ok(events) => Ok(events.boxed()),
                Err(missed) => {
                    let why = "cannot read on where it broke off";
                    let lose = move |owner: &mut Owner, now| {
                        owner.lose(now, session, why);
                        Ok(())
                    };
                    self.ask(lose).await?;
                    Err(missed.into())
                }
            },
            Err(TaskError::JobEnded { state }) => {
                let end = TaskEvent::End { state };
                Ok(stream::once(async move { (Some(after.saturating_add(1)), end) }).boxed())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes reports, all of them or, with any error, none.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn report(&self, session: SessionId, reports: Vec<TaskReport>) -> Result<Reported, TaskError> {
        let (said, expected) = self.ask(move |owner, now| owner.check_reports(now, session, reports)).await?;
        if said.is_empty() {
            return Ok(Reported { results: Vec::new() });
        }
        let looked = self.look_at(expected).await?;
        self.ask(move |owner, now| owner.take_reports(now, session, said, &looked)).await
    }

    async fn look_at(&self, expected: Vec<Expected>) -> Result<FileChecks, TaskError> {
        if expected.is_empty() {
            return Ok(FileChecks::new());
        }
        let looked = self
            .disk
            .run(move || Ok(expected.iter().map(|file| (file.report, file.what_is_wrong())).collect()));
        match timeout(LOOK_LIMIT, looked).await {
            Ok(Ok(looked)) => Ok(looked),
            Ok(Err(_)) | Err(_) => Err(TaskError::DiskSilent),
        }
    }

    /// Gives the subtasks of a session back.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn leave(&self, session: SessionId) -> Result<(), TaskError> {
        self.ask(move |owner, now| owner.leave(now, session)).await
    }

    /// Who holds which subtask.
    ///
    /// # Errors
    /// [`TaskError`].
    pub async fn list(&self) -> Result<TaskList, TaskError> {
        self.ask(|owner, _| Ok(owner.task_list())).await
    }
}

#[async_trait]
impl Door for TaskDoor {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, DoorError> {
        Ok(Self::claim(self, claim.clone()).await?)
    }

    async fn events(&self, session: SessionId, after: Option<u64>) -> Result<Events, DoorError> {
        let events = Self::events(self, session, after.unwrap_or(0)).await?;
        Ok(events.map(Ok).boxed())
    }

    async fn report(&self, session: SessionId, reports: &[TaskReport]) -> Result<Reported, DoorError> {
        Ok(Self::report(self, session, reports.to_vec()).await?)
    }

    async fn leave(&self, session: SessionId) -> Result<(), DoorError> {
        Ok(Self::leave(self, session).await?)
    }
}
