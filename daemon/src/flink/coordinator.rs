//! A Flink job behind the seam: what ckptd asks of any coordinator, put to Flink's REST API and to the agent.

use super::apply::{By, signed};
use super::job::FlinkJob;
use super::rest;
use super::sight;
use super::ways::Way;
use crate::anatomy::{Anatomy, Depth};
use crate::clock::wall_millis;
use crate::seam::{
    Applied, Changing, Glance, Identity, JobCoordinator, LogTail, Observation, Past, SeamError, Wanted,
};
use async_trait::async_trait;
use ckpt_api::flink::{self, NO_INTERVAL};
use ckpt_api::{self as api, JobState, OverrideState, OverrideStatus};
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_types::ids::{CheckpointId, JobId, TriggerId, VertexId};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// How long looking through the agent is given up after it failed.
const BLIND: Duration = Duration::from_secs(30);

#[async_trait]
impl JobCoordinator for FlinkJob {
    fn identity(&self) -> &Identity {
        &self.0.identity
    }

    fn last_state(&self) -> JobState {
        self.state()
    }

    fn is_there(&self) -> bool {
        !self.known().missing
    }

    async fn settle(&self) {
        if self.known().missing {
            self.link().first_answer().await;
        }
    }

    fn last_seen(&self) -> u64 {
        self.link().health().observed_at.unwrap_or_else(wall_millis)
    }

    async fn observe(&self) -> Result<Observation, SeamError> {
        if self.sees_with_agent()
            && self.link().pause().is_none()
            && self.obstacle().is_none()
            && !self.last_state().has_ended()
        {
            if self.known().wants_rest(self.now()) {
                // For what the agent does not tell; without it the agent's word is enough.
                drop(self.ask_rest().await);
            }
            if self.now() >= self.known().blind_until {
                match self.look_inside().await {
                    Ok(observation) => return Ok(observation),
                    Err(error) => {
                        tracing::debug!(job = %self.id(), %error, "the agent does not see; REST has to do");
                        let briefly = matches!(error, SeamError::NotNow { .. });
                        self.known().blind_until = self.now() + if briefly { BLIND / 10 } else { BLIND };
                    }
                }
            }
        }
        self.look().await
    }

    async fn glance(&self) -> Result<Glance, SeamError> {
        self.last_glance()
    }

    async fn prepare(&self, pull_in: bool, dry_run: bool) -> Result<Observation, SeamError> {
        let state = self.last_state();
        if state.has_ended() {
            return Err(SeamError::Ended { state });
        }
        match self.link().ways.choose(self.link(), Some(self.id())).await {
            // A cluster that does not answer has no process behind its address either.
            Way::None(why) => Err(self.obstacle().map_or(SeamError::NoWay(why), SeamError::Unreachable)),
            Way::Native if pull_in => Err(SeamError::NoWay(
                "its cluster's own FLIP-571 has no way to bring a trigger forward; leave --now (pullIn) out"
                    .to_owned(),
            )),
            Way::Attach(_) if !dry_run || self.sees_with_agent() => {
                if self.known().rest.is_none() && self.obstacle().is_none() {
                    // What else it was submitted with; a change goes on without.
                    drop(self.ask_rest().await);
                }
                match self.look_inside().await {
                    // What is stored is applied when the coordinator is there.
                    Err(SeamError::NotNow { .. }) => {
                        self.refuse_if_ended().await?;
                        let observation = self.look().await?;
                        Ok(Observation { revision_in_force: None, ..observation })
                    }
                    looked => looked,
                }
            }
            Way::Native | Way::Attach(_) => match self.look().await? {
                Observation { stale: Some(why), .. } => Err(SeamError::Unreachable(why)),
                fresh => Ok(fresh),
            },
        }
    }

    async fn preview(&self, overridden: Override, pull_in: bool) -> Result<Applied, SeamError> {
        let mut observation = self.prepare(pull_in, true).await?;
        observation.effective = EffectiveConfig::of(&observation.submitted, &overridden);
        let updates = sight::foreseen(&observation.in_flight, observation.effective.timeout());
        Ok(Applied { observation, updates, ended: Vec::new() })
    }

    async fn apply(
        &self,
        _wanted: Wanted,
        pull_in: bool,
        seen: Vec<CheckpointId>,
    ) -> Result<Applied, SeamError> {
        // What is stored is at least as new as what was asked for.
        let applied = self.put_in_force(By::Operator { pull_in }, seen).await;
        self.known().keeping.starts_over();
        match &applied {
            // Otherwise the next look tells what came of it.
            Ok(applied) if !applied.observation.holds() => {}
            Ok(_) => drop(self.was_put_in_force()),
            Err(error) => {
                self.known().keeping.failed(self.link().clock.now(), error);
                if error.override_state() == OverrideState::Waiting {
                    self.link().reconcile_now.notify_one();
                }
            }
        }
        applied
    }

