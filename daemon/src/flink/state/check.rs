//! Checks whether overrides hold. They are level-triggered: what should hold is compared with what does, again and
//! again, whatever may have changed it.
//!
//! Signs make a check due at once: the JobManager's process ended, its REST API went away or came back, a job started
//! anew or runs again. None of them is relied on: a slow clock comes without signs. While an override waits for a
//! coordinator it is checked quickly, so that the coordinator gets the values before its first trigger.

use super::event::ClusterAction;
use super::intervals::{
    CHECK_INTERVAL, ENDING_TIME, HAND_OVER_TIME, PATIENT_INTERVAL, WAITING_INTERVAL, WAITING_TIME,
};
use super::{ClusterState, JobEntry};
use crate::clock::Moment;
use crate::flink::facts::JobFacts;
use crate::flink::keeper::Finding;
use crate::flink::rest::{CACHE_AGE, has_no_checkpoints};
use crate::flink::routes::Route;
use crate::overrides::Submitted;
use crate::seam::{Observation, SeamError};
use ckpt_api::OverrideState;
use ckpt_client::ClientError;
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_types::duration::Exact;
use ckpt_types::ids::JobId;
use std::sync::Arc;

/// The checks of one job.
#[derive(Debug)]
pub(super) struct Check {
    stage: Stage,
    /// The values that were wanted when the override was seen to hold last.
    held: Option<EffectiveConfig>,
    /// Time of the last change of the job.
    changed_at: Option<Monotonic>,
    /// Time at which the override's time was first seen to be up. The wall clock does not tell how late that is: it may
    /// jump.
    ending_since: Option<Monotonic>,
}

/// Stage of a check.
#[derive(Debug)]
enum Stage {
    /// The next one is due at this time.
    Due(Monotonic),
    /// It waits for a search for a route.
    Routing,
    /// It waits for an answer to a question that was put at this time, or later.
    Reading { source: Source, since: Monotonic },
    /// It found that the override is to be applied again, which is being prepared.
    Applying,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Rest,
    Agent,
}

impl Check {
    pub(super) fn new(now: Monotonic) -> Self {
        Self { stage: Stage::Due(now), held: None, changed_at: None, ending_since: None }
    }

    /// Time at which the next check is due, unless one is under way.
    pub(super) fn due(&self) -> Option<Monotonic> {
        match self.stage {
            Stage::Due(at) => Some(at),
            Stage::Routing | Stage::Reading { .. } | Stage::Applying => None,
        }
    }

    /// Makes a check due at once; one that is under way goes on.
    fn hurry(&mut self, now: Monotonic) {
        if let Stage::Due(at) = &mut self.stage {
            *at = now.min(*at);
        }
    }

    /// Leaves a new revision to the request that follows it.
    pub(super) fn hand_over(&mut self, now: Monotonic) {
        self.stage = Stage::Due(now + HAND_OVER_TIME);
    }

    fn is_left_to_expiry(&mut self, now: Monotonic, is_over: bool) -> bool {
        if !is_over {
            self.ending_since = None;
            return false;
        }
        now.since(*self.ending_since.get_or_insert(now)) < ENDING_TIME
    }

    /// Notes that a change ended.
    pub(super) fn record_change(&mut self, now: Monotonic, held: Option<EffectiveConfig>) {
        self.held = held.or(self.held);
        self.changed_at = Some(now);
    }
}

impl ClusterState {
    /// Notes a sign that overrides may not hold any more.
    pub(super) fn sign(&mut self, now: Moment) {
        self.signed_at = now.monotonic;
        for id in self.records.keys() {
            if let Some(entry) = self.jobs.get_mut(id) {
                entry.facts.keeper.clear_backoff();
                entry.check.hurry(now.monotonic);
            }
        }
    }

    /// Starts the checks that are due.
    pub(super) fn start_checks(&mut self, now: Moment, actions: &mut Vec<ClusterAction>) {
        let is_due = |id: &&JobId| {
            let entry = self.jobs.get(id);
            entry.and_then(|entry| entry.check.due()).is_some_and(|at| at <= now.monotonic)
        };
        let due: Vec<_> = self.records.keys().filter(is_due).copied().collect();
        for job in due {
            self.start_check(now, job, actions);
        }
    }

    fn start_check(&mut self, now: Moment, job: JobId, actions: &mut Vec<ClusterAction>) {
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        if entry.facts.state().has_ended() {
            entry.check.stage = Stage::Due(now.monotonic + CHECK_INTERVAL);
            return;
        }
        if let Some(at) = entry.facts.keeper.next_try().filter(|at| now.monotonic < *at) {
            entry.check.stage = Stage::Due(at);
            return;
        }
        // While reconciliation is paused nothing is loaded.
        match (self.facts.pause.is_some(), self.facts.routes.known(now.monotonic)) {
            (false, None) => {
                entry.check.stage = Stage::Routing;
                self.search(Some(job), false, actions);
            }
            (false, Some(Route::Attach(_))) => self.check_through(now, job, Source::Agent, actions),
            (false, Some(Route::Native | Route::None(_))) | (true, _) => {
                self.check_through(now, job, Source::Rest, actions);
            }
        }
    }

