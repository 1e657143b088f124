use super::*;
use crate::fake_flink::Mood;
use crate::shape::recorded;

const PATH: &str = "/jobs/orders/checkpoints/diagnosis";

#[tokio::test]
async fn what_flink_does_not_tell_is_a_warning_and_no_failure() {
    let (fake, host) = one_job().await;
    fake.is_where("/subtasks/", Mood::Fails(500));
    let seen = host.seen(PATH).await;
    let listed = &recorded("checkpoints-in-progress")["history"][0];
    assert_eq!(seen["checkpoint"]["id"], listed["id"]);
    assert_eq!(seen["checkpoint"]["estimate"]["verdict"], "cannotTell");
    let warnings = seen["warnings"].to_string();
    for part in ["what the subtasks did for checkpoint", "the backpressure of", "run is not known"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    assert_eq!(
        seen["vertices"],
        serde_json::json!([]),
        "nobody is said to be missing who is not known to be"
    );
}

#[tokio::test]
async fn a_flink_that_is_slow_to_tell_of_subtasks_does_not_hold_up_a_look() {
    let (fake, host) = one_job().await;
    fake.is_where("/subtasks/", Mood::Silent);
    let path = format!("/jobs/{ONE}/checkpoints/configuration");
    let look = tokio::time::timeout(Duration::from_secs(10), host.seen(&path));
    let seen = look.await.expect("it is bounded");
    assert_eq!(seen["inFlight"][0]["id"], recorded("checkpoints-in-progress")["history"][0]["id"]);
    // Whatever that look has begun goes on without it, for 8 s at most; meanwhile nobody else asks, and whoever waits for it
    // has hardly any time left.
    hurried(tokio::time::sleep(Duration::from_secs(10))).await;
    // The diagnosis waits, but not without limit; it says what it did not find out.
    let whole = hurried(host.seen(PATH)).await;
    assert!(whole["warnings"].to_string().contains("what the subtasks did for checkpoint"), "{whole:#}");
}
