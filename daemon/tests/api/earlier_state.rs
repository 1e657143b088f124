//! State directories of an earlier version, which load unchanged. `tests/state/README.md` says how they were made.

use crate::support::{Host, configuration_path, forms};
use ckpt_clock::simulate_wall_clock;
use ckptd::state_dir::StateDir;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A day after the directories were made, which is before the end of any temporary override.
pub(crate) const NOW: u64 = 1_796_182_400_000;
/// Stands for the directory's path in its files.
const PLACEHOLDER: &str = "STATE_DIR";

const ORDERS: &str = "ef2dcf90213590d76462a5b4a2d2bf8b";
const PAYMENTS: &str = "506e91044a34b179bb7eb7c01c06d936";
const REFUNDS: &str = "55b591bc8985833011980a1f0976f78c";
const SAVEPOINT: &str = "savepoints/savepoint-ef2dcf-442b28dd7fe1";
/// The end of the temporary timeout of `orders`.
const UNTIL: u64 = 1_822_016_026_275;

/// A copy of one of the directories, with its own path in place of the placeholder.
pub(crate) fn copied(name: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state").join(name);
    copy(&source, home.path(), home.path());
    home
}

fn copy(source: &Path, target: &Path, home: &Path) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), target.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to, home);
        } else {
            let content = fs::read_to_string(from).unwrap();
            fs::write(to, content.replace(PLACEHOLDER, home.to_str().unwrap())).unwrap();
        }
    }
}

/// The entries of the audit log, oldest first: action, name, revision, interval, timeout, result, reason.
pub(crate) fn audit_entries(audit: &Value) -> Vec<Value> {
    let entries = audit["entries"].as_array().unwrap().iter().rev();
    entries
        .map(|entry| {
            assert_eq!(
                (&entry["by"], &entry["from"]),
                (&json!("ada@laptop"), &json!("127.0.0.1")),
                "{entry}"
            );
            let change =
                ["action", "name", "revision", "interval", "timeout"].map(|field| entry[field].clone());
            json!([change, entry["outcome"]["result"], entry["reason"]])
        })
        .collect()
}

async fn hosted() -> Host {
    simulate_wall_clock(NOW);
    let host = Host::on(copied("hosted-94007ff")).await;
    host.until_state("orders", "RUNNING").await;
    host
}

