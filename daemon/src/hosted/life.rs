//! How a hosted job starts, restarts and ends. A job that fails is restarted after a fixed delay,
//! without limit, from its newest checkpoint.

use super::files::Found;
use super::owner::Owner;
use super::report::Life;
use super::{rehearsal, restore};
use crate::clock::Moment;
use crate::durable;
use crate::job_file::Tasks;
use crate::seam::{SeamError, Wanted};
use ckpt_api::flink::StateTimestamps;
use ckpt_api::tasks::TaskEvent;
use ckpt_api::{Happening, JobState};
use ckpt_coordinator::config::JobEnd;
use ckpt_coordinator::{Coordinator, Event, Monotonic, Start};
use ckpt_types::ids::CheckpointId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How long until something that the disk refused is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The file that says how a job ended, in its directory.
pub(crate) const ENDED_FILE: &str = "ended.json";

/// How and when a job ended; the content of `ended.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// `FINISHED`, `CANCELED` or `FAILED`.
    pub state: JobState,
    /// In milliseconds since the epoch.
    pub at: u64,
}

/// Where a job is in its life, with what it has there.
pub(super) enum Stage {
    /// What is on disk is looked at.
    Restoring,
    /// Its coordinator is in force, and its tasks restore what they stored.
    Starting,
    /// It runs.
    Running,
    /// It waits until then, for all its tasks, and for what the disk still does.
    Waiting { until: Monotonic },
    /// Its end is being written down, or waits to be.
    Ending { ended: Ended, again_at: Option<Monotonic> },
    /// It has ended.
    Over,
}

/// Something that was done on another thread.
pub(super) enum Done {
    Found(Result<Found, String>),
    Prepared {
        id: CheckpointId,
        result: Result<(), String>,
    },
    Finalized {
        id: CheckpointId,
        result: Result<(), String>,
    },
    /// With the completed checkpoint that it was, if it was one.
    Discarded {
        completed: Option<CheckpointId>,
        result: Result<(), String>,
    },
    Ended(Result<(), String>),
}

impl Stage {
    pub(super) fn new(ended: Option<&Ended>) -> Self {
        if ended.is_some() { Self::Over } else { Self::Waiting { until: Monotonic::default() } }
    }
}

impl Life {
    pub(super) fn new(submitted_at: u64, ended: Option<&Ended>) -> Self {
        let mut life = Self {
            state: JobState::Initializing,
            started_at: submitted_at,
            ended_at: ended.map(|ended| ended.at),
            changed_at: submitted_at,
            entered: StateTimestamps::default(),
            now: submitted_at,
        };
        life.enter(JobState::Initializing, submitted_at);
        if let Some(ended) = ended {
            life.enter(ended.state, ended.at);
        }
        life
    }

    fn enter(&mut self, state: JobState, at: u64) {
        self.state = state;
        self.changed_at = at;
        let entered = &mut self.entered;
        let place = match state {
            JobState::Initializing => &mut entered.initializing,
            JobState::Created => &mut entered.created,
            JobState::Running => &mut entered.running,
            JobState::Failing => &mut entered.failing,
            JobState::Failed => &mut entered.failed,
            JobState::Cancelling => &mut entered.cancelling,
            JobState::Canceled => &mut entered.canceled,
            JobState::Finished => &mut entered.finished,
            JobState::Restarting => &mut entered.restarting,
            JobState::Suspended => &mut entered.suspended,
            JobState::Reconciling => &mut entered.reconciling,
        };
        *place = i64::try_from(at).unwrap_or(i64::MAX);
        if state.has_ended() {
            self.ended_at = Some(at);
        }
    }
}

