//! Flink's paths for savepoints.

use super::Api;
use super::error::ApiError;
use super::flink::part;
use super::input::{SmallBody, trigger_id};
use crate::seam::{JobPart, ManualTrigger};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ckpt_api::flink::{SavepointRequest, SavepointStatus, TriggerResponse};

/// Makes a savepoint.
///
/// With `cancel-job` the job is cancelled when the savepoint has completed; if it fails, the job goes on.
#[utoipa::path(
    post,
    path = "/jobs/{job}/savepoints",
    operation_id = "trigger_savepoint",
    tag = "flink",
    request_body = SavepointRequest,
    responses(
        (status = 202, description = "It was asked for.", body = TriggerResponse),
        (status = 409, description = "the job has ended, or does not run at the moment, or its cluster refuses."),
        (status = 501, description = "the job cannot make one."),
    )
)]
pub(super) async fn trigger(
    State(api): State<Api>,
    Path(job): Path<String>,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let request: SavepointRequest =
        body.object(r#"{"target-directory": "/savepoints", "cancel-job": false}"#)?;
    let request_id = api.job(&job)?.trigger(ManualTrigger::Savepoint(request)).await?;
    Ok((StatusCode::ACCEPTED, Json(TriggerResponse { request_id })).into_response())
}

/// What became of a savepoint that was asked for.
#[utoipa::path(
    get,
    path = "/jobs/{job}/savepoints/{trigger}",
    operation_id = "savepoint_status",
    tag = "flink",
    responses((status = 200, body = inline(SavepointStatus), headers(("ckpt-observed-at" = u64))), (status = 404, description = "it was never asked for, or is forgotten."))
)]
pub(super) async fn status(
    State(api): State<Api>,
    Path((job, trigger)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    part(&api, &job, JobPart::SavepointTrigger(trigger_id(&trigger)?)).await
}

/// Flink's way to delete a savepoint, which could be anybody's files.
#[utoipa::path(
    post,
    path = "/savepoint-disposal",
    tag = "flink",
    responses((status = 501, description = "ckptd deletes no savepoints."))
)]
pub(super) async fn dispose() -> ApiError {
    let sentence = "ckptd deletes no savepoints; delete the savepoint's directory where it is";
    ApiError::new(StatusCode::NOT_IMPLEMENTED, sentence)
}
