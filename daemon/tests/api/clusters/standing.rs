use super::native::{native, passed_on, record, until_applied};
use super::*;
use crate::support::{configuration_path, forms, trouble};
use serde_json::json;

async fn until_state(host: &Host, id: &str, state: &str) -> Value {
    until_job(host, id, |job| job["overrideStatus"]["state"] == state).await
}

fn why(seen: &Value) -> &str {
    seen["overrideStatus"]["why"].as_str().unwrap()
}

fn adopt_path(job: &str) -> String {
    format!("{}/adopt", configuration_path(job))
}

#[tokio::test]
async fn what_holds_says_since_when_and_what_was_never_changed_says_nothing() {
    let (_fake, host) = native().await;
    assert_eq!(host.configuration(ONE).await["overrideStatus"], Value::Null);
    let changed = host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    let status = changed["overrideStatus"].clone();
    assert_eq!(json!([status["state"], status["why"], status["nextTry"]]), json!(["applied", null, null]));
    assert!(status["since"].is_u64(), "{status}");
    let reset = host.delete(&configuration_path(ONE)).await.json();
    assert_eq!(
        json!([reset["applied"], reset["overrideStatus"]]),
        json!([true, null]),
        "nothing is left to hold"
    );
}

#[tokio::test]
async fn an_override_waits_while_its_cluster_is_away_and_says_so_after_a_restart_of_ckptd_too() {
    let (mut fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    fake.goes_away().await;
    let waiting = until_state(&host, ONE, "waiting").await;
    assert_eq!((&waiting["applied"], waiting["stale"].is_string()), (&json!(false), true), "{waiting:#}");
    assert!(why(&waiting).contains("cannot reach"), "{waiting:#}");
    // The job is known from the override file alone, by its name.
    let host = host.restarted().await;
    let waiting = until_state(&host, ONE, "waiting").await;
    assert_eq!((&waiting["name"], &waiting["revision"]), (&json!("orders"), &json!(1)), "{waiting:#}");
    let timeout = json!({"submitted": 20_000, "override": 1_200_000, "effective": null});
    assert_eq!(forms(&waiting["checkpointTimeout"]), timeout);
    assert_eq!(host.configuration("orders").await["overrideStatus"]["state"], "waiting");
    let refused = host.patch("orders", &json!({"checkpointTimeout": 900_000})).await.error(503);
    assert!(!refused.contains("does not list") && refused.contains("nothing was changed"), "{refused}");
    fake.job(ONE, |job| job.config["timeout"] = json!(20_000));
    fake.comes_back().await;
    until_applied(&host, 1).await;
    assert_eq!(fake.values(ONE).1, 1_200_000);
}

/// Two that follow one cluster would undo each other's changes for ever, and nobody would know.
#[tokio::test]
async fn after_three_changes_by_somebody_else_ckptd_stops_until_somebody_acts() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    for change in 1..=3 {
        fake.job(ONE, |job| job.config["timeout"] = json!(33_000));
        // What was answered before it was passed on may still say applied.
        until_job(&host, ONE, |_| passed_on(&fake).len() == 1 + change.min(2)).await;
        until_state(&host, ONE, if change < 3 { "applied" } else { "conflict" }).await;
    }
    let conflict = host.configuration(ONE).await;
    assert!(why(&conflict).contains("3 times (last to a timeout of 33s)"), "{conflict:#}");
    assert_eq!((&conflict["applied"], &conflict["overrideStatus"]["nextTry"]), (&json!(false), &Value::Null));
    hurried(tokio::time::sleep(Duration::from_secs(120))).await;
    assert_eq!((fake.values(ONE).1, passed_on(&fake).len()), (json!(33_000), 3), "it has stopped");
    let again = host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    assert_eq!(
        json!([again["applied"], again["revision"], again["overrideStatus"]["state"]]),
        json!([true, 1, "applied"])
    );
    fake.job(ONE, |job| job.config["timeout"] = json!(33_000));
    until_job(&host, ONE, |_| fake.values(ONE).1 == 1_200_000).await;
}

