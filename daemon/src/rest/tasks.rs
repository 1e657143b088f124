//! The task protocol: claims, events and reports (`docs/tasks.md`).

use super::Api;
use super::error::ApiError;
use super::events::until_shutdown;
use super::input::{Body, STORE_LIMIT, SmallBody};
use crate::hosted::{TaskDoor, TaskError, Told};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use ckpt_api::tasks::{Claim, Claimed, LARGEST_REPORTS, Reported, TaskEvent, TaskList, TaskReport};
use ckpt_types::ids::SessionId;
use futures::StreamExt;
use std::convert::Infallible;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The most streams of tasks at once, so that they never take all connections.
static STREAMS: Semaphore = Semaphore::const_new(1_000);

/// What 409 says beside an ambiguous name.
const NO_TASKS: &str = "Flink runs the tasks.";

fn door(api: &Api, job: &str) -> Result<TaskDoor, ApiError> {
    let job = api.job(job)?;
    let refused = TaskError::NoPrograms("Flink runs them");
    Ok(api.registry.hosted().tasks(job.identity()).ok_or(refused)?)
}

/// Who holds a job's subtasks, and which are missing.
#[utoipa::path(
    get,
    path = "/jobs/{job}/tasks",
    operation_id = "tasks",
    tag = "tasks",
    responses((status = 200, body = TaskList), (status = 409, description = NO_TASKS))
)]
pub(super) async fn list(State(api): State<Api>, Path(job): Path<String>) -> Result<Response, ApiError> {
    Ok(Json(door(&api, &job)?.list().await?).into_response())
}

/// Claims subtasks, all or none.
#[utoipa::path(
    post,
    path = "/jobs/{job}/tasks",
    tag = "tasks",
    request_body = Claim,
    responses(
        (status = 201, description = "The session is theirs.", body = Claimed),
        (status = 404, description = "the job has no such vertex or subtask."),
        (status = 409, description = "another session holds a subtask and is at least as new, or a newer one held it; or the job has too many sessions; or Flink or a rehearsal runs the tasks."),
        (status = 410, description = "The job has ended."),
    )
)]
pub(super) async fn claim(
    State(api): State<Api>,
    Path(job): Path<String>,
    body: SmallBody,
) -> Result<Response, ApiError> {
    let door = door(&api, &job)?;
    let claim: Claim = serde_json::from_slice(&body.of_kind("application/json")?).map_err(|error| {
        ApiError::bad_request(format!(
            "the claim is not understood: {error}; it is like \
             {{\"attempt\": 1763845337123, \"subtasks\": [{{\"vertex\": \"count\", \"index\": 0}}]}}"
        ))
    })?;
    Ok((StatusCode::CREATED, Json(door.claim(claim).await?)).into_response())
}

/// Gives a session's subtasks back.
#[utoipa::path(
    delete,
    path = "/jobs/{job}/tasks/{session}",
    tag = "tasks",
    responses((status = 204, description = "The session is over."), (status = 409, description = NO_TASKS))
)]
pub(super) async fn leave(
    State(api): State<Api>,
    Path((job, session)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    door(&api, &job)?.leave(session_id(&session)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Reports, taken together or, on any error, not at all.
#[utoipa::path(
    post,
    path = "/jobs/{job}/tasks/{session}",
    tag = "tasks",
    request_body(content = Vec<TaskReport>, description = "One report is also taken without a list around it."),
    responses(
        (status = 200, body = Reported),
        (status = 409, description = "a report is about a subtask that the session does not hold; or Flink runs the tasks."),
        (status = 500, description = "The reports failed inside ckptd."),
        (status = 503, description = "the disk does not answer, and nothing was taken."),
    )
)]
pub(super) async fn report(
    State(api): State<Api>,
    Path((job, session)): Path<(String, String)>,
    body: Body<LARGEST_REPORTS>,
) -> Result<Json<Reported>, ApiError> {
    let door = door(&api, &job)?;
    let session = session_id(&session)?;
    let reports = reports(&body.of_kind("application/json")?)?;
    // On a task of its own: a client that goes away must not leave reports half taken.
    let taken = tokio::spawn(async move { door.report(session, reports).await });
    let taken = timeout(STORE_LIMIT, taken).await.map_err(|_| TaskError::DiskSilent)?;
    Ok(Json(taken.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??))
}

/// What a session is told, as server-sent events.
///
/// Each event's data is one of these as JSON, and its name the field `event`. Who opens a stream lives.
#[utoipa::path(
    get,
    path = "/jobs/{job}/tasks/{session}/events",
    operation_id = "task_events",
    tag = "tasks",
    params(("Last-Event-ID" = Option<u64>, Header, description = "The number of the last event that was read.")),
    responses(
        (status = 200, body = TaskEvent, content_type = "text/event-stream"),
        (status = 409, description = NO_TASKS),
        (status = 410, description = "events between are not kept any more: claim again."),
        (status = 503, description = "too many streams are open."),
    )
)]
pub(super) async fn events(
    State(api): State<Api>,
    Path((job, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let door = door(&api, &job)?;
    let session = session_id(&session)?;
    let after = last_event_id(&headers)?;
    let place = STREAMS.try_acquire().map_err(|_| {
        let sentence = "too many tasks read events; let one process hold several subtasks";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    })?;
    let events = door.events(session, after).await?.map(move |told| {
        let _held = &place;
        as_sse(&told)
    });
    Ok(Sse::new(events.take_until(until_shutdown(&api))).into_response())
}

fn as_sse((number, event): &Told) -> Result<Event, Infallible> {
    let data = serde_json::to_string(event).unwrap_or_default();
    let sent = Event::default().event(event.name()).data(data);
    Ok(match number {
        Some(number) => sent.id(number.to_string()),
        None => sent,
    })
}

/// One report or a list of them.
fn reports(body: &[u8]) -> Result<Vec<TaskReport>, ApiError> {
    let understood = match body.trim_ascii() {
        [b'[', ..] => serde_json::from_slice(body),
        _ => serde_json::from_slice(body).map(|report| vec![report]),
    };
    understood.map_err(|error| {
        ApiError::bad_request(format!(
            "the reports are not understood: {error}; they are a list of objects like \
             {{\"report\": \"running\", \"execution\": 1}}"
        ))
    })
}

fn session_id(text: &str) -> Result<SessionId, ApiError> {
    text.parse().map_err(|_| {
        ApiError::bad_request(format!("'{}' is no session id: 32 hexadecimal digits", text.escape_debug()))
    })
}

fn last_event_id(headers: &HeaderMap) -> Result<u64, ApiError> {
    let Some(given) = headers.get("last-event-id") else { return Ok(0) };
    let number = given.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| ApiError::bad_request("Last-Event-ID is the number of an event, such as 17"))
}

impl From<TaskError> for ApiError {
    fn from(error: TaskError) -> Self {
        let status = match error {
            TaskError::Bad(_) => StatusCode::BAD_REQUEST,
            TaskError::NoSubtask(_) | TaskError::UnknownSession { .. } => StatusCode::NOT_FOUND,
            TaskError::NotHeld { .. } | TaskError::Claim(_) | TaskError::NoPrograms(_) => {
                StatusCode::CONFLICT
            }
            TaskError::JobEnded { .. } | TaskError::Missed(_) => StatusCode::GONE,
            TaskError::DiskSilent | TaskError::JobEnding { .. } => StatusCode::SERVICE_UNAVAILABLE,
            TaskError::Seam(error) => return error.into(),
        };
        Self::new(status, error.to_string())
    }
}
