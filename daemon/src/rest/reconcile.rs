//! Where overrides are not kept, and an override that changes its job.

use super::Api;
use super::configuration::{BY, ChangeQuery, run_detached};
use super::error::ApiError;
use super::input::{Asking, Known, STORE_LIMIT, SmallBody};
use crate::audit::{AuditLog, Ending};
use crate::change::{self, Who};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ckpt_api::{
    AdoptRequest, AuditAction, AuditAsked, AuditResult, Configuration, Lasting, Reconcile, ReconcileRequest,
    parse_reason,
};
use serde::Deserialize;
use std::fmt::Display;
use std::time::Duration;
use tokio::time::timeout;

const LIKE: &str = r#"{"cluster": "prod", "reason": "storage is being moved"}"#;
const NOT_STORED: &str =
    "It could not be stored, or not in time; nothing was changed, or it may still come to be.";

/// The cluster is named in the body; a query is a mistake.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

/// Where reconcile is paused.
///
/// Reconcile compares what should hold with what does, and applies overrides of Flink's jobs again that were lost.
#[utoipa::path(get, path = "/reconcile", operation_id = "reconcile", tag = "configuration", responses((status = 200, body = Reconcile)))]
pub(super) async fn status(State(api): State<Api>) -> Json<Reconcile> {
    Json(Reconcile::new(api.pauses.all()))
}

/// Pauses reconcile, for a cluster or for all.
///
/// Overrides that are lost meanwhile are not applied again, and no library is loaded by itself; changes that
/// somebody asks for are made all the same. It stays so after a restart of ckptd.
#[utoipa::path(
    post,
    path = "/reconcile/pause",
    operation_id = "pause_reconcile",
    tag = "configuration",
    params(("Ckpt-By" = Option<String>, Header, description = BY)),
    request_body(content = Option<ReconcileRequest>),
    responses(
        (status = 200, body = Reconcile),
        (status = 404, description = "No cluster of this name is followed."),
        (status = 503, description = NOT_STORED),
    )
)]
pub(super) async fn pause(
    State(api): State<Api>,
    Known(NoQuery {}): Known<NoQuery>,
    Asking(who): Asking,
    body: SmallBody,
) -> Result<Json<Reconcile>, ApiError> {
    let ReconcileRequest { cluster, reason } = body.object(LIKE)?;
    let reason = checked(reason)?;
    api.must_follow(cluster.as_deref())?;
    let asked =
        asked(api.changes.clock.wall_millis(), AuditAction::Pause, who, cluster.clone(), reason.clone());
    tracing::info!(cluster, reason, "reconcile is paused");
    let pauses = api.pauses.clone();
    noted(&api, asked, async move { pauses.pause(cluster, reason).await }).await?;
    Ok(Json(Reconcile::new(api.pauses.all())))
}

/// Lets reconcile go on, for a cluster or for all.
///
/// For all it ends every pause. What is in conflict is applied again, too.
#[utoipa::path(
    post,
    path = "/reconcile/resume",
    operation_id = "resume_reconcile",
    tag = "configuration",
    params(("Ckpt-By" = Option<String>, Header, description = BY)),
    request_body(content = Option<ReconcileRequest>),
    responses(
        (status = 200, body = Reconcile),
        (status = 404, description = "No cluster of this name is followed or paused."),
        (status = 503, description = NOT_STORED),
    )
)]
pub(super) async fn resume(
    State(api): State<Api>,
    Known(NoQuery {}): Known<NoQuery>,
    Asking(who): Asking,
    body: SmallBody,
) -> Result<Json<Reconcile>, ApiError> {
    let ReconcileRequest { cluster, reason } = body.object(LIKE)?;
    if reason.is_some() {
        return Err(ApiError::bad_request("a reason belongs to a pause; leave it out here"));
    }
    let is_paused = |name: &str| api.pauses.all().iter().any(|pause| pause.cluster.as_deref() == Some(name));
    if let Some(name) = cluster.as_deref().filter(|name| !is_paused(name)) {
        api.must_follow(Some(name))?;
    }
    let asked = asked(api.changes.clock.wall_millis(), AuditAction::Resume, who, cluster.clone(), None);
    let (pauses, name) = (api.pauses.clone(), cluster.clone());
    noted(&api, asked, async move { pauses.resume(name.as_deref()).await }).await?;
    tracing::info!(cluster, "reconcile goes on");
    Ok(Json(Reconcile::new(api.pauses.all())))
}

