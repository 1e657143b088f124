//! The bodies of Flink's REST API, with the names, types and order of fields of Flink 2.3.0.
//!
//! They follow recorded answers, which `shared/api/tests/flink_rest.rs` reads and writes again. Timestamps
//! are milliseconds since the epoch and durations milliseconds; "not yet" is −1 here, as in Flink.
//! Fields that older releases do not have may be missing in what is read.

mod checkpoints;
mod jobs;
mod savepoints;
mod throwable;

pub use checkpoints::*;
pub use jobs::*;
pub use savepoints::*;
pub use throwable::CHECKPOINT_EXCEPTION;

use serde::{Deserialize, Serialize};

/// The release whose formats these are, and which ckptd answers as `flink-version`.
pub const VERSION: &str = "2.3.0";
/// What Flink says for an interval that is not configured: Java's largest long.
pub const NO_INTERVAL: i64 = i64::MAX;
/// Why a checkpoint that took longer than its timeout failed, in Flink's words.
pub const EXPIRED: &str = "Checkpoint expired before completing.";

/// The body of every answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Errors {
    /// The messages; ckptd sends one clear sentence.
    pub errors: Vec<String>,
}

impl Errors {
    /// An error with one sentence.
    #[must_use]
    pub fn one(sentence: impl Into<String>) -> Self {
        Self { errors: vec![sentence.into()] }
    }
}
