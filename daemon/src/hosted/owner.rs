//! The task that owns a hosted job. It only routes events between the parts of a job, each of which keeps its state to
//! itself. Everything else sends the owner questions, so each of them, a change of both values included, is one step
//! that nothing comes between.
//!
//! | module | holds |
//! |---|---|
//! | `actions` | the actions of the coordinator |
//! | `transitions` | start, restart and end of the job |
//! | `gathering` | waiting for tasks, and losing them |
//! | `claims`, `reports` | requests of tasks |
//! | `changes` | applying overrides |
//! | `triggers` | checkpoints and savepoints by hand |
//! | `answers` | what is asked about the job |

mod actions;
mod answers;
mod changes;
mod claims;
mod gathering;
mod reports;
mod transitions;
mod triggers;

use super::acknowledged_files::AcknowledgedFiles;
use super::lifecycle::{Ended, Lifecycle};
use super::override_in_force::OverrideInForce;
use super::publisher::EventPublisher;
use super::rehearsal::RehearsalTasks;
use super::restore::FromSavepoint;
use super::sessions::Sessions;
use super::storage::Storage;
use super::trigger_requests::Triggers;
use crate::checkpoint_log::CheckpointTracker;
use crate::clock::{Clock, Moment};
use crate::job_file::JobSpec;
use crate::overrides::{Key, OverrideStore};
use crate::seam::{Identity, SeamError};
use ckpt_api as api;
use ckpt_api::JobState;
use ckpt_coordinator::{Coordinator, Event};
use ckpt_types::ids::CheckpointId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::timeout;

/// The longest wait for an owner's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A question to an owner, which it answers between two events.
pub(super) type Question = Box<dyn FnOnce(&mut Owner, Moment) + Send>;

/// What a hosted job is made of.
#[derive(Debug)]
pub struct Setup {
    /// The clock.
    pub clock: Clock,
    /// Which job.
    pub identity: Identity,
    /// As it was submitted.
    pub spec: JobSpec,
    /// When that was, in milliseconds since the epoch.
    pub submitted_at: u64,
    /// Where its own files are.
    pub job_dir: PathBuf,
    /// Where checkpoints go, unless its file names another directory.
    pub checkpoints: PathBuf,
    /// What operators changed.
    pub overrides: OverrideStore,
    /// How it ended, when it did before.
    pub ended: Option<Ended>,
    /// What it starts from until it has a checkpoint of its own.
    pub from_savepoint: Option<FromSavepoint>,
}

/// The owner of one job.
pub(super) struct Owner {
    identity: Arc<Identity>,
    spec: Arc<JobSpec>,
    clock: Clock,
    lifecycle: Lifecycle,
    /// In force while the job runs; afterwards it only ends what is still being written.
    coordinator: Option<Coordinator>,
    /// The id of the next checkpoint by earlier coordinators: the disk may have refused to store it.
    next_id: CheckpointId,
    override_in_force: OverrideInForce,
    storage: Storage,
    /// Shared with views, which are short-lived.
    tracker: Arc<CheckpointTracker>,
    triggers: Triggers,
    sessions: Sessions,
    acknowledged_files: AcknowledgedFiles,
    rehearsal: RehearsalTasks,
    publisher: EventPublisher,
}

impl Owner {
    pub(super) fn new(
        setup: Setup,
        events: broadcast::Sender<api::Event>,
        rehearsal: RehearsalTasks,
    ) -> Self {
        let clock = setup.clock;
        let spec = Arc::new(setup.spec);
        let identity = Arc::new(setup.identity);
        let checkpoints = spec.directory.clone().unwrap_or(setup.checkpoints);
        let key = Key { cluster: identity.cluster.clone(), job: identity.id };
        Self {
            clock,
            lifecycle: Lifecycle::new(setup.submitted_at, setup.ended.as_ref()),
            coordinator: None,
            next_id: CheckpointId::FIRST,
            override_in_force: OverrideInForce::load(setup.overrides, clock, key, Arc::clone(&spec)),
            storage: Storage::new(identity.id, &checkpoints, setup.job_dir, setup.from_savepoint),
            tracker: Arc::new(CheckpointTracker::new(spec.graph())),
            triggers: Triggers::default(),
            sessions: Sessions::new(Arc::clone(&spec)),
            acknowledged_files: AcknowledgedFiles::default(),
            rehearsal,
            publisher: EventPublisher::new(Arc::clone(&identity), events),
            identity,
            spec,
        }
    }

    /// The job's state, and each that follows.
    pub(super) fn subscribe_state(&self) -> watch::Receiver<JobState> {
        self.lifecycle.subscribe()
    }

    /// The sequence number of the newest ended checkpoint, and each that follows.
    pub(super) fn subscribe_ended(&self) -> watch::Receiver<u64> {
        self.tracker.log().subscribe()
    }

    pub(super) async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        self.begin();
        loop {
            let wakeup = self.next_wakeup().map(|moment| self.clock.instant(moment));
            let asleep = async {
                match wakeup {
                    Some(wakeup) => tokio::time::sleep_until(wakeup).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = asleep => self.wake(self.clock.now()),
                Some(event) = self.storage.next_event() => match event {
                    Ok(event) => self.handle_storage(self.clock.now(), event),
                    Err(error) => tracing::error!(job = %self.identity.name, %error, "work on the disk broke off"),
                },
                question = questions.recv() => {
                    let now = self.clock.now();
                    match question {
                        Some(question) => question(&mut self, now),
                        None => return,
                    }
                }
            }
            self.lose_unresponsive(self.clock.now());
        }
    }

    /// Hands an event to the coordinator, if there is one, and performs its actions.
    fn handle(&mut self, now: Moment, event: Event) {
        let actions = match &mut self.coordinator {
            Some(coordinator) => coordinator.handle(now.monotonic, event),
            None => return,
        };
        self.perform(now, actions);
    }

    /// The coordinator, while the job runs.
    fn active_coordinator(&self) -> Option<&Coordinator> {
        self.coordinator.as_ref().filter(|_| self.lifecycle.is_active())
    }
}

/// Asks an owner, which answers between two events.
pub(super) async fn ask<T: Send + 'static>(
    questions: &mpsc::Sender<Question>,
    question: impl FnOnce(&mut Owner, Moment) -> T + Send + 'static,
) -> Result<T, SeamError> {
    let (answer, answered) = oneshot::channel();
    let question: Question = Box::new(move |owner, now| drop(answer.send(question(owner, now))));
    let asked = async {
        questions.send(question).await.map_err(|_| SeamError::Silent)?;
        answered.await.map_err(|_| SeamError::Silent)
    };
    timeout(ANSWER_LIMIT, asked).await.unwrap_or(Err(SeamError::Silent))
}
