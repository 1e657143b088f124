//! What a line of the audit log says. A later ckptd has to read it too: fields are only added.

use ckpt_api::{AuditAsked, AuditEntry, AuditOutcome, AuditResult, AuditStep};
use serde::{Deserialize, Serialize};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "camelCase")]
pub(super) enum Line {
    /// Something is asked for, and nothing has been done yet.
    Asked {
        /// Its name, which the other line has as well.
        id: String,
        /// What.
        #[serde(flatten)]
        asked: AuditAsked,
    },
    /// It has come to an end.
    Ended {
        /// Its name.
        id: String,
        /// When.
        at: u64,
        /// How.
        #[serde(flatten)]
        ending: Ending,
    },
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The result.
    pub result: AuditResult,
    /// Why, where there is something to say.
    pub why: Option<String>,
    /// The revision that was made, where that is known.
    pub revision: Option<u64>,
    /// What truly became of the interval, where that is known: somebody else may have come in between.
    pub interval: Option<AuditStep>,
    /// What truly became of the timeout.
    pub timeout: Option<AuditStep>,
}

impl Ending {
    /// One of which no more is known.
    #[must_use]
    pub fn with(result: AuditResult, why: Option<String>) -> Self {
        Self { result, why, revision: None, interval: None, timeout: None }
    }
}

impl Line {
    /// As it is written, with its end.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// What it says; `None` for what a crash left of one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Both lines as one entry.
pub(super) fn entry(id: String, mut asked: AuditAsked, ended: Option<(u64, Ending)>) -> AuditEntry {
    let outcome = ended.map(|(at, ending)| {
        asked.revision = ending.revision.or(asked.revision);
        asked.interval = ending.interval.or(asked.interval);
        asked.timeout = ending.timeout.or(asked.timeout);
        AuditOutcome { at, result: ending.result, why: ending.why }
    });
    AuditEntry { id, asked, outcome }
}
