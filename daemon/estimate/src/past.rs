//! What the checkpoints before tell: what each subtask usually takes, and by how much that varies.

use super::numbers::{count, median, scaled, seconds, spread};
use super::{ENOUGH, Ended};
use std::time::Duration;

/// A subtask that took so much longer than ever else, scaled, tells nothing of what it usually takes: twice as long.
const ODD: f64 = std::f64::consts::LN_2;

/// No spread is smaller: ten checkpoints do not show all that can happen.
const LEAST_SPREAD: f64 = 0.06;
/// No spread of checkpoints as a whole is smaller.
const LEAST_COMMON: f64 = 0.1;
/// The spread of each where too little was seen to tell, and that of checkpoints as a whole.
const UNKNOWN_SPREAD: f64 = 0.15;
const UNKNOWN_COMMON: f64 = 0.3;
/// How many checkpoints the pooled spread counts for, beside a subtask's own.
const POOLED: f64 = 4.0;
/// A subtask's own spread is never larger.
const MOST_SPREAD: f64 = 1.0;
/// How many of the newest checkpoints tell how things are lately.
const LATELY: usize = 3;

/// What is usual of one subtask, scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    /// When it acknowledges, as things are lately.
    pub(super) place: f64,
    /// The spread around that which is its own.
    pub(super) spread: f64,
    /// The latest that was seen.
    pub(super) latest: f64,
}

/// What the checkpoints before tell.
#[derive(Debug)]
pub(super) struct Past {
    /// By subtask; `None` where nothing is known.
    pub(super) subtasks: Vec<Option<Usual>>,
    /// By how much checkpoints as a whole vary.
    pub(super) common: f64,
    usual: Option<Duration>,
    completed: usize,
}

impl Past {
    pub(super) fn new(vertices: &[usize], ended: &[&Ended]) -> Self {
        let completed: Vec<&Ended> = ended.iter().copied().filter(|ended| ended.completed).collect();
        let places = places(vertices, &completed);
        let effects: Vec<f64> = completed.iter().map(|ended| effect(ended, &places)).collect();
        let lately = median(&mut effects[effects.len().saturating_sub(LATELY)..].to_vec()).unwrap_or(0.0);
        let residuals = |place: usize| {
            // What remains when what is usual and what all had in common are taken away.
            completed.iter().zip(&effects).filter_map({
                let usual = places[place];
                move |(ended, effect)| Some(scaled(ended.took[place]?) - usual? - effect)
            })
        };
        let known = completed.len() >= ENOUGH;
        let pooled = spread((0..places.len()).flat_map(residuals)).filter(|_| known);
        let pooled = pooled.map_or(UNKNOWN_SPREAD, |pooled| pooled.max(LEAST_SPREAD));
        let common = spread(effects.iter().copied()).filter(|_| known);
        let usual = |place: usize| {
            let took = completed.iter().filter_map(|ended| ended.took[place]).map(scaled);
            let mut all: Vec<(f64, f64)> = took.zip(residuals(place)).collect();
            leave_out_the_odd_one(&mut all);
            let squares: f64 = all.iter().map(|(_, residual)| residual * residual).sum();
            let own = ((POOLED * pooled * pooled + squares) / (POOLED + count(all.len()))).sqrt();
            places[place].map(|usual| Usual {
                place: usual + lately,
                spread: own.clamp(pooled, MOST_SPREAD.max(pooled)),
                latest: all.iter().map(|(took, _)| *took).fold(usual, f64::max),
            })
        };
        Self {
            subtasks: (0..places.len()).map(usual).collect(),
            common: common.map_or(UNKNOWN_COMMON, |common| common.max(LEAST_COMMON)),
            usual: middle(&completed),
            completed: completed.len(),
        }
    }

    /// How long the completed ones took, in the middle.
    pub(super) fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// How many had completed.
    pub(super) fn completed(&self) -> usize {
        self.completed
    }

    /// What each subtask usually takes.
    pub(super) fn of_each(&self) -> Vec<Option<Duration>> {
        let of = |usual: &Option<Usual>| usual.map(|usual| Duration::from_secs_f64(seconds(usual.place)));
        self.subtasks.iter().map(of).collect()
    }
}

/// One that was very late a single time, as when a longer timeout let a hang end, must not count as usual for ever: it
/// may hang again. One that was late twice is late now and then.
fn leave_out_the_odd_one(all: &mut Vec<(f64, f64)>) {
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    if let [_, .., (second, _), (last, _)] = all[..]
        && last - second > ODD
    {
        all.pop();
    }
}

fn middle(completed: &[&Ended]) -> Option<Duration> {
    let mut lasted: Vec<Duration> = completed.iter().map(|ended| ended.lasted).collect();
    lasted.sort();
    lasted.get(lasted.len() / 2).copied()
}

/// What each subtask takes, in the middle; that of its vertex for one that has never acknowledged.
fn places(vertices: &[usize], completed: &[&Ended]) -> Vec<Option<f64>> {
    let own = |place: usize| {
        let mut took: Vec<f64> = completed.iter().filter_map(|ended| ended.took[place]).map(scaled).collect();
        median(&mut took)
    };
    let mut places: Vec<Option<f64>> = (0..vertices.iter().sum()).map(own).collect();
    let mut from = 0;
    for size in vertices {
        let vertex = &mut places[from..from + size];
        let peers = median(&mut vertex.iter().copied().flatten().collect::<Vec<_>>());
        vertex.iter_mut().for_each(|place| *place = place.or(peers));
        from += size;
    }
    places
}

/// By how much one checkpoint was slower than usual as a whole.
fn effect(ended: &Ended, places: &[Option<f64>]) -> f64 {
    let of_each =
        ended.took.iter().zip(places).filter_map(|(took, place)| Some(scaled((*took)?) - (*place)?));
    median(&mut of_each.collect::<Vec<_>>()).unwrap_or(0.0)
}
