//! Failures in a row.

use super::line::{Span, Tone};
use ckpt_api::Failures;

/// Whether the next failure fails the job.
pub(crate) fn is_at_limit(failures: Failures) -> bool {
    failures.consecutive > 0
        && failures.tolerable != Failures::UNLIMITED
        && failures.consecutive >= failures.tolerable
}

/// `2/∞`, or `2 of 3` with this between the numbers.
pub(crate) fn share(failures: Failures, of: &str) -> Span {
    let Failures { consecutive, tolerable } = failures;
    match (consecutive, tolerable) {
        (_, Failures::UNLIMITED) => Span::new(format!("{consecutive}/∞"), Tone::Plain),
        (0, _) => Span::new(format!("0{of}{tolerable}"), Tone::Plain),
        _ if consecutive >= tolerable => Span::new(format!("{consecutive}{of}{tolerable}"), Tone::Bad),
        _ => Span::new(format!("{consecutive}{of}{tolerable}"), Tone::Notice),
    }
}

/// `failures in a row: 2, 3 tolerated`
pub(crate) fn sentence(failures: Failures) -> Span {
    let Failures { consecutive, tolerable } = failures;
    let (tolerated, tone) = match tolerable {
        Failures::UNLIMITED => ("any number is tolerated".to_owned(), Tone::Plain),
        limit if is_at_limit(failures) => {
            (format!("{limit} tolerated: the next one fails the job"), Tone::Bad)
        }
        limit => (format!("{limit} tolerated"), Tone::Plain),
    };
    Span::new(format!("failures in a row: {consecutive}, {tolerated}"), tone)
}

/// `failed in a row: 2, 3 tolerated`, or a louder text at the limit.
pub(crate) fn headline(failures: Failures) -> Span {
    let Failures { consecutive, tolerable } = failures;
    match tolerable {
        Failures::UNLIMITED => {
            Span::new(format!("failed in a row: {consecutive}, any number tolerated"), Tone::Plain)
        }
        _ if is_at_limit(failures) => {
            Span::new(format!("{consecutive} FAILED IN A ROW: THE NEXT ONE FAILS THE JOB"), Tone::Bad)
        }
        limit => Span::new(format!("failed in a row: {consecutive}, {limit} tolerated"), Tone::Plain),
    }
}
