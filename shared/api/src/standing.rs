//! Whether what is stored for a job holds, and whether ckptd sees to it that it does.

use super::SCHEMA;
use ckpt_types::ids::JobId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a job's override stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OverrideStatus {
    /// Whether it holds.
    pub state: OverrideState,
    /// Why it does not, and what to do about it; `null` when it holds.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub why: Option<String>,
    /// Since when it has been so, in milliseconds since the epoch, as far as this ckptd has seen.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub since: Option<u64>,
    /// When it is to be applied again; `null` when that is not being tried, or at once when it is possible.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub next_try: Option<u64>,
}

/// The states that an override can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum OverrideState {
    /// In force.
    Applied,
    /// Stored, and there is no coordinator now that it could be in force in: the job restarts, its cluster
    /// has no leader or does not answer. It is applied as soon as there is one.
    Waiting,
    /// Stored, and not in force though there is a coordinator.
    NotApplied,
    /// Somebody else keeps changing the values, so ckptd has stopped to apply it.
    Conflict,
    /// It belongs to an earlier job of this name, whose id is another one.
    Orphaned,
}

impl OverrideState {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Waiting => "waiting",
            Self::NotApplied => "notApplied",
            Self::Conflict => "conflict",
            Self::Orphaned => "orphaned",
        }
    }
}

impl fmt::Display for OverrideState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reconcile is paused: overrides of Flink's jobs that stop to hold are not applied again. Changes that
/// somebody asks for are made all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// For this cluster alone; `null` for all.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cluster: Option<String>,
    /// Since when, in milliseconds since the epoch.
    pub since: u64,
    /// Why, as whoever paused it put it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<String>,
}

/// Where reconcile is paused: the answer of `/reconcile` and the paths below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reconcile {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The pauses, the one for all clusters first; none when reconcile runs everywhere.
    pub pauses: Vec<Pause>,
}

impl Reconcile {
    /// With these pauses.
    #[must_use]
    pub fn new(pauses: Vec<Pause>) -> Self {
        Self { schema: SCHEMA.to_owned(), pauses }
    }
}

/// What is to be paused, or to go on: the body of `POST /reconcile/pause` and `…/resume`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ReconcileRequest {
    /// This cluster alone; all of them when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub cluster: Option<String>,
    /// Why, at most 500 characters; only for a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub reason: Option<String>,
}

/// Which override a job is to take over: the body of `POST /jobs/:job/checkpoints/configuration/adopt`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AdoptRequest {
    /// The id of the earlier job; only needed when several have left an override behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub from: Option<JobId>,
    /// How long what is taken over lasts at most, in milliseconds: then what was submitted applies again. What ends
    /// earlier by itself still does; left out, everything ends when it would have ended.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 1_000, maximum = 31_536_000_000_u64))]
    pub lasting: Option<u64>,
    /// Why, at most 500 characters; the override's own reason stays when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub reason: Option<String>,
}
