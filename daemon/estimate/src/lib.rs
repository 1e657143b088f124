//! Is a checkpoint in flight slow or stuck, and when will it be done? Worked out of how long its subtasks
//! took before and of who has acknowledged by now. Pure: no clock, no I/O, the same answer every time and on
//! every machine.
//!
//! `docs/estimate.md` says how it goes at length, and how often it is right; in short:
//!
//! 1. `past`: what each subtask usually takes, and by how much that varies.
//! 2. `present`: who is later than that explains, and how much slower than usual those were that have
//!    acknowledged this one.
//! 3. [`assess`]: late as all the others are, it is slow; late though the others were not, it is stuck as soon as
//!    that has lasted for many times the usual; in between nobody can tell.
//!
//! | module | holds |
//! |---|---|
//! | `past` | what the checkpoints before tell |
//! | `present` | the checkpoint in flight, compared with that |
//! | `outlook` | when the last one acknowledges, if nobody hangs |
//! | `numbers` | medians, spreads, the normal distribution |

mod numbers;
mod outlook;
mod past;
mod present;

use outlook::Outlook;
use past::Past;
use present::Present;
use std::time::Duration;

/// After so many failures in a row it promises nothing that a checkpoint goes as usual so far.
const FAILED: u32 = 2;
/// What is slow as the others are and silent against this likelihood is not explained by them.
const UNLIKELY: f64 = 0.01;
/// Up to how many times the usual duration a checkpoint is on track.
const ON_TRACK: f64 = 1.5;
/// How many of the checkpoints before are looked at, the newest ones.
pub const MAX_PAST: usize = 20;
/// From so many completed checkpoints on it is known by how much they vary.
pub const ENOUGH: usize = 3;
/// No estimate reaches further than this.
pub const FURTHEST: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A checkpoint that has ended, as its subtasks went through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whether all acknowledged in time.
    pub completed: bool,
    /// From its trigger until its end.
    pub lasted: Duration,
    /// From its trigger until each subtask's acknowledgement, vertex after vertex; `None` for one that did not.
    /// Empty when only the whole is known.
    pub took: Vec<Option<Duration>>,
}

/// The checkpoint in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Since its trigger.
    pub elapsed: Duration,
    /// From its trigger until each subtask's acknowledgement, vertex after vertex; `None` for those that are
    /// missing. Empty when only the whole is known.
    pub took: Vec<Option<Duration>>,
    /// How many checkpoints before it have failed in a row.
    pub failed_before: u32,
}

/// What becomes of a checkpoint in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes as checkpoints of this job usually go.
    OnTrack,
    /// It takes longer than usual, and it will be done.
    Slow,
    /// Somebody hangs: it will not be done by waiting.
    Stuck,
    /// What is known fits both.
    CannotTell,
}

/// What the verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// No checkpoint of this shape has completed, so nobody knows what is usual.
    NothingToCompare,
    /// All have acknowledged: it is being finished, or that hangs.
    AllAcknowledged,
    /// Nobody is later than was seen before.
    AsUsual,
    /// Nobody is late yet, but the checkpoints before it failed one after another.
    FailedBefore,
    /// Those that have acknowledged were as much slower than usual as those that are missing are late.
    AllAlike,
    /// A few are late, while the others were not.
    AFew,
    /// Many are late, while those that have acknowledged were not.
    Many,
    /// Those that have acknowledged were slower, but by now whoever is missing should be done.
    TooLate,
    /// The whole is late, and who it waits for is not known.
    OnlyTheWhole,
}

/// When a checkpoint will be done, from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// It is done sooner in one case of ten.
    pub low: Duration,
    /// It is as likely done sooner as later.
    pub likely: Duration,
    /// It is done later in one case of ten.
    pub high: Duration,
}

/// What is to be said of a checkpoint in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// In a word.
    pub verdict: Verdict,
    /// What that rests on.
    pub because: Because,
    /// When it will be done; only when it is on track or slow.
    pub rest: Option<Rest>,
    /// How many times as long as usual those took that have acknowledged last, when there are enough of them.
    pub slowdown: Option<f64>,
    /// How long the completed checkpoints took, in the middle.
    pub usual: Option<Duration>,
    /// How many completed checkpoints all that rests on.
    pub completed: usize,
    /// The missing subtasks, by their place in `took`, the most overdue first.
    pub missing: Vec<usize>,
    /// How long each subtask usually takes, by its place in `took`; `None` for one that never acknowledged.
    pub usual_of_each: Vec<Option<Duration>>,
}

