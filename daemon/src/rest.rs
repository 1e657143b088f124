//! The REST API: FLIP-571's configuration path, Flink's read paths and triggers, and ckptd's own. Every
//! path also works below `/v1`.
//!
//! | module | holds |
//! |---|---|
//! | `configuration` | `GET`, `PATCH`, `DELETE …/checkpoints/configuration` |
//! | `flink` | Flink's paths |
//! | `savepoints` | those for savepoints |
//! | `doctor` | whether Flink clusters can be changed from here |
//! | `jobs` | submitting and cancelling |
//! | `tasks` | the task protocol |
//! | `events` | what happens, pushed |
//! | `guard` | who may do what, and from where |
//! | `input` | request bodies and conditions, parsed |
//! | `error` | errors as Flink writes them |
//! | `listen` | connections, with limits |

mod configuration;
mod doctor;
mod error;
mod events;
mod flink;
mod guard;
mod input;
mod jobs;
mod listen;
mod savepoints;
mod tasks;

pub use guard::Guard;
pub use listen::serve;

use crate::overrides::OverrideStore;
use crate::registry::{Job, Registry};
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use error::ApiError;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;

/// What every handler has.
#[derive(Debug, Clone)]
pub struct Api {
    /// The jobs.
    pub registry: Arc<Registry>,
    /// The overrides.
    pub overrides: OverrideStore,
    /// Whether ckptd takes requests: not any more when it shuts down.
    pub ready: watch::Receiver<bool>,
}

impl Api {
    fn job(&self, wanted: &str) -> Result<Job, ApiError> {
        Ok(self.registry.resolve(wanted)?)
    }
}

/// All paths, behind the guard.
pub fn router(api: Api, guard: Guard) -> Router {
    let paths = Router::new()
        .route("/config", get(flink::config))
        .route("/overview", get(flink::overview))
        .route("/jobs", get(flink::jobs).post(jobs::submit))
        .route("/jobs/overview", get(flink::jobs_overview))
        .route("/jobs/{job}", get(flink::details).patch(jobs::cancel))
        .route("/jobs/{job}/checkpoints", get(flink::checkpoints).post(flink::trigger))
        .route("/jobs/{job}/checkpoints/{trigger}", get(flink::trigger_status))
        .route("/jobs/{job}/checkpoints/config", get(flink::checkpoint_config))
        .route("/jobs/{job}/checkpoints/details/{id}", get(flink::checkpoint))
        .route("/jobs/{job}/checkpoints/details/{id}/subtasks/{vertex}", get(flink::subtasks))
        .route("/jobs/{job}/checkpoints/events", get(events::events))
        .route(
            "/jobs/{job}/checkpoints/configuration",
            get(configuration::get).patch(configuration::patch).delete(configuration::delete),
        )
        .route("/jobs/{job}/tasks", get(tasks::list).post(tasks::claim))
        .route("/jobs/{job}/tasks/{session}", post(tasks::report).delete(tasks::leave))
        .route("/jobs/{job}/tasks/{session}/events", get(tasks::events))
        .route("/jobs/{job}/savepoints", post(savepoints::trigger))
        .route("/jobs/{job}/savepoints/{trigger}", get(savepoints::status))
        .route("/checkpoints/configuration", get(configuration::list))
        .route("/doctor", post(doctor::diagnose));
    let health = Router::new().route("/healthz", get(healthy)).route("/readyz", get(ready));
    Router::new()
        .nest("/v1", paths.clone())
        .merge(paths)
        .merge(health)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check))
        .layer(middleware::map_response(error::in_flinks_form))
        .with_state(api)
}

async fn healthy() -> Response {
    Json(json!({"status": "alive"})).into_response()
}

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
