//! The sessions of the processes that hold the subtasks of a job. Given the time, they decide which are lost; what
//! follows from that is up to the owner.

use super::mailbox::Mailbox;
use super::metadata::RestorePoint;
use super::task_error::{ClaimRefused, MAX_SESSIONS};
use crate::clock::Moment;
use crate::job_file::JobSpec;
use ckpt_api::tasks::{RestoredFrom, StoredSnapshot, TaskEvent, TaskSession, TaskState};
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::{SessionId, Subtask};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Unanswered heartbeats after which a session is lost.
const MAX_UNANSWERED: u32 = 4;
/// Subtasks that are listed by name.
const MAX_LISTED: usize = 100;

/// The sessions of one job.
#[derive(Debug)]
pub(super) struct Sessions {
    spec: Arc<JobSpec>,
    subtasks: BTreeMap<Subtask, Place>,
    held: usize,
    sessions: BTreeMap<SessionId, Session>,
    execution: u64,
    next_beat: Option<Monotonic>,
    /// Sessions that do not read their events, until they are lost.
    unresponsive: Vec<SessionId>,
}

/// The present and the newest holder of a subtask.
#[derive(Debug, Default)]
struct Place {
    holder: Option<SessionId>,
    /// The newest attempt that ever held it.
    newest: Option<u64>,
}

#[derive(Debug)]
struct Session {
    attempt: u64,
    name: Option<String>,
    subtasks: BTreeSet<Subtask>,
    mailbox: Arc<Mailbox>,
    state: TaskState,
    heard_at: u64,
    unanswered: u32,
}

impl Sessions {
    pub(super) fn new(spec: Arc<JobSpec>) -> Self {
        let subtasks = spec.graph().into_iter().flat_map(|(vertex, parallelism)| {
            (0..parallelism).map(move |index| (Subtask { vertex, index }, Place::default()))
        });
        Self {
            subtasks: subtasks.collect(),
            held: 0,
            sessions: BTreeMap::new(),
            execution: 0,
            next_beat: None,
            unresponsive: Vec::new(),
            spec,
        }
    }

    pub(super) fn execution(&self) -> u64 {
        self.execution
    }

    /// True if every subtask is held.
    pub(super) fn is_complete(&self) -> bool {
        self.held == self.subtasks.len()
    }

    /// True if every subtask is held by a session in one of these states.
    pub(super) fn all_are(&self, states: &[TaskState]) -> bool {
        self.is_complete() && self.sessions.values().all(|session| states.contains(&session.state))
    }

    /// Gives subtasks to a new session. Returns the sessions that have to give theirs up for it.
    pub(super) fn claim(
        &mut self,
        now: Moment,
        id: SessionId,
        attempt: u64,
        name: Option<String>,
        subtasks: BTreeSet<Subtask>,
    ) -> Result<BTreeSet<SessionId>, ClaimRefused> {
        let mut older = BTreeSet::new();
        for subtask in &subtasks {
            let Some(place) = self.subtasks.get(subtask) else { continue };
            if let Some((holder, session)) = place.holder.and_then(|id| Some((id, self.sessions.get(&id)?))) {
                if session.attempt >= attempt {
                    let (subtask, holder) = (self.spec.label(*subtask), session.attempt);
                    let name = session.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
                    return Err(ClaimRefused::Held { subtask, holder, name, attempt });
                }
                older.insert(holder);
            } else if let Some(newest) = place.newest.filter(|newest| *newest > attempt) {
                return Err(ClaimRefused::Older { subtask: self.spec.label(*subtask), newest, attempt });
            }
        }
        if self.sessions.len() - older.len() >= MAX_SESSIONS {
            return Err(ClaimRefused::TooMany);
        }
        for holder in &older {
            self.revoke(*holder, &format!("attempt {attempt} took over"));
        }
        for subtask in &subtasks {
            if let Some(place) = self.subtasks.get_mut(subtask) {
                *place = Place { holder: Some(id), newest: Some(attempt) };
                self.held += 1;
            }
        }
        let session = Session {
            attempt,
            name,
            subtasks,
            mailbox: Arc::new(Mailbox::new()),
            state: TaskState::Created,
            heard_at: now.wall_millis(),
            unanswered: 0,
        };
        self.sessions.insert(id, session);
        self.next_beat.get_or_insert(now.monotonic + self.beat_every());
        Ok(older)
    }

    fn beat_every(&self) -> Duration {
        self.spec.heartbeat_timeout() / MAX_UNANSWERED
    }

    /// Takes note that a session lives; false when there is none.
    pub(super) fn record_poll(&mut self, now: Moment, id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.heard_at = now.wall_millis();
        session.unanswered = 0;
        true
    }

    pub(super) fn holds(&self, id: SessionId, subtask: Subtask) -> bool {
        self.subtasks.get(&subtask).is_some_and(|place| place.holder == Some(id))
    }

