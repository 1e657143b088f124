//! The description of the API: that it is what it says it is, and that `docs/openapi.json` is it.

use crate::documented::{self, DOCUMENT, resolved};
use crate::support::{Host, calm, configuration_path, hanging};
use ckpt_api::tasks::{DeclineReason, ReportResult, RestoredFrom, StoredSnapshot, TaskEvent, TaskReport};
use ckpt_api::{Event, Happening, JobState, SCHEMA};
use ckpt_types::ids::{CheckpointId, JobId};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Method, path and operation.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(name, _)| *name != "servers");
        methods.map(|(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

#[test]
fn the_file_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        file == ckptd::rest::document(),
        "docs/openapi.json is not up to date; refresh it with: cargo run -p ckptd -- openapi > docs/openapi.json"
    );
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &'static Value) {
        if let Some(reference) = value.get("$ref") {
            resolved(value);
            assert!(reference.as_str().unwrap().starts_with("#/components/"), "{reference}");
        }
        value.as_object().into_iter().flatten().for_each(|(_, part)| check(part));
        value.as_array().into_iter().flatten().for_each(check);
    }
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    check(&DOCUMENT);
}

#[test]
fn every_schema_is_one_and_says_something() {
    fn check(schema: &Value, place: &str) {
        let says = ["type", "oneOf", "allOf", "$ref"].iter().any(|keyword| schema.get(keyword).is_some());
        assert!(says, "{place} may be anything");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            check(schema, &format!("{place}.{field}"));
        }
        let parts = ["oneOf", "allOf"].iter().filter_map(|keyword| schema[keyword].as_array());
        parts.flatten().for_each(|part| check(part, place));
    }
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(schema, name);
    }
}

