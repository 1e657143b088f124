use super::*;
use crate::fake_flink::now;
use crate::support::{forms, hanging};
use serde_json::json;

const MINUTE: u64 = 60_000;

#[tokio::test]
async fn jobs_of_clusters_stand_beside_hosted_ones() {
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    let other = FakeFlink::with(vec![FakeJob::new(TWO, "payments")]).await;
    other.cluster().version = "1.20.5";
    let host = following(&[("prod", &fake), ("test", &other)]).await;
    host.run(&hanging()).await;
    let list = until_list(&host, |list| {
        let jobs = list["jobs"].as_array().unwrap();
        jobs.len() == 3 && jobs.iter().all(|job| !job["via"].is_null())
    })
    .await;
    let seen: Vec<_> = list["jobs"].as_array().unwrap().iter().map(|job| &job["name"]).collect();
    assert_eq!(seen, ["hanging", "orders", "payments"], "by name");
    let orders = job(&list, ONE).unwrap();
    assert_eq!((&orders["cluster"], &orders["state"]), (&json!("prod"), &json!("RUNNING")));
    let value = |millis: u64| json!({"submitted": millis, "override": null, "effective": millis});
    assert_eq!(forms(&orders["checkpointInterval"]), value(10_000));
    assert_eq!(forms(&orders["checkpointTimeout"]), value(20_000));
    assert_eq!(orders["failures"], json!({"consecutive": 1, "tolerable": 1_000}));
    let applied = json!([orders["revision"], orders["applied"], orders["stored"], orders["stale"]]);
    assert_eq!(applied, json!([0, true, true, null]));
    assert_eq!((&orders["via"], &list["jobs"][0]["via"]), (&json!("none"), &json!("hosted")));
    assert!(orders["viaDetail"].as_str().unwrap().contains("--attach on-change"), "{orders}");
    assert_eq!(job(&list, TWO).unwrap()["cluster"], "test");
    for (name, version, fake) in [("prod", "2.3.0", &fake), ("test", "1.20.5", &other)] {
        let cluster = cluster(&list, name);
        assert_eq!((&cluster["version"], &cluster["trouble"]), (&json!(version), &Value::Null));
        assert_eq!(cluster["url"], fake.url());
        assert!(cluster["observedAt"].as_i64().unwrap() > now() - 3_600_000);
    }
}

/// What is elapsed is counted on the cluster's clock, whatever ours shows.
#[tokio::test]
async fn a_clock_that_is_ahead_or_behind_distorts_nothing() {
    for ahead in [0, 3_600_000, -3_600_000] {
        let mut slow = FakeJob::new(ONE, "orders");
        slow.config["timeout"] = json!(10 * MINUTE);
        slow.checkpoints["history"][0]["trigger_timestamp"] = json!(now() + ahead - 120_000);
        let fake = FakeFlink::with(vec![slow]).await;
        fake.cluster().ahead = ahead;
        let host = following(&[("prod", &fake)]).await;
        let job = until_job(&host, ONE, |job| job["inFlight"][0]["id"] == 2).await;
        let in_flight = &job["inFlight"][0];
        assert_eq!((&in_flight["acknowledged"], &in_flight["subtasks"]), (&json!(2), &json!(4)));
        assert_eq!(in_flight["savepoint"], false);
        let elapsed = in_flight["elapsed"].as_u64().unwrap();
        assert!((2 * MINUTE - 1_000..4 * MINUTE).contains(&elapsed), "{ahead}: {job:#}");
        assert_eq!(in_flight["remaining"], 10 * MINUTE - elapsed, "{ahead}");
        let shown = job["observedAt"].as_i64().unwrap();
        assert!((shown - now()).abs() < 3_600_000, "it was seen now, on our clock");
    }
}

#[tokio::test]
async fn what_changes_is_seen_and_what_ended_is_shown_on_demand() {
    let (fake, host) = one_job().await;
    fake.job(ONE, |job| job.state = "RESTARTING");
    until_job(&host, ONE, |job| job["state"] == "RESTARTING").await;
    fake.job(ONE, |job| job.state = "RUNNING");
    fake.job(ONE, |job| job.config["timeout"] = json!(77_000));
    until_job(&host, ONE, |job| job["checkpointTimeout"]["effective"] == 77_000).await;
    fake.job(ONE, |job| job.state = "FINISHED");
    until_job(&host, ONE, |job| job["state"] == "FINISHED").await;
    assert_eq!(host.seen("/checkpoints/configuration").await["jobs"], json!([]));
    fake.cluster().jobs.clear();
    until_list(&host, |list| list["jobs"] == json!([])).await;
    assert_eq!(host.get(&format!("/jobs/{ONE}")).await.status, 404);
}

#[tokio::test]
async fn a_job_without_an_interval_has_none() {
    let mut batch = FakeJob::new(ONE, "batch");
    batch.config = crate::shape::recorded("checkpoints-config-no-interval");
    let fake = FakeFlink::with(vec![batch]).await;
    let host = following(&[("prod", &fake)]).await;
    let job = until_job(&host, ONE, |_| true).await;
    assert_eq!(
        forms(&job["checkpointInterval"]),
        json!({"submitted": null, "override": null, "effective": null})
    );
    assert_eq!(job["checkpointTimeout"]["effective"], 600_000);
}

/// Numbers that no Flink sends, and JSON allows.
#[tokio::test]
async fn absurd_numbers_stop_nothing() {
    let (fake, host) = one_job().await;
    for absurd in [i64::MIN, -1, 0, i64::MAX] {
        fake.job(ONE, |job| {
            for key in ["interval", "timeout", "min_pause", "max_concurrent", "tolerable_failed_checkpoints"]
            {
                job.config[key] = json!(absurd);
            }
            for key in ["trigger_timestamp", "end_to_end_duration", "latest_ack_timestamp"] {
                job.checkpoints["history"][0][key] = json!(absurd);
            }
        });
        fake.is_where("/jobs/overview", absurd_overview(absurd));
        let asked = fake.requests();
        // What came too late for once is no trouble that stays.
        let list = until_list(&host, |list| {
            fake.requests() > asked + 40 && cluster(list, "prod")["trouble"].is_null()
        })
        .await;
        assert!(job(&list, ONE).unwrap()["checkpointTimeout"]["effective"].as_u64().unwrap() >= 10);
    }
    fake.is(crate::fake_flink::Mood::Fine);
    fake.job(ONE, |job| job.state = "FAILING");
    until_job(&host, ONE, |job| job["state"] == "FAILING").await;
}

fn absurd_overview(number: i64) -> crate::fake_flink::Mood {
    let mut overview = crate::shape::recorded("jobs-overview");
    let job = &mut overview["jobs"][0];
    job["jid"] = json!(ONE);
    job["name"] = json!("orders");
    job["start-time"] = json!(if number > 0 { number } else { 1 });
    job["duration"] = json!(number);
    let text = Box::leak(overview.to_string().into_boxed_str());
    crate::fake_flink::Mood::Says(200, "application/json", text)
}
