//! Who changed what, and what came of it.

use super::SCHEMA;
use ckpt_types::ids::JobId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The answer of `GET /audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Audit {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What was done, the newest first.
    pub entries: Vec<AuditEntry>,
    /// Whether there is more than was asked for, or than is read at once; the files have all of it.
    pub more: bool,
    /// How many lines of what was read are none, as after a crash, or when somebody else wrote into the files.
    #[serde(default)]
    pub unreadable: u64,
}

impl Audit {
    /// The most entries in an answer.
    pub const MOST: usize = 1_000;
    /// How many there are when nobody says.
    pub const USUAL: usize = 100;

    /// With these entries.
    #[must_use]
    pub fn new(entries: Vec<AuditEntry>, more: bool, unreadable: u64) -> Self {
        Self { schema: SCHEMA.to_owned(), entries, more, unreadable }
    }
}

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// What it is called in the files.
    pub id: String,
    /// What was asked for.
    #[serde(flatten)]
    pub asked: AuditAsked,
    /// What came of it; `null` while it is under way.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub outcome: Option<AuditOutcome>,
}

/// What was asked for, by whom, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditAsked {
    /// When, in milliseconds since the epoch.
    pub at: u64,
    /// What.
    pub action: AuditAction,
    /// Who, as they called themselves; `null` when they did not, and when ckptd did it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub by: Option<String>,
    /// The address that the request came from; `null` when ckptd did it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub from: Option<String>,
    /// Whose job it is; `null` for all clusters.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cluster: Option<String>,
    /// The job, if it is about one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub job_id: Option<JobId>,
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub name: Option<String>,
    /// What became of the interval, or should; `null` when it was not touched.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub interval: Option<AuditStep>,
    /// What became of the timeout, or should; `null` when it was not touched.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub timeout: Option<AuditStep>,
    /// When it ends by itself, in milliseconds since the epoch; `null` when it does not.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub until: Option<u64>,
    /// Why, as they put it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<String>,
    /// The revision that it makes; `null` when it makes none.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revision: Option<u64>,
}

/// From what to what, in milliseconds; `null` where it is not known, or there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditStep {
    /// What was stored before, or else was submitted.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub from: Option<u64>,
    /// What is stored then, or else was submitted; `null` for what was submitted when the override of a job that ckptd
    /// hosts has ended.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub to: Option<u64>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditOutcome {
    /// When that was known, in milliseconds since the epoch.
    pub at: u64,
    /// What.
    pub result: AuditResult,
    /// Why, where there is something to say.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub why: Option<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum AuditAction {
    /// A value was set.
    Change,
    /// An override was cleared.
    Reset,
    /// The override of an earlier job was taken over.
    Adopt,
    /// An override ended by itself.
    Expire,
    /// The override of a job that its cluster does not list any more was forgotten.
    Forget,
    /// Reconcile was paused.
    Pause,
    /// Reconcile was resumed.
    Resume,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum AuditResult {
    /// It is stored, and was in force when that was answered.
    Applied,
    /// It is stored, and was not in force yet, or not known to be.
    Stored,
    /// It was so already: nothing was changed, and nobody's name or reason with it.
    Unchanged,
    /// It was not allowed, or could not be done: nothing was changed.
    Refused,
    /// ckptd ended in between.
    Unknown,
}

impl AuditAction {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Reset => "reset",
            Self::Adopt => "adopt",
            Self::Expire => "expire",
            Self::Forget => "forget",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

impl AuditResult {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Stored => "stored",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for AuditResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
