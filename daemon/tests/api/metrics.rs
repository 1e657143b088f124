//! What Prometheus is told of hosted jobs, of requests, and by whom it may be read.

use crate::support::{HANG_ONE, Host, bare, calm, hanging, job_file, request};
use axum::body::Body;
use axum::http::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One series: its name, its labels, its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// The series of a scrape in the older format, and the type of each metric.
pub(crate) fn parsed(text: &str) -> (Vec<Series>, BTreeMap<String, String>) {
    let (mut all, mut types) = (Vec::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            assert_eq!(types.insert(name.to_owned(), kind.to_owned()), None, "{name} comes twice");
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        // No name in these tests has a comma or a quote.
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.trim_matches('"').to_owned())
        });
        all.push(Series { name: name.to_owned(), labels: labels.collect(), value: value.parse().unwrap() });
    }
    (all, types)
}

/// The table of docs/metrics.md: type and labels by name.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = include_str!("../../../docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `ckptd_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    })
    .collect()
}

/// Fails unless everything that was scraped is documented, with its type and its labels; says what was scraped.
#[track_caller]
pub(crate) fn assert_documented(text: &str) -> BTreeSet<String> {
    let (all, types) = parsed(text);
    let documented = documented();
    for (name, kind) in &types {
        let (known, _) = documented.get(name).unwrap_or_else(|| panic!("{name} is not in docs/metrics.md"));
        let kind = if name.ends_with("_info") { "info" } else { kind };
        assert_eq!(known, kind, "{name}");
    }
    for series in all {
        let ends = ["_bucket", "_sum", "_count"];
        let family =
            ends.iter().find_map(|end| series.name.strip_suffix(end)).filter(|it| types.contains_key(*it));
        let name = family.unwrap_or(&series.name);
        assert!(types.contains_key(name), "{name} has no type");
        let labels: BTreeSet<_> = series.labels.keys().filter(|label| *label != "le").cloned().collect();
        assert_eq!(labels, documented[name].1, "{name}");
    }
    types.into_keys().collect()
}

/// The value of the one series that has these labels.
#[track_caller]
pub(crate) fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let fits = |series: &Series| {
        let has = |(label, value): &(&str, &str)| series.labels.get(*label).is_some_and(|it| it == value);
        series.name == name && labels.iter().all(has)
    };
    let found: Vec<_> = parsed(text).0.into_iter().filter(fits).collect();
    assert!(found.len() < 2, "{name} {labels:?} is several: {found:?}");
    found.first().map(|series| series.value)
}

impl Host {
    pub(crate) async fn scrape(&self) -> String {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        answer.body
    }

    /// Scrapes until the value is there.
    async fn until_scraped(&self, name: &str, labels: &[(&str, &str)], wanted: f64) -> String {
        let mut last = None;
        for _ in 0..10_000 {
            let text = self.scrape().await;
            last = value(&text, name, labels);
            if last == Some(wanted) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} {labels:?} is still {last:?}");
    }
}

/// Ends of checkpoints.
const ENDS: &str = "ckptd_checkpoints_total";
const COMPLETED: (&str, &str) = ("outcome", "completed");
const EXPIRED: (&str, &str) = ("reason", "CHECKPOINT_EXPIRED");

