//! Where an override comes from, and how long it lasts.

use serde::{Deserialize, Serialize};

/// Who overrides a value, why, since when and until when. Points in time are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Origin {
    /// Who, as they called themselves; `null` when they did not.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub by: Option<String>,
    /// Why, as they put it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub reason: Option<String>,
    /// Since when.
    pub since: u64,
    /// When it ends by itself; `null` when it does not.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub until: Option<u64>,
    /// The value that applies then, in milliseconds; `null` when it does not end, or when that is not known.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub afterwards: Option<u64>,
}
