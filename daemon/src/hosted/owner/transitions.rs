//! Start, restart and end of a job. A job that fails is restarted after a fixed delay, without limit, from its newest
//! checkpoint.

use super::super::files::Found;
use super::super::lifecycle::{DueWork, Ended, Stage};
use super::super::storage::StorageEvent;
use super::Owner;
use crate::clock::Moment;
use crate::job_file::Tasks;
use crate::seam::SeamError;
use ckpt_api::tasks::TaskEvent;
use ckpt_api::{Happening, JobState};
use ckpt_coordinator::config::JobEnd;
use ckpt_coordinator::{Coordinator, Event, Monotonic, Start};
use std::sync::Arc;

impl Owner {
    /// Starts a job that has not ended; of one that has, a crash may have left what it does not retain.
    pub(super) fn begin(&mut self) {
        let now = self.clock.now();
        if matches!(self.lifecycle.stage(), Stage::Over) {
            return self.discard_on_end(now, self.lifecycle.state());
        }
        match &self.spec.tasks {
            Tasks::Rehearsal(wanted) => {
                self.rehearsal.start(self.clock, Arc::clone(&self.spec), wanted.clone());
            }
            Tasks::Programs { .. } => self.enter(now, JobState::Created, None),
        }
    }

    fn restore(&mut self) {
        self.lifecycle.enter_stage(Stage::Restoring);
        if let Some(coordinator) = self.coordinator.take() {
            self.next_id = coordinator.next_id();
        }
        self.storage.restore(&self.spec);
    }

    /// Time at which [`Self::wake`] has something to do.
    pub(super) fn next_wakeup(&self) -> Option<Monotonic> {
        let coordinator = self.coordinator.as_ref().and_then(Coordinator::next_wakeup);
        let due = self.lifecycle.next_wakeup(coordinator, self.can_start());
        due.into_iter().chain(self.sessions.next_beat()).min()
    }

    /// True if nothing but time keeps a job that waits. Whatever else it waits for wakes its owner.
    fn can_start(&self) -> bool {
        self.storage.is_idle() && self.sessions.is_complete()
    }

    pub(super) fn wake(&mut self, now: Moment) {
        self.beat(now);
        let can_start = self.can_start();
        match self.lifecycle.due_work(now.monotonic, can_start) {
            Some(DueWork::Tick) => self.handle(now, Event::Tick),
            Some(DueWork::Restore) => self.restore(),
            Some(DueWork::WriteEnd(ended)) => self.write_end(ended),
            None => {}
        }
    }

    pub(super) fn handle_storage(&mut self, now: Moment, event: StorageEvent) {
        match event {
            StorageEvent::Found(Ok(found)) => self.build(now, found),
            StorageEvent::Found(Err(cause)) => {
                tracing::error!(job = %self.identity.name, cause, "the job cannot be restored; trying again");
                self.lifecycle.set_trouble(format!(
                    "the job cannot be restored, which is tried again and again: {cause}"
                ));
                self.lifecycle.retry_restore(now.monotonic, self.spec.restart_delay);
            }
            StorageEvent::Prepared { id, result } => self.handle(now, Event::Prepared { id, result }),
            StorageEvent::Finalized { id, result } => self.handle(now, Event::Finalized { id, result }),
            StorageEvent::Discarded { completed, result } => {
                if let Err(cause) = result {
                    tracing::warn!(job = %self.identity.name, cause, "files could not be deleted");
                }
                if let Some(id) = completed {
                    self.handle(now, Event::Cleaned { id });
                }
            }
            StorageEvent::Ended(Ok(())) => {
                if let Some(ended) = self.lifecycle.ending() {
                    self.discard_on_end(now, ended.state);
                    self.lifecycle.enter_stage(Stage::Over);
                    self.lifecycle.clear_trouble();
                    self.override_in_force.clear();
                    self.enter(now, ended.state, None);
                    self.sessions.end_all(&TaskEvent::End { state: ended.state });
                }
            }
            StorageEvent::Ended(Err(cause)) => {
                tracing::error!(job = %self.identity.name, cause, "the end of the job cannot be stored; trying again");
                self.lifecycle.set_trouble(format!(
                    "the end of the job cannot be stored, which is tried again and again: {cause}"
                ));
                self.lifecycle.retry_end(now.monotonic);
            }
        }
    }

