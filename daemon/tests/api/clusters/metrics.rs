//! What Prometheus is told of jobs of Flink clusters.

use super::*;
use crate::metrics::{assert_documented, value};
use crate::support::{calm, hanging};
use serde_json::json;
use std::collections::BTreeSet;

const ORDERS: (&str, &str) = ("job_id", ONE);
const PROD: (&str, &str) = ("cluster", "prod");
const ENDS: &str = "ckptd_checkpoints_total";

async fn until_scrape(host: &Host, wanted: impl Fn(&str) -> bool) -> String {
    until(host, "/metrics", |answer| answer.status == 200 && wanted(&answer.body)).await.body
}

/// Gives a job of a fake cluster one more checkpoint, which is its newest.
fn ends(fake: &FakeFlink, id: u64, status: &str, took: i64) {
    fake.job(ONE, |job| {
        let history = job.checkpoints["history"].as_array_mut().unwrap();
        let mut entry = history[0].clone();
        entry["id"] = json!(id);
        entry["status"] = json!(status);
        entry["trigger_timestamp"] = json!(crate::fake_flink::now() - took);
        entry["end_to_end_duration"] = json!(took);
        entry["state_size"] = json!(4_096);
        if status == "FAILED" {
            entry["failure_message"] = json!("Checkpoint was declined.");
        }
        history.insert(0, entry);
    });
}

#[tokio::test]
async fn checkpoints_of_a_cluster_are_counted_though_nobody_asks_and_a_new_jobmanager_takes_nothing_back() {
    let (fake, host) = one_job().await;
    host.metrics.follow(&host.registry);
    let count = |text: &str, label| value(text, ENDS, &[ORDERS, ("type", "checkpoint"), label]);
    let completed = ("outcome", "completed");
    let text = until_scrape(&host, |text| {
        let seen = value(text, "ckptd_checkpoints_in_flight", &[ORDERS]) == Some(1.0);
        seen && count(text, completed).is_some()
    })
    .await;
    assert_eq!(
        count(&text, ("reason", "CHECKPOINT_EXPIRED")),
        Some(0.0),
        "what had ended before is none of ours"
    );
    ends(&fake, 3, "COMPLETED", 400);
    let text = until_scrape(&host, |text| count(text, completed) == Some(1.0)).await;
    assert_eq!(value(&text, "ckptd_checkpoint_size_bytes_sum", &[ORDERS]), Some(4_096.0));
    ends(&fake, 4, "FAILED", 400);
    until_scrape(&host, |text| count(text, ("reason", "CHECKPOINT_DECLINED")) == Some(1.0)).await;
    // Another JobManager: its counts and its history start anew.
    fake.job(ONE, |job| {
        job.started = crate::fake_flink::now();
        job.checkpoints["history"].as_array_mut().unwrap().truncate(0);
        job.checkpoints["counts"] =
            json!({"restored": 1, "total": 1, "in_progress": 0, "completed": 0, "failed": 0});
    });
    until_scrape(&host, |text| value(text, "ckptd_checkpoints_in_flight", &[ORDERS]) == Some(0.0)).await;
    fake.job(ONE, |job| {
        let again = FakeJob::new(ONE, "orders").checkpoints["history"].clone();
        job.checkpoints["history"] = json!([again[0]]);
    });
    ends(&fake, 5, "COMPLETED", 300);
    let text = until_scrape(&host, |text| count(text, completed) == Some(2.0)).await;
    assert_eq!(count(&text, ("reason", "CHECKPOINT_DECLINED")), Some(1.0));
}

#[tokio::test]
async fn of_a_cluster_that_is_away_only_what_is_known_is_told() {
    let (mut fake, host) = native::native().await;
    host.metrics.follow(&host.registry);
    host.change("orders", &json!({"checkpointTimeout": 1_200_000})).await;
    let is_up = |text: &str| value(text, "ckptd_cluster_up", &[PROD]);
    let timeout = |text: &str| value(text, "ckptd_effective_timeout_seconds", &[ORDERS]);
    let text = until_scrape(&host, |text| timeout(text) == Some(1_200.0)).await;
    assert_eq!(is_up(&text), Some(1.0));
    assert_eq!(value(&text, "ckptd_job_stale", &[ORDERS]), Some(0.0));
    assert_eq!(value(&text, "ckptd_checkpoint_in_flight_acknowledged_ratio", &[ORDERS]), Some(0.5));

    fake.goes_away().await;
    let text = until_scrape(&host, |text| is_up(text) == Some(0.0)).await;
    assert_eq!(value(&text, "ckptd_job_stale", &[ORDERS]), Some(1.0));
    assert_eq!(timeout(&text), None);
    for gone in [
        "ckptd_checkpoints_in_flight",
        "ckptd_checkpoint_in_flight_age_seconds",
        "ckptd_consecutive_failures",
    ] {
        assert_eq!(value(&text, gone, &[ORDERS]), None, "{gone}");
    }
    let active = [ORDERS, ("value", "timeout")];
    assert_eq!(value(&text, "ckptd_override_active", &active), Some(1.0), "it is on disk");
    assert_eq!(value(&text, "ckptd_override_status", &[ORDERS, ("state", "applied")]), Some(0.0));
    assert!(value(&text, ENDS, &[ORDERS, ("outcome", "completed")]).is_some(), "a counter stays");
    let asked = fake.requests();
    host.scrape().await;
    assert_eq!(fake.requests(), asked, "nothing listens there, and nobody asks");

    fake.comes_back().await;
    let text = until_scrape(&host, |text| is_up(text) == Some(1.0) && timeout(text) == Some(1_200.0)).await;
    assert_eq!(value(&text, "ckptd_job_stale", &[ORDERS]), Some(0.0));
}

#[tokio::test]
async fn all_that_is_told_is_in_the_docs_and_the_other_way_round() {
    let (_fake, host) = native::native().await;
    host.metrics.follow(&host.registry);
    host.run(&hanging()).await;
    host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 1_800_000, "for": 3_600_000})).await;
    host.change("orders", &json!({"checkpointTimeout": 1_200_000})).await;
    let text = until_scrape(&host, |text| {
        value(text, "ckptd_effective_timeout_seconds", &[ORDERS]) == Some(1_200.0)
            && value(text, ENDS, &[ORDERS, ("outcome", "completed")]).is_some()
    })
    .await;
    let told = assert_documented(&text);
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `ckptd_")?.split('`').next());
    let documented: BTreeSet<_> = rows.map(|name| format!("ckptd_{name}")).collect();
    let missing: BTreeSet<_> = documented.difference(&told).map(String::as_str).collect();
    // The recorded Flink has no completed checkpoint.
    let last = [
        "ckptd_last_completed_checkpoint_timestamp_seconds",
        "ckptd_last_completed_checkpoint_duration_seconds",
        "ckptd_last_completed_checkpoint_size_bytes",
    ];
    let expected: BTreeSet<_> = last.into_iter().collect();
    assert_eq!(missing, expected);
}
