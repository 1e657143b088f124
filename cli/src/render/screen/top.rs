//! The two lines at the top of the screen.

use super::{Observation, What};
use crate::render::TextStyle;
use crate::view::line::Tone;
use crate::view::text::at;
use crate::view::text::clean;
use ckpt_types::duration::Exact;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// Who was asked, and when.
pub(super) fn header(seen: &Observation<'_>, style: TextStyle) -> String {
    let jobs = match seen.what {
        What::Jobs(jobs, _) => jobs,
        What::Job(job, _) => std::slice::from_ref(job),
    };
    // What is stale was seen by the server earlier than the server was by us.
    let fresh = jobs.iter().filter(|job| job.stale.is_none()).map(|job| job.observed_at).max();
    let age_millis = u64::try_from(seen.age.as_millis()).unwrap_or(u64::MAX);
    let observed = fresh.unwrap_or_else(|| seen.now.saturating_sub(age_millis));
    let left = format!("{}  seen {} UTC, {} ago", clean(seen.server), at(observed, observed), age(seen));
    let right = "q leaves";
    let width = usize::from(style.width.unwrap_or_default());
    let gap = width.saturating_sub(left.width() + right.len());
    match gap {
        0 | 1 => style.line(&left, Tone::Muted),
        _ => style.line(&format!("{left}{}{right}", " ".repeat(gap)), Tone::Muted),
    }
}

/// Why nothing new comes, if so.
pub(super) fn banner(seen: &Observation<'_>, style: TextStyle) -> String {
    match seen.stale {
        None => String::new(),
        Some(why) => style.line(&format!(" STALE for {}: {} ", age(seen), clean(why)), Tone::Banner),
    }
}

/// In whole seconds, since it is redrawn once a second.
fn age(seen: &Observation<'_>) -> Exact {
    Exact(Duration::from_secs(seen.age.as_secs()))
}
