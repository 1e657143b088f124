//! The REST API: FLIP-571's configuration path, Flink's read paths and triggers, and ckptd's own. Every
//! path also works below `/v1`.
//!
//! | module | holds |
//! |---|---|
//! | `configuration` | `GET`, `PATCH`, `DELETE …/checkpoints/configuration` |
//! | `flink` | Flink's paths |
//! | `savepoints` | those for savepoints |
//! | `audit` | who did what |
//! | `reconcile` | where overrides are not kept, and taking one over |
//! | `doctor` | whether Flink clusters can be changed from here |
//! | `jobs` | submitting and cancelling |
//! | `tasks` | the task protocol |
//! | `events` | what happens, pushed |
//! | `history` | the checkpoints that have ended |
//! | `metrics` | what Prometheus scrapes, and the counting of requests |
//! | `guard` | who may do what, and from where |
//! | `input` | request bodies and conditions, parsed |
//! | `error` | errors as Flink writes them |
//! | `openapi` | the description of all of it |
//! | `listen` | connections, with limits |

mod audit;
mod configuration;
mod doctor;
mod error;
mod events;
mod flink;
mod guard;
mod history;
mod input;
mod jobs;
mod listen;
mod metrics;
mod openapi;
mod reconcile;
mod savepoints;
mod tasks;

pub use guard::Guard;
pub use listen::serve;
pub use openapi::document;

use crate::change::Changes;
use crate::metrics::Metrics;
use crate::pauses::Pauses;
use crate::registry::{Job, Registry};
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use error::ApiError;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What every handler has.
#[derive(Debug, Clone)]
pub struct Api {
    /// The jobs.
    pub registry: Arc<Registry>,
    /// What changes need: the overrides, the audit log, and what is allowed.
    pub changes: Changes,
    /// Where reconcile is paused.
    pub pauses: Pauses,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether ckptd takes requests: not any more when it shuts down.
    pub ready: watch::Receiver<bool>,
}

impl Api {
    fn job(&self, wanted: &str) -> Result<Job, ApiError> {
        Ok(self.registry.resolve(wanted)?)
    }

    /// Refuses a cluster that is not followed.
    fn must_follow(&self, cluster: Option<&str>) -> Result<(), ApiError> {
        let is = |name: &str| self.registry.clusters().states().iter().any(|state| state.name == name);
        match cluster {
            Some(name) if !is(name) => Err(self.not_followed(name)),
            _ => Ok(()),
        }
    }

    fn not_followed(&self, cluster: &str) -> ApiError {
        let cluster = cluster.escape_debug();
        let followed: Vec<_> =
            self.registry.clusters().states().into_iter().map(|state| state.name).collect();
        let followed = if followed.is_empty() { "none is".to_owned() } else { followed.join(", ") };
        let sentence = format!(
            "no cluster '{cluster}' is followed (followed: {followed}); ckptd serve --flink NAME=URL adds one"
        );
        ApiError::new(StatusCode::NOT_FOUND, sentence)
    }
}

/// All paths, behind the guard.
pub fn router(api: Api, guard: Guard) -> Router {
    let paths = Router::from(paths());
    Router::new()
        .nest("/v1", paths.clone())
        .merge(paths)
        .merge(supervision())
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
        .layer(middleware::map_response(error::in_flinks_form))
        .layer(middleware::from_fn_with_state(api.metrics.clone(), metrics::count))
        .with_state(api)
}

/// The paths that also work below `/v1`, each with its description.
fn paths() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(configuration::get, configuration::patch, configuration::delete))
        .routes(routes!(configuration::list))
        .routes(routes!(events::events))
        .routes(routes!(events::all_events))
        .routes(routes!(history::history))
        .routes(routes!(flink::jobs, jobs::submit))
        .routes(routes!(flink::details, jobs::cancel))
        .routes(routes!(flink::status))
        .routes(routes!(jobs::stop))
        .routes(routes!(flink::config))
        .routes(routes!(flink::overview))
        .routes(routes!(flink::jobs_overview))
        .routes(routes!(flink::checkpoints, flink::trigger))
        .routes(routes!(flink::trigger_status))
        .routes(routes!(flink::checkpoint_config))
        .routes(routes!(flink::checkpoint))
        .routes(routes!(flink::subtasks))
        .routes(routes!(savepoints::trigger))
        .routes(routes!(savepoints::status))
        .routes(routes!(savepoints::dispose))
        .routes(routes!(tasks::list, tasks::claim))
        .routes(routes!(tasks::report, tasks::leave))
        .routes(routes!(tasks::events))
        .routes(routes!(reconcile::adopt))
        .routes(routes!(reconcile::status))
        .routes(routes!(reconcile::pause))
        .routes(routes!(reconcile::resume))
        .routes(routes!(audit::audit))
        .routes(routes!(doctor::diagnose))
        .routes(routes!(openapi::openapi))
}

/// The paths for supervisors and Prometheus.
fn supervision() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(healthy)).routes(routes!(ready)).routes(routes!(metrics::metrics))
}

/// Whether ckptd lives.
#[utoipa::path(get, path = "/healthz", tag = "ckptd", responses((status = 200, body = Object)))]
async fn healthy() -> Response {
    Json(json!({"status": "alive"})).into_response()
}

/// Whether ckptd takes requests.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "ckptd",
    responses((status = 200, body = Object), (status = 503, description = "ckptd is shutting down."))
)]
async fn ready(axum::extract::State(api): axum::extract::State<Api>) -> Response {
    match *api.ready.borrow() {
        true => Json(json!({"status": "ready"})).into_response(),
        false => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ckptd is shutting down").into_response(),
    }
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("Not found: {}", uri.path()))
}

async fn wrong_method(request: Request) -> ApiError {
    let sentence = format!("{} is not possible on {}", request.method(), request.uri().path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, sentence)
}
