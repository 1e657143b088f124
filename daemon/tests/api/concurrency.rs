//! Requests that come together.

use crate::support::{Answer, Host, both, calm, configuration_path, request, with_json};
use axum::http::{Method, StatusCode};
use futures::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(start_paused = true)]
async fn changes_of_different_fields_all_survive() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let changes = (0..100_u64).map(|number| {
        let body = match number % 2 {
            0 => json!({"checkpointTimeout": 1_000_000 + number}),
            _ => json!({"checkpointInterval": 4_000_000 + number}),
        };
        let host = &host;
        async move { host.change("calm", &body).await }
    });
    let answers = join_all(changes).await;
    let mut revisions: Vec<_> = answers.iter().map(|answer| answer["revision"].as_u64().unwrap()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=100).collect::<Vec<_>>(), "each answer describes its own revision");
    for answer in &answers {
        assert_eq!(answer["applied"] == true, answer["supersededBy"].is_null(), "{answer:#}");
    }
    assert!(answers.iter().any(|answer| answer["revision"] == 100 && answer["applied"] == true));
    // The last of each field stands: none was made over an older state of the other.
    let seen = host.configuration("calm").await;
    assert_eq!(seen["revision"], 100);
    assert_eq!(both(&seen, "effective"), json!({"interval": 4_000_099, "timeout": 1_000_098}));
    assert_eq!(both(&seen, "override"), both(&seen, "effective"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_from_many_threads_all_survive() {
    let host = Arc::new(Host::new().await);
    let id = host.run(&calm()).await;
    let changes = (1..=40_u64).map(|number| {
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            let body = match number % 2 {
                0 => json!({"checkpointTimeout": 1_000_000 + number}),
                _ => json!({"checkpointInterval": 4_000_000 + number}),
            };
            host.change("calm", &body).await
        })
    });
    join_all(changes).await.into_iter().for_each(|change| drop(change.unwrap()));
    let seen = host.configuration("calm").await;
    assert_eq!((&seen["revision"], &seen["applied"]), (&json!(40), &json!(true)));
    assert!(both(&seen, "override")["interval"].as_u64() > Some(4_000_000));
    assert!(both(&seen, "override")["timeout"].as_u64() > Some(1_000_000));
    assert_eq!(both(&seen, "override"), both(&seen, "effective"));
    assert_eq!(host.record(&id).unwrap().revision, 40);
}

#[tokio::test(start_paused = true)]
async fn of_many_changes_under_one_condition_one_is_made() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let changes = (0..20_u64).map(|number| {
        let request = request(Method::PATCH, &configuration_path("calm")).header("if-match", "\"0\"");
        host.send(with_json(request, &json!({"checkpointTimeout": 20_000 + number}).to_string()))
    });
    let answers: Vec<Answer> = join_all(changes).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
    let [made] = made.as_slice() else { panic!("{answers:?}") };
    assert_eq!(answers.iter().filter(|answer| answer.status.as_u16() == 412).count(), 19);
    let seen = host.configuration("calm").await;
    assert_eq!(seen["revision"], 1);
    assert_eq!(both(&seen, "effective"), both(&made.json(), "effective"));
}

/// The two pairs that writers alternate. Every value belongs to one of them.
const PAIRS: [(u64, u64); 2] = [(4_000_000, 1_000_000), (5_000_000, 2_000_000)];

fn assert_is_one_pair(interval: &Value, timeout: &Value) {
    let seen = (interval.as_u64().unwrap(), timeout.as_u64().unwrap());
    assert!(PAIRS.contains(&seen), "{seen:?} is a mixed pair");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_ever_sees_a_mixed_pair() {
    let host = Arc::new(Host::new().await);
    host.run(&calm()).await;
    let pair = |number: usize| {
        let (interval, timeout) = PAIRS[number % 2];
        json!({"checkpointInterval": interval, "checkpointTimeout": timeout})
    };
    host.change("calm", &pair(0)).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (host, done) = (Arc::clone(&host), Arc::clone(&done));
            tokio::spawn(async move {
                let mut reads = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    let seen = host.configuration("calm").await;
                    for form in ["override", "effective"] {
                        let pair = both(&seen, form);
                        assert_is_one_pair(&pair["interval"], &pair["timeout"]);
                    }
                    let config = host.seen("/jobs/calm/checkpoints/config").await;
                    assert_is_one_pair(&config["interval"], &config["timeout"]);
                    let list = host.seen("/checkpoints/configuration").await;
                    let pair = both(&list["jobs"][0], "effective");
                    assert_is_one_pair(&pair["interval"], &pair["timeout"]);
                    reads += 1;
                    tokio::task::yield_now().await;
                }
                reads
            })
        })
        .collect();
    for round in 0..30 {
        let answers =
            join_all([host.change("calm", &pair(round)), host.change("calm", &pair(round + 1))]).await;
        for answer in answers {
            for form in ["override", "effective"] {
                let pair = both(&answer, form);
                assert_is_one_pair(&pair["interval"], &pair["timeout"]);
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_no_change_half_done() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let change = request(Method::PATCH, &configuration_path("calm"));
    let change = host.send(with_json(change, r#"{"checkpointTimeout": 20000}"#));
    {
        // It is polled until its change is under way, and then dropped.
        let mut change = std::pin::pin!(change);
        for _ in 0..3 {
            assert!(futures::poll!(change.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    }
    let seen = host.until_configuration("calm", |seen| seen["revision"] == 1).await;
    assert_eq!(seen["checkpointTimeout"]["override"], 20_000);
    host.until_configuration("calm", |seen| seen["applied"] == true).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_file_submitted_many_times_at_once_is_one_job() {
    let host = Host::new().await;
    let answers = join_all((0..10).map(|_| host.post_job(JOB))).await;
    let created = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    assert_eq!((created, answers.len()), (1, 10));
    let id = answers[0].json()["jobId"].clone();
    assert!(answers.iter().all(|answer| answer.json()["jobId"] == id));
    assert_eq!(std::fs::read_dir(host.path().join("jobs")).unwrap().count(), 1);
}

const JOB: &str = include_str!("../../../examples/job123.toml");

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_that_meet_a_cancellation_leave_no_override_behind() {
    for _ in 0..5 {
        let host = Arc::new(Host::new().await);
        let id = host.run(&calm()).await;
        let changes: Vec<_> = (0..12_u64)
            .map(|number| {
                let host = Arc::clone(&host);
                tokio::spawn(async move {
                    match number {
                        6 => host.cancel("calm").await,
                        _ => host.patch("calm", &json!({"checkpointTimeout": 20_000 + number})).await,
                    }
                })
            })
            .collect();
        for answer in join_all(changes).await {
            let status = answer.unwrap().status.as_u16();
            assert!([200, 202, 409].contains(&status), "{status}");
        }
        host.until_state("calm", "CANCELED").await;
        assert_eq!(host.record(&id), None);
        let file = std::fs::read_to_string(host.overrides_file()).unwrap_or_default();
        assert!(!file.contains(&id), "{file}");
    }
}