#[test]
fn every_operation_is_complete() {
    let tags: HashSet<_> = DOCUMENT["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = HashSet::new();
    for (method, path, operation) in operations() {
        let place = format!("{method} {path}");
        assert!(ids.insert(&operation["operationId"]), "{place}: {} is not unique", operation["operationId"]);
        assert_ne!(operation["summary"].as_str().unwrap_or_default(), "", "{place} has no summary");
        let tag = &operation["tags"][0];
        assert!(tags.contains(tag), "{place} has the tag {tag}; add it in daemon/src/rest/openapi.rs");
        let responses = operation["responses"].as_object().unwrap();
        // 501 is what Flink offers and ckptd does not.
        let ends = |status: &String| status.starts_with('2') || status == "501";
        assert!(responses.keys().any(ends), "{place} never succeeds");
        assert!(responses.keys().any(|status| status.starts_with('4')), "{place} never fails");
        for (status, response) in responses {
            let description = resolved(response)["description"].as_str().unwrap_or_default();
            assert_ne!(description, "", "{place}: {status} is not described");
        }
        let parameters: Vec<_> = operation["parameters"].as_array().unwrap().iter().map(resolved).collect();
        for parameter in &parameters {
            let description = parameter["description"].as_str().unwrap_or_default();
            assert_ne!(description, "", "{place}: the parameter {} is not described", parameter["name"]);
        }
        let mut named: Vec<_> = path.split('{').skip(1).map(|part| part.split('}').next().unwrap()).collect();
        let mut described: Vec<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        named.sort_unstable();
        described.sort_unstable();
        assert_eq!(named, described, "{place}; parameters in paths are in daemon/src/rest/openapi.rs");
        let wants_token = operation["security"] == json!([{"token": []}]);
        assert_eq!(wants_token, method != "get", "{place}");
    }
}

#[tokio::test]
async fn it_is_served_to_whoever_may_read() {
    let host = Host::new().await;
    for path in ["/openapi.json", "/v1/openapi.json"] {
        assert_eq!(host.seen(path).await, *DOCUMENT, "{path}");
    }
}

/// What a client may send is what the description says.
#[test]
fn bodies_of_changes_are_described() {
    let schema = json!({"$ref": "#/components/schemas/ConfigurationPatch"});
    let body =
        json!({"checkpointTimeout": 1_200_000, "checkpointInterval": null, "pullIn": true, "reason": "why"});
    documented::assert_fits(&body, &schema, "a change");
    for bad in [
        json!({"checkpointTimeout": 9}),
        json!({"checkpointTimeout": 31_536_000_001_u64}),
        json!({"checkpointTimeout": "20m"}),
        json!({"checkpointTimeout": 60_000.5}),
        json!({"timeout": 60_000}),
        json!({"checkpointTimeout": 60_000, "reason": "a\u{1b}[2Jb"}),
        json!({"checkpointTimeout": 60_000, "reason": "x".repeat(501)}),
    ] {
        assert!(documented::misfit(&bad, &schema).is_some(), "{bad}");
    }
}

/// `Host` checks every answer; these are a job's, one after another, so that none is left to chance.
#[tokio::test(start_paused = true)]
async fn the_answers_of_a_job_are_as_described() {
    let host = Host::new().await;
    let id = host.run(&hanging()).await;
    host.run(&calm()).await;
    let trigger = host.trigger(&id).await;
    host.until_acknowledged(&id, 1).await;
    let vertex = host.seen(&format!("/jobs/{id}")).await["vertices"][0]["id"].as_str().unwrap().to_owned();
    let checkpoints = format!("/jobs/{id}/checkpoints");
    let one = format!("{checkpoints}/details/1");
    let subtasks = format!("{one}/subtasks/{vertex}");
    let status = format!("{checkpoints}/{trigger}");
    let everything = ["/config", "/overview", "/jobs", "/jobs/overview", "/checkpoints/configuration"];
    for path in everything.into_iter().chain([checkpoints.as_str(), &one, &subtasks, &status]) {
        host.seen(path).await;
    }
    host.seen(&format!("{checkpoints}/config")).await;
    host.patch(&id, &json!({"checkpointTimeout": 20})).await;
    let failed = host.until_over(&id, 1).await;
    assert_eq!(failed["status"], "FAILED");
    for path in [checkpoints.as_str(), &one, &subtasks, &status] {
        host.seen(path).await;
    }
    host.delete(&configuration_path(&id)).await;
    host.get("/jobs/nothing").await.error(404);
    host.patch(&id, &json!({"timeout": 1})).await.error(400);
}

/// Streams and reports are what no answer shows.
#[test]
fn events_and_reports_are_as_described() {
    fn check<T: serde::Serialize>(schema: &str, values: &[T]) {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        for value in values {
            documented::assert_fits(&json!(value), &schema, "what is written");
        }
    }
    let id = CheckpointId(7);
    let failed =
        |id| Happening::Failed { id, reason: "CHECKPOINT_EXPIRED".into(), message: "too late".into() };
    let happenings = [
        Happening::State { state: JobState::Running, reason: None },
        Happening::Triggered { id, savepoint: false },
        Happening::Acknowledged { id, acknowledged: 1, subtasks: 2 },
        Happening::Completed { id, duration: 9 },
        failed(Some(id)),
        failed(None),
        Happening::Configured { revision: 1, checkpoint_interval: None, checkpoint_timeout: 10 },
        Happening::Merged { merged: 1 },
        Happening::Lagged { missed: 1 },
    ];
    let event = |what| Event {
        schema: SCHEMA.into(),
        cluster: "hosted".into(),
        job_id: JobId::from_bits(1),
        at: 1,
        what,
    };
    check("Event", &happenings.map(event));
    let snapshot = StoredSnapshot { vertex: "v".into(), index: 0, location: "f".into(), bytes: 1 };
    let restored = RestoredFrom {
        checkpoint_id: id,
        savepoint: false,
        directory: "/d".into(),
        snapshots: vec![snapshot],
    };
    check(
        "TaskEvent",
        &[
            TaskEvent::Restore { execution: 1, checkpoint: Some(restored) },
            TaskEvent::Restore { execution: 1, checkpoint: None },
            TaskEvent::Trigger {
                checkpoint_id: id,
                savepoint: true,
                directory: "/d".into(),
                triggered_at: 1,
            },
            TaskEvent::Abort { checkpoint_id: id },
            TaskEvent::Complete { checkpoint_id: id },
            TaskEvent::Heartbeat {},
            TaskEvent::End { state: JobState::Finished },
            TaskEvent::Revoked { why: "why".into() },
        ],
    );
    check(
        "TaskReport",
        &[
            TaskReport::Acknowledge {
                checkpoint_id: id,
                vertex: "v".into(),
                index: 0,
                location: "f".into(),
                bytes: 1,
                sync_millis: 1,
                async_millis: 1,
                start_delay_millis: 1,
            },
            TaskReport::Decline {
                checkpoint_id: id,
                vertex: "v".into(),
                index: 0,
                reason: DeclineReason::CheckpointAsyncException,
                message: "why".into(),
            },
            TaskReport::Running { execution: 1 },
            TaskReport::Finished { execution: 1 },
            TaskReport::Failed { execution: 1, message: "why".into() },
        ],
    );
    check("ReportResult", &[ReportResult::Taken, ReportResult::Ignored { why: "why".into() }]);
}

/// What is not described is found.
#[test]
fn a_field_that_is_not_described_is_found() {
    let schema = json!({"$ref": "#/components/schemas/InFlight"});
    let mut seen = json!({"id": 7, "savepoint": false, "acknowledged": 1, "subtasks": 2, "elapsed": 9, "remaining": null, "estimate": null});
    assert_eq!(documented::misfit(&seen, &schema), None);
    seen["more"] = json!(1);
    assert!(documented::misfit(&seen, &schema).is_some());
    let list = json!({"$ref": "#/components/schemas/ConfigurationList"});
    assert!(
        documented::misfit(&json!({"schema": "ckpt/v1", "jobs": [seen], "clusters": []}), &list).is_some()
    );
}
