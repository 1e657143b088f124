//! A coordinator in simulated time, with a host that does its work at once unless told otherwise.

use ckpt_coordinator::config::{Override, SubmittedConfig, Tolerable};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{
    Action, Coordinator, Event, Fact, InFlight, InFlightUpdate, Kind, Monotonic, RequestToken, Snapshot,
    Start, View,
};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use ckpt_types::ids::{CheckpointId, JobId, Subtask, VertexId};
use std::collections::VecDeque;
use std::time::Duration;

pub(crate) use crate::actions::*;

pub(crate) const JOB: JobId = JobId::from_bits(0xA);
pub(crate) const OTHER_JOB: JobId = JobId::from_bits(0xB);
/// Two vertices, of two subtasks and one.
const VERTICES: [(VertexId, u32); 2] = [(VertexId::from_bits(1), 2), (VertexId::from_bits(2), 1)];
pub(crate) const SUBTASKS: usize = 3;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn at(millis: u64) -> Monotonic {
    Monotonic::new(ms(millis))
}

pub(crate) fn interval(millis: u64) -> CheckpointInterval {
    CheckpointInterval::from_millis(millis).unwrap()
}

pub(crate) fn timeout(millis: u64) -> CheckpointTimeout {
    CheckpointTimeout::from_millis(millis).unwrap()
}

pub(crate) fn id(number: u64) -> CheckpointId {
    CheckpointId(number)
}

/// A job without periodic checkpoints, and a timeout of one second.
pub(crate) fn by_hand() -> SubmittedConfig {
    SubmittedConfig { timeout: timeout(1_000), ..SubmittedConfig::default() }
}

/// The same, and no number of failures is too many.
pub(crate) fn tolerant() -> SubmittedConfig {
    SubmittedConfig { tolerable_failures: Tolerable::Unlimited, ..by_hand() }
}

/// A job with periodic checkpoints, and a timeout that is out of the way.
pub(crate) fn every(millis: u64) -> SubmittedConfig {
    SubmittedConfig {
        interval: Some(interval(millis)),
        timeout: timeout(3_600_000),
        ..SubmittedConfig::default()
    }
}

/// The subtasks of the job, and 3 for one that it does not have.
pub(crate) fn subtask(number: usize) -> Subtask {
    let (vertex, index) = [(1, 0), (1, 1), (2, 0), (2, 1)][number];
    Subtask { vertex: VertexId::from_bits(vertex), index }
}

pub(crate) fn savepoint() -> Kind {
    Kind::Savepoint { target: "savepoints".into() }
}

/// What `subtask` stores for checkpoint `number` in these tests.
pub(crate) fn snapshot(number: u64, subtask: usize) -> Snapshot {
    Snapshot { location: format!("{number}/{subtask}"), bytes: 7, ..Snapshot::default() }
}

/// How the host answers a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    AtOnce,
    Fails,
    /// Not before the test does it.
    Withheld,
}

#[derive(Debug, Clone)]
pub(crate) struct Sim {
    pub(crate) coordinator: Coordinator,
    pub(crate) prepare: Reply,
    pub(crate) finalize: Reply,
    pub(crate) clean: Reply,
    millis: u64,
    log: Vec<(u64, Action)>,
}

impl Sim {
    /// A new job, whose scheduler is stopped.
    pub(crate) fn new(submitted: SubmittedConfig) -> Self {
        Self::from(fresh(submitted))
    }

    pub(crate) fn from(start: Start) -> Self {
        let (prepare, finalize, clean) = (Reply::AtOnce, Reply::AtOnce, Reply::AtOnce);
        Self { coordinator: Coordinator::new(start), prepare, finalize, clean, millis: 0, log: Vec::new() }
    }

    /// A new job that runs; its first periodic trigger comes after one interval.
    pub(crate) fn running(submitted: SubmittedConfig) -> Self {
        let mut sim = Self::new(submitted);
        sim.tasks_running(u32::MAX);
        sim
    }

    pub(crate) fn now(&self) -> Monotonic {
        at(self.millis)
    }

    /// Hands in an event; what is returned are its actions, followed by those of the host's answers.
    pub(crate) fn send(&mut self, event: Event) -> Vec<Action> {
        let actions = self.coordinator.handle(self.now(), event);
        self.carry_out(actions)
    }

    fn carry_out(&mut self, actions: Vec<Action>) -> Vec<Action> {
        let mut to_do = VecDeque::from(actions);
        let mut done = Vec::new();
        while let Some(action) = to_do.pop_front() {
            let answer = self.answer(&action);
            self.log.push((self.millis, action.clone()));
            done.push(action);
            if let Some(event) = answer {
                to_do.extend(self.coordinator.handle(self.now(), event));
            }
        }
        done
    }

    fn answer(&self, action: &Action) -> Option<Event> {
        let result = |reply| match reply {
            Reply::AtOnce => Some(Ok(())),
            Reply::Fails => Some(Err("disk full".to_owned())),
            Reply::Withheld => None,
        };
        match action {
            Action::Prepare { id, .. } => {
                result(self.prepare).map(|result| Event::Prepared { id: *id, result })
            }
            Action::Finalize { id, .. } => {
                result(self.finalize).map(|result| Event::Finalized { id: *id, result })
            }
            Action::Discard { id, completed: true, .. } => {
                (self.clean == Reply::AtOnce).then_some(Event::Cleaned { id: *id })
            }
            _ => None,
        }
    }

