//! Records of an earlier version for jobs of a Flink cluster that has FLIP-571.

use super::native::until_applied;
use super::*;
use crate::earlier_state::{NOW, audit_entries, copied};
use crate::support::{configuration_path, forms};
use ckpt_clock::simulate_wall_clock;
use ckptd::overrides::Key;
use serde_json::json;

/// The ends of the temporary interval and of the temporary timeout of `orders`.
const INTERVAL_UNTIL: u64 = 1_813_375_949_274;
const TIMEOUT_UNTIL: u64 = 1_822_015_948_990;

/// The two jobs as they were submitted: the cluster has lost the overrides.
async fn restarted() -> (FakeFlink, Host) {
    simulate_wall_clock(NOW);
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders"), FakeJob::new(TWO, "payments")]).await;
    fake.cluster().native = true;
    let settings = options(&[("prod", &fake)], Attach::Never).settings().unwrap();
    let host = Host::following(copied("flink-94007ff"), settings).await;
    until_job(&host, ONE, |job| job["overrideStatus"]["state"] == "notApplied").await;
    (fake, host)
}

async fn resume_reconcile(host: &Host) {
    assert_eq!(post(host, "/reconcile/resume", "").await.json()["pauses"], json!([]));
}

fn override_of_orders() -> Value {
    let layer = |value: u64, until: Option<u64>, reason: &str, since: u64| json!({"value": value, "until": until, "by": "ada@laptop", "reason": reason, "since": since});
    json!({
        "name": "orders", "revision": 3, "checkpointInterval": 30_000, "checkpointTimeout": 1_800_000,
        "reason": "backfill", "changedAt": 1_796_095_949_274_u64,
        "submitted": {"checkpointInterval": 10_000, "checkpointTimeout": 20_000},
        "layers": {
            "checkpointInterval": [layer(30_000, Some(INTERVAL_UNTIL), "backfill", 1_796_095_949_274)],
            "checkpointTimeout": [
                layer(1_200_000, None, "S3 is slow", 1_796_095_948_722),
                layer(1_800_000, Some(TIMEOUT_UNTIL), "backfill", 1_796_095_948_990),
            ],
        },
    })
}

fn override_of_payments() -> Value {
    json!({
        "name": "payments", "revision": 3, "checkpointInterval": null, "checkpointTimeout": 300_000,
        "reason": "was a mistake", "changedAt": 1_796_095_949_970_u64,
        "submitted": {"checkpointInterval": 10_000, "checkpointTimeout": 20_000},
        "layers": {
            "checkpointInterval": [],
            "checkpointTimeout": [{
                "value": 300_000, "until": null, "by": "ada@laptop", "reason": null,
                "since": 1_796_095_949_514_u64,
            }],
        },
    })
}

#[tokio::test]
async fn flink_overrides_load_unchanged() {
    let (_fake, host) = restarted().await;
    for (id, wanted) in [(ONE, override_of_orders()), (TWO, override_of_payments())] {
        let key = Key { cluster: "prod".to_owned(), job: id.parse().unwrap() };
        assert_eq!(serde_json::to_value(host.overrides.record(&key)).unwrap(), wanted);
    }
    let shown = host.configuration("orders").await;
    let interval = json!({"submitted": 10_000, "override": 30_000, "effective": 10_000});
    let timeout = json!({"submitted": 20_000, "override": 1_800_000, "effective": 20_000});
    assert_eq!(shown["revision"], 3);
    assert_eq!(forms(&shown["checkpointInterval"]), interval);
    assert_eq!(forms(&shown["checkpointTimeout"]), timeout);
    let origin = &shown["checkpointTimeout"]["origin"];
    assert_eq!((&origin["until"], &origin["afterwards"]), (&json!(TIMEOUT_UNTIL), &json!(1_200_000)));
}

#[tokio::test]
async fn flink_pause_holds_until_resumed() {
    let (fake, host) = restarted().await;
    let pause =
        json!({"cluster": "prod", "since": 1_796_095_950_181_u64, "reason": "JobManager is being upgraded"});
    assert_eq!(host.seen("/reconcile").await["pauses"], json!([pause]));
    hurried(sleep(Duration::from_secs(30))).await;
    assert_eq!(fake.values(ONE), (json!(10_000), json!(20_000)));
    resume_reconcile(&host).await;
    until_applied(&host, 3).await;
    assert_eq!(fake.values(ONE), (json!(30_000), json!(1_800_000)));
    until_job(&host, TWO, |job| job["applied"] == true).await;
    assert_eq!(fake.values(TWO), (json!(10_000), json!(300_000)));
}

#[tokio::test]
async fn flink_override_ends_on_time() {
    let (fake, host) = restarted().await;
    resume_reconcile(&host).await;
    until_applied(&host, 3).await;
    simulate_wall_clock(INTERVAL_UNTIL);
    until_applied(&host, 4).await;
    assert_eq!(fake.values(ONE), (json!(10_000), json!(1_800_000)));
    simulate_wall_clock(TIMEOUT_UNTIL);
    until_applied(&host, 5).await;
    assert_eq!(fake.values(ONE), (json!(10_000), json!(1_200_000)));
}

#[tokio::test]
async fn flink_reset_restores_submitted_values() {
    let (fake, host) = restarted().await;
    resume_reconcile(&host).await;
    until_applied(&host, 3).await;
    let reset = host.delete(&configuration_path(ONE)).await.json();
    assert_eq!(json!([reset["applied"], reset["revision"]]), json!([true, 4]));
    assert_eq!(fake.values(ONE), (json!(10_000), json!(20_000)));
}

#[tokio::test]
async fn flink_audit_log_loads_unchanged() {
    let (_fake, host) = restarted().await;
    let paused = "JobManager is being upgraded";
    let wanted = [
        json!([["change", "orders", 1, null, {"from": 20_000, "to": 1_200_000}], "applied", "S3 is slow"]),
        json!([["change", "orders", 2, null, {"from": 1_200_000, "to": 1_800_000}], "applied", "backfill"]),
        json!([["change", "orders", 3, {"from": 10_000, "to": 30_000}, null], "applied", "backfill"]),
        json!([["change", "payments", 1, null, {"from": 20_000, "to": 300_000}], "applied", null]),
        json!([["change", "payments", 2, {"from": 10_000, "to": 60_000}, null], "applied", null]),
        json!([["reset", "payments", 3, {"from": 60_000, "to": 10_000}, null], "applied", "was a mistake"]),
        json!([["pause", null, null, null, null], "applied", paused]),
    ];
    assert_eq!(audit_entries(&host.seen("/audit").await), wanted);
}
