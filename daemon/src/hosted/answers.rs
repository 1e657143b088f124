//! What an owner answers: how the job is, and what a change did to it.

use super::life::Stage;
use super::owner::Owner;
use super::report::Life;
use super::triggers::Asked;
use crate::checkpoint_log::CheckpointOutcome;
use crate::clock::Moment;
use crate::seam::{Applied, Observation, Reach, SeamError, Wanted};
use ckpt_api::flink;
use ckpt_api::{Happening, JobState, Outcome};
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_coordinator::{Coordinator, Event, InFlight, InFlightUpdate, Kind, View};
use ckpt_types::duration::{Exact, Rough, millis};
use ckpt_types::ids::{CheckpointId, TriggerId};
use std::cmp::Ordering;

impl Owner {
    pub(super) fn effective(&self) -> EffectiveConfig {
        EffectiveConfig::of(&self.spec.checkpointing, &self.wanted.overridden)
    }

    pub(super) fn life(&self, now: Moment) -> Life {
        Life { now: now.wall_millis(), ..self.history.clone() }
    }

    pub(super) fn observe(&self, now: Moment) -> Observation {
        let in_force = Some(self.wanted.revision);
        match self.in_force() {
            Some(coordinator) => self.observation(now, in_force, &coordinator.view(now.monotonic)),
            None => self.absence(now, self.wanted.overridden),
        }
    }

    /// Why the job does not run, and when it is restarted; and what was wrong when it was restored.
    fn trouble(&self, now: Moment) -> Option<String> {
        let when = self.awaited().or_else(|| match &self.stage {
            Stage::Waiting { until } if *until > now.monotonic => {
                Some(format!("it is restarted in {}", Rough(*until - now.monotonic)))
            }
            _ => None,
        });
        let damage = self.damage.clone().filter(|_| self.in_force().is_some());
        let last = self.last_savepoint.remark();
        let parts: Vec<_> = self.trouble.clone().into_iter().chain(when).chain(last).chain(damage).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The coordinator, while the job runs.
    fn in_force(&self) -> Option<&Coordinator> {
        self.coordinator.as_ref().filter(|_| matches!(self.stage, Stage::Starting | Stage::Running))
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
            queued: 0,
            usual_duration: self.tracker.log().usual_duration(),
            standing: None,
            trouble: self.trouble(now),
            reach: Reach::HOSTED,
            stale: None,
            observed_at: now.wall_millis(),
        }
    }

    /// What there is to see without a coordinator.
    fn absence(&self, now: Moment, overridden: Override) -> Observation {
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

    /// The real thing, done to a copy of the coordinator.
    pub(super) fn preview(
        &mut self,
        now: Moment,
        overridden: Override,
        pull_in: bool,
    ) -> Result<Applied, SeamError> {
        self.refuse_if_ended()?;
        let Some(coordinator) = self.in_force() else {
            let observation = self.absence(now, overridden);
            return Ok(Applied { observation, updates: Vec::new(), ended: Vec::new() });
        };
        let mut copy = coordinator.clone();
        let (updates, _) = copy.update(now.monotonic, overridden, pull_in);
        let observation = self.observation(now, None, &copy.view(now.monotonic));
        Ok(Applied { observation, updates, ended: Vec::new() })
    }

    pub(super) fn apply(
        &mut self,
        now: Moment,
        wanted: Wanted,
        pull_in: bool,
        seen: &[CheckpointId],
    ) -> Result<Applied, SeamError> {
        self.refuse_if_ended()?;
        let before = self.wanted;
        match wanted.revision.cmp(&before.revision) {
            Ordering::Greater => self.wanted = wanted,
            // Its time may be up, though that cannot be stored.
            Ordering::Equal => self.read_override(),
            Ordering::Less => {}
        }
        let changes = self.wanted != before;
        let overridden = self.wanted.overridden;
        let mut updates = Vec::new();
        if let (Stage::Starting | Stage::Running, Some(coordinator)) = (&self.stage, &mut self.coordinator) {
            let (updated, actions) = coordinator.update(now.monotonic, overridden, pull_in);
            updates = updated;
            if changes {
                // What the change lets expire did so with the new timeout.
                self.record_timeout(now);
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
        let interval = effective.interval().map(|interval| Exact(interval).to_string());
        let (job, revision, timeout) =
            (&self.identity.name, self.wanted.revision, Exact(effective.timeout()));
        tracing::info!(job, revision, interval, %timeout, "configuration changed");
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
        gone.filter_map(|id| Some((*id, self.tracker.get(*id)?)))
            .map(|(id, seen)| {
                let completed = seen.outcome.is_some_and(CheckpointOutcome::is_completed);
                let outcome = if completed { Outcome::Completed } else { Outcome::TooLate };
                let checkpoint = InFlight {
                    id,
                    savepoint: seen.progress.savepoint,
                    acknowledged: seen.progress.acknowledged(),
                    subtasks: seen.progress.parallelism(),
                    elapsed: seen.age(now.monotonic),
                    remaining: None,
                };
                (checkpoint, outcome)
            })
            .collect()
    }

    pub(super) fn trigger(
        &mut self,
        now: Moment,
        request: flink::TriggerRequest,
    ) -> Result<TriggerId, SeamError> {
        let id = request.trigger_id.unwrap_or_else(|| TriggerId::from_bits(rand::random()));
        if self.triggers.knows(Asked::Checkpoint, id) {
            return Ok(id);
        }
        self.refuse_if_ended()?;
        if !matches!(self.stage, Stage::Running) {
            return Err(SeamError::NotNow { state: self.history.state });
        }
        if let Some(answer_to) = self.triggers.begin(Asked::Checkpoint, id) {
            self.handle(now, Event::Trigger { kind: Kind::Checkpoint, answer_to });
        }
        Ok(id)
    }

    pub(super) fn refuse_if_ended(&self) -> Result<(), SeamError> {
        let state = self.history.state;
        match &self.stage {
            _ if state.has_ended() || state == JobState::Cancelling => Err(SeamError::Ended { state }),
            Stage::Ending { ended, .. } => Err(SeamError::Ended { state: ended.state }),
            _ => Ok(()),
        }
    }
}
