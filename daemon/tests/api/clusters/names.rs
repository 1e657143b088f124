use super::*;
use crate::support::calm;

/// Which job a path means: its cluster and its id.
async fn meant(host: &Host, wanted: &str) -> (String, String) {
    let job = host.configuration(&wanted.replace('/', "%2F")).await;
    (job["cluster"].as_str().unwrap().to_owned(), job["jobId"].as_str().unwrap().to_owned())
}

async fn refused(host: &Host, wanted: &str, status: u16) -> String {
    host.get(&crate::support::configuration_path(&wanted.replace('/', "%2F"))).await.error(status)
}

fn is(cluster: &str, id: &str) -> (String, String) {
    (cluster.to_owned(), id.to_owned())
}

#[tokio::test]
async fn what_is_in_two_clusters_is_named_with_its_cluster() {
    // The same name with different ids, and the same id with different names.
    let prod = FakeFlink::with(vec![FakeJob::new(ONE, "orders"), FakeJob::new(TWO, "payments")]).await;
    let threes = "33333333333333333333333333333333";
    let test = FakeFlink::with(vec![FakeJob::new(threes, "orders"), FakeJob::new(TWO, "refunds")]).await;
    let host = following(&[("prod", &prod), ("test", &test)]).await;
    until_list(&host, |list| list["jobs"].as_array().unwrap().len() == 4).await;
    for wanted in [ONE, "prod/orders", &format!("prod/{ONE}"), &ONE.to_uppercase()] {
        assert_eq!(meant(&host, wanted).await, is("prod", ONE), "{wanted}");
    }
    for wanted in [threes, "test/orders"] {
        assert_eq!(meant(&host, wanted).await, is("test", threes), "{wanted}");
    }
    for (wanted, cluster) in [("payments", "prod"), ("refunds", "test")] {
        assert_eq!(meant(&host, wanted).await, is(cluster, TWO));
    }
    assert_eq!(meant(&host, &format!("test/{TWO}")).await, is("test", TWO));
    let sentence = refused(&host, "orders", 409).await;
    for candidate in [format!("prod/orders ({ONE})"), format!("test/orders ({threes})")] {
        assert!(sentence.contains(&candidate), "{sentence}");
    }
    let sentence = refused(&host, TWO, 409).await;
    for candidate in [format!("prod/payments ({TWO})"), format!("test/refunds ({TWO})")] {
        assert!(sentence.contains(&candidate), "{sentence}");
    }
    for unknown in ["prod/refunds", "staging/orders", "prod/", "/orders", "Orders"] {
        assert!(refused(&host, unknown, 404).await.contains("ckptctl get"), "{unknown}");
    }
    // A change of what is ambiguous is refused before anything happens.
    let answer = host.patch("orders", &serde_json::json!({"checkpointTimeout": 1_200_000})).await;
    answer.error(409);
    assert_eq!(stored(&host), None);
}

#[tokio::test]
async fn a_hosted_job_of_the_same_name_is_another_candidate() {
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "calm")]).await;
    let host = following(&[("prod", &fake)]).await;
    let hosted = host.run(&calm()).await;
    until_job(&host, ONE, |_| true).await;
    let sentence = refused(&host, "calm", 409).await;
    assert!(sentence.contains(&format!("hosted/calm ({hosted})")), "{sentence}");
    assert!(sentence.contains(&format!("prod/calm ({ONE})")), "{sentence}");
    assert_eq!(meant(&host, "hosted/calm").await, is("hosted", &hosted));
    assert_eq!(meant(&host, "prod/calm").await, is("prod", ONE));
    // What has ended stands in nobody's way.
    host.cancelled(&hosted).await;
    assert_eq!(meant(&host, "calm").await, is("prod", ONE));
}

#[tokio::test]
async fn a_job_that_has_ended_gives_its_name_to_the_one_that_lives() {
    let earlier = FakeJob::new(ONE, "orders").in_state("CANCELED");
    let prod = FakeFlink::with(vec![earlier, FakeJob::new(TWO, "orders")]).await;
    let test = FakeFlink::with(vec![FakeJob::new(ONE, "orders").in_state("FAILED")]).await;
    let host = following(&[("prod", &prod), ("test", &test)]).await;
    until_list(&host, |list| list["jobs"].as_array().unwrap().len() == 3).await;
    assert_eq!(meant(&host, "orders").await, is("prod", TWO));
    prod.job(TWO, |job| job.state = "FINISHED");
    until_job(&host, TWO, |job| job["state"] == "FINISHED").await;
    assert_eq!(meant(&host, "prod/orders").await.0, "prod");
    refused(&host, "orders", 409).await;
}
