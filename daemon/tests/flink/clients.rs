//! Flink's own command line, and the classes that it reads answers with, against a ckptd that hosts jobs.

use crate::daemon::{Daemon, LIMIT, until};
use crate::rig::Rig;
use ckpt_api::JobState;
use ckpt_client::local as paths;
use ckpt_local_flink::Distribution;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

const JOB: &str = "name = 'quick'
vertices = [{name = 'source', parallelism = 2}, {name = 'sink', parallelism = 2}]
[checkpointing]
timeout = '1h'
tolerable-failures = 'unlimited'
[rehearsal]
size = '1kB'
";
/// Reads answers strictly and writes them again.
const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/flink/StrictReader.java");

/// What a program said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    text: String,
}

impl Said {
    #[track_caller]
    fn done(&self, parts: &[&str]) {
        self.ended_with(0, parts);
    }

    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        self.ended_with(1, parts);
    }

    #[track_caller]
    fn ended_with(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "'{part}' is not in:\n{}", self.text);
        }
    }

    /// The path that follows `what`.
    #[track_caller]
    fn place(&self, what: &str) -> PathBuf {
        let (_, rest) = self.text.split_once(what).unwrap_or_else(|| panic!("{}", self.text));
        PathBuf::from(rest.lines().next().unwrap_or_default().trim_end_matches('.'))
    }
}

/// A Flink's programs, and a ckptd that they are pointed at.
struct Tools {
    daemon: Daemon,
    flink: Distribution,
    home: TempDir,
}

impl Tools {
    /// A ckptd with the job `quick`, and with `faulty`, whose checkpoints are all declined.
    async fn new(rig: &Rig) -> Self {
        let home = tempfile::tempdir().unwrap();
        let faulty = JOB.replace("'quick'", "'faulty'") + "faults = [{subtask = 1, kind = 'decline'}]\n";
        let mut arguments = Vec::new();
        for (name, text) in [("quick", JOB), ("faulty", &faulty)] {
            let file = home.path().join(name);
            std::fs::write(&file, text).unwrap();
            arguments.extend(["--job".to_owned(), file.display().to_string()]);
        }
        let daemon = Daemon::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for name in ["config.yaml", "flink-conf.yaml"] {
            std::fs::write(home.path().join(name), "rest.address: 127.0.0.1\n").unwrap();
        }
        std::fs::write(home.path().join("log4j.properties"), "rootLogger.level = OFF\n").unwrap();
        let flink = rig.distribution().await.unwrap();
        for job in ["quick", "faulty"] {
            daemon.until("RUNNING", job, |seen| seen.state == JobState::Running).await;
        }
        Self { daemon, flink, home }
    }

    async fn id(&self, job: &str) -> String {
        self.daemon.configuration(job).await.job_id.to_string()
    }

    fn token(&self) -> String {
        format!("Authorization:Bearer {}", paths::read_token(&self.daemon.token_file()).unwrap())
    }

    /// `flink ACTION -m ckptd ARGUMENTS…`, with the token.
    async fn flink(&self, action: &str, arguments: &[&str]) -> Said {
        self.flink_with(Some(&self.token()), action, arguments).await
    }

    async fn flink_with(&self, headers: Option<&str>, action: &str, arguments: &[&str]) -> Said {
        let mut java = self.java();
        java.args(["org.apache.flink.client.cli.CliFrontend", action, "-m", &self.daemon.address]);
        java.args(arguments).env("FLINK_CONF_DIR", self.home.path());
        match headers {
            Some(headers) => java.env("FLINK_REST_CLIENT_HEADERS", headers),
            None => java.env_remove("FLINK_REST_CLIENT_HEADERS"),
        };
        run(java).await
    }

    fn java(&self) -> Command {
        let mut java = Command::new(&self.flink.machine.java);
        // They run for a second: nothing pays off that takes time to get fast.
        java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
        let logging = self.home.path().join("log4j.properties");
        java.arg(format!("-Dlog4j.configurationFile={}", logging.display()));
        java.arg("-cp").arg(self.flink.home.join("lib/*")).env_remove("JAVA_TOOL_OPTIONS");
        java
    }

