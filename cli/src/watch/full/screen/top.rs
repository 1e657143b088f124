//! The lines at the top and at the bottom.

use crate::view::line::{Line, Span, Tone};
use crate::view::list;
use crate::view::severity::Severity;
use crate::view::text::{at, clean, exact};
use crate::watch::full::model::{Data, Model, Page, Pushed};
use crate::watch::full::snapshot::Now;
use unicode_width::UnicodeWidthStr;

/// Which server, how many jobs and how bad; what is wrong with the server, with clusters, or that the screen stands
/// still.
pub(super) fn lines(model: &Model, now: Now, width: usize) -> Vec<Line> {
    let (data, seen_at) = model.basis(now);
    let link = if model.silence(now).is_some() { "not connected  " } else { link(&data.link.pushed) };
    let clock = format!("{link}{} UTC", at(seen_at.wall, seen_at.wall));
    let counted = counted(data, model.shown(now).1);
    let room = width.saturating_sub(counted.width() + clock.width() + 4);
    // What there is to worry about comes before whom it was heard from.
    let server = if model.server.width() <= room { format!("  {}", model.server) } else { String::new() };
    let mut lines =
        vec![Line::new(counted, Tone::Strong).with(server, Tone::Muted).right(&clock, Tone::Muted, width)];
    if let Some(frozen) = &model.frozen {
        let since = exact(now.mono.saturating_sub(frozen.at.mono) / 1_000 * 1_000);
        let text = format!(" PAUSED for {since}: this is how it was; p goes on ");
        lines.push(Line::new(text, Tone::Banner));
    }
    if let Some(silent) = model.silence(now) {
        lines.extend(Span::new(stale(data, seen_at, silent), Tone::Banner).wrap(width));
    }
    if model.view == Page::All {
        let clusters = list::clusters(&data.clusters, seen_at.wall);
        lines.extend(clusters.iter().flat_map(|cluster| cluster.wrap(width)));
    }
    lines
}

fn stale(data: &Data, now: Now, silent: u64) -> String {
    let age = exact(silent / 1_000 * 1_000);
    let why = data.link.why.as_deref().unwrap_or("the server does not answer");
    let again = match data.link.pushed {
        Pushed::Lost { again } if again > now.mono => {
            format!("trying again in {}", exact((again - now.mono).div_ceil(1_000) * 1_000))
        }
        _ => "trying again".to_owned(),
    };
    format!("STALE for {age}, {again}: {why}")
}

fn link(pushed: &Pushed) -> &'static str {
    match pushed {
        Pushed::Yes => "live  ",
        Pushed::No(_) => "polling  ",
        Pushed::Connecting | Pushed::Lost { .. } => "not connected  ",
    }
}

/// `12 jobs: 1 stuck, 2 slow`
fn counted(data: &Data, now: Now) -> String {
    let ranks: Vec<_> = data.jobs.values().map(|seen| Severity::of(&seen.at(now)).0).collect();
    let count = |rank| ranks.iter().filter(|other| **other == rank).count();
    let kinds = [
        (Severity::Stuck, "stuck"),
        (Severity::Failing, "failing"),
        (Severity::Expiring, "expiring"),
        (Severity::Slow, "slow"),
        (Severity::Stale, "stale"),
    ];
    let said: Vec<_> = kinds
        .iter()
        .filter(|(rank, _)| count(*rank) > 0)
        .map(|(rank, word)| format!("{} {word}", count(*rank)))
        .collect();
    let noun = if ranks.len() == 1 { "job" } else { "jobs" };
    match said.is_empty() {
        true => format!("{} {noun}", ranks.len()),
        false => format!("{} {noun}: {}", ranks.len(), said.join(", ")),
    }
}

/// The keys that matter now, as many as fit.
pub(super) fn keys(model: &Model, width: usize) -> Line {
    if model.filtering {
        let text = format!("/{}▏  Enter keeps the filter, Esc drops it", clean(&model.filter));
        return Line::new(text, Tone::Accent);
    }
    let pause = if model.frozen.is_some() { "p goes on" } else { "p pause" };
    let keys: &[&str] = match (&model.view, model.help) {
        (_, true) => &["any key goes back"],
        (Page::All, _) => &["q leave", "? help", "Enter open", "/ filter", pause, "↑↓ select"],
        (Page::Job(_), _) => &["q leave", "? help", "b all jobs", pause, "n next job"],
    };
    let mut line = match (&model.view, model.filter.is_empty()) {
        (Page::All, false) => {
            Line::new(format!("only '{}', Esc drops that", clean(&model.filter)), Tone::Accent)
        }
        _ => Line::default(),
    };
    for key in keys {
        let gap = if line.width() == 0 { "" } else { "  " };
        let text = format!("{gap}{key}");
        if line.width() + text.width() <= width {
            line.add(text, Tone::Muted);
        }
    }
    line
}
