//! Jobs are submitted and cancelled as fast as the cluster takes them, while several operators change them.
//!
//! Every value that is ever submitted or asked for is a number of its own, and belongs to one job: interval and
//! timeout are both made of it. So a value in a wrong job, and a pair of which each half is of another change,
//! are seen wherever they show.

use crate::daemon::{CLUSTER, Daemon, LIMIT, until};
use crate::rig::{Kind, Rig};
use ckpt_api::{Configuration, Value as Three};
use ckpt_local_flink::{Cluster, Pace, SlowJob, Uploaded};
use futures::future::join_all;
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long it lasts in seconds, unless this variable says otherwise.
const SECONDS: &str = "CKPT_STORM_SECONDS";
const DEFAULT_SECONDS: u64 = 20;
const SUBMITTERS: usize = 3;
/// How many jobs each of them keeps at most.
const KEPT: usize = 3;
const OPERATORS: usize = 4;
/// Jobs that live as long as the storm: that many are changed in it, and as many never.
const WITNESSES: usize = 3;

/// The values that belong to a number, in milliseconds: checkpoints come often, and none expires.
fn pair(number: u64) -> (u64, u64) {
    (1_000 + number, 600_000 + number)
}

pub(crate) async fn a_storm_of_jobs_and_changes_harms_nobody(rig: &'static Rig) {
    let cluster = rig.start(Kind::Checked).await.unwrap_or_else(|error| panic!("{error}"));
    let daemon = Daemon::follow(&cluster.url()).await;
    let (job_manager, ckptd) = (cluster.job_manager_pid(), daemon.pid());
    let seconds = std::env::var(SECONDS).map_or(DEFAULT_SECONDS, |seconds| seconds.parse().unwrap());
    let jar = Uploaded::new(&cluster).await.unwrap();
    let storm = Storm {
        cluster: &cluster,
        daemon: &daemon,
        jar,
        ends: Instant::now() + Duration::from_secs(seconds),
        numbers: AtomicU64::new(0),
        owners: Mutex::default(),
        live: Mutex::default(),
        touched: Mutex::default(),
        seen: Mutex::default(),
    };
    let (mut untouched, mut touched) = (Vec::new(), Vec::new());
    for _ in 0..WITNESSES {
        untouched.push(storm.submit().await);
        touched.push(storm.submit().await);
    }
    for (job, _) in untouched.iter().chain(&touched) {
        daemon.until("a witness that runs", job, |seen| seen.state.name() == "RUNNING").await;
    }
    *storm.touched.lock().unwrap() =
        touched.iter().map(|(job, number)| (job.clone(), (0, *number))).collect();
    storm.rage().await;

    // Only the witnesses are left, for Flink and for ckptd.
    let mut witnesses: Vec<_> = untouched.iter().chain(&touched).map(|(job, _)| job.clone()).collect();
    witnesses.sort();
    until("the end of all jobs but the witnesses", || async {
        let overview = cluster.get("/jobs/overview").await.unwrap();
        let jobs = overview["jobs"].as_array().unwrap().iter();
        let mut left: Vec<_> = jobs
            .filter(|job| !["CANCELED", "FAILED", "FINISHED"].contains(&job["state"].as_str().unwrap()))
            .map(|job| job["jid"].as_str().unwrap().to_owned())
            .collect();
        left.sort();
        (left == witnesses).then_some(())
    })
    .await;
    storm.untouched(&untouched).await;
    storm.last_acknowledged().await;
    until("an override file with nobody but the witnesses", || async {
        let records = records(&daemon);
        records.iter().all(|job| storm.touched.lock().unwrap().contains_key(job)).then_some(())
    })
    .await;

    // Nobody died, and nobody had anything to complain about.
    assert!(daemon.is_running() && daemon.pid() == ckptd, "{}", daemon.log());
    assert!(cluster.job_manager_pid() == job_manager && cluster.get("/config").await.is_ok());
    let files = std::fs::read_dir(cluster.directory()).unwrap().flatten();
    let crashes: Vec<_> =
        files.filter(|file| file.file_name().to_string_lossy().starts_with("hs_err")).collect();
    assert!(crashes.is_empty(), "{crashes:?}");
    let said = std::fs::read_to_string(cluster.job_manager_stdout()).unwrap()
        + &std::fs::read_to_string(cluster.job_manager_stderr()).unwrap();
    lines_without(&said, &["in native method", "Warning: SIG", "OutOfMemoryError"]);
    lines_without(&daemon.log(), &["panicked", " ERROR "]);
    let warnings = daemon.log().lines().filter(|line| line.contains(" WARN ")).count();
    println!(
        "{}: {seconds} s of storm, {warnings} warnings of ckptd: {:#?}",
        rig.version,
        storm.seen.lock().unwrap()
    );
    assert_eq!(storm.lacks(), None);
}

