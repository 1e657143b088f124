//! Changes: the newest stored revision is put in force, at most one change at a time for each job, so that an older one
//! never comes after a newer one. Requests wait for the revision that they stored.

use super::event::{
    AppliedRevision, ChangeAnswer, ChangeOrder, ClusterAction, Reply, RequestError, RequestId,
};
use super::intervals::HAND_OVER_TIME;
use super::{ClusterState, JobEntry};
use crate::clock::Moment;
use crate::flink::facts::AgentRead;
use crate::flink::observation;
use crate::seam::{Applied, Initiator, Observation, SeamError};
use ckpt_api::{Happening, OverrideState};
use ckpt_coordinator::config::EffectiveConfig;
use ckpt_coordinator::{InFlightUpdate, Monotonic};
use ckpt_types::duration::{Rough, millis};
use ckpt_types::ids::JobId;
use std::sync::Arc;

/// Changes of one job.
#[derive(Debug, Default)]
pub(super) struct Changing {
    present: Option<PresentChange>,
    /// Requests that wait for the next change.
    waiting: Vec<ApplyRequest>,
    /// A revision that a check applied, and when: the request that follows it may still come.
    unclaimed: Option<(Monotonic, AppliedRevision)>,
}

/// A request for a stored revision.
#[derive(Debug)]
pub(super) struct ApplyRequest {
    pub(super) id: RequestId,
    pub(super) revision: u64,
    pub(super) pull_in: bool,
    pub(super) initiator: Initiator,
}

impl ApplyRequest {
    fn refused(self, error: SeamError) -> ClusterAction {
        ClusterAction::Reply(self.id, Reply::Failed(RequestError::Job(error)))
    }
}

/// The change that is being made.
#[derive(Debug)]
struct PresentChange {
    revision: u64,
    wanted: EffectiveConfig,
    requests: Vec<ApplyRequest>,
    /// The error that it ended with and when, if the cluster's list is to tell whether the job has ended.
    unconfirmed: Option<(SeamError, Monotonic)>,
}

impl Changing {
    pub(super) fn is_under_way(&self) -> bool {
        self.present.is_some()
    }
}

impl ClusterState {
    pub(super) fn request_change(
        &mut self,
        now: Moment,
        job: JobId,
        request: ApplyRequest,
        actions: &mut Vec<ClusterAction>,
    ) {
        let ApplyRequest { id, revision, pull_in, .. } = request;
        let unknown = self.unknown_job();
        let stored = self.records.get(&job).map_or(0, |record| record.revision);
        let wanted = self.jobs.get(&job).map(|entry| self.view(now, &entry.facts).wanted());
        let Some(entry) = self.entry(job) else { return actions.push(ClusterAction::Reply(id, unknown)) };
        if let Some((at, applied)) = entry.changing.unclaimed.take()
            && applied.revision == revision
            // Not with values whose time is up.
            && Some(applied.applied.observation.effective) == wanted
            && now.monotonic.since(at) < HAND_OVER_TIME
            && !pull_in
        {
            return actions.push(ClusterAction::Reply(id, Reply::Applied(Box::new(applied))));
        }
        if revision < stored {
            // The request of the later revision follows.
            return actions.push(ClusterAction::Reply(id, Reply::Superseded { by: stored }));
        }
        entry.changing.waiting.push(request);
        if !entry.changing.is_under_way() {
            self.start_change(now, job, actions);
        }
    }

