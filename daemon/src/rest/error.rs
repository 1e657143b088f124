//! Errors: one clear sentence each, in the form that Flink's have.

use crate::change::ChangeError;
use crate::hosted::SubmitError;
use crate::overrides::EditError;
use crate::registry::ResolveError;
use crate::seam::SeamError;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ckpt_api::flink::Errors;

/// An answer that is an error.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    status: StatusCode,
    sentence: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }

    pub(super) fn bad_request(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Errors::one(self.sentence))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<SeamError> for ApiError {
    fn from(error: SeamError) -> Self {
        let status = match error {
            SeamError::Ended { .. }
            | SeamError::Busy(_)
            | SeamError::NotNow { .. }
            | SeamError::NoCheckpoints
            | SeamError::Refused(_) => StatusCode::CONFLICT,
            SeamError::Silent | SeamError::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            SeamError::Mistake(_) => StatusCode::BAD_REQUEST,
            SeamError::NoWay(_) => StatusCode::NOT_IMPLEMENTED,
            SeamError::UnknownCheckpoint(_)
            | SeamError::UnknownVertex(_)
            | SeamError::UnknownTrigger { .. } => StatusCode::NOT_FOUND,
        };
        Self::new(status, error.to_string())
    }
}

impl From<EditError> for ApiError {
    fn from(error: EditError) -> Self {
        let status = match error {
            EditError::Stale { .. } => StatusCode::PRECONDITION_FAILED,
            EditError::NothingToAdopt => StatusCode::NOT_FOUND,
            EditError::HasItsOwn { .. } | EditError::TooDeep => StatusCode::CONFLICT,
            EditError::NotStored { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Seam(error) => error.into(),
            ChangeError::Edit(error) => error.into(),
            ChangeError::Audit(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            ChangeError::NoneToAdopt { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            ChangeError::NoInterval | ChangeError::SeveralToAdopt(_) | ChangeError::Policy(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
        }
    }
}

impl From<ResolveError> for ApiError {
    fn from(error: ResolveError) -> Self {
        let status = match error {
            ResolveError::Unknown { .. } => StatusCode::NOT_FOUND,
            ResolveError::Ambiguous { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let status = match error {
            SubmitError::Mistake(_) | SubmitError::NoSavepoint(_) => StatusCode::BAD_REQUEST,
            SubmitError::NameTaken { .. }
            | SubmitError::NamedTwice { .. }
            | SubmitError::StartedOtherwise { .. }
            | SubmitError::DoesNotFit(_) => StatusCode::CONFLICT,
            SubmitError::NotStored(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

/// The longest error text of a library that is passed on, in bytes.
const LONGEST: usize = 4_096;

/// Gives the last touch to every answer: Flink's content type, and Flink's form for errors that a
/// library has answered in plain text.
pub(super) async fn in_flinks_form(response: Response) -> Response {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_json = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let mut response = match failed && !is_json {
        false => response,
        true => {
            let (parts, body) = response.into_parts();
            let text = to_bytes(body, LONGEST).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let sentence = match text.trim() {
                "" => parts.status.canonical_reason().unwrap_or("error").to_owned(),
                text => text.to_owned(),
            };
            let mut formed = ApiError::new(parts.status, sentence).into_response();
            for (name, value) in &parts.headers {
                if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
                    formed.headers_mut().insert(name, value.clone());
                }
            }
            formed
        }
    };
    if is_json || failed {
        let flinks = header::HeaderValue::from_static("application/json; charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, flinks);
    }
    response.map(Body::new)
}
