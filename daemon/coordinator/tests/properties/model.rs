//! What is to be expected of a coordinator, kept beside a real one.

use crate::actions::Told;
use crate::{Awake, Step};
use ckpt_coordinator::config::{Override, SubmittedConfig, Tolerable};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{Coordinator, Event, Kind, Monotonic, RequestToken, Snapshot, Start};
use ckpt_types::ids::{CheckpointId, JobId, Subtask, VertexId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(crate) const JOB: JobId = JobId::from_bits(1);
const OTHER_JOB: JobId = JobId::from_bits(2);
pub(crate) const VERTEX: VertexId = VertexId::from_bits(3);
/// What a task says that declines.
pub(crate) const DECLINED: &str = "no space";
pub(crate) const SUBTASKS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Prepare,
    Finalize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Failed(FailureReason),
}

/// A checkpoint, from its creation to long after its end.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) savepoint: bool,
    pub(crate) created: Monotonic,
    /// Who asked for it; nobody for a periodic one.
    pub(crate) token: Option<u64>,
    pub(crate) acknowledged: BTreeSet<u32>,
    pub(crate) tasks_know: bool,
    pub(crate) end: Option<End>,
    pub(crate) discarded: bool,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) coordinator: Coordinator,
    pub(crate) submitted: SubmittedConfig,
    pub(crate) overridden: Override,
    pub(crate) now: Monotonic,
    pub(crate) checkpoints: BTreeMap<CheckpointId, Checkpoint>,
    pub(crate) at_work: BTreeMap<CheckpointId, Work>,
    pub(crate) kept: BTreeSet<CheckpointId>,
    pub(crate) cleaning: BTreeSet<CheckpointId>,
    pub(crate) waiting_checkpoints: VecDeque<u64>,
    pub(crate) waiting_savepoints: VecDeque<u64>,
    pub(crate) asked: u64,
    pub(crate) answered: BTreeSet<u64>,
    pub(crate) last_completion: Option<Monotonic>,
    pub(crate) last_success: Option<CheckpointId>,
    pub(crate) failures: u32,
    /// The number of failures has just become too many, and the job has not been told.
    pub(crate) job_has_to_fail: bool,
    pub(crate) running: bool,
    pub(crate) shut_down: bool,
}