    /// Puts the stored record in force, whatever was asked for.
    pub(super) fn start_change(&mut self, now: Moment, job: JobId, actions: &mut Vec<ClusterAction>) {
        let Some(entry) = self.jobs.get(&job) else { return };
        if entry.changing.is_under_way() {
            return;
        }
        let wanted = self.view(now, &entry.facts).wanted();
        let revision = self.records.get(&job).map_or(0, |record| record.revision);
        let (cluster, is_paused) = (self.facts.clone(), self.facts.pause.is_some());
        let Some(entry) = self.entry(job) else { return };
        let state = entry.facts.state();
        let mut requests = std::mem::take(&mut entry.changing.waiting);
        let asked = requests.len();
        if let Some(why) = entry.facts.obstacle_to_expiry(&cluster) {
            let expiries = requests.extract_if(.., |request| request.initiator == Initiator::Expiry);
            actions.extend(expiries.map(|request| request.refused(SeamError::Busy(why.clone()))));
        }
        // A record that is gone is not stored again under its revision.
        let gone = || match state.has_ended() {
            true => SeamError::Ended { state },
            false => SeamError::Busy("its override was removed before it was applied".to_owned()),
        };
        let outlived = requests.extract_if(.., |request| request.revision > revision);
        actions.extend(outlived.map(|request| request.refused(gone())));
        let is_refused = requests.len() < asked;
        let is_asked_for = !requests.is_empty();
        let pull_in = requests.iter().any(|request| request.pull_in);
        let overview = entry.facts.overview.clone();
        if !is_asked_for && (is_paused || is_refused) {
            return self.schedule_check(now, job);
        }
        entry.changing.present = Some(PresentChange { revision, wanted, requests, unconfirmed: None });
        if state.has_ended() {
            return self.finish_change(now, job, Err(SeamError::Ended { state }), actions);
        }
        actions.push(ClusterAction::Change(Box::new(ChangeOrder { overview, cluster, wanted, pull_in })));
    }

    /// Takes the result of a change.
    pub(super) fn changed(
        &mut self,
        now: Moment,
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        answer: Result<Box<ChangeAnswer>, SeamError>,
        actions: &mut Vec<ClusterAction>,
    ) {
        match answer.map(|answer| *answer) {
            Ok(ChangeAnswer::Agent { jvm, sight, timeout_before, updates }) => {
                let updates = observation::updates(timeout_before, &sight, &updates);
                let Some(entry) = self.entry(job) else { return };
                entry.facts.agent = Some(AgentRead { sight: Arc::new(*sight), jvm, answered });
                self.finish_change(now, job, Ok((Through::Agent, updates)), actions);
            }
            Ok(ChangeAnswer::Native { before, after }) => {
                let Some(timeout) = self.wanted_timeout(job) else { return };
                self.take_rest(job, *before, actions);
                let Some(entry) = self.jobs.get(&job) else { return };
                let seen = self.view(now, &entry.facts).through_rest();
                let in_flight = seen.map_or_else(Vec::new, |seen| seen.in_flight);
                let updates = observation::foreseen(&in_flight, timeout);
                if let Some(entry) = self.entry(job) {
                    entry.facts.changed_natively = Some(asked);
                }
                self.take_rest(job, *after, actions);
                self.finish_change(now, job, Ok((Through::Rest, updates)), actions);
            }
            // The job may have ended, which its cluster's list tells.
            Err(error @ SeamError::NotNow { .. }) => {
                if let Some(present) = self.entry(job).and_then(|entry| entry.changing.present.as_mut()) {
                    present.unconfirmed = Some((error, now.monotonic));
                    self.listing.require();
                }
            }
            Err(error) => self.finish_change(now, job, Err(error), actions),
        }
    }

    fn wanted_timeout(&self, job: JobId) -> Option<std::time::Duration> {
        Some(self.jobs.get(&job)?.changing.present.as_ref()?.wanted.timeout())
    }

    /// Ends the changes that waited for a list which was asked for since then, whether the cluster answered or not.
    pub(super) fn conclude_confirmations(
        &mut self,
        now: Moment,
        asked: Monotonic,
        actions: &mut Vec<ClusterAction>,
    ) {
        let is_answered = |entry: &&JobEntry| {
            let unconfirmed =
                entry.changing.present.as_ref().and_then(|present| present.unconfirmed.as_ref());
            unconfirmed.is_some_and(|(_, since)| *since <= asked)
        };
        let waiting: Vec<_> = self.jobs.values().filter(is_answered).map(|entry| entry.facts.id()).collect();
        for job in waiting {
            let Some(entry) = self.entry(job) else { continue };
            let state = entry.facts.state();
            let present = entry.changing.present.as_mut();
            let Some((error, _)) = present.and_then(|present| present.unconfirmed.take()) else { continue };
            let error = if state.has_ended() { SeamError::Ended { state } } else { error };
            self.finish_change(now, job, Err(error), actions);
        }
    }

