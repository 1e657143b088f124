//! Who may do what, and from where.
//!
//! Reading is open to this machine; every change wants the token, and reading from elsewhere wants it
//! too. A page in a browser can change nothing: a name that was bound to this address behind the
//! browser's back (DNS rebinding) is refused by `Host`, a page of another site by `Origin`, and a form
//! by its content type.

use super::error::ApiError;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ckpt_api::OBSERVED_AT;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What the guard knows.
#[derive(Clone)]
pub struct Guard {
    token: String,
    /// Names other than `localhost` and addresses by which ckptd may be called.
    names: Vec<String>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard that wants `token`, and knows ckptd by `names` besides `localhost` and addresses.
    #[must_use]
    pub fn new(token: String, names: Vec<String>) -> Self {
        Self { token, names }
    }

    fn check(&self, method: &Method, path: &str, headers: &HeaderMap, peer: IpAddr) -> Result<(), ApiError> {
        self.check_host(headers)?;
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if reads && (is_health(path) || peer.to_canonical().is_loopback()) {
            return Ok(());
        }
        if !reads && headers.contains_key(header::ORIGIN) {
            let sentence = "a page in a browser can change nothing here; use ckptctl";
            return Err(ApiError::new(StatusCode::FORBIDDEN, sentence));
        }
        self.check_token(headers, reads)?;
        if reads { Ok(()) } else { check_content_type(headers) }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) => host,
            _ => return Err(ApiError::bad_request("the request needs one Host header")),
        };
        let name = host_name(host);
        let known = name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        match known {
            true => Ok(()),
            false => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this ckptd is not known as '{}'; call it by its address, or start it with --allow-host",
                    name.escape_debug()
                ),
            )),
        }
    }

    fn check_token(&self, headers: &HeaderMap, reads: bool) -> Result<(), ApiError> {
        let given = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
        let purpose = if reads { "reading from another machine" } else { "a change" };
        let refused = |what: &str| {
            let sentence = format!(
                "{purpose} needs ckptd's token, and {what}; it is in the file 'token' in ckptd's state directory \
                 (ckptctl: --state-dir, or CKPTCTL_TOKEN_FILE; flink: \
                 FLINK_REST_CLIENT_HEADERS='Authorization:Bearer TOKEN')"
            );
            Err(ApiError::new(StatusCode::UNAUTHORIZED, sentence))
        };
        let Some(given) = given else { return refused("none was sent") };
        let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match token {
            Some((_, token)) if token.trim().as_bytes().ct_eq(self.token.as_bytes()).into() => Ok(()),
            Some(_) => refused("another one was sent"),
            None => refused("it goes into 'Authorization: Bearer'"),
        }
    }
}

/// Supervisors ask for these from anywhere, and learn nothing else.
pub(super) fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The name in a `Host` header, without port and brackets.
fn host_name(host: &str) -> &str {
    if let Some(inside) = host.strip_prefix('[') {
        return inside.split_once(']').map_or("", |(name, _)| name);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// What a form in a browser can send is no change.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind =
        given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let sentence = match kind.as_str() {
        "application/json" | "application/toml" => return Ok(()),
        // What `flink run` sends.
        "multipart/form-data" => {
            "nothing can be uploaded here, as ckptd runs no programs of Flink's; ckptctl submit takes a job file".into()
        }
        _ => format!("the content type is '{}'; send application/json", kind.escape_debug()),
    };
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence))
}

/// Checks every request before anything else sees it.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    // Without a peer (which only a test without a socket has) nothing is taken for granted.
    let peer = peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    let method = request.method().clone();
    if let Err(refused) = guard.check(&method, request.uri().path(), request.headers(), peer) {
        return refused.into_response();
    }
    let mut response = match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    if matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
        if let Ok(exposed) = HeaderValue::from_str(&format!("{OBSERVED_AT}, etag")) {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn check(method: &Method, headers: &[(&str, &str)], peer: IpAddr) -> Result<(), (u16, String)> {
        let guard = Guard::new("secret".to_owned(), vec!["ckptd.example".to_owned()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        guard.check(method, "/jobs", &map, peer).map_err(|error| {
            let status = error.clone().into_response().status().as_u16();
            (status, format!("{error:?}"))
        })
    }

    fn status(method: &Method, headers: &[(&str, &str)]) -> u16 {
        check(method, headers, LOCAL).map_or_else(|(status, _)| status, |()| 200)
    }

    #[test]
    fn reading_is_open_to_this_machine_alone() {
        let host = ("host", "127.0.0.1:8571");
        assert_eq!(status(&Method::GET, &[host]), 200);
        let elsewhere: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(check(&Method::GET, &[host], elsewhere).unwrap_err().0, 401);
        let token = ("authorization", "Bearer secret");
        assert_eq!(check(&Method::GET, &[host, token], elsewhere), Ok(()));
        assert_eq!(check(&Method::GET, &[host], "::ffff:127.0.0.1".parse().unwrap()), Ok(()));
    }

    #[test]
    fn a_change_wants_the_token() {
        let host = ("host", "localhost:8571");
        assert_eq!(status(&Method::PATCH, &[host]), 401);
        assert_eq!(status(&Method::DELETE, &[host, ("authorization", "Bearer wrong")]), 401);
        assert_eq!(status(&Method::POST, &[host, ("authorization", "Basic secret")]), 401);
        assert_eq!(status(&Method::PATCH, &[host, ("authorization", "bearer secret")]), 200);
    }

    #[test]
    fn a_browser_can_change_nothing() {
        let host = ("host", "127.0.0.1:8571");
        let token = ("authorization", "Bearer secret");
        assert_eq!(status(&Method::PATCH, &[host, token, ("origin", "http://127.0.0.1:8571")]), 403);
        assert_eq!(status(&Method::PATCH, &[host, token, ("origin", "null")]), 403);
        for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            assert_eq!(status(&Method::POST, &[host, token, ("content-type", form)]), 415, "{form}");
        }
        assert_eq!(
            status(&Method::PATCH, &[host, token, ("content-type", "Application/JSON; charset=utf-8")]),
            200
        );
    }

    #[test]
    fn a_name_that_was_bound_behind_the_browsers_back_is_refused() {
        for (host, expected) in [
            ("evil.example", 403),
            ("evil.example:8571", 403),
            ("localhost.evil.example", 403),
            ("", 403),
            ("[::1", 403),
            ("ckptd.example:8571", 200),
            ("[::1]:8571", 200),
            ("LOCALHOST", 200),
        ] {
            assert_eq!(status(&Method::GET, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status(&Method::GET, &[]), 400);
        assert_eq!(status(&Method::GET, &[("host", "localhost"), ("host", "evil.example")]), 400);
    }
}
