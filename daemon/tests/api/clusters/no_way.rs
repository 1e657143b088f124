use super::*;
use crate::fake_flink::Mood;
use crate::support::{calm, configuration_path};
use serde_json::json;

fn change() -> Value {
    json!({"checkpointTimeout": 1_200_000, "reason": "a long night"})
}

/// A change, a reset and their dry runs are refused, and leave nothing behind.
async fn is_refused(host: &Host, fake: &FakeFlink, status: u16, parts: &[&str]) {
    let file = std::fs::read(host.overrides_file()).ok();
    let values = fake.values(ONE);
    let path = configuration_path(ONE);
    for path in [path.clone(), format!("{path}?dryRun=true")] {
        for body in [change(), json!({"checkpointInterval": 5_000, "pullIn": true})] {
            let sentence = hurried(host.patch_to(&path, &body)).await.error(status);
            for part in parts {
                assert!(sentence.contains(part), "{part}: {sentence}");
            }
        }
        hurried(host.delete(&path)).await.error(status);
    }
    assert_eq!(std::fs::read(host.overrides_file()).ok(), file, "byte for byte");
    assert_eq!(host.overrides.clusters().iter().filter(|name| *name == "prod").count(), 0);
    assert_eq!(fake.values(ONE), values);
    let touched = fake.changes().into_iter().filter(|(_, body)| body != "[]").count();
    assert_eq!(touched, 0, "{:?}", fake.changes());
}

#[tokio::test]
async fn attach_never_says_what_would_allow_it() {
    let (fake, host) = one_job().await;
    // Something is stored already, for a job that is hosted.
    host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 700_000})).await;
    is_refused(&host, &fake, 501, &["attach = never", "--attach on-change"]).await;
    let job = host.configuration(ONE).await;
    assert_eq!((&job["revision"], &job["checkpointTimeout"]["override"]), (&json!(0), &Value::Null));
}

/// The process behind the port is this test. Were it sent a SIGQUIT, it would be no more.
#[tokio::test]
async fn a_process_that_is_no_jvm_is_left_alone() {
    let fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    for attach in [Attach::OnChange, Attach::Always] {
        let host = started(&options(&[("prod", &fake)], attach)).await;
        let job = until_job(&host, ONE, |job| job["via"] == "none").await;
        assert!(job["stale"].is_null() && job["applied"] == true, "{job:#}");
        is_refused(&host, &fake, 501, &["cannot be changed from here"]).await;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.contains("ckpt-agent") && !maps.contains("ckpt_agent"), "nothing was loaded");
    }
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_503() {
    for attach in [Attach::Never, Attach::OnChange] {
        let mut fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
        let host = started(&options(&[("prod", &fake)], attach)).await;
        until_job(&host, ONE, |job| job["via"] == "none").await;
        fake.is(Mood::Fails(500));
        until_trouble(&host, "prod", |_| true).await;
        is_refused(&host, &fake, 503, &["Internal server error"]).await;
        fake.goes_away().await;
        until_trouble(&host, "prod", |said| said.contains("refused")).await;
        is_refused(&host, &fake, 503, &["refused"]).await;
    }
}

#[tokio::test]
async fn a_job_that_has_ended_is_not_changed() {
    let (fake, host) = one_job().await;
    fake.job(ONE, |job| job.state = "FAILED");
    until_job(&host, ONE, |job| job["state"] == "FAILED").await;
    is_refused(&host, &fake, 409, &["has ended", "FAILED"]).await;
}
