//! When the last subtask acknowledges, if nobody hangs.
//!
//! Each of those that are missing will acknowledge later than now, at its usual place and as much later as those
//! were that have acknowledged: as many times as late, or by as much, whichever fits those better. What they all
//! have in common is not known exactly; it is tried at a few points.

use super::numbers::{above, count, scaled};
use super::present::{Present, Slowdown};
use super::{FURTHEST, Rest};
use std::collections::BTreeMap;
use std::time::Duration;

/// The range that is told leaves out this much at each end, as far as the model goes: measured, it is about twice as
/// much.
const TAIL: f64 = 0.05;
/// Where what all have in common is tried, in standard deviations; [`WEIGHTS`] are those of the points.
const POINTS: [f64; 9] = [-2.4, -1.8, -1.2, -0.6, 0.0, 0.6, 1.2, 1.8, 2.4];
/// The density of the normal distribution there, up to a factor.
const WEIGHTS: [f64; 9] = [0.0561, 0.1979, 0.4868, 0.8353, 1.0, 0.8353, 0.4868, 0.1979, 0.0561];
/// What is counted together differs less than this, so that a job of thousands costs no more than a small one.
const ALIKE: f64 = 0.02;
/// What a slowdown that other vertices tell of is uncertain by.
const ELSEWHERE: f64 = 0.3;
/// One that the same vertex tells of is uncertain by this at least: the quick ones have acknowledged first.
const OWN: f64 = 0.1;
/// Nothing is less uncertain than this.
const LEAST: f64 = 0.05;
/// A way of being late that is less likely is left out.
const NEGLIGIBLE: f64 = 0.02;

/// Those that are alike: where they are expected, and how far from there.
#[derive(Debug, Clone, Copy)]
struct Group {
    place: f64,
    spread: f64,
    uncertain: f64,
    size: f64,
}

/// One way of being late, and how likely it is.
#[derive(Debug)]
struct Way {
    weight: f64,
    points: Vec<Point>,
}

/// One of the points at which it is tried what all have in common.
#[derive(Debug)]
struct Point {
    /// How likely it is, now that they are silent.
    weight: f64,
    /// Where each group is then, its spread, how likely one of it is silent now, and its size.
    groups: Vec<[f64; 4]>,
}

/// How it goes on, if nobody hangs.
#[derive(Debug)]
pub(super) struct Outlook {
    /// As likely as they are now that so many are silent; 1 in all.
    ways: Vec<Way>,
    /// How likely that was.
    likely_silent: f64,
    elapsed: Duration,
    is_done: bool,
}

impl Outlook {
    pub(super) fn new(present: &Present, elapsed: Duration) -> Self {
        let now = scaled(elapsed);
        let mut ways: Vec<Way> = [false, true]
            .into_iter()
            .map(|adds| way(present, adds, now))
            .filter(|way| way.weight > 0.0)
            .collect();
        // A way that expects them to be done by now explains little.
        let most = ways.iter().map(Way::explains).fold(0.0, f64::max);
        ways.retain(|way| way.explains() > NEGLIGIBLE * most);
        let before: f64 = ways.iter().map(|way| way.weight).sum();
        let all: f64 = ways.iter().map(Way::explains).sum();
        ways.iter_mut().for_each(|way| way.weight = way.explains() / all);
        Self { ways, likely_silent: all / before, elapsed, is_done: present.missing.is_empty() }
    }

    /// How likely it is that all who are missing are silent by now.
    pub(super) fn likely_silent(&self) -> f64 {
        if self.is_done { 1.0 } else { self.likely_silent }
    }

    /// When all have acknowledged, from now.
    pub(super) fn rest(&self) -> Rest {
        let elapsed = self.elapsed;
        let quantile = |wanted: f64| {
            let (mut low, mut high) = (Duration::ZERO, Duration::from_millis(10));
            while self.done_by(scaled(elapsed + high)) < wanted && high < FURTHEST {
                (low, high) = (high, high * 2);
            }
            for _ in 0..16 {
                let middle = (low + high) / 2;
                match self.done_by(scaled(elapsed + middle)) < wanted {
                    true => low = middle,
                    false => high = middle,
                }
            }
            high.min(FURTHEST)
        };
        match self.is_done {
            true => Rest { low: Duration::ZERO, likely: Duration::ZERO, high: Duration::ZERO },
            false => Rest { low: quantile(TAIL), likely: quantile(0.5), high: quantile(1.0 - TAIL) },
        }
    }