impl Model {
    pub(crate) fn new(submitted: SubmittedConfig, fresh: bool) -> Self {
        let coordinator = Coordinator::new(Start {
            job: JOB,
            vertices: vec![(VERTEX, u32::try_from(SUBTASKS).unwrap())],
            submitted: submitted.clone(),
            overridden: Override::default(),
            completed: Vec::new(),
            next_id: CheckpointId::FIRST,
            fresh,
        });
        Self {
            coordinator,
            submitted,
            overridden: Override::default(),
            now: Monotonic::new(Duration::from_secs(1)),
            checkpoints: BTreeMap::new(),
            at_work: BTreeMap::new(),
            kept: BTreeSet::new(),
            cleaning: BTreeSet::new(),
            waiting_checkpoints: VecDeque::new(),
            waiting_savepoints: VecDeque::new(),
            asked: 0,
            answered: BTreeSet::new(),
            last_completion: None,
            last_success: None,
            failures: 0,
            job_has_to_fail: false,
            running: false,
            shut_down: false,
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match *step {
            Step::Checkpoint => {
                self.asked += 1;
                self.waiting_checkpoints.push_back(self.asked);
                self.hand_in(&Event::Trigger { kind: Kind::Checkpoint, answer_to: RequestToken(self.asked) });
            }
            Step::Savepoint => {
                self.asked += 1;
                self.waiting_savepoints.push_back(self.asked);
                let kind = Kind::Savepoint { target: "there".into() };
                self.hand_in(&Event::Trigger { kind, answer_to: RequestToken(self.asked) });
            }
            Step::Acknowledge { which, by, wrong_job } => {
                self.acknowledge(which, by, if wrong_job { OTHER_JOB } else { JOB });
            }
            Step::AcknowledgeAll { which } => (0..SUBTASKS).for_each(|by| self.acknowledge(which, by, JOB)),
            Step::Decline { which, by, reason, wrong_job } => {
                let job = if wrong_job { OTHER_JOB } else { JOB };
                let (id, subtask) = (self.choose(which), subtask(by));
                self.hand_in(&Event::Decline { job, id, subtask, reason, detail: DECLINED.to_owned() });
            }
            Step::Update { overridden, pull_in } => self.update(overridden, pull_in),
            Step::Suspend => self.hand_in(&Event::Suspend),
            Step::TasksRunning { spread } => self.hand_in(&Event::TasksRunning { spread }),
            Step::Pass { by, awake } => self.pass(by, awake),
            Step::Work { which, well } => {
                if let Some(id) = nth(self.at_work.keys(), which) {
                    self.work(id, well);
                }
            }
            Step::AllWork => self.all_work(),
            Step::Nonsense { which, finalize } => self.nonsense(which, finalize),
            Step::Cleaned { which } => {
                if let Some(id) = nth(self.cleaning.iter(), which) {
                    self.hand_in(&Event::Cleaned { id });
                }
            }
            Step::Shutdown { end } => self.hand_in(&Event::Shutdown { end }),
        }
    }

    /// Whatever is still open comes to an end.
    pub(crate) fn finish(&mut self) {
        self.hand_in(&Event::Shutdown { end: None });
        self.all_work();
        for id in self.cleaning.clone() {
            self.hand_in(&Event::Cleaned { id });
        }
        let all: BTreeSet<_> = (1..=self.asked).collect();
        assert_eq!(self.answered, all, "every request has its answer");
        for (id, checkpoint) in &self.checkpoints {
            match checkpoint.end {
                Some(End::Completed) => {}
                Some(End::Failed(_)) => assert!(checkpoint.discarded, "{id} failed and is still there"),
                None => panic!("{id} has no outcome"),
            }
        }
        assert_eq!(self.coordinator.next_wakeup(), None);
    }

    fn hand_in(&mut self, event: &Event) {
        let expected = self.expected(event);
        let next_trigger = self.coordinator.view(self.now).next_trigger;
        match event {
            Event::Prepared { id, .. } if self.at_work.get(id) == Some(&Work::Prepare) => {
                self.at_work.remove(id);
            }
            Event::Finalized { id, .. } if self.at_work.get(id) == Some(&Work::Finalize) => {
                self.at_work.remove(id);
            }
            Event::Cleaned { id } => {
                self.cleaning.remove(id);
            }
            Event::TasksRunning { .. } => self.running |= !self.shut_down,
            Event::Suspend => self.running = false,
            _ => {}
        }
        let actions = self.coordinator.handle(self.now, event.clone());
        if let (true, Event::Acknowledge { id, subtask, .. }) = (expected.counts, event) {
            self.checkpoints.get_mut(id).unwrap().acknowledged.insert(subtask.index);
        }
        self.absorb(&actions, Some(event));
        assert_eq!(Told::by(&actions), expected, "{event:?} {actions:?}");
        if let Event::Shutdown { end } = event {
            let goes = end.is_some_and(|end| !self.submitted.retention_policy.retains(end));
            assert!(self.shut_down || !goes || self.kept.is_empty(), "the job has ended");
            (self.running, self.shut_down) = (false, true);
        }
        self.check();
        if matches!(event, Event::Tick) {
            let wakeup = self.coordinator.next_wakeup();
            assert!(wakeup.is_none_or(|wakeup| wakeup > self.now), "nothing is due after a tick");
            self.check_rate(next_trigger);
        }
    }

    fn acknowledge(&mut self, which: usize, by: usize, job: JobId) {
        let id = self.choose(which);
        let snapshot = Snapshot { location: format!("{id}/{by}"), ..Snapshot::default() };
        self.hand_in(&Event::Acknowledge { job, id, subtask: subtask(by), snapshot });
    }

    fn pass(&mut self, by: Duration, awake: Awake) {
        let end = self.now + by;
        // A month of short intervals would take too long to live through.
        for _ in 0..20 {
            let wakeup = self.coordinator.next_wakeup().filter(|wakeup| *wakeup < end);
            let Some(wakeup) = wakeup.filter(|_| awake == Awake::Always) else { break };
            self.now = self.now.max(wakeup);
            self.hand_in(&Event::Tick);
        }
        self.now = end;
        if awake == Awake::Never {
            self.check();
        } else {
            self.hand_in(&Event::Tick);
        }
    }

    fn work(&mut self, id: CheckpointId, well: bool) {
        let result = if well { Ok(()) } else { Err("disk full".to_owned()) };
        match self.at_work[&id] {
            Work::Prepare => self.hand_in(&Event::Prepared { id, result }),
            Work::Finalize => self.hand_in(&Event::Finalized { id, result }),
        }
    }

    fn all_work(&mut self) {
        while let Some(id) = nth(self.at_work.keys(), 0) {
            self.work(id, true);
        }
    }

    fn nonsense(&mut self, which: usize, finalize: bool) {
        let (id, result) = (self.choose(which), Ok(()));
        let (work, event) = if finalize {
            (Work::Finalize, Event::Finalized { id, result })
        } else {
            (Work::Prepare, Event::Prepared { id, result })
        };
        if self.at_work.get(&id) != Some(&work) {
            let before = self.coordinator.view(self.now);
            self.hand_in(&event);
            assert_eq!(self.coordinator.view(self.now), before);
        }
    }

    /// Half of the time a checkpoint in flight; else one of the last ones, or one that does not exist yet.
    fn choose(&self, which: usize) -> CheckpointId {
        let in_flight: Vec<_> = self.in_flight().map(|(id, _)| id).collect();
        let of_all = || self.checkpoints.keys().rev().nth(which / 2).copied();
        let of_those = (!in_flight.is_empty()).then(|| in_flight[which / 2 % in_flight.len()]);
        let chosen = if which.is_multiple_of(2) { of_those } else { of_all() };
        chosen.unwrap_or(self.coordinator.next_id())
    }

    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (CheckpointId, &Checkpoint)> {
        let in_flight = self.checkpoints.iter().filter(|(_, checkpoint)| checkpoint.end.is_none());
        in_flight.map(|(id, checkpoint)| (*id, checkpoint))
    }

    pub(crate) fn is_being_stored(&self, id: CheckpointId) -> bool {
        self.at_work.get(&id) == Some(&Work::Finalize)
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.overridden.timeout.unwrap_or(self.submitted.timeout).get()
    }

    pub(crate) fn interval(&self) -> Option<Duration> {
        let own = self.submitted.interval?;
        Some(self.overridden.interval.unwrap_or(own).get().max(self.submitted.min_pause))
    }

    pub(crate) fn tolerates(&self, failures: u32) -> bool {
        match self.submitted.tolerable_failures {
            Tolerable::AtMost(most) => failures <= most,
            Tolerable::Unlimited => true,
        }
    }
}

/// The last numbers are subtasks that the job does not have.
fn subtask(by: usize) -> Subtask {
    if by > SUBTASKS {
        Subtask { vertex: VertexId::from_bits(99), index: 0 }
    } else {
        Subtask { vertex: VERTEX, index: u32::try_from(by).unwrap() }
    }
}

fn nth<'a>(mut ids: impl ExactSizeIterator<Item = &'a CheckpointId>, which: usize) -> Option<CheckpointId> {
    let length = ids.len();
    if length == 0 { None } else { ids.nth(which % length).copied() }
}
