//! Jobs that start from a savepoint or a retained checkpoint.

use crate::support::{Answer, Host, job_file, request, with_json};
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn quick(name: &str) -> String {
    job_file(name, 2, "timeout = '1h'\nretained = 9", "")
}

async fn submit(host: &Host, file: &str, from: &str) -> Answer {
    let path = format!("/jobs?fromSavepoint={}", ckpt_client::escape(from));
    let request = request(Method::POST, &path).header("content-type", "application/toml");
    host.send(request.body(Body::from(file.to_owned())).unwrap()).await
}

/// Runs a job from a savepoint; its id.
async fn run_from(host: &Host, file: &str, from: &str) -> String {
    let answer = submit(host, file, from).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    let id = answer.json()["jobId"].as_str().unwrap().to_owned();
    host.until_state(&id, "RUNNING").await;
    id
}

/// Makes a savepoint of a job.
async fn savepoint(host: &Host, job: &str) -> PathBuf {
    let body = json!({"target-directory": host.path().join("savepoints")}).to_string();
    let asked = host.send(with_json(request(Method::POST, &format!("/jobs/{job}/savepoints")), &body)).await;
    let path = format!("/jobs/{job}/savepoints/{}", asked.json()["request-id"].as_str().unwrap());
    let status = host.until(&path, |seen| seen["status"]["id"] == "COMPLETED").await;
    PathBuf::from(status["operation"]["location"].as_str().unwrap().strip_prefix("file:").unwrap())
}

/// The savepoint of a job that has ended, with the number 2.
async fn left_behind(host: &Host, file: &str, job: &str) -> PathBuf {
    host.run(file).await;
    host.trigger(job).await;
    host.until_over(job, 1).await;
    let directory = savepoint(host, job).await;
    host.cancelled(job).await;
    directory
}

