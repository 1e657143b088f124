//! Histories of a job, made up: what usually happens, and what goes wrong in the checkpoint in flight.

use ckpt_estimate::{Ended, Pending};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// The subtasks of a source, a stateful operator and a sink.
pub(super) const VERTICES: [usize; 3] = [4, 12, 6];
/// What the subtasks of each vertex usually take, in seconds: barriers reach the later ones later.
const TAKES: [f64; 3] = [3.0, 30.0, 40.0];
/// How many checkpoints have ended before.
const PAST: usize = 10;
/// Until when those may have taken: what had not acknowledged by then, failed it.
const TIMEOUT: f64 = 600.0;

/// One history and the checkpoint in flight.
pub(super) struct Case {
    pub(super) past: Vec<Ended>,
    /// How long checkpoints usually take.
    pub(super) usual: Duration,
    /// What each subtask will take; `None` for one that hangs.
    takes: Vec<Option<f64>>,
    /// When all have acknowledged that do not hang.
    pub(super) others: Duration,
    /// When all will have acknowledged; `None` if that never happens.
    pub(super) done: Option<Duration>,
}

impl Case {
    fn new(past: Vec<Ended>, takes: Vec<Option<f64>>) -> Self {
        let completed = past.iter().filter(|ended| ended.completed);
        let mut lasted: Vec<_> = completed.map(|ended| ended.lasted).collect();
        lasted.sort();
        let others = Duration::from_secs_f64(takes.iter().flatten().copied().fold(0.0, f64::max));
        let last = takes.iter().copied().try_fold(0.0, |last: f64, took| took.map(|took| last.max(took)));
        Self { past, usual: lasted[lasted.len() / 2], takes, others, done: last.map(Duration::from_secs_f64) }
    }

    /// What is seen of it after so long.
    pub(super) fn at(&self, elapsed: Duration) -> Pending {
        let heard = |took: &Option<f64>| took.map(Duration::from_secs_f64).filter(|took| *took <= elapsed);
        let failed_before = self.past.iter().rev().take_while(|ended| !ended.completed).map(|_| 1).sum();
        Pending { elapsed, took: self.takes.iter().map(heard).collect(), failed_before }
    }
}

/// A kind of history, made with dice.
pub(super) type Shape = fn(u64) -> Case;

/// The kinds of histories, by name.
pub(super) const SHAPES: [(&str, Shape); 13] = [
    ("steady", |seed| Job::new(seed).case(|_, _| {})),
    ("noisy: each subtask varies by 40 %", |seed| Job::with(seed, 1.0, 0.4).case(|_, _| {})),
    ("state grows by 5 % each time", |seed| Job::with(seed, 1.05, 0.15).case(|_, _| {})),
    ("storage 3 to 10 times slower, for all", |seed| Job::new(seed).case(|dice, takes| slow(dice, takes, 0))),
    ("the same, but sources have no state", |seed| {
        Job::new(seed).case(|dice, takes| slow(dice, takes, VERTICES[0]))
    }),
    ("the same, and the three before failed of it", |seed| {
        Job::new(seed).failed(3).case(|dice, takes| slow(dice, takes, VERTICES[0]))
    }),
    ("storage stands still for 1 to 5 minutes", |seed| Job::new(seed).case(stalled)),
    ("a straggler, 2 to 8 times as long", |seed| Job::new(seed).case(straggler)),
    ("one subtask hangs", |seed| Job::new(seed).case(hang)),
    ("one subtask hangs that took 20 times as long once before", |seed| {
        let (job, who) = Job::new(seed).once_late(20.0);
        job.case(|_, takes| takes[who] = None)
    }),
    ("one subtask hangs, and all behind it wait", |seed| Job::new(seed).case(hang_and_behind)),
    ("a whole vertex hangs, and all behind it", |seed| Job::new(seed).case(hang_of_all)),
    ("one subtask hangs while storage is 3 to 10 times slower", |seed| {
        Job::new(seed).case(|dice, takes| {
            slow(dice, takes, 0);
            hang(dice, takes);
        })
    }),
];

fn straggler(dice: &mut StdRng, takes: &mut [Option<f64>]) {
    let (who, factor) = (dice.random_range(0..takes.len()), dice.random_range(2.0..8.0));
    takes[who] = takes[who].map(|took| took * factor);
}

