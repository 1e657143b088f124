//! The model as a screen of whatever size: pure functions of what is known, the room and the time.

mod gauge;
mod help;
mod job;
mod jobs;
mod missing;
mod overrides;
mod row;
mod top;

use super::model::{Model, Now, View};
use crate::render::text::cut;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use row::{Ink, Row};
use unicode_width::UnicodeWidthStr;

/// Less than this and only the essence is told, in columns and lines.
const SMALLEST: (u16, u16) = (40, 10);
/// From here on all jobs stand beside the one that is looked at.
const BESIDE: (u16, u16) = (160, 30);
/// How wide that list is, with the line behind it.
const LIST: u16 = 50;

/// Draws the whole screen.
pub(super) fn draw(model: &Model, now: Now, area: Rect, buffer: &mut Buffer, colours: bool) {
    buffer.reset();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
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
        View::All => put(&jobs::lines(model, now, width, room), body, buffer, colours),
        View::Job(key) if model.all && area.width >= BESIDE.0 && area.height >= BESIDE.1 => {
            let list = Rect { width: LIST - 2, ..body };
            put(&jobs::narrow(model, now, usize::from(list.width), room), list, buffer, colours);
            for y in body.top()..body.bottom() {
                buffer[(body.x + LIST - 2, y)].set_symbol("│").set_style(style(Ink::Faint, colours));
            }
            let detail = Rect { x: body.x + LIST, width: body.width - LIST, ..body };
            put(&job::lines(model, key, now, usize::from(detail.width), room), detail, buffer, colours);
        }
        View::Job(key) => put(&job::lines(model, key, now, width, room), body, buffer, colours),
    }
}

/// What is most important, where there is no room for more.
fn tiny(model: &Model, now: Now, width: usize, height: usize) -> Vec<Row> {
    let (data, now) = model.shown(now);
    let mut lines = Vec::new();
    if let Some(silent) = model.silence(now) {
        lines.push(Row::of(
            format!("STALE {}", crate::render::text::exact(silent / 1_000 * 1_000)),
            Ink::Alarm,
        ));
    }
    let keys = match &model.view {
        View::All => model.in_order(now),
        View::Job(key) => vec![key.clone()],
    };
    for seen in keys.iter().filter_map(|key| data.jobs.get(key)) {
        let job = seen.at(now);
        let (rank, word) = super::order::how(&job);
        let left = job.in_flight.first().map(row::time_left).unwrap_or_default();
        let name = crate::console::clean(&job.name);
        let room = width.saturating_sub(word.width() + left.width() + 2);
        let mut line = Row::of(word, row::ink_of(rank));
        line.add(format!(" {} {left}", crate::render::text::cut_middle(&name, room)), Ink::Plain);
        lines.push(line);
    }
    lines.truncate(height);
    lines
}

/// Puts lines onto an area; what does not fit is cut.
fn put(lines: &[Row], area: Rect, buffer: &mut Buffer, colours: bool) {
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        let mut x = area.x;
        for (text, ink) in &line.0 {
            let room = usize::from(area.right().saturating_sub(x));
            let text = cut(text, room);
            let (next, _) = buffer.set_stringn(x, y, &text, room, style(*ink, colours));
            x = next;
        }
        if line.1 {
            let rest = Rect { y, height: 1, ..area };
            buffer.set_style(rest, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
}

/// How a text stands out; without colours by its weight alone, and never by its look alone.
fn style(ink: Ink, colours: bool) -> Style {
    let plain = Style::new();
    let coloured = |color: Color| if colours { plain.fg(color) } else { plain };
    match ink {
        Ink::Plain => plain,
        Ink::Strong => plain.add_modifier(Modifier::BOLD),
        Ink::Faint => plain.add_modifier(Modifier::DIM),
        Ink::Good => coloured(Color::Green),
        Ink::Notice => coloured(Color::Yellow),
        Ink::Accent => coloured(Color::Cyan),
        Ink::Alarm => coloured(Color::Red).add_modifier(Modifier::BOLD),
        Ink::Banner => coloured(Color::Red).add_modifier(Modifier::REVERSED | Modifier::BOLD),
    }
}
