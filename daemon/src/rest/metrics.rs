//! What Prometheus scrapes, and the counting of requests.

use super::Api;
use crate::metrics::{Asked, Format, Metrics};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

/// What Prometheus scrapes: docs/metrics.md lists it.
///
/// It asks no cluster, and tells what was seen last.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "ckptd",
    responses((
        status = 200,
        description = "The metrics, in OpenMetrics 1.0.0 (`application/openmetrics-text`) for whoever accepts it.",
        body = String,
        content_type = "text/plain",
    ))
)]
pub(super) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::wanted(&accepted.collect::<Vec<_>>().join(","));
    let text = api.metrics.scrape(&api.registry, &api.changes.overrides, &api.pauses, format).await;
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// Counts every request, those too that the guard refuses.
pub(super) async fn count(
    State(metrics): State<Metrics>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    #[allow(clippy::disallowed_methods, reason = "tokio's clock, which tests can simulate")]
    let began = Instant::now();
    let method = request.method().clone();
    let dry_run =
        request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "dryRun=true"));
    let response = next.run(request).await;
    metrics.answered(&Asked {
        method: method.as_str(),
        path: path.as_ref().map(MatchedPath::as_str),
        dry_run,
        status: response.status().as_u16(),
        took: began.elapsed(),
    });
    response
}
