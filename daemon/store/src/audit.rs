//! The audit log: who did what, when and why, and what came of it. `audit.jsonl` in the state directory is only
//! ever appended to; each change has a line before it is stored, and one with its result before it is answered.
//!
//! | module | holds |
//! |---|---|
//! | `line` | what a line says |
//! | `files` | the files: appending, and rotating by size |
//! | `log` | the one task that writes; what comes together shares a write |
//! | `read` | reading it back |

mod files;
mod line;
mod log;
mod read;

pub use line::Ending;
pub use log::{AuditLog, Begun, NotWritten};
pub use read::Query;

/// How the log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// From which size on a file is put aside and another one begun, in bytes.
    pub rotate_at: u64,
    /// How many files that were put aside are kept; `None` for all.
    pub keep: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rotate_at: 10_000_000, keep: None }
    }
}
