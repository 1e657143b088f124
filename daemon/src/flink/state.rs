//! The decisions about one cluster: a state machine that takes events and the present moment, and returns actions. It
//! polls the cluster's list of jobs, reads jobs, keeps their overrides in force and makes changes. No clock, no I/O and
//! no locks; the owner (`owner.rs`) performs the actions and tells what came of them.
//!
//! | module | holds |
//! |---|---|
//! | `event` | events, actions, requests and replies |
//! | `list` | the list of jobs: polling, jobs that come and go, namesakes, removal of records |
//! | `read` | reads of single jobs through the REST API and the agent, and their history |
//! | `check` | checks whether overrides hold |
//! | `change` | changes: at most one at a time for each job |
//! | `reading` | requests that share one read |
//! | `intervals` | how often all of it is looked at |
//! | `tombstones` | memory of jobs that are not listed for a while |

mod change;
mod check;
pub(super) mod event;
mod intervals;
mod list;
mod read;
mod reading;
#[cfg(test)]
mod tests;
mod tombstones;

use super::facts::{ClusterFacts, JobFacts};
use super::settings::Attach;
use super::view::JobView;
use crate::clock::Moment;
use change::{ApplyRequest, Changing};
use check::Check;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::JobId;
use event::{ClusterAction, ClusterEvent, Records, Reply, Request, RequestError, RequestId};
use list::Listing;
use read::Reads;
use std::collections::{BTreeSet, HashMap};
use tombstones::Tombstones;

/// Properties of a cluster that do not change.
#[derive(Debug, Clone)]
pub(super) struct ClusterIdentity {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) attach: Attach,
}

/// State of one cluster.
#[derive(Debug)]
pub(super) struct ClusterState {
    identity: ClusterIdentity,
    facts: ClusterFacts,
    records: Records,
    jobs: HashMap<JobId, JobEntry>,
    /// The jobs, the oldest first.
    order: Vec<JobId>,
    tombstones: Tombstones,
    listing: Listing,
    /// Time of the next round of reads for the jobs' histories.
    next_round: Monotonic,
    /// True while a search for a route is under way.
    is_searching: bool,
    /// Requests that wait for that.
    route_requests: Vec<RequestId>,
    /// Time of the last sign that overrides may not hold any more.
    signed_at: Monotonic,
    changed: Changed,
}

/// Parts of the state that were changed since they were published last.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) facts: bool,
    pub(super) order: bool,
    pub(super) jobs: BTreeSet<JobId>,
}

/// State of one job.
#[derive(Debug)]
struct JobEntry {
    facts: JobFacts,
    reads: Reads,
    check: Check,
    changing: Changing,
}

impl JobEntry {
    fn new(facts: JobFacts, now: Monotonic) -> Self {
        Self { facts, reads: Reads::default(), check: Check::new(now), changing: Changing::default() }
    }
}

impl ClusterState {
    /// State of a cluster that has not been asked yet. Jobs with a record are known before it answers: it may be away.
    pub(super) fn new(
        identity: ClusterIdentity,
        now: Moment,
        records: Records,
        pause: Option<String>,
    ) -> Self {
        let mut state = Self {
            identity,
            facts: ClusterFacts { pause, ..ClusterFacts::default() },
            records: Records::new(),
            jobs: HashMap::new(),
            order: Vec::new(),
            tombstones: Tombstones::default(),
            listing: Listing::new(now.monotonic),
            next_round: now.monotonic,
            is_searching: false,
            route_requests: Vec::new(),
            signed_at: now.monotonic,
            changed: Changed { facts: true, order: true, jobs: BTreeSet::new() },
        };
        state.store(now, records);
        state
    }

    /// Handles one event.
    pub(super) fn handle(&mut self, now: Moment, event: ClusterEvent) -> Vec<ClusterAction> {
        let mut actions = Vec::new();
        match event {
            ClusterEvent::Timer => {}
            ClusterEvent::Stored(records) => self.store(now, records),
            ClusterEvent::Paused(pause) => self.pause(now, pause),
            ClusterEvent::Listed { asked, answered, followed, answer } => {
                self.listed(now, asked, answered, &followed, answer, &mut actions);
            }
            ClusterEvent::RestRead { job, asked, answered, answer } => {
                self.rest_read(now, job, asked, answered, answer, &mut actions);
            }
            ClusterEvent::AgentRead { job, asked, answered, lessons, answer } => {
                self.learn(lessons);
                self.agent_read(now, job, asked, answered, answer, &mut actions);
            }
            ClusterEvent::RouteFound { lessons, route } => {
                self.learn(lessons);
                self.is_searching = false;
                let replies = std::mem::take(&mut self.route_requests).into_iter();
                actions.extend(replies.map(|id| ClusterAction::Reply(id, Reply::Route(route.clone()))));
                self.resume_checks(now, &mut actions);
            }
            ClusterEvent::RunningSince { job, since } => self.running_since(now, job, since),
            ClusterEvent::Changed { job, asked, answered, lessons, answer } => {
                self.learn(lessons);
                self.changed(now, job, asked, answered, answer, &mut actions);
            }
            ClusterEvent::ResubmissionStored { job } => self.start_change(now, job, &mut actions),
            ClusterEvent::Removed { job } => self.listing.removed(job),
            ClusterEvent::BreakdownRead { job, asked, answered, answer } => {
                self.breakdown_read(job, asked, answered, answer, &mut actions);
            }
            ClusterEvent::NewestRead { job, answered, newest, subtasks } => {
                self.newest_read(job, answered, newest, subtasks, &mut actions);
            }
            ClusterEvent::ProcessEnded(jvm) => self.process_ended(now, jvm),
            ClusterEvent::Learned(lessons) => self.learn(lessons),
            ClusterEvent::Requested { id, request } => self.request(now, id, request, &mut actions),
        }
        self.advance(now, &mut actions);
        actions
    }