impl Owner {
    /// Starts a job that has not ended; of one that has, a crash may have left what it does not retain.
    pub(super) fn begin(&mut self) {
        let now = self.clock.now();
        if matches!(self.stage, Stage::Over) {
            return self.discard_on_end(now, self.history.state);
        }
        match &self.spec.tasks {
            Tasks::Rehearsal(wanted) => {
                let tasks = rehearsal::run(self.door.clone(), Arc::clone(&self.spec), wanted.clone());
                self.rehearsal.spawn(tasks);
            }
            Tasks::Programs { .. } => self.enter(now, JobState::Created, None),
        }
    }

    fn look_at_disk(&mut self) {
        self.stage = Stage::Restoring;
        if let Some(coordinator) = self.coordinator.take() {
            self.next_id = coordinator.next_id();
        }
        let (files, from, spec) = (self.files.clone(), self.from_savepoint.clone(), Arc::clone(&self.spec));
        self.on_disk(move || restore::look(&files, from.as_ref(), &spec), Done::Found);
    }

    /// When [`Self::wake`] has something to do.
    pub(super) fn next_wakeup(&self) -> Option<Monotonic> {
        let stage = match &self.stage {
            Stage::Starting | Stage::Running => self.coordinator.as_ref().and_then(Coordinator::next_wakeup),
            Stage::Waiting { until } => self.can_start().then_some(*until),
            Stage::Ending { again_at, .. } => *again_at,
            Stage::Restoring | Stage::Over => None,
        };
        stage.into_iter().chain(self.sessions.next_beat()).min()
    }

    /// Whether nothing but time keeps a job that waits. What it waits for wakes its owner.
    fn can_start(&self) -> bool {
        self.work.is_empty() && self.sessions.is_complete()
    }

    pub(super) fn wake(&mut self, now: Moment) {
        self.beat(now);
        let can_start = self.can_start();
        match &mut self.stage {
            Stage::Starting | Stage::Running => self.handle(now, Event::Tick),
            Stage::Waiting { until } if *until <= now.monotonic && can_start => self.look_at_disk(),
            Stage::Ending { ended, again_at } if again_at.is_some_and(|again| again <= now.monotonic) => {
                *again_at = None;
                let ended = *ended;
                self.write_end(ended);
            }
            Stage::Waiting { .. } | Stage::Ending { .. } | Stage::Restoring | Stage::Over => {}
        }
    }

    pub(super) fn work_done(&mut self, now: Moment, done: Done) {
        match done {
            Done::Found(Ok(found)) => self.build(now, found),
            Done::Found(Err(cause)) => {
                tracing::error!(job = %self.identity.name, cause, "the job cannot be restored; trying again");
                self.trouble =
                    Some(format!("the job cannot be restored, which is tried again and again: {cause}"));
                if matches!(self.stage, Stage::Restoring) {
                    self.stage =
                        Stage::Waiting { until: now.monotonic + TRY_AGAIN.max(self.spec.restart_delay) };
                }
            }
            Done::Prepared { id, result } => self.handle(now, Event::Prepared { id, result }),
            Done::Finalized { id, result } => self.handle(now, Event::Finalized { id, result }),
            Done::Discarded { completed, result } => {
                if let Err(cause) = result {
                    tracing::warn!(job = %self.identity.name, cause, "files could not be deleted");
                }
                if let Some(id) = completed {
                    self.handle(now, Event::Cleaned { id });
                }
            }
            Done::Ended(Ok(())) => {
                if let Stage::Ending { ended, .. } = self.stage {
                    self.discard_on_end(now, ended.state);
                    self.stage = Stage::Over;
                    self.trouble = None;
                    self.wanted = Wanted::default();
                    self.enter(now, ended.state, None);
                    self.sessions.end_all(&TaskEvent::End { state: ended.state });
                }
            }
            Done::Ended(Err(cause)) => {
                tracing::error!(job = %self.identity.name, cause, "the end of the job cannot be stored; trying again");
                self.trouble = Some(format!(
                    "the end of the job cannot be stored, which is tried again and again: {cause}"
                ));
                if let Stage::Ending { again_at, .. } = &mut self.stage {
                    *again_at = Some(now.monotonic + TRY_AGAIN);
                }
            }
        }
    }

