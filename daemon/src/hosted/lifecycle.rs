//! The lifecycle of a hosted job: its state as Flink shows it, and the stage that its owner is in.

use crate::clock::Moment;
use crate::seam::{JobTimeline, SeamError};
use ckpt_api::JobState;
use ckpt_api::flink::StateTimestamps;
use ckpt_coordinator::Monotonic;
use ckpt_types::duration::Rough;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::watch;

/// Delay before something is tried again that the disk refused.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The end of a job; the content of `ended.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// `FINISHED`, `CANCELED` or `FAILED`.
    pub state: JobState,
    /// In milliseconds since the epoch.
    pub at: u64,
}

/// The stages of a job.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Looking for the restore point on disk.
    Restoring,
    /// The coordinator is in force, and the tasks restore their snapshots.
    Starting,
    Running,
    /// Waiting for this moment, for all tasks and for the work on the disk.
    Waiting {
        until: Monotonic,
    },
    /// The end is being written, or is to be written again.
    Ending {
        ended: Ended,
        again_at: Option<Monotonic>,
    },
    Over,
}

/// The work that is due when the owner wakes up.
pub(super) enum DueWork {
    /// The coordinator's timers.
    Tick,
    Restore,
    WriteEnd(Ended),
}

/// The state and the stage of one job.
#[derive(Debug)]
pub(super) struct Lifecycle {
    stage: Stage,
    timeline: JobTimeline,
    /// The reason why the job does not run.
    trouble: Option<String>,
    published: watch::Sender<JobState>,
}

impl Lifecycle {
    pub(super) fn new(submitted_at: u64, ended: Option<&Ended>) -> Self {
        let mut timeline = JobTimeline {
            state: JobState::Initializing,
            started_at: submitted_at,
            ended_at: ended.map(|ended| ended.at),
            changed_at: submitted_at,
            entered: StateTimestamps::default(),
            now: submitted_at,
        };
        timeline.enter(JobState::Initializing, submitted_at);
        if let Some(ended) = ended {
            timeline.enter(ended.state, ended.at);
        }
        let stage = match ended {
            Some(_) => Stage::Over,
            None => Stage::Waiting { until: Monotonic::default() },
        };
        Self { stage, published: watch::Sender::new(timeline.state), timeline, trouble: None }
    }

    pub(super) fn state(&self) -> JobState {
        self.timeline.state
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// True while the coordinator is in force.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Running)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    /// The job's state, and each that follows.
    pub(super) fn subscribe(&self) -> watch::Receiver<JobState> {
        self.published.subscribe()
    }

    pub(super) fn timeline(&self, now: Moment) -> JobTimeline {
        JobTimeline { now: now.wall_millis(), ..self.timeline.clone() }
    }

    pub(super) fn enter_state(&mut self, now: Moment, state: JobState) {
        self.timeline.enter(state, now.wall_millis());
        self.published.send_replace(state);
    }

    pub(super) fn enter_stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Waits before the restore point is looked for again.
    pub(super) fn retry_restore(&mut self, now: Monotonic, restart_delay: Duration) {
        if matches!(self.stage, Stage::Restoring) {
            self.stage = Stage::Waiting { until: now + RETRY_INTERVAL.max(restart_delay) };
        }
    }

    /// Waits before the end is written again.
    pub(super) fn retry_end(&mut self, now: Monotonic) {
        if let Stage::Ending { again_at, .. } = &mut self.stage {
            *again_at = Some(now + RETRY_INTERVAL);
        }
    }

    /// The end that is being written.
    pub(super) fn ending(&self) -> Option<Ended> {
        match self.stage {
            Stage::Ending { ended, .. } => Some(ended),
            _ => None,
        }
    }

    pub(super) fn set_trouble(&mut self, trouble: String) {
        self.trouble = Some(trouble);
    }

    pub(super) fn clear_trouble(&mut self) {
        self.trouble = None;
    }

    pub(super) fn trouble(&self) -> Option<&String> {
        self.trouble.as_ref()
    }

    /// A remark on the time of the restart, if only time keeps the job from it.
    pub(super) fn restart_remark(&self, now: Monotonic) -> Option<String> {
        match self.stage {
            Stage::Waiting { until } if until > now => {
                Some(format!("it is restarted in {}", Rough(until - now)))
            }
            _ => None,
        }
    }

    /// Time at which [`Self::due_work`] has something to do. `can_start`: nothing but time keeps a waiting job.
    pub(super) fn next_wakeup(&self, coordinator: Option<Monotonic>, can_start: bool) -> Option<Monotonic> {
        match self.stage {
            Stage::Starting | Stage::Running => coordinator,
            Stage::Waiting { until } => can_start.then_some(until),
            Stage::Ending { again_at, .. } => again_at,
            Stage::Restoring | Stage::Over => None,
        }
    }

    pub(super) fn due_work(&mut self, now: Monotonic, can_start: bool) -> Option<DueWork> {
        match &mut self.stage {
            Stage::Starting | Stage::Running => Some(DueWork::Tick),
            Stage::Waiting { until } if *until <= now && can_start => Some(DueWork::Restore),
            Stage::Ending { ended, again_at } if again_at.is_some_and(|again| again <= now) => {
                *again_at = None;
                Some(DueWork::WriteEnd(*ended))
            }
            Stage::Waiting { .. } | Stage::Ending { .. } | Stage::Restoring | Stage::Over => None,
        }
    }

    /// # Errors
    /// [`SeamError::Ended`] if the job has ended or is about to.
    pub(super) fn refuse_if_ended(&self) -> Result<(), SeamError> {
        let state = self.state();
        match self.stage {
            _ if state.has_ended() || state == JobState::Cancelling => Err(SeamError::Ended { state }),
            Stage::Ending { ended, .. } => Err(SeamError::Ended { state: ended.state }),
            _ => Ok(()),
        }
    }
}

impl JobTimeline {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn waiting_job_restores_when_due() {
        let now = Clock::start().now().monotonic;
        let mut lifecycle = Lifecycle::new(0, None);
        lifecycle.enter_stage(Stage::Restoring);
        lifecycle.retry_restore(now, Duration::ZERO);
        let due = now + RETRY_INTERVAL;
        assert_eq!(lifecycle.next_wakeup(None, true), Some(due));
        assert_eq!(lifecycle.next_wakeup(None, false), None, "its tasks wake it");
        assert!(lifecycle.due_work(now, true).is_none());
        assert!(lifecycle.due_work(due, false).is_none());
        assert!(matches!(lifecycle.due_work(due, true), Some(DueWork::Restore)));
    }

    #[tokio::test(start_paused = true)]
    async fn refused_end_is_written_again() {
        let now = Clock::start().now().monotonic;
        let ended = Ended { state: JobState::Finished, at: 1 };
        let mut lifecycle = Lifecycle::new(0, None);
        lifecycle.enter_stage(Stage::Ending { ended, again_at: None });
        assert!(lifecycle.refuse_if_ended().is_err());
        lifecycle.retry_end(now);
        let due = now + RETRY_INTERVAL;
        assert!(matches!(lifecycle.due_work(due, false), Some(DueWork::WriteEnd(again)) if again == ended));
        assert!(lifecycle.due_work(due, false).is_none(), "it is being written");
    }
}
