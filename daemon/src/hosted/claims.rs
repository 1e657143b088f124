//! Who wants to be a subtask, who is, and who does not want to be any more.

use super::door::TaskError;
use super::mailbox::Mailbox;
use super::owner::Owner;
use super::reports::{LONGEST_NAME, for_people};
use crate::clock::Moment;
use crate::job_file::{JobSpec, Tasks, names};
use crate::seam::SeamError;
use ckpt_api::SCHEMA;
use ckpt_api::tasks::{Claim, Claimed, ClaimedSubtasks, TaskList};
use ckpt_types::duration::millis;
use ckpt_types::ids::{SessionId, Subtask};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most sessions of one job; there are as many streams for them (see `rest/tasks.rs`).
pub(super) const MOST_SESSIONS: usize = 1_000;

/// Why subtasks cannot be claimed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefused {
    /// Somebody has one who is as new.
    #[error(
        "{subtask} is held by attempt {holder}{name}, and attempt {attempt} is no newer; stop that process, or claim with a higher attempt"
    )]
    Held {
        /// Such as `count/3`.
        subtask: String,
        /// The holder's attempt.
        holder: u64,
        /// The holder's name, as it follows in the sentence.
        name: String,
        /// The attempt of the claim.
        attempt: u64,
    },
    /// Somebody newer had one.
    #[error(
        "{subtask} was held by attempt {newest}, and attempt {attempt} is older; this process should stop"
    )]
    Older {
        /// Such as `count/3`.
        subtask: String,
        /// The newest attempt that ever held it.
        newest: u64,
        /// The attempt of the claim.
        attempt: u64,
    },
    /// There are too many sessions.
    #[error("the job has {MOST_SESSIONS} sessions already; let one process hold several subtasks")]
    TooMany,
}

impl Owner {
    pub(super) fn claim(
        &mut self,
        now: Moment,
        claim: Claim,
        by_programs: bool,
    ) -> Result<Claimed, TaskError> {
        if let Err(SeamError::Ended { state }) = self.refuse_if_ended() {
            // An end that is not durable yet may not be one.
            return Err(match self.history.state.has_ended() {
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
        let name = claim.name.map(|name| for_people(&name, LONGEST_NAME)).filter(|name| !name.is_empty());
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

    pub(super) fn leave(&mut self, now: Moment, session: SessionId) -> Result<(), TaskError> {
        self.known(session)?;
        self.lose(now, session, "has left");
        Ok(())
    }

    pub(super) fn mailbox(&mut self, now: Moment, session: SessionId) -> Result<Arc<Mailbox>, TaskError> {
        // Whoever opens a stream lives.
        self.sessions.heard(now, session);
        self.sessions.mailbox(session).ok_or_else(|| self.unknown(session))
    }

    pub(super) fn task_list(&self) -> TaskList {
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
        match self.history.state.has_ended() {
            true => TaskError::JobEnded { state: self.history.state },
            false => TaskError::UnknownSession { session },
        }
    }
}

/// Which subtasks a claim means.
fn claimed(spec: &JobSpec, wanted: &[ClaimedSubtasks]) -> Result<BTreeSet<Subtask>, TaskError> {
    let mut subtasks = BTreeSet::new();
    for ClaimedSubtasks { vertex, index } in wanted {
        let indexes = match index {
            Some(index) => *index..=*index,
            None => 0..=spec.vertex(vertex).map_or(0, |vertex| vertex.parallelism - 1),
        };
        for index in indexes {
            let subtask = subtask(spec, vertex, index)?;
            if !subtasks.insert(subtask) {
                return Err(TaskError::Bad(format!("{} is claimed twice", spec.label(subtask))));
            }
        }
    }
    match subtasks.is_empty() {
        true => Err(TaskError::Bad("the claim names no subtask".to_owned())),
        false => Ok(subtasks),
    }
}

pub(super) fn subtask(spec: &JobSpec, vertex: &str, index: u32) -> Result<Subtask, TaskError> {
    let Some(found) = spec.vertex(vertex) else {
        return Err(TaskError::NoSubtask(format!(
            "the job has no vertex '{}'; it has: {}",
            for_people(vertex, LONGEST_NAME),
            names(&spec.vertices)
        )));
    };
    match index < found.parallelism {
        true => Ok(Subtask { vertex: found.id, index }),
        false => {
            let last = found.parallelism - 1;
            Err(TaskError::NoSubtask(format!("'{}' has no subtask {index}; it has 0 to {last}", found.name)))
        }
    }
}
