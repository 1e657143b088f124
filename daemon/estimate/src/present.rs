//! The checkpoint in flight, compared with what is usual: who is late, and by how much those were that have
//! acknowledged it.

use super::numbers::{count, median, scaled};
use super::past::{Past, Usual};
use super::{Because, Pending, Verdict};
use std::time::Duration;

/// How many times the usual duration of the whole a few silent subtasks are waited for until they are stuck.
const FEW: f64 = 4.5;
/// How many times when at least half of all are silent: storage that stands still looks the same.
const MANY: f64 = 8.0;
/// Up to this share of the subtasks they are a few.
const FEW_SHARE: f64 = 0.15;
/// From this share on they are many.
const MANY_SHARE: f64 = 0.5;
/// For how long a checkpoint that all have acknowledged is being finished; longer, and what finishes it may hang.
const FINISHING: Duration = Duration::from_secs(60);
/// How many acknowledgements tell something of those that are missing.
const ENOUGH: usize = 3;
/// The newest acknowledgements are this share of those that there are; storage may become slow meanwhile.
const NEWEST: usize = 2;
/// A subtask that is twice as late as usual is late, unless it was as late before.
const LATE: f64 = std::f64::consts::LN_2;
/// What lies this much beyond the latest that was seen is late, however much a subtask varies.
const BEYOND: f64 = 0.26;
/// What other vertices tell of one that is silent as a whole is less certain by this.
const ELSEWHERE: f64 = 0.15;
/// Up to here they were as usual.
const LITTLE: f64 = 0.2;
/// When at least this share of a vertex has acknowledged, vertices behind it that are silent as a whole wait for
/// the barriers of those that have not.
const PEERS: f64 = 0.75;
/// What was delayed varies at least so much.
const LEAST_FIT: f64 = 0.04;
/// From here on those that have acknowledged were slow.
const SLOW: f64 = 0.3;

/// How much slower than usual those were that have acknowledged last, and how many of them there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slowdown {
    /// By what they were multiplied, scaled.
    pub(super) factor: f64,
    /// What was added, in seconds.
    pub(super) delay: f64,
    /// How likely it was added rather than multiplied.
    pub(super) adds: f64,
    /// How many acknowledgements tell that.
    pub(super) heard: usize,
    /// Whether they are of the same vertex.
    pub(super) own: bool,
}

/// A subtask that has not acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    /// Its place among all subtasks.
    pub(super) place: usize,
    /// The place of its vertex.
    pub(super) vertex: usize,
    pub(super) usual: Usual,
    /// By how much it is later than usual, scaled.
    lag: f64,
    /// By how much it may be.
    bound: f64,
}

/// The checkpoint in flight.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) missing: Vec<Missing>,
    /// By vertex.
    slowdowns: Vec<Option<Slowdown>>,
    /// Of all vertices together.
    all: Option<Slowdown>,
    /// By how much this checkpoint is later than usual as a whole, scaled, and how far that may be wrong; by all that
    /// have acknowledged, and good as long as they were about as usual.
    pub(super) calm: (f64, f64),
    subtasks: usize,
    /// By how much the whole is later than usual, scaled; `None` when nobody knows what is usual of all.
    lag: Option<f64>,
    silent: usize,
    /// The same without those that wait behind others.
    waited_for: usize,
    /// For how long nobody has acknowledged.
    quiet: Duration,
}

