//! Reads of single jobs through the REST API and the agent: for requests, for checks, and every 10 s for the history of
//! each job, since Flink forgets checkpoints after ten and says nothing of the timeouts that they had.

use super::event::{ClusterAction, Reply, RequestError, RequestId, RestAnswer, replies};
use super::intervals::{
    BLIND_TIME, BLIND_TIME_WITHOUT_COORDINATOR, MAX_READS_PER_ROUND, READ_INTERVAL, ROUND_INTERVAL,
};
use super::reading::Reading;
use super::{ClusterState, JobEntry};
use crate::checkpoint_log::{CheckpointMark, SubtaskTable};
use crate::clock::Moment;
use crate::flink::breakdown::{BreakdownRead, BreakdownRequest};
use crate::flink::facts::{AgentRead, JobFacts, RestRead};
use crate::flink::happenings;
use crate::overrides::Record;
use crate::seam::SeamError;
use ckpt_agent::protocol::Sight;
use ckpt_attach::Jvm;
use ckpt_client::ClientError;
use ckpt_coordinator::Monotonic;
use ckpt_types::duration::millis;
use ckpt_types::ids::JobId;
use std::sync::Arc;

/// Reads of one job.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) rest: Reading,
    pub(super) agent: Reading,
    breakdown: Reading,
    /// True if the present read by subtask is one of the newest checkpoint alone.
    is_newest_alone: bool,
    /// Requests for a read with places that wait for the present one to end.
    places_wanted: bool,
    /// Time of the last read that a round started.
    round_at: Option<Monotonic>,
}

impl Reads {
    /// All requests, when there will be no more reads.
    pub(super) fn abandon(&mut self) -> Vec<RequestId> {
        let readings = [&mut self.rest, &mut self.agent, &mut self.breakdown];
        readings.into_iter().flat_map(Reading::abandon).collect()
    }
}

impl ClusterState {
    pub(super) fn request_rest(&mut self, id: RequestId, job: JobId, actions: &mut Vec<ClusterAction>) {
        match self.entry(job) {
            Some(entry) => {
                if entry.reads.rest.request(Some(id)) {
                    actions.push(ClusterAction::ReadRest { job, is_background: false });
                }
            }
            None => actions.push(ClusterAction::Reply(id, self.unknown_job())),
        }
    }

    pub(super) fn request_agent(&mut self, id: RequestId, job: JobId, actions: &mut Vec<ClusterAction>) {
        match self.entry(job) {
            Some(entry) => {
                if entry.reads.agent.request(Some(id)) {
                    self.start_agent(job, actions);
                }
            }
            None => actions.push(ClusterAction::Reply(id, self.unknown_job())),
        }
    }

    pub(super) fn start_agent(&self, job: JobId, actions: &mut Vec<ClusterAction>) {
        if let Some(entry) = self.jobs.get(&job) {
            let overview = entry.facts.overview.clone();
            actions.push(ClusterAction::ReadAgent { overview, facts: self.facts.clone() });
        }
    }

    /// Reads a job unless it is being read.
    pub(super) fn read_rest_in_background(&mut self, job: JobId, actions: &mut Vec<ClusterAction>) {
        if let Some(entry) = self.jobs.get_mut(&job)
            && entry.reads.rest.join(None)
        {
            actions.push(ClusterAction::ReadRest { job, is_background: true });
        }
    }

    /// Starts reads of the jobs that were not read for long.
    pub(super) fn start_round(&mut self, now: Moment, actions: &mut Vec<ClusterAction>) {
        if now.monotonic < self.next_round {
            return;
        }
        self.next_round = now.monotonic + ROUND_INTERVAL;
        if self.facts.health.trouble.is_some() || self.facts.health.observed_at.is_none() {
            return;
        }
        let mut due: Vec<_> = self
            .jobs
            .values()
            .filter(|entry| entry.is_round_due(now.monotonic))
            .map(|entry| (entry.reads.round_at, entry.facts.id()))
            .collect();
        due.sort_unstable();
        due.truncate(MAX_READS_PER_ROUND);
        for (_, job) in due {
            if let Some(entry) = self.jobs.get_mut(&job) {
                entry.reads.round_at = Some(now.monotonic);
            }
            self.read_rest_in_background(job, actions);
        }
    }