/// What is shared by all who rage.
struct Storm<'a> {
    cluster: &'a Cluster,
    daemon: &'a Daemon,
    jar: Uploaded,
    ends: Instant,
    numbers: AtomicU64,
    /// The job that each number belongs to.
    owners: Mutex<HashMap<u64, String>>,
    /// The jobs that come and go.
    live: Mutex<Vec<String>>,
    /// The witnesses that are changed: the newest revision that was acknowledged, and its number.
    touched: Mutex<HashMap<String, (u64, u64)>>,
    /// How often what happened.
    seen: Mutex<BTreeMap<String, u64>>,
}

impl Storm<'_> {
    async fn rage(&self) {
        let submitters = join_all((0..SUBMITTERS).map(|_| self.submit_and_cancel()));
        let operators = join_all((0..OPERATORS).map(|_| self.operate()));
        tokio::join!(submitters, operators, self.observe());
    }

    /// On a slow machine it lasts longer, until enough happened for it to mean something.
    fn goes_on(&self) -> bool {
        let now = Instant::now();
        now < self.ends || (now < self.ends + LIMIT && self.lacks().is_some())
    }

    /// What has not happened often enough.
    fn lacks(&self) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        let enough = [
            ("jobs cancelled", SUBMITTERS * KEPT),
            ("changes of jobs that come and go: 200", 3),
            ("changes of witnesses: 200", WITNESSES),
            ("looks at a pair: Flink", WITNESSES),
            ("looks at a pair: ckptd", WITNESSES),
        ];
        let lacks = |what: &str, least| seen.get(what).is_none_or(|count| *count < least);
        let lack = enough.into_iter().find(|(what, least)| lacks(what, *least as u64))?;
        Some(format!("too few '{}': {seen:#?}", lack.0))
    }

    fn count(&self, what: impl Into<String>) {
        *self.seen.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    fn number_for(&self, job: &str) -> u64 {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.owners.lock().unwrap().insert(number, job.to_owned());
        number
    }

    /// A job, and the number that it was submitted with.
    async fn submit(&self) -> (String, u64) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let name = format!("storm-{number}");
        let (interval, timeout) = pair(number);
        let job = SlowJob {
            pace: Pace::new(self.cluster.directory().join(&name)),
            name,
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(timeout),
            tolerable_failures: 100_000,
            parallelism: 1,
        };
        let id = job.run(self.cluster, &self.jar).await.unwrap_or_else(|error| panic!("{error}"));
        self.owners.lock().unwrap().insert(number, id.clone());
        self.count("jobs submitted");
        (id, number)
    }

    /// Keeps a few jobs, and cancels the oldest for each new one.
    async fn submit_and_cancel(&self) {
        let mut kept = VecDeque::new();
        while self.goes_on() {
            let (job, _) = self.submit().await;
            self.live.lock().unwrap().push(job.clone());
            kept.push_back(job);
            if kept.len() > KEPT {
                self.cancel(&kept.pop_front().unwrap()).await;
            }
        }
        for job in kept {
            self.cancel(&job).await;
        }
    }

    async fn cancel(&self, job: &str) {
        self.live.lock().unwrap().retain(|live| live != job);
        self.compare_with_flink(job).await;
        let path = format!("/jobs/{job}?mode=cancel");
        let answer = self.cluster.call("PATCH", &path, &Value::Null).await.unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
        self.count("jobs cancelled");
    }

    /// What Flink itself says about a job is one pair, and one of its own.
    async fn compare_with_flink(&self, job: &str) {
        let path = format!("/jobs/{job}/checkpoints/config");
        let answer = self.cluster.call("GET", &path, &Value::Null).await.unwrap();
        // A job that is being initialised has no checkpoints yet.
        if answer.status == 200 {
            let value = |name: &str| answer.body[name].as_u64();
            self.belongs("Flink", job, value("interval"), value("timeout"));
        } else {
            assert_eq!(answer.status, 404, "{answer:?}");
        }
    }

    fn belongs(&self, who: &str, job: &str, interval: Option<u64>, timeout: Option<u64>) {
        let (Some(interval), Some(timeout)) = (interval, timeout) else {
            assert_eq!(interval, timeout, "{who} shows half a pair for {job}");
            return;
        };
        let number = timeout - pair(0).1;
        assert_eq!((interval, timeout), pair(number), "{who} shows a torn pair for {job}");
        // A job whose submission is not answered yet has no owner in the book; its name says its number.
        let owner = self.owners.lock().unwrap().get(&number).cloned();
        assert!(owner.as_deref().is_none_or(|owner| owner == job), "{who}: {job} has a value of {owner:?}");
        self.count(format!("looks at a pair: {who}"));
    }

    /// Changes and resets jobs that come and go, and witnesses.
    async fn operate(&self) {
        while self.goes_on() {
            let (job, witness) = {
                let mut dice = rand::rng();
                let touched = self.touched.lock().unwrap();
                let live = self.live.lock().unwrap();
                let witness = dice.random_bool(0.3) || live.is_empty();
                let job = if witness {
                    touched.keys().cloned().collect::<Vec<_>>().choose(&mut dice).cloned()
                } else {
                    live.choose(&mut dice).cloned()
                };
                (job.unwrap(), witness)
            };
            let reset = rand::rng().random_bool(0.2);
            let path = format!("/jobs/{job}/checkpoints/configuration");
            let (answer, what) = if reset {
                (self.daemon.call("DELETE", &path, "").await, "resets")
            } else {
                let (interval, timeout) = pair(self.number_for(&job));
                let body = json!({"checkpointInterval": interval, "checkpointTimeout": timeout});
                (self.daemon.call("PATCH", &path, &body.to_string()).await, "changes")
            };
            let whose = if witness { "witnesses" } else { "jobs that come and go" };
            self.count(format!("{what} of {whose}: {}", answer.status));
            let known = if witness { &[200, 202][..] } else { &[200, 202, 404, 409] };
            assert!(
                known.contains(&answer.status),
                "{what} of {whose}: {answer:?}\n{}",
                tail(&self.daemon.log())
            );
            if let 200 | 202 = answer.status {
                let seen: Configuration = serde_json::from_value(answer.body).unwrap();
                assert_eq!(seen.job_id.to_string(), job);
                self.look_at(&seen);
                let number = seen.checkpoint_timeout.effective.unwrap() - pair(0).1;
                if let Some(newest) = self.touched.lock().unwrap().get_mut(&job) {
                    *newest = (*newest).max((seen.revision, number));
                }
            }
        }
    }

    /// Looks at all jobs through ckptd, again and again.
    async fn observe(&self) {
        while self.goes_on() {
            for seen in self.daemon.list().await.jobs {
                self.look_at(&seen);
            }
            let witnesses: Vec<_> = self.touched.lock().unwrap().keys().cloned().collect();
            for witness in witnesses {
                self.compare_with_flink(&witness).await;
            }
        }
    }

    fn look_at(&self, seen: &Configuration) {
        let job = seen.job_id.to_string();
        let of = |three: fn(&Three) -> Option<u64>| {
            (three(&seen.checkpoint_interval), three(&seen.checkpoint_timeout))
        };
        for (interval, timeout) in [of(|it| it.submitted), of(|it| it.overridden), of(|it| it.effective)] {
            self.belongs("ckptd", &job, interval, timeout);
        }
    }

    async fn untouched(&self, untouched: &[(String, u64)]) {
        for (job, number) in untouched {
            let config = self.cluster.get(&format!("/jobs/{job}/checkpoints/config")).await.unwrap();
            assert_eq!((config["interval"].as_u64(), config["timeout"].as_u64()), both(*number), "{config}");
            let seen = self.daemon.configuration(job).await;
            assert_eq!((seen.revision, seen.checkpoint_timeout.overridden), (0, None), "{seen:?}");
            // It was not restarted either, and checkpoints complete.
            let checkpoints = self.cluster.get(&format!("/jobs/{job}/checkpoints")).await.unwrap();
            assert_eq!(checkpoints["counts"]["restored"], 0, "{checkpoints}");
            assert!(checkpoints["counts"]["completed"].as_u64() > Some(0), "{checkpoints}");
        }
    }

    /// The last change that was acknowledged is what holds, for ckptd and for Flink.
    async fn last_acknowledged(&self) {
        let touched = self.touched.lock().unwrap().clone();
        for (job, (revision, number)) in touched {
            let wanted = both(number);
            let seen = self.daemon.until("a change that is applied", &job, |seen| seen.applied).await;
            let shown = (seen.checkpoint_interval.effective, seen.checkpoint_timeout.effective);
            assert_eq!((seen.revision, shown), (revision, wanted), "{seen:?}");
            // What Flink shows is up to 3 s old.
            until("Flink's own REST API shows what was acknowledged last", || async {
                let config = self.cluster.get(&format!("/jobs/{job}/checkpoints/config")).await.unwrap();
                ((config["interval"].as_u64(), config["timeout"].as_u64()) == wanted).then_some(())
            })
            .await;
        }
    }
}

fn both(number: u64) -> (Option<u64>, Option<u64>) {
    let (interval, timeout) = pair(number);
    (Some(interval), Some(timeout))
}

/// The jobs of the followed cluster that the override file has records of.
fn records(daemon: &Daemon) -> Vec<String> {
    let text = std::fs::read_to_string(daemon.state().join("overrides.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let clusters = file["$internal.job-checkpoint-overrides"].as_object().unwrap();
    clusters
        .get(CLUSTER)
        .and_then(Value::as_object)
        .map(|jobs| jobs.keys().cloned().collect())
        .unwrap_or_default()
}

fn lines_without(text: &str, bad: &[&str]) {
    let found: Vec<_> =
        text.lines().filter(|line| bad.iter().any(|bad| line.contains(bad))).take(20).collect();
    assert!(found.is_empty(), "{found:#?}");
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