impl Present {
    pub(super) fn new(vertices: &[usize], past: &Past, pending: &Pending) -> Self {
        let subtasks = pending.took.len();
        // As many standard deviations as the last one of so many is away from the middle, and one more.
        let deviations = 1.0 + (2.0 * libm::log(count(subtasks.max(3)))).sqrt();
        let now = scaled(pending.elapsed);
        let all = slowdown(past, &pending.took, 0, false);
        let (mut missing, mut slowdowns, mut from) = (Vec::new(), Vec::new(), 0);
        for (vertex, size) in vertices.iter().enumerate() {
            let took = &pending.took[from..from + size];
            slowdowns.push(slowdown(past, took, from, true).or(all));
            for place in (from..from + size).filter(|place| pending.took[*place].is_none()) {
                let Some(usual) = past.subtasks[place] else { continue };
                let varies = (usual.spread * usual.spread + past.common * past.common).sqrt();
                let seen = usual.latest - usual.place + BEYOND;
                let bound = (deviations * varies).min(seen.max(LATE));
                missing.push(Missing { place, vertex, usual, lag: now - usual.place, bound });
            }
            from += size;
        }
        let silent = pending.took.iter().filter(|took| took.is_none()).count();
        let lag = past.usual().filter(|_| silent == missing.len()).map(|usual| now - scaled(usual));
        let waited_for = waited_for(vertices, &pending.took);
        let newest = pending.took.iter().flatten().max().copied().unwrap_or_default();
        let quiet = pending.elapsed.saturating_sub(newest);
        let calm = calm(past, &pending.took);
        Self { missing, slowdowns, all, calm, subtasks, lag, silent, waited_for, quiet }
    }

    /// What is to be said of it, before when it will be done is worked out.
    pub(super) fn verdict(&self) -> (Verdict, Because) {
        let Some(lag) = self.lag else { return (Verdict::CannotTell, Because::NothingToCompare) };
        if self.silent == 0 {
            let verdict = if self.quiet > FINISHING { Verdict::CannotTell } else { Verdict::OnTrack };
            return (verdict, Because::AllAcknowledged);
        }
        let share = count(self.waited_for) / count(self.subtasks);
        let some = ((share - FEW_SHARE) / (MANY_SHARE - FEW_SHARE)).clamp(0.0, 1.0);
        let patience = libm::log(FEW + some * (MANY - FEW));
        let is_too_late = |missing: &Missing| {
            // What is hardly slower is not slower.
            let slow = (self.explained(missing.vertex) - LITTLE).max(0.0);
            lag - slow >= patience
        };
        let because = if share <= (FEW_SHARE + MANY_SHARE) / 2.0 { Because::AFew } else { Because::Many };
        if self.missing.iter().all(|missing| missing.lag <= missing.bound) {
            // Who was as late before may be so again, or hang this time.
            return match self.missing.iter().any(is_too_late) {
                true => (Verdict::CannotTell, because),
                false => (Verdict::OnTrack, Because::AsUsual),
            };
        }
        let mut unexplained = self.missing.iter().filter(|missing| self.excess(missing) > 0.0).peekable();
        if unexplained.peek().is_none() {
            return (Verdict::Slow, Because::AllAlike);
        }
        match unexplained.any(|missing| is_too_late(missing) && self.excess(missing) > BEYOND) {
            true => (Verdict::Stuck, because),
            false => (Verdict::CannotTell, because),
        }
    }

    /// Whether those that have acknowledged were clearly slower than usual.
    pub(super) fn is_slow(&self) -> bool {
        self.missing.iter().any(|missing| self.explained(missing.vertex) > SLOW)
    }

    /// What those tell of a vertex that have acknowledged, if they were clearly slower than usual.
    pub(super) fn slow(&self, vertex: usize) -> Option<Slowdown> {
        self.slowdowns[vertex].filter(|slowdown| slowdown.factor > LITTLE)
    }

    /// How many times as long as usual those took that have acknowledged last.
    pub(super) fn slowdown(&self) -> Option<f64> {
        let of_missing = self.missing.iter().filter_map(|missing| self.slowdowns[missing.vertex]);
        let slowest = of_missing.max_by(|a, b| a.factor.total_cmp(&b.factor)).or(self.all);
        slowest.map(|slowdown| libm::exp(slowdown.factor))
    }

    /// The places of those that are missing, the most overdue first. A late one among peers that are done is more
    /// suspicious than one whose peers are late as well.
    pub(super) fn most_overdue_first(&self) -> Vec<usize> {
        let mut silent = vec![0; self.slowdowns.len()];
        self.missing.iter().for_each(|missing| silent[missing.vertex] += 1);
        let urgency = |missing: &Missing| self.excess(missing).min(10.0) - count(silent[missing.vertex]);
        let mut missing: Vec<_> =
            self.missing.iter().map(|missing| (urgency(missing), missing.place)).collect();
        // What comes first may hold up what comes later.
        missing.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        missing.into_iter().map(|(_, place)| place).collect()
    }

