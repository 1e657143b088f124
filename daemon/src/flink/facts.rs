//! Facts about a cluster and its jobs. The owner alone writes them; readers get immutable copies. No I/O here.

use super::breakdown::Breakdown;
use super::keeper::{Incarnation, Keeper};
use super::observation;
use super::rest::{self, CACHE_AGE};
use super::routes::Routes;
use crate::checkpoint_log::CheckpointLog;
use crate::clock::Moment;
use crate::overrides::{Record, Submitted};
use ckpt_agent::protocol::Sight;
use ckpt_api::JobState;
use ckpt_api::flink::{self, CheckpointConfig, CheckpointStatistics};
use ckpt_attach::Jvm;
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::{EffectiveConfig, SubmittedConfig};
use ckpt_types::ids::JobId;
use std::sync::Arc;
use std::time::Duration;

/// Facts about a cluster, apart from its jobs.
#[derive(Debug, Clone, Default)]
pub(super) struct ClusterFacts {
    pub(super) health: Health,
    pub(super) routes: Routes,
    /// Reason why overrides are not applied by themselves; `None` while reconciliation runs.
    pub(super) pause: Option<String>,
    /// True once the cluster has answered, or failed to, since ckptd was started.
    pub(super) is_tried: bool,
}

/// Health of a cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// Flink's version, once it answered.
    pub(super) version: Option<String>,
    /// Present trouble, in one sentence.
    pub(super) trouble: Option<String>,
    /// Time of the last good answer, in milliseconds since the epoch.
    pub(super) observed_at: Option<u64>,
    /// Clock skew in milliseconds; positive if the cluster is ahead.
    pub(super) ahead: i64,
}

/// Facts about one job.
#[derive(Debug, Clone)]
pub(super) struct JobFacts {
    /// The job's entry in the cluster's list.
    pub(super) overview: flink::JobOverview,
    /// True if the cluster answers without listing the job.
    pub(super) is_missing: bool,
    /// The newest answers of the REST API.
    pub(super) rest: Option<Arc<RestRead>>,
    /// The newest answer of the agent.
    pub(super) agent: Option<AgentRead>,
    /// Checkpoints that have ended.
    pub(super) log: Arc<CheckpointLog>,
    /// Checkpoints by subtask.
    pub(super) breakdown: Arc<Breakdown>,
    /// Start of the last run, in milliseconds since the epoch, as far as it was asked for.
    pub(super) running_since: Option<i64>,
    pub(super) keeper: Keeper,
    /// Time of the last change through the cluster's own FLIP-571.
    pub(super) changed_natively: Option<Monotonic>,
    /// Other jobs of this name: those that left an override behind, or the one that took this job's place.
    pub(super) namesakes: Vec<JobId>,
    /// No reads through the agent before this time, since the last one failed.
    pub(super) blind_until: Monotonic,
    /// True after a start of the JobManager or the job: the values may be those of another submission.
    pub(super) starts_anew: bool,
    /// Submitted values of a record that ended with the job: Flink goes on to show what was overridden.
    pub(super) ended_from: Option<Submitted>,
}

/// One pair of answers of Flink's REST API about a job's checkpoints.
#[derive(Debug)]
pub(super) struct RestRead {
    pub(super) config: CheckpointConfig,
    pub(super) statistics: CheckpointStatistics,
    pub(super) asked: Monotonic,
    pub(super) answered: Moment,
}

/// One answer of the agent about a job's coordinator.
#[derive(Debug, Clone)]
pub(super) struct AgentRead {
    pub(super) sight: Arc<Sight>,
    pub(super) jvm: Jvm,
    pub(super) answered: Moment,
}

impl JobFacts {
    pub(super) fn new(overview: flink::JobOverview, now: Monotonic) -> Self {
        Self {
            overview,
            is_missing: false,
            rest: None,
            agent: None,
            log: Arc::default(),
            breakdown: Arc::default(),
            running_since: None,
            keeper: Keeper::default(),
            changed_natively: None,
            namesakes: Vec::new(),
            blind_until: now,
            starts_anew: false,
            ended_from: None,
        }
    }

