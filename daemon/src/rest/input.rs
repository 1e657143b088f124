//! Request bodies and conditions, parsed before anything else happens.

use super::error::ApiError;
use crate::change::Who;
pub(super) use crate::durable::STORE_LIMIT;
use crate::overrides::IfMatch;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Query, Request};
use axum::http::{HeaderMap, StatusCode, header};
use ckpt_api::{BY, LARGEST_BODY, parse_by};
use ckpt_types::ids::TriggerId;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// The longest wait for a whole body.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// A body of at most so many bytes, with its content type.
pub(super) struct Body<const LARGEST: usize> {
    bytes: Vec<u8>,
    kind: Option<String>,
}

/// A body as most requests have.
pub(super) type SmallBody = Body<LARGEST_BODY>;

impl<S: Send + Sync, const LARGEST: usize> FromRequest<S> for Body<LARGEST> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let headers = request.headers().clone();
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let too_large = || {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {} KiB; nothing that is taken here is", LARGEST / 1024),
            )
        };
        let announced = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > LARGEST) {
            return Err(too_large());
        }
        let kind = text(header::CONTENT_TYPE)
            .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let body = timeout(BODY_LIMIT, to_bytes(request.into_body(), LARGEST)).await;
        match body {
            Ok(Ok(bytes)) => Ok(Self { bytes: bytes.into(), kind }),
            Ok(Err(error)) if is_too_large(&error) => Err(too_large()),
            Ok(Err(_)) => Err(ApiError::bad_request("the body broke off")),
            Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    std::iter::from_fn(|| {
        let this = cause?;
        cause = this.source();
        Some(this)
    })
    .any(|cause| cause.is::<http_body_util::LengthLimitError>())
}

impl<const LARGEST: usize> Body<LARGEST> {
    /// The bytes, when they are of this content type or none at all.
    pub(super) fn of_kind(self, wanted: &str) -> Result<Vec<u8>, ApiError> {
        if self.bytes.is_empty() || self.kind.as_deref() == Some(wanted) {
            return Ok(self.bytes);
        }
        let given = self.kind.map_or("missing".to_owned(), |kind| format!("'{}'", kind.escape_debug()));
        let sentence = format!("the content type is {given}; send {wanted}");
        Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence))
    }
}

impl SmallBody {
    /// The JSON object that it is, all of whose fields may be left out; an empty body is one without any.
    pub(super) fn object<T: serde::de::DeserializeOwned + Default>(
        self,
        example: &str,
    ) -> Result<T, ApiError> {
        let body = self.of_kind("application/json")?;
        match body.trim_ascii() {
            [] => Ok(T::default()),
            [b'{', ..] => serde_json::from_slice(&body).map_err(|error| {
                ApiError::bad_request(format!(
                    "the body is not understood: {error}; it is empty or like {example}"
                ))
            }),
            _ => Err(ApiError::bad_request("the body must be a JSON object, or empty")),
        }
    }
}

/// The id of a request that was made by hand.
pub(super) fn trigger_id(text: &str) -> Result<TriggerId, ApiError> {
    text.parse().map_err(|_| {
        ApiError::bad_request(format!("'{}' is no trigger id: 32 hexadecimal digits", text.escape_debug()))
    })
}

/// A query whose every parameter is known. A mistyped `dryRun` must not become a real change.
pub(super) struct Known<T>(pub(super) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequestParts<S> for Known<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => {
                Err(ApiError::bad_request(format!("the query is not understood: {}", error.body_text())))
            }
        }
    }
}

/// Who asks for something: what they call themselves, and where from.
pub(super) struct Asking(pub(super) Who);

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let from = peer.map(|peer| peer.0.ip().to_canonical().to_string());
        let mut names = parts.headers.get_all(BY).iter();
        let bad = |why: &str| ApiError::bad_request(format!("the header {BY} is not understood: {why}"));
        let by = match (names.next(), names.next()) {
            (None, _) => None,
            (Some(_), Some(_)) => return Err(bad("it comes twice")),
            (Some(name), None) => {
                let name = std::str::from_utf8(name.as_bytes()).map_err(|_| bad("it is not UTF-8"))?;
                Some(parse_by(name).map_err(|error| bad(&error.to_string()))?)
            }
        };
        Ok(Self(Who { by, from }))
    }
}

/// Parses `If-Match`: `*`, or the revision as `"3"` (with or without its quotation marks).
pub(super) fn if_match(headers: &HeaderMap) -> Result<IfMatch, ApiError> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(IfMatch::Any) };
    let bad = || ApiError::bad_request("If-Match must be one revision, such as \"3\", or *");
    let text = value.to_str().map_err(|_| bad())?.trim();
    if values.next().is_some() || text.contains(',') {
        return Err(bad());
    }
    if text == "*" {
        return Ok(IfMatch::Any);
    }
    // A weak tag never matches here (RFC 9110, 13.1.1), and neither does one that was never given out.
    let (weak, tag) = text.strip_prefix("W/").map_or((false, text), |tag| (true, tag));
    let inside = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    match (inside, tag.parse::<u64>()) {
        (Some(inside), _) => Ok(IfMatch::Revision(inside.parse().ok().filter(|_| !weak))),
        (None, Ok(revision)) if !weak => Ok(IfMatch::Revision(Some(revision))),
        (None, _) => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_one_revision_or_none() {
        let parse = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, value.parse().unwrap());
            if_match(&headers).ok()
        };
        assert_eq!(parse("\"3\""), Some(IfMatch::Revision(Some(3))));
        assert_eq!(parse("3"), Some(IfMatch::Revision(Some(3))));
        assert_eq!(parse("*"), Some(IfMatch::Any));
        assert_eq!(parse("W/\"3\""), Some(IfMatch::Revision(None)));
        assert_eq!(parse("\"abc\""), Some(IfMatch::Revision(None)));
        for bad in ["abc", "\"3", "\"3\", \"4\"", "", "-1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(if_match(&HeaderMap::new()).ok(), Some(IfMatch::Any));
    }
}
