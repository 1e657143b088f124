//! Flink's paths for savepoints.

use super::Api;
use super::error::ApiError;
use super::flink::seen;
use super::input::{SmallBody, trigger_id};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ckpt_shared::flink::{SavepointRequest, TriggerResponse};

pub(super) async fn trigger(
    State(api): State<Api>,
    Path(job): Path<String>,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let request: SavepointRequest =
        body.object(r#"{"target-directory": "/savepoints", "cancel-job": false}"#)?;
    let request_id = api.job(&job)?.savepoint(request).await?;
    Ok((StatusCode::ACCEPTED, Json(TriggerResponse { request_id })).into_response())
}

pub(super) async fn status(
    State(api): State<Api>,
    Path((job, trigger)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    let trigger = trigger_id(&trigger)?;
    job.savepoint_status(trigger).await?.map(seen).ok_or_else(|| {
        let sentence = format!("there is no savepoint operation {trigger} for job {}", job.identity().id);
        ApiError::new(StatusCode::NOT_FOUND, sentence)
    })
}
