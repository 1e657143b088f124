//! Submitting and cancelling jobs.

use super::Api;
use super::error::ApiError;
use super::input::{Known, STORE_LIMIT, SmallBody};
use crate::seam::JobCoordinator;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ckpt_api::flink::Nothing;
use ckpt_api::{SCHEMA, Submission};
use serde::Deserialize;
use std::sync::Arc;
use tokio::time::timeout;
use utoipa::IntoParams;

/// The query of a submission.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct SubmitQuery {
    /// The savepoint that it starts from: its directory or its `_metadata`, as a path or a `file:` URI. A
    /// checkpoint that was retained does, too.
    from_savepoint: Option<String>,
}

/// The query of a cancellation.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CancelQuery {
    /// `cancel`, as without it.
    mode: Option<String>,
}

impl CancelQuery {
    /// Flink's default is to cancel, and its other mode works in no release any more.
    fn check(self) -> Result<(), ApiError> {
        let instead =
            "use mode=cancel, or POST /jobs/:job/savepoints with \"cancel-job\": true to keep the state";
        match self.mode.as_deref() {
            None | Some("cancel") => Ok(()),
            Some("stop") => {
                Err(ApiError::bad_request(format!("a job is not stopped without a savepoint; {instead}")))
            }
            Some(other) => {
                let sentence = format!("there is no mode '{}'; {instead}", other.escape_debug());
                Err(ApiError::bad_request(sentence))
            }
        }
    }
}

/// Submits a job.
///
/// The same file again is the same job.
#[utoipa::path(
    post,
    path = "/jobs",
    tag = "jobs",
    params(SubmitQuery),
    request_body(content = String, content_type = "application/toml", description = "A job file."),
    responses(
        (status = 200, description = "This very job was submitted before and is still alive.", body = Submission),
        (status = 201, description = "The job is stored and hosted.", body = Submission),
        (status = 409, description = "A job of this name is alive and was submitted with another file, or from another savepoint; or the savepoint does not fit the job."),
        (status = 500, description = "The submission failed inside ckptd."),
        (status = 503, description = "The job could not be stored, or not in time."),
    )
)]
pub(super) async fn submit(
    State(api): State<Api>,
    Known(query): Known<SubmitQuery>,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let body = body.of_kind("application/toml")?;
    let text = String::from_utf8(body).map_err(|_| ApiError::bad_request("the job file is not UTF-8"))?;
    // On a task of its own: a client that goes away must not leave a job stored and not hosted.
    let registry = Arc::clone(&api.registry);
    let submission =
        tokio::spawn(async move { registry.hosted().submit(&text, query.from_savepoint.as_deref()).await });
    let submitted = timeout(STORE_LIMIT, submission).await.map_err(|_| {
        let sentence = "the job could not be stored in time, as the disk does not answer; it is hosted if the disk \
                        recovers: look with ckptctl get";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    })?;
    let (job, created) =
        submitted.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    let identity = job.identity();
    let submission =
        Submission { schema: SCHEMA.to_owned(), job_id: identity.id, name: identity.name.clone(), created };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(submission)).into_response())
}

/// Cancels a job.
#[utoipa::path(
    patch,
    path = "/jobs/{job}",
    tag = "jobs",
    params(CancelQuery),
    responses(
        (status = 202, description = "It is being cancelled.", body = Object),
        (status = 409, description = "the job has ended, or its cluster refuses."),
    )
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Path(job): Path<String>,
    Known(query): Known<CancelQuery>,
) -> Result<Response, ApiError> {
    query.check()?;
    api.job(&job)?.cancel().await?;
    Ok((StatusCode::ACCEPTED, Json(Nothing::new())).into_response())
}

/// Flink's way to end a job in good order, which nothing here can do.
#[utoipa::path(
    post,
    path = "/jobs/{job}/stop",
    tag = "flink",
    responses((status = 501, description = "A job can only be cancelled, with a savepoint or without."))
)]
pub(super) async fn stop(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    api.job(&job)?;
    let sentence =
        "a job cannot be stopped here, only cancelled; flink cancel -s DIRECTORY JOB makes a savepoint first";
    Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, sentence))
}