fn slow(dice: &mut StdRng, takes: &mut [Option<f64>], from: usize) {
    let factor = dice.random_range(3.0..10.0);
    takes.iter_mut().skip(from).for_each(|took| *took = took.map(|took| took * factor));
}

fn stalled(dice: &mut StdRng, takes: &mut [Option<f64>]) {
    let (from, for_long) = (dice.random_range(0.0..60.0), dice.random_range(60.0..300.0));
    for took in takes.iter_mut().flatten().filter(|took| **took > from) {
        *took += for_long;
    }
}

fn hang(dice: &mut StdRng, takes: &mut [Option<f64>]) {
    let who = dice.random_range(0..takes.len());
    takes[who] = None;
}

/// One that hangs before it has sent its barrier on.
fn hang_and_behind(dice: &mut StdRng, takes: &mut [Option<f64>]) {
    let who = dice.random_range(VERTICES[0]..VERTICES[0] + VERTICES[1]);
    takes[who] = None;
    takes.iter_mut().skip(VERTICES[0] + VERTICES[1]).for_each(|took| *took = None);
}

fn hang_of_all(dice: &mut StdRng, takes: &mut [Option<f64>]) {
    let from = [VERTICES[0], VERTICES[0] + VERTICES[1]][dice.random_range(0..2)];
    takes.iter_mut().skip(from).for_each(|took| *took = None);
}

/// A job that makes checkpoints.
struct Job {
    dice: StdRng,
    /// What each subtask usually takes: some have more state than others.
    usual: Vec<f64>,
    growth: f64,
    spread: f64,
    past: Vec<Ended>,
}

impl Job {
    fn new(seed: u64) -> Self {
        Self::with(seed, 1.0, 0.15)
    }

    fn with(seed: u64, growth: f64, spread: f64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut usual = Vec::new();
        for (size, takes) in VERTICES.into_iter().zip(TAKES) {
            usual.extend((0..size).map(|_| takes * varied(&mut dice, 0.2)));
        }
        let mut job = Self { dice, usual, growth, spread, past: Vec::new() };
        for _ in 0..PAST {
            let takes = job.takes();
            job.ended(&takes);
        }
        job
    }

    fn takes(&mut self) -> Vec<Option<f64>> {
        let (growth, spread) = (self.growth, self.spread);
        self.usual.iter_mut().for_each(|usual| *usual *= growth);
        let common = varied(&mut self.dice, 0.1);
        self.usual.iter().map(|usual| Some(usual * common * varied(&mut self.dice, spread))).collect()
    }

    fn ended(&mut self, takes: &[Option<f64>]) {
        let heard = |took: &Option<f64>| took.filter(|took| *took <= TIMEOUT).map(Duration::from_secs_f64);
        let took: Vec<_> = takes.iter().map(heard).collect();
        let completed = took.iter().all(Option::is_some);
        let last = took.iter().flatten().max().copied().unwrap_or_default();
        let lasted = if completed { last } else { Duration::from_secs_f64(TIMEOUT) };
        self.past.push(Ended { completed, lasted, took });
    }

    /// The last ones expired, as storage was slow.
    fn failed(mut self, count: u32) -> Self {
        for _ in 0..count {
            let mut takes = self.takes();
            takes.iter_mut().skip(VERTICES[0]).for_each(|took| *took = took.map(|took| took * 20.0));
            self.ended(&takes);
        }
        self
    }

    /// Somebody was so many times as late in one checkpoint, which a longer timeout saved.
    fn once_late(mut self, factor: f64) -> (Self, usize) {
        let (who, when) = (self.dice.random_range(0..self.usual.len()), self.dice.random_range(0..PAST));
        let late = &mut self.past[when];
        late.took[who] = late.took[who].map(|took| took.mul_f64(factor));
        late.lasted = late.took.iter().flatten().max().copied().unwrap_or_default();
        (self, who)
    }

    fn case(mut self, wrong: impl Fn(&mut StdRng, &mut [Option<f64>])) -> Case {
        let mut takes = self.takes();
        wrong(&mut self.dice, &mut takes);
        Case::new(self.past, takes)
    }
}

/// A factor around 1, of this spread. (Twelve dice are as good as a normal distribution here.)
fn varied(dice: &mut StdRng, spread: f64) -> f64 {
    let sum: f64 = (0..12).map(|_| dice.random_range(0.0..1.0)).sum();
    libm::exp((sum - 6.0) * spread)
}
