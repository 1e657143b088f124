//! Flink clusters: how they are, how a change reaches their coordinators, and what a diagnosis says.

use super::SCHEMA;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a change reaches a job's coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Via {
    /// ckptd hosts it.
    Hosted,
    /// The cluster offers FLIP-571 itself.
    Native,
    /// A library that is loaded into the running JobManager.
    Attach,
    /// Not at all.
    None,
}

impl Via {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hosted => "hosted",
            Self::Native => "native",
            Self::Attach => "attach",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A Flink cluster that ckptd follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterState {
    /// Its name.
    pub name: String,
    /// The address of its REST API.
    pub url: String,
    /// Flink's version, once it answered.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub version: Option<String>,
    /// What is wrong with it; `null` when it answers as it should.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub trouble: Option<String>,
    /// When it answered well last; `null` when it never did.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub observed_at: Option<u64>,
}

/// Whether clusters can be changed from here, and if not, why: the answer to `POST /doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnosis {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The clusters that were asked about.
    pub clusters: Vec<ClusterDiagnosis>,
}

impl Diagnosis {
    /// A diagnosis of these.
    #[must_use]
    pub fn new(clusters: Vec<ClusterDiagnosis>) -> Self {
        Self { schema: SCHEMA.to_owned(), clusters }
    }
}

/// Whether a cluster can be changed from here, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterDiagnosis {
    /// Its name.
    pub cluster: String,
    /// The address of its REST API.
    pub url: String,
    /// Whether a change would work.
    pub changeable: bool,
    /// How it would reach the coordinators.
    pub via: Via,
    /// What was looked at, in order.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// What, such as `process` or `class layout`.
    pub check: String,
    /// Whether it is as it has to be.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it, when it is not as it has to be.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub advice: Option<String>,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// As it has to be.
    Passed,
    /// Not so: a change would not work.
    Failed,
    /// Worth knowing; a change would work.
    Noted,
    /// Not looked at, since something before it failed or made it needless.
    Skipped,
}
