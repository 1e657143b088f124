use super::*;
use crate::fake_flink::{Mood, now};
use crate::support::hanging;
use serde_json::json;

const HTML: Mood = Mood::Says(200, "text/html", "<!doctype html><title>Welcome to nginx!</title>");
const GARBAGE: Mood = Mood::Says(200, "application/json", "{\"jobs\": [{\"jid\": \"");
const WRONG_TYPES: Mood =
    Mood::Says(200, "application/json", "{\"jobs\": {\"jid\": 5}, \"flink-version\": 2}");

/// Two clusters and a hosted job, all of them known.
async fn three() -> (FakeFlink, FakeFlink, Host) {
    let bad = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    let good = FakeFlink::with(vec![FakeJob::new(TWO, "payments")]).await;
    let host = following(&[("bad", &bad), ("good", &good)]).await;
    host.run(&hanging()).await;
    until_list(&host, |list| {
        [ONE, TWO].iter().all(|id| job(list, id).is_some_and(|job| job["via"] == "none"))
    })
    .await;
    (bad, good, host)
}

/// The cluster is in trouble: its job is old and keeps its values, nobody else is; then it recovers.
async fn is_stale_until_it_recovers(
    host: &Host,
    good: &FakeFlink,
    trouble: &str,
    recover: impl AsyncFnOnce(),
) {
    let fresh = host.seen(LIST).await;
    let list = until_trouble(host, "bad", |said| said.contains(trouble)).await;
    let sentence = cluster(&list, "bad")["trouble"].as_str().unwrap();
    assert!(!sentence.contains('\n') && sentence.len() < 300, "one sentence: {sentence}");
    let stale = until_job(host, ONE, |job| job["stale"].is_string()).await;
    for field in ["state", "checkpointInterval", "checkpointTimeout", "failures", "cluster", "name"] {
        assert_eq!(stale[field], job(&fresh, ONE).unwrap()[field], "{field}");
    }
    assert_eq!(stale["inFlight"][0]["id"], 2);
    let said = stale["stale"].as_str().unwrap();
    assert!(said.contains(trouble), "{said}");
    let at = stale["observedAt"].as_u64().unwrap();
    assert!(at <= u64::try_from(now()).unwrap());
    assert_eq!(cluster(&list, "good")["trouble"], Value::Null);
    // The others are as fresh as ever, and the stale one stays as old as it is.
    good.job(TWO, |job| job.config["timeout"] = json!(99_000));
    let list =
        until_list(host, |list| job(list, TWO).unwrap()["checkpointTimeout"]["effective"] == 99_000).await;
    assert_eq!(job(&list, TWO).unwrap()["stale"], Value::Null);
    let again = until_job(host, ONE, |job| job["stale"].is_string()).await;
    assert_eq!(again["observedAt"], at, "the time of the last good answer");
    let hosted = list["jobs"].as_array().unwrap().iter().find(|job| job["cluster"] == "hosted").unwrap();
    assert_eq!(hosted["stale"], Value::Null);
    // What Flink's tools ask is refused with the same sentence; a change is, too.
    let unreachable = host.hurried(&format!("/jobs/{ONE}/checkpoints")).await;
    unreachable.error(503);
    hurried(host.patch(ONE, &json!({"checkpointTimeout": 1_200_000}))).await.error(503);
    assert_eq!(stored(host), None);
    recover().await;
    let list = until_list(host, |list| cluster(list, "bad")["trouble"].is_null()).await;
    assert!(cluster(&list, "bad")["observedAt"].as_u64().unwrap() >= at);
    let recovered = until_job(host, ONE, |job| job["stale"].is_null() && job["via"] == "none").await;
    assert!(recovered["observedAt"].as_u64().unwrap() > at);
    good.job(TWO, |job| job.config["timeout"] = json!(20_000));
}

async fn in_mood(mood: Mood, trouble: &str) {
    let (bad, good, host) = three().await;
    bad.is(mood);
    is_stale_until_it_recovers(&host, &good, trouble, async || bad.is(Mood::Fine)).await;
}

#[tokio::test]
async fn a_cluster_that_never_answers() {
    in_mood(Mood::Silent, "no answer in time").await;
}

#[tokio::test]
async fn a_cluster_that_fails() {
    in_mood(Mood::Fails(500), "Internal server error").await;
}

#[tokio::test]
async fn a_cluster_that_fails_without_a_reason() {
    in_mood(Mood::Says(502, "text/html", "<html>Bad Gateway</html>"), "502").await;
}

#[tokio::test]
async fn half_an_answer() {
    in_mood(GARBAGE, "is it a Flink cluster?").await;
}