    /// Lets time pass, with a tick at each wake-up and one at the end.
    pub(crate) fn run_to(&mut self, millis: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(wakeup) = self.coordinator.next_wakeup().filter(|wakeup| *wakeup < at(millis)) {
            let wakeup = u64::try_from((wakeup - Monotonic::default()).as_millis()).unwrap();
            assert!(self.millis <= wakeup, "a wake-up at {wakeup} ms, now at {} ms", self.millis);
            actions.extend(self.sleep_to(wakeup));
        }
        actions.extend(self.sleep_to(millis));
        actions
    }

    /// Lets time pass with nobody awake, and ticks at the end.
    pub(crate) fn sleep_to(&mut self, millis: u64) -> Vec<Action> {
        self.skip_to(millis);
        let actions = self.send(Event::Tick);
        let wakeup = self.coordinator.next_wakeup();
        assert!(wakeup.is_none_or(|wakeup| wakeup > self.now()), "something is due after a tick");
        actions
    }

    /// Lets time pass with nobody awake, without a tick.
    pub(crate) fn skip_to(&mut self, millis: u64) {
        assert!(self.millis <= millis, "time does not run backwards");
        self.millis = millis;
    }

    pub(crate) fn tasks_running(&mut self, spread: u32) -> Vec<Action> {
        self.send(Event::TasksRunning { spread })
    }

    /// Asks for a checkpoint by hand.
    pub(crate) fn checkpoint(&mut self, token: u64) -> Vec<Action> {
        self.send(Event::Trigger { kind: Kind::Checkpoint, answer_to: RequestToken(token) })
    }

    pub(crate) fn savepoint(&mut self, token: u64) -> Vec<Action> {
        self.send(Event::Trigger { kind: savepoint(), answer_to: RequestToken(token) })
    }

    pub(crate) fn prepared(&mut self, number: u64) -> Vec<Action> {
        self.send(Event::Prepared { id: id(number), result: Ok(()) })
    }

    pub(crate) fn finalized(&mut self, number: u64) -> Vec<Action> {
        self.send(Event::Finalized { id: id(number), result: Ok(()) })
    }

    pub(crate) fn cleaned(&mut self, number: u64) -> Vec<Action> {
        self.send(Event::Cleaned { id: id(number) })
    }

    pub(crate) fn acknowledge(&mut self, number: u64, by: usize) -> Vec<Action> {
        self.acknowledge_as(JOB, number, by)
    }

    pub(crate) fn acknowledge_as(&mut self, job: JobId, number: u64, by: usize) -> Vec<Action> {
        let snapshot = snapshot(number, by);
        self.send(Event::Acknowledge { job, id: id(number), subtask: subtask(by), snapshot })
    }

    /// Every subtask acknowledges.
    pub(crate) fn acknowledge_all(&mut self, number: u64) -> Vec<Action> {
        (0..SUBTASKS).flat_map(|by| self.acknowledge(number, by)).collect()
    }

    pub(crate) fn decline(&mut self, number: u64, reason: FailureReason) -> Vec<Action> {
        self.decline_as(JOB, number, 0, reason)
    }

    pub(crate) fn decline_as(
        &mut self,
        job: JobId,
        number: u64,
        by: usize,
        reason: FailureReason,
    ) -> Vec<Action> {
        let detail = "no space".to_owned();
        self.send(Event::Decline { job, id: id(number), subtask: subtask(by), reason, detail })
    }

    pub(crate) fn update(&mut self, overridden: Override) -> (Vec<InFlightUpdate>, Vec<Action>) {
        self.update_and_pull(overridden, false)
    }

    pub(crate) fn update_and_pull(
        &mut self,
        overridden: Override,
        pull_in: bool,
    ) -> (Vec<InFlightUpdate>, Vec<Action>) {
        let (updates, actions) = self.coordinator.update(self.now(), overridden, pull_in);
        let actions = self.carry_out(actions);
        (updates, actions)
    }

    pub(crate) fn view(&self) -> View {
        self.coordinator.view(self.now())
    }

    pub(crate) fn in_flight(&self) -> Vec<u64> {
        self.view().in_flight.iter().map(|checkpoint| checkpoint.id.0).collect()
    }

    pub(crate) fn seen(&self, number: u64) -> InFlight {
        self.view().in_flight.into_iter().find(|seen| seen.id == id(number)).unwrap()
    }

    pub(crate) fn next_trigger(&self) -> Option<u64> {
        let next = self.view().next_trigger?;
        Some(u64::try_from((next - Monotonic::default()).as_millis()).unwrap())
    }

    pub(crate) fn consecutive(&self) -> u32 {
        self.view().consecutive_failures
    }

    pub(crate) fn kept(&self) -> Vec<u64> {
        self.coordinator.completed().map(|id| id.0).collect()
    }

    /// Every checkpoint so far, with the time of its creation.
    pub(crate) fn creations(&self) -> Vec<(u64, u64)> {
        let creation = |(at, action): &(u64, Action)| match action {
            Action::Record(Fact::Created { id, .. }) => Some((id.0, *at)),
            _ => None,
        };
        self.log.iter().filter_map(creation).collect()
    }

    /// Everything that came out so far.
    pub(crate) fn log(&self) -> Vec<Action> {
        self.log.iter().map(|(_, action)| action.clone()).collect()
    }
}

/// Where a new job starts from.
pub(crate) fn fresh(submitted: SubmittedConfig) -> Start {
    Start {
        job: JOB,
        vertices: VERTICES.to_vec(),
        submitted,
        overridden: Override::default(),
        completed: Vec::new(),
        next_id: CheckpointId::FIRST,
        fresh: true,
    }
}
