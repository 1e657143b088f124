//! FLIP-571's path: a job's checkpoint configuration, seen and changed.

use super::Api;
use super::error::ApiError;
use super::input::{Known, STORE_LIMIT, SmallBody, if_match};
use crate::change::{self, Request};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ckpt_shared::api::{Configuration, ConfigurationList, ConfigurationPatch, OBSERVED_AT, SCHEMA};
use serde::Deserialize;
use tokio::time::timeout;

/// The query of a change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct ChangeQuery {
    dry_run: bool,
}

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListQuery {
    all: bool,
}

pub(super) async fn get(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    let configuration = change::look(job.as_ref(), &api.overrides).await?;
    Ok(answer(StatusCode::OK, &configuration))
}

pub(super) async fn patch(
    State(api): State<Api>,
    Path(job): Path<String>,
    Known(query): Known<ChangeQuery>,
    headers: HeaderMap,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let patch = ConfigurationPatch::from_json(&body.of_kind("application/json")?)
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    make(&api, &job, &headers, &query, patch).await
}

pub(super) async fn delete(
    State(api): State<Api>,
    Path(job): Path<String>,
    Known(query): Known<ChangeQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    make(&api, &job, &headers, &query, ConfigurationPatch::clear_all()).await
}

pub(super) async fn list(
    State(api): State<Api>,
    Known(query): Known<ListQuery>,
) -> Result<Response, ApiError> {
    let mut jobs = api.registry.jobs();
    jobs.retain(|job| query.all || !job.last_state().has_ended());
    let looks = jobs.iter().map(|job| change::look(job.as_ref(), &api.overrides));
    let mut seen = Vec::new();
    for (job, look) in jobs.iter().zip(futures::future::join_all(looks).await) {
        match look {
            Ok(configuration) if configuration.state.has_ended() && !query.all => {}
            Ok(configuration) => seen.push(configuration),
            Err(_) if job.last_state().has_ended() && !query.all => {}
            // It is shown all the same, and stands in nobody's way.
            Err(error) => seen.push(change::unseen(job.as_ref(), &api.overrides, &error)),
        }
    }
    let observed_at = seen.iter().map(|configuration| configuration.observed_at).min();
    let mut response = Json(ConfigurationList {
        schema: SCHEMA.to_owned(),
        jobs: seen,
        clusters: api.registry.clusters().states(),
    })
    .into_response();
    if let Some(observed_at) = observed_at {
        response.headers_mut().insert(OBSERVED_AT, HeaderValue::from(observed_at));
    }
    Ok(response)
}

async fn make(
    api: &Api,
    job: &str,
    headers: &HeaderMap,
    query: &ChangeQuery,
    patch: ConfigurationPatch,
) -> Result<Response, ApiError> {
    let request = Request { patch, if_match: if_match(headers)?, dry_run: query.dry_run };
    let job = api.job(job)?;
    // On a task of its own: a client that goes away must not leave a change stored and not applied.
    let change = tokio::spawn(change::change(job, api.overrides.clone(), request));
    let changed = timeout(STORE_LIMIT, change).await.map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the change did not come to its end in time, as the disk or the job's coordinator does not answer; \
             ckptctl get shows whether it is stored and in force",
        )
    })?;
    let configuration =
        changed.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    let complete = query.dry_run || configuration.applied;
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
