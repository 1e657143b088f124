//! Views of a job, computed from facts alone: for the REST API, metrics, and the decisions of the owner. No I/O here.

use super::facts::{AgentRead, ClusterFacts, JobFacts};
use super::observation;
use super::rest;
use crate::clock::Moment;
use crate::overrides::Record;
use crate::seam::{Observation, Reach, SeamError};
use ckpt_api::{OverrideState, OverrideStatus, Via};
use ckpt_coordinator::config::{EffectiveConfig, SubmittedConfig};
use ckpt_coordinator::{InFlight, Monotonic};
use ckpt_types::duration::Rough;
use ckpt_types::ids::JobId;
use std::time::Duration;

/// Age from which on answers of the REST API are shown as old. Every job is read at least every 10 s.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// One job at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobView<'a> {
    pub(super) cluster_name: &'a str,
    pub(super) url: &'a str,
    pub(super) cluster: &'a ClusterFacts,
    pub(super) job: &'a JobFacts,
    /// The job's own record.
    pub(super) record: Option<&'a Record>,
    /// Record of the first of the job's namesakes.
    pub(super) namesake: Option<&'a Record>,
    pub(super) now: Moment,
}

impl JobView<'_> {
    /// Obstacle to fresh answers, known without asking.
    pub(super) fn obstacle(&self) -> Option<String> {
        let health = &self.cluster.health;
        let silent = || {
            health
                .observed_at
                .is_none()
                .then(|| format!("cluster {} has not answered yet", self.cluster_name))
        };
        let missing = || {
            self.job
                .is_missing
                .then(|| format!("cluster {} does not list this job any more", self.cluster_name))
        };
        health.trouble.clone().or_else(silent).or_else(missing)
    }

    /// The values that should be in force.
    pub(super) fn wanted(&self) -> EffectiveConfig {
        self.wanted_of(&self.job.submitted(self.record))
    }

    /// The status of the override, as far as it is known without asking.
    pub(super) fn status(&self) -> Option<OverrideStatus> {
        self.orphaned().or_else(|| self.job.keeper.status(self.now))
    }

    /// Reason why a lost override would not be applied again.
    pub(super) fn not_kept(&self) -> Option<String> {
        let pause = self.record.and(self.cluster.pause.as_ref())?;
        Some(format!("its override is not applied again if it is lost: {pause}"))
    }

    fn wanted_of(&self, submitted: &SubmittedConfig) -> EffectiveConfig {
        let overridden = self.record.and_then(|record| record.overridden(self.now.wall_millis()).ok());
        EffectiveConfig::of(submitted, &overridden.unwrap_or_default())
    }

    /// The revision that is in force when these values are. Nothing is wanted any more of a job that has ended.
    fn revision(&self, submitted: &SubmittedConfig, in_force: &EffectiveConfig) -> Option<u64> {
        let revision = self.record.map_or(0, |record| record.revision);
        let is_over = self.record.is_none() && self.job.state().has_ended();
        (is_over || *in_force == self.wanted_of(submitted)).then_some(revision)
    }

    /// True if its keeper looked into the JVM and found no coordinator: what Flink's REST API shows meanwhile is what
    /// the last one had.
    fn is_waiting(&self, reach: &Reach, status: Option<&OverrideStatus>) -> bool {
        reach.via == Some(Via::Attach)
            && self.record.is_some()
            && status.is_some_and(|kept| kept.state == OverrideState::Waiting)
    }

    /// Status of its override, now that it was seen whether it is in force.
    fn judged(&self, kept: Option<OverrideStatus>, is_in_force: bool, at: u64) -> Option<OverrideStatus> {
        let now = |state, why| OverrideStatus { state, why, since: Some(at), next_try: None };
        match (self.record, is_in_force) {
            (None, _) => kept,
            (Some(_), true) => {
                let applied = kept.filter(|kept| kept.state == OverrideState::Applied);
                Some(applied.unwrap_or_else(|| now(OverrideState::Applied, None)))
            }
            (Some(_), false) => {
                let lost = kept.filter(|kept| kept.state != OverrideState::Applied);
                let why = "it was just seen not to be in force".to_owned();
                Some(lost.unwrap_or_else(|| now(OverrideState::NotApplied, Some(why))))
            }
        }
    }

    /// The observation that the values in force and the checkpoints in flight make.
    fn observation(
        &self,
        submitted: SubmittedConfig,
        effective: EffectiveConfig,
        in_flight: Vec<InFlight>,
        observed_at: u64,
    ) -> Observation {
        let (reach, status) = (self.cluster.routes.reach(self.url), self.status());
        let is_waiting = self.is_waiting(&reach, status.as_ref());
        let revision_in_force = self.revision(&submitted, &effective).filter(|_| !is_waiting);
        Observation {
            standing: self.judged(status, revision_in_force.is_some(), observed_at),
            revision_in_force,
            state: self.job.state(),
            submitted,
            effective,
            in_flight,
            consecutive_failures: 0,
            next_trigger: None,
            merged: 0,
            queued: 0,
            usual_duration: self.job.log.usual_duration(),
            last_completed: self.job.log.last_completed(),
            trouble: self.not_kept(),
            reach,
            stale: None,
            observed_at,
        }
    }

    /// Status of an override of this name that belongs to another job than the one that runs.
    fn orphaned(&self) -> Option<OverrideStatus> {
        let first = self.job.namesakes.first()?;
        let (name, id): (&str, JobId) = (&self.job.overview.name, self.job.id());
        let now = self.now.wall_millis();
        let why = match (self.job.is_missing, self.namesake) {
            (true, _) => format!(
                "its cluster does not list this job any more, and its name runs under the id {first}; ckptctl adopt \
                 {name} carries the override over, ckptctl reset {id} forgets it"
            ),
            (false, Some(record)) if !self.record.is_some_and(|own| own.is_override(now)) => {
                format!(
                    "an override of an earlier job of this name ({first}, {}) was left behind and does not hold for this \
                     one; ckptctl adopt {name} carries it over",
                    record.in_words(now)
                )
            }
            (false, _) => return None,
        };
        Some(OverrideStatus { state: OverrideState::Orphaned, why: Some(why), since: None, next_try: None })
    }

    /// The observation that the newest answers of the REST API make.
    pub(super) fn through_rest(&self) -> Option<Observation> {
        let rest = self.job.rest.as_ref()?;
        let at = rest.answered.wall_millis();
        let submitted = self.job.submitted(self.record);
        let effective = self.job.in_force(&submitted)?;
        let there = i64::try_from(at).unwrap_or(i64::MAX).saturating_add(self.cluster.health.ahead);
        let in_flight = observation::in_progress(&rest.statistics, effective.timeout(), there);
        Some(Observation {
            consecutive_failures: rest::failures_in_a_row(&rest.statistics),
            ..self.observation(submitted, effective, in_flight, at)
        })
    }

    /// The observation that the newest answer of the agent makes.
    pub(super) fn through_agent(&self) -> Option<Observation> {
        let AgentRead { sight, answered, .. } = self.job.agent.as_ref()?;
        let (submitted, at) = (self.job.submitted(self.record), answered.wall_millis());
        let effective = observation::in_force(&submitted, sight.interval, sight.timeout);
        Some(Observation {
            consecutive_failures: sight.consecutive_failures.unwrap_or(0),
            next_trigger: sight.next_trigger_in.map(|left| at.saturating_add_signed(left.max(0))),
            queued: u64::from(sight.queued),
            ..self.observation(submitted, effective, observation::all_pending(sight), at)
        })
    }

    /// The newest observation, marked as old for the reason `why`.
    ///
    /// # Errors
    /// [`SeamError::Unreachable`] if there was none.
    pub(super) fn stale(&self, why: String) -> Result<Observation, SeamError> {
        let mut observation = self.through_rest().ok_or_else(|| SeamError::Unreachable(why.clone()))?;
        if observation.standing.is_some() {
            // Values that were in force are not known to be so any more, unless the keeper has seen it meanwhile.
            let waits = || OverrideStatus {
                state: OverrideState::Waiting,
                why: Some(why.clone()),
                since: Some(observation.observed_at),
                next_try: None,
            };
            let status = self.status().unwrap_or_else(waits);
            observation.revision_in_force.take_if(|_| status.state != OverrideState::Applied);
            observation.standing = Some(status);
        }
        observation.stale = Some(why);
        Ok(observation)
    }

    /// The newest observation through the REST API, without asking.
    ///
    /// # Errors
    /// [`SeamError::Silent`] if there was none.
    pub(super) fn cached(&self) -> Result<Observation, SeamError> {
        let rest = self.job.rest.as_ref().ok_or(SeamError::Silent)?;
        match self.obstacle().or_else(|| silence(self.now.monotonic, rest.answered.monotonic)) {
            Some(why) => self.stale(why),
            None => self.through_rest().ok_or(SeamError::Silent),
        }
    }
}

fn silence(now: Monotonic, answered: Monotonic) -> Option<String> {
    let silent = now - answered;
    (silent > MAX_SILENCE)
        .then(|| format!("its cluster has said nothing of its checkpoints for {}", Rough(silent)))
}
