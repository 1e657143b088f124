//! A hosted job as the rest of ckptd sees it: a handle that asks its owner.

use super::anatomy;
use super::disk::Disk;
use super::door::{MOST_LOOKS, TaskDoor};
use super::owner::{Owner, Question, Setup, ask};
use super::rehearsal::RehearsalTasks;
use crate::anatomy::{Anatomy, off_thread_if_large};
use crate::clock::{Clock, Moment};
use crate::seam::{
    Applied, FlinkBody, Freshness, HostedView, Identity, Intent, JobCoordinator, JobFeed, JobPart,
    JobSnapshot, LogTail, ManualTrigger, Observation, OverrideStanding, PartView, Revision, SeamError,
    Settled,
};
use async_trait::async_trait;
use ckpt_api::{self as api, JobState};
use ckpt_coordinator::config::Override;
use ckpt_types::ids::TriggerId;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};

/// The most questions that wait for an owner.
const MOST_QUESTIONS: usize = 256;
/// How many events a slow reader may be behind.
const MOST_EVENTS: usize = 1_024;

/// A job that ckptd hosts. Its owner ends with the last handle.
#[derive(Debug, Clone)]
pub struct HostedJob {
    clock: Clock,
    identity: Arc<Identity>,
    questions: mpsc::Sender<Question>,
    events: broadcast::Sender<api::Event>,
    state: watch::Receiver<JobState>,
    ended: watch::Receiver<u64>,
    tasks: TaskDoor,
}

impl HostedJob {
    /// Starts a job, with the override that is stored for it.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let (questions, asked) = mpsc::channel(MOST_QUESTIONS);
        let (events, _) = broadcast::channel(MOST_EVENTS);
        let (clock, identity) = (setup.clock, Arc::new(setup.identity.clone()));
        let looks = Disk::new(MOST_LOOKS);
        let door = |programs| TaskDoor::new(questions.downgrade(), looks.clone(), programs);
        let owner = Owner::new(setup, events.clone(), RehearsalTasks::new(door(false)));
        let tasks = door(true);
        let state = owner.subscribe_state();
        let ended = owner.subscribe_ended();
        tokio::spawn(owner.run(asked));
        Self { clock, identity, questions, events, state, ended, tasks }
    }

    /// The job's state, without asking its owner.
    #[must_use]
    pub fn state(&self) -> JobState {
        *self.state.borrow()
    }

    /// The door for its tasks.
    pub(crate) fn tasks(&self) -> TaskDoor {
        self.tasks.clone()
    }

    async fn facts(&self) -> Result<HostedView, SeamError> {
        self.ask(|owner, now| owner.view(now)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Owner, Moment) -> T + Send + 'static,
    ) -> Result<T, SeamError> {
        ask(&self.questions, question).await
    }
}

#[async_trait]
impl JobCoordinator for HostedJob {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn snapshot(&self) -> JobSnapshot {
        JobSnapshot { state: self.state(), seen_at: self.clock.wall_millis(), is_listed: true }
    }

    fn standing(&self) -> OverrideStanding {
        OverrideStanding::default()
    }

    async fn settled(&self) -> JobSnapshot {
        self.snapshot()
    }

    fn subscribe(&self) -> JobFeed {
        JobFeed { events: self.events.subscribe(), ended: self.ended.clone() }
    }

    async fn observe(&self, _freshness: Freshness) -> Result<Observation, SeamError> {
        self.ask(|owner, now| owner.observe(now)).await
    }

    async fn ended_after(&self, sequence: u64, _freshness: Freshness) -> Result<LogTail, SeamError> {
        let view = self.facts().await?;
        Ok(view.checkpoints.log().after(sequence, view.timeline.now))
    }

    async fn breakdown(&self, _freshness: Freshness) -> Result<Anatomy, SeamError> {
        let (view, now) = (self.facts().await?, self.clock.now().monotonic);
        let subtasks = usize::try_from(view.spec.subtasks()).unwrap_or(usize::MAX);
        let anatomy = off_thread_if_large(subtasks, move || anatomy::of(&view, now)).await;
        anatomy.ok_or(SeamError::Silent)
    }

    async fn view(&self, part: JobPart) -> Result<PartView, SeamError> {
        let unknown = |kind, id| SeamError::UnknownTrigger { kind, id, job: self.identity.id };
        match part {
            JobPart::CheckpointTrigger(id) => {
                let status = self.ask(move |owner, _| owner.checkpoint_trigger(id)).await?;
                let status = status.ok_or_else(|| unknown("checkpoint", id))?;
                Ok(PartView::Body(FlinkBody::CheckpointTrigger(status)))
            }
            JobPart::SavepointTrigger(id) => {
                let status = self.ask(move |owner, _| owner.savepoint_trigger(id)).await?;
                let status = status.ok_or_else(|| unknown("savepoint", id))?;
                Ok(PartView::Body(FlinkBody::SavepointTrigger(status)))
            }
            _ => self.facts().await.map(PartView::Hosted),
        }
    }

    async fn prepare(&self, _intent: Intent) -> Result<Observation, SeamError> {
        self.observe(Freshness::Current).await
    }

    async fn preview(&self, overridden: Override, pull_in: bool) -> Result<Applied, SeamError> {
        self.ask(move |owner, now| owner.preview(now, overridden, pull_in)).await?
    }

    async fn apply(&self, revision: Revision) -> Result<Settled, SeamError> {
        self.ask(move |owner, now| owner.apply(now, &revision)).await?
    }

    async fn trigger(&self, request: ManualTrigger) -> Result<TriggerId, SeamError> {
        self.ask(move |owner, now| match request {
            ManualTrigger::Checkpoint(request) => owner.trigger(now, request),
            ManualTrigger::Savepoint(request) => owner.savepoint(now, &request),
        })
        .await?
    }

    async fn cancel(&self) -> Result<(), SeamError> {
        self.ask(|owner, now| owner.cancel(now)).await?
    }
}
