//! A simulated cluster with one job, whose answers come when the test says so.

use super::super::event::{
    ChangeAnswer, ClusterAction, ClusterEvent, ListAnswer, Records, Reply, Request, RequestId, RestAnswer,
};
use super::super::{ClusterIdentity, ClusterState};
use super::answers::{id, jvm, overview, rest_answer, sight, vertex};
use crate::anatomy::VertexAnatomy;
use crate::checkpoint_log::{CheckpointMark, SubtaskTable};
use crate::clock::Moment;
use crate::flink::breakdown::BreakdownRead;
use crate::flink::facts::{JobFacts, RestRead};
use crate::flink::rest::CACHE_AGE;
use crate::flink::routes::{Lesson, Route};
use crate::flink::settings::Attach;
use crate::overrides::{Layer, Layers, Record, Submitted};
use crate::seam::{Initiator, SeamError};
use ckpt_api::flink::Checkpoint;
use ckpt_api::{JobState, OverrideState};
use ckpt_coordinator::Monotonic;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

pub(super) const INTERVAL: i64 = 10_000;
/// The submitted timeout.
pub(super) const TIMEOUT: i64 = 20_000;
/// The wall clock at the start.
const EPOCH: Duration = Duration::from_secs(1_790_000_000);

/// The job as the cluster has it.
#[derive(Debug, Clone)]
pub(super) struct SimJob {
    pub(super) timeout: i64,
    pub(super) state: JobState,
    pub(super) is_listed: bool,
    pub(super) has_coordinator: bool,
    pub(super) identity: i32,
    pub(super) started: i64,
    pub(super) running: i64,
    /// Flink's history, newest first.
    pub(super) history: Vec<Checkpoint>,
    /// The newest completed checkpoint.
    pub(super) completed: Option<Checkpoint>,
}

/// An action under way, with the job as it was when it began.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) action: ClusterAction,
    asked: Moment,
    job: SimJob,
}

/// The cluster, the store and the state machine.
pub(super) struct Sim {
    pub(super) state: ClusterState,
    pub(super) now: Duration,
    pub(super) job: SimJob,
    pub(super) records: Records,
    pub(super) pause: Option<String>,
    pub(super) is_up: bool,
    pub(super) is_native: bool,
    pub(super) pending: Vec<Pending>,
    pub(super) replies: HashMap<RequestId, Reply>,
    pub(super) asked: HashMap<RequestId, Request>,
    /// Subtasks of each completed checkpoint.
    pub(super) subtasks: Option<SubtaskTable>,
    /// Completed checkpoints whose subtasks were asked for.
    pub(super) asked_subtasks: Vec<CheckpointMark>,
    next_request: RequestId,
    newest_list: i64,
    newest_rest: Option<Monotonic>,
}

impl Sim {
    /// A cluster that has not been asked yet.
    pub(super) fn new() -> Self {
        let job = SimJob {
            timeout: TIMEOUT,
            state: JobState::Running,
            is_listed: true,
            has_coordinator: true,
            identity: 1,
            started: 1_000,
            running: 2_000,
            history: Vec::new(),
            completed: None,
        };
        let identity = ClusterIdentity {
            name: "prod".to_owned(),
            url: "http://prod:8081".to_owned(),
            attach: Attach::OnChange,
        };
        let start = Moment::new(Monotonic::default(), EPOCH);
        let mut sim = Self {
            state: ClusterState::new(identity, start, Records::new(), None),
            now: Duration::ZERO,
            job,
            records: Records::new(),
            pause: None,
            is_up: true,
            is_native: false,
            pending: Vec::new(),
            replies: HashMap::new(),
            asked: HashMap::new(),
            subtasks: None,
            asked_subtasks: Vec::new(),
            next_request: 0,
            newest_list: i64::MIN,
            newest_rest: None,
        };
        sim.handle(ClusterEvent::Timer);
        sim
    }