    async fn trigger(&self, request: flink::TriggerRequest) -> Result<TriggerId, SeamError> {
        let id = self.id().to_string();
        let answer = self.link().client().trigger(&id, &request).await;
        answer.map(|answer| answer.value.request_id).map_err(|error| self.link().refused(&error))
    }

    async fn trigger_status(&self, id: TriggerId) -> Result<Option<flink::TriggerStatus>, SeamError> {
        self.read(&format!("/checkpoints/{id}")).await
    }

    async fn savepoint(&self, request: flink::SavepointRequest) -> Result<TriggerId, SeamError> {
        let id = self.id().to_string();
        match self.link().client().savepoint(&id, &request).await {
            Ok(answer) => Ok(answer.value.request_id),
            Err(error) if error.status().is_some_and(|status| status.as_u16() == 400) => {
                Err(SeamError::Mistake(format!("cluster {}: {error}", self.link().name())))
            }
            Err(error) => Err(self.link().refused(&error)),
        }
    }

    async fn savepoint_status(&self, id: TriggerId) -> Result<Option<flink::SavepointStatus>, SeamError> {
        self.read(&format!("/savepoints/{id}")).await
    }

    async fn cancel(&self) -> Result<(), SeamError> {
        let id = self.id().to_string();
        self.link().client().cancel(&id).await.map(drop).map_err(|error| self.link().refused(&error))
    }

    async fn overview(&self) -> Result<flink::JobOverview, SeamError> {
        Ok(self.known().overview.clone())
    }

    async fn details(&self) -> Result<flink::JobDetails, SeamError> {
        self.must_read("").await
    }

    async fn checkpoints(&self) -> Result<flink::CheckpointStatistics, SeamError> {
        self.must_read("/checkpoints").await
    }

    fn subscribe_ended(&self) -> watch::Receiver<u64> {
        self.known().history.subscribe()
    }

    async fn ended_after(&self, sequence: u64) -> Result<LogTail, SeamError> {
        Ok(self.known().history.after(sequence))
    }

    async fn history(&self) -> Result<Past, SeamError> {
        // What is remembered is told also when its cluster does not answer.
        if self.obstacle().is_none() && !self.state().has_ended() && self.known().wants_rest(self.now()) {
            drop(self.ask_rest().await);
        }
        let known = self.known();
        match &known.rest {
            Some(rest) => Ok(Past { checkpoints: known.history.all(), observed_at: rest.at_wall }),
            None => {
                drop(known);
                let why = self.obstacle().unwrap_or_else(|| {
                    format!("cluster {} has not told of this job's checkpoints yet", self.link().name())
                });
                Err(SeamError::Unreachable(why))
            }
        }
    }

    async fn checkpoint_config(&self) -> Result<flink::CheckpointConfig, SeamError> {
        self.ask_rest().await.map_err(|error| self.link().refused(&error))?;
        let base = self.base(wall_millis());
        let in_force = self.known().in_force(&base.submitted).ok_or(SeamError::Silent)?;
        let shown = self.known().rest.as_ref().map(|rest| rest.config.clone()).ok_or(SeamError::Silent)?;
        Ok(flink::CheckpointConfig {
            interval: in_force.interval().map_or(NO_INTERVAL, signed),
            timeout: signed(in_force.timeout()),
            ..shown
        })
    }

    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<flink::Checkpoint>, SeamError> {
        let found = rest::checkpoint(self.link().client(), self.id(), id).await;
        found.map_err(|error| self.link().refused(&error))
    }

    async fn subtasks(
        &self,
        id: CheckpointId,
        vertex: VertexId,
    ) -> Result<Option<Option<flink::TaskCheckpointWithSubtasks>>, SeamError> {
        let known = rest::remembered(self.link().client(), self.id(), id).await;
        match known.map_err(|error| self.link().refused(&error))? {
            None => Ok(None),
            Some(_) => self.read(&format!("/checkpoints/details/{id}/subtasks/{vertex}")).await.map(Some),
        }
    }

    async fn anatomy(&self, depth: Depth) -> Result<Anatomy, SeamError> {
        self.dissected(depth).await
    }

    fn changing(&self) -> Changing {
        Changing::of(&self.known().changing)
    }

    fn hands_off(&self) -> Option<String> {
        self.link().pause()
    }

    fn standing(&self) -> Option<OverrideStatus> {
        self.base(wall_millis()).kept
    }

    fn left_behind(&self) -> Vec<JobId> {
        let known = self.known();
        if known.missing { Vec::new() } else { known.namesakes.clone() }
    }

    fn events(&self) -> broadcast::Receiver<api::Event> {
        self.0.events.subscribe()
    }
}