    /// Goes on with the checks that waited for a route.
    pub(super) fn resume_checks(&mut self, now: Moment, actions: &mut Vec<ClusterAction>) {
        let is_waiting =
            |id: &&JobId| self.jobs.get(id).is_some_and(|entry| matches!(entry.check.stage, Stage::Routing));
        let waiting: Vec<_> = self.records.keys().filter(is_waiting).copied().collect();
        let is_attachable = matches!(self.facts.routes.known(now.monotonic), Some(Route::Attach(_)));
        let source = match is_attachable && self.facts.pause.is_none() {
            true => Source::Agent,
            false => Source::Rest,
        };
        for job in waiting {
            self.check_through(now, job, source, actions);
        }
    }

    fn check_through(&mut self, now: Moment, job: JobId, source: Source, actions: &mut Vec<ClusterAction>) {
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        entry.check.stage = Stage::Reading { source, since: now.monotonic };
        match source {
            Source::Agent => {
                if entry.reads.agent.request(None) {
                    self.start_agent(job, actions);
                }
            }
            Source::Rest => {
                let obstacle = self.jobs.get(&job).and_then(|entry| self.view(now, &entry.facts).obstacle());
                match obstacle {
                    Some(why) => self.conclude(now, job, Some(Finding::NoCoordinator { why }), actions),
                    None => {
                        if self.entry(job).is_some_and(|entry| entry.reads.rest.request(None)) {
                            actions.push(ClusterAction::ReadRest { job, is_background: false });
                        }
                    }
                }
            }
        }
    }

    pub(super) fn check_with_agent(
        &mut self,
        now: Moment,
        job: JobId,
        asked: Monotonic,
        outcome: Result<(), SeamError>,
        actions: &mut Vec<ClusterAction>,
    ) {
        if !self.answers_check(now, job, Source::Agent, asked) {
            return;
        }
        let Some(entry) = self.jobs.get(&job) else { return };
        let view = self.view(now, &entry.facts);
        let finding = match outcome.and_then(|()| view.through_agent().ok_or(SeamError::Silent)) {
            Ok(observation) => Some(found(&entry.facts, &observation, view.wanted())),
            Err(error) => failed(&error, view.obstacle()),
        };
        self.conclude(now, job, finding, actions);
    }

    pub(super) fn check_with_rest(
        &mut self,
        now: Moment,
        job: JobId,
        asked: Monotonic,
        outcome: Result<(), Arc<ClientError>>,
        actions: &mut Vec<ClusterAction>,
    ) {
        if !self.answers_check(now, job, Source::Rest, asked) {
            return;
        }
        let Some(entry) = self.jobs.get(&job) else { return };
        let view = self.view(now, &entry.facts);
        let observed = match outcome {
            Ok(()) => view.through_rest().ok_or(SeamError::Silent),
            Err(error) if has_no_checkpoints(&error) => Err(SeamError::NoCheckpoints),
            Err(error) => view.stale(error.to_string()),
        };
        let finding = match observed {
            Ok(Observation { stale: Some(why), .. }) => Some(Finding::NoCoordinator { why }),
            // A change through REST shows there a little later.
            Ok(observation)
                if !observation.holds()
                    && entry.facts.changed_natively.is_some_and(|at| now.monotonic < at + CACHE_AGE) =>
            {
                None
            }
            Ok(observation) => Some(found(&entry.facts, &observation, view.wanted())),
            Err(error) => failed(&error, view.obstacle()),
        };
        self.conclude(now, job, finding, actions);
    }

    /// True if an answer belongs to the present check of a job. One that was overtaken by a change is made due again.
    fn answers_check(&mut self, now: Moment, job: JobId, source: Source, asked: Monotonic) -> bool {
        let has_record = self.records.contains_key(&job);
        let Some(entry) = self.jobs.get_mut(&job) else { return false };
        let Stage::Reading { source: wanted, since } = &entry.check.stage else { return false };
        if *wanted != source || asked < *since {
            return false;
        }
        let is_overtaken = entry.check.changed_at.is_some_and(|at| at >= *since)
            || entry.changing.is_under_way()
            || !has_record;
        if is_overtaken {
            entry.check.stage = Stage::Due(now.monotonic + HAND_OVER_TIME);
        }
        !is_overtaken
    }