    /// A cluster that is known, with an override that holds.
    pub(super) fn with_override(timeout: i64) -> Self {
        let mut sim = Self::new();
        sim.settle();
        sim.store(timeout);
        let request = sim.apply();
        sim.settle();
        assert!(matches!(sim.replies[&request], Reply::Applied(_)), "{:?}", sim.replies[&request]);
        sim
    }

    pub(super) fn moment(&self) -> Moment {
        Moment::new(Monotonic::new(self.now), EPOCH + self.now)
    }

    pub(super) fn wall(&self) -> u64 {
        self.moment().wall_millis()
    }

    /// Hands an event to the state machine and checks what holds after every event.
    pub(super) fn handle(&mut self, event: ClusterEvent) {
        let asked = self.moment();
        let actions = self.state.handle(asked, event);
        for action in actions {
            match action {
                ClusterAction::Reply(id, reply) => {
                    self.check_reply(id, &reply);
                    assert!(self.replies.insert(id, reply).is_none(), "one reply for each request");
                }
                ClusterAction::Tell { .. } => {}
                action => {
                    self.check_action(&action);
                    self.pending.push(Pending { action, asked, job: self.job.clone() });
                }
            }
        }
        self.check_facts();
    }

    fn check_reply(&self, id: RequestId, reply: &Reply) {
        let Some(Request::Apply { revision, .. }) = self.asked.get(&id) else { return };
        match reply {
            Reply::Applied(applied) => assert_eq!(applied.revision, *revision, "its own revision"),
            Reply::Superseded { by } => assert!(by > revision, "{by} is later than {revision}"),
            Reply::Done | Reply::Route(_) | Reply::Failed(_) => {}
        }
    }

    fn check_action(&self, action: &ClusterAction) {
        if !matches!(action, ClusterAction::Change(_)) {
            return;
        }
        let is_open = |id: &&RequestId| !self.replies.contains_key(*id);
        let is_apply = |id: &&RequestId| {
            matches!(self.asked[*id], Request::Apply { initiator: Initiator::Operator, .. })
        };
        let is_asked_for = self.asked.keys().filter(is_open).any(|id| is_apply(&id));
        assert!(self.pause.is_none() || is_asked_for, "nothing is written while paused");
        let changes = self.pending.iter().filter(|it| matches!(it.action, ClusterAction::Change(_)));
        assert_eq!(changes.count(), 0, "one change at a time");
    }

    /// No older answer replaces a newer one.
    fn check_facts(&mut self) {
        let Some(facts) = self.state.job(id()) else { return };
        let listed = facts.overview.last_modification;
        assert!(listed >= self.newest_list || listed == -1, "an older list replaced a newer one");
        self.newest_list = self.newest_list.max(listed);
        let rest = facts.rest.as_ref().map(|rest| rest.asked);
        assert!(rest >= self.newest_rest || rest.is_none(), "an older answer replaced a newer one");
        self.newest_rest = rest;
    }

    /// Puts a request to the owner.
    pub(super) fn request(&mut self, request: Request) -> RequestId {
        let id = self.next_request;
        self.next_request += 1;
        self.asked.insert(id, request);
        self.handle(ClusterEvent::Requested { id, request });
        id
    }

    pub(super) fn revision(&self) -> u64 {
        self.records.get(&id()).map_or(0, |record| record.revision)
    }

    /// Stores an override of the timeout; the owner is told.
    pub(super) fn store(&mut self, timeout: i64) {
        self.store_until(timeout, None);
    }

    /// Stores one that ends by itself, in milliseconds since the epoch.
    pub(super) fn store_until(&mut self, timeout: i64, until: Option<u64>) {
        let value = u64::try_from(timeout).unwrap();
        let layer = Layer { value, until, by: None, reason: None, since: self.wall() };
        let mut layers = Layers::default();
        layers.push(layer).unwrap();
        self.put(layers);
    }

    /// Ends the override, durably.
    pub(super) fn store_end(&mut self) {
        self.put(Layers::default());
    }

