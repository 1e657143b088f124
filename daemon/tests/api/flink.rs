//! Flink's read paths: the same fields and types as the recorded answers of a real Flink 2.3.0.

use crate::shape::{assert_same, recorded};
use crate::support::{Host, hanging, job_file};
use ckpt_api::flink::EXPIRED;
use serde_json::{Value, json};
use std::time::Duration;

/// Compares `path`, with and without `/v1`, with a recorded answer, and returns the body.
async fn same(host: &Host, path: &str, name: &str) -> Value {
    let recorded = recorded(name);
    for prefix in ["/v1", ""] {
        let answer = host.get(&format!("{prefix}{path}")).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        let observed = answer.header("ckpt-observed-at").unwrap_or_else(|| panic!("{path} says when"));
        assert!(observed.parse::<u64>().unwrap() > 1_600_000_000_000, "{path}: {observed}");
        assert_same(&answer.json(), &recorded);
    }
    host.seen(path).await
}

#[tokio::test(start_paused = true)]
async fn the_cluster_and_its_jobs() {
    let host = Host::new().await;
    let file = "name = 'two'\nvertices = [{name = 'source', parallelism = 2}, {name = 'sink', parallelism = 3}]\n\
                [checkpointing]\ninterval = '1h'\n[rehearsal]\n";
    let id = host.run(file).await;
    let config = same(&host, "/config", "config").await;
    assert_eq!((&config["flink-version"], &config["refresh-interval"]), (&json!("2.3.0"), &json!(3_000)));
    let overview = same(&host, "/overview", "overview").await;
    assert_eq!((&overview["flink-version"], &overview["jobs-running"]), (&json!("2.3.0"), &json!(1)));
    let jobs = same(&host, "/jobs/overview", "jobs-overview").await;
    let job = &jobs["jobs"][0];
    assert_eq!((&job["jid"], &job["name"], &job["state"]), (&json!(id), &json!("two"), &json!("RUNNING")));
    assert_eq!((&job["tasks"]["total"], &job["tasks"]["running"]), (&json!(5), &json!(5)));
    assert_eq!(job["end-time"], -1);
    assert_eq!(host.seen("/v1/jobs").await, json!({"jobs": [{"id": id, "status": "RUNNING"}]}));
    assert_eq!(host.seen("/v1/jobs/two/status").await, json!({"status": "RUNNING"}));
    host.get("/jobs/nobody/status").await.error(404);
    for wanted in [id.as_str(), "two", &id.to_uppercase()] {
        let job = same(&host, &format!("/jobs/{wanted}"), "job").await;
        assert_eq!((&job["jid"], &job["name"]), (&json!(id), &json!("two")));
        let names: Vec<_> =
            job["vertices"].as_array().unwrap().iter().map(|vertex| &vertex["name"]).collect();
        assert_eq!(names, ["source", "sink"]);
        assert_eq!(job["status-counts"]["RUNNING"], 2, "it counts vertices");
    }
}