    /// Builds the coordinator from what was found on disk, with the override that is in force from its
    /// first moment.
    fn build(&mut self, now: Moment, found: Found) {
        if !matches!(self.lifecycle.stage(), Stage::Restoring) {
            return;
        }
        if !self.sessions.is_complete() {
            return self.lifecycle.enter_stage(Stage::Waiting { until: now.monotonic });
        }
        self.override_in_force.reload();
        let coordinator = Coordinator::new(Start {
            job: self.identity.id,
            vertices: self.spec.graph(),
            submitted: self.spec.checkpointing.clone(),
            overridden: self.override_in_force.overridden(),
            completed: found.completed,
            next_id: found.next_id.max(self.next_id),
            fresh: found.fresh,
        });
        if let Some(newest) = &found.newest {
            tracing::info!(job = %self.identity.name, checkpoint = %newest.checkpoint, "restored");
            let path = format!("file:{}", newest.directory.display());
            Arc::make_mut(&mut self.tracker).record_restore(now, newest.checkpoint, newest.savepoint, path);
        }
        self.coordinator = Some(coordinator);
        self.lifecycle.clear_trouble();
        self.storage.set_damage(found.damage);
        self.lifecycle.enter_stage(Stage::Starting);
        self.sessions.restore(found.newest.as_ref());
    }

    /// Lets the job fail: it is restarted after its delay. Its coordinator has aborted what can be
    /// aborted and stays until the work on the disk is done, so that what is being stored comes to the
    /// one end that it has.
    pub(super) fn fail(&mut self, now: Moment, reason: String) {
        if !self.lifecycle.is_active() {
            return;
        }
        tracing::error!(job = %self.identity.name, reason, delay = ?self.spec.restart_delay, "the job fails and is restarted");
        self.lifecycle.set_trouble(format!("the job failed: {}", reason.trim_end_matches('.')));
        self.enter(now, JobState::Failing, Some(reason));
        let until = now.monotonic + self.spec.restart_delay;
        self.lifecycle.enter_stage(Stage::Waiting { until });
        self.enter(now, JobState::Restarting, None);
    }

    /// Cancels the job.
    pub(in crate::hosted) fn cancel(&mut self, now: Moment) -> Result<(), SeamError> {
        self.lifecycle.refuse_if_ended()?;
        self.enter(now, JobState::Cancelling, None);
        self.end(now, JobState::Canceled);
        Ok(())
    }

    /// Ends the job in this state. Its checkpoints and its override are there until that is durable: a job
    /// that a crash brings back needs both.
    pub(super) fn end(&mut self, now: Moment, state: JobState) {
        let ended = Ended { state, at: now.wall_millis() };
        self.lifecycle.enter_stage(Stage::Ending { ended, again_at: None });
        self.handle(now, Event::Suspend);
        self.lifecycle.clear_trouble();
        self.write_end(ended);
    }

    /// Deletes what the job's policy does not retain (rule 30).
    fn discard_on_end(&mut self, now: Moment, state: JobState) {
        let end = match state {
            JobState::Finished => JobEnd::Finished,
            JobState::Failed => JobEnd::Failed,
            _ => JobEnd::Canceled,
        };
        if self.coordinator.is_some() {
            self.handle(now, Event::Shutdown { end: Some(end) });
        } else if !self.spec.checkpointing.retention_policy.retains(end) {
            self.storage.discard_all();
        }
    }

    fn write_end(&mut self, ended: Ended) {
        self.storage.write_end(ended, self.override_in_force.remove());
    }

    pub(super) fn enter(&mut self, now: Moment, state: JobState, reason: Option<String>) {
        tracing::info!(job = %self.identity.name, %state, "state");
        self.lifecycle.enter_state(now, state);
        self.publisher.publish(now, Happening::State { state, reason });
    }
}
