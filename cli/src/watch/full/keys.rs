//! What a key does.

use super::model::{Frozen, Model, Page};
use super::snapshot::Now;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// The longest filter, in characters.
const LONGEST_FILTER: usize = 60;
/// How far a page goes.
const PAGE: usize = 10;

/// The keys, as the help lists them.
pub(super) const HELP: [(&str, &str); 11] = [
    ("↑ ↓  k j", "select another job; PgUp, PgDn, Home and End go further"),
    ("Enter", "open the selected job"),
    ("Esc  Backspace  b", "back to all jobs"),
    ("Tab  n", "the next job"),
    ("Shift-Tab  N", "the job before"),
    ("/", "list only jobs whose cluster/name has this in it; Enter keeps it, Esc drops it"),
    ("p  Space", "let the screen stand still, and go on"),
    ("?", "this help"),
    ("q  Ctrl-C", "leave"),
    ("20m*", "overridden; 20m*59m ends by itself in 59m; 10s! has an override that does not hold"),
    ("◆ ▒ ┃", "likely done, the range it is done in with 80%, the timeout"),
];

/// What is left to be done after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Leave,
    Interrupt,
}

impl Model {
    /// A key was pressed.
    pub(super) fn press(&mut self, key: KeyEvent, now: Now) -> Then {
        if key.kind == KeyEventKind::Release {
            return Then::GoOn;
        }
        // The terminal is in raw mode, so Ctrl-C is a key like any other.
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Then::Interrupt,
            _ if self.filtering => self.edit_filter(key.code, now),
            _ if self.help => {
                self.help = false;
            }
            KeyCode::Char('q' | 'Q') => return Then::Leave,
            KeyCode::Char('?') => self.help = true,
            KeyCode::Char('p' | ' ') => self.pause(now),
            KeyCode::Char('/') => {
                self.back();
                self.filtering = true;
            }
            KeyCode::Tab | KeyCode::Char('n') => self.next(1, now),
            KeyCode::BackTab | KeyCode::Char('N') => self.next(-1, now),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Char('b') => self.escape(key.code),
            code if self.view == Page::All => self.select(code, now),
            _ => {}
        }
        Then::GoOn
    }

    fn select(&mut self, code: KeyCode, now: Now) {
        let step = |step: usize| isize::try_from(step).unwrap_or(isize::MAX);
        match code {
            KeyCode::Down | KeyCode::Char('j') => self.moved(1, now),
            KeyCode::Up | KeyCode::Char('k') => self.moved(-1, now),
            KeyCode::PageDown => self.moved(step(PAGE), now),
            KeyCode::PageUp => self.moved(-step(PAGE), now),
            KeyCode::Home | KeyCode::Char('g') => self.moved(isize::MIN, now),
            KeyCode::End | KeyCode::Char('G') => self.moved(isize::MAX, now),
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => {
                if let Some(selected) = self.selected.clone() {
                    self.open(selected);
                }
            }
            _ => {}
        }
    }

    /// Selects another job of the list.
    fn moved(&mut self, by: isize, now: Now) {
        let jobs = self.in_order(now);
        let Some(last) = jobs.len().checked_sub(1) else { return };
        let here = self.selected.as_ref().and_then(|selected| jobs.iter().position(|key| key == selected));
        let there = here.map_or(0, |here| here.saturating_add_signed(by).min(last));
        self.selected = Some(jobs[there].clone());
    }

    /// The next job, in the list or as the one that is looked at.
    fn next(&mut self, by: isize, now: Now) {
        self.all = true;
        match self.view {
            Page::All => self.moved(by, now),
            Page::Job(_) => {
                let jobs = self.in_order(now);
                let here = self.selected.as_ref().and_then(|open| jobs.iter().position(|key| key == open));
                let count = isize::try_from(jobs.len()).unwrap_or(isize::MAX);
                let here = here.and_then(|here| isize::try_from(here).ok()).unwrap_or(-1);
                if count > 0
                    && let Ok(there) = usize::try_from((here + by).rem_euclid(count))
                {
                    self.open(jobs[there].clone());
                }
            }
        }
    }

    fn escape(&mut self, code: KeyCode) {
        match self.view {
            Page::Job(_) => self.back(),
            Page::All if code == KeyCode::Esc => self.filter.clear(),
            Page::All => {}
        }
    }

    /// Back to all jobs.
    fn back(&mut self) {
        self.view = Page::All;
        self.all = true;
    }

    fn pause(&mut self, now: Now) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some(Frozen { data: Box::new(self.data.clone()), at: now }),
        };
    }

    fn edit_filter(&mut self, code: KeyCode, now: Now) {
        match code {
            KeyCode::Enter => self.filtering = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.filtering = false;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if self.filter.chars().count() < LONGEST_FILTER && !c.is_control() => {
                self.filter.push(c);
            }
            KeyCode::Down => self.moved(1, now),
            KeyCode::Up => self.moved(-1, now),
            _ => {}
        }
        let jobs = self.in_order(now);
        if self.selected.as_ref().is_none_or(|selected| !jobs.contains(selected)) {
            self.selected = jobs.into_iter().next();
        }
    }
}