    fn put(&mut self, timeout: Layers) {
        let submitted = Submitted {
            checkpoint_interval: Some(INTERVAL.unsigned_abs()),
            checkpoint_timeout: TIMEOUT.unsigned_abs(),
        };
        let record = Record {
            name: "orders".to_owned(),
            revision: self.revision() + 1,
            interval: Layers::default(),
            timeout,
            reason: None,
            changed_at: self.wall(),
            submitted: Some(submitted),
        };
        self.records.insert(id(), record);
        self.handle(ClusterEvent::Stored(self.records.clone()));
    }

    /// Asks for the stored revision, as an operator's change does.
    pub(super) fn apply(&mut self) -> RequestId {
        self.apply_for(Initiator::Operator, self.revision())
    }

    pub(super) fn apply_for(&mut self, initiator: Initiator, revision: u64) -> RequestId {
        self.request(Request::Apply { job: id(), revision, pull_in: false, initiator })
    }

    pub(super) fn pause(&mut self, pause: Option<&str>) {
        self.pause = pause.map(str::to_owned);
        self.handle(ClusterEvent::Paused(self.pause.clone()));
    }

    /// The timeout that should be in force.
    pub(super) fn wanted(&self) -> i64 {
        let value = self.records.get(&id()).and_then(|record| record.timeout.value(self.wall()));
        value.map_or(TIMEOUT, |value| i64::try_from(value).unwrap())
    }

    /// The job's coordinator is replaced, with what was submitted.
    pub(super) fn restart(&mut self) {
        self.job.identity += 1;
        self.job.running += 10_000;
        self.job.timeout = TIMEOUT;
    }

    pub(super) fn facts(&self) -> &JobFacts {
        self.state.job(id()).unwrap()
    }

    pub(super) fn status(&self) -> Option<OverrideState> {
        self.facts().keeper.state()
    }