    /// Takes the answers of the REST API about a job.
    pub(super) fn rest_read(
        &mut self,
        now: Moment,
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        answer: Result<Box<RestAnswer>, Arc<ClientError>>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let Some(entry) = self.entry(job) else { return };
        let (requests, again) = entry.reads.rest.finish();
        if again {
            actions.push(ClusterAction::ReadRest { job, is_background: false });
        }
        let outcome = answer.map(|answer| {
            let RestAnswer { config, statistics } = *answer;
            self.take_rest(job, RestRead { config, statistics, asked, answered }, actions);
        });
        actions.extend(replies(requests, &outcome.clone().map_err(RequestError::Rest)));
        self.check_with_rest(now, job, asked, outcome, actions);
    }

    /// Takes answers of the REST API, and what has ended by them into the history: readers see both or neither.
    pub(super) fn take_rest(&mut self, job: JobId, read: RestRead, actions: &mut Vec<ClusterAction>) {
        let ahead = self.facts.health.ahead;
        let record = self.records.get(&job).cloned();
        let Some(entry) = self.entry(job) else { return };
        if entry.facts.has_newer_rest(read.asked) {
            return;
        }
        let now = read.answered.monotonic;
        let before = entry.facts.take_rest(read, record.as_ref(), ahead);
        let Some(rest) = entry.facts.rest.clone() else { return };
        if let Some(before) = before {
            let told = happenings::between(&before.statistics, &rest.statistics);
            actions.extend(told.into_iter().map(|happening| ClusterAction::Tell { job, happening }));
        }
        let newest = rest.statistics.latest.completed.as_ref().map(CheckpointMark::of);
        // A read under way asks for the same.
        if let Some(newest) = newest
            && entry.facts.breakdown.is_background_due(now)
            && entry.facts.log.needs_subtasks(newest)
            && !entry.reads.breakdown.is_under_way()
            && entry.reads.breakdown.join(None)
        {
            entry.reads.is_newest_alone = true;
            let request = entry.breakdown_request(false, ahead);
            actions.push(ClusterAction::ReadNewest(request, newest));
        }
    }

    /// Takes the agent's answer about a job.
    pub(super) fn agent_read(
        &mut self,
        now: Moment,
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        answer: Result<Box<(Jvm, Sight)>, SeamError>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let Some(entry) = self.entry(job) else { return };
        let (requests, again) = entry.reads.agent.finish();
        let outcome = answer.map(|answer| {
            let (jvm, sight) = *answer;
            entry.facts.take_agent(AgentRead { sight: Arc::new(sight), jvm, answered });
        });
        if let Err(error) = &outcome {
            let is_brief = matches!(error, SeamError::NotNow { .. });
            let pause = if is_brief { BLIND_TIME_WITHOUT_COORDINATOR } else { BLIND_TIME };
            entry.facts.blind_until = now.monotonic + pause;
        }
        if again {
            self.start_agent(job, actions);
        }
        actions.extend(replies(requests, &outcome.clone().map_err(RequestError::Job)));
        self.check_with_agent(now, job, asked, outcome, actions);
    }

    /// Notes the start of a job's last run; another one than before is a sign of a new coordinator.
    pub(super) fn running_since(&mut self, now: Moment, job: JobId, since: Option<i64>) {
        let Some(entry) = self.entry(job) else { return };
        let before = std::mem::replace(&mut entry.facts.running_since, since);
        if before != since && before.is_some() {
            self.sign(now);
        }
    }

    pub(super) fn request_breakdown(
        &mut self,
        now: Moment,
        id: RequestId,
        job: JobId,
        with_places: bool,
        actions: &mut Vec<ClusterAction>,
    ) {
        let ahead = self.facts.health.ahead;
        let unknown = self.unknown_job();
        let Some(entry) = self.jobs.get_mut(&job) else {
            return actions.push(ClusterAction::Reply(id, unknown));
        };
        if !with_places && entry.facts.breakdown.is_fresh(now.monotonic) {
            return actions.push(ClusterAction::Reply(id, Reply::Done));
        }
        // A read of the newest checkpoint alone does not answer any request.
        let starts = match with_places || entry.reads.is_newest_alone {
            true => entry.reads.breakdown.request(Some(id)),
            false => entry.reads.breakdown.join(Some(id)),
        };
        if starts {
            actions.push(ClusterAction::ReadBreakdown(entry.breakdown_request(with_places, ahead)));
        } else {
            entry.reads.places_wanted |= with_places;
        }
    }

