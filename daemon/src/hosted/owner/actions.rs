//! The actions of the coordinator, and the facts that it reports.

use super::super::metadata::{Metadata, StoredSubtask};
use super::super::trigger_requests::Made;
use super::Owner;
use crate::checkpoint_log::CheckpointView;
use crate::clock::Moment;
use ckpt_api::Happening;
use ckpt_api::tasks::TaskEvent;
use ckpt_coordinator::{Action, Fact, Kind, RequestToken, Snapshot, TriggerOutcome};
use ckpt_types::ids::{CheckpointId, Subtask};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Owner {
    pub(super) fn perform(&mut self, now: Moment, actions: Vec<Action>) {
        let mut failure = None;
        for action in actions {
            match action {
                Action::Prepare { id, kind } => self.storage.prepare(id, kind),
                Action::TriggerTasks { id, kind } => self.trigger_tasks(now, id, &kind),
                Action::Finalize { id, kind, snapshots } => self.finalize(now, id, kind, snapshots),
                Action::NotifyComplete { id } => {
                    self.sessions.tell(&TaskEvent::Complete { checkpoint_id: id });
                }
                Action::NotifyAborted { id } => self.sessions.tell(&TaskEvent::Abort { checkpoint_id: id }),
                Action::Discard { id, kind, completed } => self.storage.discard(id, kind, completed),
                Action::DiscardSnapshot { id, snapshot } => {
                    self.storage.discard_snapshot(id, snapshot.location);
                }
                Action::Answer { to, outcome } => self.answer(to, &outcome),
                Action::FailJob { reason } => failure = Some(reason),
                Action::Record(fact) => self.record(now, &fact),
            }
        }
        if let Some(reason) = failure {
            self.fail(now, reason);
        }
        self.end_after_savepoint(now);
    }

    fn trigger_tasks(&mut self, now: Moment, id: CheckpointId, kind: &Kind) {
        let event = TaskEvent::Trigger {
            checkpoint_id: id,
            savepoint: kind.is_savepoint(),
            directory: self.storage.directory(id, kind),
            triggered_at: now.wall_millis(),
        };
        self.sessions.tell(&event);
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
        self.storage.finalize(metadata, kind);
    }

    /// Ends a request for a checkpoint, with the cause of its failure if that is known.
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
        self.triggers.end(to, result);
    }

    fn record(&mut self, now: Moment, fact: &Fact) {
        let storage = &self.storage;
        let path = |id, kind: &Kind| format!("file:{}", storage.directory(id, kind).display());
        Arc::make_mut(&mut self.tracker).record(now, fact, path);
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
                let savepoint = progress.is_some_and(|progress| progress.savepoint);
                self.storage.record_completed(*id, savepoint);
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
        self.publisher.publish(now, happening);
    }

    /// Records the timeout in force for the checkpoints that end from now on.
    pub(super) fn record_timeout(&mut self, now: Moment) {
        Arc::make_mut(&mut self.tracker).record_timeout(now, self.override_in_force.effective().timeout());
    }
}
