//! Flink's paths: what already reads Flink reads ckptd. No field is added to Flink's bodies.

mod render;

use super::Api;
use super::error::ApiError;
use super::input::{SmallBody, trigger_id};
use crate::registry::Job;
use crate::seam::{FlinkBody, JobPart, ManualTrigger, PartView, SeamError};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ckpt_api::flink::{
    Checkpoint, CheckpointConfig, CheckpointStatistics, ClusterOverview, DashboardConfiguration, Features,
    JobDetails, JobIdWithStatus, JobIdsWithStatus, JobOverview, JobStatusInfo, JobsOverview,
    TaskCheckpointWithSubtasks, TriggerRequest, TriggerResponse, TriggerStatus, VERSION,
};
use ckpt_api::{JobState, OBSERVED_AT};
use ckpt_types::ids::{CheckpointId, VertexId};
use serde::Serialize;

/// How often a web page asks again, in milliseconds.
const REFRESH_INTERVAL: i64 = 3_000;
/// What stands where Flink has a commit.
const COMMIT: &str = concat!("ckptd-", env!("CARGO_PKG_VERSION"));

/// What 404 says beside an unknown job.
const UNKNOWN_CHECKPOINT: &str =
    "the checkpoint is unknown, or so old that it is forgotten; or the vertex is unknown.";

/// An answer with the time at which it was true, in milliseconds since the epoch.
fn seen_at(body: impl Serialize, observed_at: u64) -> Response {
    let mut response = Json(body).into_response();
    response.headers_mut().insert(OBSERVED_AT, HeaderValue::from(observed_at));
    response
}

