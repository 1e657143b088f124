//! The requests of a program that is a job's tasks.

use super::{Answer, Client, ClientError, escape};
use ckpt_api::tasks::{Claim, Claimed, Reported, TaskList, TaskReport};
use ckpt_types::ids::SessionId;
use reqwest::Method;

impl Client {
    /// Claims subtasks of a job, all or none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn claim(&self, job: &str, claim: &Claim) -> Result<Answer<Claimed>, ClientError> {
        self.post(&tasks(job), claim).await
    }

    /// Reports, all or none; an empty list answers a heartbeat.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn report(
        &self,
        job: &str,
        session: SessionId,
        reports: &[TaskReport],
    ) -> Result<Answer<Reported>, ClientError> {
        self.post(&in_session(job, session), reports).await
    }

    /// Gives a session's subtasks back.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn leave(&self, job: &str, session: SessionId) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, &in_session(job, session)).timeout(self.limit);
        self.text(request).await.map(drop)
    }

    /// Who holds a job's subtasks.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tasks(&self, job: &str) -> Result<Answer<TaskList>, ClientError> {
        self.get(&tasks(job)).await
    }

    /// The events of a session after the one with this number, as server-sent events. The limit holds for
    /// the beginning of the answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn task_events(
        &self,
        job: &str,
        session: SessionId,
        after: Option<u64>,
    ) -> Result<reqwest::Response, ClientError> {
        let path = format!("{}/events", in_session(job, session));
        let mut request = self.request(Method::GET, &path);
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        self.begin(request).await
    }
}

fn tasks(job: &str) -> String {
    format!("/jobs/{}/tasks", escape(job))
}

fn in_session(job: &str, session: SessionId) -> String {
    format!("{}/{session}", tasks(job))
}
