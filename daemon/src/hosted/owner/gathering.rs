//! Tasks of a job: waiting until all subtasks are held, starting and finishing with them, and losing one.

use super::super::lifecycle::Stage;
use super::Owner;
use crate::clock::Moment;
use ckpt_api::JobState;
use ckpt_api::tasks::TaskState;
use ckpt_coordinator::Event;
use ckpt_types::ids::SessionId;

/// Missing subtasks or processes that are listed by name.
const MAX_NAMED: usize = 5;

impl Owner {
    /// Why it does not go on, while it waits for tasks.
    pub(super) fn awaited(&self) -> Option<String> {
        match self.lifecycle.stage() {
            Stage::Waiting { .. } if !self.sessions.is_complete() => {
                let (missing, of) = (self.sessions.missing_count(), self.spec.subtasks());
                let mut named = self.sessions.missing();
                let few = named.len().min(MAX_NAMED);
                named.truncate(few);
                let more = if missing > few { ", …" } else { "" };
                Some(format!("it waits for {missing} of {of} subtasks: {}{more}", named.join(", ")))
            }
            Stage::Starting => {
                let restoring = self.sessions.restoring();
                let named = restoring.iter().take(MAX_NAMED).map(|(label, connected)| match connected {
                    true => label.clone(),
                    false => format!("{label}, which does not read its events"),
                });
                let named = named.collect::<Vec<_>>().join("; ");
                let more = if restoring.len() > MAX_NAMED { "; …" } else { "" };
                Some(format!("it waits until these have restored: {named}{more}"))
            }
            _ => None,
        }
    }

    /// Loses the sessions that do not read their events. That comes after the actions of the coordinator: what follows
    /// from a loss must not come between them.
    pub(super) fn lose_unresponsive(&mut self, now: Moment) {
        while let Some(session) = self.sessions.next_unresponsive() {
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
    pub(in crate::hosted) fn lose(&mut self, now: Moment, session: SessionId, why: &str) {
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
        if !self.lifecycle.is_active() {
            return;
        }
        self.lifecycle.set_trouble(why.to_owned());
        self.lifecycle.enter_stage(Stage::Waiting { until: now.monotonic });
        self.handle(now, Event::Suspend);
        if self.lifecycle.state() == JobState::Running {
            self.enter(now, JobState::Restarting, Some(why.to_owned()));
        }
    }

    /// Periodic checkpoints start when all tasks run (rule 9).
    pub(super) fn run_if_restored(&mut self, now: Moment) {
        let run = [TaskState::Running, TaskState::Finished];
        if matches!(self.lifecycle.stage(), Stage::Starting) && self.sessions.all_are(&run) {
            self.lifecycle.enter_stage(Stage::Running);
            self.enter(now, JobState::Running, None);
            self.handle(now, Event::TasksRunning { spread: rand::random() });
        }
    }

    /// A job whose tasks have all done their work has finished.
    pub(super) fn finish_if_all_have(&mut self, now: Moment) {
        if self.lifecycle.is_running() && self.sessions.all_are(&[TaskState::Finished]) {
            self.end(now, JobState::Finished);
        }
    }
}
