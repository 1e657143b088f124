//! Early ends of a command.

use crate::exit::Exit;
use crate::view::text::clean;
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// Early end of a command.
#[derive(Debug)]
pub(crate) enum Error {
    /// Stdout was closed, which is no failure: `ckptctl get | head -1`.
    PipeClosed,
    /// Ctrl-C was pressed.
    Interrupted,
    /// It failed.
    Failed(Failure),
}

/// A failure: what happened and why, the exit code, and what to type next.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure with one sentence, which may hold what a server said: it is made harmless here.
    pub(crate) fn new(exit: Exit, message: impl AsRef<str>) -> Self {
        Self::Failed(Failure { exit, message: clean(message.as_ref()), hint: None, source: None })
    }

    /// Adds what to do next, in one line.
    pub(crate) fn hint(mut self, hint: impl AsRef<str>) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.hint = Some(clean(hint.as_ref()));
        }
        self
    }

    /// Keeps the error that led to it; the message tells of it already.
    pub(crate) fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.source = Some(Box::new(source));
        }
        self
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::PipeClosed => Exit::Done,
            Self::Interrupted => Exit::Interrupted,
            Self::Failed(failure) => failure.exit,
        }
    }

    /// Whether no server answered.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.exit() == Exit::Unreachable
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::new(Exit::Error, format!("cannot write the output: {error}")).caused_by(error),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Failed(failure) => failure.source.as_deref().map(|source| source as _),
            Self::PipeClosed | Self::Interrupted => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PipeClosed => Ok(()),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Failed(Failure { message, hint: None, .. }) => f.write_str(message),
            Self::Failed(Failure { message, hint: Some(hint), .. }) => write!(f, "{message}\n  {hint}"),
        }
    }
}
