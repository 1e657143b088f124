//! What is known of a job, from Flink's REST API and from the agent. No I/O here.

use super::rest::{self, CACHED};
use super::sight;
use crate::overrides::Record;
use ckpt_agent::protocol::Sight;
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::{EffectiveConfig, SubmittedConfig};
use ckpt_shared::flink::{self, CheckpointConfig, CheckpointStatistics};
use ckpt_shared::ids::JobId;
use std::time::Duration;

/// After a failed try to put an override in force again: the first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long an override has to hold until what came before is forgotten.
const STEADY: Duration = Duration::from_secs(60);
/// After so many times of being applied again, somebody else is suspected.
const SUSPICIOUS: u32 = 3;

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
    /// Why its override is not in force; shown as long as it is not.
    pub(super) unapplied: Option<String>,
    /// What else an operator ought to know about it.
    pub(super) trouble: Option<String>,
    /// An earlier job of its name, whose override does not hold for this one.
    pub(super) namesake: Option<JobId>,
    /// Until then looking through the agent is not tried again.
    pub(super) blind_until: Monotonic,
    /// It was seen to start anew: its values may be those of another submission.
    pub(super) starts_anew: bool,
    pause: Duration,
    next_try: Monotonic,
    /// How often its override was applied again, and since when it holds.
    reapplied: u32,
    held_since: Option<Monotonic>,
}

/// What Flink's REST API said.
#[derive(Clone)]
pub(super) struct FromRest {
    pub(super) config: CheckpointConfig,
    pub(super) statistics: CheckpointStatistics,
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
            unapplied: None,
            trouble: None,
            namesake: None,
            blind_until: now,
            starts_anew: false,
            pause: FIRST_PAUSE,
            next_try: now,
            reapplied: 0,
            held_since: None,
        }
    }

    /// Takes what the cluster's list says.
    pub(super) fn listed(&mut self, overview: flink::JobOverview) {
        if self.overview.start_time != overview.start_time {
            // Its JobManager is another one, or leads again: what was read before is gone.
            self.sight = None;
            self.starts_anew = true;
        }
        self.missing = false;
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
        if let Some(own) = record.and_then(|record| record.submitted) {
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

    /// What an operator ought to know about its override.
    pub(super) fn remark(&self) -> Option<String> {
        let left_behind = |id: &JobId| {
            format!(
                "an override of an earlier job of this name ({id}) was left behind; it does not hold for this one"
            )
        };
        self.trouble.clone().or_else(|| self.namesake.as_ref().map(left_behind))
    }

    /// Whether what REST told is too old to go by.
    pub(super) fn wants_rest(&self, now: Monotonic) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.at + CACHED < now)
    }

    /// Its override is in force.
    pub(super) fn holds(&mut self, now: Monotonic) {
        self.unapplied = None;
        let since = *self.held_since.get_or_insert(now);
        if now.since(since) >= STEADY {
            self.was_changed();
        } else if self.reapplied < SUSPICIOUS {
            self.trouble = None;
        }
    }

    /// Somebody changed it through us, or all has been well for long.
    pub(super) fn was_changed(&mut self) {
        self.unapplied = None;
        self.trouble = None;
        self.pause = FIRST_PAUSE;
        self.reapplied = 0;
    }

    /// Its override had to be applied again; `found` was in force instead.
    pub(super) fn was_put_again(&mut self, found: &str) {
        self.held_since = None;
        self.unapplied = None;
        self.reapplied = self.reapplied.saturating_add(1);
        self.trouble = (self.reapplied >= SUSPICIOUS).then(|| {
            format!(
                "somebody else keeps changing this job (to a {found}), and it was changed back {} times; is another \
                 ckptd following it?",
                self.reapplied
            )
        });
    }

    /// Whether it is time to try again; every try makes the next pause longer.
    pub(super) fn may_try(&mut self, now: Monotonic) -> bool {
        let may = now >= self.next_try;
        if may {
            self.next_try = now + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        may
    }
}
