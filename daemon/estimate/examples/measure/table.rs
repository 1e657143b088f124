//! The table: how often each verdict was said of which history when, and how often the range held.

use super::shapes::{Case, SHAPES};
use ckpt_estimate::{Assessment, Verdict, assess};
use std::fmt::Write;
use std::time::Duration;

/// How many histories of each shape.
const CASES: u64 = 200;
/// When the estimator is asked, in usual durations.
const ASKED: [f64; 8] = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 10.0];
/// Rows of fewer checkpoints than this that were still in flight say nothing.
const FEWEST: u32 = 10;
/// From when on a hang that is called slow counts as an error: in usual durations, and in those that the others took
/// this time, since nobody can know of it before they are done.
const LATE: f64 = 3.0;
/// When it is asked for that, in the longer of those durations.
const ASKED_LATE: [f64; 6] = [3.0, 4.0, 5.0, 7.0, 10.0, 20.0];
/// How often it is asked for whether it ever cries wolf, in usual durations.
const STEP: f64 = 0.25;

/// What was said.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    asked: u32,
    on_track: u32,
    slow: u32,
    stuck: u32,
    cannot_tell: u32,
    ranges: u32,
    held: u32,
}

impl Tally {
    fn take(&mut self, case: &Case, elapsed: Duration) -> Option<Verdict> {
        if case.done.is_some_and(|done| done <= elapsed) {
            return None;
        }
        let Assessment { verdict, rest, .. } =
            assess(&super::shapes::VERTICES, &case.past, &case.at(elapsed));
        self.asked += 1;
        *match verdict {
            Verdict::OnTrack => &mut self.on_track,
            Verdict::Slow => &mut self.slow,
            Verdict::Stuck => &mut self.stuck,
            Verdict::CannotTell => &mut self.cannot_tell,
        } += 1;
        if let (Some(done), Some(rest)) = (case.done, rest) {
            self.ranges += 1;
            self.held += u32::from((rest.low..=rest.high).contains(&done.saturating_sub(elapsed)));
        }
        Some(verdict)
    }
}

/// In percent; a rest of a percent is not worth a digit, except where hardly any is left.
fn share(part: u32, of: u32) -> String {
    match (part, of) {
        (_, 0) => "–".to_owned(),
        (0, _) => "0".to_owned(),
        _ => format!("{:.1}", 100.0 * f64::from(part) / f64::from(of)),
    }
}

/// All of it in Markdown.
pub(super) fn table() -> String {
    let mut text = String::from(
        "| what happens | asked after | in flight | on track | slow | stuck | cannot tell | range held |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let (mut hangs, mut hidden, mut wolves) = (Vec::new(), Vec::new(), Vec::new());
    for (name, shape) in SHAPES {
        let cases: Vec<Case> = (0..CASES).map(shape).collect();
        for after in ASKED {
            let mut tally = Tally::default();
            for case in &cases {
                tally.take(case, case.usual.mul_f64(after));
            }
            if tally.asked < FEWEST {
                continue;
            }
            let of = |part| share(part, tally.asked);
            let _ = writeln!(
                text,
                "| {name} | {after}× | {} | {} | {} | {} | {} | {} |",
                tally.asked,
                of(tally.on_track),
                of(tally.slow),
                of(tally.stuck),
                of(tally.cannot_tell),
                share(tally.held, tally.ranges)
            );
        }
        match cases.iter().all(|case| case.done.is_none()) {
            true => {
                hangs.push((name, late(&cases, |case| case.usual.max(case.others))));
                hidden.push((name, late(&cases, |case| case.usual)));
            }
            false => wolves.push((name, cases.iter().filter(|case| cries_wolf(case)).count())),
        }
    }
    let (errors, asked) = hangs
        .iter()
        .fold((0, 0), |sum, (_, tally)| (sum.0 + tally.slow + tally.on_track, sum.1 + tally.asked));
    let _ = writeln!(
        text,
        "\n**A hang called slow or on track, asked {LATE} times the usual duration after the trigger or later, and as \
         much later than the others took: {} % of {asked} times.**\n",
        share(errors, asked)
    );
    let _ = writeln!(
        text,
        "Until the others are done nobody can know of a hang that slow storage hides. Asked {LATE} times the usual \
         duration after the trigger or later, whether the others are done or not:\n"
    );
    for (name, tally) in &hidden {
        let wrong = share(tally.slow + tally.on_track, tally.asked);
        let _ = writeln!(text, "- {name}: {wrong} % of {} times called slow or on track", tally.asked);
    }
    let _ = writeln!(text, "\nAnd once it could be known:\n");
    for (name, tally) in hangs {
        let wrong = share(tally.slow + tally.on_track, tally.asked);
        let _ = writeln!(text, "- {name}: {wrong} %");
    }
    let _ = writeln!(
        text,
        "\nCalled stuck at some time, though all acknowledged in the end (asked every {STEP}×):\n"
    );
    for (name, stuck) in wolves {
        let _ = writeln!(
            text,
            "- {name}: {} % of the checkpoints",
            share(u32::try_from(stuck).unwrap_or(u32::MAX), u32::try_from(CASES).unwrap_or(u32::MAX))
        );
    }
    text
}

/// What is said of hangs so many times this duration after the trigger.
fn late(cases: &[Case], of: impl Fn(&Case) -> Duration) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        for after in ASKED_LATE {
            tally.take(case, of(case).mul_f64(after));
        }
    }
    tally
}

/// Whether it is called stuck at some time.
fn cries_wolf(case: &Case) -> bool {
    let Some(done) = case.done else { return false };
    let mut after = 1.0;
    loop {
        let elapsed = case.usual.mul_f64(after);
        if elapsed >= done {
            return false;
        }
        if Tally::default().take(case, elapsed) == Some(Verdict::Stuck) {
            return true;
        }
        after += STEP;
    }
}
