//! Claims of tasks.

use super::super::mailbox::Mailbox;
use super::super::parsed_report::{MAX_NAME, sanitize};
use super::super::subtask_lookup::claimed;
use super::super::task_error::TaskError;
use super::Owner;
use crate::clock::Moment;
use crate::job_file::Tasks;
use crate::seam::SeamError;
use ckpt_api::SCHEMA;
use ckpt_api::tasks::{Claim, Claimed, TaskList};
use ckpt_types::duration::millis;
use ckpt_types::ids::SessionId;
use std::sync::Arc;

impl Owner {
    pub(in crate::hosted) fn claim(
        &mut self,
        now: Moment,
        claim: Claim,
        by_programs: bool,
    ) -> Result<Claimed, TaskError> {
        if let Err(SeamError::Ended { state }) = self.lifecycle.refuse_if_ended() {
            // An end that is not durable yet may not be one.
            return Err(match self.lifecycle.state().has_ended() {
                true => TaskError::JobEnded { state },
                false => TaskError::JobEnding { state },
            });
        }
        if by_programs && matches!(self.spec.tasks, Tasks::Rehearsal(_)) {
            return Err(TaskError::NoPrograms(
                "they are a rehearsal; a job file with [tasks] wants programs",
            ));
        }
        let subtasks = claimed(&self.spec, &claim.subtasks)?;
        let name = claim.name.map(|name| sanitize(&name, MAX_NAME)).filter(|name| !name.is_empty());
        let session_id = SessionId::from_bits(rand::random());
        let older = self.sessions.claim(now, session_id, claim.attempt, name, subtasks)?;
        let session = self.sessions.label(session_id);
        tracing::info!(job = %self.identity.name, session, attempt = claim.attempt, "subtasks claimed");
        if !older.is_empty() {
            self.tasks_gone(now, &format!("a newer attempt took over {session}"));
        }
        let heartbeat_timeout = millis(self.spec.heartbeat_timeout());
        Ok(Claimed { schema: SCHEMA.to_owned(), job_id: self.identity.id, session_id, heartbeat_timeout })
    }

    pub(in crate::hosted) fn leave(&mut self, now: Moment, session: SessionId) -> Result<(), TaskError> {
        self.known(session)?;
        self.lose(now, session, "has left");
        Ok(())
    }

    pub(in crate::hosted) fn mailbox(
        &mut self,
        now: Moment,
        session: SessionId,
    ) -> Result<Arc<Mailbox>, TaskError> {
        // Whoever opens a stream lives.
        self.sessions.record_poll(now, session);
        self.sessions.mailbox(session).ok_or_else(|| self.unknown(session))
    }

    pub(in crate::hosted) fn task_list(&self) -> TaskList {
        TaskList {
            schema: SCHEMA.to_owned(),
            job_id: self.identity.id,
            execution: self.sessions.execution(),
            subtasks: self.spec.subtasks(),
            sessions: self.sessions.list(),
            missing: self.sessions.missing(),
        }
    }

    pub(super) fn known(&self, session: SessionId) -> Result<(), TaskError> {
        match self.sessions.knows(session) {
            true => Ok(()),
            false => Err(self.unknown(session)),
        }
    }

    pub(super) fn unknown(&self, session: SessionId) -> TaskError {
        match self.lifecycle.state().has_ended() {
            true => TaskError::JobEnded { state: self.lifecycle.state() },
            false => TaskError::UnknownSession { session },
        }
    }
}
