//! Every recorded answer of a real Flink 2.3.0 is read and written again: nothing may be lost, added
//! or renamed. (`checkpoint-details-unknown-id` and the like are errors: `Errors`.)
#![allow(missing_docs, clippy::unwrap_used)]

use ckpt_api::flink;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/flink-rest/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file.get("body").cloned().unwrap_or(file)
}

fn survives<T: DeserializeOwned + Serialize>(name: &str) {
    let body = recorded(name);
    let parsed: T = serde_json::from_value(body.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(&parsed).unwrap(), body, "{name}");
}

#[test]
fn cluster_and_jobs() {
    survives::<flink::DashboardConfiguration>("config");
    survives::<flink::ClusterOverview>("overview");
    survives::<flink::JobsOverview>("jobs-overview");
    survives::<flink::JobDetails>("job");
}

#[test]
fn checkpoints() {
    survives::<flink::CheckpointConfig>("checkpoints-config");
    survives::<flink::CheckpointConfig>("checkpoints-config-no-interval");
    survives::<flink::CheckpointStatistics>("checkpoints-after");
    survives::<flink::CheckpointStatistics>("checkpoints-in-progress");
    survives::<flink::CheckpointStatistics>("checkpoints-completed-and-failed");
    survives::<flink::CheckpointStatistics>("checkpoints-in-progress-failed-completed");
    survives::<flink::Checkpoint>("checkpoint-details-in-progress");
    survives::<flink::Checkpoint>("entry-failed");
    survives::<flink::Checkpoint>("entry-savepoint-completed");
    survives::<flink::TaskCheckpointWithSubtasks>("checkpoint-subtasks-in-progress");
}

#[test]
fn triggers_and_errors() {
    survives::<flink::TriggerResponse>("trigger-checkpoint");
    survives::<flink::TriggerStatus>("trigger-status-first");
    survives::<flink::TriggerStatus>("trigger-status-final");
    for name in ["trigger-status-unknown", "unknown-job", "malformed-job", "patch-checkpoints-configuration"]
    {
        survives::<flink::Errors>(name);
    }
}

/// One file holds several answers, and one of the requests.
#[test]
fn savepoints() {
    let recorded = recorded("savepoints-and-cancel");
    fn same<T: DeserializeOwned + Serialize>(body: &Value) -> T {
        let parsed: T = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(serde_json::to_value(&parsed).unwrap(), *body);
        parsed
    }
    let asked: flink::SavepointRequest = same(&recorded["trigger"]["request"]["body"]);
    assert_eq!(asked.target_directory.as_deref(), Some("file:///savepoints"));
    same::<flink::TriggerResponse>(&recorded["trigger"]["body"]);
    same::<flink::SavepointStatus>(&recorded["status"]["body"]);
    same::<flink::Errors>(&recorded["no target"]["body"]);
    same::<flink::Nothing>(&recorded["cancel"]["body"]);
}

#[test]
fn the_request_for_a_savepoint_takes_null_for_nothing_and_no_other_field() {
    let null = r#"{"target-directory": null, "cancel-job": null, "formatType": null, "triggerId": null}"#;
    let null: flink::SavepointRequest = serde_json::from_str(null).unwrap();
    assert_eq!(null, flink::SavepointRequest::default());
    assert_eq!(serde_json::to_string(&null).unwrap(), r#"{"cancel-job":false}"#);
    for bad in [r#"{"cancelJob": true}"#, r#"{"cancel-job": "yes"}"#, r#"{"formatType": "native"}"#] {
        assert!(serde_json::from_str::<flink::SavepointRequest>(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_trigger_may_be_empty_or_null() {
    let empty: flink::TriggerRequest = serde_json::from_str("{}").unwrap();
    let null: flink::TriggerRequest =
        serde_json::from_str(r#"{"checkpointType": null, "triggerId": null}"#).unwrap();
    assert_eq!((empty.checkpoint_type, empty), (flink::CheckpointType::Configured, null));
}

/// A job that fails while it is initialised has no scheduler; Flink lists it for an hour.
#[test]
fn a_job_without_a_scheduler_is_a_job() {
    let mut body = recorded("jobs-overview");
    body["jobs"][0]["schedulerType"] = Value::Null;
    let parsed: flink::JobsOverview = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), body);
}
