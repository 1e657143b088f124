//! Savepoints, as Flink's `POST …/savepoints` makes them.

use crate::shape::{assert_same, recorded};
use crate::support::{Answer, Host, job_file, request, with_json};
use axum::http::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const TRIGGER_ID: &str = "0123456789abcdef0123456789abcdef";
/// One subtask needs 10 s, so that there is time for something else.
const SLOW: &str = "faults = [{subtask = 1, kind = 'straggler', speed = '100B/s'}]";

fn quick() -> String {
    job_file("quick", 2, "timeout = '1h'\nretained = 9", "")
}

/// Its own checkpoints come every minute, and it survives failures.
fn slow() -> String {
    job_file(
        "slow",
        2,
        "interval = '1m'\ntimeout = '1h'\nmin-pause = '1m'\ntolerable-failures = 'unlimited'",
        SLOW,
    )
}

/// A host, and a place for savepoints outside its state directory.
async fn host() -> (Host, TempDir) {
    (Host::new().await, tempfile::tempdir().unwrap())
}

async fn ask(host: &Host, job: &str, body: &Value) -> Answer {
    host.send(with_json(request(Method::POST, &format!("/jobs/{job}/savepoints")), &body.to_string())).await
}

/// Asks for a savepoint that is taken on, and returns the request's id.
async fn savepoint(host: &Host, job: &str, target: &Path, cancel: bool) -> String {
    let answer = ask(host, job, &json!({"target-directory": target, "cancel-job": cancel})).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.body);
    assert_same(&answer.json(), &recorded("savepoints-and-cancel")["trigger"]["body"]);
    answer.json()["request-id"].as_str().unwrap().to_owned()
}

async fn outcome(host: &Host, job: &str, id: &str) -> Value {
    let path = format!("/jobs/{job}/savepoints/{id}");
    host.until(&path, |seen| seen["status"]["id"] == "COMPLETED").await
}

/// The directory of a savepoint that completes.
async fn completed(host: &Host, job: &str, id: &str) -> PathBuf {
    let status = outcome(host, job, id).await;
    assert_same(&status, &recorded("savepoints-and-cancel")["status"]["body"]);
    PathBuf::from(status["operation"]["location"].as_str().unwrap().strip_prefix("file:").unwrap())
}

