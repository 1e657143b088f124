//! The checkpoints of a job that have ended.

use super::Api;
use super::error::ApiError;
use crate::seam::{Freshness, LogTail};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use ckpt_api::{CheckpointHistory, SCHEMA};

/// A job's checkpoints that have ended, each with the timeout that was in force.
///
/// They are remembered in memory, the newest 200 of each job, since ckptd was started; of a Flink job also what
/// Flink itself remembered when ckptd saw it first. The answer for a job whose cluster does not answer is what was
/// seen before.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/history",
    operation_id = "checkpoint_history",
    tag = "configuration",
    responses((status = 200, body = CheckpointHistory))
)]
pub(super) async fn history(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    let LogTail { checkpoints, observed_at, .. } = job.ended_after(0, Freshness::Current).await?;
    let identity = job.identity();
    let body = CheckpointHistory {
        schema: SCHEMA.to_owned(),
        cluster: identity.cluster.clone(),
        job_id: identity.id,
        name: identity.name.clone(),
        checkpoints,
        observed_at,
    };
    Ok(Json(body).into_response())
}