    /// By how much it is later than it may be with what is usual, and with what the others tell.
    fn excess(&self, missing: &Missing) -> f64 {
        missing.lag - missing.bound - self.explained(missing.vertex)
    }

    /// How much later than usual one may be as the others were.
    fn explained(&self, vertex: usize) -> f64 {
        let told = |slowdown: Slowdown| match slowdown.own {
            true => slowdown.factor,
            false => slowdown.factor - ELSEWHERE,
        };
        self.slowdowns[vertex].map_or(0.0, told).max(0.0)
    }
}

/// What all that have acknowledged have in common, held against how much checkpoints usually vary.
fn calm(past: &Past, took: &[Option<Duration>]) -> (f64, f64) {
    let (mut weights, mut sum) = (1.0 / (past.common * past.common), 0.0);
    for (took, usual) in took.iter().zip(&past.subtasks) {
        let (Some(took), Some(Usual { place, spread, .. })) = (took, usual) else { continue };
        let late = (scaled(*took) - place).clamp(-2.0 * spread, 2.0 * spread);
        (weights, sum) = (weights + 1.0 / (spread * spread), sum + late / (spread * spread));
    }
    (sum / weights, (1.0 / weights).sqrt())
}

/// How many are missing, without those whose whole vertex waits behind a few others.
fn waited_for(vertices: &[usize], took: &[Option<Duration>]) -> usize {
    let (mut from, mut few_before, mut waited_for) = (0, false, 0);
    for size in vertices {
        let vertex = &took[from..from + size];
        from += size;
        let silent = vertex.iter().filter(|took| took.is_none()).count();
        if silent == *size && few_before {
            continue;
        }
        waited_for += silent;
        few_before |= silent > 0 && count(size - silent) >= PEERS * count(*size);
    }
    waited_for
}

/// What the newest of these acknowledgements tell; `None` when there are too few. The first is that of the subtask
/// at `from`.
fn slowdown(past: &Past, took: &[Option<Duration>], from: usize, own: bool) -> Option<Slowdown> {
    let heard =
        took.iter().zip(&past.subtasks[from..]).filter_map(|(took, usual)| Some(((*took)?, (*usual)?)));
    let mut heard: Vec<_> = heard.collect();
    if heard.len() < ENOUGH {
        return None;
    }
    heard.sort_by_key(|(took, _)| *took);
    let newest = &heard[heard.len() - heard.len().div_ceil(NEWEST).max(ENOUGH)..];
    let factors = newest.iter().map(|(took, usual)| scaled(*took) - usual.place);
    let delays = newest.iter().map(|(took, usual)| libm::exp(scaled(*took)) - libm::exp(usual.place));
    let factor = median(&mut factors.clone().collect::<Vec<_>>())?;
    let delay = median(&mut delays.collect::<Vec<_>>())?;
    let delayed = |usual: &Usual| (libm::exp(usual.place) + delay).max(0.1);
    let spread = newest.iter().map(|(_, usual)| usual.spread).sum::<f64>() / count(newest.len());
    let share = newest.iter().map(|(_, usual)| libm::exp(usual.place) / delayed(usual));
    let share = (share.sum::<f64>() / count(newest.len())).min(1.0);
    // A slow disk multiplies what varies as well; what stood still for a while adds to it.
    let multiplied = fit(factors.map(|found| found - factor), spread);
    let added = newest.iter().map(|(took, usual)| scaled(*took) - libm::log(delayed(usual)));
    let added = fit(added, (spread * share).max(LEAST_FIT));
    let adds = 1.0 / (1.0 + libm::exp((multiplied - added).clamp(-30.0, 30.0)));
    Some(Slowdown { factor, delay, adds, heard: newest.len(), own })
}

/// The logarithm of how well these fit a normal distribution of this spread around 0.
fn fit(values: impl Iterator<Item = f64>, spread: f64) -> f64 {
    values.map(|value| -libm::log(spread) - 0.5 * (value / spread) * (value / spread)).sum()
}
