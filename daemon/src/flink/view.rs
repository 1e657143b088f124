//! Views of a job, computed from facts alone: for the REST API, metrics, and the decisions of the owner. No I/O here.

use super::facts::{AgentRead, ClusterFacts, JobFacts};
use super::observation::{self, Base};
use crate::clock::Moment;
use crate::overrides::Record;
use crate::seam::{Glance, Observation, SeamError};
use ckpt_api::{OverrideState, OverrideStatus};
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::EffectiveConfig;
use ckpt_types::duration::Rough;
use ckpt_types::ids::JobId;
use std::time::Duration;

/// Age from which on answers of the REST API are shown as old. Every job is read at least every 10 s.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// One job at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobView<'a> {
    pub(super) cluster: &'a str,
    pub(super) url: &'a str,
    pub(super) facts: &'a ClusterFacts,
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
        let health = &self.facts.health;
        let silent =
            || health.observed_at.is_none().then(|| format!("cluster {} has not answered yet", self.cluster));
        let missing = || {
            self.job.is_missing.then(|| format!("cluster {} does not list this job any more", self.cluster))
        };
        health.trouble.clone().or_else(silent).or_else(missing)
    }

    /// The values that should be in force.
    pub(super) fn wanted(&self) -> EffectiveConfig {
        self.base(self.now.wall_millis()).wanted()
    }

    /// The status of the override, as far as it is known without asking.
    pub(super) fn status(&self) -> Option<OverrideStatus> {
        self.orphaned().or_else(|| self.job.keeper.status(self.now))
    }

    /// Reason why a lost override would not be applied again.
    pub(super) fn not_kept(&self) -> Option<String> {
        let pause = self.record.and(self.facts.pause.as_ref())?;
        Some(format!("its override is not applied again if it is lost: {pause}"))
    }

    fn base(&self, observed_at: u64) -> Base {
        Base {
            state: self.job.state(),
            submitted: self.job.submitted(self.record),
            record: self.record.cloned(),
            now: self.now.wall_millis(),
            reach: self.facts.routes.reach(self.url),
            status: self.status(),
            trouble: self.not_kept(),
            usual_duration: self.job.log.usual_duration(),
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
        let base = self.base(at);
        let effective = self.job.in_force(&base.submitted)?;
        let there = i64::try_from(at).unwrap_or(i64::MAX).saturating_add(self.facts.health.ahead);
        Some(observation::from_rest(base, effective, &rest.statistics, there))
    }

    /// The observation that the newest answer of the agent makes.
    pub(super) fn through_agent(&self) -> Option<Observation> {
        let AgentRead { sight, answered, .. } = self.job.agent.as_ref()?;
        Some(observation::from_agent(self.base(answered.wall_millis()), sight))
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
    pub(super) fn glance(&self) -> Result<Glance, SeamError> {
        let rest = self.job.rest.as_ref().ok_or(SeamError::Silent)?;
        let observation =
            match self.obstacle().or_else(|| silence(self.now.monotonic, rest.answered.monotonic)) {
                Some(why) => self.stale(why)?,
                None => self.through_rest().ok_or(SeamError::Silent)?,
            };
        Ok(Glance {
            observation,
            last_completed: rest.statistics.latest.completed.clone(),
            ahead: self.facts.health.ahead,
        })
    }
}

fn silence(now: Monotonic, answered: Monotonic) -> Option<String> {
    let silent = now - answered;
    (silent > MAX_SILENCE)
        .then(|| format!("its cluster has said nothing of its checkpoints for {}", Rough(silent)))
}
