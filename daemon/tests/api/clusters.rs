//! Jobs of Flink clusters, against a fake cluster on a real socket.
//!
//! | module | holds |
//! |---|---|
//! | `list` | what is shown of jobs and clusters |
//! | `names` | what names which job |
//! | `stale` | clusters that are slow, gone, or answer nonsense |
//! | `reads` | Flink's read paths, triggers and cancellation, passed on |
//! | `savepoints` | savepoints, passed on |
//! | `no_way` | changes that cannot be made: nothing is stored |
//! | `native` | a cluster that has FLIP-571 itself |
//! | `standing` | whether overrides hold: lost, foreign, paused, orphaned and adopted |
//! | `temporary` | overrides that end by themselves |
//! | `earlier_state` | records of an earlier version |
//! | `lives` | ckptd restarts, jobs end, vanish and come again |
//! | `history` | what is remembered of checkpoints, and the stream of all jobs |
//! | `metrics` | what Prometheus is told of them |
//! | `tls` | certificates |
//! | `doctor` | whether clusters can be changed |
//! | `diagnosis` | what is said of checkpoints in flight when a cluster tells little |
//!
//! Sockets are real, so time is too; while a test waits, pauses and limits pass ten times as fast.

mod diagnosis;
mod doctor;
mod earlier_state;
mod history;
mod list;
mod lives;
mod metrics;
mod names;
mod native;
mod no_way;
mod reads;
mod savepoints;
mod stale;
mod standing;
mod temporary;
mod tls;

use crate::fake_flink::{FakeFlink, FakeJob};
use crate::support::{Answer, Host, request};
use axum::body::Body;
use axum::http::Method;
use ckptd::flink::{Attach, Options};
use serde_json::Value;
use std::future::Future;
use std::time::Duration;
use tokio::time::{advance, pause, resume, sleep};

/// How much time passes, for everybody, in each `STEP`. Daemon, cluster and steps take turns on one thread: where that is
/// held up, time is too, so that a cluster does not become silent for a slow machine's sake.
const SKIPPED: Duration = Duration::from_millis(90);
const STEP: Duration = Duration::from_millis(10);
/// How often is looked for what has to come.
const MOST_LOOKS: usize = 3_000;

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";
const LIST: &str = "/checkpoints/configuration?all=true";

/// Time runs by itself again, even when nobody waits for the end of a step any more.
struct Paused;

impl Drop for Paused {
    fn drop(&mut self) {
        resume();
    }
}

async fn step() {
    sleep(STEP).await;
    pause();
    let _paused = Paused;
    advance(SKIPPED).await;
}

/// Waits for something while time passes quickly.
async fn hurried<T>(what: impl Future<Output = T>) -> T {
    let passing = async {
        loop {
            step().await;
        }
    };
    tokio::select! {
        biased;
        done = what => done,
        () = passing => unreachable!(),
    }
}

/// What a daemon that follows these clusters is told.
fn options(clusters: &[(&str, &FakeFlink)], attach: Attach) -> Options {
    let flink = clusters.iter().map(|(name, fake)| format!("{name}={}", fake.url())).collect();
    Options { flink, attach: Some(attach), ..Options::default() }
}

async fn started(options: &Options) -> Host {
    Host::following(tempfile::tempdir().unwrap(), options.settings().unwrap()).await
}

/// A daemon that follows these clusters, and loads nothing.
async fn following(clusters: &[(&str, &FakeFlink)]) -> Host {
    started(&options(clusters, Attach::Never)).await
}

/// A cluster with one job, and a daemon that knows it.
async fn one_job() -> (FakeFlink, Host) {
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    let host = following(&[("prod", &fake)]).await;
    until_job(&host, ONE, |job| job["via"] == "none").await;
    (fake, host)
}

impl Host {
    /// Asks while time passes quickly.
    async fn hurried(&self, path: &str) -> Answer {
        hurried(self.get(path)).await
    }
}

async fn until(host: &Host, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let mut last = None;
    for _ in 0..MOST_LOOKS {
        let seen = host.hurried(path).await;
        if wanted(&seen) {
            return seen;
        }
        last = Some(seen);
        step().await;
    }
    panic!("{path} is still {last:?}");
}

async fn until_list(host: &Host, wanted: impl Fn(&Value) -> bool) -> Value {
    until(host, LIST, |answer| answer.status == 200 && wanted(&answer.json())).await.json()
}

/// The entry of a job in the list.
fn job<'a>(list: &'a Value, id: &str) -> Option<&'a Value> {
    list["jobs"].as_array().unwrap().iter().find(|job| job["jobId"] == id)
}

/// Waits until the list has this job, and it is as wanted.
async fn until_job(host: &Host, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let list = until_list(host, |list| job(list, id).is_some_and(&wanted)).await;
    job(&list, id).unwrap().clone()
}

/// The entry of a cluster in the list.
fn cluster<'a>(list: &'a Value, name: &str) -> &'a Value {
    list["clusters"].as_array().unwrap().iter().find(|cluster| cluster["name"] == name).unwrap()
}

async fn until_trouble(host: &Host, name: &str, wanted: impl Fn(&str) -> bool) -> Value {
    until_list(host, |list| cluster(list, name)["trouble"].as_str().is_some_and(&wanted)).await
}

/// What is in the override file.
fn stored(host: &Host) -> Option<Value> {
    let content = std::fs::read(host.overrides_file()).ok()?;
    Some(serde_json::from_slice::<Value>(&content).unwrap()["$internal.job-checkpoint-overrides"].clone())
}

async fn post(host: &Host, path: &str, body: &str) -> Answer {
    let request = request(Method::POST, path).header("content-type", "application/json");
    host.send(request.body(Body::from(body.to_owned())).unwrap()).await
}
