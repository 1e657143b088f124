use super::native::{native, passed_on, record, until_applied};
use super::*;
use crate::fake_flink::now;
use crate::support::{configuration_path, forms, request};
use axum::body::Body;
use axum::http::Method;
use serde_json::json;

#[tokio::test]
async fn what_was_submitted_is_what_was_written_down() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    // The cluster shows the changed value, as a Flink does whose values were changed in place.
    let host = host.restarted().await;
    let seen = until_applied(&host, 1).await;
    let timeout = json!({"submitted": 20_000, "override": 1_200_000, "effective": 1_200_000});
    assert_eq!(forms(&seen["checkpointTimeout"]), timeout);
    assert_eq!(passed_on(&fake).len(), 1, "it holds, so nothing is sent");
    let answer = host.delete(&configuration_path(ONE)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["revision"]), (200, &json!(2)), "{}", answer.body);
    assert_eq!(fake.values(ONE), (json!(10_000), json!(20_000)));
}

#[tokio::test]
async fn what_was_lost_while_ckptd_was_away_is_applied_when_it_comes_back() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    fake.job(ONE, |job| job.config["timeout"] = json!(20_000));
    let host = host.restarted().await;
    until_applied(&host, 1).await;
    assert_eq!(fake.values(ONE).1, 1_200_000);
}

#[tokio::test]
async fn an_override_ends_with_its_job_and_not_before() {
    let (mut fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    // Its cluster restarts: for a while it knows no job.
    let jobs = std::mem::take(&mut fake.cluster().jobs);
    let not_listed =
        |job: &Value| job["stale"].as_str().is_some_and(|why| why.contains("does not list this job"));
    let stale = until_job(&host, ONE, not_listed).await;
    assert_eq!(json!([stale["revision"], stale["checkpointTimeout"]["override"]]), json!([1, 1_200_000]));
    fake.goes_away().await;
    until_trouble(&host, "prod", |_| true).await;
    fake.comes_back().await;
    until_list(&host, |list| cluster(list, "prod")["trouble"].is_null()).await;
    assert_eq!(record(&host)["checkpointTimeout"], 1_200_000, "nothing was forgotten");
    fake.cluster().jobs = jobs;
    fake.job(ONE, |job| job.config["timeout"] = json!(20_000));
    until_applied(&host, 1).await;
    for state in ["FAILING", "RESTARTING", "SUSPENDED", "RECONCILING", "INITIALIZING", "CANCELLING"] {
        fake.job(ONE, |job| job.state = state);
        until_job(&host, ONE, |job| job["state"] == state).await;
        assert_eq!(record(&host)["revision"], 1, "{state}");
    }
    fake.job(ONE, |job| job.state = "FINISHED");
    let over = until_job(&host, ONE, |job| job["state"] == "FINISHED" && job["revision"] == 0).await;
    assert_eq!(record(&host), Value::Null);
    // Flink goes on to show what was in force when it ended.
    let timeout = json!({"submitted": 20_000, "override": null, "effective": 1_200_000, "origin": null});
    assert_eq!(over["checkpointTimeout"], timeout, "{over:#}");
    assert_eq!(json!([over["applied"], over["overrideStatus"]]), json!([true, null]));
}

/// Both clusters have a job of the same id; an override holds for one of them.
#[tokio::test]
async fn an_override_is_its_clusters_alone() {
    let prod = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    let test = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    for fake in [&prod, &test] {
        fake.cluster().native = true;
    }
    let host = following(&[("prod", &prod), ("test", &test)]).await;
    until_list(&host, |list| {
        let jobs = list["jobs"].as_array().unwrap();
        jobs.len() == 2 && jobs.iter().all(|job| job["via"] == "native")
    })
    .await;
    host.patch(ONE, &json!({"checkpointTimeout": 1_200_000})).await.error(409);
    host.change(&format!("prod%2F{ONE}"), &json!({"checkpointTimeout": 1_200_000})).await;
    let other = host.configuration("test%2Forders").await;
    assert_eq!(json!([other["revision"], other["checkpointTimeout"]["effective"]]), json!([0, 20_000]));
    // The other one ends, and takes nothing along.
    test.job(ONE, |job| job.state = "CANCELED");
    until_list(&host, |list| {
        list["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|job| job["cluster"] == "test" && job["state"] == "CANCELED")
    })
    .await;
    assert_eq!(record(&host)["revision"], 1);
    assert_eq!((prod.values(ONE).1, test.values(ONE).1), (json!(1_200_000), json!(20_000)));
}

/// A fixed id is common in application mode: the override holds, and nothing else of the earlier submission.
#[tokio::test]
async fn a_job_that_is_submitted_again_under_its_id_keeps_its_own_values() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    fake.job(ONE, |job| {
        job.started = now() + 1;
        job.config["interval"] = json!(30_000);
        job.config["timeout"] = json!(40_000);
    });
    let submitted = json!({"checkpointInterval": 30_000, "checkpointTimeout": 40_000});
    let again = until_job(&host, ONE, |job| {
        job["applied"] == true && job["checkpointInterval"]["submitted"] == 30_000
    });
    let again = again.await;
    let timeout = json!({"submitted": 40_000, "override": 1_200_000, "effective": 1_200_000});
    assert_eq!(forms(&again["checkpointTimeout"]), timeout);
    assert_eq!(record(&host)["submitted"], submitted);
    assert_eq!(fake.values(ONE), (json!(30_000), json!(1_200_000)));
}

#[tokio::test]
async fn a_job_that_is_not_listed_any_more_can_only_be_forgotten() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    fake.cluster().jobs.clear();
    let not_listed = |job: &Value| job["stale"].as_str().is_some_and(|why| why.contains("does not list"));
    until_job(&host, ONE, not_listed).await;
    host.patch(ONE, &json!({"checkpointTimeout": 900_000})).await.error(503);
    assert_eq!(record(&host)["revision"], 1, "nothing was stored");
    let stale = request(Method::DELETE, &configuration_path(ONE)).header("if-match", "\"7\"");
    host.send(stale.body(Body::empty()).unwrap()).await.error(412);
    assert_eq!(record(&host)["revision"], 1, "nothing was forgotten");
    let forgotten = host.delete(&configuration_path(ONE)).await;
    assert_eq!(forgotten.status.as_u16(), 200, "{}", forgotten.body);
    assert_eq!(record(&host), Value::Null);
    until_list(&host, |list| job(list, ONE).is_none()).await;
}