    fn finish_change(
        &mut self,
        now: Moment,
        job: JobId,
        result: Result<(Through, Vec<InFlightUpdate>), SeamError>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let Some(entry) = self.entry(job) else { return };
        let Some(present) = entry.changing.present.take() else { return };
        let is_asked_for = !present.requests.is_empty();
        if is_asked_for {
            entry.facts.keeper.start_over();
        }
        match result {
            Ok((through, updates)) => self.applied(now, job, present, through, updates, actions),
            Err(error) => self.not_applied(now, job, present, &error, actions),
        }
        self.schedule_check(now, job);
        let waits = self.jobs.get(&job).is_some_and(|entry| !entry.changing.waiting.is_empty());
        if waits {
            self.start_change(now, job, actions);
        }
    }

    fn applied(
        &mut self,
        now: Moment,
        job: JobId,
        present: PresentChange,
        through: Through,
        updates: Vec<InFlightUpdate>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let PresentChange { revision, wanted, requests, .. } = present;
        let Some(entry) = self.jobs.get(&job) else { return };
        let is_before_first_trigger = entry.is_before_first_trigger();
        let submitted = entry.facts.submitted(self.records.get(&job));
        let effective = entry.facts.in_force(&submitted);
        let holds = effective == Some(wanted);
        let (name, cluster) = (self.job_name(job), self.identity.name.clone());
        let Some(entry) = self.entry(job) else { return };
        entry.check.record_change(now.monotonic, holds.then_some(wanted));
        if holds {
            entry.facts.starts_anew = false;
            let within = entry.facts.incarnation();
            let lost = entry.facts.keeper.mark_applied(now, within);
            if requests.is_empty() {
                tracing::warn!(
                    cluster,
                    job = name,
                    revision,
                    not_in_force_for = %Rough(lost),
                    is_before_first_trigger,
                    "the override did not hold any more, and was applied again"
                );
            }
        }
        if let Some(effective) = effective {
            let log = Arc::make_mut(&mut entry.facts.log);
            log.record_timeout(now.wall_millis(), millis(effective.timeout()));
        }
        let happening = Happening::Configured {
            revision,
            checkpoint_interval: wanted.interval().map(millis),
            checkpoint_timeout: millis(wanted.timeout()),
        };
        actions.push(ClusterAction::Tell { job, happening });
        let Some(entry) = self.jobs.get(&job) else { return };
        let view = self.view(now, &entry.facts);
        let observed = match through {
            Through::Agent => view.through_agent(),
            Through::Rest => view.through_rest(),
        };
        let Some(observed) = observed else {
            actions.extend(requests.into_iter().map(|request| request.refused(SeamError::Silent)));
            return;
        };
        let revision_in_force = holds.then_some(revision);
        let observation = Observation { trouble: None, revision_in_force, ..observed };
        let applied = Applied { observation, updates, ended: Vec::new() };
        let applied = AppliedRevision { revision, applied };
        let Some(entry) = self.entry(job) else { return };
        if requests.is_empty() {
            entry.changing.unclaimed = Some((now.monotonic, applied));
            return;
        }
        for request in requests {
            let reply = match request.revision < revision {
                true => Reply::Superseded { by: revision },
                false => Reply::Applied(Box::new(applied.clone())),
            };
            actions.push(ClusterAction::Reply(request.id, reply));
        }
    }

    fn not_applied(
        &mut self,
        now: Moment,
        job: JobId,
        present: PresentChange,
        error: &SeamError,
        actions: &mut Vec<ClusterAction>,
    ) {
        let (name, cluster) = (self.job_name(job), self.identity.name.clone());
        let is_asked_for = !present.requests.is_empty();
        if !is_asked_for {
            tracing::warn!(cluster, job = name, %error, "the override does not hold, and cannot be applied");
        }
        let Some(entry) = self.entry(job) else { return };
        entry.check.record_change(now.monotonic, None);
        entry.facts.keeper.record_failure(now, error);
        actions.extend(present.requests.into_iter().map(|request| request.refused(error.clone())));
        if is_asked_for && error.override_state() == OverrideState::Waiting {
            self.sign(now);
        }
    }
}

/// Source of the observation after a change.
#[derive(Debug, Clone, Copy)]
enum Through {
    Agent,
    Rest,
}
