//! FLIP-571's path: a job's checkpoint configuration, seen and changed.

use super::Api;
use super::error::ApiError;
use super::input::{Asking, Known, STORE_LIMIT, SmallBody, if_match};
use crate::change::{self, ChangeError, Changes, Request, Who};
use crate::configuration;
use crate::diagnosis;
use crate::seam::{Freshness, JobCoordinator, SeamError};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ckpt_api::{Configuration, ConfigurationList, ConfigurationPatch, OBSERVED_AT, SCHEMA};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

/// What is documented of both ways to change something.
pub(super) const BY: &str =
    "Who makes the change, in 1 to 100 printable characters (UTF-8): a claim, which is written down.";
const IF_MATCH: &str = "The revision that the change is for, as `ETag` gave it; `*` for any.";
const NO_CHANGE: &str = "the policy does not allow it, or the job has ended, or was submitted without an interval or without checkpoints, or its cluster refuses.";
const NOT_STORED: &str = "the change could not be stored, or not in time; then it may still come into force.";

/// The query of a change.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct ChangeQuery {
    /// Says what the change would do, and does nothing.
    #[param(required = false)]
    pub(super) dry_run: bool,
}

/// The query of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListQuery {
    /// With the jobs that have ended.
    #[param(required = false)]
    all: bool,
}

/// A job's checkpoint configuration.
///
/// What was submitted, what is overridden, what is in force, and what is in flight.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/configuration",
    operation_id = "configuration",
    tag = "configuration",
    responses((status = 200, body = Configuration, headers(("etag"), ("ckpt-observed-at" = u64))))
)]
pub(super) async fn get(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    let configuration = look(job.as_ref(), &api.changes).await?;
    Ok(answer(StatusCode::OK, &configuration))
}

/// Changes a job's checkpoint interval, timeout or both.
///
/// It is durable when it is answered. The answer says what it did to each checkpoint in flight.
#[utoipa::path(
    patch,
    path = "/jobs/{job}/checkpoints/configuration",
    operation_id = "change_configuration",
    tag = "configuration",
    params(ChangeQuery, ("If-Match" = Option<String>, Header, description = IF_MATCH), ("Ckpt-By" = Option<String>, Header, description = BY)),
    request_body = ConfigurationPatch,
    responses(
        (status = 200, description = "It is stored and in force, or was superseded by a later change, or this was a dry run.", body = Configuration, headers(("etag"), ("ckpt-observed-at" = u64))),
        (status = 202, description = "It is stored, and not in force yet.", body = Configuration, headers(("etag"), ("ckpt-observed-at" = u64))),
        (status = 409, description = NO_CHANGE),
        (status = 412, description = "The configuration has another revision than `If-Match` says."),
        (status = 500, description = "The change failed inside ckptd."),
        (status = 501, description = "There is no way to change the job's coordinator from here."),
        (status = 503, description = NOT_STORED),
    )
)]
pub(super) async fn patch(
    State(api): State<Api>,
    Path(job): Path<String>,
    Known(query): Known<ChangeQuery>,
    headers: HeaderMap,
    Asking(who): Asking,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let patch = ConfigurationPatch::from_json(&body.of_kind("application/json")?)
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    edit(&api, &job, &headers, &query, patch, who).await
}

/// Resets a job to what was submitted.
#[utoipa::path(
    delete,
    path = "/jobs/{job}/checkpoints/configuration",
    operation_id = "reset_configuration",
    tag = "configuration",
    params(ChangeQuery, ("If-Match" = Option<String>, Header, description = IF_MATCH), ("Ckpt-By" = Option<String>, Header, description = BY)),
    responses(
        (status = 200, description = "It is stored and in force, or was superseded by a later change, or this was a dry run.", body = Configuration, headers(("etag"), ("ckpt-observed-at" = u64))),
        (status = 202, description = "It is stored, and not in force yet.", body = Configuration, headers(("etag"), ("ckpt-observed-at" = u64))),
        (status = 409, description = NO_CHANGE),
        (status = 412, description = "The configuration has another revision than `If-Match` says."),
        (status = 500, description = "The change failed inside ckptd."),
        (status = 501, description = "There is no way to change the job's coordinator from here."),
        (status = 503, description = NOT_STORED),
    )
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Path(job): Path<String>,
    Known(query): Known<ChangeQuery>,
    headers: HeaderMap,
    Asking(who): Asking,
) -> Result<Response, ApiError> {
    edit(&api, &job, &headers, &query, ConfigurationPatch::clear_all(), who).await
}

