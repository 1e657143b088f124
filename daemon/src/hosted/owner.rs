//! The one task that owns a hosted job. Everything else sends it questions, so each of them, a change
//! of both values included, is one step that nothing comes between.

use super::files::{CheckpointFiles, Metadata, StoredSubtask};
use super::life::{Done, Ended, Stage};
use super::report::{self, Life};
use super::statistics::{Statistics, age};
use super::tasks::{TaskAnswer, TaskReport, ToTask};
use super::triggers::Triggers;
use crate::clock::{Clock, Moment};
use crate::job_file::JobSpec;
use crate::overrides::{Key, OverrideStore};
use crate::seam::{Applied, Identity, JobCoordinator, Observation, SeamError, Wanted};
use async_trait::async_trait;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{Action, Coordinator, Event, Fact, InFlight, InFlightUpdate, Kind, Snapshot, View};
use ckpt_shared::api::{self, Happening, JobState, Outcome};
use ckpt_shared::duration::millis;
use ckpt_shared::flink::{self, CheckpointStatus};
use ckpt_shared::ids::{CheckpointId, Subtask, TriggerId, VertexId};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The most questions that wait for an owner.
const MOST_QUESTIONS: usize = 256;
/// The longest wait for an owner's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The most reports of tasks that wait for an owner; tasks wait when it is full.
const MOST_REPORTS: usize = 1_024;
/// How many events a slow reader may be behind.
const MOST_EVENTS: usize = 1_024;
/// The longest wait for the disk, before a checkpoint's part on it counts as failed.
const DISK_LIMIT: Duration = Duration::from_secs(60);

/// A question to an owner, which it answers between two events.
type Question = Box<dyn FnOnce(&mut Owner, Moment) + Send>;

/// What a hosted job is made of.
#[derive(Debug)]
pub struct Setup {
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
}

/// A job that ckptd hosts. Its owner ends with the last handle.
#[derive(Debug, Clone)]
pub struct HostedJob {
    identity: Arc<Identity>,
    questions: mpsc::Sender<Question>,
    events: broadcast::Sender<api::Event>,
    state: watch::Receiver<JobState>,
}

impl HostedJob {
    /// Starts a job, with the override that is stored for it.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let (questions, asked) = mpsc::channel(MOST_QUESTIONS);
        let (events, _) = broadcast::channel(MOST_EVENTS);
        let identity = Arc::new(setup.identity.clone());
        let owner = Owner::new(setup, events.clone());
        let state = owner.published.subscribe();
        tokio::spawn(owner.run(asked));
        Self { identity, questions, events, state }
    }

    /// The job's state, without asking its owner.
    #[must_use]
    pub fn state(&self) -> JobState {
        *self.state.borrow()
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Owner, Moment) -> T + Send + 'static,
    ) -> Result<T, SeamError> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |owner, now| drop(answer.send(question(owner, now))));
        let asked = async {
            self.questions.send(question).await.map_err(|_| SeamError::Silent)?;
            answered.await.map_err(|_| SeamError::Silent)
        };
        timeout(ANSWER_LIMIT, asked).await.unwrap_or(Err(SeamError::Silent))
    }
}

#[async_trait]
impl JobCoordinator for HostedJob {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn observe(&self) -> Result<Observation, SeamError> {
        self.ask(|owner, now| owner.observe(now)).await
    }

    async fn preview(&self, overridden: Override, pull_in: bool) -> Result<Applied, SeamError> {
        self.ask(move |owner, now| owner.preview(now, overridden, pull_in)).await?
    }

    async fn apply(
        &self,
        wanted: Wanted,
        pull_in: bool,
        seen: Vec<CheckpointId>,
    ) -> Result<Applied, SeamError> {
        self.ask(move |owner, now| owner.apply(now, wanted, pull_in, &seen)).await?
    }

    async fn trigger(&self, request: flink::TriggerRequest) -> Result<TriggerId, SeamError> {
        self.ask(move |owner, now| owner.trigger(now, request)).await?
    }

    async fn trigger_status(&self, id: TriggerId) -> Result<Option<flink::TriggerStatus>, SeamError> {
        self.ask(move |owner, _| owner.triggers.status(id)).await
    }

    async fn cancel(&self) -> Result<(), SeamError> {
        self.ask(|owner, now| owner.cancel(now)).await?
    }

    async fn overview(&self) -> Result<flink::JobOverview, SeamError> {
        self.ask(|owner, now| report::overview(owner.identity.id, &owner.spec, &owner.life(now))).await
    }

    async fn details(&self) -> Result<flink::JobDetails, SeamError> {
        self.ask(|owner, now| report::details(owner.identity.id, &owner.spec, &owner.life(now))).await
    }