/// What a web page needs to know.
#[utoipa::path(
    get,
    path = "/config",
    tag = "flink",
    responses((status = 200, body = DashboardConfiguration, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn config(State(api): State<Api>) -> Response {
    seen_at(
        DashboardConfiguration {
            refresh_interval: REFRESH_INTERVAL,
            timezone_name: "Coordinated Universal Time".to_owned(),
            timezone_offset: 0,
            flink_version: VERSION.to_owned(),
            flink_revision: COMMIT.to_owned(),
            features: Features {
                web_submit: false,
                web_cancel: false,
                web_rescale: false,
                web_history: false,
            },
        },
        api.changes.clock.wall_millis(),
    )
}

/// How many jobs there are.
#[utoipa::path(
    get,
    path = "/overview",
    tag = "flink",
    responses((status = 200, body = ClusterOverview, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn overview(State(api): State<Api>) -> Response {
    let (jobs, observed_at) = overviews(&api).await;
    let count = |wanted: fn(JobState) -> bool| {
        u32::try_from(jobs.iter().filter(|job| wanted(job.state)).count()).unwrap_or(u32::MAX)
    };
    let slots = jobs.iter().filter(|job| !job.state.has_ended()).map(|job| job.tasks.total).sum();
    let body = ClusterOverview {
        taskmanagers: 0,
        slots_total: slots,
        slots_available: 0,
        jobs_running: count(|state| !state.has_ended()),
        jobs_finished: count(|state| state == JobState::Finished),
        jobs_cancelled: count(|state| state == JobState::Canceled),
        jobs_failed: count(|state| state == JobState::Failed),
        flink_version: VERSION.to_owned(),
        flink_commit: COMMIT.to_owned(),
    };
    seen_at(body, observed_at)
}

/// The jobs, with their states.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "flink",
    responses((status = 200, body = JobIdsWithStatus, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn jobs(State(api): State<Api>) -> Response {
    let (jobs, observed_at) = overviews(&api).await;
    let jobs = jobs.into_iter().map(|job| JobIdWithStatus { id: job.jid, status: job.state }).collect();
    seen_at(JobIdsWithStatus { jobs }, observed_at)
}

/// The jobs, with their subtasks by state.
#[utoipa::path(
    get,
    path = "/jobs/overview",
    tag = "flink",
    responses((status = 200, body = JobsOverview, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn jobs_overview(State(api): State<Api>) -> Response {
    let (jobs, observed_at) = overviews(&api).await;
    seen_at(JobsOverview { jobs }, observed_at)
}

/// Every job's part, and when the oldest of them was seen.
async fn overviews(api: &Api) -> (Vec<JobOverview>, u64) {
    let jobs = api.registry.jobs();
    let observed_at = jobs.iter().map(|job| job.snapshot().seen_at).min();
    let overviews = futures::future::join_all(jobs.iter().map(overview_of)).await;
    // Flink's bodies cannot say that a job is silent; the others are shown.
    let overviews = overviews.into_iter().filter_map(Result::ok).collect();
    (overviews, observed_at.unwrap_or_else(|| api.changes.clock.wall_millis()))
}

async fn overview_of(job: &Job) -> Result<JobOverview, SeamError> {
    match body(job, JobPart::Overview).await? {
        FlinkBody::Overview(overview) => Ok(overview),
        other => unreachable!("{other:?} is no overview"),
    }
}

async fn body(job: &Job, part: JobPart) -> Result<FlinkBody, SeamError> {
    match job.view(part).await? {
        PartView::Body(body) => Ok(body),
        PartView::Hosted(view) => render::body(&view, part),
    }
}

/// Answers with a part of a job.
pub(super) async fn part(api: &Api, job: &Job, part: JobPart) -> Result<Response, ApiError> {
    Ok(seen_at(body(job, part).await?, api.changes.clock.wall_millis()))
}

/// One job, with its vertices.
#[utoipa::path(
    get,
    path = "/jobs/{job}",
    tag = "flink",
    responses((status = 200, body = JobDetails, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn details(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    part(&api, &api.job(&job)?, JobPart::Details).await
}

/// A job's state.
#[utoipa::path(
    get,
    path = "/jobs/{job}/status",
    operation_id = "job_status",
    tag = "flink",
    responses((status = 200, body = JobStatusInfo, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn status(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    let status = overview_of(&api.job(&job)?).await?.state;
    Ok(seen_at(JobStatusInfo { status }, api.changes.clock.wall_millis()))
}

/// A job's checkpoints: counts, summary and the newest ones.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints",
    tag = "flink",
    responses((status = 200, body = CheckpointStatistics, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn checkpoints(
    State(api): State<Api>,
    Path(job): Path<String>,
) -> Result<Response, ApiError> {
    part(&api, &api.job(&job)?, JobPart::Checkpoints).await
}

/// How a job's checkpoints are made, with the values in force.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/config",
    tag = "flink",
    responses((status = 200, body = CheckpointConfig, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn checkpoint_config(
    State(api): State<Api>,
    Path(job): Path<String>,
) -> Result<Response, ApiError> {
    part(&api, &api.job(&job)?, JobPart::CheckpointConfig).await
}

/// One checkpoint.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/details/{id}",
    tag = "flink",
    responses((status = 200, body = Checkpoint, headers(("ckpt-observed-at" = u64))), (status = 404, description = UNKNOWN_CHECKPOINT))
)]
pub(super) async fn checkpoint(
    State(api): State<Api>,
    Path((job, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    part(&api, &job, JobPart::Checkpoint(checkpoint_id(&id)?)).await
}

/// One checkpoint of the subtasks of a vertex.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/details/{id}/subtasks/{vertex}",
    tag = "flink",
    responses((status = 200, body = TaskCheckpointWithSubtasks, headers(("ckpt-observed-at" = u64))), (status = 404, description = UNKNOWN_CHECKPOINT))
)]
pub(super) async fn subtasks(
    State(api): State<Api>,
    Path((job, id, vertex)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    let id = checkpoint_id(&id)?;
    let vertex: VertexId = vertex.parse().map_err(|_| {
        ApiError::bad_request(format!("'{}' is no vertex id: 32 hexadecimal digits", vertex.escape_debug()))
    })?;
    part(&api, &job, JobPart::Subtasks(id, vertex)).await
}

/// Triggers a checkpoint now.
#[utoipa::path(
    post,
    path = "/jobs/{job}/checkpoints",
    tag = "flink",
    request_body(content = Option<TriggerRequest>, description = "It may be empty."),
    responses(
        (status = 202, body = TriggerResponse),
        (status = 409, description = "the job has no coordinator at the moment, or its cluster refuses."),
    )
)]
pub(super) async fn trigger(
    State(api): State<Api>,
    Path(job): Path<String>,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let request: TriggerRequest = body.object(r#"{"checkpointType": "FULL"}"#)?;
    let request_id = api.job(&job)?.trigger(ManualTrigger::Checkpoint(request)).await?;
    Ok((StatusCode::ACCEPTED, Json(TriggerResponse { request_id })).into_response())
}

/// What became of a checkpoint that was asked for.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/{trigger}",
    tag = "flink",
    responses((status = 200, body = inline(TriggerStatus), headers(("ckpt-observed-at" = u64))), (status = 404, description = "it was never asked for, or is forgotten."))
)]
pub(super) async fn trigger_status(
    State(api): State<Api>,
    Path((job, trigger)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    part(&api, &job, JobPart::CheckpointTrigger(trigger_id(&trigger)?)).await
}

fn checkpoint_id(text: &str) -> Result<CheckpointId, ApiError> {
    text.parse().map(CheckpointId).map_err(|_| {
        ApiError::bad_request(format!("'{}' is no checkpoint id: a whole number", text.escape_debug()))
    })
}
