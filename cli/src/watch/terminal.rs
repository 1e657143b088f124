//! The terminal while it is ours.

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use std::io::{self, IsTerminal, Write};
use std::panic;

/// A screen of its own; the terminal is put back when this is dropped, however that comes about.
#[derive(Debug)]
pub(super) struct Terminal {
    keys: bool,
}

impl Terminal {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let keys = io::stdin().is_terminal() && enable_raw_mode().is_ok();
        let terminal = Self { keys };
        // What a panic says would vanish with the screen that it is said on.
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            previous(info);
        }));
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(terminal)
    }

    /// Whether somebody can press keys.
    pub(super) fn has_keys(&self) -> bool {
        self.keys
    }

    /// Redraws in place; takes care that nothing flickers, so it clears only what is not written.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate, MoveTo(0, 0))?;
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                out.write_all(b"\r\n")?;
            }
            out.write_all(line.as_bytes())?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    // Nothing can be done about a terminal that is gone.
    let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}