    /// How likely all have acknowledged `then`, when they have not now.
    fn done_by(&self, then: f64) -> f64 {
        self.ways.iter().map(|way| way.weight * way.done_by(then)).sum()
    }
}

fn way(present: &Present, adds: bool, now: f64) -> Way {
    let mut groups: BTreeMap<[i64; 3], Group> = BTreeMap::new();
    let mut likely = Vec::new();
    for missing in &present.missing {
        let slowdown = present.slow(missing.vertex);
        let place = match slowdown {
            None => missing.usual.place + present.calm.0,
            Some(Slowdown { factor, .. }) if !adds => missing.usual.place + factor,
            Some(Slowdown { delay, .. }) => libm::log((libm::exp(missing.usual.place) + delay).max(0.1)),
        };
        if let Some(slowdown) = slowdown {
            likely.push(if adds { slowdown.adds } else { 1.0 - slowdown.adds });
        }
        let uncertain = match slowdown {
            None => present.calm.1.max(LEAST),
            Some(Slowdown { heard, own: true, .. }) => (missing.usual.spread / count(heard).sqrt()).max(OWN),
            Some(_) => ELSEWHERE,
        };
        // What is added once varies as little as it did.
        let share = match slowdown {
            Some(_) if adds => libm::exp(missing.usual.place - place).min(1.0),
            _ => 1.0,
        };
        let (spread, uncertain) =
            (missing.usual.spread * share, (uncertain * share).max(LEAST * share.max(0.3)));
        let key = [place, spread, uncertain].map(rounded);
        let group = Group { place, spread, uncertain, size: 0.0 };
        groups.entry(key).or_insert(group).size += 1.0;
    }
    // Where nobody was slow the two ways are the same.
    let alone = if adds { 0.0 } else { 1.0 };
    let weight = if likely.is_empty() { alone } else { likely.iter().sum::<f64>() / count(likely.len()) };
    let groups: Vec<Group> = groups.into_values().collect();
    let points = POINTS.iter().zip(WEIGHTS).map(|(point, weight)| Point::new(*point, weight, &groups, now));
    Way { weight, points: points.collect() }
}

#[allow(clippy::cast_possible_truncation, reason = "logarithms of durations")]
fn rounded(value: f64) -> i64 {
    (value / ALIKE).round() as i64
}

impl Point {
    fn new(point: f64, weight: f64, groups: &[Group], now: f64) -> Self {
        let mut silent = weight;
        let shifted = groups.iter().map(|group| {
            let place = group.place + point * group.uncertain;
            let still = above((now - place) / group.spread).max(1e-12);
            silent *= libm::pow(still, group.size.min(40.0)).max(1e-30);
            [place, group.spread, still, group.size]
        });
        let groups = shifted.collect();
        Self { weight: silent.max(1e-280), groups }
    }

    /// How likely all have acknowledged `then`.
    fn done_by(&self, then: f64) -> f64 {
        let mut done = 1.0;
        for [place, spread, still, size] in &self.groups {
            let one = (1.0 - above((then - place) / spread) / still).max(0.0);
            // Most groups of a small job are of one.
            done *= if *size > 1.0 { libm::pow(one, *size) } else { one };
            if done < 1e-6 {
                return 0.0;
            }
        }
        done
    }
}

impl Way {
    /// How likely it is, now that they are silent.
    fn explains(&self) -> f64 {
        self.weight * self.points.iter().map(|point| point.weight).sum::<f64>() / WEIGHTS.iter().sum::<f64>()
    }

    fn done_by(&self, then: f64) -> f64 {
        let (mut done, mut weights) = (0.0, 0.0);
        for point in &self.points {
            done += point.weight * point.done_by(then);
            weights += point.weight;
        }
        done / weights
    }
}
