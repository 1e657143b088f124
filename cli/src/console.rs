//! The one door to stdout, stderr and the person in front of them.

use crate::args::Output;
use crate::error::Error;
use crate::view::text::{clean, wrapping};
use std::io::{self, IsTerminal, Write as _};

/// Data for stdout, with the newline at its end if it has none.
pub(crate) fn data(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Result of a command for stdout: the body of the answer, a name, or text.
pub(crate) fn result(
    output: Option<Output>,
    body: &str,
    name: &str,
    text: impl FnOnce() -> String,
) -> Result<(), Error> {
    match output {
        Some(Output::Json) => data(body),
        Some(Output::Name) => data(name),
        Some(Output::Wide) | None => data(&text()),
    }
}

/// A message for stderr. Nothing is left to be done when even that cannot be written.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What takes so long that a person at a terminal may wonder.
pub(crate) fn progress(text: &str) {
    if io::stderr().is_terminal() {
        note(&clean(text));
    }
}

/// What the server warns of; on a terminal it is broken into lines between words.
pub(crate) fn warn(text: &str) {
    let text = format!("warning: {}", clean(text));
    match columns(io::stderr().is_terminal()) {
        Some(width) => {
            note(&textwrap::fill(&text, wrapping(width.into()).subsequent_indent("  ")));
        }
        None => note(&text),
    }
}

/// Whether there is a person who can be asked: what is asked goes to stderr, the answer comes from stdin.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question that only `y` or `yes` says yes to.
pub(crate) async fn ask(question: &str) -> Result<bool, Error> {
    let mut err = io::stderr();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    // On a thread of its own, so that Ctrl-C is seen meanwhile.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(io::Error::other)??;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The width of the terminal that stdout is, `None` when it is none.
pub(crate) fn width() -> Option<u16> {
    columns(io::stdout().is_terminal())
}

fn columns(is_terminal: bool) -> Option<u16> {
    let size = || crossterm::terminal::size().ok();
    is_terminal.then(size).flatten().map(|(columns, _)| columns).filter(|columns| *columns > 0)
}

/// Whether stdout takes colours.
pub(crate) fn colours() -> bool {
    takes_colours(|name| std::env::var(name).ok(), io::stdout().is_terminal())
}

fn takes_colours(environment: impl Fn(&str) -> Option<String>, terminal: bool) -> bool {
    let set = |name| environment(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    if environment("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    terminal && environment("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_environment_before_the_terminal() {
        let decide = |vars: &[(&str, &str)], terminal| {
            takes_colours(
                |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
                terminal,
            )
        };
        assert!(decide(&[("TERM", "xterm")], true));
        assert!(!decide(&[("TERM", "xterm")], false));
        assert!(!decide(&[("TERM", "dumb")], true));
        assert!(!decide(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(decide(&[("NO_COLOR", ""), ("TERM", "xterm")], true));
        assert!(decide(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false));
        assert!(!decide(&[("CLICOLOR_FORCE", "0")], false));
    }
}
