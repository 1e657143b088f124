//! Watching on a terminal: a screen that is redrawn in place.

use super::feed::{Seen, Target, Watch, feed};
use super::follow::Verdict;
use super::terminal::Terminal;
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::screen::{Around, Observation, What, screen as render};
use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use futures::StreamExt;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the age of what is shown is brought up to date.
const REDRAW: Duration = Duration::from_secs(1);

/// How old what is shown may get before that is said, if it is not asked for even less often.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was seen last.
struct View {
    seen: Seen,
    at: Instant,
    stale: Option<String>,
}

impl View {
    /// An answer that does not come is said long before it is given up.
    fn overdue(&self, every: Duration) -> Option<String> {
        (self.at.elapsed() >= PATIENCE.max(every * 3)).then(|| "the server does not answer".to_owned())
    }
}

/// What a key asks for.
enum Key {
    Leave,
    Interrupt,
    Redraw,
}

/// Shows what is seen until `q` is pressed, or until there is a verdict.
pub(crate) async fn screen(watch: &Watch<'_>) -> Result<Exit, Error> {
    watch.end(show(watch).await?)
}

async fn show(watch: &Watch<'_>) -> Result<Option<Verdict>, Error> {
    let mut feed = pin!(feed(watch, true));
    // Before there is anything to show, a failure is only that.
    let Some(first) = feed.next().await else {
        return Ok(None);
    };
    let seen = first.map_err(|error| watch.server.failed(error))?;
    let mut view = View { seen, at: Instant::now(), stale: None };
    let terminal = Terminal::enter()?;
    let mut keys = terminal.has_keys().then(EventStream::new);
    let mut clock = interval(REDRAW);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let colours = console::colours();
    loop {
        if let Some(verdict) = view.seen.verdict.take() {
            return Ok(Some(verdict));
        }
        let (width, height) = crossterm::terminal::size()?;
        let overdue = view.overdue(watch.every);
        let stale = view.stale.as_deref().or(overdue.as_deref());
        terminal.draw(&render(&observation(watch, &view, stale), width, height, colours))?;
        tokio::select! {
            seen = feed.next() => match seen {
                Some(Ok(seen)) => view = View { seen, at: Instant::now(), stale: None },
                Some(Err(error)) if watch.is_final(&error) => return Err(watch.server.failed(error)),
                Some(Err(error)) => view.stale = Some(error.to_string()),
                None => return Ok(None),
            },
            key = next(&mut keys) => match key? {
                Key::Leave => return Ok(None),
                Key::Interrupt => return Err(Error::Interrupted),
                Key::Redraw => {}
            },
            _ = clock.tick() => {}
        }
    }
}

fn observation<'a>(watch: &'a Watch<'_>, view: &'a View, stale: Option<&'a str>) -> Observation<'a> {
    let what = match (&watch.target, view.seen.jobs.as_slice()) {
        (Target::Job(_), [job]) => What::Job(job, view.seen.statistics.as_ref()),
        (_, jobs) => What::Jobs(jobs, Around { clusters: &view.seen.clusters, pauses: &view.seen.pauses }),
    };
    let now = clock::wall_millis();
    Observation { server: watch.server.address(), what, age: view.at.elapsed(), now, stale }
}

/// The next key; never, without a keyboard.
async fn next(keys: &mut Option<EventStream>) -> Result<Key, Error> {
    let Some(keys) = keys else {
        return std::future::pending().await;
    };
    let Some(event) = keys.next().await else {
        return Ok(Key::Leave);
    };
    Ok(match event? {
        Event::Key(key) if key.kind == KeyEventKind::Release => Key::Redraw,
        Event::Key(key) => match key.code {
            // The terminal is in raw mode, so Ctrl-C is a key like any other.
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Interrupt,
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => Key::Leave,
            _ => Key::Redraw,
        },
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_) | Event::Resize(..) => {
            Key::Redraw
        }
    })
}
