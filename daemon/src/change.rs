//! The way of a change, the same for every kind of coordinator: validate all, check it against the policy, make sure
//! that it can be applied, write down who wants it, persist, apply, write down what came of it, answer. Nothing is
//! applied that is not durable, and nothing is stored that could not be applied.
//!
//! | module | holds |
//! |---|---|
//! | `make` | a change, and forgetting the override of a job that is gone |
//! | `adopt` | taking over the override of an earlier job |
//! | `carry` | waiting until a stored revision is in force |
//! | `entry` | the entry in the audit log, whatever becomes of the change |
//! | `record` | who, what and why, for the audit log |

mod adopt;
mod carry;
mod entry;
mod make;
mod record;

pub use adopt::adopt;
pub(crate) use carry::settle;
pub use make::change;
pub(crate) use record::expiry;

use crate::audit::{AuditLog, NotWritten};
use crate::clock::Clock;
use crate::overrides::{EditError, IfMatch, OverrideStore};
use crate::policy::{Refusal, Rules};
use crate::seam::SeamError;
use ckpt_api::ConfigurationPatch;
use ckpt_types::ids::JobId;
use std::sync::Arc;

/// What a change needs besides its job. Clones share all of it.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The clock.
    pub clock: Clock,
    /// Where it is stored.
    pub overrides: OverrideStore,
    /// Where it is written down who made it.
    pub audit: AuditLog,
    /// What is allowed.
    pub rules: Arc<Rules>,
}

/// Who asks for something.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// As they call themselves.
    pub by: Option<String>,
    /// The address that the request came from.
    pub from: Option<String>,
}

/// Why a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// The job's coordinator says no.
    #[error(transparent)]
    Seam(#[from] SeamError),
    /// It is stale, or could not be stored.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The policy does not allow it.
    #[error(transparent)]
    Policy(#[from] Refusal),
    /// It could not be written down who wants it.
    #[error(transparent)]
    Audit(#[from] NotWritten),
    /// The job has no interval to change.
    #[error(
        "the job was submitted without periodic checkpoints, so it has no interval to change; its timeout can be changed"
    )]
    NoInterval,
    /// Which override is meant is not clear.
    #[error(
        "several jobs of this name have left an override behind: {}; say which one with --from (\"from\")",
        in_a_row(.0)
    )]
    SeveralToAdopt(Vec<JobId>),
    /// There is none.
    #[error("{}", none_to_adopt(.wanted.as_ref(), .others))]
    NoneToAdopt {
        /// Whose was wanted.
        wanted: Option<JobId>,
        /// Those that have left one behind.
        others: Vec<JobId>,
    },
}

fn in_a_row(ids: &[JobId]) -> String {
    ids.iter().map(JobId::to_string).collect::<Vec<_>>().join(", ")
}

fn none_to_adopt(wanted: Option<&JobId>, others: &[JobId]) -> String {
    match (wanted, others) {
        (Some(wanted), [_, ..]) => {
            format!("no job {wanted} of this name has left an override behind; adopt that of {}", in_a_row(others))
        }
        _ => "no earlier job of this name has left an override behind, so there is nothing to adopt; ckptctl get \
              shows what holds"
            .to_owned(),
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The change.
    pub patch: ConfigurationPatch,
    /// What the revision must be.
    pub if_match: IfMatch,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Who asks.
    pub who: Who,
}
