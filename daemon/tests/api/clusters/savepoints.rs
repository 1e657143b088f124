use super::*;
use crate::fake_flink::Mood;
use crate::shape::recorded;
use crate::support::with_json;
use serde_json::json;

async fn ask(host: &Host, body: &Value) -> Answer {
    host.send(with_json(request(Method::POST, "/jobs/orders/savepoints"), &body.to_string())).await
}

#[tokio::test]
async fn a_savepoint_is_passed_on_with_the_clusters_own_rules() {
    let (fake, host) = one_job().await;
    let recorded = recorded("savepoints-and-cancel");
    let path = format!("POST /jobs/{ONE}/savepoints");
    let bodies = [
        json!({"target-directory": "s3://bucket/x", "cancel-job": true, "formatType": "NATIVE"}),
        json!({"target-directory": "relative", "cancel-job": false, "triggerId": "c".repeat(32)}),
    ];
    for body in &bodies {
        let answer = ask(&host, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (202, recorded["trigger"]["body"].clone()));
        assert_eq!(fake.changes().pop(), Some((path.clone(), body.to_string())));
    }
    // Without a target it is the cluster that says what is missing.
    let sentence = ask(&host, &json!({})).await.error(400);
    assert!(sentence.starts_with("cluster prod: Config key"), "{sentence}");
    assert_eq!(fake.changes().pop(), Some((path, r#"{"cancel-job":false}"#.to_owned())));

    let id = "c".repeat(32);
    assert_eq!(host.seen(&format!("/jobs/orders/savepoints/{id}")).await, recorded["status"]["body"]);
    let unknown = format!("/jobs/orders/savepoints/{}", "d".repeat(32));
    assert!(host.get(&unknown).await.error(404).contains("no savepoint operation"));
}

#[tokio::test]
async fn what_the_cluster_refuses_or_does_not_answer_is_said() {
    let (fake, host) = one_job().await;
    for (mood, status) in [(Mood::Fails(404), 409), (Mood::Fails(409), 409), (Mood::Fails(500), 503)] {
        fake.is_where("/savepoints", mood);
        let sentence = ask(&host, &json!({"target-directory": "/x"})).await.error(status);
        assert!(sentence.contains("cluster prod"), "{sentence}");
    }
}
