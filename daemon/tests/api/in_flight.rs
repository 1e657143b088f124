//! What a change does to checkpoints in flight, and to the next trigger.

use crate::support::{Host, calm, configuration_path, forms, hanging, job_file};
use serde_json::{Value, json};
use std::time::Duration;

/// A job with a checkpoint in flight that is `age` old and has an hour in all.
async fn aged(age: Duration) -> Host {
    let host = Host::new().await;
    host.run(&hanging()).await;
    host.trigger("hanging").await;
    host.until_acknowledged("hanging", 1).await;
    let elapsed = number(&host.configuration("hanging").await["inFlight"][0]["elapsed"]);
    tokio::time::sleep(age - Duration::from_millis(elapsed)).await;
    host
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Simulated time is exact but for the resolution of a timer.
#[track_caller]
fn assert_near(value: &Value, expected: u64) {
    let value = number(value);
    assert!(value.abs_diff(expected) <= 10, "{value} is not {expected}");
}

#[tokio::test(start_paused = true)]
async fn a_longer_timeout_counts_from_the_creation_of_the_checkpoint() {
    let host = aged(Duration::from_secs(600)).await;
    let changed = host.change("hanging", &json!({"checkpointTimeout": 7_200_000})).await;
    let checkpoint = &changed["inFlight"][0];
    assert_eq!((&checkpoint["outcome"], &checkpoint["acknowledged"]), (&json!("extended"), &json!(1)));
    assert_near(&checkpoint["elapsed"], 600_000);
    assert_near(&checkpoint["previousRemaining"], 3_000_000);
    assert_near(&checkpoint["remaining"], 6_600_000);
    // It dies then, and not when it would have died before.
    tokio::time::sleep(Duration::from_secs(6_590)).await;
    assert_near(&host.configuration("hanging").await["inFlight"][0]["remaining"], 10_000);
    let failed = host.until_over("hanging", 1).await;
    assert_near(&failed["end_to_end_duration"], 7_200_000);
    assert_eq!(failed["failure_message"], "Checkpoint expired before completing.");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_timeout_that_is_not_used_up_leaves_the_rest_of_it() {
    let host = aged(Duration::from_secs(600)).await;
    let changed = host.change("hanging", &json!({"checkpointTimeout": 900_000})).await;
    assert_eq!(changed["inFlight"][0]["outcome"], "shortened");
    assert_near(&changed["inFlight"][0]["remaining"], 300_000);
    tokio::time::sleep(Duration::from_secs(299)).await;
    let failed = host.until_over("hanging", 1).await;
    assert_near(&failed["end_to_end_duration"], 900_000);
}

#[tokio::test(start_paused = true)]
async fn a_reset_holds_for_the_checkpoint_in_flight_too() {
    let host = aged(Duration::from_secs(600)).await;
    host.change("hanging", &json!({"checkpointTimeout": 7_200_000})).await;
    let reset = host.delete(&configuration_path("hanging")).await.json();
    assert_eq!(reset["inFlight"][0]["outcome"], "shortened");
    assert_near(&reset["inFlight"][0]["remaining"], 3_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_older_than_the_new_timeout_expires_exactly_once() {
    let host = aged(Duration::from_secs(600)).await;
    let body = json!({"checkpointTimeout": 60_000});
    // A dry run says so and does nothing.
    let dry = host.patch_to(&format!("{}?dryRun=true", configuration_path("hanging")), &body).await.json();
    assert_eq!(dry["inFlight"][0]["outcome"], "expired");
    let seen = host.configuration("hanging").await;
    assert_near(&seen["inFlight"][0]["remaining"], 3_000_000);
    assert_eq!(seen["failures"]["consecutive"], 0);

    let changed = host.change("hanging", &body).await;
    let checkpoint = &changed["inFlight"][0];
    assert_eq!((&checkpoint["outcome"], &checkpoint["remaining"]), (&json!("expired"), &Value::Null));
    assert_near(&checkpoint["previousRemaining"], 3_000_000);
    assert_eq!(changed["failures"]["consecutive"], 1, "it counts like any other expiry");
    // Nothing is left to expire, now or when it would have expired before.
    let again = host.change("hanging", &json!({"checkpointTimeout": 50_000})).await;
    assert_eq!(again["inFlight"], json!([]));
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    let seen = host.configuration("hanging").await;
    assert_eq!((&seen["failures"]["consecutive"], &seen["inFlight"]), (&json!(1), &json!([])));
    let statistics = host.seen("/jobs/hanging/checkpoints").await;
    assert_eq!(
        statistics["counts"],
        json!({"restored": 0, "total": 1, "in_progress": 0, "completed": 0, "failed": 1})
    );
    assert_eq!(statistics["latest"]["failed"]["failure_message"], "Checkpoint expired before completing.");
}

#[tokio::test(start_paused = true)]
async fn a_change_leaves_the_failure_counter_alone() {
    let host = aged(Duration::from_secs(60)).await;
    host.change("hanging", &json!({"checkpointTimeout": 1_000})).await;
    for timeout in [2_000, 3_000_000] {
        let changed = host.change("hanging", &json!({"checkpointTimeout": timeout})).await;
        assert_eq!(changed["failures"], json!({"consecutive": 1, "tolerable": 2_147_483_647}));
    }
}

#[tokio::test(start_paused = true)]
async fn the_interval_alone_leaves_a_checkpoint_in_flight_unchanged() {
    let host = Host::new().await;
    host.run(&calm()).await;
    host.trigger("calm").await;
    host.until_acknowledged("calm", 1).await;
    let changed = host.change("calm", &json!({"checkpointInterval": 7_200_000})).await;
    let checkpoint = &changed["inFlight"][0];
    assert_eq!(
        (&checkpoint["outcome"], &checkpoint["previousRemaining"]),
        (&json!("unchanged"), &checkpoint["remaining"])
    );
}

/// How long until the next trigger.
fn until_next(configuration: &Value) -> u64 {
    number(&configuration["nextTrigger"]) - number(&configuration["observedAt"])
}

#[tokio::test(start_paused = true)]
async fn a_new_interval_waits_for_the_next_cycle_unless_it_is_pulled_in() {
    let host = Host::new().await;
    host.run(&calm()).await;
    // The first trigger of a new job is somewhere from min-pause to the interval.
    let planned = until_next(&host.configuration("calm").await);
    assert!((1_799_000..=3_600_000).contains(&planned), "{planned}");
    for interval in [1_800_000, 7_200_000] {
        let changed = host.change("calm", &json!({"checkpointInterval": interval})).await;
        assert_near(&json!(until_next(&changed)), planned);
    }
    // A longer one never moves it back, whatever is asked.
    let body = json!({"checkpointInterval": 10_800_000, "pullIn": true});
    assert_near(&json!(until_next(&host.change("calm", &body).await)), planned);
    // A shorter one is pulled in to now + interval, in a dry run only on paper.
    let body = json!({"checkpointInterval": 1_800_000, "pullIn": true});
    let dry = host.patch_to(&format!("{}?dryRun=true", configuration_path("calm")), &body).await.json();
    assert_near(&json!(until_next(&dry)), planned.min(1_800_000));
    assert_near(&json!(until_next(&host.configuration("calm").await)), planned);
    assert_near(&json!(until_next(&host.change("calm", &body).await)), planned.min(1_800_000));
}

#[tokio::test(start_paused = true)]
async fn pulling_in_works_also_when_the_interval_stays() {
    let host = Host::new().await;
    let checkpointing = "interval = '100d'\ntimeout = '1h'";
    host.run(&job_file("rare", 1, checkpointing, "")).await;
    host.change("rare", &json!({"checkpointInterval": 60_000})).await;
    assert!(until_next(&host.configuration("rare").await) > 60_000);
    let again = host.change("rare", &json!({"checkpointInterval": 60_000, "pullIn": true})).await;
    assert_eq!(again["revision"], 1);
    assert_near(&json!(until_next(&again)), 60_000);
    // From there on it is the new interval.
    tokio::time::sleep(Duration::from_secs(62)).await;
    let seen = host.until_configuration("rare", |seen| seen["inFlight"] == json!([])).await;
    assert!((50_000..=60_000).contains(&until_next(&seen)), "{seen}");
    host.until_over("rare", 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_interval_below_min_pause_is_kept_raw_and_clamped_with_a_warning() {
    let host = Host::new().await;
    host.run(&calm()).await;
    let changed = host.change("calm", &json!({"checkpointInterval": 60_000})).await;
    for answer in [changed, host.configuration("calm").await] {
        let interval = json!({"submitted": 3_600_000, "override": 60_000, "effective": 1_800_000});
        assert_eq!(forms(&answer["checkpointInterval"]), interval);
        let [warning] = answer["warnings"].as_array().unwrap().as_slice() else { panic!("{answer}") };
        for part in ["1m", "30m", "min-pause"] {
            assert!(warning.as_str().unwrap().contains(part), "{warning}");
        }
    }
    assert_eq!(host.seen("/jobs/calm/checkpoints/config").await["interval"], 1_800_000);
    assert_eq!(host.change("calm", &json!({"checkpointInterval": 1_800_000})).await["warnings"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_job_submitted_below_min_pause_has_the_same_warning() {
    let host = Host::new().await;
    host.run(&job_file("below", 1, "interval = '1s'\nmin-pause = '1h'", "")).await;
    let seen = host.configuration("below").await;
    let interval = json!({"submitted": 1_000, "override": null, "effective": 3_600_000});
    assert_eq!(
        (&forms(&seen["checkpointInterval"]), seen["warnings"].as_array().unwrap().len()),
        (&interval, 1)
    );
}
