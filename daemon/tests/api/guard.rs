//! Who may do what, and from where, seen from outside.

use crate::support::{Host, bare, calm, configuration_path, request, with_json};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;
use std::net::SocketAddr;

const PATCH: &str = r#"{"checkpointTimeout": 20000}"#;

/// Every request that changes something, as path, body and content type.
fn changes() -> Vec<(Method, String, &'static str, &'static str)> {
    let configuration = configuration_path("calm");
    vec![
        (Method::PATCH, configuration.clone(), PATCH, "application/json"),
        (Method::PATCH, format!("/v1{configuration}"), PATCH, "application/json"),
        (Method::PATCH, format!("{configuration}?dryRun=true"), PATCH, "application/json"),
        (Method::DELETE, configuration, "", "application/json"),
        (Method::POST, "/jobs".to_owned(), "name = 'x'", "application/toml"),
        (Method::POST, "/jobs/calm/checkpoints".to_owned(), "{}", "application/json"),
        (Method::PATCH, "/jobs/calm?mode=cancel".to_owned(), "", "application/json"),
        (Method::POST, "/jobs/calm/stop".to_owned(), "{}", "application/json"),
    ]
}

/// Sends every change with these headers and expects this status, and that nothing came of it.
async fn all_refused(host: &Host, headers: &[(&str, &str)], status: u16) {
    for (method, path, body, kind) in changes() {
        let mut request = bare(method.clone(), &path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", kind);
        }
        let answer = host.send(request.body(Body::from(body)).unwrap()).await;
        answer.error(status);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}");
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let seen = host.configuration("calm").await;
    assert_eq!(
        (&seen["state"], &seen["revision"], &seen["inFlight"]),
        (&json!("RUNNING"), &json!(0), &json!([]))
    );
}

const HOST: (&str, &str) = ("host", "127.0.0.1:8571");
const GOOD: (&str, &str) = ("authorization", "Bearer secret");

#[tokio::test(start_paused = true)]
async fn a_change_without_the_token_is_401() {
    let host = Host::new().await;
    host.run(&calm()).await;
    all_refused(&host, &[HOST], 401).await;
    for token in
        ["Bearer wrong", "Bearer", "Bearer ", "Bearer secretx", "Bearer secre", "Basic secret", "secret"]
    {
        all_refused(&host, &[HOST, ("authorization", token)], 401).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_a_browser_can_change_nothing() {
    let host = Host::new().await;
    host.run(&calm()).await;
    for origin in ["http://127.0.0.1:8571", "http://localhost", "https://evil.example", "null"] {
        all_refused(&host, &[HOST, GOOD, ("origin", origin)], 403).await;
    }
    for name in ["evil.example", "evil.example:8571", "localhost.evil.example", "127.0.0.1.evil.example"] {
        all_refused(&host, &[("host", name), GOOD], 403).await;
        // A name that was bound behind the browser's back may not even read.
        let read = bare(Method::GET, "/jobs").header("host", name).body(Body::empty()).unwrap();
        let answer = host.send(read).await;
        answer.error(403);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "",
    ] {
        all_refused(&host, &[HOST, GOOD, ("content-type", kind)], 415).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_wants_its_content_type() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let path = configuration_path("calm");
    for kind in [None, Some("application/toml")] {
        let mut patch = request(Method::PATCH, &path);
        if let Some(kind) = kind {
            patch = patch.header("content-type", kind);
        }
        host.send(patch.body(Body::from(PATCH)).unwrap()).await.error(415);
    }
    let job = with_json(request(Method::POST, "/jobs"), "name = 'x'");
    host.send(job).await.error(415);
    // What `flink run` sends.
    let upload = request(Method::POST, "/v1/jobs").header("content-type", "multipart/form-data; boundary=x");
    let sentence = host.send(upload.body(Body::from("--x--")).unwrap()).await.error(415);
    assert!(sentence.contains("ckptctl submit"), "{sentence}");
    let patch = request(Method::PATCH, &path).header("content-type", "Application/JSON;charset=utf-8");
    assert_eq!(host.send(patch.body(Body::from(PATCH)).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_64_kib_is_413_with_and_without_a_length() {
    let host = Host::new().await;
    host.run(&calm()).await;
    // A body that would be right, were it smaller.
    let padded = |size: usize| format!("{PATCH}{}", " ".repeat(size - PATCH.len()));
    let path = configuration_path("calm");
    for (size, status) in [(65_536, 200), (65_537, 413), (1_000_000, 413)] {
        let body = padded(size);
        let announced = request(Method::PATCH, &path).header("content-length", size);
        let announced = with_json(announced, &body);
        assert_eq!(host.send(announced).await.status.as_u16(), status, "{size}, announced");
        let chunks: Vec<Result<_, std::io::Error>> =
            body.as_bytes().chunks(10_000).map(|chunk| Ok(chunk.to_vec())).collect();
        let chunked = request(Method::PATCH, &path).header("content-type", "application/json");
        let chunked = chunked.body(Body::from_stream(futures::stream::iter(chunks))).unwrap();
        let answer = host.send(chunked).await;
        assert_eq!(answer.status.as_u16(), status, "{size}, in chunks");
        if status == 413 {
            let sentence = answer.error(413);
            assert!(sentence.contains("64 KiB"), "{sentence}");
        }
    }
    for path in ["/jobs", "/jobs/calm/checkpoints"] {
        let kind = if path == "/jobs" { "application/toml" } else { "application/json" };
        let large = request(Method::POST, path).header("content-type", kind);
        host.send(large.body(Body::from(" ".repeat(65_537))).unwrap()).await.error(413);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let stuck = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request =
        request(Method::PATCH, &configuration_path("calm")).header("content-type", "application/json");
    host.send(request.body(Body::from_stream(stuck)).unwrap()).await.error(408);
}

#[tokio::test(start_paused = true)]
async fn cors_is_for_get_alone() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let path = configuration_path("calm");
    for path in ["/config", "/jobs", path.as_str(), "/nothing"] {
        let answer = host.get(path).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    // A page may read, also with its Origin, but what it asks beforehand allows nothing else.
    let read = request(Method::GET, &path).header("origin", "https://grafana.example");
    assert_eq!(host.send(read.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
    let ask = bare(Method::OPTIONS, &path)
        .header("host", "127.0.0.1:8571")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type");
    let answer = host.send(ask.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET"));
    assert_eq!(answer.header("access-control-allow-headers"), None);
    for (method, path, body, kind) in changes() {
        let change = request(method.clone(), &path).header("content-type", kind);
        let answer = host.send(change.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_from_elsewhere_wants_the_token_too() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let read = |token: Option<&str>| {
        let peer = ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 50_000)));
        let mut request = Request::builder().uri("/jobs").extension(peer).header("host", "192.0.2.1:8571");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        host.send(request.body(Body::empty()).unwrap())
    };
    read(None).await.error(401);
    read(Some("Bearer wrong")).await.error(401);
    assert_eq!(read(Some("Bearer secret")).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_host_or_with_two_is_400() {
    let host = Host::new().await;
    host.send(bare(Method::GET, "/jobs").body(Body::empty()).unwrap()).await.error(400);
    let two = bare(Method::GET, "/jobs").header("host", "localhost").header("host", "evil.example");
    host.send(two.body(Body::empty()).unwrap()).await.error(400);
}
