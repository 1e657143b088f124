//! How a job waits until all its subtasks are held, starts with them, stops when one is lost, and finishes.

use super::life::Stage;
use super::owner::Owner;
use crate::clock::Moment;
use ckpt_api::JobState;
use ckpt_api::tasks::{TaskEvent, TaskState};
use ckpt_coordinator::Event;
use ckpt_types::ids::SessionId;

/// How many subtasks or processes that are missed are named.
const MOST_NAMED: usize = 5;

impl Owner {
    /// Why it does not go on, while it waits for tasks.
    pub(super) fn awaited(&self) -> Option<String> {
        match &self.stage {
            Stage::Waiting { .. } if !self.sessions.is_complete() => {
                let (missing, of) = (self.sessions.missing_count(), self.spec.subtasks());
                let mut named = self.sessions.missing();
                let few = named.len().min(MOST_NAMED);
                named.truncate(few);
                let more = if missing > few { ", …" } else { "" };
                Some(format!("it waits for {missing} of {of} subtasks: {}{more}", named.join(", ")))
            }
            Stage::Starting => {
                let restoring = self.sessions.restoring();
                let named = restoring.iter().take(MOST_NAMED).map(|(label, connected)| match connected {
                    true => label.clone(),
                    false => format!("{label}, which does not read its events"),
                });
                let named = named.collect::<Vec<_>>().join("; ");
                let more = if restoring.len() > MOST_NAMED { "; …" } else { "" };
                Some(format!("it waits until these have restored: {named}{more}"))
            }
            _ => None,
        }
    }

    /// Tells every task. Who does not read what it is told is lost, but not before the coordinator's actions
    /// are all done: what follows from a loss comes after them.
    pub(super) fn tell_tasks(&mut self, event: &TaskEvent) {
        self.deaf.extend(self.sessions.tell(event));
    }

    /// Does what an event has left to do.
    pub(super) fn settle(&mut self, now: Moment) {
        while let Some(session) = self.deaf.pop() {
            self.lose(now, session, "does not read its events");
        }
    }

    /// Sends heartbeats when they are due; who did not answer the last ones is lost.
    pub(super) fn beat(&mut self, now: Moment) {
        for session in self.sessions.beat(now.monotonic) {
            self.lose(now, session, "was not heard of for too long");
        }
    }

    /// Ends a session and does without it, which no job can.
    pub(super) fn lose(&mut self, now: Moment, session: SessionId, why: &str) {
        if !self.sessions.knows(session) {
            return;
        }
        let lost = format!("{} {why}", self.sessions.label(session));
        self.sessions.revoke(session, why);
        tracing::warn!(job = %self.identity.name, session = lost, "a task is lost");
        self.tasks_gone(now, &lost);
    }

    /// Stops a job that runs or starts: what is pending is aborted, and it goes on from its newest checkpoint
    /// when all its tasks are there again.
    pub(super) fn tasks_gone(&mut self, now: Moment, why: &str) {
        if !matches!(self.stage, Stage::Starting | Stage::Running) {
            return;
        }
        self.trouble = Some(why.to_owned());
        self.stage = Stage::Waiting { until: now.monotonic };
        self.handle(now, Event::Suspend);
        if self.history.state == JobState::Running {
            self.enter(now, JobState::Restarting, Some(why.to_owned()));
        }
    }

    /// Periodic checkpoints start when all tasks run (rule 9).
    pub(super) fn run_if_restored(&mut self, now: Moment) {
        let run = [TaskState::Running, TaskState::Finished];
        if matches!(self.stage, Stage::Starting) && self.sessions.all_are(&run) {
            self.stage = Stage::Running;
            self.enter(now, JobState::Running, None);
            self.handle(now, Event::TasksRunning { spread: rand::random() });
        }
    }

    /// A job whose tasks have all done their work has finished.
    pub(super) fn finish_if_all_have(&mut self, now: Moment) {
        if matches!(self.stage, Stage::Running) && self.sessions.all_are(&[TaskState::Finished]) {
            self.end(now, JobState::Finished);
        }
    }
}
