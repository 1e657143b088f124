//! Who did what.

use super::Api;
use super::error::ApiError;
use super::input::Known;
use crate::audit::Query;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ckpt_api::Audit;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which entries are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuditQuery {
    /// Only of this job: its name, its id, or `CLUSTER/NAME`. It need not be there any more.
    #[param(required = false)]
    job: Option<String>,
    /// Only from then on, in milliseconds since the epoch.
    #[param(required = false)]
    since: Option<u64>,
    /// So many at most: 1 to 1000, and 100 if left out.
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Who changed what, when and why, and what came of it.
///
/// The newest first. All of it is in the files `audit.jsonl` and `audit.jsonl.<n>` in ckptd's state directory.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "audit",
    tag = "configuration",
    params(AuditQuery),
    responses(
        (status = 200, body = Audit),
        (status = 503, description = "The files cannot be read."),
    )
)]
pub(super) async fn audit(
    State(api): State<Api>,
    Known(query): Known<AuditQuery>,
) -> Result<Json<Audit>, ApiError> {
    let limit = query.limit.unwrap_or(Audit::USUAL);
    if !(1..=Audit::MOST).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is {limit}; it must be from 1 to {}", Audit::MOST)));
    }
    let wanted = Query { job: query.job, since: query.since, limit };
    let read = api.changes.audit.read(wanted).await;
    read.map(Json).map_err(|error| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, format!("the audit log cannot be read: {error}"))
    })
}
