//! Unknown paths, vertices and checkpoints, and wrong methods: one sentence each, in Flink's form.

use crate::support::{Host, calm, job_file, request};
use axum::body::Body;
use axum::http::Method;

#[tokio::test(start_paused = true)]
async fn an_unknown_path_is_404_and_named() {
    let host = Host::new().await;
    host.run(&calm()).await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/config",
        "/jobs/",
        "/jobs/calm/",
        "/jobs/calm/savepoint",
        "/jobs/calm/checkpoints/",
        "/jobs/calm/checkpoints/configuration/x",
        "/v1/v1/config",
        "/v1/jobs/calm/nothing",
        "//jobs",
    ] {
        let sentence = host.get(path).await.error(404);
        assert_eq!(sentence, format!("Not found: {path}"));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_and_malformed_checkpoints_and_vertices() {
    let host = Host::new().await;
    host.run(&job_file("one", 1, "timeout = '1h'", "")).await;
    host.trigger("one").await;
    let details = host.until_over("one", 1).await;
    let vertex = details["tasks"].as_object().unwrap().keys().next().unwrap().clone();
    let nobody = "00000000000000000000000000000000";
    for (path, status) in [
        ("99999".to_owned(), 404),
        ("0".to_owned(), 404),
        ("18446744073709551615".to_owned(), 404),
        ("abc".to_owned(), 400),
        ("-1".to_owned(), 400),
        ("1.0".to_owned(), 400),
        ("18446744073709551616".to_owned(), 400),
        (format!("99999/subtasks/{vertex}"), 404),
        (format!("abc/subtasks/{vertex}"), 400),
        (format!("1/subtasks/{nobody}"), 404),
        ("1/subtasks/v".to_owned(), 400),
        (format!("1/subtasks/{vertex}0"), 400),
    ] {
        for prefix in ["", "/v1"] {
            host.get(&format!("{prefix}/jobs/one/checkpoints/details/{path}")).await.error(status);
        }
    }
    host.seen(&format!("/jobs/one/checkpoints/details/1/subtasks/{vertex}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_method_is_405_and_says_which_are_right() {
    let host = Host::new().await;
    host.run(&calm()).await;
    for (method, path, allowed) in [
        (Method::POST, "/config", "GET"),
        (Method::PUT, "/jobs/calm/checkpoints/configuration", "PATCH"),
        (Method::POST, "/jobs/calm/checkpoints/configuration", "DELETE"),
        (Method::DELETE, "/jobs/calm", "PATCH"),
        (Method::PUT, "/jobs", "POST"),
        (Method::PATCH, "/v1/jobs/calm/checkpoints/config", "GET"),
        (Method::POST, "/healthz", "GET"),
    ] {
        let answer = host.send(request(method.clone(), path).body(Body::empty()).unwrap()).await;
        let sentence = answer.error(405);
        assert!(sentence.contains(method.as_str()) && sentence.contains(path), "{sentence}");
        let header = answer.header("allow").unwrap_or_default();
        assert!(header.contains(allowed), "{method} {path} allows '{header}'");
    }
    assert_eq!(host.configuration("calm").await["revision"], 0);
}

#[tokio::test(start_paused = true)]
async fn health_and_readiness_are_told_apart() {
    let host = Host::new().await;
    assert_eq!(host.seen("/healthz").await["status"], "alive");
    assert_eq!(host.seen("/readyz").await["status"], "ready");
}

#[tokio::test(start_paused = true)]
async fn a_name_with_unusual_characters_is_escaped_and_found() {
    let host = Host::new().await;
    let id = host.run(&job_file("a b%é?", 1, "timeout = '1h'", "")).await;
    let seen = host.configuration("a%20b%25%C3%A9%3F").await;
    assert_eq!((seen["name"].as_str(), seen["jobId"].as_str()), (Some("a b%é?"), Some(id.as_str())));
    // A path that is no UTF-8 is no server's fault.
    let answer = host.get("/jobs/%FF/checkpoints").await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    answer.error(answer.status.as_u16());
}