async fn restored(host: &Host, job: &str) -> Value {
    host.seen(&format!("/jobs/{job}/checkpoints")).await["latest"]["restored"].clone()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// One of the state files in a directory.
fn a_file(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "state")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_starts_from_a_savepoint_until_it_has_a_checkpoint_of_its_own() {
    let host = Host::new().await;
    let old = left_behind(&host, &quick("old"), "old").await;
    // It was moved.
    let moved = host.path().join("moved");
    fs::rename(&old, &moved).unwrap();
    let id = run_from(&host, &quick("new"), &format!("file://{}/_metadata", moved.display())).await;
    let wanted = json!({"id": 2, "is_savepoint": true, "external_path": format!("file:{}", moved.display())});
    let is_wanted =
        |seen: &Value| ["id", "is_savepoint", "external_path"].iter().all(|key| seen[key] == wanted[key]);
    let seen = restored(&host, &id).await;
    assert!(is_wanted(&seen), "{seen}");
    // Without a checkpoint of its own it starts from there again, after any crash.
    let host = host.restarted().await;
    host.until_state("new", "RUNNING").await;
    let seen = restored(&host, &id).await;
    assert!(is_wanted(&seen), "{seen}");
    host.trigger("new").await;
    assert_eq!(host.until_over("new", 3).await["status"], "COMPLETED", "numbers go on above the savepoint's");
    // From then on nobody needs the savepoint.
    fs::remove_dir_all(&moved).unwrap();
    let host = host.restarted().await;
    host.until_state("new", "RUNNING").await;
    let seen = restored(&host, &id).await;
    assert_eq!((&seen["id"], &seen["is_savepoint"]), (&json!(3), &json!(false)));
    host.cancelled("new").await;
}

#[tokio::test(start_paused = true)]
async fn a_retained_checkpoint_will_do_and_stays() {
    let host = Host::new().await;
    let old = host.run(&job_file("old", 2, "on-end = 'retain-on-cancellation'", "")).await;
    host.trigger("old").await;
    host.until_over("old", 1).await;
    host.cancelled("old").await;
    let retained = host.checkpoints(&old).join("chk-1");
    let id = run_from(&host, &quick("new"), text(&retained)).await;
    assert_eq!(restored(&host, &id).await["id"], 1);
    host.trigger("new").await;
    host.until_over("new", 2).await;
    host.cancelled("new").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(retained.join("_metadata").is_file(), "what a job starts from is never its own");
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_that_is_needed_and_lost_files_stops_the_job_and_is_named() {
    let host = Host::new().await;
    let directory = left_behind(&host, &quick("old"), "old").await;
    let id = run_from(&host, &quick("new"), text(&directory)).await;
    let file = a_file(&directory);
    let content = fs::read(&file).unwrap();
    fs::write(&file, &content[1..]).unwrap();
    let host = host.restarted().await;
    let is_hurt = |seen: &Value| seen["warnings"].to_string().contains("cannot be restored");
    let seen = host.until_configuration(&id, is_hurt).await;
    let warning = seen["warnings"][0].as_str().unwrap();
    for part in [text(&directory), "999 of 1000 bytes"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert_ne!(seen["state"], "RUNNING", "it does not start from nothing");
    // It is tried again and again.
    fs::write(&file, content).unwrap();
    host.until_state(&id, "RUNNING").await;
    assert_eq!(restored(&host, &id).await["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_started_from_is_refused_and_nothing_is_stored() {
    let host = Host::new().await;
    let directory = left_behind(&host, &quick("old"), "old").await;
    let jobs = || fs::read_dir(host.path().join("jobs")).unwrap().count();
    let before = jobs();
    for (from, part) in [
        ("", "is empty"),
        ("savepoints/x", "neither an absolute path"),
        ("s3://bucket/x", "neither an absolute path"),
        ("/no/such/savepoint", "/no/such/savepoint: _metadata: No such file"),
        (text(host.path()), "_metadata: No such file"),
    ] {
        let sentence = submit(&host, &quick("new"), from).await.error(400);
        assert!(sentence.contains(part) && sentence.contains("nothing was submitted"), "{sentence}");
    }
    host.send(
        request(Method::POST, "/jobs?fromsavepoint=/x")
            .header("content-type", "application/toml")
            .body(Body::from(quick("new")))
            .unwrap(),
    )
    .await
    .error(400);
    for (file, part) in [
        (quick("new").replace("'v'", "'w'"), "'v', which the job does not have; the job has: w"),
        (quick("new").replace("parallelism = 2", "parallelism = 3"), "parallelism 2 and the job's has 3"),
    ] {
        let sentence = submit(&host, &file, text(&directory)).await.error(409);
        assert!(sentence.contains(part), "{sentence}");
    }
    let metadata = directory.join("_metadata");
    let content = fs::read_to_string(&metadata).unwrap();
    let state = a_file(&directory);
    let name = state.file_name().unwrap().to_str().unwrap();
    for (damage, part) in [
        ("{".to_owned(), "_metadata: EOF"),
        (content.replace("\"schema\": 1", "\"schema\": 2"), "schema 2"),
        (content.replace("\"checkpointId\": 2", "\"checkpointId\": 18446744073709551615"), "has the number"),
        (content.replace(name, &format!("../{name}")), "names a file elsewhere"),
        (content.replace("\"index\": 1", "\"index\": 0"), "twice"),
        (content.replace("\"index\": 1", "\"index\": 7"), "not all subtasks"),
    ] {
        fs::write(&metadata, damage).unwrap();
        let sentence = submit(&host, &quick("new"), text(&directory)).await.error(400);
        assert!(sentence.contains(part), "{sentence}");
    }
    fs::write(&metadata, content).unwrap();
    fs::remove_file(&state).unwrap();
    let sentence = submit(&host, &quick("new"), text(&directory)).await.error(400);
    assert!(sentence.contains(name) && sentence.contains(text(&directory)), "{sentence}");
    assert_eq!(jobs(), before);
}

#[tokio::test(start_paused = true)]
async fn the_same_savepoint_again_is_the_same_job_and_another_one_is_refused() {
    let host = Host::new().await;
    let directory = left_behind(&host, &quick("old"), "old").await;
    let other = host.path().join("other");
    let id = run_from(&host, &quick("new"), text(&directory)).await;
    fs::rename(&directory, &other).unwrap();
    let host = host.restarted().await;
    let file = format!("file:{}/", directory.display());
    for from in [text(&directory), &file] {
        let again = submit(&host, &quick("new"), from).await;
        assert_eq!((again.status.as_u16(), &again.json()["jobId"]), (200, &json!(id)), "{}", again.body);
    }
    assert_eq!(host.post_job(&quick("new")).await.json()["jobId"], json!(id), "without one it is that job");
    let sentence = submit(&host, &quick("new"), text(&other)).await.error(409);
    assert!(sentence.contains(&id) && sentence.contains("ckptctl cancel new"), "{sentence}");
    // A job that started from nothing did not start from a savepoint.
    host.run(&quick("third")).await;
    submit(&host, &quick("third"), text(&other)).await.error(409);
    // After its end the file is another job's.
    host.cancelled("new").await;
    assert_ne!(run_from(&host, &quick("new"), text(&other)).await, id);
}

#[tokio::test(start_paused = true)]
async fn vertices_are_found_by_name_in_another_place_and_new_ones_are_welcome() {
    let host = Host::new().await;
    let directory = left_behind(&host, &quick("old"), "old").await;
    let vertices = "vertices = [{name = 'fresh', parallelism = 3}, {name = 'v', parallelism = 2}]";
    let file = quick("new").replace("vertices = [{name = 'v', parallelism = 2}]", vertices);
    let id = run_from(&host, &file, text(&directory)).await;
    assert_eq!(restored(&host, &id).await["id"], 2);
    host.trigger("new").await;
    assert_eq!(host.until_over("new", 3).await["num_acknowledged_subtasks"], 5);
}
