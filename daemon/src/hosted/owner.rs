//! The one task that owns a hosted job. Everything else sends it questions, so each of them, a change
//! of both values included, is one step that nothing comes between.

use super::disk::Disk;
use super::door::TaskDoor;
use super::files::CheckpointFiles;
use super::job::{Question, Setup};
use super::life::{Done, Stage};
use super::metadata::{Metadata, StoredSubtask};
use super::report::Life;
use super::reports::Locations;
use super::restore::FromSavepoint;
use super::savepoints::LastSavepoint;
use super::sessions::Sessions;
use super::tracker::{CheckpointTracker, CheckpointView};
use super::triggers::{Made, Triggers};
use crate::clock::{Clock, Moment};
use crate::job_file::JobSpec;
use crate::overrides::{Key, OverrideStore};
use crate::seam::{Identity, Wanted};
use ckpt_api::tasks::TaskEvent;
use ckpt_api::{self as api, Happening, JobState};
use ckpt_coordinator::{Action, Coordinator, Event, Fact, Kind, RequestToken, Snapshot, TriggerOutcome};
use ckpt_types::ids::{CheckpointId, SessionId, Subtask};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How much of the owner's own work may wait for the disk.
const MOST_WORK: usize = 16;
/// The longest wait for the disk, before a checkpoint's part on it counts as failed.
const DISK_LIMIT: Duration = Duration::from_secs(60);

/// The owner's own things. How it starts, restarts and ends the job is in [`super::life`], what it
/// answers in [`super::answers`].
pub(super) struct Owner {
    pub(super) identity: Identity,
    pub(super) spec: Arc<JobSpec>,
    pub(super) clock: Clock,
    pub(super) files: CheckpointFiles,
    pub(super) job_dir: PathBuf,
    pub(super) overrides: OverrideStore,
    pub(super) wanted: Wanted,
    /// Why the job does not run, while it does not.
    pub(super) trouble: Option<String>,
    pub(super) stage: Stage,
    /// In force while the job runs; afterwards it only sees to what is still being written.
    pub(super) coordinator: Option<Coordinator>,
    pub(super) history: Life,
    pub(super) tracker: CheckpointTracker,
    pub(super) triggers: Triggers,
    pub(super) last_savepoint: LastSavepoint,
    /// The number of the next checkpoint, as far as earlier coordinators know: the disk may have refused to
    /// note one that was taken.
    pub(super) next_id: CheckpointId,
    /// What the job starts from until it has a checkpoint of its own.
    pub(super) from_savepoint: Option<FromSavepoint>,
    /// A newer checkpoint than the one that the job was restored from, and why it was not; until the next
    /// one completes.
    pub(super) damage: Option<String>,
    disk: Disk,
    /// What is done on other threads, because it may block.
    pub(super) work: JoinSet<Done>,
    pub(super) sessions: Sessions,
    /// What the subtasks have stored for each checkpoint in flight.
    pub(super) locations: Locations,
    /// Those who do not read what they are told, until they are lost.
    pub(super) deaf: Vec<SessionId>,
    pub(super) door: TaskDoor,
    /// The tasks of a rehearsal; they end with the job's owner.
    pub(super) rehearsal: JoinSet<()>,
    events: broadcast::Sender<api::Event>,
    pub(super) published: watch::Sender<JobState>,
}

impl Owner {
    pub(super) fn new(setup: Setup, events: broadcast::Sender<api::Event>, door: TaskDoor) -> Self {
        let spec = Arc::new(setup.spec);
        let checkpoints = spec.directory.clone().unwrap_or(setup.checkpoints);
        let history = Life::new(setup.submitted_at, setup.ended.as_ref());
        let mut owner = Self {
            published: watch::Sender::new(history.state),
            files: CheckpointFiles::new(setup.identity.id, &checkpoints, &setup.job_dir),
            clock: Clock::start(),
            job_dir: setup.job_dir,
            wanted: Wanted::default(),
            trouble: None,
            stage: Stage::new(setup.ended.as_ref()),
            coordinator: None,
            history,
            tracker: CheckpointTracker::new(spec.graph()),
            triggers: Triggers::default(),
            last_savepoint: LastSavepoint::default(),
            next_id: CheckpointId::FIRST,
            from_savepoint: setup.from_savepoint,
            damage: None,
            disk: Disk::new(MOST_WORK),
            work: JoinSet::new(),
            sessions: Sessions::new(Arc::clone(&spec)),
            locations: Locations::new(),
            deaf: Vec::new(),
            door,
            rehearsal: JoinSet::new(),
            events,
            identity: setup.identity,
            spec,
            overrides: setup.overrides,
        };
        owner.read_override();
        owner
    }

