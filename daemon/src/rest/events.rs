//! What happens to a job, pushed as server-sent events.

mod all;

use super::Api;
use super::error::ApiError;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use ckpt_api::{self as api, Happening};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError::Lagged;

/// How often a silent stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The most streams at once, so that they never take all connections.
static STREAMS: Semaphore = Semaphore::const_new(64);

/// What happens to a job, as server-sent events.
///
/// Each event's data is one of these as JSON, and its name the field `event`.
#[utoipa::path(
    get,
    path = "/jobs/{job}/checkpoints/events",
    tag = "configuration",
    responses(
        (status = 200, body = api::Event, content_type = "text/event-stream"),
        (status = 503, description = "too many event streams are open."),
    )
)]
pub(super) async fn events(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    let job = api.job(&job)?;
    let identity = job.identity();
    let (cluster, job_id) = (identity.cluster.clone(), identity.id);
    let clock = api.changes.clock;
    let events = BroadcastStream::new(job.subscribe().events).map(move |event| {
        event.unwrap_or_else(|Lagged(missed)| {
            all::event(clock, cluster.clone(), job_id, Happening::Lagged { missed })
        })
    });
    pushed(&api, events)
}

/// What happens to all jobs, as server-sent events.
///
/// It begins with the state of each job that ckptd knows, those that have ended too. A job that comes later
/// begins with its state as well, and one that is not there any more is told of with its last state and a reason.
#[utoipa::path(
    get,
    path = "/checkpoints/events",
    tag = "configuration",
    responses(
        (status = 200, body = api::Event, content_type = "text/event-stream"),
        (status = 503, description = "too many event streams are open."),
    )
)]
pub(super) async fn all_events(State(api): State<Api>) -> Result<Response, ApiError> {
    pushed(&api, all::all(Arc::clone(&api.registry), api.changes.clock))
}

/// The stream, as long as there is a place for one more.
fn pushed(api: &Api, events: impl Stream<Item = api::Event> + Send + 'static) -> Result<Response, ApiError> {
    let place = STREAMS.try_acquire().map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many event streams are open; close one, or poll instead",
        )
    })?;
    let events = events.inspect(move |_| {
        let _held = &place;
    });
    let stream = as_sse(events).take_until(until_shutdown(api));
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// A stream without end must not hold a shutdown up.
pub(super) fn until_shutdown(api: &Api) -> BoxFuture<'static, ()> {
    let mut ready = api.ready.clone();
    Box::pin(async move {
        if ready.wait_for(|ready| !ready).await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

fn as_sse(events: impl Stream<Item = api::Event>) -> impl Stream<Item = Result<Event, Infallible>> {
    events.map(|event| {
        let data = serde_json::to_string(&event).unwrap_or_default();
        Ok(Event::default().event(event.what.name()).data(data))
    })
}