    /// Ends a check: takes its finding, and applies the override again if it does not hold.
    fn conclude(
        &mut self,
        now: Moment,
        job: JobId,
        finding: Option<Finding>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let pause = self.facts.pause.clone();
        let (name, cluster) = (self.job_name(job), self.identity.name.clone());
        let next_end = self.records.get(&job).and_then(|record| record.next_end());
        let is_over = next_end.is_some_and(|until| until <= now.wall_millis());
        let Some(entry) = self.jobs.get(&job) else { return };
        let view = self.view(now, &entry.facts);
        let (wanted, obstacle) = (view.wanted(), view.obstacle());
        let Some(entry) = self.entry(job) else { return };
        if is_over {
            // Other values are wanted by now: a difference is not foreign.
            entry.facts.keeper.forget_holder();
        }
        let (Some(mut finding), false) = (finding, entry.check.is_left_to_expiry(now.monotonic, is_over))
        else {
            entry.check.stage = Stage::Due(now.monotonic + CHECK_INTERVAL);
            return;
        };
        if let Finding::NoCoordinator { why } = &mut finding
            && let Some(obstacle) = obstacle
        {
            // It comes back with what it was submitted with, which may be something else by then.
            entry.facts.starts_anew = true;
            *why = obstacle;
        }
        if let Finding::Holds(_) = finding {
            entry.facts.starts_anew = false;
            entry.check.held = Some(wanted);
        } else if entry.check.held.is_some_and(|held| held != wanted) {
            // Other values are wanted by now, as when an override has ended: the difference is not foreign.
            entry.facts.keeper.forget_holder();
        }
        let differs = matches!(finding, Finding::Differs { .. });
        let was = entry.facts.keeper.state();
        let applies = entry.facts.keeper.record_finding(now, finding, pause);
        let is = entry.facts.keeper.state();
        if was != is {
            let why = entry.facts.keeper.status(now).and_then(|status| status.why);
            tracing::info!(cluster, job = name, state = ?is, why, "the status of an override changed");
        }
        if !applies {
            return self.schedule_check(now, job);
        }
        entry.check.stage = Stage::Applying;
        match self.resubmitted(now, job).filter(|_| differs) {
            Some(submitted) => {
                tracing::warn!(
                    cluster,
                    job = name,
                    ?submitted,
                    "the job was submitted again with other values"
                );
                actions.push(ClusterAction::StoreResubmission { job, submitted });
            }
            None => self.start_change(now, job, actions),
        }
    }

    /// Sets the time of the next check.
    pub(super) fn schedule_check(&mut self, now: Moment, job: JobId) {
        let is_signed = now.monotonic.since(self.signed_at) < WAITING_TIME;
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        let keeper = &entry.facts.keeper;
        // Not when another job has its name by now.
        let is_replaced = entry.facts.is_missing && !entry.facts.namesakes.is_empty();
        let is_waiting = keeper.waiting_since().is_some() && !is_replaced;
        let interval = match (is_waiting, is_signed) {
            (true, true) => WAITING_INTERVAL,
            (true, false) => PATIENT_INTERVAL,
            (false, _) => CHECK_INTERVAL,
        };
        let next = now.monotonic + interval;
        let next_try = keeper.next_try().map(|at| at.max(now.monotonic + WAITING_INTERVAL));
        entry.check.stage = Stage::Due(next_try.map_or(next, |at| at.min(next)));
    }

    /// A job that starts anew shows what it was submitted with. If that is neither what was written down nor what was
    /// put in force, it was submitted again under its old id, with other values.
    fn resubmitted(&self, now: Moment, job: JobId) -> Option<Submitted> {
        let (entry, record) = (self.jobs.get(&job)?, self.records.get(&job)?);
        let shown = entry.facts.submitted_anew(record.changed_at)?;
        let wanted = self.view(now, &entry.facts).wanted();
        let is_in_force = EffectiveConfig::of(&shown, &Override::default()) == wanted;
        let shown = Submitted::of(&shown);
        let is_known = record.submitted.is_none_or(|known| known == shown);
        (!is_in_force && !is_known).then_some(shown)
    }

    pub(super) fn job_name(&self, job: JobId) -> String {
        self.jobs.get(&job).map_or_else(String::new, |entry| entry.facts.overview.name.clone())
    }
}

impl JobEntry {
    /// True if the agent saw that no periodic checkpoint has been scheduled yet.
    pub(super) fn is_before_first_trigger(&self) -> bool {
        self.facts.agent.as_ref().is_some_and(|agent| !agent.sight.periodic)
    }
}

/// Finding of an observation.
fn found(facts: &JobFacts, seen: &Observation, wanted: EffectiveConfig) -> Finding {
    let within = facts.incarnation();
    match seen.holds() {
        true => Finding::Holds(within),
        false => Finding::Differs { within, found: difference(seen, wanted) },
    }
}

/// Finding of a read that failed; `None` if there is nothing to say.
fn failed(error: &SeamError, obstacle: Option<String>) -> Option<Finding> {
    match error {
        SeamError::Ended { .. } => None,
        error if error.override_state() == OverrideState::Waiting => {
            Some(Finding::NoCoordinator { why: error.to_string() })
        }
        // The process may be gone, and what is said about the way there with it.
        error => Some(match obstacle {
            Some(why) => Finding::NoCoordinator { why },
            None => Finding::Failed { why: error.to_string() },
        }),
    }
}

/// The values in force in place of the wanted ones.
pub(super) fn difference(seen: &Observation, wanted: EffectiveConfig) -> String {
    let timeout = || format!("a timeout of {}", Exact(seen.effective.timeout()));
    match (seen.effective.interval(), wanted.timeout() == seen.effective.timeout()) {
        (Some(interval), true) => format!("an interval of {}", Exact(interval)),
        (Some(interval), false) if wanted.interval() != Some(interval) => {
            format!("{} and an interval of {}", timeout(), Exact(interval))
        }
        _ => timeout(),
    }
}