fn override_of_orders() -> Value {
    let layer = |value: u64, until: Option<u64>, reason: Option<&str>, since: u64| json!({"value": value, "until": until, "by": "ada@laptop", "reason": reason, "since": since});
    json!({
        "name": "orders", "revision": 3, "checkpointInterval": 7_200_000, "checkpointTimeout": 1_800_000,
        "reason": null, "changedAt": 1_796_096_026_375_u64,
        "layers": {
            "checkpointInterval": [layer(7_200_000, None, None, 1_796_096_026_375)],
            "checkpointTimeout": [
                layer(1_200_000, None, Some("S3 is slow"), 1_796_096_026_210),
                layer(1_800_000, Some(UNTIL), Some("backfill"), 1_796_096_026_275),
            ],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn hosted_override_loads_unchanged() {
    let host = hosted().await;
    assert_eq!(serde_json::to_value(host.record(ORDERS)).unwrap(), override_of_orders());
    assert_eq!(host.record(PAYMENTS), None);
    let shown = host.configuration("orders").await;
    assert_eq!(json!([shown["jobId"], shown["revision"], shown["applied"]]), json!([ORDERS, 3, true]));
    let interval = json!({"submitted": 3_600_000, "override": 7_200_000, "effective": 7_200_000});
    let timeout = json!({"submitted": 600_000, "override": 1_800_000, "effective": 1_800_000});
    assert_eq!(forms(&shown["checkpointInterval"]), interval);
    assert_eq!(forms(&shown["checkpointTimeout"]), timeout);
    let origin = json!({
        "by": "ada@laptop", "reason": "backfill", "since": 1_796_096_026_275_u64, "until": UNTIL,
        "afterwards": 1_200_000,
    });
    assert_eq!(shown["checkpointTimeout"]["origin"], origin);
    let refunds = host.configuration("refunds").await;
    assert_eq!(json!([refunds["revision"], refunds["checkpointTimeout"]["override"]]), json!([0, null]));
}

#[tokio::test(start_paused = true)]
async fn hosted_override_ends_on_time() {
    let host = hosted().await;
    simulate_wall_clock(UNTIL - 120_000);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(host.configuration("orders").await["revision"], 3);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let shown = host.until_configuration("orders", |seen| seen["revision"] == 4).await;
    let timeout = json!({"submitted": 600_000, "override": 1_200_000, "effective": 1_200_000});
    assert_eq!(forms(&shown["checkpointTimeout"]), timeout);
}

#[tokio::test(start_paused = true)]
async fn hosted_job_restores_newest_checkpoint() {
    let host = hosted().await;
    let seen = host.seen("/jobs/orders/checkpoints").await;
    let restored = &seen["latest"]["restored"];
    assert_eq!((&restored["id"], &restored["is_savepoint"]), (&json!(3), &json!(false)));
    let newest = host.checkpoints(ORDERS).join("chk-3");
    assert_eq!(restored["external_path"], format!("file:{}", newest.display()));
    // A job restored from its own checkpoint triggers the next one at once. The fourth was the savepoint.
    assert_eq!(host.until_over("orders", 5).await["status"], "COMPLETED");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let exist = [2, 3, 5].map(|id| host.checkpoints(ORDERS).join(format!("chk-{id}")).exists());
    assert_eq!(exist, [false, true, true], "two are retained, those of the earlier version among them");
}

#[tokio::test(start_paused = true)]
async fn hosted_job_restores_earlier_savepoint() {
    let host = hosted().await;
    host.until_state(REFUNDS, "RUNNING").await;
    let seen = host.seen("/jobs/refunds/checkpoints").await;
    let restored = &seen["latest"]["restored"];
    assert_eq!((&restored["id"], &restored["is_savepoint"]), (&json!(4), &json!(true)));
    let savepoint = host.path().join(SAVEPOINT);
    assert_eq!(restored["external_path"], format!("file:{}", savepoint.display()));
    host.trigger("refunds").await;
    assert_eq!(host.until_over("refunds", 5).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn cancelled_job_stays_cancelled() {
    let host = hosted().await;
    let ended = host.path().join("jobs").join(PAYMENTS).join("ended.json");
    let content = fs::read(&ended).unwrap();
    let shown = host.configuration(PAYMENTS).await;
    assert_eq!((&shown["state"], &shown["name"]), (&json!("CANCELED"), &json!("payments")));
    assert_eq!(host.get(&format!("/jobs/{PAYMENTS}")).await.json()["end-time"], 1_796_096_027_140_u64);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fs::read(&ended).unwrap(), content);
    assert!(host.checkpoints(PAYMENTS).join("chk-1/_metadata").is_file(), "its policy retains it");
    host.patch(PAYMENTS, &json!({"checkpointTimeout": 60_000})).await.error(409);
}

#[tokio::test(start_paused = true)]
async fn hosted_audit_log_loads_unchanged() {
    let host = hosted().await;
    let wanted = [
        json!([["change", "orders", 1, null, {"from": 600_000, "to": 1_200_000}], "applied", "S3 is slow"]),
        json!([["change", "orders", 2, null, {"from": 1_200_000, "to": 1_800_000}], "applied", "backfill"]),
        json!([["change", "orders", 3, {"from": 3_600_000, "to": 7_200_000}, null], "applied", null]),
        json!([["change", "orders", null, null, {"from": null, "to": 300_000}], "refused", null]),
        json!([["change", "payments", 1, null, {"from": 600_000, "to": 900_000}], "applied", null]),
        json!([["pause", null, null, null, null], "applied", "storage is being moved"]),
    ];
    let audit = host.seen("/audit").await;
    assert_eq!(audit_entries(&audit), wanted);
    assert_eq!(audit["entries"][4]["until"], UNTIL);
    let earlier = fs::read_to_string(host.path().join("audit.jsonl")).unwrap();
    host.delete(&configuration_path("orders")).await;
    assert_eq!(host.seen("/audit").await["entries"].as_array().unwrap().len(), 7);
    assert!(fs::read_to_string(host.path().join("audit.jsonl")).unwrap().starts_with(&earlier));
}

#[tokio::test(start_paused = true)]
async fn pause_everywhere_loads_unchanged() {
    let host = hosted().await;
    let pause = json!({"cluster": null, "since": 1_796_096_027_190_u64, "reason": "storage is being moved"});
    assert_eq!(host.seen("/reconcile").await["pauses"], json!([pause]));
}

#[test]
fn token_loads_unchanged() {
    for name in ["hosted-94007ff", "flink-94007ff"] {
        let home = copied(name);
        let directory = StateDir::open(Some(home.path().to_owned())).unwrap();
        assert_eq!(directory.token().unwrap(), "0".repeat(64), "{name}");
    }
}
