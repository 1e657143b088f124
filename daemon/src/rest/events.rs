//! What happens to a job, pushed as server-sent events.

use super::Api;
use super::error::ApiError;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use ckpt_shared::api::{self, Happening};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use std::convert::Infallible;
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
    let place = STREAMS.try_acquire().map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many event streams are open; close one, or poll instead",
        )
    })?;
    let job_id = job.identity().id;
    let stream = BroadcastStream::new(job.events()).map(move |event| {
        let _held = &place;
        event.unwrap_or_else(|Lagged(missed)| api::Event {
            schema: api::SCHEMA.to_owned(),
            job_id,
            at: crate::clock::wall_millis(),
            what: Happening::Lagged { missed },
        })
    });
    let stream = as_sse(stream).take_until(until_shutdown(&api));
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