    async fn checkpoints(&self) -> Result<flink::CheckpointStatistics, SeamError> {
        self.ask(|owner, _| report::statistics(&owner.statistics)).await
    }

    async fn checkpoint_config(&self) -> Result<flink::CheckpointConfig, SeamError> {
        self.ask(|owner, _| report::checkpoint_config(&owner.spec.checkpointing, &owner.effective())).await
    }

    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<flink::Checkpoint>, SeamError> {
        self.ask(move |owner, _| owner.statistics.get(id).map(|seen| report::checkpoint(seen, true))).await
    }

    async fn subtasks(
        &self,
        id: CheckpointId,
        vertex: VertexId,
    ) -> Result<Option<Option<flink::TaskCheckpointWithSubtasks>>, SeamError> {
        self.ask(move |owner, _| owner.statistics.get(id).map(|seen| report::subtasks(seen, vertex))).await
    }

    fn events(&self) -> broadcast::Receiver<api::Event> {
        self.events.subscribe()
    }
}

/// The owner's own things. How it starts, restarts and ends the job is in [`super::life`].
pub(super) struct Owner {
    pub(super) identity: Identity,
    pub(super) spec: Arc<JobSpec>,
    pub(super) clock: Clock,
    pub(super) files: CheckpointFiles,
    pub(super) job_dir: PathBuf,
    pub(super) overrides: OverrideStore,
    pub(super) wanted: Wanted,
    pub(super) stage: Stage,
    pub(super) history: Life,
    pub(super) statistics: Statistics,
    pub(super) triggers: Triggers,
    /// What is done on other threads, because it may block.
    pub(super) work: JoinSet<Done>,
    pub(super) reports: mpsc::Sender<TaskReport>,
    reported: mpsc::Receiver<TaskReport>,
    events: broadcast::Sender<api::Event>,
    pub(super) published: watch::Sender<JobState>,
}

