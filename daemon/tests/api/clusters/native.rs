use super::*;
use crate::fake_flink::Mood;
use crate::support::{configuration_path, forms, trouble};
use serde_json::json;

/// A cluster with FLIP-571, and a daemon that found it out.
pub(super) async fn native() -> (FakeFlink, Host) {
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    fake.cluster().native = true;
    let host = following(&[("prod", &fake)]).await;
    until_job(&host, ONE, |job| job["via"] == "native").await;
    (fake, host)
}

/// The changes that went to the cluster, but for the question whether it takes any.
pub(super) fn passed_on(fake: &FakeFlink) -> Vec<Value> {
    let path = format!("PATCH {}", configuration_path(ONE));
    let changes = fake.changes().into_iter().filter(|(_, body)| body != "[]");
    changes
        .map(|(what, body)| {
            assert_eq!(what, path);
            serde_json::from_str(&body).unwrap()
        })
        .collect()
}

pub(super) fn record(host: &Host) -> Value {
    stored(host).map_or(Value::Null, |stored| stored["prod"][ONE].clone())
}

pub(super) async fn until_applied(host: &Host, revision: u64) -> Value {
    until_job(host, ONE, |job| job["applied"] == true && job["revision"] == revision).await
}

#[tokio::test]
async fn a_change_is_passed_on_in_the_words_of_flip_571() {
    let (fake, host) = native().await;
    let asked = fake.changes();
    assert!(asked.iter().all(|(_, body)| body == "[]") && !asked.is_empty(), "{asked:?}");
    let changed =
        host.change("orders", &json!({"checkpointTimeout": 1_200_000, "reason": "a long night"})).await;
    assert_eq!(passed_on(&fake), [json!({"checkpointTimeout": 1_200_000, "checkpointInterval": 10_000})]);
    assert_eq!((&changed["via"], &changed["viaDetail"]), (&json!("native"), &json!(fake.url())));
    assert_eq!(json!([changed["stored"], changed["applied"], changed["revision"]]), json!([true, true, 1]));
    let timeout = json!({"submitted": 20_000, "override": 1_200_000, "effective": 1_200_000});
    assert_eq!(forms(&changed["checkpointTimeout"]), timeout);
    let submitted = json!({"checkpointInterval": 10_000, "checkpointTimeout": 20_000});
    let record = record(&host);
    assert_eq!((&record["submitted"], &record["reason"]), (&submitted, &json!("a long night")));
    assert_eq!(
        (&record["checkpointTimeout"], &record["checkpointInterval"]),
        (&json!(1_200_000), &Value::Null)
    );
    // Both read paths show it, and a second look finds nothing to do.
    until_applied(&host, 1).await;
    assert_eq!(host.seen(&format!("/jobs/{ONE}/checkpoints/config")).await["timeout"], 1_200_000);
    let again = host.change("orders", &json!({"checkpointTimeout": 1_200_000})).await;
    assert_eq!(again["revision"], 1);
}

#[tokio::test]
async fn a_reset_sends_what_was_submitted() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000, "checkpointInterval": 60_000})).await;
    host.change(ONE, &json!({"checkpointInterval": null})).await;
    assert_eq!(fake.values(ONE), (json!(10_000), json!(1_200_000)));
    let answer = host.delete(&configuration_path(ONE)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(json!([answer.json()["applied"], answer.json()["revision"]]), json!([true, 3]));
    let bodies = [(60_000, 1_200_000), (10_000, 1_200_000), (10_000, 20_000)];
    let bodies = bodies.map(|(i, t)| json!({"checkpointInterval": i, "checkpointTimeout": t}));
    assert_eq!(passed_on(&fake), bodies);
    assert_eq!(fake.values(ONE), (json!(10_000), json!(20_000)));
}