    /// Time at which [`ClusterEvent::Timer`] is due, at the latest.
    pub(super) fn next_wakeup(&self) -> Monotonic {
        let checks = self.records.keys().filter_map(|id| self.jobs.get(id)?.check.due());
        let list = self.listing.due().into_iter();
        checks.chain(list).fold(self.next_round, Monotonic::min)
    }

    /// Starts everything that is due.
    fn advance(&mut self, now: Moment, actions: &mut Vec<ClusterAction>) {
        self.start_list(now, actions);
        self.start_round(now, actions);
        self.start_checks(now, actions);
    }

    fn request(&mut self, now: Moment, id: RequestId, request: Request, actions: &mut Vec<ClusterAction>) {
        match request {
            Request::List => self.listing.request(id),
            Request::FindRoute(job) => match self.facts.routes.known(now.monotonic) {
                Some(route) => actions.push(ClusterAction::Reply(id, Reply::Route(route.clone()))),
                None => {
                    self.route_requests.push(id);
                    self.search(Some(job), false, actions);
                }
            },
            Request::ReadRest(job) => self.request_rest(id, job, actions),
            Request::ReadAgent(job) => self.request_agent(id, job, actions),
            Request::ReadBreakdown { job, with_places } => {
                self.request_breakdown(now, id, job, with_places, actions);
            }
            Request::Apply { job, revision, pull_in, initiator } => {
                self.request_change(now, job, ApplyRequest { id, revision, pull_in, initiator }, actions);
            }
        }
    }

    /// Takes the stored records.
    fn store(&mut self, now: Moment, records: Records) {
        for (id, record) in &records {
            if self.records.get(id) != Some(record) {
                self.changed.jobs.insert(*id);
            }
            if !self.jobs.contains_key(id) {
                let facts = JobFacts::stored(*id, record.name.clone(), now.monotonic);
                self.jobs.insert(*id, JobEntry::new(facts, now.monotonic));
                self.order.push(*id);
                self.changed.order = true;
            } else if self.records.get(id).is_none_or(|known| known.revision != record.revision)
                && let Some(entry) = self.jobs.get_mut(id)
            {
                entry.check.hand_over(now.monotonic);
            }
        }
        self.changed.jobs.extend(self.records.keys().filter(|id| !records.contains_key(id)));
        self.records = records;
    }

    fn pause(&mut self, now: Moment, pause: Option<String>) {
        let was_paused = std::mem::replace(&mut self.facts.pause, pause).is_some();
        self.changed.facts = true;
        if was_paused && self.facts.pause.is_none() {
            for id in self.records.keys() {
                if let Some(entry) = self.jobs.get_mut(id) {
                    entry.facts.keeper.resume();
                    self.changed.jobs.insert(*id);
                }
            }
        }
        self.sign(now);
    }

    /// Starts a search for a route, unless one is under way. It loads nothing.
    fn search(&mut self, job: Option<JobId>, again: bool, actions: &mut Vec<ClusterAction>) {
        if !std::mem::replace(&mut self.is_searching, true) {
            actions.push(ClusterAction::FindRoute { job, facts: self.facts.clone(), again });
        }
    }

    fn learn(&mut self, lessons: Vec<super::routes::Lesson>) {
        self.changed.facts |= !lessons.is_empty();
        lessons.into_iter().for_each(|lesson| self.facts.routes.learn(lesson));
    }

    /// The facts about the cluster.
    pub(super) fn facts(&self) -> &ClusterFacts {
        &self.facts
    }

    /// The jobs, the oldest first.
    pub(super) fn order(&self) -> &[JobId] {
        &self.order
    }

    /// The facts about a job.
    pub(super) fn job(&self, id: JobId) -> Option<&JobFacts> {
        self.jobs.get(&id).map(|entry| &entry.facts)
    }

    /// Parts that changed since the last call.
    pub(super) fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// One job at this moment.
    fn view<'a>(&'a self, now: Moment, facts: &'a JobFacts) -> JobView<'a> {
        JobView {
            cluster_name: &self.identity.name,
            url: &self.identity.url,
            cluster: &self.facts,
            job: facts,
            record: self.records.get(&facts.id()),
            namesake: facts.namesakes.first().and_then(|id| self.records.get(id)),
            now,
        }
    }

    /// A job to write to; it is published afterwards.
    fn entry(&mut self, id: JobId) -> Option<&mut JobEntry> {
        let entry = self.jobs.get_mut(&id)?;
        self.changed.jobs.insert(id);
        Some(entry)
    }

    fn unknown_job(&self) -> Reply {
        let sentence = format!("cluster {} does not know this job any more", self.identity.name);
        Reply::Failed(RequestError::Job(crate::seam::SeamError::Unreachable(sentence)))
    }
}
