//! Overrides that end by themselves on jobs of Flink clusters. The wall clock goes with the time that is hurried.

use super::native::{native, passed_on, record, until_applied};
use super::*;
use crate::support::configuration_path;
use ckpt_clock::{simulate_wall_clock, wall_millis};
use serde_json::json;

const HOUR: u64 = 3_600_000;

async fn temporary() -> (FakeFlink, Host) {
    simulate_wall_clock(1_790_000_000_000);
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000, "for": HOUR})).await;
    assert_eq!(fake.values(ONE).1, 1_200_000);
    (fake, host)
}

/// An hour has passed on the wall clock, and on no other.
fn an_hour_later() {
    simulate_wall_clock(wall_millis() + HOUR);
}

#[tokio::test]
async fn when_it_ends_the_cluster_gets_what_was_submitted_once() {
    let (fake, host) = temporary().await;
    host.change(ONE, &json!({"checkpointTimeout": 900_000, "for": 2 * HOUR})).await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000, "for": HOUR})).await;
    an_hour_later();
    until_applied(&host, 4).await;
    assert_eq!(fake.values(ONE).1, 900_000);
    an_hour_later();
    let ended = until_applied(&host, 5).await;
    assert_eq!(fake.values(ONE), (json!(10_000), json!(20_000)));
    assert_eq!(ended["checkpointTimeout"]["origin"], Value::Null);
    assert_eq!(ended["overrideStatus"], Value::Null, "nobody is suspected: {ended:#}");
    assert_eq!(passed_on(&fake).len(), 5);
    assert_eq!(
        record(&host)["submitted"]["checkpointTimeout"],
        20_000,
        "what should hold goes on to be known"
    );
}

#[tokio::test]
async fn what_ended_while_its_cluster_was_away_is_put_back_when_it_answers() {
    let (mut fake, host) = temporary().await;
    fake.goes_away().await;
    until_job(&host, ONE, |job| job["overrideStatus"]["state"] == "waiting").await;
    an_hour_later();
    let ended = until_job(&host, ONE, |job| job["revision"] == 2).await;
    assert_eq!(ended["checkpointTimeout"]["override"], Value::Null);
    assert_eq!(record(&host)["checkpointTimeout"], Value::Null, "it is durable, whoever is away");
    // The cluster was only out of reach: what it has is still the override.
    fake.comes_back().await;
    until_applied(&host, 2).await;
    assert_eq!(fake.values(ONE).1, 20_000);
}

#[tokio::test]
async fn what_ended_while_ckptd_and_its_cluster_were_away_is_put_back_too() {
    let (mut fake, host) = temporary().await;
    fake.goes_away().await;
    an_hour_later();
    let host = host.restarted().await;
    until_job(&host, ONE, |job| job["revision"] == 2).await;
    assert_eq!(record(&host)["checkpointTimeout"], Value::Null, "whoever is away");
    fake.comes_back().await;
    until_applied(&host, 2).await;
    assert_eq!(fake.values(ONE).1, 20_000);
}

#[tokio::test]
async fn what_has_ended_and_cannot_be_taken_away_does_not_go_on_to_hold() {
    let (fake, host) = temporary().await;
    let (file, aside) = (host.overrides_file(), host.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    // No file can take the place of a directory.
    std::fs::create_dir(&file).unwrap();
    an_hour_later();
    let over = until_job(&host, ONE, |job| {
        job["checkpointTimeout"]["effective"] == 20_000 && job["applied"] == true
    })
    .await;
    let timeout = &over["checkpointTimeout"];
    assert_eq!(json!([over["revision"], timeout["override"], fake.values(ONE).1]), json!([1, null, 20_000]));
    hurried(tokio::time::sleep(Duration::from_secs(60))).await;
    assert_eq!(passed_on(&fake).len(), 2, "it holds");
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    until_applied(&host, 2).await;
    assert_eq!((fake.values(ONE).1, &record(&host)["checkpointTimeout"]), (json!(20_000), &Value::Null));
}

#[tokio::test]
async fn hands_that_are_off_stay_off_when_an_override_ends() {
    let (fake, host) = temporary().await;
    post(&host, "/reconcile/pause", r#"{"reason": "hands off"}"#).await;
    an_hour_later();
    let ended = until_job(&host, ONE, |job| {
        job["revision"] == 2
            && job["overrideStatus"]["why"].as_str().is_some_and(|why| why.contains("paused"))
    })
    .await;
    assert_eq!(ended["applied"], false);
    hurried(tokio::time::sleep(Duration::from_secs(30))).await;
    assert_eq!((fake.values(ONE).1, passed_on(&fake).len()), (json!(1_200_000), 1));
    post(&host, "/reconcile/resume", "").await;
    until_applied(&host, 2).await;
    assert_eq!(fake.values(ONE).1, 20_000);
}

#[tokio::test]
async fn whoever_adopts_an_override_takes_over_when_it_ends_and_what_comes_then() {
    let (fake, host) = temporary().await;
    host.change(ONE, &json!({"checkpointTimeout": 900_000})).await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000, "for": HOUR, "reason": "slow"})).await;
    let until = host.configuration(ONE).await["checkpointTimeout"]["origin"]["until"].clone();
    fake.cluster().jobs = vec![FakeJob::new(TWO, "orders")];
    until_job(&host, TWO, |job| job["overrideStatus"]["state"] == "orphaned").await;
    let adopted = post(&host, &format!("{}/adopt", configuration_path(TWO)), "").await.json();
    let origin = &adopted["checkpointTimeout"]["origin"];
    assert_eq!(
        json!([origin["until"], origin["afterwards"], origin["reason"]]),
        json!([until, 900_000, "slow"])
    );
    an_hour_later();
    until_job(&host, TWO, |job| job["applied"] == true && job["checkpointTimeout"]["effective"] == 900_000)
        .await;
    assert_eq!(fake.values(TWO).1, 900_000);
}