#[tokio::test]
async fn while_reconcile_is_paused_nothing_is_applied_by_itself() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    post(&host, "/reconcile/pause", r#"{"cluster": "nowhere"}"#).await.error(404);
    post(&host, "/reconcile/pause", r#"{"clusters": "prod"}"#).await.error(400);
    post(&host, "/reconcile/resume", r#"{"reason": "done"}"#).await.error(400);
    post(&host, "/reconcile/resume?cluster=prod", "").await.error(400);
    let paused =
        post(&host, "/reconcile/pause", r#"{"cluster": "prod", "reason": "hands off"}"#).await.json();
    assert_eq!(
        (&paused["pauses"][0]["cluster"], &paused["pauses"][0]["reason"]),
        (&json!("prod"), &json!("hands off"))
    );
    let warned = host.configuration(ONE).await;
    assert!(warned["warnings"][0].as_str().unwrap().contains("paused (hands off)"), "{warned:#}");
    // It stays so, whatever becomes of ckptd.
    let host = host.restarted().await;
    fake.job(ONE, |job| job.config["timeout"] = json!(33_000));
    until_state(&host, ONE, "notApplied").await;
    let lost = until_job(&host, ONE, |job| why(job).contains("reconcile is paused")).await;
    assert_eq!(lost["overrideStatus"]["nextTry"], Value::Null, "{lost:#}");
    hurried(tokio::time::sleep(Duration::from_secs(30))).await;
    assert_eq!((fake.values(ONE).1, passed_on(&fake).len()), (json!(33_000), 1));
    // What somebody asks for is done.
    host.change(ONE, &json!({"checkpointTimeout": 1_300_000})).await;
    assert_eq!(fake.values(ONE).1, 1_300_000);
    fake.job(ONE, |job| job.config["timeout"] = json!(33_000));
    until_state(&host, ONE, "notApplied").await;
    let resumed = post(&host, "/reconcile/resume", "").await.json();
    assert_eq!(resumed["pauses"], json!([]));
    until_applied(&host, 2).await;
    assert_eq!(fake.values(ONE).1, 1_300_000);
    assert!(trouble(&host.configuration(ONE).await).is_empty());
}

#[tokio::test]
async fn a_job_of_the_same_name_does_not_inherit_and_adopts_with_one_command() {
    let (fake, host) = native().await;
    host.change("orders", &json!({"checkpointTimeout": 1_200_000, "reason": "slow"})).await;
    post(&host, &adopt_path("orders"), "").await.error(404);
    fake.cluster().jobs =
        vec![FakeJob::new(TWO, "orders"), FakeJob::new("33333333333333333333333333333333", "payments")];
    let new = until_state(&host, TWO, "orphaned").await;
    assert_eq!(json!([new["revision"], new["checkpointTimeout"]["effective"]]), json!([0, 20_000]));
    assert!(why(&new).contains(ONE) && why(&new).contains("timeout 20m, revision 1"), "{new:#}");
    assert!(why(&new).contains("ckptctl adopt orders"), "{new:#}");
    assert_eq!(host.configuration("orders").await["jobId"], TWO, "the name means the new one");
    let old = until_state(&host, ONE, "orphaned").await;
    assert!(old["stale"].is_string() && old["revision"] == 1 && why(&old).contains(TWO), "{old:#}");
    // Also when the old one is known from the override file alone.
    let host = host.restarted().await;
    until_state(&host, TWO, "orphaned").await;
    let old = until_state(&host, ONE, "orphaned").await;
    assert!(why(&old).contains(TWO), "{old:#}");
    until_job(&host, TWO, |job| job["via"] == "native").await;
    assert_eq!(fake.values(TWO).1, 20_000);
    // A dry run changes nothing, and nothing is taken from elsewhere.
    let dry = post(&host, &format!("{}?dryRun=true", adopt_path("orders")), "").await.json();
    assert_eq!((&dry["checkpointTimeout"]["override"], &dry["stored"]), (&json!(1_200_000), &json!(false)));
    assert_eq!((record(&host)["revision"].clone(), fake.values(TWO).1), (json!(1), json!(20_000)));
    post(&host, &adopt_path("payments"), "").await.error(404);
    post(&host, &adopt_path("orders"), &format!(r#"{{"from": "{TWO}"}}"#)).await.error(404);
    let adopted = post(&host, &adopt_path("orders"), "").await;
    assert_eq!(adopted.status, 200, "{}", adopted.body);
    let adopted = adopted.json();
    assert_eq!(json!([adopted["jobId"], adopted["revision"], adopted["applied"]]), json!([TWO, 2, true]));
    assert_eq!(adopted["overrideStatus"]["state"], "applied");
    assert_eq!(fake.values(TWO).1, 1_200_000);
    let records = stored(&host).unwrap()["prod"].clone();
    assert_eq!((&records[ONE], &records[TWO]["reason"]), (&Value::Null, &json!("slow")));
    until_list(&host, |list| job(list, ONE).is_none()).await;
    post(&host, &adopt_path("orders"), "").await.error(404);
}

#[tokio::test]
async fn an_override_of_its_own_is_not_replaced_by_one_that_was_left_behind() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    fake.cluster().jobs = vec![FakeJob::new(TWO, "orders")];
    until_state(&host, TWO, "orphaned").await;
    host.change(TWO, &json!({"checkpointTimeout": 60_000})).await;
    post(&host, &adopt_path(TWO), "").await.error(409);
    assert_eq!(until_job(&host, TWO, |_| true).await["overrideStatus"]["state"], "applied");
    assert_eq!(record(&host)["revision"], 1, "it is still there");
    // What is refused is written down, also of a job that is gone.
    host.patch(ONE, &json!({"checkpointTimeout": 60_000})).await.error(503);
    let stale = request(Method::DELETE, &configuration_path(ONE)).header("if-match", "\"7\"");
    host.send(stale.body(Body::empty()).unwrap()).await.error(412);
    let audit = host.seen("/audit").await;
    let seen: Vec<_> = audit["entries"].as_array().unwrap().iter().take(3).collect();
    let seen: Vec<_> =
        seen.iter().map(|entry| json!([entry["action"], entry["outcome"]["result"]])).collect();
    assert_eq!(
        json!(seen),
        json!([["forget", "refused"], ["change", "refused"], ["adopt", "refused"]]),
        "{audit:#}"
    );
    // Forgotten, it is nobody's any more; a dry run forgets nothing.
    let dry = format!("{}?dryRun=true", configuration_path(ONE));
    assert_eq!(host.delete(&dry).await.status, 200);
    assert_eq!(record(&host)["revision"], 1);
    host.delete(&configuration_path(ONE)).await;
    until_list(&host, |list| job(list, ONE).is_none()).await;
}

/// What somebody does about one cluster is nothing that happened to another.
#[tokio::test]
async fn a_conflict_outlasts_a_pause_elsewhere_and_ends_with_its_own() {
    let prod = FakeFlink::with(vec![FakeJob::new(ONE, "orders")]).await;
    let test = FakeFlink::with(vec![FakeJob::new(TWO, "payments")]).await;
    prod.cluster().native = true;
    let host = following(&[("prod", &prod), ("test", &test)]).await;
    until_job(&host, ONE, |job| job["via"] == "native").await;
    host.change(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    let fights = |job: &Value| {
        if job["overrideStatus"]["state"] == "applied" && prod.values(ONE).1 == 1_200_000 {
            prod.job(ONE, |job| job.config["timeout"] = json!(33_000));
        }
        job["overrideStatus"]["state"] == "conflict"
    };
    until_job(&host, ONE, fights).await;
    post(&host, "/reconcile/pause", r#"{"cluster": "test"}"#).await;
    post(&host, "/reconcile/resume", r#"{"cluster": "test"}"#).await;
    hurried(tokio::time::sleep(Duration::from_secs(60))).await;
    assert_eq!(until_job(&host, ONE, |_| true).await["overrideStatus"]["state"], "conflict");
    post(&host, "/reconcile/pause", r#"{"cluster": "prod"}"#).await;
    hurried(tokio::time::sleep(Duration::from_secs(10))).await;
    assert_eq!(prod.values(ONE).1, 33_000);
    post(&host, "/reconcile/resume", r#"{"cluster": "prod"}"#).await;
    until_applied(&host, 1).await;
    assert_eq!(prod.values(ONE).1, 1_200_000);
}

/// After a failover a change could not be applied: what is in force then is an override, and was never submitted.
#[tokio::test]
async fn what_was_overridden_is_never_taken_for_what_was_submitted() {
    let (fake, host) = native().await;
    host.change(ONE, &json!({"checkpointTimeout": 300_000})).await;
    fake.job(ONE, |job| {
        job.started += 30_000;
        job.config["timeout"] = json!(20_000);
    });
    until_job(&host, ONE, |_| fake.values(ONE).1 == 300_000).await;
    fake.is_where("PATCH", crate::fake_flink::Mood::Fails(500));
    let answer = host.patch(ONE, &json!({"checkpointTimeout": 1_200_000})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let host = host.restarted().await;
    hurried(tokio::time::sleep(Duration::from_secs(30))).await;
    fake.is(crate::fake_flink::Mood::Fine);
    until_applied(&host, 2).await;
    assert_eq!(record(&host)["submitted"]["checkpointTimeout"], 20_000);
    assert_eq!(host.delete(&configuration_path(ONE)).await.json()["checkpointTimeout"]["effective"], 20_000);
}
