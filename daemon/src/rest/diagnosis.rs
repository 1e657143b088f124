//! `GET /jobs/:job/checkpoints/diagnosis`

use super::Api;
use super::error::ApiError;
use crate::diagnosis;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use ckpt_api::{CheckpointDiagnosis, OBSERVED_AT};

/// Whether a job's checkpoint in flight is slow or stuck.
///
/// All that can be found out about the oldest checkpoint in flight, with an estimate of when it will be done. What
/// could not be found out is in `warnings`.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/diagnosis",
    operation_id = "checkpoint_diagnosis",
    tag = "configuration",
    responses((status = 200, body = CheckpointDiagnosis, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn get(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    let diagnosis = diagnosis::diagnose(job.as_ref(), &api.changes).await?;
    let mut response = Json(&diagnosis).into_response();
    response.headers_mut().insert(OBSERVED_AT, HeaderValue::from(diagnosis.observed_at));
    Ok(response)
}