    /// The path to the subtasks of a job's first vertex in its first checkpoint.
    async fn subtasks(&self, job: &str) -> String {
        let details = self.seen(&format!("/jobs/{job}")).await;
        let vertex = details["vertices"][0]["id"].as_str().unwrap();
        format!("/jobs/{job}/checkpoints/details/1/subtasks/{vertex}")
    }

    async fn seen(&self, path: &str) -> Value {
        let answer = self.daemon.call("GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }
}

async fn run(mut command: Command) -> Said {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.expect("the program ends").unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
}

pub(crate) async fn flinks_command_line_lists_triggers_and_cancels(rig: &'static Rig) {
    let tools = Tools::new(rig).await;
    let (quick, faulty) = (tools.id("quick").await, tools.id("faulty").await);
    // Reading is open: no token.
    let list = tools.flink_with(None, "list", &[]).await;
    list.done(&[&format!("{quick} : quick (RUNNING)"), &format!("{faulty} : faulty (RUNNING)")]);
    let checkpoint = tools.flink("checkpoint", &[&quick]).await;
    checkpoint.done(&[&format!("Checkpoint 1 for job {quick} completed.")]);
    let seen = tools.seen("/jobs/quick/checkpoints").await;
    assert_eq!(seen["counts"]["completed"], 1, "{seen}");
    assert_eq!(seen["latest"]["completed"]["is_savepoint"], false);
    tools.flink("checkpoint", &["-full", &quick]).await.done(&[&format!("2 for job {quick} completed.")]);
    let cancel = tools.flink("cancel", &[&quick]).await;
    cancel.done(&[&format!("Cancelled job {quick}.")]);
    tools.daemon.until("CANCELED", "quick", |seen| seen.state == JobState::Canceled).await;
    let list = tools.flink_with(None, "list", &["-a"]).await;
    list.done(&["Terminated Jobs", &format!("{quick} : quick (CANCELED)")]);
}

pub(crate) async fn flinks_command_line_shows_why_not(rig: &'static Rig) {
    let tools = Tools::new(rig).await;
    let (quick, faulty) = (tools.id("quick").await, tools.id("faulty").await);
    let nobody = "0".repeat(32);
    let unknown = tools.flink("checkpoint", &[&nobody]).await;
    unknown.refused(&[&format!("there is no job '{nobody}'"), "ckptctl get lists the jobs"]);
    let none = tools.flink_with(None, "checkpoint", &[&quick]).await;
    none.refused(&["needs ckptd's token, and none was sent", "FLINK_REST_CLIENT_HEADERS="]);
    let wrong = tools.flink_with(Some("Authorization:Bearer wrong"), "cancel", &[&quick]).await;
    wrong.refused(&["needs ckptd's token, and another one was sent", "FLINK_REST_CLIENT_HEADERS="]);
    // The reason travels as a Java object.
    let declined = tools.flink("checkpoint", &[&faulty]).await;
    let seen = tools.seen("/jobs/faulty/checkpoints").await;
    let reason = seen["latest"]["failed"]["failure_message"].as_str().unwrap();
    declined
        .refused(&[&format!("Caused by: org.apache.flink.runtime.checkpoint.CheckpointException: {reason}")]);
    let stopped = tools.flink("stop", &[&quick]).await;
    stopped.refused(&["a job cannot be stopped here, only cancelled"]);
    let deleted = tools.flink("savepoint", &["-d", "/savepoints/savepoint-1"]).await;
    deleted.refused(&["ckptd deletes no savepoints"]);
    assert_eq!(tools.seen("/jobs/quick/status").await["status"], "RUNNING");
    assert_eq!(tools.seen("/jobs/quick/checkpoints").await["counts"]["total"], 0);
}

pub(crate) async fn flinks_command_line_makes_savepoints(rig: &'static Rig) {
    let tools = Tools::new(rig).await;
    let (quick, faulty) = (tools.id("quick").await, tools.id("faulty").await);
    let target = tools.home.path().join("savepoints");
    let target = target.to_str().unwrap();
    let made = tools.flink("savepoint", &[&quick, target]).await;
    made.done(&["Savepoint completed."]);
    let place = made.place("Path: file:");
    assert!(place.starts_with(target) && place.join("_metadata").is_file(), "{}", made.text);
    let seen = tools.seen("/jobs/quick/checkpoints").await;
    assert_eq!(seen["latest"]["savepoint"]["external_path"], format!("file:{}", place.display()));
    // Nobody can write there, not even root.
    let file = tools.home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let unwritable = tools.flink("savepoint", &[&quick, file.to_str().unwrap()]).await;
    unwritable.refused(&["CheckpointException: ", "Not a directory", file.to_str().unwrap()]);
    // A job whose savepoint fails is not cancelled.
    let failed = tools.flink("cancel", &["-s", target, &faulty]).await;
    failed.refused(&["CheckpointException: "]);
    assert_eq!(tools.seen("/jobs/faulty/status").await["status"], "RUNNING");
    let cancelled = tools.flink("cancel", &["-s", target, &quick]).await;
    cancelled.done(&[&format!("Cancelled job {quick}. Savepoint stored in ")]);
    let last = cancelled.place("Savepoint stored in file:");
    assert!(last != place && last.join("_metadata").is_file(), "{}", cancelled.text);
    tools.daemon.until("CANCELED", "quick", |seen| seen.state == JobState::Canceled).await;
    assert!(place.join("_metadata").is_file(), "savepoints outlive their job");
}

/// The formats are those of the newest release, so only its classes have to know every field.
pub(crate) async fn flinks_own_classes_read_every_answer(rig: &'static Rig) {
    let tools = Tools::new(rig).await;
    let ended = |body: Value| (body["status"]["id"] == "COMPLETED").then_some(());
    let target = format!(r#"{{"target-directory": "{}"}}"#, tools.home.path().display());
    let mut operations = Vec::new();
    for (path, body) in [
        ("/jobs/quick/checkpoints", ""),
        ("/jobs/faulty/checkpoints", ""),
        ("/jobs/quick/savepoints", &target),
        ("/jobs/faulty/savepoints", &target),
    ] {
        let triggered = tools.daemon.call("POST", path, body).await;
        assert_eq!(triggered.status, 202, "{triggered:?}");
        let operation = format!("{path}/{}", triggered.body["request-id"].as_str().unwrap());
        until("the end of a checkpoint", || async { ended(tools.seen(&operation).await) }).await;
        operations.push(operation);
    }
    let (subtasks, failed_subtasks) = (tools.subtasks("quick").await, tools.subtasks("faulty").await);
    let mut reader = tools.java();
    reader.arg(READER);
    for (number, (class, path)) in [
        ("DashboardConfigurationHeaders", "/config"),
        ("ClusterOverviewHeaders", "/overview"),
        ("JobIdsWithStatusesOverviewHeaders", "/jobs"),
        ("JobsOverviewHeaders", "/jobs/overview"),
        ("job.JobDetailsHeaders", "/jobs/quick"),
        ("job.JobStatusInfoHeaders", "/jobs/quick/status"),
        ("checkpoints.CheckpointingStatisticsHeaders", "/jobs/quick/checkpoints"),
        ("checkpoints.CheckpointingStatisticsHeaders", "/jobs/faulty/checkpoints"),
        ("checkpoints.CheckpointConfigHeaders", "/jobs/quick/checkpoints/config"),
        ("checkpoints.CheckpointStatisticDetailsHeaders", "/jobs/quick/checkpoints/details/1"),
        ("checkpoints.CheckpointStatisticDetailsHeaders", "/jobs/faulty/checkpoints/details/1"),
        ("checkpoints.TaskCheckpointStatisticsHeaders", &subtasks),
        ("checkpoints.TaskCheckpointStatisticsHeaders", &failed_subtasks),
        ("checkpoints.CheckpointStatusHeaders", &operations[0]),
        ("checkpoints.CheckpointStatusHeaders", &operations[1]),
        ("job.savepoints.SavepointStatusHeaders", &operations[2]),
        ("job.savepoints.SavepointStatusHeaders", &operations[3]),
    ]
    .into_iter()
    .enumerate()
    {
        let file = tools.home.path().join(format!("answer-{number}"));
        std::fs::write(&file, tools.seen(path).await.to_string()).unwrap();
        reader.arg(class).arg(file);
    }
    run(reader).await.done(&[]);
}
