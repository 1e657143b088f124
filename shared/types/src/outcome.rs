//! The effect of a change on a checkpoint in flight.

use serde::{Deserialize, Serialize};

/// Effect of a change on a checkpoint in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It has more time now.
    Extended,
    /// It has less time now.
    Shortened,
    /// It had used up the new timeout already and was thrown away.
    Expired,
    /// Its time is the same.
    Unchanged,
    /// It completed while the change was being stored.
    Completed,
    /// It failed while the change was being stored, or with the job when the change let another one
    /// expire.
    TooLate,
}
