//! Who did what: written down before it is done, and what came of it before it is answered.

use crate::support::{Host, bare, calm, configuration_path, request, with_json};
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

fn lines(host: &Host) -> Vec<Value> {
    let text = std::fs::read_to_string(host.path().join("audit.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_change_has_a_line_before_and_one_after() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    let change = request(Method::PATCH, &configuration_path("calm")).header("ckpt-by", "ada@laptop");
    let body = json!({"checkpointTimeout": 1_200_000, "for": 3_600_000, "reason": "S3 is slow"});
    host.send(with_json(change, &body.to_string())).await;
    let [asked, ended] = lines(&host).try_into().unwrap();
    assert_eq!((&asked["line"], &ended["line"]), (&json!("asked"), &json!("ended")));
    assert_eq!(asked["id"], ended["id"]);
    let wanted = json!({
        "line": "asked", "id": asked["id"], "at": asked["at"], "action": "change", "by": "ada@laptop",
        "from": "127.0.0.1", "cluster": "hosted", "jobId": id, "name": "calm", "interval": null,
        "timeout": {"from": 600_000, "to": 1_200_000}, "until": asked["until"], "reason": "S3 is slow", "revision": 1,
    });
    assert_eq!(asked, wanted);
    assert_eq!((&ended["result"], &ended["revision"]), (&json!("applied"), &json!(1)));
    let audit = host.seen("/audit").await;
    let entry = &audit["entries"][0];
    assert_eq!((&entry["by"], &entry["outcome"]["result"]), (&json!("ada@laptop"), &json!("applied")));
    assert_eq!(audit["more"], false);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_says_why_and_a_look_is_nobodys_business() {
    let host = Host::new().await;
    host.run(&calm()).await;
    host.configuration("calm").await;
    let stale = request(Method::PATCH, &configuration_path("calm")).header("if-match", "\"7\"");
    host.send(with_json(stale, r#"{"checkpointTimeout": 60000}"#)).await.error(412);
    host.delete(&configuration_path("calm")).await;
    let pause = with_json(request(Method::POST, "/reconcile/pause"), r#"{"reason": "hands off"}"#);
    assert_eq!(host.send(pause).await.status.as_u16(), 200);
    let audit = host.seen("/audit").await;
    let seen: Vec<_> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["outcome"]["result"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [("pause", "applied"), ("reset", "unchanged"), ("change", "refused")]);
    let why = audit["entries"][2]["outcome"]["why"].as_str().unwrap();
    assert!(why.contains("revision is 0 by now"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_of_it_is_found_the_newest_first() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    host.run(&calm().replace("'calm'", "'other'")).await;
    for timeout in 1..=5 {
        host.change("calm", &json!({"checkpointTimeout": timeout * 60_000})).await;
    }
    host.change("other", &json!({"checkpointTimeout": 60_000})).await;
    let timeouts = |audit: &Value| -> Vec<_> {
        audit["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["timeout"]["to"].as_u64().unwrap())
            .collect()
    };
    for job in ["calm", "hosted%2Fcalm", &id, &format!("hosted%2F{id}")] {
        let audit = host.seen(&format!("/audit?job={job}&limit=3")).await;
        assert_eq!(
            (timeouts(&audit), &audit["more"]),
            (vec![300_000, 240_000, 180_000], &json!(true)),
            "{job}"
        );
    }
    let all = host.seen("/audit?job=calm&limit=5").await;
    assert_eq!((timeouts(&all).len(), &all["more"]), (5, &json!(false)));
    assert_eq!(host.seen("/audit?job=nobody").await["entries"], json!([]));
    assert_eq!(host.seen("/audit?since=9999999999999").await["entries"], json!([]));
    for bad in ["/audit?limit=0", "/audit?limit=1001", "/audit?since=yesterday", "/audit?jobs=calm"] {
        assert_eq!(
            host.send(bare(Method::GET, bad).header("host", "localhost").body(Body::empty()).unwrap())
                .await
                .status
                .as_u16(),
            400,
            "{bad}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_written_down_is_not_made() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    // A directory in its place takes no line.
    std::fs::create_dir(host.path().join("audit.jsonl")).unwrap();
    let refused = host.patch("calm", &json!({"checkpointTimeout": 1_200_000})).await.error(503);
    assert!(refused.contains("audit log, so nothing was changed"), "{refused}");
    assert_eq!(host.record(&id), None);
    let pause = host.send(with_json(request(Method::POST, "/reconcile/pause"), "{}")).await;
    pause.error(503);
    assert_eq!(host.seen("/reconcile").await["pauses"], json!([]));
    std::fs::remove_dir(host.path().join("audit.jsonl")).unwrap();
    assert_eq!(host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await["revision"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_without_an_end_gets_one_and_a_torn_line_stays_alone() {
    let host = Host::new().await;
    host.run(&calm()).await;
    for timeout in [60_000, 120_000] {
        host.change("calm", &json!({"checkpointTimeout": timeout})).await;
    }
    let path = host.path().join("audit.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let all: Vec<_> = text.lines().collect();
    // As if it had been killed before both results, and once more while it wrote about a third change.
    let third =
        all[2].replace("\"revision\":2", "\"revision\":3").replace(&all[2][22..38], "0123456789abcdef");
    assert!(third.contains("0123456789abcdef"), "{third}");
    std::fs::write(&path, format!("{}\n{}\n{third}\n{{\"line\":\"as", all[0], all[2])).unwrap();
    let host = host.restarted().await;
    let audit = host.seen("/audit").await;
    let results: Vec<_> =
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["outcome"]["result"].clone()).collect();
    assert_eq!(results, ["refused", "stored", "unknown"], "{audit:#}");
    host.until_state("calm", "RUNNING").await;
    host.change("calm", &json!({"checkpointTimeout": 180_000})).await;
    let audit = host.seen("/audit").await;
    assert_eq!(audit["entries"].as_array().unwrap().len(), 4, "{audit:#}");
    assert_eq!(audit["entries"][0]["outcome"]["result"], "applied");
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_together_each_have_both_lines_whatever_is_rotated() {
    let home = tempfile::tempdir().unwrap();
    let host =
        Host::configured(home, ckptd::flink::Settings::default(), "[audit]\nrotate-at = '4096B'\n").await;
    host.run(&calm()).await;
    let bodies: Vec<_> = (1..=100_u64).map(|nth| json!({"checkpointTimeout": nth * 1_000})).collect();
    let changes = bodies.iter().map(|body| host.patch("calm", body));
    let answers = futures::future::join_all(changes).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 200));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let audit = host.seen("/audit?limit=1000").await;
    let entries = audit["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 100);
    for entry in entries {
        let (result, why) = (&entry["outcome"]["result"], &entry["outcome"]["why"]);
        let is_superseded = why.as_str().is_some_and(|why| why.starts_with("superseded by revision"));
        assert_eq!(*result, if is_superseded { "stored" } else { "applied" }, "{audit:#}");
        assert!(entry["revision"] != 100 || !is_superseded, "{audit:#}");
    }
    let mut revisions: Vec<_> = entries.iter().map(|entry| entry["revision"].as_u64().unwrap()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=100).collect::<Vec<_>>(), "what was truly made, and not what was foreseen");
    for timeout in 1..=20 {
        host.change("calm", &json!({"checkpointTimeout": timeout * 60_000})).await;
    }
    assert!(host.path().join("audit.jsonl.2").exists());
    assert_eq!(host.seen("/audit?limit=1000").await["entries"].as_array().unwrap().len(), 120);
}