#[tokio::test]
async fn what_is_adopted_for_a_time_ends_by_then_and_what_was_submitted_applies_again() {
    let (fake, host) = temporary().await;
    let host = host.restarted_with("[overrides]\nlongest-for = '2h'\n").await;
    until_job(&host, ONE, |job| job["via"] == "native").await;
    host.change(ONE, &json!({"checkpointTimeout": 900_000, "for": 2 * HOUR})).await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000, "for": HOUR / 2})).await;
    let ends = host.configuration(ONE).await["checkpointTimeout"]["origin"]["until"].clone();
    fake.cluster().jobs = vec![FakeJob::new(TWO, "orders")];
    until_job(&host, TWO, |job| job["overrideStatus"]["state"] == "orphaned").await;
    let adopt = format!("{}/adopt", configuration_path(TWO));
    for (wrong, said) in [
        (r#"{"for": 999}"#, "an override cannot be made for 999ms; it lasts from 1s to 365d"),
        (r#"{"for": "1h"}"#, "invalid type: string"),
    ] {
        let refused = post(&host, &adopt, wrong).await.error(400);
        assert!(refused.contains(said), "{refused}");
    }
    let refused = post(&host, &adopt, &json!({"for": 2 * HOUR + 1}).to_string()).await.error(409);
    assert!(refused.contains("for which an override may last (longest-for, /etc/ckptd.toml:2)"), "{refused}");
    let adopted = post(&host, &adopt, &json!({"for": HOUR}).to_string()).await.json();
    let origin = &adopted["checkpointTimeout"]["origin"];
    assert_eq!(json!([origin["until"], origin["afterwards"]]), json!([ends, 900_000]), "{adopted:#}");
    an_hour_later();
    let seen = until_job(&host, TWO, |job| job["checkpointTimeout"]["effective"] == 20_000).await;
    assert_eq!(json!([seen["checkpointTimeout"]["override"], seen["overrideStatus"]]), json!([null, null]));
    assert_eq!(fake.values(TWO).1, 20_000);
}

#[tokio::test]
async fn what_the_policy_does_not_allow_is_not_adopted_nor_what_would_come_out_later() {
    let (fake, mut host) = temporary().await;
    host.change(ONE, &json!({"checkpointTimeout": 7_200_000})).await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000, "for": HOUR})).await;
    fake.cluster().jobs = vec![FakeJob::new(TWO, "orders")];
    let adopt = format!("{}/adopt", configuration_path(TWO));
    for (nth, (config, said)) in [
        (
            "[policy]\nlongest-timeout = '1h'\n",
            "the timeout 2h is longer than the 1h allowed for all jobs (longest-timeout, /etc/ckptd.toml:2)",
        ),
        (
            "[overrides]\nlongest-for = '1d'\n",
            "the timeout 2h that would be adopted does not end by itself, and 1d is the most (longest-for, \
             /etc/ckptd.toml:2); add --for 1d",
        ),
        (
            "[overrides]\nlongest-for = '30m'\n",
            "and 30m is the most (longest-for, /etc/ckptd.toml:2); add --for 30m",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        host = host.restarted_with(config).await;
        until_job(&host, TWO, |job| job["overrideStatus"]["state"] == "orphaned" && job["via"] == "native")
            .await;
        for path in [format!("{adopt}?dryRun=true"), adopt.clone()] {
            let refused = post(&host, &path, "").await.error(409);
            assert!(refused.ends_with(said), "{refused}");
        }
        let audit = host.seen("/audit").await;
        assert_eq!(audit["entries"].as_array().unwrap().len(), 4 + nth, "{audit:#}");
        assert_eq!(audit["entries"][0]["outcome"]["result"], "refused");
    }
    assert_eq!(fake.values(TWO).1, 20_000);
    host = host.restarted_with("[policy]\nlongest-timeout = '2h'\n").await;
    until_job(&host, TWO, |job| job["overrideStatus"]["state"] == "orphaned" && job["via"] == "native").await;
    assert_eq!(post(&host, &adopt, "").await.status, 200);
}

/// As while it restarts: what is in force is what was submitted.
#[tokio::test]
async fn an_extension_is_measured_against_what_is_stored_when_that_is_lost() {
    let (fake, host) = native().await;
    let host = host.restarted_with("[policy]\nlongest-extension = '30m'\n").await;
    until_job(&host, ONE, |job| job["via"] == "native").await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    post(&host, "/reconcile/pause", "").await;
    fake.job(ONE, |job| job.config["timeout"] = json!(20_000));
    until_job(&host, ONE, |job| job["checkpointTimeout"]["effective"] == 20_000).await;
    let refused = host.patch(ONE, &json!({"checkpointTimeout": 3_000_001})).await.error(409);
    assert!(refused.contains("longest-extension"), "{refused}");
    host.change(ONE, &json!({"checkpointTimeout": 3_000_000})).await;
}

/// The name runs under another id, and nothing is left to adopt.
#[tokio::test]
async fn the_override_of_a_job_that_was_replaced_ends_and_is_forgotten() {
    let (fake, host) = temporary().await;
    fake.cluster().jobs = vec![FakeJob::new(TWO, "orders")];
    until_job(&host, TWO, |job| job["overrideStatus"]["state"] == "orphaned").await;
    an_hour_later();
    until_list(&host, |list| job(list, ONE).is_none()).await;
    assert_eq!(stored(&host), Some(json!({})));
    until_job(&host, TWO, |job| job["overrideStatus"].is_null()).await;
}