/// The configurations of all jobs.
#[utoipa::path(
    get,
    path = "/checkpoints/configuration",
    operation_id = "configurations",
    tag = "configuration",
    params(ListQuery),
    responses((status = 200, body = ConfigurationList, headers(("ckpt-observed-at" = u64))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Known(query): Known<ListQuery>,
) -> Result<Response, ApiError> {
    let mut jobs = api.registry.jobs();
    jobs.retain(|job| query.all || !job.snapshot().state.has_ended());
    let looks = jobs.iter().map(|job| look(job.as_ref(), &api.changes));
    let mut seen = Vec::new();
    for (job, look) in jobs.iter().zip(futures::future::join_all(looks).await) {
        match look {
            Ok(configuration) if configuration.state.has_ended() && !query.all => {}
            Ok(configuration) => seen.push(configuration),
            Err(_) if job.snapshot().state.has_ended() && !query.all => {}
            // It is shown all the same, and stands in nobody's way.
            Err(error) => {
                let now = api.changes.clock.wall_millis();
                seen.push(configuration::unseen(job.as_ref(), &api.changes.overrides, &error, now));
            }
        }
    }
    let observed_at = seen.iter().map(|configuration| configuration.observed_at).min();
    let mut response = Json(ConfigurationList {
        schema: SCHEMA.to_owned(),
        jobs: seen,
        clusters: api.registry.clusters().states(),
        pauses: api.pauses.all(),
    })
    .into_response();
    if let Some(observed_at) = observed_at {
        response.headers_mut().insert(OBSERVED_AT, HeaderValue::from(observed_at));
    }
    Ok(response)
}

/// A job's configuration now, with an estimate for each checkpoint in flight.
///
/// # Errors
/// [`SeamError`] if its coordinator does not answer.
async fn look(job: &dyn JobCoordinator, changes: &Changes) -> Result<Configuration, SeamError> {
    let observed = job.observe(Freshness::Current).await;
    let mut seen = configuration::shown(job, &changes.overrides, observed, changes.clock.wall_millis())?;
    diagnosis::estimate(job, &mut seen).await;
    Ok(seen)
}

async fn edit(
    api: &Api,
    job: &str,
    headers: &HeaderMap,
    query: &ChangeQuery,
    patch: ConfigurationPatch,
    who: Who,
) -> Result<Response, ApiError> {
    let request = Request { patch, if_match: if_match(headers)?, dry_run: query.dry_run, who };
    run_detached(change::change(api.job(job)?, api.changes.clone(), request), query.dry_run).await
}

/// Makes a change on a task of its own: a client that goes away must not leave it stored and not applied.
pub(super) async fn run_detached(
    change: impl Future<Output = Result<Configuration, ChangeError>> + Send + 'static,
    dry_run: bool,
) -> Result<Response, ApiError> {
    let change = tokio::spawn(change);
    let changed = timeout(STORE_LIMIT, change).await.map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the change did not come to its end in time, as the disk or the job's coordinator does not answer; \
             ckptctl get shows whether it is stored and in force",
        )
    })?;
    let configuration =
        changed.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    let complete = dry_run || configuration.applied || configuration.superseded_by.is_some();
    Ok(answer(if complete { StatusCode::OK } else { StatusCode::ACCEPTED }, &configuration))
}

fn answer(status: StatusCode, configuration: &Configuration) -> Response {
    let mut response = (status, Json(configuration)).into_response();
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", configuration.revision)) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(OBSERVED_AT, HeaderValue::from(configuration.observed_at));
    response
}