#[tokio::test]
async fn a_page_that_is_no_flink() {
    in_mood(HTML, "is it a Flink cluster?").await;
}

#[tokio::test]
async fn an_answer_with_other_types() {
    in_mood(WRONG_TYPES, "is it a Flink cluster?").await;
}

#[tokio::test]
async fn an_answer_that_does_not_end() {
    in_mood(Mood::Huge, "64 MiB").await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    in_mood(Mood::Says(302, "text/plain", ""), "302").await;
}

#[tokio::test]
async fn a_cluster_that_is_gone() {
    let (mut bad, good, host) = three().await;
    bad.goes_away().await;
    is_stale_until_it_recovers(&host, &good, "refused", async || bad.comes_back().await).await;
}

/// Only what tells of checkpoints does not answer.
#[tokio::test]
async fn checkpoints_that_cannot_be_asked_for() {
    let (bad, _good, host) = three().await;
    let at = until_job(&host, ONE, |_| true).await["observedAt"].as_u64().unwrap();
    bad.is_where("/checkpoints", Mood::Silent);
    let stale = until_job(&host, ONE, |job| job["stale"].is_string()).await;
    assert_eq!(stale["checkpointTimeout"]["effective"], 20_000);
    assert!(stale["observedAt"].as_u64().unwrap() >= at);
    let other = until_job(&host, TWO, |_| true).await;
    assert_eq!(other["stale"], Value::Null);
    bad.is(Mood::Fine);
    until_job(&host, ONE, |job| job["stale"].is_null()).await;
}

#[tokio::test]
async fn a_cluster_that_never_answered_says_what_is_wrong() {
    let mut gone = FakeFlink::with(vec![]).await;
    gone.goes_away().await;
    let page = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    page.is(HTML);
    let fine = FakeFlink::with(vec![FakeJob::new(TWO, "payments")]).await;
    let host = following(&[("gone", &gone), ("page", &page), ("fine", &fine)]).await;
    until_trouble(&host, "gone", |said| said.contains("refused")).await;
    let list = until_trouble(&host, "page", |said| said.contains("is it a Flink cluster?")).await;
    for name in ["gone", "page"] {
        let cluster = cluster(&list, name);
        assert_eq!((&cluster["version"], &cluster["observedAt"]), (&Value::Null, &Value::Null), "{name}");
    }
    until_job(&host, TWO, |job| job["stale"].is_null()).await;
    page.is(Mood::Fine);
    until_job(&host, ONE, |job| job["stale"].is_null()).await;
}

/// It was listed, and nobody had looked at it, when its cluster went away.
#[tokio::test]
async fn a_job_that_nobody_looked_at_is_no_older_than_the_last_good_answer() {
    let ended = FakeJob::new(TWO, "ended").in_state("FINISHED");
    let mut fake = FakeFlink::with(vec![FakeJob::new(ONE, "orders"), ended]).await;
    let host = following(&[("prod", &fake)]).await;
    // This does not look at its checkpoints.
    until(&host, "/jobs/overview", |answer| answer.json()["jobs"].as_array().unwrap().len() == 2).await;
    fake.goes_away().await;
    // Nor does this: the cluster's diagnosis knows that it is in trouble.
    let troubled = |answer: &Answer| answer.json()["clusters"][0]["checks"][0]["verdict"] == "failed";
    for _ in 0..MOST_LOOKS {
        if troubled(&hurried(post(&host, "/doctor", "")).await) {
            break;
        }
        step().await;
    }
    let list = host.hurried(LIST).await.json();
    let seen = job(&list, ONE).unwrap();
    assert!(seen["stale"].as_str().unwrap().contains("refused"), "{seen:#}");
    assert_eq!(seen["observedAt"], cluster(&list, "prod")["observedAt"], "{seen:#}");
    let live = host.hurried("/checkpoints/configuration").await.json();
    assert!(job(&live, TWO).is_none(), "it has ended, which is known: {live:#}");
}

/// Flink's bodies cannot say that they are old; the header does.
#[tokio::test]
async fn the_header_of_flinks_lists_says_when_the_oldest_was_seen() {
    let (mut fake, host) = one_job().await;
    fake.goes_away().await;
    let list = until_trouble(&host, "prod", |_| true).await;
    let at = cluster(&list, "prod")["observedAt"].to_string();
    for path in ["/jobs/overview", "/jobs", "/overview"] {
        let answer = host.get(path).await;
        assert!(answer.body.contains("RUNNING") || path == "/overview", "{}", answer.body);
        assert_eq!(answer.header("ckpt-observed-at"), Some(at.as_str()), "{path}");
    }
}
