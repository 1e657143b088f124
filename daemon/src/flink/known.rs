//! What is known of a job, from Flink's REST API and from the agent. No I/O here.

use super::keeping::{Incarnation, Keeping};
use super::rest::{self, CACHED};
use super::sight;
use crate::attach::Jvm;
use crate::history::History;
use crate::overrides::{Record, Submitted};
use ckpt_agent::protocol::Sight;
use ckpt_api::flink::{self, CheckpointConfig, CheckpointStatistics};
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::{EffectiveConfig, SubmittedConfig};
use ckpt_types::ids::JobId;
use std::sync::Arc;
use std::time::Duration;

/// What was seen last.
pub(super) struct Known {
    /// What the cluster's list says.
    pub(super) overview: flink::JobOverview,
    /// The cluster answers, and does not list the job.
    pub(super) missing: bool,
    /// What REST said.
    pub(super) rest: Option<FromRest>,
    /// What the agent saw, and when.
    pub(super) sight: Option<(Sight, Monotonic)>,
    /// The checkpoints that were seen to have ended.
    pub(super) history: History,
    /// When it was looked at last for the sake of that alone.
    pub(super) looked_at: Option<Monotonic>,
    /// In which JVM it saw that.
    pub(super) seen_in: Option<Jvm>,
    /// When it began to run last, as far as that was asked.
    pub(super) running_since: Option<i64>,
    /// How its override is kept.
    pub(super) keeping: Keeping,
    /// What those hold who are changing it, and when the first of them began.
    pub(super) changing: Arc<()>,
    pub(super) changing_since: Option<Monotonic>,
    /// Since when an override's time has been up that was not taken away yet, as far as that was seen.
    pub(super) ending_since: Option<Monotonic>,
    /// When what is stored was put in force last.
    pub(super) applied_at: Option<Monotonic>,
    /// When its cluster was told a change natively.
    pub(super) changed_natively: Option<Monotonic>,
    /// Other jobs of its name: those that left an override behind, or the one that took its place.
    pub(super) namesakes: Vec<JobId>,
    /// Until then looking through the agent is not tried again.
    pub(super) blind_until: Monotonic,
    /// It was seen to start anew: its values may be those of another submission.
    pub(super) starts_anew: bool,
    /// What it was submitted with, by a record that ended with it: Flink goes on to show what was overridden.
    pub(super) ended_from: Option<Submitted>,
}

/// What Flink's REST API said.
#[derive(Clone)]
pub(super) struct FromRest {
    pub(super) config: CheckpointConfig,
    pub(super) statistics: CheckpointStatistics,
    /// When it was asked.
    pub(super) asked: Monotonic,
    /// When it answered, on both clocks.
    pub(super) at: Monotonic,
    pub(super) at_wall: u64,
}

impl Known {
    pub(super) fn new(overview: flink::JobOverview, now: Monotonic) -> Self {
        Self {
            overview,
            missing: false,
            rest: None,
            sight: None,
            history: History::default(),
            looked_at: None,
            seen_in: None,
            running_since: None,
            keeping: Keeping::default(),
            changing: Arc::default(),
            changing_since: None,
            ending_since: None,
            applied_at: None,
            changed_natively: None,
            namesakes: Vec::new(),
            blind_until: now,
            starts_anew: false,
            ended_from: None,
        }
    }

    /// Takes what the cluster's list says.
    pub(super) fn listed(&mut self, overview: flink::JobOverview) {
        if self.overview.start_time != overview.start_time {
            // Its JobManager is another one, or leads again: what was read before is gone.
            self.sight = None;
            self.starts_anew = true;
            self.ended_from = None;
        }
        self.overview = overview;
    }

    /// What was submitted: what was written down before the first change, or else what is shown.
    pub(super) fn submitted(&self, record: Option<&Record>) -> SubmittedConfig {
        let mut submitted =
            self.rest.as_ref().map_or_else(SubmittedConfig::default, |rest| rest::submitted(&rest.config));
        if let Some((sight, _)) = &self.sight {
            // As the graph shows it: the coordinator's own interval has been raised to min-pause.
            submitted.interval = rest::interval(sight.shown.graph_interval);
            submitted.timeout = rest::timeout(sight.shown.graph_timeout);
            submitted.min_pause = Duration::from_millis(u64::try_from(sight.min_pause).unwrap_or(0));
        }
        if let Some(own) = record.and_then(|record| record.submitted).or(self.ended_from) {
            // The store refuses to load what is out of bounds.
            drop(own.put_into(&mut submitted));
        }
        submitted
    }

    /// The values in force: the agent's for as long as Flink's answers may be older, else Flink's own.
    pub(super) fn in_force(&self, submitted: &SubmittedConfig) -> Option<EffectiveConfig> {
        let (interval, timeout) = match (&self.sight, &self.rest) {
            (Some((sight, at)), Some(rest)) if rest.at < *at + CACHED => (sight.interval, sight.timeout),
            (_, Some(rest)) => (rest.config.interval, rest.config.timeout),
            (Some((sight, _)), None) => (sight.interval, sight.timeout),
            (None, None) => return None,
        };
        Some(sight::in_force(submitted, interval, timeout))
    }

    /// Whether what REST told is too old to go by.
    pub(super) fn wants_rest(&self, now: Monotonic) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.at + CACHED < now)
    }

    /// Which coordinator was seen last.
    pub(super) fn incarnation(&self) -> Incarnation {
        let object = self.sight.as_ref().zip(self.seen_in).map(|((sight, _), jvm)| (jvm, sight.identity));
        Incarnation { object, started: self.overview.start_time, running: self.running_since }
    }

    /// What it was submitted with, if that can be seen: by a coordinator that nobody has changed yet, since it is
    /// about to start anew and younger than what is stored, `changed_at`.
    pub(super) fn submitted_anew(&self, changed_at: u64) -> Option<SubmittedConfig> {
        let is_young = match &self.sight {
            Some((sight, _)) => !sight.periodic,
            None => {
                self.rest.is_some() && u64::try_from(self.overview.start_time).is_ok_and(|at| at > changed_at)
            }
        };
        (self.starts_anew && is_young).then(|| self.submitted(None))
    }
}