/// Assesses a checkpoint in flight of a job whose vertices have so many subtasks each. `past` are the ended
/// checkpoints, the oldest first; those with another number of subtasks are left out.
#[must_use]
pub fn assess(vertices: &[usize], past: &[Ended], pending: &Pending) -> Assessment {
    let subtasks: usize = vertices.iter().sum();
    if pending.took.len() != subtasks || subtasks == 0 {
        return by_the_whole(past, pending);
    }
    let usable: Vec<&Ended> = past.iter().filter(|ended| ended.took.len() == subtasks).collect();
    let past = Past::new(vertices, &usable[usable.len().saturating_sub(MAX_PAST)..]);
    let present = Present::new(vertices, &past, pending);
    let (verdict, because) = present.verdict();
    let (verdict, because) = doubted(verdict, because, pending);
    let (promised, usual) = (matches!(verdict, Verdict::OnTrack | Verdict::Slow), past.usual());
    let outlook = promised.then(|| Outlook::new(&present, pending.elapsed));
    let (verdict, because, outlook) = match outlook {
        Some(outlook) if verdict == Verdict::Slow && outlook.likely_silent() < UNLIKELY => {
            (Verdict::CannotTell, Because::TooLate, None)
        }
        outlook => (verdict, because, outlook),
    };
    let rest = outlook.map(|outlook| outlook.rest());
    let verdict = match (verdict, rest, usual) {
        // Nobody is late yet, but those who have acknowledged tell that somebody will be.
        (Verdict::OnTrack, Some(rest), Some(usual))
            if pending.elapsed + rest.likely > usual.mul_f64(ON_TRACK) && present.is_slow() =>
        {
            Verdict::Slow
        }
        (Verdict::Slow, Some(rest), Some(usual))
            if pending.elapsed + rest.likely <= usual.mul_f64(ON_TRACK) =>
        {
            Verdict::OnTrack
        }
        (verdict, ..) => verdict,
    };
    Assessment {
        verdict,
        because: if because == Because::AsUsual && verdict == Verdict::Slow {
            Because::AllAlike
        } else {
            because
        },
        rest,
        slowdown: present.slowdown(),
        usual,
        completed: past.completed(),
        missing: present.most_overdue_first(),
        usual_of_each: past.of_each(),
    }
}

/// Who goes as usual so far is not on track when those before it did, too, and failed.
fn doubted(verdict: Verdict, because: Because, pending: &Pending) -> (Verdict, Because) {
    match (verdict, because) {
        (Verdict::OnTrack, Because::AsUsual) if pending.failed_before >= FAILED => {
            (Verdict::CannotTell, Because::FailedBefore)
        }
        said => said,
    }
}

/// What can be said when only the durations as a whole are known.
fn by_the_whole(past: &[Ended], &Pending { elapsed, failed_before, .. }: &Pending) -> Assessment {
    let completed = past.iter().filter(|ended| ended.completed);
    let whole: Vec<Ended> =
        completed.map(|ended| Ended { took: vec![Some(ended.lasted)], ..ended.clone() }).collect();
    let newest: Vec<&Ended> = whole.iter().skip(whole.len().saturating_sub(MAX_PAST)).collect();
    let past = Past::new(&[1], &newest);
    let pending = Pending { elapsed, took: vec![None], failed_before };
    let present = Present::new(&[1], &past, &pending);
    let (verdict, because) = match present.verdict() {
        (Verdict::OnTrack, because) => doubted(Verdict::OnTrack, because, &pending),
        told @ (_, Because::NothingToCompare) => told,
        // Nobody is known to have acknowledged, or not to.
        _ => (Verdict::CannotTell, Because::OnlyTheWhole),
    };
    Assessment {
        verdict,
        because,
        rest: (verdict == Verdict::OnTrack).then(|| Outlook::new(&present, elapsed).rest()),
        slowdown: None,
        usual: past.usual(),
        completed: past.completed(),
        missing: Vec::new(),
        usual_of_each: Vec::new(),
    }
}