fn checked(reason: Option<String>) -> Result<Option<String>, ApiError> {
    let reason = reason.map(|text| parse_reason(&text)).transpose();
    reason.map_err(|error| ApiError::bad_request(error.to_string()))
}

fn asked(
    at: u64,
    action: AuditAction,
    who: Who,
    cluster: Option<String>,
    reason: Option<String>,
) -> AuditAsked {
    AuditAsked {
        at,
        action,
        by: who.by,
        from: who.from,
        cluster,
        job_id: None,
        name: None,
        interval: None,
        timeout: None,
        until: None,
        reason,
        revision: None,
    }
}

/// Does it with a line in the audit log before and after, on a task of its own: a client that goes away must not leave
/// it half done.
async fn noted<E: Display + Send + 'static>(
    api: &Api,
    asked: AuditAsked,
    storing: impl Future<Output = Result<(), E>> + Send + 'static,
) -> Result<(), ApiError> {
    let all = tokio::spawn(noting(api.changes.audit.clone(), asked, storing));
    let unavailable = |sentence: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, sentence);
    let done = timeout(STORE_LIMIT, all).await.map_err(|_| {
        unavailable(
            "the disk does not answer, and whether it was stored is not known; ckptctl reconcile status shows it"
                .to_owned(),
        )
    })?;
    let done = done.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    done.map_err(unavailable)
}

async fn noting<E: Display>(
    audit: AuditLog,
    asked: AuditAsked,
    storing: impl Future<Output = Result<(), E>>,
) -> Result<(), String> {
    let begun = audit.begin(asked).await.map_err(|error| error.to_string())?;
    let stored = storing.await.map_err(|error| error.to_string());
    let (result, why) = match &stored {
        Ok(()) => (AuditResult::Applied, None),
        Err(error) => (AuditResult::Refused, Some(error.clone())),
    };
    if let Err(cause) = begun.end(Ending::with(result, why)).await {
        tracing::error!(%cause, "a pause has no result in the audit log");
    }
    stored
}

/// Takes over the override of an earlier job of the same name.
///
/// It is stored for this job, and for the earlier one no more, in one step, and put in force like any change.
#[utoipa::path(
    post,
    path = "/jobs/{job}/checkpoints/configuration/adopt",
    operation_id = "adopt_override",
    tag = "configuration",
    params(ChangeQuery, ("Ckpt-By" = Option<String>, Header, description = BY)),
    request_body(content = Option<AdoptRequest>),
    responses(
        (status = 200, description = "It is stored and in force, or this was a dry run.", body = Configuration, headers(("etag"), ("ckpt-observed-at" = u64))),
        (status = 202, description = "It is stored, and not in force yet.", body = Configuration, headers(("etag"), ("ckpt-observed-at" = u64))),
        (status = 404, description = "No earlier job of its name has left an override behind."),
        (status = 409, description = "Several have, or the job has an override of its own, or has ended."),
        (status = 500, description = "It failed inside ckptd."),
        (status = 501, description = "There is no way to change the job's coordinator from here."),
        (status = 503, description = "It could not be stored, or not in time; then it may still come into force."),
    )
)]
pub(super) async fn adopt(
    State(api): State<Api>,
    Path(job): Path<String>,
    Known(query): Known<ChangeQuery>,
    Asking(who): Asking,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let mut request: AdoptRequest = body.object(r#"{"reason": "it was deployed anew", "for": 14400000}"#)?;
    request.reason = checked(request.reason)?;
    if let Some(millis) = request.lasting {
        Lasting::of(Duration::from_millis(millis))
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
    }
    let job = api.job(&job)?;
    run_detached(change::adopt(job, api.changes.clone(), request, query.dry_run, who), query.dry_run).await
}
