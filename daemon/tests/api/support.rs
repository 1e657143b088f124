//! A daemon without a socket.

use crate::documented;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, request};
use ckpt_api::HOSTED;
use ckpt_types::ids::JobId;
use ckptd::audit::AuditLog;
use ckptd::change::Changes;
use ckptd::config_file::Config;
use ckptd::expiry::Expiry;
use ckptd::flink::{Clusters, Settings};
use ckptd::hosted::HostedJobs;
use ckptd::metrics::Metrics;
use ckptd::overrides::{Key, OverrideStore, Record};
use ckptd::pauses::Pauses;
use ckptd::registry::{JobIndex, Registry};
use ckptd::rest::{self, Api, Guard};
use ckptd::state_dir::StateDir;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const TOKEN: &str = "secret";
/// Nothing that a test waits for takes longer, whether its time is simulated or not.
const LIMIT: Duration = Duration::from_secs(60);

/// A daemon on a directory of its own.
pub(crate) struct Host {
    home: TempDir,
    flink: Settings,
    pub(crate) router: Router,
    pub(crate) overrides: OverrideStore,
    pub(crate) registry: Arc<Registry>,
    config: &'static str,
    expiry: Expiry,
    /// They follow no job unless a test says so.
    pub(crate) metrics: Metrics,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Host {
    pub(crate) async fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn on(home: TempDir) -> Self {
        Self::following(home, Settings::default()).await
    }

    /// One that follows these Flink clusters.
    pub(crate) async fn following(home: TempDir, flink: Settings) -> Self {
        Self::configured(home, flink, "").await
    }

    /// One with a configuration file, which only says what does not concern Flink.
    pub(crate) async fn configured(home: TempDir, flink: Settings, config: &'static str) -> Self {
        let clock = ckptd::clock::Clock::start();
        let directory = Arc::new(StateDir::open(Some(home.path().to_owned())).unwrap());
        let overrides = OverrideStore::open(directory.overrides(), clock).unwrap();
        let pauses = Pauses::open(directory.pauses(), clock).unwrap();
        let Config { rules, audit, .. } = Config::parse("/etc/ckptd.toml".as_ref(), config).unwrap();
        let audit = AuditLog::open(directory.audit(), audit, clock);
        let index = JobIndex::default();
        let hosted = HostedJobs::recover(directory, overrides.clone(), index.clone(), clock).await.unwrap();
        let services = ckptd::flink::Services {
            clock,
            overrides: overrides.clone(),
            pauses: pauses.clone(),
            index: index.clone(),
        };
        let clusters = Clusters::follow(flink.clone(), &services);
        let registry = Arc::new(Registry::new(index, hosted, clusters));
        let changes = Changes { clock, overrides: overrides.clone(), audit, rules: Arc::new(rules) };
        let expiry = Expiry::start(&registry, changes.clone()).await;
        let metrics = Metrics::new(clock);
        let api = Api {
            registry: Arc::clone(&registry),
            changes,
            pauses,
            metrics: metrics.clone(),
            ready: tokio::sync::watch::channel(true).1,
        };
        let router = rest::router(api, Guard::new(TOKEN.to_owned(), vec![]));
        Self { home, flink, router, overrides, registry, config, expiry, metrics }
    }

    /// Stops it and starts another one on the same directory.
    pub(crate) async fn restarted(self) -> Self {
        let config = self.config;
        self.restarted_with(config).await
    }

    /// The same with another configuration file.
    pub(crate) async fn restarted_with(self, config: &'static str) -> Self {
        let Self { home, flink, router, overrides, registry, expiry, metrics, .. } = self;
        drop((router, overrides, registry, expiry, metrics));
        // What the owners still had to do is done when simulated time passes.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Self::configured(home, flink, config).await
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn overrides_file(&self) -> PathBuf {
        self.path().join("overrides.json")
    }

    /// Where a job's checkpoints are.
    pub(crate) fn checkpoints(&self, id: &str) -> PathBuf {
        self.path().join("checkpoints").join(id)
    }

    /// What is stored for a job.
    pub(crate) fn record(&self, id: &str) -> Option<Record> {
        self.overrides.record(&Key { cluster: HOSTED.to_owned(), job: id.parse::<JobId>().unwrap() })
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.into()).unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        documented::check(&method, &uri, &answer);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// The body of a `GET` that succeeds.
    pub(crate) async fn seen(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) async fn configuration(&self, job: &str) -> Value {
        self.seen(&configuration_path(job)).await
    }

    /// A change, whatever comes of it.
    pub(crate) async fn patch(&self, job: &str, body: &Value) -> Answer {
        self.patch_to(&configuration_path(job), body).await
    }

    pub(crate) async fn patch_to(&self, path: &str, body: &Value) -> Answer {
        self.send(with_json(request(Method::PATCH, path), &body.to_string())).await
    }

    /// A change that is made and in force.
    pub(crate) async fn change(&self, job: &str, body: &Value) -> Value {
        let answer = self.patch(job, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{body}: {}", answer.body);
        answer.json()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(request(Method::DELETE, path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn cancel(&self, job: &str) -> Answer {
        let path = format!("/jobs/{job}?mode=cancel");
        self.send(request(Method::PATCH, &path).body(Body::empty()).unwrap()).await
    }

    /// Cancels a job and waits until it has ended.
    pub(crate) async fn cancelled(&self, job: &str) {
        assert_eq!(self.cancel(job).await.status, StatusCode::ACCEPTED);
        self.until_state(job, "CANCELED").await;
    }

    /// Submits a job file.
    pub(crate) async fn post_job(&self, file: &str) -> Answer {
        let request = request(Method::POST, "/jobs").header("content-type", "application/toml");
        self.send(request.body(Body::from(file.to_owned())).unwrap()).await
    }

    /// Submits a job file, waits until the job runs, and returns its id.
    pub(crate) async fn run(&self, file: &str) -> String {
        let answer = self.post_job(file).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let id = answer.json()["jobId"].as_str().unwrap().to_owned();
        self.until_state(&id, "RUNNING").await;
        id
    }

    /// Triggers a checkpoint by hand, and returns the request's id.
    pub(crate) async fn trigger(&self, job: &str) -> String {
        let path = format!("/jobs/{job}/checkpoints");
        let answer = self.send(request(Method::POST, &path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        answer.json()["request-id"].as_str().unwrap().to_owned()
    }

    /// Asks `path` again and again until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut waited = Duration::ZERO;
        let step = Duration::from_millis(25);
        loop {
            let seen = self.seen(path).await;
            if wanted(&seen) {
                return seen;
            }
            assert!(waited < LIMIT, "{path} is still {seen:#}");
            tokio::time::sleep(step).await;
            waited += step;
        }
    }

    pub(crate) async fn until_configuration(&self, job: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until(&configuration_path(job), wanted).await
    }

    pub(crate) async fn until_state(&self, job: &str, state: &str) -> Value {
        self.until_configuration(job, |seen| seen["state"] == state).await
    }

    /// Waits until so many subtasks of the checkpoint in flight have acknowledged.
    pub(crate) async fn until_acknowledged(&self, job: &str, subtasks: u64) -> Value {
        self.until_configuration(job, |seen| seen["inFlight"][0]["acknowledged"] == subtasks).await
    }

    /// Waits until checkpoint `id` is over.
    pub(crate) async fn until_over(&self, job: &str, id: u64) -> Value {
        let listed = |seen: &Value| seen["history"].as_array().unwrap().iter().any(|one| one["id"] == id);
        self.until(&format!("/jobs/{job}/checkpoints"), listed).await;
        let path = format!("/jobs/{job}/checkpoints/details/{id}");
        self.until(&path, |seen| seen["status"] != "IN_PROGRESS").await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The sentence of an error in Flink's form.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json; charset=UTF-8"), "{}", self.body);
        let body = self.json();
        let fields: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["errors"]);
        let [sentence] = body["errors"].as_array().unwrap().as_slice() else { panic!("one error: {body}") };
        let sentence = sentence.as_str().unwrap();
        assert!(!sentence.trim().is_empty() && !sentence.contains('\n'), "{sentence:?}");
        sentence.to_owned()
    }
}

pub(crate) fn configuration_path(job: &str) -> String {
    format!("/jobs/{job}/checkpoints/configuration")
}

/// A request as ckptctl on the same machine makes it.
pub(crate) fn request(method: Method, path: &str) -> request::Builder {
    bare(method, path).header("host", "127.0.0.1:8571").header("authorization", format!("Bearer {TOKEN}"))
}

/// A request from this machine without any header.
pub(crate) fn bare(method: Method, path: &str) -> request::Builder {
    let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000)));
    Request::builder().method(method).uri(path).extension(peer)
}

pub(crate) fn with_json(request: request::Builder, body: &str) -> Request<Body> {
    request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap()
}

/// A job of one vertex, `v`, with small snapshots.
pub(crate) fn job_file(name: &str, parallelism: u32, checkpointing: &str, rest: &str) -> String {
    format!(
        "name = '{name}'\nvertices = [{{name = 'v', parallelism = {parallelism}}}]\n\
         [checkpointing]\n{checkpointing}\n[rehearsal]\nsize = '1kB'\n{rest}\n"
    )
}

/// A job whose checkpoints are triggered by hand alone and never complete: one of its two subtasks
/// hangs. It has an hour for each.
pub(crate) fn hanging() -> String {
    job_file("hanging", 2, "timeout = '1h'\ntolerable-failures = 'unlimited'", HANG_ONE)
}

/// One subtask never answers.
pub(crate) const HANG_ONE: &str = "faults = [{subtask = 1, kind = 'hang'}]";

/// A job with both values, whose own trigger does not come while a test runs.
pub(crate) fn calm() -> String {
    let checkpointing = "interval = '1h'\nmin-pause = '30m'\ntimeout = '10m'\ntolerable-failures = 3";
    job_file("calm", 2, checkpointing, HANG_ONE)
}

/// The two values that `calm` was submitted with.
pub(crate) fn submitted() -> Value {
    json!({"interval": 3_600_000, "timeout": 600_000})
}

/// A value's three forms, without where its override comes from.
pub(crate) fn forms(value: &Value) -> Value {
    json!({"submitted": value["submitted"], "override": value["override"], "effective": value["effective"]})
}

/// What is warned of, besides long timeouts.
pub(crate) fn trouble(configuration: &Value) -> Vec<&str> {
    let warnings = configuration["warnings"].as_array().unwrap();
    let warnings = warnings.iter().map(|warning| warning.as_str().unwrap());
    warnings.filter(|warning| !warning.starts_with("interval + timeout is ")).collect()
}

/// One of the three forms of both values.
pub(crate) fn both(configuration: &Value, form: &str) -> Value {
    json!({
        "interval": configuration["checkpointInterval"][form],
        "timeout": configuration["checkpointTimeout"][form],
    })
}