    /// Facts about a job of which only its override is known.
    pub(super) fn stored(id: JobId, name: String, now: Monotonic) -> Self {
        let overview = flink::JobOverview {
            jid: id,
            name,
            start_time: -1,
            end_time: -1,
            duration: -1,
            // Flink's word for a job that does not run and has not ended.
            state: JobState::Suspended,
            last_modification: -1,
            tasks: flink::OverviewTasks::default(),
            job_type: None,
            scheduler_type: None,
            pending_operators: 0,
        };
        Self { is_missing: true, ..Self::new(overview, now) }
    }

    pub(super) fn id(&self) -> JobId {
        self.overview.jid
    }

    /// Reason why the end of an override's time changes nothing now.
    pub(super) fn obstacle_to_expiry(&self, cluster: &ClusterFacts) -> Option<String> {
        let missing = self.is_missing.then(|| "its cluster does not list the job now".to_owned());
        missing.or_else(|| cluster.pause.clone())
    }

    pub(super) fn state(&self) -> JobState {
        self.overview.state
    }

    /// The submitted configuration: as written down before the first change, or else as shown.
    pub(super) fn submitted(&self, record: Option<&Record>) -> SubmittedConfig {
        let mut submitted =
            self.rest.as_ref().map_or_else(SubmittedConfig::default, |rest| rest::submitted(&rest.config));
        if let Some(AgentRead { sight, .. }) = &self.agent {
            // As the graph shows it: the coordinator's own interval has been raised to min-pause.
            submitted.interval = rest::interval(sight.shown.graph_interval);
            submitted.timeout = rest::timeout(sight.shown.graph_timeout);
            submitted.min_pause = Duration::from_millis(u64::try_from(sight.min_pause).unwrap_or(0));
        }
        if let Some(own) = record.and_then(|record| record.submitted).or(self.ended_from) {
            // The store refuses to load values that are out of bounds.
            drop(own.put_into(&mut submitted));
        }
        submitted
    }

    /// The values in force: the agent's for as long as Flink's answers may be older, else Flink's own.
    pub(super) fn in_force(&self, submitted: &SubmittedConfig) -> Option<EffectiveConfig> {
        let (interval, timeout) = match (&self.agent, &self.rest) {
            (Some(agent), Some(rest)) if rest.answered.monotonic < agent.answered.monotonic + CACHE_AGE => {
                (agent.sight.interval, agent.sight.timeout)
            }
            (_, Some(rest)) => (rest.config.interval, rest.config.timeout),
            (Some(agent), None) => (agent.sight.interval, agent.sight.timeout),
            (None, None) => return None,
        };
        Some(observation::in_force(submitted, interval, timeout))
    }

    /// Whether the answers of the REST API are too old to go by.
    pub(super) fn wants_rest(&self, now: Monotonic) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.answered.monotonic + CACHE_AGE < now)
    }

    /// The coordinator that was seen last.
    pub(super) fn incarnation(&self) -> Incarnation {
        let object = self.agent.as_ref().map(|agent| (agent.jvm, agent.sight.identity));
        Incarnation { object, started: self.overview.start_time, running: self.running_since }
    }

    /// The submitted configuration, if it can be seen: of a coordinator that starts anew, is younger than the
    /// record's `changed_at`, and so was not changed yet.
    pub(super) fn submitted_anew(&self, changed_at: u64) -> Option<SubmittedConfig> {
        let is_young = match &self.agent {
            Some(agent) => !agent.sight.periodic,
            None => {
                self.rest.is_some() && u64::try_from(self.overview.start_time).is_ok_and(|at| at > changed_at)
            }
        };
        (self.starts_anew && is_young).then(|| self.submitted(None))
    }
}
