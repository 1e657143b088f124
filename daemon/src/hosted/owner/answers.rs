//! Answers of an owner about its job.

use super::Owner;
use crate::clock::Moment;
use crate::seam::{HostedView, Observation, Reach};
use ckpt_api::flink;
use ckpt_coordinator::View;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_types::ids::TriggerId;
use std::sync::Arc;

impl Owner {
    pub(in crate::hosted) fn observe(&self, now: Moment) -> Observation {
        let in_force = Some(self.override_in_force.revision());
        match self.active_coordinator() {
            Some(coordinator) => self.observation(now, in_force, &coordinator.view(now.monotonic)),
            None => self.absence(now, self.override_in_force.overridden()),
        }
    }

    /// Why the job does not run, and when it is restarted; and what was wrong when it was restored.
    fn trouble(&self, now: Moment) -> Option<String> {
        let when = self.awaited().or_else(|| self.lifecycle.restart_remark(now.monotonic));
        let damage = self.storage.damage().filter(|_| self.lifecycle.is_active()).cloned();
        let last = self
            .triggers
            .awaits_last_savepoint()
            .then(|| "a savepoint is being made, and the job is cancelled when it has completed".to_owned());
        let trouble = self.lifecycle.trouble().cloned();
        let parts: Vec<_> = trouble.into_iter().chain(when).chain(last).chain(damage).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    pub(super) fn observation(
        &self,
        now: Moment,
        revision_in_force: Option<u64>,
        view: &View,
    ) -> Observation {
        Observation {
            state: self.lifecycle.state(),
            submitted: self.spec.checkpointing.clone(),
            effective: view.effective,
            revision_in_force,
            in_flight: view.in_flight.clone(),
            consecutive_failures: view.consecutive_failures,
            next_trigger: view.next_trigger.map(|next| now.wall_at(next)),
            merged: view.merged,
            queued: 0,
            usual_duration: self.tracker.log().usual_duration(),
            last_completed: self.tracker.log().last_completed(),
            standing: None,
            trouble: self.trouble(now),
            reach: Reach::HOSTED,
            stale: None,
            observed_at: now.wall_millis(),
        }
    }

    /// The observation of a job without a coordinator.
    pub(super) fn absence(&self, now: Moment, overridden: Override) -> Observation {
        let view = View {
            overridden,
            effective: EffectiveConfig::of(&self.spec.checkpointing, &overridden),
            in_flight: Vec::new(),
            consecutive_failures: 0,
            next_trigger: None,
            queued: 0,
            merged: 0,
        };
        self.observation(now, None, &view)
    }

    pub(in crate::hosted) fn view(&self, now: Moment) -> HostedView {
        HostedView {
            identity: Arc::clone(&self.identity),
            spec: Arc::clone(&self.spec),
            timeline: self.lifecycle.timeline(now),
            effective: self.override_in_force.effective(),
            checkpoints: Arc::clone(&self.tracker),
        }
    }

    pub(in crate::hosted) fn checkpoint_trigger(&self, id: TriggerId) -> Option<flink::TriggerStatus> {
        self.triggers.checkpoint_status(id)
    }

    pub(in crate::hosted) fn savepoint_trigger(&self, id: TriggerId) -> Option<flink::SavepointStatus> {
        self.triggers.savepoint_status(id)
    }
}