    /// Takes the override that is on disk; whoever builds a coordinator does this first.
    pub(super) fn read_override(&mut self) {
        if let Some(record) = self.overrides.record(&self.key())
            && record.revision >= self.wanted.revision
            && let Ok(overridden) = record.overridden()
        {
            self.wanted = Wanted { overridden, revision: record.revision };
        }
    }

    pub(super) fn key(&self) -> Key {
        Key { cluster: self.identity.cluster.clone(), job: self.identity.id }
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
                Some(done) = self.work.join_next() => match done {
                    Ok(done) => self.work_done(self.clock.now(), done),
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
            self.settle(self.clock.now());
        }
    }

    /// Hands an event to the coordinator, if there is one, and does what it says.
    pub(super) fn handle(&mut self, now: Moment, event: Event) {
        let actions = match &mut self.coordinator {
            Some(coordinator) => coordinator.handle(now.monotonic, event),
            None => return,
        };
        self.perform(now, actions);
    }

    pub(super) fn perform(&mut self, now: Moment, actions: Vec<Action>) {
        let mut failure = None;
        for action in actions {
            match action {
                Action::Prepare { id, kind } => {
                    let files = self.files.clone();
                    self.on_disk(
                        move || files.prepare(id, &kind),
                        move |result| Done::Prepared { id, result },
                    );
                }
                Action::TriggerTasks { id, kind } => self.trigger_tasks(now, id, &kind),
                Action::Finalize { id, kind, snapshots } => self.finalize(now, id, kind, snapshots),
                Action::NotifyComplete { id } => {
                    self.tell_tasks(&TaskEvent::Complete { checkpoint_id: id });
                }
                Action::NotifyAborted { id } => self.tell_tasks(&TaskEvent::Abort { checkpoint_id: id }),
                Action::Discard { id, kind, completed } => {
                    let files = self.files.clone();
                    self.on_disk(
                        move || files.discard(id, &kind),
                        move |result| Done::Discarded { completed: completed.then_some(id), result },
                    );
                }
                Action::DiscardSnapshot { id, snapshot } => {
                    let files = self.files.clone();
                    self.on_disk(
                        move || files.discard_snapshot(id, &snapshot.location),
                        |result| Done::Discarded { completed: None, result },
                    );
                }
                Action::Answer { to, outcome } => self.answer(to, &outcome),
                Action::FailJob { reason } => failure = Some(reason),
                Action::Record(fact) => self.record(now, &fact),
            }
        }
        if let Some(reason) = failure {
            self.fail(now, reason);
        }
        self.after_last_savepoint(now);
    }