    pub(super) fn breakdown_read(
        &mut self,
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        answer: Result<Box<BreakdownRead>, SeamError>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let to_here = to_here(self.facts.health.ahead);
        let Some(entry) = self.entry(job) else { return };
        let is_late = entry.facts.has_newer_rest(asked);
        let breakdown = Arc::make_mut(&mut entry.facts.breakdown);
        breakdown.record_try(answered.monotonic);
        let log = &mut entry.facts.log;
        let outcome = answer.map(|read| {
            let log = Arc::make_mut(log);
            if !is_late {
                log.record_flink(&read.statistics, to_here);
            }
            breakdown.record(*read, log);
        });
        let outcome = outcome.map_err(RequestError::Job);
        let requests = self.finish_breakdown(job, actions);
        actions.extend(replies(requests, &outcome));
    }

    pub(super) fn newest_read(
        &mut self,
        job: JobId,
        answered: Moment,
        newest: CheckpointMark,
        subtasks: Option<SubtaskTable>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let Some(entry) = self.entry(job) else { return };
        entry.reads.is_newest_alone = false;
        Arc::make_mut(&mut entry.facts.breakdown).record_background_try(answered.monotonic);
        if let Some(subtasks) = subtasks {
            Arc::make_mut(&mut entry.facts.log).merge_subtasks(newest, subtasks);
        }
        let requests = self.finish_breakdown(job, actions);
        actions.extend(replies(requests, &Ok(())));
    }

    /// Ends the present read by subtask, and starts the next one if it is wanted. Returns the requests that it answers.
    fn finish_breakdown(&mut self, job: JobId, actions: &mut Vec<ClusterAction>) -> Vec<RequestId> {
        let ahead = self.facts.health.ahead;
        let Some(entry) = self.entry(job) else { return Vec::new() };
        let (requests, again) = entry.reads.breakdown.finish();
        if again {
            let with_places = std::mem::take(&mut entry.reads.places_wanted);
            actions.push(ClusterAction::ReadBreakdown(entry.breakdown_request(with_places, ahead)));
        }
        requests
    }
}

/// Converts times on the clock of a cluster that is ahead by milliseconds to ckptd's.
fn to_here(ahead: i64) -> impl Fn(i64) -> u64 {
    move |there| u64::try_from(there.saturating_sub(ahead)).unwrap_or(0)
}

impl JobEntry {
    fn is_round_due(&self, now: Monotonic) -> bool {
        if self.facts.is_missing || self.facts.state().has_ended() {
            return false;
        }
        let answered = self.facts.rest.as_ref().map(|rest| rest.answered.monotonic);
        answered.max(self.reads.round_at).is_none_or(|at| at + READ_INTERVAL < now)
    }

    fn breakdown_request(&self, with_places: bool, ahead: i64) -> BreakdownRequest {
        BreakdownRequest { job: self.facts.id(), with_places, log: Arc::clone(&self.facts.log), ahead }
    }
}

impl JobFacts {
    /// True if answers to later questions than one of that time are known: an older answer never replaces a newer one.
    fn has_newer_rest(&self, asked: Monotonic) -> bool {
        self.rest.as_ref().is_some_and(|known| known.asked > asked)
    }

    /// Takes answers of the REST API. Returns those before.
    fn take_rest(&mut self, read: RestRead, record: Option<&Record>, ahead: i64) -> Option<Arc<RestRead>> {
        let at = read.answered.wall_millis();
        // What has ended by now did so with the timeout that was seen before, unless a change was made meanwhile.
        Arc::make_mut(&mut self.log).record_flink(&read.statistics, to_here(ahead));
        let before = self.rest.replace(Arc::new(read));
        let submitted = self.submitted(record);
        if let Some(in_force) = self.in_force(&submitted) {
            Arc::make_mut(&mut self.log).record_timeout(at, millis(in_force.timeout()));
        }
        before
    }

    /// Takes the agent's answer, unless a newer one is known.
    pub(super) fn take_agent(&mut self, read: AgentRead) {
        let is_newest =
            self.agent.as_ref().is_none_or(|known| known.answered.monotonic <= read.answered.monotonic);
        if is_newest {
            self.agent = Some(read);
        }
    }
}
