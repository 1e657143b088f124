//! Checkpoints and savepoints that are made, a job that starts from one, and what became of those before.

use super::support::Fake;
use super::{ID, job, refused};
use serde_json::{Value, json};

#[test]
fn a_triggered_checkpoint_can_be_waited_for() {
    let mut status = vec![
        json!({"status": {"id": "COMPLETED"}, "operation": {"checkpointId": 9}}),
        json!({"status": {"id": "IN_PROGRESS"}, "operation": null}),
    ];
    let fake = Fake::new(move |line, _| match line {
        line if line.starts_with("POST") => (202, json!({"request-id": ID}).to_string()),
        line if line.ends_with("configuration") => (200, job(None, 2).to_string()),
        _ => (200, status.pop().unwrap().to_string()),
    });
    let ran = fake.run(&["trigger", "job123", "--wait"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "job/job123 checkpoint 9 completed\n"), "{}", ran.stderr);
    let ran = fake.run(&["trigger", "job123", "--full"]);
    assert_eq!(ran.stdout, format!("job/job123 checkpoint requested (request {ID})\n"));
    assert_eq!(fake.asked("POST")[1].1, r#"{"checkpointType":"FULL"}"#);
}

/// The status of a savepoint: under way, and then this.
fn savepoint(operation: Value) -> Fake {
    let mut asked = 0;
    Fake::new(move |line, _| match line {
        line if line.starts_with("POST") => (202, json!({"request-id": ID}).to_string()),
        line if line.ends_with("configuration") => (200, job(None, 2).to_string()),
        line if line.ends_with("checkpoints") => {
            let mut history = history("COMPLETED");
            history["history"][0]["external_path"] = json!("file:/s/savepoint-012345-0123456789ab");
            (200, history.to_string())
        }
        _ => {
            asked += 1;
            let (id, operation) =
                if asked < 2 { ("IN_PROGRESS", Value::Null) } else { ("COMPLETED", operation.clone()) };
            (200, json!({"status": {"id": id}, "operation": operation}).to_string())
        }
    })
}

#[test]
fn a_savepoint_is_waited_for_and_its_place_is_told() {
    let location = json!({"location": "file:/s/savepoint-012345-0123456789ab"});
    let fake = savepoint(location.clone());
    let ran = fake.run(&["savepoint", "job123", "/s"]);
    let line = "job/job123 savepoint 7 completed: /s/savepoint-012345-0123456789ab\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, line), "{}", ran.stderr);
    let ran = fake.run(&["savepoint", "job123", "s3://bucket/s", "--no-wait"]);
    assert_eq!(ran.stdout, format!("job/job123 savepoint requested (request {ID})\n"));
    let ran = fake.run(&["savepoint", "job123", "/s", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["operation"], location);
    assert_eq!(fake.run(&["savepoint", "job123", "/s", "-o", "name"]).stdout, "job/job123\n");
    let ran = fake.run(&["cancel", "job123", "--with-savepoint", "/s"]);
    assert_eq!(
        (ran.code, ran.stdout),
        (0, format!("{line}job/job123 is being cancelled\n")),
        "{}",
        ran.stderr
    );
    let bodies: Vec<_> = fake.asked("POST").into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies[0], r#"{"target-directory":"/s","cancel-job":false}"#);
    assert_eq!(bodies[4], r#"{"target-directory":"/s","cancel-job":true}"#);
    assert_eq!(fake.asked("PATCH"), [], "the server cancels the job");
}

#[test]
fn a_savepoint_that_fails_or_takes_too_long_is_8() {
    let fake =
        savepoint(json!({"failure-cause": {"class": "a.B", "stack-trace": "a.B: disk is full\n\tat c"}}));
    let ran = fake.run(&["savepoint", "job123", "/s"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (8, ""));
    assert!(ran.stderr.contains("job/job123: the savepoint failed: disk is full\n"), "{}", ran.stderr);
    let ran = fake.run(&["cancel", "job123", "--with-savepoint", "/s"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (8, ""));
    assert!(
        ran.stderr.contains("the savepoint failed, so this did not cancel the job: disk is full"),
        "{}",
        ran.stderr
    );
    let slow = Fake::new(|line, _| match line {
        line if line.starts_with("POST") => (202, json!({"request-id": ID}).to_string()),
        line if line.ends_with("configuration") => (200, job(None, 2).to_string()),
        _ => (200, json!({"status": {"id": "IN_PROGRESS"}, "operation": null}).to_string()),
    });
    let ran = slow.run(&["savepoint", "job123", "/s", "--wait-timeout", "300ms"]);
    assert_eq!(ran.code, 8);
    assert!(ran.stderr.contains("the savepoint has not ended within 300ms"), "{}", ran.stderr);
}

#[test]
fn a_job_file_is_submitted_with_a_savepoint() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("job.toml");
    std::fs::write(&file, "name = 'x'").unwrap();
    let submitted = json!({"schema": "ckpt/v1", "jobId": ID, "name": "x", "created": true}).to_string();
    let fake = Fake::new(move |_, _| (201, submitted.clone()));
    let ran = fake.run(&["submit", file.to_str().unwrap(), "--from-savepoint", "/s p/savepoint-1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(fake.asked("POST")[0].0, "POST /jobs?fromSavepoint=%2Fs%20p%2Fsavepoint-1");
}

pub(super) fn history(status: &str) -> Value {
    let failed = status == "FAILED";
    let none = json!({"min": 0, "max": 0, "avg": 0, "p50": "NaN", "p90": "NaN", "p95": "NaN", "p99": "NaN",
                      "p999": "NaN"});
    let mut checkpoint = json!({
        "className": status.to_lowercase(), "id": 7, "status": status, "is_savepoint": false,
        "savepointFormat": null, "trigger_timestamp": 1790000000000u64, "latest_ack_timestamp": -1,
        "checkpointed_size": 0, "state_size": 0, "end_to_end_duration": 9012, "alignment_buffered": 0,
        "processed_data": 0, "persisted_data": 0, "num_subtasks": 20, "num_acknowledged_subtasks": 19,
        "checkpoint_type": "CHECKPOINT", "tasks": {}
    });
    if failed {
        checkpoint["failure_message"] = json!("Checkpoint expired before completing.");
    }
    json!({
        "counts": {"restored": 0, "total": 1, "in_progress": 1, "completed": 0, "failed": 0},
        "summary": {"checkpointed_size": none, "state_size": none, "end_to_end_duration": none,
                    "alignment_buffered": none, "processed_data": none, "persisted_data": none},
        "latest": {"completed": null, "savepoint": null, "failed": null, "restored": null},
        "history": [checkpoint]
    })
}

/// What ckptd remembers: one that a change saved, and one that expired.
fn past() -> Value {
    let one = |id: u64, completed: bool, rescued: bool| {
        json!({
            "id": id, "savepoint": false, "completed": completed, "triggeredAt": 1_790_000_000_000_u64 + id * 60_000,
            "duration": 14_000, "stateSize": 2_048, "checkpointedSize": 1_024,
            "timeout": if rescued { 60_000 } else { 14_000 }, "rescued": rescued,
            "reason": if completed { Value::Null } else { json!("CHECKPOINT_EXPIRED") },
            "message": if completed { Value::Null } else { json!("Checkpoint expired, \"late\".\u{1b}[2J") },
        })
    };
    json!({
        "schema": "ckpt/v1", "cluster": "hosted", "jobId": ID, "name": "job123", "observedAt": 1_790_000_000_000_u64,
        "checkpoints": [one(5, false, false), one(6, true, true)],
    })
}

#[test]
fn the_history_is_a_chart_a_table_csv_and_json() {
    let fake = Fake::new(|line, _| match line {
        line if line.ends_with("/checkpoints/history") => (200, past().to_string()),
        line if line.ends_with("/checkpoints") => (200, history("COMPLETED").to_string()),
        _ => (200, job(None, 2).to_string()),
    });
    let ran = fake.run(&["history", "job123"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        "┤",
        "◆",
        "✗ failed  ─ timeout",
        "#5 14:18",
        "✗ #5: Checkpoint expired, \"late\".\\u{1b}[2J (timeout 14s)",
        "ID  TYPE",
        "1 checkpoint: 0 completed",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "no colours without a terminal");
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    let ran = fake.run(&["history", "job123", "--csv"]);
    let lines: Vec<_> = ran.stdout.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("id,savepoint,completed,triggered_at_ms,duration_ms,"), "{lines:?}");
    assert_eq!(
        lines[1],
        "5,false,false,1790000300000,14000,2048,1024,14000,false,CHECKPOINT_EXPIRED,\
         \"Checkpoint expired, \"\"late\"\".\\u{1b}[2J\""
    );
    assert_eq!(lines[2], "6,false,true,1790000360000,14000,2048,1024,60000,true,,");
    let ran = fake.run(&["history", "job123", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), past());
    let ran = fake.run(&["history", "job123", "--csv", "-o", "json"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

/// An older ckptd takes the last part of the path for the id of a trigger; a Flink does not know the path.
#[test]
fn an_older_server_tells_what_it_remembers_without_timeouts() {
    for status in [400, 404] {
        let fake = Fake::new(move |line, _| match line {
            line if line.ends_with("/checkpoints/history") => refused(status, "Not found: /"),
            line if line.ends_with("/checkpoints") => (200, history("FAILED").to_string()),
            _ => (200, job(None, 2).to_string()),
        });
        let ran = fake.run(&["history", "job123"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("✗ failed") && ran.stdout.contains("┤"), "{}", ran.stdout);
        let ran = fake.run(&["history", "job123", "--csv"]);
        assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
        let ran = fake.run(&["history", "job123", "-o", "json"]);
        assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), history("FAILED"));
    }
}
