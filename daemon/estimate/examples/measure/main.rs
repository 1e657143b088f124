//! Measures the estimator over simulated histories: prints the table of `docs/estimate.md`, writes it there with
//! `--write`, and says how long an assessment of a large job takes with `--cost`.
//!
//! A job of three vertices makes checkpoints; then one of them goes wrong, or does not, and the estimator is asked
//! again and again until it is over. The random numbers have a seed, so everybody gets the same table.
#![allow(missing_docs, clippy::print_stdout)]

mod document;
mod shapes;
mod table;

use ckpt_estimate::{Ended, Pending, assess};
use std::time::Duration;

fn main() {
    match std::env::args().nth(1).as_deref() {
        None => print!("{}", table::table()),
        Some("--write") => document::write(&table::table()),
        Some("--cost") => cost(),
        Some(other) => println!("{other} is not known: --write, --cost, or nothing"),
    }
}

/// How long an assessment takes, by the size of the job.
#[allow(clippy::disallowed_methods, reason = "it measures")]
fn cost() {
    for size in [100, 1_000, 10_000, 50_000] {
        let took = |nth: usize| {
            (0..size)
                .map(|at| Some(Duration::from_millis(20_000 + (at * 7 + nth * 131) as u64 % 9_000)))
                .collect::<Vec<_>>()
        };
        let past: Vec<_> = (0..20)
            .map(|nth| Ended { completed: true, lasted: Duration::from_secs(29), took: took(nth) })
            .collect();
        let elapsed = Duration::from_secs(25);
        let heard = |took: Option<Duration>| took.filter(|took| *took <= elapsed);
        let pending = Pending { elapsed, took: took(3).into_iter().map(heard).collect(), failed_before: 0 };
        let begun = std::time::Instant::now();
        let said = assess(&[size / 2, size / 2], &past, &pending);
        println!("{size} subtasks, {} missing: {:?}", said.missing.len(), begun.elapsed());
    }
}