    pub(super) fn knows(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(super) fn mailbox(&self, id: SessionId) -> Option<Arc<Mailbox>> {
        self.sessions.get(&id).map(|session| Arc::clone(&session.mailbox))
    }

    /// Name of a session for messages.
    pub(super) fn label(&self, id: SessionId) -> String {
        let Some(session) = self.sessions.get(&id) else { return "a session".to_owned() };
        let held = match session.subtasks.iter().next() {
            Some(one) if session.subtasks.len() == 1 => self.spec.label(*one),
            Some(one) => format!("{} and {} more", self.spec.label(*one), session.subtasks.len() - 1),
            None => "no subtask".to_owned(),
        };
        session.name.as_ref().map_or_else(|| held.clone(), |name| format!("{held} ({name})"))
    }

    /// Ends a session, and says so to it.
    pub(super) fn revoke(&mut self, id: SessionId, why: &str) {
        self.end_session(id, TaskEvent::Revoked { why: why.to_owned() });
    }

    fn end_session(&mut self, id: SessionId, last: TaskEvent) {
        let Some(session) = self.sessions.remove(&id) else { return };
        session.mailbox.close(last);
        for subtask in session.subtasks {
            if let Some(place) = self.subtasks.get_mut(&subtask) {
                place.holder = None;
                self.held -= 1;
            }
        }
    }

    /// Ends all sessions with this event.
    pub(super) fn end_all(&mut self, last: &TaskEvent) {
        for id in self.ids() {
            self.end_session(id, last.clone());
        }
    }

    fn ids(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    /// Sends an event to all sessions that were told to restore.
    pub(super) fn tell(&mut self, event: &TaskEvent) {
        self.put(|_| event.clone());
    }

    /// The next session that was too far behind for an event.
    pub(super) fn next_unresponsive(&mut self) -> Option<SessionId> {
        self.unresponsive.pop()
    }

    fn put(&mut self, event: impl Fn(&Session) -> TaskEvent) {
        let told = self.sessions.iter().filter(|(_, session)| session.state != TaskState::Created);
        let behind = told.filter(|(_, session)| !session.mailbox.put(event(session))).map(|(id, _)| *id);
        self.unresponsive.extend(behind);
    }

    /// Begins an execution: all sessions are told what to start from.
    pub(super) fn restore(&mut self, from: Option<&RestorePoint>) {
        self.execution += 1;
        for session in self.sessions.values_mut() {
            session.state = TaskState::Initializing;
        }
        let (execution, spec) = (self.execution, Arc::clone(&self.spec));
        self.put(|session| {
            let checkpoint = from.map(|point| restored(&spec, point, &session.subtasks));
            TaskEvent::Restore { execution, checkpoint }
        });
    }

    pub(super) fn is(&self, id: SessionId, state: TaskState) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.state == state)
    }

    /// Notes how far a session is in the newest execution.
    pub(super) fn enter(&mut self, id: SessionId, state: TaskState) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = state;
        }
    }

    /// The sessions that have not restored yet, and whether each reads its events.
    pub(super) fn restoring(&self) -> Vec<(String, bool)> {
        let waiting = self.sessions.iter().filter(|(_, session)| session.state == TaskState::Initializing);
        waiting.map(|(id, session)| (self.label(*id), session.mailbox.is_connected())).collect()
    }

    /// Time of the next heartbeats.
    pub(super) fn next_beat(&self) -> Option<Monotonic> {
        self.next_beat
    }

    /// Sends heartbeats when they are due; returns those who left too many without an answer. A daemon that
    /// slept for long holds nobody else's silence against them: it counts heartbeats, not time.
    pub(super) fn beat(&mut self, now: Monotonic) -> Vec<SessionId> {
        if self.next_beat.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.next_beat = (!self.sessions.is_empty()).then(|| now + self.beat_every());
        let mut silent = Vec::new();
        for (id, session) in &mut self.sessions {
            session.unanswered += 1;
            if session.unanswered < MAX_UNANSWERED {
                session.mailbox.beat();
            } else {
                silent.push(*id);
            }
        }
        silent
    }

    /// Subtasks without a session, such as `count/3`; the first hundred.
    pub(super) fn missing(&self) -> Vec<String> {
        let free = self.subtasks.iter().filter(|(_, place)| place.holder.is_none());
        free.take(MAX_LISTED).map(|(subtask, _)| self.spec.label(*subtask)).collect()
    }

    /// Number of subtasks without a session.
    pub(super) fn missing_count(&self) -> usize {
        self.subtasks.len() - self.held
    }

    pub(super) fn list(&self) -> Vec<TaskSession> {
        let listed = self.sessions.values().map(|session| TaskSession {
            name: session.name.clone(),
            attempt: session.attempt,
            subtasks: session
                .subtasks
                .iter()
                .take(MAX_LISTED)
                .map(|subtask| self.spec.label(*subtask))
                .collect(),
            state: session.state,
            connected: session.mailbox.is_connected(),
            heard_at: session.heard_at,
        });
        listed.collect()
    }
}

fn restored(spec: &JobSpec, point: &RestorePoint, subtasks: &BTreeSet<Subtask>) -> RestoredFrom {
    let stored = subtasks.iter().filter_map(|subtask| {
        let snapshot = point.snapshots.get(subtask)?;
        Some(StoredSnapshot {
            vertex: spec.vertex_name(subtask.vertex).to_owned(),
            index: subtask.index,
            location: snapshot.location.clone(),
            bytes: snapshot.bytes,
        })
    });
    RestoredFrom {
        checkpoint_id: point.checkpoint,
        savepoint: point.savepoint,
        directory: point.directory.clone(),
        snapshots: stored.collect(),
    }
}