/// Each checkpoint takes some 50 s of simulated time, and has 20 s.
fn slow() -> String {
    let faults = "faults = [{subtask = 1, kind = 'straggler', speed = '20B/s'}]";
    job_file("slow", 2, "timeout = '20s'\ntolerable-failures = 'unlimited'", faults)
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_expires_and_one_that_is_rescued_are_told_apart() {
    let host = Host::new().await;
    host.metrics.follow(&host.registry);
    host.run(&slow()).await;
    let slow = ("job_name", "slow");
    host.until_scraped(ENDS, &[slow, COMPLETED], 0.0).await;
    host.trigger("slow").await;
    host.until_scraped(ENDS, &[slow, EXPIRED], 1.0).await;
    let text = host.until_scraped("ckptd_consecutive_failures", &[slow], 1.0).await;
    assert_eq!(value(&text, "ckptd_tolerable_failures", &[slow]), None, "any number is tolerated");

    host.trigger("slow").await;
    host.until_acknowledged("slow", 1).await;
    let text = host.scrape().await;
    assert_eq!(value(&text, "ckptd_checkpoints_in_flight", &[slow]), Some(1.0));
    assert_eq!(value(&text, "ckptd_checkpoint_in_flight_acknowledged_ratio", &[slow]), Some(0.5));
    let age = value(&text, "ckptd_checkpoint_in_flight_age_seconds", &[slow]).unwrap();
    let left = value(&text, "ckptd_checkpoint_in_flight_remaining_seconds", &[slow]).unwrap();
    assert!((age + left - 20.0).abs() < 0.1, "{age} and {left} are the timeout");
    host.change("slow", &json!({"checkpointTimeout": 600_000, "reason": "slow storage"})).await;
    let text = host.until_scraped("ckptd_rescued_checkpoints_total", &[slow], 1.0).await;
    assert_eq!(value(&text, ENDS, &[slow, COMPLETED]), Some(1.0));
    assert_eq!(value(&text, ENDS, &[slow, EXPIRED]), Some(1.0), "the first one counts once");
    assert_eq!(value(&text, "ckptd_checkpoint_duration_seconds_count", &[slow]), Some(1.0));
    let text = host.until_scraped("ckptd_checkpoints_in_flight", &[slow], 0.0).await;
    let took = value(&text, "ckptd_last_completed_checkpoint_duration_seconds", &[slow]).unwrap();
    assert!(took > 20.0, "{took}");
    assert_eq!(value(&text, "ckptd_last_completed_checkpoint_size_bytes", &[slow]), Some(2_000.0));
    for gone in ["age_seconds", "remaining_seconds", "acknowledged_ratio"] {
        assert_eq!(value(&text, &format!("ckptd_checkpoint_in_flight_{gone}"), &[slow]), None, "{gone}");
    }

    // The next one has that time from the start: it is not rescued.
    host.trigger("slow").await;
    let text = host.until_scraped(ENDS, &[slow, COMPLETED], 2.0).await;
    assert_eq!(value(&text, "ckptd_rescued_checkpoints_total", &[slow]), Some(1.0));
    let overridden = [slow, ("value", "timeout")];
    assert_eq!(value(&text, "ckptd_override_active", &overridden), Some(1.0));
    assert_eq!(value(&text, "ckptd_override_seconds", &overridden), Some(600.0));
    assert_eq!(value(&text, "ckptd_override_active", &[slow, ("value", "interval")]), Some(0.0));
    assert_eq!(value(&text, "ckptd_effective_timeout_seconds", &[slow]), Some(600.0));
    assert_eq!(value(&text, "ckptd_submitted_timeout_seconds", &[slow]), Some(20.0));
    assert_eq!(value(&text, "ckptd_override_status", &[slow, ("state", "applied")]), Some(1.0));
    assert_eq!(value(&text, "ckptd_override_status", &[slow, ("state", "waiting")]), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn the_series_of_a_job_that_has_ended_leave() {
    let host = Host::new().await;
    host.metrics.follow(&host.registry);
    let id = host.run(&hanging()).await;
    let it = ("job_id", id.as_str());
    host.until_scraped(ENDS, &[it, COMPLETED], 0.0).await;
    host.cancelled("hanging").await;
    let text = host.scrape().await;
    assert_eq!(value(&text, "ckptd_effective_timeout_seconds", &[it]), None);
    assert_eq!(value(&text, ENDS, &[it, COMPLETED]), Some(0.0), "the last ends are still to be scraped");
    tokio::time::sleep(Duration::from_secs(310)).await;
    let text = host.scrape().await;
    assert!(!text.contains(&id), "{text}");
}

#[tokio::test(start_paused = true)]
async fn requests_and_changes_are_counted_by_what_came_of_them() {
    let host = Host::new().await;
    host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await;
    host.patch_to("/v1/jobs/calm/checkpoints/configuration?dryRun=true", &json!({"checkpointTimeout": 1}))
        .await;
    host.patch_to("/jobs/calm/checkpoints/configuration?dryRun=true", &json!({"checkpointTimeout": 50_000}))
        .await;
    host.patch("nothing", &json!({"checkpointTimeout": 50_000})).await.error(404);
    let refused = bare(Method::PATCH, "/jobs/calm/checkpoints/configuration").header("host", "localhost");
    host.send(refused.body(Body::empty()).unwrap()).await.error(401);
    host.get("/no/such/path").await.error(404);
    let text = host.scrape().await;
    let change = |result| value(&text, "ckptd_changes_total", &[("change", "configure"), ("result", result)]);
    assert_eq!(change("applied"), Some(1.0));
    assert_eq!(change("dry_run"), Some(1.0));
    assert_eq!(change("refused"), Some(3.0), "400, 404 and 401");
    let path = ("path", "/jobs/{job}/checkpoints/configuration");
    let requests =
        |status| value(&text, "ckptd_http_requests_total", &[("method", "PATCH"), path, ("status", status)]);
    assert_eq!(
        (requests("200"), requests("400"), requests("401"), requests("404")),
        (Some(2.0), Some(1.0), Some(1.0), Some(1.0))
    );
    let unknown = [("method", "GET"), ("path", "none"), ("status", "404")];
    assert_eq!(value(&text, "ckptd_http_requests_total", &unknown), Some(1.0));
    let buckets = [("method", "PATCH"), path, ("le", "+Inf")];
    assert_eq!(value(&text, "ckptd_http_request_duration_seconds_bucket", &buckets), Some(5.0));
    assert!(!text.contains("/jobs/nothing") && !text.contains("/no/such"), "{text}");
}

#[tokio::test]
async fn it_is_read_like_everything_else_and_in_two_formats() {
    let host = Host::new().await;
    let wants = request(Method::GET, "/metrics")
        .header("accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1");
    let answer = host.router_answer(wants).await;
    assert_eq!(answer.0, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.1.ends_with("# EOF\n") && answer.1.contains("# TYPE ckptd_build info\n"), "{}", answer.1);
    let elsewhere = axum::extract::ConnectInfo(std::net::SocketAddr::from(([192, 0, 2, 7], 50_000)));
    let request = |token: Option<&str>| {
        let request = bare(Method::GET, "/metrics").header("host", "192.0.2.1:8571").extension(elsewhere);
        let authorization = token.map(|token| ("authorization", format!("Bearer {token}")));
        let request =
            authorization.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        request.body(Body::empty()).unwrap()
    };
    host.send(request(None)).await.error(401);
    assert_eq!(host.send(request(Some(crate::support::TOKEN))).await.status, 200);
}

impl Host {
    /// The content type and the body of an answer that the description of the API has in another form too.
    async fn router_answer(&self, request: axum::http::request::Builder) -> (String, String) {
        use http_body_util::BodyExt;
        use tower::ServiceExt;
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (kind, String::from_utf8(body.into()).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn odd_names_harm_nobody() {
    let host = Host::new().await;
    host.metrics.follow(&host.registry);
    host.run(&job_file("it is {odd} \\ [x]", 2, "timeout = '1h'", HANG_ONE)).await;
    let text = host.scrape().await;
    assert!(text.contains(r#"job_name="it is {odd} \\ [x]""#), "{text}");
}