    /// Does something that may block elsewhere, and waits for it no longer than [`DISK_LIMIT`].
    pub(super) fn on_disk<T: Send + 'static>(
        &mut self,
        what: impl FnOnce() -> io::Result<T> + Send + 'static,
        done: impl FnOnce(Result<T, String>) -> Done + Send + 'static,
    ) {
        let disk = self.disk.clone();
        self.work.spawn(async move {
            done(match timeout(DISK_LIMIT, disk.run(what)).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(_) => Err(format!("the disk did not answer within {} s", DISK_LIMIT.as_secs())),
            })
        });
    }

    fn trigger_tasks(&mut self, now: Moment, id: CheckpointId, kind: &Kind) {
        let event = TaskEvent::Trigger {
            checkpoint_id: id,
            savepoint: kind.is_savepoint(),
            directory: self.files.directory(id, kind),
            triggered_at: now.wall_millis(),
        };
        self.tell_tasks(&event);
    }

    fn finalize(
        &mut self,
        now: Moment,
        id: CheckpointId,
        kind: Kind,
        snapshots: BTreeMap<Subtask, Snapshot>,
    ) {
        let mut metadata = Metadata::new(self.identity.id, &self.identity.name, id);
        metadata.savepoint = kind.is_savepoint();
        metadata.triggered_at =
            self.tracker.get(id).map_or(now.wall_millis(), |seen| seen.progress.triggered_at);
        metadata.completed_at = now.wall_millis();
        metadata.subtasks = snapshots
            .into_iter()
            .map(|(subtask, snapshot)| StoredSubtask {
                vertex: subtask.vertex,
                vertex_name: self.spec.vertex_name(subtask.vertex).to_owned(),
                index: subtask.index,
                location: snapshot.location,
                bytes: snapshot.bytes,
            })
            .collect();
        let files = self.files.clone();
        self.on_disk(move || files.finalize(&metadata, &kind), move |result| Done::Finalized { id, result });
    }

    /// Tells whoever asked for a checkpoint how it ended, with the cause that the statistics have.
    fn answer(&mut self, to: RequestToken, outcome: &TriggerOutcome) {
        let result = match outcome {
            TriggerOutcome::Completed(id) => {
                let location =
                    self.tracker.get(*id).and_then(|seen| seen.progress.path.clone()).unwrap_or_default();
                Ok(Made { id: *id, location })
            }
            TriggerOutcome::Failed { id, reason } => {
                let seen = id.and_then(|id| self.tracker.get(id));
                let message = seen.as_ref().and_then(CheckpointView::failure_message);
                Err(message.map_or_else(|| reason.to_string(), str::to_owned))
            }
        };
        self.last_savepoint.note(to, result.is_ok());
        self.triggers.end(to, result);
    }

    fn record(&mut self, now: Moment, fact: &Fact) {
        let files = &self.files;
        let path = |id, kind: &Kind| format!("file:{}", files.directory(id, kind).display());
        self.tracker.record(now, fact, path);
        if matches!(fact, Fact::Created { .. }) {
            self.record_timeout(now);
        }
        let job = &self.identity.name;
        let happening = match fact {
            Fact::Created { id, kind } => Happening::Triggered { id: *id, savepoint: kind.is_savepoint() },
            Fact::Acknowledged { id, .. } => {
                let Some(CheckpointView { progress, .. }) = self.tracker.get(*id) else { return };
                Happening::Acknowledged {
                    id: *id,
                    acknowledged: u32::try_from(progress.acknowledged()).unwrap_or(u32::MAX),
                    subtasks: u32::try_from(progress.parallelism()).unwrap_or(u32::MAX),
                }
            }
            Fact::Completed { id } => {
                let progress = self.tracker.get(*id).map(|seen| seen.progress);
                let duration = progress.and_then(|progress| progress.duration).unwrap_or(0);
                match progress.is_some_and(|progress| progress.savepoint) {
                    true => self.files.places.hand_over(*id),
                    false => self.damage = None,
                }
                tracing::info!(job, checkpoint = %id, duration, "checkpoint completed");
                Happening::Completed { id: *id, duration }
            }
            Fact::Failed { id, reason, .. } => {
                let seen = self.tracker.get(*id);
                let message = seen.as_ref().and_then(CheckpointView::failure_message);
                let message = message.map_or_else(|| reason.to_string(), str::to_owned);
                tracing::warn!(job, checkpoint = %id, reason = reason.name(), message, "checkpoint failed");
                Happening::Failed { id: Some(*id), reason: reason.name().to_owned(), message }
            }
            Fact::FailedWithoutId { reason } => {
                Happening::Failed { id: None, reason: reason.name().to_owned(), message: reason.to_string() }
            }
            Fact::Merged { so_far } => Happening::Merged { merged: *so_far },
            Fact::AcknowledgedLate { .. } | Fact::Discarded { .. } => return,
        };
        self.tell_readers(now, happening);
    }

    /// Records the timeout in force for the checkpoints that end from now on.
    pub(super) fn record_timeout(&mut self, now: Moment) {
        self.tracker.record_timeout(now, self.effective().timeout());
    }

    /// Pushes an event to whoever reads them; nobody has to.
    pub(super) fn tell_readers(&self, now: Moment, what: Happening) {
        let event = api::Event {
            schema: api::SCHEMA.to_owned(),
            cluster: self.identity.cluster.clone(),
            job_id: self.identity.id,
            at: now.wall_millis(),
            what,
        };
        drop(self.events.send(event));
    }
}