/// Why a savepoint failed.
async fn failed(host: &Host, job: &str, id: &str) -> String {
    let status = outcome(host, job, id).await;
    let fields: Vec<_> = status["operation"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["failure-cause"], "{status}");
    status["operation"]["failure-cause"]["stack-trace"].as_str().unwrap().to_owned()
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_is_whole_can_be_moved_and_is_no_checkpoint() {
    let (host, home) = host().await;
    let id = host.run(&quick()).await;
    host.trigger("quick").await;
    host.until_over("quick", 1).await;
    let target = home.path().join("made/for/it");
    let asked = savepoint(&host, "quick", &target, false).await;
    let directory = completed(&host, "quick", &asked).await;
    assert_eq!(directory.parent(), Some(target.as_path()));
    let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
    let hex = name.strip_prefix(&format!("savepoint-{}-", &id[..6])).unwrap();
    assert!(hex.len() == 12 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    let metadata: Value = serde_json::from_slice(&fs::read(directory.join("_metadata")).unwrap()).unwrap();
    assert_eq!((&metadata["savepoint"], &metadata["checkpointId"]), (&json!(true), &json!(2)));
    for stored in metadata["subtasks"].as_array().unwrap() {
        let location = stored["location"].as_str().unwrap();
        assert!(!location.contains('/'), "it can be moved: {location}");
        assert_eq!(fs::metadata(directory.join(location)).unwrap().len(), stored["bytes"]);
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);

    let seen = host.seen("/jobs/quick/checkpoints/details/2").await;
    assert_eq!((&seen["is_savepoint"], &seen["checkpoint_type"]), (&json!(true), &json!("SAVEPOINT")));
    assert_eq!(seen["external_path"], json!(format!("file:{}", directory.display())));
    // A later start is from the checkpoint (rule 28), and numbers go on above the savepoint.
    let host = host.restarted().await;
    host.until_state("quick", "RUNNING").await;
    assert_eq!(host.seen("/jobs/quick/checkpoints").await["latest"]["restored"]["id"], 1);
    host.trigger("quick").await;
    assert_eq!(host.until_over("quick", 3).await["status"], "COMPLETED");
    // Its end deletes all but the savepoint.
    host.cancelled("quick").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(is_empty(&host.checkpoints(&id)));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_progress_is_flinks_and_the_same_one_again_is_one_savepoint() {
    let (host, home) = host().await;
    host.run(&slow()).await;
    let body = json!({"target-directory": format!("file://{}", home.path().display()), "triggerId": TRIGGER_ID,
                      "formatType": "NATIVE", "cancel-job": true});
    for _ in 0..2 {
        assert_eq!(ask(&host, "slow", &body).await.json(), json!({"request-id": TRIGGER_ID}));
    }
    let in_progress = json!({"status": {"id": "IN_PROGRESS"}, "operation": null});
    for prefix in ["", "/v1"] {
        let path = format!("{prefix}/jobs/slow/savepoints/{TRIGGER_ID}");
        assert_eq!(host.seen(&path).await, in_progress);
    }
    host.get(&format!("/jobs/slow/checkpoints/{TRIGGER_ID}")).await.error(404);
    completed(&host, "slow", TRIGGER_ID).await;
    host.until_state("slow", "CANCELED").await;
    assert_eq!(ask(&host, "slow", &body).await.status.as_u16(), 202, "also after the job's end");
    assert_eq!(host.seen("/jobs/slow/checkpoints").await["counts"]["total"], 1);
    host.get("/jobs/slow/savepoints/0123456789abcdef0123456789abcde0").await.error(404);
    host.get("/jobs/slow/savepoints/abc").await.error(400);
}

#[tokio::test(start_paused = true)]
async fn a_bad_request_is_400_and_makes_nothing() {
    let (host, _) = host().await;
    host.run(&quick()).await;
    for (body, part) in [
        (json!({}), "needs a directory"),
        (json!({"target-directory": null}), "needs a directory"),
        (json!({"target-directory": ""}), "is empty"),
        (json!({"target-directory": "savepoints"}), "neither an absolute path"),
        (json!({"target-directory": "s3://bucket/x"}), "neither an absolute path"),
        (json!({"target-directory": "file://elsewhere/x"}), "without a host"),
        (json!({"target-directory": "/a\u{7}b"}), "control character"),
        (json!({"target-directory": 5}), "not understood"),
        (json!({"target-directory": "/x", "cancel-job": "yes"}), "not understood"),
        (json!({"target-directory": "/x", "cancelJob": true}), "not understood"),
        (json!({"target-directory": "/x", "formatType": "native"}), "not understood"),
        (json!({"target-directory": "/x", "triggerId": "abc"}), "not understood"),
        (json!([]), "must be a JSON object"),
    ] {
        let sentence = ask(&host, "quick", &body).await.error(400);
        assert!(sentence.contains(part) && !sentence.contains('\u{7}'), "{body}: {sentence}");
    }
    let empty = with_json(request(Method::POST, "/jobs/quick/savepoints"), "");
    host.send(empty).await.error(400);
    ask(&host, "nobody", &json!({"target-directory": "/x"})).await.error(404);
    assert_eq!(host.seen("/jobs/quick/checkpoints").await["counts"]["total"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_has_ended_or_restarts_makes_none() {
    let (host, home) = host().await;
    let file = job_file("fragile", 1, "timeout = '1m'", "faults = [{kind = 'decline'}]");
    host.run(&format!("{file}[restart]\ndelay = '1h'\n")).await;
    host.trigger("fragile").await;
    host.until_state("fragile", "RESTARTING").await;
    for cancel in [false, true] {
        let body = json!({"target-directory": home.path(), "cancel-job": cancel});
        assert!(ask(&host, "fragile", &body).await.error(409).contains("RESTARTING"));
    }
    host.cancelled("fragile").await;
    let body = json!({"target-directory": home.path()});
    assert!(ask(&host, "fragile", &body).await.error(409).contains("CANCELED"));
    assert!(is_empty(home.path()));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_cannot_be_made_fails_the_savepoint_and_nothing_else() {
    let (host, home) = host().await;
    let id = host.run(&job_file("strict", 2, "timeout = '1h'\nretained = 9", "")).await;
    let file = home.path().join("file");
    fs::write(&file, "in the way").unwrap();
    for target in [&file, &file.join("below")] {
        let asked = savepoint(&host, "strict", target, false).await;
        let cause = failed(&host, "strict", &asked).await;
        assert!(cause.contains("IO-problem") && cause.contains("Not a directory"), "{cause}");
        assert!(cause.contains(&file.display().to_string()), "{cause}");
    }
    // No failure is tolerated, and these do not count (rule 35).
    let seen = host.configuration("strict").await;
    assert_eq!((&seen["state"], &seen["failures"]["consecutive"]), (&json!("RUNNING"), &json!(0)));
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
    host.trigger("strict").await;
    assert_eq!(host.until_over("strict", 3).await["status"], "COMPLETED");

    // What has its name already is somebody else's.
    let asked = savepoint(&host, "strict", home.path(), false).await;
    let directory = completed(&host, "strict", &asked).await;
    let name = |number: u64| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(format!("{id}/{number}"));
        let hex: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        home.path().join(format!("savepoint-{}-{hex}", &id[..6]))
    };
    assert_eq!(directory, name(4));
    fs::create_dir(name(5)).unwrap();
    fs::write(name(5).join("precious"), "").unwrap();
    let asked = savepoint(&host, "strict", home.path(), false).await;
    let cause = failed(&host, "strict", &asked).await;
    assert!(cause.contains("there already, and nothing is written into it"), "{cause}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fs::read_dir(name(5)).unwrap().count(), 1);
    let asked = savepoint(&host, "strict", home.path(), false).await;
    assert_eq!(completed(&host, "strict", &asked).await, name(6));
}

#[tokio::test(start_paused = true)]
async fn savepoints_run_beside_checkpoints_and_expire_like_them() {
    let (host, home) = host().await;
    host.run(&slow()).await;
    host.trigger("slow").await;
    let (one, two) = tokio::join!(
        savepoint(&host, "slow", home.path(), false),
        savepoint(&host, "slow", home.path(), false)
    );
    let seen = host.until_configuration("slow", |seen| seen["inFlight"].as_array().unwrap().len() == 3).await;
    let kinds: Vec<_> =
        seen["inFlight"].as_array().unwrap().iter().map(|one| one["savepoint"].clone()).collect();
    assert_eq!(kinds.iter().filter(|savepoint| **savepoint == json!(true)).count(), 2, "{seen}");
    let (one, two) = (completed(&host, "slow", &one).await, completed(&host, "slow", &two).await);
    assert_ne!(one, two);
    assert_eq!(host.until_over("slow", 1).await["status"], "COMPLETED");

    let place = home.path().join("late");
    let late = savepoint(&host, "slow", &place, false).await;
    host.until_configuration("slow", |seen| seen["inFlight"][0]["savepoint"] == true).await;
    host.change("slow", &json!({"checkpointTimeout": 1_000})).await;
    assert!(failed(&host, "slow", &late).await.contains("expired before completing"));
    assert_eq!(host.configuration("slow").await["failures"]["consecutive"], 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(is_empty(&place), "only its own directory goes");
    assert!(one.join("_metadata").is_file() && two.join("_metadata").is_file());
}

#[tokio::test(start_paused = true)]
async fn a_job_is_cancelled_with_a_savepoint_after_which_nothing_is_triggered() {
    let (host, home) = host().await;
    let id = host.run(&slow()).await;
    let pending = host.trigger("slow").await;
    let plain = savepoint(&host, "slow", home.path(), false).await;
    host.until_configuration("slow", |seen| seen["inFlight"].as_array().unwrap().len() == 2).await;
    let last = savepoint(&host, "slow", home.path(), true).await;
    // Rule 8: all that was pending is aborted, and the scheduler stands still.
    assert!(failed(&host, "slow", &plain).await.contains("suspending"));
    let path = format!("/jobs/slow/checkpoints/{pending}");
    host.until(&path, |seen| seen["operation"]["failureCause"].is_object()).await;
    let seen = host.until_configuration("slow", |seen| seen["inFlight"][0]["savepoint"] == true).await;
    assert_eq!((&seen["nextTrigger"], &seen["state"]), (&Value::Null, &json!("RUNNING")));
    let directory = completed(&host, "slow", &last).await;
    host.until_state("slow", "CANCELED").await;
    assert_eq!(host.seen("/jobs/slow/checkpoints").await["counts"]["in_progress"], 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(directory.join("_metadata").is_file());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "what was aborted is gone");
    assert!(is_empty(&host.checkpoints(&id)));
}

#[tokio::test(start_paused = true)]
async fn a_job_goes_on_when_its_last_savepoint_fails() {
    let (host, home) = host().await;
    host.run(&slow()).await;
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let asked = savepoint(&host, "slow", &file, true).await;
    failed(&host, "slow", &asked).await;
    // Rule 5: every later start of the scheduler waits for min-pause.
    let seen = host.configuration("slow").await;
    let left = seen["nextTrigger"].as_u64().unwrap() - seen["observedAt"].as_u64().unwrap();
    assert!((55_000..=60_000).contains(&left), "{seen}");
    assert_eq!(host.until_over("slow", 2).await["status"], "COMPLETED");
    assert_eq!(host.configuration("slow").await["state"], "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_second_last_savepoint_is_refused_and_leaves_the_first_alone() {
    let (host, home) = host().await;
    host.run(&slow()).await;
    let first = savepoint(&host, "slow", home.path(), true).await;
    let seen = host.until_configuration("slow", |seen| seen["inFlight"][0]["id"] == 1).await;
    assert!(seen["warnings"][0].as_str().unwrap().contains("cancelled when it has completed"), "{seen}");
    let second = json!({"target-directory": "/proc/nowhere", "cancel-job": true});
    assert!(ask(&host, "slow", &second).await.error(409).contains("is being made already"));
    assert_eq!(host.configuration("slow").await["nextTrigger"], Value::Null, "it still stands still");
    completed(&host, "slow", &first).await;
    host.until_state("slow", "CANCELED").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_cancelled_or_fails_before_its_last_savepoint_leaves_nothing_stuck() {
    let (host, home) = host().await;
    host.run(&slow()).await;
    let asked = savepoint(&host, "slow", home.path(), true).await;
    host.until_configuration("slow", |seen| seen["inFlight"][0]["id"] == 1).await;
    host.cancelled("slow").await;
    assert!(failed(&host, "slow", &asked).await.contains("suspending"));
    assert_eq!(host.configuration("slow").await["state"], "CANCELED");

    // A task declines the savepoint, which is one failure too many (rule 35).
    let file =
        job_file("fails", 2, "interval = '1h'\ntimeout = '1h'", "faults = [{to = 1, kind = 'decline'}]");
    host.run(&format!("{file}[restart]\ndelay = '1m'\n")).await;
    let asked = savepoint(&host, "fails", home.path(), true).await;
    assert!(failed(&host, "fails", &asked).await.contains("declined"));
    host.until_state("fails", "RESTARTING").await;
    let seen = host.until_state("fails", "RUNNING").await;
    assert!(seen["nextTrigger"].is_u64(), "{seen}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(is_empty(home.path()));
    let asked = savepoint(&host, "fails", home.path(), true).await;
    completed(&host, "fails", &asked).await;
    host.until_state("fails", "CANCELED").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_is_not_stopped_without_a_savepoint() {
    let host = Host::new().await;
    host.run(&quick()).await;
    for mode in ["stop", "drain"] {
        let path = format!("/jobs/quick?mode={mode}");
        let sentence = host.patch_to(&path, &json!({})).await.error(400);
        assert!(sentence.contains("mode=cancel") && sentence.contains("savepoints"), "{sentence}");
    }
    assert_eq!(host.configuration("quick").await["state"], "RUNNING");
}
