use super::native::native;
use super::*;
use crate::fake_flink::Mood;
use crate::support::bare;
use serde_json::json;

async fn diagnosis(host: &Host) -> Value {
    let answer = hurried(post(host, "/doctor?cluster=prod", "")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let diagnosis = answer.json();
    assert_eq!(
        (&diagnosis["schema"], diagnosis["clusters"].as_array().unwrap().len()),
        (&json!("ckpt/v1"), 1)
    );
    diagnosis["clusters"][0].clone()
}

/// What failed, each with a line of advice.
#[track_caller]
fn failed(diagnosis: &Value) -> Vec<String> {
    let checks = diagnosis["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["verdict"] == "failed");
    failed
        .map(|check| {
            let advice = check["advice"].as_str().unwrap_or_default();
            assert!(!advice.is_empty() && !advice.contains('\n'), "{check:#}");
            check["check"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn it_needs_the_token_and_a_cluster() {
    let (_fake, host) = one_job().await;
    let without = bare(Method::POST, "/doctor").header("host", "127.0.0.1:8571").body(Body::empty()).unwrap();
    assert!(host.send(without).await.error(401).contains("token"));
    assert_eq!(host.get("/doctor").await.status, 405, "it may load a library, so it is no look");
    let sentence = post(&host, "/doctor?cluster=staging", "").await.error(404);
    assert!(sentence.contains("staging") && sentence.contains("--flink"), "{sentence}");
    post(&host, "/doctor?clutser=prod", "").await.error(400);
    let all = hurried(post(&host, "/v1/doctor", "")).await.json();
    assert_eq!(all["clusters"][0]["cluster"], "prod");
}

#[tokio::test]
async fn consent_that_is_missing_is_a_failure_with_advice() {
    let (fake, host) = one_job().await;
    let seen = diagnosis(&host).await;
    assert_eq!(json!([seen["changeable"], seen["via"], seen["url"]]), json!([false, "none", fake.url()]));
    assert_eq!(failed(&seen), ["consent"]);
    let verdicts: Vec<_> = seen["checks"].as_array().unwrap().iter().map(|check| &check["verdict"]).collect();
    assert_eq!(verdicts, ["passed", "passed", "noted", "failed", "passed", "passed"], "{seen:#}");
}

#[tokio::test]
async fn a_process_that_is_no_jvm_is_named() {
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    let host = started(&options(&[("prod", &fake)], Attach::OnChange)).await;
    until_job(&host, ONE, |job| job["via"] == "none").await;
    let seen = diagnosis(&host).await;
    assert_eq!(json!([seen["changeable"], seen["via"]]), json!([false, "none"]), "{seen:#}");
    assert!(!failed(&seen).is_empty(), "{seen:#}");
    let checks = seen["checks"].as_array().unwrap();
    let agent = checks.iter().find(|check| check["check"] == "agent").unwrap();
    assert_eq!(agent["verdict"], "skipped", "nothing is loaded: {seen:#}");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_cannot_be_changed() {
    let (mut fake, host) = one_job().await;
    fake.is(Mood::Silent);
    until_trouble(&host, "prod", |_| true).await;
    let seen = diagnosis(&host).await;
    assert_eq!(seen["changeable"], false);
    assert_eq!(failed(&seen)[0], "REST API");
    assert!(seen["checks"][0]["found"].as_str().unwrap().contains("no answer in time"), "{seen:#}");
    fake.goes_away().await;
    until_trouble(&host, "prod", |said| said.contains("refused")).await;
    assert_eq!(failed(&diagnosis(&host).await)[0], "REST API");
}

#[tokio::test]
async fn a_cluster_with_flip_571_needs_no_consent() {
    let (_fake, host) = native().await;
    let seen = diagnosis(&host).await;
    assert_eq!(json!([seen["changeable"], seen["via"]]), json!([true, "native"]), "{seen:#}");
    assert_eq!(failed(&seen), [""; 0]);
}

#[tokio::test]
async fn without_clusters_there_is_nothing_to_say() {
    let host = Host::new().await;
    let answer = post(&host, "/doctor", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["clusters"]), (200, &json!([])));
}

/// Whether changes hold is another question than whether one can be made.
#[tokio::test]
async fn overrides_that_do_not_hold_and_a_pause_are_noted_with_advice() {
    let (fake, host) = native().await;
    let noted = |seen: &Value, name: &str| {
        let check = seen["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap();
        let said = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
        (said("verdict"), said("found"), said("advice"))
    };
    assert_eq!(noted(&diagnosis(&host).await, "overrides").1, "there are none");
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    let seen = diagnosis(&host).await;
    assert_eq!(noted(&seen, "overrides").1, "1 of 1 hold");
    assert_eq!(noted(&seen, "reconcile").0, "passed");
    post(&host, "/reconcile/pause", r#"{"reason": "hands off"}"#).await;
    fake.job(ONE, |job| job.config["timeout"] = json!(33_000));
    until_job(&host, ONE, |job| {
        job["overrideStatus"]["why"].as_str().is_some_and(|why| why.contains("paused"))
    })
    .await;
    let seen = diagnosis(&host).await;
    assert_eq!(seen["changeable"], true, "{seen:#}");
    let (verdict, _, advice) = noted(&seen, "reconcile");
    assert!(verdict == "noted" && advice.contains("hands off") && advice.contains("resume"), "{seen:#}");
    let (verdict, found, advice) = noted(&seen, "overrides");
    assert_eq!((verdict.as_str(), found.as_str()), ("noted", "0 of 1 hold; that of orders is not applied"));
    assert!(advice.contains("a timeout of 33s is in force"), "{advice}");
}
