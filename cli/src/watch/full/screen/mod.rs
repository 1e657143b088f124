//! The model on a screen of any size: pure functions of the model, the room and the time.

mod gauge;
mod help;
mod job;
mod jobs;
mod missing;
mod top;

use super::model::{Model, Page};
use super::snapshot::Now;
use crate::view::job::JobView;
use crate::view::line::{Line, Tone};
use crate::view::text::{cut, cut_middle, exact};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

/// Columns and lines below which only the essence is shown.
const MIN_SIZE: (u16, u16) = (40, 10);
/// Columns and lines from which on all jobs stand beside the open one.
const BESIDE: (u16, u16) = (160, 30);
/// Columns of that list, with the line behind it.
const LIST: u16 = 50;

/// Draws the whole screen.
pub(super) fn draw(model: &Model, now: Now, area: Rect, buffer: &mut Buffer, colours: bool) {
    buffer.reset();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        return put(&tiny(model, now, width, height), area, buffer, colours);
    }
    let mut head = top::lines(model, now, width);
    let foot = vec![top::keys(model, width)];
    head.truncate(height / 3);
    let room = height - head.len() - foot.len();
    let top = u16::try_from(head.len()).unwrap_or(0);
    put(&head, area, buffer, colours);
    put(&foot, Rect { y: area.bottom() - 1, height: 1, ..area }, buffer, colours);
    let body = Rect { y: area.y + top, height: area.height - top - 1, ..area };
    if model.help {
        return put(&help::lines(width, room), body, buffer, colours);
    }
    match &model.view {
        Page::All => put(&jobs::lines(model, now, width, room), body, buffer, colours),
        Page::Job(key) if model.all && area.width >= BESIDE.0 && area.height >= BESIDE.1 => {
            let list = Rect { width: LIST - 2, ..body };
            put(&jobs::narrow(model, now, usize::from(list.width), room), list, buffer, colours);
            for y in body.top()..body.bottom() {
                buffer[(body.x + LIST - 2, y)].set_symbol("│").set_style(style(Tone::Muted, colours));
            }
            let detail = Rect { x: body.x + LIST, width: body.width - LIST, ..body };
            put(&job::lines(model, key, now, usize::from(detail.width), room), detail, buffer, colours);
        }
        Page::Job(key) => put(&job::lines(model, key, now, width, room), body, buffer, colours),
    }
}

/// Severity, name and time left, where there is no room for more.
fn tiny(model: &Model, now: Now, width: usize, height: usize) -> Vec<Line> {
    let (data, now) = model.shown(now);
    let mut lines = Vec::new();
    if let Some(silent) = model.silence(now) {
        lines.push(Line::new(format!("STALE {}", exact(silent / 1_000 * 1_000)), Tone::Bad));
    }
    let keys = match &model.view {
        Page::All => model.in_order(now),
        Page::Job(key) => vec![key.clone()],
    };
    for seen in keys.iter().filter_map(|key| data.jobs.get(key)) {
        let job = seen.at(now);
        let job = JobView::new(&job, now.wall);
        let left = job.time_left();
        let room = width.saturating_sub(job.verdict.text.width() + left.width() + 2);
        let name = format!(" {} {left}", cut_middle(&job.name, room));
        lines.push(Line::new(job.verdict.text, job.verdict.tone).with(name, Tone::Plain));
    }
    lines.truncate(height);
    lines
}

/// Puts lines onto an area; what does not fit is cut.
fn put(lines: &[Line], area: Rect, buffer: &mut Buffer, colours: bool) {
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        let mut x = area.x;
        for span in &line.spans {
            let room = usize::from(area.right().saturating_sub(x));
            let text = cut(&span.text, room);
            let (next, _) = buffer.set_stringn(x, y, &text, room, style(span.tone, colours));
            x = next;
        }
        if line.is_selected {
            let rest = Rect { y, height: 1, ..area };
            buffer.set_style(rest, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
}

/// Look of a tone; without colours by its weight alone. No text is told by its look alone.
fn style(tone: Tone, colours: bool) -> Style {
    let plain = Style::new();
    let coloured = |color: Color| if colours { plain.fg(color) } else { plain };
    match tone {
        Tone::Plain => plain,
        Tone::Strong => plain.add_modifier(Modifier::BOLD),
        Tone::Muted => plain.add_modifier(Modifier::DIM),
        Tone::Good => coloured(Color::Green),
        Tone::Notice => coloured(Color::Yellow),
        Tone::Accent => coloured(Color::Cyan),
        Tone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
        Tone::Banner => coloured(Color::Red).add_modifier(Modifier::REVERSED | Modifier::BOLD),
    }
}
