//! Changes of jobs that restart, have ended, or are unknown.

use crate::support::{Host, both, calm, configuration_path, hanging, job_file, request, submitted};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

/// A job that fails with its first checkpoint and is restarted an hour later; from the second one on
/// its checkpoints complete.
fn fragile() -> String {
    let file = job_file("fragile", 2, "timeout = '1m'", "faults = [{subtask = 0, to = 1, kind = 'decline'}]");
    format!("{file}[restart]\ndelay = '1h'\n")
}

/// A daemon with that job RESTARTING.
async fn restarting() -> Host {
    let host = Host::new().await;
    host.run(&fragile()).await;
    host.trigger("fragile").await;
    host.until_state("fragile", "RESTARTING").await;
    host
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_restarting_job_is_202_and_in_force_when_it_runs_again() {
    let host = restarting().await;
    let answer = host.patch("fragile", &json!({"checkpointTimeout": 1_200_000})).await;
    assert_eq!((answer.status, answer.header("etag")), (StatusCode::ACCEPTED, Some("\"1\"")));
    let answer = answer.json();
    assert_eq!((&answer["stored"], &answer["applied"]), (&json!(true), &json!(false)));
    assert_eq!((&answer["state"], &answer["inFlight"]), (&json!("RESTARTING"), &json!([])));
    assert_eq!(answer["checkpointTimeout"]["effective"], 1_200_000, "as it will be");
    assert!(host.overrides_file().exists());
    let seen = host.configuration("fragile").await;
    assert_eq!((&seen["revision"], &seen["applied"]), (&json!(1), &json!(false)));

    tokio::time::sleep(Duration::from_secs(3_590)).await;
    let seen = host.until_state("fragile", "RUNNING").await;
    assert_eq!((&seen["revision"], &seen["applied"]), (&json!(1), &json!(true)));
    assert_eq!(seen["checkpointTimeout"]["effective"], 1_200_000);
    // The next checkpoint has it, and a number above the one that failed.
    host.trigger("fragile").await;
    assert_eq!(host.until_over("fragile", 2).await["status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn a_reset_of_a_restarting_job_is_202_and_a_dry_run_200() {
    let host = restarting().await;
    host.patch("fragile", &json!({"checkpointTimeout": 1_200_000})).await;
    let path = configuration_path("fragile");
    let dry = host.delete(&format!("{path}?dryRun=true")).await;
    assert_eq!((dry.status, &dry.json()["checkpointTimeout"]["effective"]), (StatusCode::OK, &json!(60_000)));
    let reset = host.delete(&path).await;
    assert_eq!((reset.status, &reset.json()["revision"]), (StatusCode::ACCEPTED, &json!(2)));
    // What changes nothing is still not in force: there is nothing that it could be in force in.
    let again = host.delete(&path).await;
    assert_eq!((again.status, &again.json()["revision"]), (StatusCode::ACCEPTED, &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn the_jobs_own_restart_applies_the_override_again_and_ids_keep_rising() {
    let host = Host::new().await;
    host.run(&fragile()).await;
    host.change("fragile", &json!({"checkpointTimeout": 1_200_000})).await;
    host.trigger("fragile").await;
    host.until_state("fragile", "RESTARTING").await;
    tokio::time::sleep(Duration::from_secs(3_590)).await;
    let seen = host.until_state("fragile", "RUNNING").await;
    assert_eq!((&seen["revision"], &seen["applied"]), (&json!(1), &json!(true)));
    assert_eq!(seen["failures"]["consecutive"], 0);
    host.trigger("fragile").await;
    assert_eq!(host.until_over("fragile", 2).await["status"], "COMPLETED");
    let failed = host.seen("/jobs/fragile/checkpoints/details/1").await;
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["failure_message"].as_str().unwrap().starts_with("Checkpoint was declined."));
    let details = host.seen("/jobs/fragile").await;
    for state in ["RUNNING", "FAILING", "RESTARTING"] {
        assert!(details["timestamps"][state].as_i64().unwrap() > 0, "{details}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_without_an_interval_refuses_one_with_409_and_takes_a_timeout() {
    let host = Host::new().await;
    host.run(&hanging()).await;
    for body in [
        json!({"checkpointInterval": 60_000}),
        json!({"checkpointInterval": 60_000, "checkpointTimeout": 60_000}),
    ] {
        let sentence = host.patch("hanging", &body).await.error(409);
        assert!(sentence.contains("interval"), "{sentence}");
    }
    assert_eq!(host.configuration("hanging").await["revision"], 0);
    // Clearing what cannot be there is no change.
    let cleared = host.change("hanging", &json!({"checkpointInterval": null})).await;
    assert_eq!(cleared["revision"], 0);
    assert_eq!(host.change("hanging", &json!({"checkpointTimeout": 60_000})).await["revision"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_is_409_and_its_override_ends_with_it() {
    let host = Host::new().await;
    let id = host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await;
    let answer = host.cancel("calm").await;
    assert_eq!((answer.status, answer.json()), (StatusCode::ACCEPTED, json!({})));
    host.until_state("calm", "CANCELED").await;
    assert_eq!(host.record(&id), None);
    assert!(!std::fs::read_to_string(host.overrides_file()).unwrap().contains(&id));
    let path = configuration_path("calm");
    for answer in [
        host.patch("calm", &json!({"checkpointTimeout": 60_000})).await,
        host.patch_to(&format!("{path}?dryRun=true"), &json!({"checkpointTimeout": 60_000})).await,
        host.delete(&path).await,
        host.cancel("calm").await,
        host.send(request(Method::POST, "/jobs/calm/checkpoints").body(Body::empty()).unwrap()).await,
    ] {
        let sentence = answer.error(409);
        assert!(sentence.contains("CANCELED"), "{sentence}");
    }
    assert_eq!(host.record(&id), None);
    // It can still be looked at.
    let seen = host.configuration("calm").await;
    assert_eq!(both(&seen, "submitted"), submitted());
    assert_eq!(both(&seen, "override"), json!({"interval": null, "timeout": null}));
    let details = host.seen("/jobs/calm").await;
    assert_eq!(details["state"], "CANCELED");
    assert!(details["end-time"].as_i64().unwrap() > 0);
    let overview = host.seen("/overview").await;
    assert_eq!((&overview["jobs-running"], &overview["jobs-cancelled"]), (&json!(0), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_resolved_is_404_on_every_path() {
    let host = Host::new().await;
    host.run(&calm()).await;
    for job in ["nobody", "00000000000000000000000000000000", "Calm", "%20", "calm%2Fx"] {
        host.patch(job, &json!({"checkpointTimeout": 60_000})).await.error(404);
        host.delete(&configuration_path(job)).await.error(404);
        host.cancel(job).await.error(404);
        host.send(request(Method::POST, &format!("/jobs/{job}/checkpoints")).body(Body::empty()).unwrap())
            .await
            .error(404);
        for path in
            ["", "/checkpoints", "/checkpoints/config", "/checkpoints/configuration", "/checkpoints/events"]
        {
            let sentence = host.get(&format!("/jobs/{job}{path}")).await.error(404);
            assert!(sentence.contains("there is no job"), "{sentence}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn triggering_a_restarting_job_is_409() {
    let host = restarting().await;
    let request = request(Method::POST, "/jobs/fragile/checkpoints").body(Body::empty()).unwrap();
    let sentence = host.send(request).await.error(409);
    assert!(sentence.contains("RESTARTING"), "{sentence}");
}

/// Whether it runs already is a race; that the answer is true is not.
#[tokio::test(start_paused = true)]
async fn a_change_of_a_job_that_was_just_submitted_is_in_force_as_it_says() {
    let host = Host::new().await;
    assert_eq!(host.post_job(&calm()).await.status, StatusCode::CREATED);
    let answer = host.patch("calm", &json!({"checkpointTimeout": 20_000})).await;
    let applied = answer.json()["applied"] == true;
    assert_eq!(answer.status, if applied { StatusCode::OK } else { StatusCode::ACCEPTED });
    let seen = host.until_state("calm", "RUNNING").await;
    assert_eq!((&seen["revision"], &seen["applied"]), (&json!(1), &json!(true)));
    assert_eq!(seen["checkpointTimeout"]["effective"], 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_restarting_job_can_be_cancelled_for_good() {
    let host = restarting().await;
    host.cancelled("fragile").await;
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert_eq!(host.configuration("fragile").await["state"], "CANCELED");
    let host = host.restarted().await;
    assert_eq!(host.configuration("fragile").await["state"], "CANCELED");
}

#[tokio::test(start_paused = true)]
async fn an_ended_job_without_an_override_shows_the_submitted_values_as_effective() {
    let host = Host::new().await;
    host.run(&calm()).await;
    host.change("calm", &json!({"checkpointTimeout": 1_200_000})).await;
    host.cancelled("calm").await;
    let seen = host.configuration("calm").await;
    assert_eq!(both(&seen, "override"), json!({"interval": null, "timeout": null}));
    assert_eq!(both(&seen, "effective"), submitted());
}
