//! Why a command ends early.

use crate::exit::Exit;
use crate::view::text::clean;
use std::fmt;
use std::io;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Error {
    /// Nobody reads stdout any more, which is no failure: `ckptctl get | head -1`.
    PipeClosed,
    /// A person pressed Ctrl-C.
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
}

impl Error {
    /// A failure with one sentence, which may hold what a server said: it is made harmless here.
    pub(crate) fn new(exit: Exit, message: impl AsRef<str>) -> Self {
        Self::Failed(Failure { exit, message: clean(message.as_ref()), hint: None })
    }

    /// Adds what to do next, in one line.
    pub(crate) fn hint(self, hint: impl AsRef<str>) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(Failure { hint: Some(clean(hint.as_ref())), ..failure }),
            other @ (Self::PipeClosed | Self::Interrupted) => other,
        }
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
            _ => Self::new(Exit::Error, format!("cannot write the output: {error}")),
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