    /// Lets time pass until the next wake-up of the state machine, which is woken.
    pub(super) fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let due = self.state.next_wakeup().since(Monotonic::default());
            if due > until {
                break;
            }
            self.now = self.now.max(due);
            let before = self.pending.len();
            self.handle(ClusterEvent::Timer);
            let is_stuck = self.pending.len() == before
                && self.state.next_wakeup().since(Monotonic::default()) <= self.now;
            assert!(!is_stuck, "a timer changes something, or is due later");
            if self.pending.len() > before {
                self.deliver_all();
            }
        }
        self.now = until;
    }

    /// Delivers the answers of all actions, in their order, and of those that follow.
    pub(super) fn deliver_all(&mut self) {
        for _ in 0..10_000 {
            if self.pending.is_empty() {
                return;
            }
            self.deliver(0, false);
        }
        panic!("actions without end: {:?}", self.pending);
    }

    /// Lets everything come to rest.
    pub(super) fn settle(&mut self) {
        self.deliver_all();
        self.advance(Duration::from_secs(15));
    }

    /// The place of an action that `is` the wanted one.
    pub(super) fn find(&self, is: impl Fn(&ClusterAction) -> bool) -> usize {
        let found = self.pending.iter().position(|pending| is(&pending.action));
        found.unwrap_or_else(|| panic!("it is not under way: {:?}", self.pending))
    }

    /// Delivers the answer of one action; a read may tell how the job was when it was asked.
    pub(super) fn deliver(&mut self, place: usize, is_old: bool) {
        let Pending { action, asked, job } = self.pending.remove(place);
        let seen = if is_old { job } else { self.job.clone() };
        let answered = self.moment();
        let event = match action {
            ClusterAction::List { with_version } => {
                let version = with_version.then(|| "2.3.0".to_owned());
                let jobs = if seen.is_listed { vec![overview(&seen, asked)] } else { Vec::new() };
                let answer = match self.is_up {
                    true => Ok(ListAnswer { version, jobs }),
                    false => Err("it does not answer".to_owned()),
                };
                ClusterEvent::Listed { asked, answered, followed: HashSet::new(), answer }
            }
            ClusterAction::ReadRest { job, .. } => {
                let answer = Ok(Box::new(rest_answer(&seen)));
                ClusterEvent::RestRead { job, asked: asked.monotonic, answered, answer }
            }
            ClusterAction::ReadAgent { overview, .. } => {
                let answer = match seen.has_coordinator {
                    true => Ok(Box::new((jvm(), sight(&seen)))),
                    false => Err(SeamError::NotNow { state: overview.state }),
                };
                let (job, asked) = (overview.jid, asked.monotonic);
                ClusterEvent::AgentRead { job, asked, answered, lessons: Vec::new(), answer }
            }
            ClusterAction::FindRoute { .. } => {
                let route = if self.is_native { Route::Native } else { Route::Attach(jvm()) };
                let native = Lesson::Native { native: self.is_native, forbidden: None };
                let lessons = vec![native, Lesson::Found(answered.monotonic, route.clone())];
                ClusterEvent::RouteFound { lessons, route }
            }
            ClusterAction::ReadRunningSince(job) => {
                ClusterEvent::RunningSince { job, since: Some(seen.running) }
            }
            ClusterAction::Change(order) => {
                let answer = self.change(i64::try_from(order.wanted.timeout().as_millis()).unwrap(), asked);
                let (job, asked) = (order.overview.jid, asked.monotonic);
                ClusterEvent::Changed { job, asked, answered, lessons: Vec::new(), answer }
            }
            ClusterAction::StoreResubmission { job, submitted } => {
                if let Some(record) = self.records.get_mut(&job) {
                    record.submitted = Some(submitted);
                }
                self.handle(ClusterEvent::Stored(self.records.clone()));
                ClusterEvent::ResubmissionStored { job }
            }
            ClusterAction::Remove { job, revision } => {
                if revision.is_none_or(|revision| self.revision() == revision) {
                    self.records.remove(&job);
                }
                self.handle(ClusterEvent::Stored(self.records.clone()));
                ClusterEvent::Removed { job }
            }
            ClusterAction::ReadBreakdown(request) => {
                let statistics = rest_answer(&seen).statistics;
                let marks: Vec<_> =
                    request.log.without_subtasks(&statistics).map(CheckpointMark::of).collect();
                self.asked_subtasks.extend(&marks);
                let completed = marks.iter().filter_map(|mark| Some((*mark, self.subtasks.clone()?)));
                let read = BreakdownRead {
                    vertices: vec![VertexAnatomy::new(vertex(), "source".to_owned(), 1)],
                    in_flight: Vec::new(),
                    completed: completed.collect(),
                    statistics,
                    warnings: Vec::new(),
                };
                let (job, asked) = (request.job, asked.monotonic);
                ClusterEvent::BreakdownRead { job, asked, answered, answer: Ok(Box::new(read)) }
            }
            ClusterAction::ReadNewest(request, newest) => {
                self.asked_subtasks.push(newest);
                let subtasks = self.subtasks.clone();
                ClusterEvent::NewestRead { job: request.job, answered, newest, subtasks }
            }
            ClusterAction::Tell { .. } | ClusterAction::Reply(..) => unreachable!("never under way"),
        };
        self.handle(event);
    }

    fn change(&mut self, timeout: i64, asked: Moment) -> Result<Box<ChangeAnswer>, SeamError> {
        if !self.job.has_coordinator {
            return Err(SeamError::NotNow { state: self.job.state });
        }
        let before = self.job.clone();
        self.job.timeout = timeout;
        let read = |job: &SimJob| {
            let RestAnswer { config, statistics } = rest_answer(job);
            Box::new(RestRead { config, statistics, asked: asked.monotonic, answered: self.moment() })
        };
        Ok(Box::new(match self.is_native {
            true => ChangeAnswer::Native { before: read(&before), after: read(&self.job) },
            false => ChangeAnswer::Agent {
                jvm: jvm(),
                sight: Box::new(sight(&self.job)),
                timeout_before: before.timeout,
                updates: Vec::new(),
            },
        }))
    }

    /// Longer than Flink keeps its answers, and than any pause after failures.
    pub(super) fn long() -> Duration {
        CACHE_AGE + Duration::from_secs(130)
    }
}
