//! A job on a real Flink, looked at through Flink's own REST API.

use crate::daemon::until;
use ckpt_local_flink::{Cluster, Pace, SlowJob};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3_600);
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A job whose snapshots are done at once, until they are held.
pub(crate) struct Job<'a> {
    cluster: &'a Cluster,
    pub(crate) id: String,
    pub(crate) name: String,
    pace: Pace,
}

impl<'a> Job<'a> {
    /// Submits it, with interval and timeout in milliseconds; it survives every failure.
    pub(crate) async fn submit(cluster: &'a Cluster, interval: u64, timeout: u64) -> Self {
        Self::begin(cluster, interval, timeout, false).await
    }

    /// The same, whose snapshots are held from the first.
    pub(crate) async fn held(cluster: &'a Cluster, interval: u64, timeout: u64) -> Self {
        Self::begin(cluster, interval, timeout, true).await
    }

    async fn begin(cluster: &'a Cluster, interval: u64, timeout: u64, held: bool) -> Self {
        let name = format!("job-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let pace = Pace::new(cluster.directory().join(&name));
        if held {
            pace.set(FOREVER).unwrap();
        }
        Self::named(cluster, name, interval, timeout).await
    }

    async fn named(cluster: &'a Cluster, name: String, interval: u64, timeout: u64) -> Self {
        let pace = Pace::new(cluster.directory().join(&name));
        let job = SlowJob {
            name: name.clone(),
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(timeout),
            pace: pace.clone(),
            tolerable_failures: 100_000,
            parallelism: 1,
        };
        let id = job.submit(cluster).await.unwrap_or_else(|error| panic!("{error}"));
        Self { cluster, id, name, pace }
    }

    /// One that has no periodic checkpoint for days: Flink may begin with one at once, so one that is made by
    /// hand is waited for. It is a savepoint, since Flink makes checkpoints by hand from 1.17 on only.
    pub(crate) async fn quiet(cluster: &'a Cluster, timeout: u64) -> Self {
        let job = Self::submit(cluster, 3_600_000_000, timeout).await;
        job.until_running().await;
        let path = format!("/jobs/{}/savepoints", job.id);
        let asked = cluster.call("POST", &path, &json!({"cancel-job": false})).await.unwrap();
        let asked = asked.ok(&path).unwrap();
        let path = format!("{path}/{}", asked["request-id"].as_str().unwrap());
        until("a savepoint", || async {
            cluster.get(&path).await.ok().filter(|answer| answer["status"]["id"] == "COMPLETED")
        })
        .await;
        until("nothing in flight", || async {
            let checkpoints = job.checkpoints().await;
            let done = checkpoints.iter().all(|seen| seen["status"] != "IN_PROGRESS");
            (done && !checkpoints.is_empty()).then_some(())
        })
        .await;
        job
    }

    /// One that was submitted before.
    pub(crate) fn known(cluster: &'a Cluster, id: &str, name: &str) -> Self {
        Self::with_pace(cluster, id, name, Pace::new(cluster.directory().join(name)))
    }

    /// The same, that goes by another file than those of this rig.
    pub(crate) fn with_pace(cluster: &'a Cluster, id: &str, name: &str, pace: Pace) -> Self {
        Self { cluster, id: id.to_owned(), name: name.to_owned(), pace }
    }

    /// Another one of the same name.
    pub(crate) async fn twin(&self) -> Self {
        Self::named(self.cluster, self.name.clone(), 5_000, 600_000).await
    }

    /// Snapshots take forever from now on.
    pub(crate) fn hold(&self) {
        self.pace.set(FOREVER).unwrap();
    }

    /// Snapshots are done at once, the one under way too.
    pub(crate) fn release(&self) {
        self.pace.set(Duration::ZERO).unwrap();
    }

    /// Its tasks do not come to run any more until the gate is opened.
    pub(crate) fn close_gate(&self) {
        self.pace.close_gate().unwrap();
    }

    /// They may run.
    pub(crate) fn open_gate(&self) {
        self.pace.open_gate().unwrap();
    }

    /// It fails once, at its next record.
    pub(crate) fn fail_once(&self) {
        self.pace.fail_once().unwrap();
    }

    /// Waits until all its tasks run.
    pub(crate) async fn until_running(&self) {
        until("a job whose tasks run", || async {
            let job = self.cluster.get(&format!("/jobs/{}", self.id)).await.ok()?;
            let vertices = job["vertices"].as_array()?;
            let all = vertices.iter().all(|vertex| vertex["status"] == "RUNNING");
            (job["state"] == "RUNNING" && all && !vertices.is_empty()).then_some(())
        })
        .await;
    }

    /// What Flink says the interval and the timeout are.
    pub(crate) async fn flinks_values(&self) -> (u64, u64) {
        let config = self.cluster.get(&format!("/jobs/{}/checkpoints/config", self.id)).await.unwrap();
        (config["interval"].as_u64().unwrap(), config["timeout"].as_u64().unwrap())
    }

    /// Waits until Flink says these values: it looks every 3 s.
    pub(crate) async fn until_flinks_values(&self, wanted: (u64, u64)) {
        until(&format!("Flink's REST API shows {wanted:?}"), || async {
            (self.flinks_values().await == wanted).then_some(())
        })
        .await;
    }

    /// Flink's checkpoints, newest first.
    pub(crate) async fn checkpoints(&self) -> Vec<Value> {
        let seen = self.cluster.get(&format!("/jobs/{}/checkpoints", self.id)).await;
        seen.ok().and_then(|seen| seen["history"].as_array().cloned()).unwrap_or_default()
    }

    /// Waits until Flink shows a checkpoint in flight; its number. What it shows is up to 3 s old.
    pub(crate) async fn in_flight(&self) -> u64 {
        until("a checkpoint in flight", || async {
            let checkpoints = self.checkpoints().await;
            checkpoints.iter().find(|seen| seen["status"] == "IN_PROGRESS")?["id"].as_u64()
        })
        .await
    }

    /// Waits until a checkpoint is not in flight any more; what became of it. It is looked for among the newest
    /// ten: for one that is not among them, Flink's details may be those of another job's checkpoint of the
    /// same number, since it keeps them by that alone.
    pub(crate) async fn end_of(&self, id: u64) -> Value {
        until("the end of a checkpoint", || async {
            let checkpoints = self.checkpoints().await;
            let oldest = checkpoints.iter().filter_map(|seen| seen["id"].as_u64()).min();
            assert!(oldest.is_none_or(|oldest| oldest <= id), "checkpoint {id} is too old to be shown");
            checkpoints.into_iter().find(|seen| seen["id"] == id && seen["status"] != "IN_PROGRESS")
        })
        .await
    }

    /// Waits until checkpoint `id` has completed.
    pub(crate) async fn completes(&self, id: u64) -> Value {
        let ended = self.end_of(id).await;
        assert_eq!(ended["status"], "COMPLETED", "{ended}");
        ended
    }

    /// Waits until checkpoint `id` has expired.
    pub(crate) async fn expires(&self, id: u64) -> Value {
        let ended = self.end_of(id).await;
        assert_eq!(ended["status"], "FAILED", "{ended}");
        let message = ended["failure_message"].as_str().unwrap_or_default();
        assert!(message.contains(ckpt_api::flink::EXPIRED), "{ended}");
        ended
    }

    /// Waits for `count` checkpoints that were triggered one after another after checkpoint `id`, and says how
    /// many milliseconds are between them.
    pub(crate) async fn gaps_after(&self, id: u64, count: usize) -> Vec<u64> {
        self.gaps(count, |seen| seen["id"].as_u64().is_some_and(|number| number > id)).await
    }

    /// The same, of those that were triggered after a time, in milliseconds since 1970.
    pub(crate) async fn gaps_since(&self, time: u64, count: usize) -> Vec<u64> {
        self.gaps(count, |seen| seen["trigger_timestamp"].as_u64().is_some_and(|at| at > time)).await
    }

    async fn gaps(&self, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<u64> {
        let triggered = until("checkpoints one after another", || async {
            let mut later: Vec<_> = self.checkpoints().await;
            later.retain(&wanted);
            (later.len() > count).then_some(later)
        })
        .await;
        let mut at: Vec<_> = triggered.iter().filter_map(|seen| seen["trigger_timestamp"].as_u64()).collect();
        at.sort_unstable();
        at.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Waits for its first checkpoint; the number of the newest.
    pub(crate) async fn first(&self) -> u64 {
        until("the first checkpoint", || async { Some(self.newest().await).filter(|id| *id > 0) }).await
    }

    /// The number of its newest checkpoint, 0 without one.
    pub(crate) async fn newest(&self) -> u64 {
        self.checkpoints().await.first().and_then(|seen| seen["id"].as_u64()).unwrap_or(0)
    }

    /// Cancels it, so that it takes nothing from others.
    pub(crate) async fn cancel(self) {
        self.release();
        let path = format!("/jobs/{}?mode=cancel", self.id);
        let answer = self.cluster.call("PATCH", &path, &Value::Null).await.unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}