#[tokio::test(start_paused = true)]
async fn the_checkpoint_configuration() {
    let host = Host::new().await;
    let checkpointing = "interval = '10s'\ntimeout = '20s'\ntolerable-failures = 1000\nmin-pause = '5s'\n\
                         max-concurrent = 2\non-end = 'retain-on-cancellation'";
    host.run(&job_file("full", 1, checkpointing, "")).await;
    let config = same(&host, "/jobs/full/checkpoints/config", "checkpoints-config").await;
    for (field, value) in [
        ("mode", json!("exactly_once")),
        ("interval", json!(10_000)),
        ("timeout", json!(20_000)),
        ("min_pause", json!(5_000)),
        ("max_concurrent", json!(2)),
        ("tolerable_failed_checkpoints", json!(1_000)),
        ("externalization", json!({"enabled": true, "delete_on_cancellation": false})),
    ] {
        assert_eq!(config[field], value, "{field}");
    }
    host.run(&job_file("none", 1, "mode = 'at-least-once'", "")).await;
    let config = same(&host, "/jobs/none/checkpoints/config", "checkpoints-config-no-interval").await;
    let (ours, theirs) = (config.as_object().unwrap(), recorded("checkpoints-config-no-interval"));
    for (field, value) in ours.iter().filter(|(field, _)| *field != "checkpoint_storage") {
        assert_eq!(*value, theirs[field], "{field}: it is a job of defaults there too");
    }
    assert_eq!(config["interval"], 9_223_372_036_854_775_807_i64);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_in_progress() {
    let host = Host::new().await;
    host.run(&hanging()).await;
    // One that has failed, as there.
    host.trigger("hanging").await;
    host.until_acknowledged("hanging", 1).await;
    host.change("hanging", &json!({"checkpointTimeout": 10})).await;
    host.until_over("hanging", 1).await;
    host.change("hanging", &json!({"checkpointTimeout": null})).await;
    host.trigger("hanging").await;
    host.until_acknowledged("hanging", 1).await;

    let path = "/jobs/hanging/checkpoints";
    let statistics = same(&host, path, "checkpoints-in-progress").await;
    let newest = &statistics["history"][0];
    assert_eq!((&newest["id"], &newest["status"]), (&json!(2), &json!("IN_PROGRESS")));
    assert_eq!(newest["tasks"], json!({}), "tasks are empty in the history");
    assert_eq!(statistics["latest"]["failed"]["id"], 1);
    assert_eq!(statistics["summary"]["end_to_end_duration"]["p50"], "NaN");

    let details = same(&host, &format!("{path}/details/2"), "checkpoint-details-in-progress").await;
    let (vertex, task) = details["tasks"].as_object().unwrap().iter().next().unwrap();
    assert_eq!((&task["num_subtasks"], &task["num_acknowledged_subtasks"]), (&json!(2), &json!(1)));
    assert_eq!((&task["state_size"], &task["status"]), (&json!(1_000), &json!("IN_PROGRESS")));

    let subtasks = host.seen(&format!("/v1{path}/details/2/subtasks/{vertex}")).await;
    let mut example = recorded("checkpoint-subtasks-in-progress");
    // There both had answered; one that has not is as flink-rest.md says.
    let pending = json!({"className": "pending", "index": 1, "status": "pending_or_failed"});
    example["subtasks"].as_array_mut().unwrap().push(pending.clone());
    assert_same(&subtasks, &example);
    assert_eq!(subtasks["subtasks"][1], pending);
    let answered = &subtasks["subtasks"][0];
    assert_eq!((&answered["className"], &answered["status"]), (&json!("completed"), &json!("completed")));
    assert_eq!((&answered["state_size"], &answered["aborted"]), (&json!(1_000), &json!(false)));
    assert_eq!(subtasks["summary"]["state_size"]["max"], 1_000);
    assert_eq!(subtasks["summary"]["state_size"]["p50"], "NaN");
}

#[tokio::test(start_paused = true)]
async fn completed_failed_and_in_progress_side_by_side() {
    let host = Host::new().await;
    let faults =
        "faults = [{subtask = 1, from = 2, to = 2, kind = 'hang'}, {subtask = 0, from = 3, kind = 'hang'}]";
    let checkpointing = "timeout = '10s'\ntolerable-failures = 'unlimited'";
    let id = host.run(&job_file("mixed", 2, checkpointing, faults)).await;
    for (number, status) in [(1, "COMPLETED"), (2, "FAILED")] {
        host.trigger("mixed").await;
        assert_eq!(host.until_over("mixed", number).await["status"], status);
    }
    host.trigger("mixed").await;
    host.until_acknowledged("mixed", 1).await;

    let name = "checkpoints-in-progress-failed-completed";
    let statistics = same(&host, "/jobs/mixed/checkpoints", name).await;
    assert_eq!(
        statistics["counts"],
        json!({"restored": 0, "total": 3, "in_progress": 1, "completed": 1, "failed": 1})
    );
    let history = statistics["history"].as_array().unwrap();
    let ids: Vec<_> = history.iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [3, 2, 1], "newest first");
    let failed = &history[1];
    assert_eq!((&failed["className"], &failed["failure_message"]), (&json!("failed"), &json!(EXPIRED)));
    assert_same(failed, &recorded("entry-failed"));
    assert_eq!(statistics["latest"]["failed"], *failed);
    let completed = &history[2];
    assert_eq!((&completed["className"], &completed["discarded"]), (&json!("completed"), &json!(false)));
    assert_eq!(statistics["latest"]["completed"], *completed);
    let path = completed["external_path"].as_str().unwrap();
    assert_eq!(path, format!("file:{}", host.checkpoints(&id).join("chk-1").display()));
    assert!(std::path::Path::new(&path["file:".len()..]).join("_metadata").is_file());
    let duration = completed["end_to_end_duration"].as_i64().unwrap();
    let of_all = &statistics["summary"]["end_to_end_duration"];
    assert_eq!(
        (&of_all["min"], &of_all["max"], &of_all["avg"]),
        (&json!(duration), &json!(duration), &json!(duration))
    );
    assert_eq!(statistics["summary"]["state_size"]["p99"], 2_000.0);
    assert_eq!(host.until_over("mixed", 2).await["end_to_end_duration"].as_u64().unwrap() / 100, 100);
}

#[tokio::test(start_paused = true)]
async fn ten_completed_ones_and_no_more_in_the_history() {
    let host = Host::new().await;
    host.run(&job_file("many", 1, "interval = '1s'\ntimeout = '1m'", "")).await;
    let statistics = host
        .until("/jobs/many/checkpoints", |seen| {
            seen["counts"]["completed"].as_u64() >= Some(12) && seen["counts"]["in_progress"] == 0
        })
        .await;
    assert_same(&statistics, &recorded("checkpoints-completed-and-failed"));
    assert_eq!(statistics["history"].as_array().unwrap().len(), 10);
    // The latest is remembered, and so is what is in the history; what is older is forgotten.
    host.get("/jobs/many/checkpoints/details/1").await.error(404);
}

#[tokio::test(start_paused = true)]
async fn a_restored_job_says_what_it_was_restored_from() {
    let host = Host::new().await;
    let id = host.run(&job_file("restored", 2, "timeout = '1m'\nretained = 2", "")).await;
    for number in 1..=3 {
        host.trigger("restored").await;
        host.until_over("restored", number).await;
    }
    let host = host.restarted().await;
    host.until_state("restored", "RUNNING").await;
    let statistics = host.seen("/jobs/restored/checkpoints").await;
    assert_eq!(statistics["counts"]["restored"], 1);
    let restored = &statistics["latest"]["restored"];
    assert_eq!((&restored["id"], &restored["is_savepoint"]), (&json!(3), &json!(false)));
    let directory = host.checkpoints(&id).join("chk-3");
    assert_eq!(restored["external_path"], format!("file:{}", directory.display()));
    assert!(restored["restore_timestamp"].as_u64().unwrap() > 1_600_000_000_000);
    // Numbers go on.
    host.trigger("restored").await;
    assert_eq!(host.until_over("restored", 4).await["status"], "COMPLETED");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!host.checkpoints(&id).join("chk-2").exists(), "what was restored counts for retention");
}
