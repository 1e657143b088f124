//! The checkpoint in flight on an axis of time: what is used, when it is likely done, and the timeout's edge.

use super::row::{Ink, Row, bar, heading, sentence};
use crate::console::clean;
use crate::render::text::{exact, percent, rough};
use crate::sentence::{is_finishing, named};
use crate::watch::full::order::will_expire;
use ckpt_api::{Configuration, InFlight, Pace};
use unicode_width::UnicodeWidthStr;

/// The columns in front of a bar.
const BEFORE: usize = 13;
/// The columns behind it.
const AFTER: usize = 22;
/// No bar is shorter.
const SHORTEST: usize = 10;
/// The axis ends at this many timeouts at most, however long the estimate is.
const FARTHEST: u64 = 3;

/// The gauge of the oldest checkpoint in flight, the verdict, and how many more there are.
pub(super) fn lines(job: &Configuration, width: usize) -> Vec<Row> {
    let [oldest, others @ ..] = job.in_flight.as_slice() else {
        return idle(job, width);
    };
    let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    let mut lines = vec![heading(&format!("{}{more}", named(oldest)), width)];
    let length = width.saturating_sub(BEFORE + AFTER).max(SHORTEST);
    lines.push(acknowledged(oldest, length));
    let axis = Axis::of(oldest, length);
    lines.push(time(oldest, &axis));
    let timeout = job.checkpoint_timeout.effective;
    lines.extend(axis.labels(oldest, timeout).map(|labels| Row::of(labels, Ink::Faint)));
    lines.extend(verdict(oldest, width));
    lines
}

fn idle(job: &Configuration, width: usize) -> Vec<Row> {
    let next = match job.next_trigger {
        Some(next) if next > job.observed_at => {
            format!("; the next one is due {}", due(next, job.observed_at))
        }
        _ => String::new(),
    };
    vec![heading("no checkpoint in flight", width), Row::of(format!("none{next}"), Ink::Plain)]
}

fn due(at: u64, now: u64) -> String {
    crate::render::text::due(Some(at), now)
}

fn acknowledged(checkpoint: &InFlight, length: usize) -> Row {
    let InFlight { acknowledged, subtasks, .. } = *checkpoint;
    let share = match subtasks {
        0 => " none so far".to_owned(),
        _ => format!(" {acknowledged} of {subtasks}, {}%", percent(acknowledged, subtasks)),
    };
    Row::of("acknowledged ", Ink::Plain)
        .with(bar(acknowledged.into(), subtasks.into(), length), Ink::Good)
        .with(share, Ink::Plain)
}

fn time(checkpoint: &InFlight, axis: &Axis) -> Row {
    let elapsed = checkpoint.elapsed;
    let said = match checkpoint.remaining {
        Some(left) => format!(" {}, {} left", rough(elapsed), rough(left)),
        None if is_finishing(checkpoint) => format!(" {}, finishing", rough(elapsed)),
        None => format!(" {} so far", rough(elapsed)),
    };
    let mut row = Row::of("time         ", Ink::Plain);
    let urgent = checkpoint.remaining.is_some_and(|left| left.saturating_mul(4) < elapsed);
    for column in 0..axis.length {
        let (sign, ink) = axis.cell(column, urgent);
        row.add(sign, ink);
    }
    row.with(said, if urgent { Ink::Alarm } else { Ink::Plain })
}

/// A verdict in words, with its evidence.
fn verdict(checkpoint: &InFlight, width: usize) -> Vec<Row> {
    let Some(estimate) = &checkpoint.estimate else { return Vec::new() };
    let ink = match estimate.verdict {
        Pace::Stuck => Ink::Alarm,
        Pace::Slow if will_expire(checkpoint) => Ink::Alarm,
        Pace::Slow | Pace::CannotTell => Ink::Notice,
        Pace::OnTrack => Ink::Good,
    };
    let text = clean(&estimate.sentence);
    let begins = text.to_lowercase().starts_with(&estimate.verdict.to_string());
    let text = if begins { text } else { format!("{}: {text}", estimate.verdict) };
    let mut lines = sentence(&text, ink, width);
    if let (true, Some(done), Some(left)) = (will_expire(checkpoint), estimate.done_in, checkpoint.remaining)
    {
        let short = done.likely.saturating_sub(left);
        let text = format!("it is likely to expire {} before it is done", rough(short));
        lines.extend(sentence(&text, Ink::Alarm, width));
    }
    lines
}

/// The axis of time, in milliseconds since the trigger.
struct Axis {
    length: usize,
    end: u64,
    elapsed: u64,
    timeout: Option<u64>,
    /// When it is done: at least, likely, at most.
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
        let farthest = timeout.map_or(latest, |timeout| latest.min(timeout.saturating_mul(FARTHEST)));
        let beyond = farthest > timeout.unwrap_or(0);
        let end = farthest.max(timeout.unwrap_or(0)).max(elapsed).max(1);
        let end = if beyond { end.saturating_add(end / 12) } else { end };
        Self { length, end, elapsed, timeout, done }
    }

    /// In which column a time is.
    fn column(&self, at: u64) -> usize {
        let column = u128::from(at) * self.length as u128 / u128::from(self.end);
        usize::try_from(column).unwrap_or(usize::MAX).min(self.length - 1)
    }

    fn cell(&self, column: usize, urgent: bool) -> (&'static str, Ink) {
        let is_late = self.timeout.is_some_and(|timeout| column > self.column(timeout));
        let likely = self.done.map(|[low, likely, high]| [low, likely, high].map(|at| self.column(at)));
        if self.timeout.is_some_and(|timeout| column == self.column(timeout)) {
            return ("┃", Ink::Alarm);
        }
        let beyond = self.done.is_some_and(|[.., high]| high > self.end) && column + 1 == self.length;
        match likely {
            Some(_) if beyond => ("→", Ink::Alarm),
            Some([_, likely, _]) if column == likely => ("◆", if is_late { Ink::Alarm } else { Ink::Accent }),
            _ if column < self.column(self.elapsed) => ("█", if urgent { Ink::Alarm } else { Ink::Plain }),
            Some([low, _, high]) if (low..=high).contains(&column) => {
                ("▒", if is_late { Ink::Alarm } else { Ink::Accent })
            }
            _ => ("·", Ink::Faint),
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
