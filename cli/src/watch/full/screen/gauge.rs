//! Checkpoint in flight on an axis of time: the part that is used, the likely end, and the timeout.

use crate::view::checkpoint::{acknowledged as share, is_finishing, named, urgency, verdict, will_expire};
use crate::view::line::{Line, Span, Tone};
use crate::view::text::{bar, due, exact, rough};
use ckpt_api::{Configuration, InFlight};
use unicode_width::UnicodeWidthStr;

/// Columns in front of a bar.
const BEFORE: usize = 13;
/// Columns behind a bar.
const AFTER: usize = 22;
/// Least columns of a bar.
const MIN_BAR: usize = 10;
/// End of the axis in timeouts, however long the estimate is.
const MAX_TIMEOUTS: u64 = 3;

/// Gauge of the oldest checkpoint in flight, its verdict, and the number of others.
pub(super) fn lines(job: &Configuration, width: usize) -> Vec<Line> {
    let [oldest, others @ ..] = job.in_flight.as_slice() else {
        return idle(job, width);
    };
    let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    let mut lines = vec![Line::heading(&format!("{}{more}", named(oldest)), width)];
    let length = width.saturating_sub(BEFORE + AFTER).max(MIN_BAR);
    lines.push(acknowledged(oldest, length));
    let axis = Axis::of(oldest, length);
    lines.push(time(oldest, &axis));
    let timeout = job.checkpoint_timeout.effective;
    lines.extend(axis.labels(oldest, timeout).map(|labels| Line::new(labels, Tone::Muted)));
    lines.extend(verdict_lines(oldest, width));
    lines
}

fn idle(job: &Configuration, width: usize) -> Vec<Line> {
    let next = match job.next_trigger {
        Some(next) if next > job.observed_at => {
            format!("; the next one is due {}", due(Some(next), job.observed_at))
        }
        _ => String::new(),
    };
    vec![Line::heading("no checkpoint in flight", width), Line::new(format!("none{next}"), Tone::Plain)]
}

fn acknowledged(checkpoint: &InFlight, length: usize) -> Line {
    let InFlight { acknowledged, subtasks, .. } = *checkpoint;
    let share = if subtasks == 0 { "none so far".to_owned() } else { share(checkpoint) };
    Line::new("acknowledged ", Tone::Plain)
        .with(bar(acknowledged.into(), subtasks.into(), length), Tone::Good)
        .with(format!(" {share}"), Tone::Plain)
}

fn time(checkpoint: &InFlight, axis: &Axis) -> Line {
    let elapsed = rough(checkpoint.elapsed);
    let said = match checkpoint.remaining {
        Some(left) => format!(" {elapsed}, {} left", rough(left)),
        None if is_finishing(checkpoint) => format!(" {elapsed}, finishing"),
        None => format!(" {elapsed} so far"),
    };
    let mut line = Line::new("time         ", Tone::Plain);
    let urgency = urgency(checkpoint);
    for column in 0..axis.length {
        let (sign, tone) = axis.cell(column, urgency);
        line.add(sign, tone);
    }
    line.with(said, urgency)
}

/// Verdict in words, with its evidence.
fn verdict_lines(checkpoint: &InFlight, width: usize) -> Vec<Line> {
    let (Some(Span { text, tone }), Some(estimate)) = (verdict(checkpoint), &checkpoint.estimate) else {
        return Vec::new();
    };
    let begins = text.to_lowercase().starts_with(&estimate.verdict.to_string());
    let text = if begins { text } else { format!("{}: {text}", estimate.verdict) };
    let mut lines = Span::new(text, tone).wrap(width);
    if let (true, Some(done), Some(left)) = (will_expire(checkpoint), estimate.done_in, checkpoint.remaining)
    {
        let short = done.likely.saturating_sub(left);
        let text = format!("it is likely to expire {} before it is done", rough(short));
        lines.extend(Span::new(text, Tone::Bad).wrap(width));
    }
    lines
}