impl Owner {
    fn new(setup: Setup, events: broadcast::Sender<api::Event>) -> Self {
        let checkpoints = setup.spec.directory.clone().unwrap_or(setup.checkpoints);
        let (reports, reported) = mpsc::channel(MOST_REPORTS);
        let vertices = setup.spec.vertices.iter().map(|vertex| (vertex.id, vertex.parallelism)).collect();
        let history = Life::new(setup.submitted_at, setup.ended.as_ref());
        let mut owner = Self {
            published: watch::Sender::new(history.state),
            files: CheckpointFiles::new(setup.identity.id, &checkpoints, &setup.job_dir),
            clock: Clock::start(),
            job_dir: setup.job_dir,
            wanted: Wanted::default(),
            stage: Stage::new(setup.ended.as_ref()),
            history,
            statistics: Statistics::new(vertices),
            triggers: Triggers::default(),
            work: JoinSet::new(),
            reports,
            reported,
            events,
            identity: setup.identity,
            spec: Arc::new(setup.spec),
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

    async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
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
                Some(report) = self.reported.recv() => self.take_report(self.clock.now(), report),
                question = questions.recv() => {
                    let now = self.clock.now();
                    match question {
                        Some(question) => question(&mut self, now),
                        None => return,
                    }
                }
            }
        }
    }

    /// Hands an event to the coordinator, if there is one, and does what it says.
    pub(super) fn handle(&mut self, now: Moment, event: Event) {
        let actions = match self.stage.coordinator() {
            Some(coordinator) => coordinator.handle(now.monotonic, event),
            None => return,
        };
        self.perform(now, actions);
    }

    fn take_report(&mut self, now: Moment, report: TaskReport) {
        let TaskReport { subtask, checkpoint: id, answer } = report;
        let job = self.identity.id;
        self.handle(
            now,
            match answer {
                TaskAnswer::Acknowledge(snapshot) => Event::Acknowledge { job, id, subtask, snapshot },
                TaskAnswer::Decline { reason, detail } => Event::Decline { job, id, subtask, reason, detail },
            },
        );
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
                Action::NotifyComplete { id } => drop(self.stage.tell(&ToTask::Complete { checkpoint: id })),
                Action::NotifyAborted { id } => drop(self.stage.tell(&ToTask::Abort { checkpoint: id })),
                Action::Discard { id, kind, completed } => {
                    let files = self.files.clone();
                    self.on_disk(
                        move || files.discard(id, &kind),
                        move |result| Done::Discarded { id, completed, result },
                    );
                }
                Action::DiscardSnapshot { id, snapshot } => {
                    let files = self.files.clone();
                    self.on_disk(
                        move || files.discard_snapshot(id, &snapshot.location),
                        move |result| Done::Discarded { id, completed: false, result },
                    );
                }
                Action::Answer { to, outcome } => self.triggers.end(to, outcome),
                Action::FailJob { reason } => failure = Some(reason),
                Action::Record(fact) => self.record(now, &fact),
            }
        }
        if let Some(reason) = failure {
            self.fail(now, reason);
        }
    }

    /// Does something that may block elsewhere, and waits for it no longer than [`DISK_LIMIT`].
    pub(super) fn on_disk<T: Send + 'static>(
        &mut self,
        what: impl FnOnce() -> io::Result<T> + Send + 'static,
        done: impl FnOnce(Result<T, String>) -> Done + Send + 'static,
    ) {
        self.work.spawn(async move {
            let blocking = tokio::task::spawn_blocking(what);
            done(match timeout(DISK_LIMIT, blocking).await {
                Ok(Ok(result)) => result.map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("the disk did not answer within {} s", DISK_LIMIT.as_secs())),
            })
        });
    }

    fn trigger_tasks(&mut self, now: Moment, id: CheckpointId, kind: &Kind) {
        let directory = self.files.directory(id, kind);
        let sent = self.clock.instant(now.monotonic);
        for subtask in self.stage.tell(&ToTask::Trigger { checkpoint: id, directory, sent }) {
            let (job, reason) = (self.identity.id, FailureReason::CheckpointDeclinedTaskNotReady);
            let detail = "the task does not read what it is told".to_owned();
            self.handle(now, Event::Decline { job, id, subtask, reason, detail });
        }
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
            self.statistics.get(id).map_or(now.wall_millis(), |seen| seen.triggered.wall_millis());
        metadata.completed_at = now.wall_millis();
        metadata.subtasks = snapshots
            .into_iter()
            .map(|(subtask, snapshot)| StoredSubtask {
                vertex: subtask.vertex,
                vertex_name: self.vertex_name(subtask.vertex),
                index: subtask.index,
                location: snapshot.location,
                bytes: snapshot.bytes,
            })
            .collect();
        let files = self.files.clone();
        self.on_disk(move || files.finalize(&metadata, &kind), move |result| Done::Finalized { id, result });
    }

    fn vertex_name(&self, vertex: VertexId) -> String {
        let found = self.spec.vertices.iter().find(|known| known.id == vertex);
        found.map_or_else(String::new, |vertex| vertex.name.clone())
    }

    fn record(&mut self, now: Moment, fact: &Fact) {
        let files = &self.files;
        let path = |id, kind: &Kind| format!("file:{}", files.directory(id, kind).display());
        self.statistics.record(now, fact, path);
        let job = &self.identity.name;
        let happening = match fact {
            Fact::Created { id, kind } => Happening::Triggered { id: *id, savepoint: kind.is_savepoint() },
            Fact::Acknowledged { id, .. } => {
                let Some(seen) = self.statistics.get(*id) else { return };
                Happening::Acknowledged {
                    id: *id,
                    acknowledged: seen.acknowledged(),
                    subtasks: seen.subtasks(),
                }
            }
            Fact::Completed { id } => {
                let duration = self.statistics.get(*id).and_then(|seen| seen.duration).unwrap_or(0);
                tracing::info!(job, checkpoint = %id, duration, "checkpoint completed");
                Happening::Completed { id: *id, duration }
            }
            Fact::Failed { id, reason, .. } => {
                let failure = self.statistics.get(*id).and_then(|seen| seen.failure.as_ref());
                let message = failure.map_or_else(|| reason.to_string(), |failure| failure.message.clone());
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

    /// Pushes an event to whoever reads them; nobody has to.
    pub(super) fn tell_readers(&self, now: Moment, what: Happening) {
        let event = api::Event {
            schema: api::SCHEMA.to_owned(),
            job_id: self.identity.id,
            at: now.wall_millis(),
            what,
        };
        drop(self.events.send(event));
    }

    fn effective(&self) -> EffectiveConfig {
        EffectiveConfig::of(&self.spec.checkpointing, &self.wanted.overridden)
    }

    fn life(&self, now: Moment) -> Life {
        Life { now: now.wall_millis(), ..self.history.clone() }
    }

    fn observe(&self, now: Moment) -> Observation {
        let in_force = Some(self.wanted.revision);
        match &self.stage {
            Stage::Running { coordinator, .. } => {
                self.observation(now, in_force, &coordinator.view(now.monotonic))
            }
            _ => self.absence(now, &self.wanted.overridden),
        }
    }

    fn observation(&self, now: Moment, revision_in_force: Option<u64>, view: &View) -> Observation {
        Observation {
            state: self.history.state,
            submitted: self.spec.checkpointing.clone(),
            effective: view.effective,
            revision_in_force,
            in_flight: view.in_flight.clone(),
            consecutive_failures: view.consecutive_failures,
            next_trigger: view.next_trigger.map(|next| now.wall_at(next)),
            merged: view.merged,
            observed_at: now.wall_millis(),
        }
    }

    /// What there is to see without a coordinator.
    fn absence(&self, now: Moment, overridden: &Override) -> Observation {
        Observation {
            state: self.history.state,
            submitted: self.spec.checkpointing.clone(),
            effective: EffectiveConfig::of(&self.spec.checkpointing, overridden),
            revision_in_force: None,
            in_flight: Vec::new(),
            consecutive_failures: 0,
            next_trigger: None,
            merged: 0,
            observed_at: now.wall_millis(),
        }
    }

    /// The real thing, done to a copy of the coordinator.
    fn preview(&mut self, now: Moment, overridden: Override, pull_in: bool) -> Result<Applied, SeamError> {
        self.refuse_if_ended()?;
        let Stage::Running { coordinator, .. } = &self.stage else {
            let observation = self.absence(now, &overridden);
            return Ok(Applied { observation, updates: Vec::new(), ended: Vec::new() });
        };
        let mut copy: Coordinator = Coordinator::clone(coordinator);
        let (updates, _) = copy.update(now.monotonic, overridden, pull_in);
        let observation = self.observation(now, None, &copy.view(now.monotonic));
        Ok(Applied { observation, updates, ended: Vec::new() })
    }

    fn apply(
        &mut self,
        now: Moment,
        wanted: Wanted,
        pull_in: bool,
        seen: &[CheckpointId],
    ) -> Result<Applied, SeamError> {
        self.refuse_if_ended()?;
        let changes = wanted.revision > self.wanted.revision;
        if changes {
            self.wanted = wanted;
        }
        let overridden = self.wanted.overridden;
        let mut updates = Vec::new();
        if let Stage::Running { coordinator, .. } = &mut self.stage {
            let (updated, actions) = coordinator.update(now.monotonic, overridden, pull_in);
            updates = updated;
            if changes {
                self.configured(now);
            }
            self.perform(now, actions);
        }
        let ended = self.ended_meanwhile(now, seen, &updates);
        Ok(Applied { observation: self.observe(now), updates, ended })
    }

    fn configured(&self, now: Moment) {
        let effective = self.effective();
        let happening = Happening::Configured {
            revision: self.wanted.revision,
            checkpoint_interval: effective.interval().map(millis),
            checkpoint_timeout: millis(effective.timeout()),
        };
        tracing::info!(job = %self.identity.name, revision = self.wanted.revision, interval = ?effective.interval(), timeout = ?effective.timeout(), "configuration changed");
        self.tell_readers(now, happening);
    }

    /// What became of the checkpoints that were in flight when a change was asked for, and were not any
    /// more when it was applied.
    fn ended_meanwhile(
        &self,
        now: Moment,
        seen: &[CheckpointId],
        updates: &[InFlightUpdate],
    ) -> Vec<(InFlight, Outcome)> {
        let gone = seen.iter().filter(|id| !updates.iter().any(|update| update.checkpoint.id == **id));
        gone.filter_map(|id| self.statistics.get(*id))
            .map(|seen| {
                let completed = seen.status == CheckpointStatus::Completed;
                let outcome = if completed { Outcome::Completed } else { Outcome::TooLate };
                let checkpoint = InFlight {
                    id: seen.id,
                    savepoint: seen.kind.is_savepoint(),
                    acknowledged: usize::try_from(seen.acknowledged()).unwrap_or(usize::MAX),
                    subtasks: usize::try_from(seen.subtasks()).unwrap_or(usize::MAX),
                    elapsed: age(seen, now.monotonic),
                    remaining: None,
                };
                (checkpoint, outcome)
            })
            .collect()
    }

    fn trigger(&mut self, now: Moment, request: flink::TriggerRequest) -> Result<TriggerId, SeamError> {
        self.refuse_if_ended()?;
        if !matches!(self.stage, Stage::Running { .. }) {
            return Err(SeamError::NotNow { state: self.history.state });
        }
        let id = request.trigger_id.unwrap_or_else(|| TriggerId::from_bits(rand::random()));
        if let Some(answer_to) = self.triggers.begin(id) {
            self.handle(now, Event::Trigger { kind: Kind::Checkpoint, answer_to });
        }
        Ok(id)
    }

    pub(super) fn refuse_if_ended(&self) -> Result<(), SeamError> {
        let state = self.history.state;
        match state.has_ended() || state == JobState::Cancelling {
            true => Err(SeamError::Ended { state }),
            false => Ok(()),
        }
    }

    pub(super) fn ended_file(job_dir: &Path) -> PathBuf {
        job_dir.join("ended.json")
    }
}