#[tokio::test]
async fn a_job_without_an_interval_is_sent_none() {
    let (fake, host) = native().await;
    fake.job(ONE, |job| job.config = crate::shape::recorded("checkpoints-config-no-interval"));
    until_job(&host, ONE, |job| job["checkpointInterval"]["effective"].is_null()).await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    assert_eq!(passed_on(&fake), [json!({"checkpointTimeout": 1_200_000})]);
    host.patch(ONE, &json!({"checkpointInterval": 1_200_000})).await.error(409);
    assert_eq!(passed_on(&fake).len(), 1);
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_foresees_what_happens() {
    let (fake, host) = native().await;
    fake.job(ONE, |job| job.config["timeout"] = json!(3_600_000));
    let started = crate::fake_flink::now() - 600_000;
    fake.job(ONE, |job| job.checkpoints["history"][0]["trigger_timestamp"] = json!(started));
    until_job(&host, ONE, |job| job["checkpointTimeout"]["effective"] == 3_600_000).await;
    let path = format!("{}?dryRun=true", configuration_path(ONE));
    for (timeout, outcome) in [(60_000, "expired"), (3_000_000, "shortened"), (7_200_000, "extended")] {
        let answer = host.patch_to(&path, &json!({"checkpointTimeout": timeout})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let seen = answer.json();
        assert_eq!(seen["inFlight"][0]["outcome"], outcome, "{seen:#}");
        assert_eq!(json!([seen["stored"], seen["applied"], seen["revision"]]), json!([false, false, 0]));
        assert_eq!(seen["checkpointTimeout"]["effective"], timeout);
    }
    assert_eq!((passed_on(&fake).len(), stored(&host)), (0, None));
}

#[tokio::test]
async fn a_trigger_cannot_be_brought_forward() {
    let (fake, host) = native().await;
    for query in ["", "?dryRun=true"] {
        let path = format!("{}{query}", configuration_path(ONE));
        let sentence =
            host.patch_to(&path, &json!({"checkpointInterval": 5_000, "pullIn": true})).await.error(501);
        assert!(sentence.contains("--now"), "{sentence}");
    }
    assert_eq!((passed_on(&fake).len(), stored(&host)), (0, None));
}

#[tokio::test]
async fn what_the_cluster_lost_is_applied_again() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    // As after a restart of its JobManager.
    fake.job(ONE, |job| job.config["timeout"] = json!(20_000));
    for _ in 0..MOST_LOOKS {
        if fake.values(ONE).1 == 1_200_000 {
            break;
        }
        step().await;
    }
    assert_eq!(fake.values(ONE), (json!(10_000), json!(1_200_000)), "without anybody asking");
    let seen = until_applied(&host, 1).await;
    assert_eq!(seen["checkpointTimeout"]["submitted"], 20_000);
    assert!(trouble(&seen).is_empty(), "{seen:#}");
}

#[tokio::test]
async fn a_change_that_the_cluster_does_not_take_is_stored_and_tried_again() {
    let (fake, host) = native().await;
    for (mood, why) in [
        (Mood::Fails(500), "Internal server error"),
        (
            Mood::Says(409, "application/json", "{\"errors\": [\"another change is under way\"]}"),
            "another change",
        ),
    ] {
        let revision = host.configuration(ONE).await["revision"].as_u64().unwrap() + 1;
        let wanted = 1_000_000 * revision;
        fake.is_where("PATCH", mood);
        let answer = host.patch(ONE, &json!({"checkpointTimeout": wanted})).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let seen = answer.json();
        assert_eq!(
            json!([seen["stored"], seen["applied"], seen["revision"]]),
            json!([true, false, revision])
        );
        assert_ne!(seen["checkpointTimeout"]["effective"], wanted, "it is not in force");
        let status = &seen["overrideStatus"];
        assert_eq!(status["state"], "notApplied", "{seen:#}");
        assert!(status["why"].as_str().unwrap().contains(why), "{status}");
        assert_eq!(record(&host)["checkpointTimeout"], wanted);
        let tried_again = |job: &Value| job["overrideStatus"]["nextTry"].is_u64();
        let shown = until_job(&host, ONE, tried_again).await;
        assert_eq!(
            (&shown["applied"], &shown["overrideStatus"]["state"]),
            (&json!(false), &json!("notApplied"))
        );
        assert!(shown["overrideStatus"]["why"].as_str().unwrap().contains(why), "{shown:#}");
        fake.is(Mood::Fine);
        let seen = until_applied(&host, revision).await;
        assert_eq!((&seen["checkpointTimeout"]["effective"], trouble(&seen).len()), (&json!(wanted), 0));
        assert_eq!(fake.values(ONE).1, wanted);
    }
}

#[tokio::test]
async fn a_cluster_that_goes_away_in_the_middle_of_a_change() {
    let (mut fake, host) = native().await;
    fake.is_where("PATCH", Mood::Silent);
    let answer = hurried(host.patch(ONE, &json!({"checkpointTimeout": 1_200_000}))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["applied"]), (202, &json!(false)), "{}", answer.body);
    fake.goes_away().await;
    let stale = until_job(&host, ONE, |job| job["stale"].is_string()).await;
    assert_eq!(json!([stale["revision"], stale["applied"]]), json!([1, false]));
    assert_eq!(stale["checkpointTimeout"]["override"], 1_200_000);
    fake.is(Mood::Fine);
    fake.comes_back().await;
    until_applied(&host, 1).await;
    assert_eq!(fake.values(ONE).1, 1_200_000);
}

#[tokio::test]
async fn changes_that_come_together_are_all_there_in_the_end() {
    let (fake, host) = native().await;
    let changes = (1..=8).map(|nth| {
        let host = &host;
        let body = match nth % 2 {
            0 => json!({"checkpointTimeout": 1_000_000 + nth}),
            _ => json!({"checkpointInterval": 50_000 + nth}),
        };
        async move { host.patch(ONE, &body).await.status.as_u16() }
    });
    let statuses = futures::future::join_all(changes).await;
    assert!(statuses.iter().all(|status| [200, 202].contains(status)), "{statuses:?}");
    let seen = until_applied(&host, 8).await;
    let shown =
        (seen["checkpointInterval"]["effective"].clone(), seen["checkpointTimeout"]["effective"].clone());
    assert_eq!(fake.values(ONE), shown);
    let record = record(&host);
    assert_eq!((record["checkpointInterval"].clone(), record["checkpointTimeout"].clone()), shown);
}

/// A proxy that lets only reading through is no FLIP-571.
#[tokio::test]
async fn a_cluster_that_refuses_every_change_has_no_way_in() {
    for status in [401, 403] {
        let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
        fake.is_where("PATCH", Mood::Fails(status));
        let host = following(&[("prod", &fake)]).await;
        until_job(&host, ONE, |job| job["via"] == "none").await;
        let said = host.patch(ONE, &json!({"checkpointTimeout": 900_000})).await.error(501);
        assert!(said.contains(&format!("refuses changes ({status})")), "{said}");
        assert_eq!(record(&host), Value::Null);
    }
}