/// The axis of time, in milliseconds since the trigger.
struct Axis {
    length: usize,
    end: u64,
    elapsed: u64,
    timeout: Option<u64>,
    /// Time when it is done: at least, likely, at most.
    done: Option<[u64; 3]>,
}

impl Axis {
    fn of(checkpoint: &InFlight, length: usize) -> Self {
        let elapsed = checkpoint.elapsed;
        let timeout = checkpoint.remaining.map(|left| elapsed.saturating_add(left));
        let range = checkpoint.estimate.as_ref().and_then(|estimate| estimate.done_in);
        let done =
            range.map(|range| [range.low, range.likely, range.high].map(|at| elapsed.saturating_add(at)));
        let latest = done.map_or(0, |done| done[2]);
        let farthest = timeout.map_or(latest, |timeout| latest.min(timeout.saturating_mul(MAX_TIMEOUTS)));
        let beyond = farthest > timeout.unwrap_or(0);
        let end = farthest.max(timeout.unwrap_or(0)).max(elapsed).max(1);
        let end = if beyond { end.saturating_add(end / 12) } else { end };
        Self { length, end, elapsed, timeout, done }
    }

    /// Column of a time.
    fn column(&self, at: u64) -> usize {
        let column = u128::from(at) * self.length as u128 / u128::from(self.end);
        usize::try_from(column).unwrap_or(usize::MAX).min(self.length - 1)
    }

    fn cell(&self, column: usize, urgency: Tone) -> (&'static str, Tone) {
        let is_late = self.timeout.is_some_and(|timeout| column > self.column(timeout));
        let likely = self.done.map(|[low, likely, high]| [low, likely, high].map(|at| self.column(at)));
        if self.timeout.is_some_and(|timeout| column == self.column(timeout)) {
            return ("┃", Tone::Bad);
        }
        let beyond = self.done.is_some_and(|[.., high]| high > self.end) && column + 1 == self.length;
        match likely {
            Some(_) if beyond => ("→", Tone::Bad),
            Some([_, likely, _]) if column == likely => ("◆", if is_late { Tone::Bad } else { Tone::Accent }),
            _ if column < self.column(self.elapsed) => ("█", urgency),
            Some([low, _, high]) if (low..=high).contains(&column) => {
                ("▒", if is_late { Tone::Bad } else { Tone::Accent })
            }
            _ => ("·", Tone::Muted),
        }
    }

    /// The labels below the axis, the most important first as long as they do not touch.
    fn labels(&self, checkpoint: &InFlight, in_force: Option<u64>) -> Option<String> {
        let width = self.length + AFTER;
        let mut cells: Vec<Option<char>> = vec![None; width];
        let mut place = |at: usize, text: &str| {
            let from = at.min(width.saturating_sub(text.width()));
            let around = from.saturating_sub(1)..(from + text.width() + 1).min(width);
            if cells[around].iter().all(Option::is_none) {
                for (cell, c) in cells[from..].iter_mut().zip(text.chars()) {
                    *cell = Some(c);
                }
            }
        };
        if let Some(timeout) = self.timeout {
            // What has used it up goes on being looked at for a moment.
            let timeout = in_force.map_or(timeout, |in_force| in_force.min(timeout));
            place(self.column(timeout), &format!("┃{}", exact(timeout)));
        }
        if let Some(done) = checkpoint.estimate.as_ref().and_then(|estimate| estimate.done_in) {
            let text = format!("◆ in {} ({}–{})", rough(done.likely), rough(done.low), rough(done.high));
            let at = self.done.map_or(0, |done| self.column(done[1]));
            place(at.min(self.length.saturating_sub(text.width())), &text);
        }
        let line: String = cells.iter().map(|cell| cell.unwrap_or(' ')).collect();
        (!line.trim().is_empty()).then(|| format!("{:BEFORE$}{}", "", line.trim_end()))
    }
}