    /// Builds the coordinator from what was found on disk, with the override that is in force from its
    /// first moment.
    fn build(&mut self, now: Moment, found: Found) {
        if !matches!(self.stage, Stage::Restoring) {
            return;
        }
        if !self.sessions.is_complete() {
            self.stage = Stage::Waiting { until: now.monotonic };
            return;
        }
        self.read_override();
        let coordinator = Coordinator::new(Start {
            job: self.identity.id,
            vertices: self.spec.graph(),
            submitted: self.spec.checkpointing.clone(),
            overridden: self.wanted.overridden,
            completed: found.completed,
            next_id: found.next_id.max(self.next_id),
            fresh: found.fresh,
        });
        if let Some(newest) = &found.newest {
            tracing::info!(job = %self.identity.name, checkpoint = %newest.checkpoint, "restored");
            let path = format!("file:{}", newest.directory.display());
            self.tracker.record_restore(now, newest.checkpoint, newest.savepoint, path);
        }
        self.coordinator = Some(coordinator);
        self.trouble = None;
        self.damage = found.damage;
        self.stage = Stage::Starting;
        self.deaf.extend(self.sessions.restore(found.newest.as_ref()));
    }

    /// Lets the job fail: it is restarted after its delay. Its coordinator has aborted what can be
    /// aborted and stays until the work on the disk is done, so that what is being stored comes to the
    /// one end that it has.
    pub(super) fn fail(&mut self, now: Moment, reason: String) {
        if !matches!(self.stage, Stage::Starting | Stage::Running) {
            return;
        }
        tracing::error!(job = %self.identity.name, reason, delay = ?self.spec.restart_delay, "the job fails and is restarted");
        self.trouble = Some(format!("the job failed: {}", reason.trim_end_matches('.')));
        self.enter(now, JobState::Failing, Some(reason));
        self.stage = Stage::Waiting { until: now.monotonic + self.spec.restart_delay };
        self.enter(now, JobState::Restarting, None);
    }

    /// Cancels the job.
    pub(super) fn cancel(&mut self, now: Moment) -> Result<(), SeamError> {
        self.refuse_if_ended()?;
        self.enter(now, JobState::Cancelling, None);
        self.end(now, JobState::Canceled);
        Ok(())
    }

    /// Ends the job in this state. Its checkpoints and its override are there until that is durable: a job
    /// that a crash brings back needs both.
    pub(super) fn end(&mut self, now: Moment, state: JobState) {
        let ended = Ended { state, at: now.wall_millis() };
        self.stage = Stage::Ending { ended, again_at: None };
        self.handle(now, Event::Suspend);
        self.trouble = None;
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
            let files = self.files.clone();
            self.on_disk(move || files.discard_all(), |result| Done::Discarded { completed: None, result });
        }
    }

    /// Writes the end down, then ends the override: an override is never lost before its job's end is
    /// known.
    fn write_end(&mut self, ended: Ended) {
        let file = self.job_dir.join(ENDED_FILE);
        let (overrides, key) = (self.overrides.clone(), self.key());
        self.work.spawn(async move {
            let content = serde_json::to_vec(&ended).unwrap_or_default();
            let write = tokio::task::spawn_blocking(move || durable::replace(&file, &content));
            let written = match write.await {
                Ok(written) => written.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            Done::Ended(match written {
                Ok(()) => overrides.remove(key).await.map_err(|error| error.to_string()),
                Err(cause) => Err(cause),
            })
        });
    }

    pub(super) fn enter(&mut self, now: Moment, state: JobState, reason: Option<String>) {
        tracing::info!(job = %self.identity.name, %state, "state");
        self.history.enter(state, now.wall_millis());
        self.published.send_replace(state);
        self.tell_readers(now, Happening::State { state, reason });
    }
}
