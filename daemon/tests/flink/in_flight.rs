//! Checkpoints in flight: the reason for all of this.

use crate::daemon::{Daemon, until};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_api::{Configuration, InFlight, Outcome, Via};
use serde_json::json;

/// A timeout, and how long a checkpoint is looked at to be sure that it has outlived it, in milliseconds.
const TIMEOUT: u64 = 20_000;
const LONGER: u64 = 1_200_000;

fn outcome(changed: &Configuration, id: u64) -> Outcome {
    let found = changed.in_flight.iter().find(|seen| seen.id.0 == id);
    let change = found.and_then(|found| found.change);
    change.unwrap_or_else(|| panic!("nothing is said of checkpoint {id}: {changed:?}")).outcome
}

/// Waits until ckptd sees a checkpoint in flight.
async fn in_flight(daemon: &Daemon, job: &str) -> InFlight {
    let seen = daemon.until("a checkpoint in flight", job, |seen| !seen.in_flight.is_empty()).await;
    seen.in_flight[0].clone()
}

/// The control: Flink alone, with nobody who looks.
pub(crate) async fn left_alone_it_expires(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::held(&cluster, 2_000, 6_000).await;
    let id = job.in_flight().await;
    let lost = job.expires(id).await;
    assert_eq!((&lost["num_acknowledged_subtasks"], &lost["num_subtasks"]), (&json!(1), &json!(2)), "{lost}");
    job.cancel().await;
}

pub(crate) async fn raised_in_flight_it_completes(rig: &'static Rig) {
    let cluster = rig.shared().await;
    // What comes due meanwhile follows at once afterwards; a short interval would bury this one in it.
    let job = Job::held(&cluster, 10_000, TIMEOUT).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    let changed = is_saved(&daemon, &job, TIMEOUT).await;
    assert_eq!(changed.checkpoint_interval.effective, Some(10_000));
    job.cancel().await;
}

/// A job's checkpoint, which is held, completes after `timeout`, with which it was submitted; what ckptd
/// answered to the change.
pub(crate) async fn is_saved(daemon: &Daemon, job: &Job<'_>, timeout: u64) -> Configuration {
    let id = in_flight(daemon, &job.id).await.id.0;
    let changed = daemon.changed(&job.id, None, Some(LONGER)).await;
    assert_eq!(outcome(&changed, id), Outcome::Extended, "{changed:?}");
    assert_eq!(changed.via, Some(Via::Attach));
    let shown = &changed.checkpoint_timeout;
    assert_eq!(
        (shown.submitted, shown.overridden, shown.effective),
        (Some(timeout), Some(LONGER), Some(LONGER))
    );
    // It outlives the timeout that it was made with.
    let outlived = |seen: &Configuration| {
        seen.in_flight.iter().any(|found| found.id.0 == id && found.elapsed > timeout + 2_000)
    };
    daemon.until("a checkpoint older than its first timeout", &job.id, outlived).await;
    job.release();
    let saved = job.completes(id).await;
    assert!(saved["end_to_end_duration"].as_u64().unwrap() > timeout, "{saved}");
    changed
}

pub(crate) async fn lowered_in_flight_it_expires_at_once(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::held(&cluster, 2_000, LONGER).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    expires_at_once(&daemon, &job).await;
    job.cancel().await;
}

/// A checkpoint of a job that holds them expires at once under a shorter timeout than its age, and so does the next
/// one when its time has come.
pub(crate) async fn expires_at_once(daemon: &Daemon, job: &Job<'_>) {
    // What is shown is some seconds old: one that had ended before it could be held is not that old.
    let old_enough =
        |seen: &Configuration| seen.in_flight.first().is_some_and(|found| found.elapsed > 10_000);
    let seen = daemon.until("a checkpoint that is 10 s old", &job.id, old_enough).await;
    let id = seen.in_flight[0].id.0;
    let changed = daemon.changed(&job.id, None, Some(2_000)).await;
    assert_eq!(outcome(&changed, id), Outcome::Expired, "{changed:?}");
    let lost = job.expires(id).await;
    assert!(lost["end_to_end_duration"].as_u64().unwrap() < LONGER, "{lost}");
    // Exactly once: nothing else failed with it, and the next one has the new timeout from its beginning.
    let next = until("the next checkpoint", || async {
        let seen = job.checkpoints().await;
        seen.iter().filter_map(|seen| seen["id"].as_u64()).find(|number| *number == id + 1)
    })
    .await;
    job.expires(next).await;
}

pub(crate) async fn a_savepoint_in_flight_is_rescued_too(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::quiet(&cluster, TIMEOUT).await;
    job.hold();
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    let path = format!("/jobs/{}/savepoints", job.id);
    let asked = cluster.call("POST", &path, &json!({"cancel-job": false})).await.unwrap();
    let asked = asked.ok(&path).unwrap();
    let found = in_flight(&daemon, &job.id).await;
    assert!(found.savepoint, "{found:?}");
    let changed = daemon.changed(&job.id, None, Some(LONGER)).await;
    assert_eq!(outcome(&changed, found.id.0), Outcome::Extended, "{changed:?}");
    let outlived = |seen: &Configuration| seen.in_flight.iter().any(|found| found.elapsed > TIMEOUT + 2_000);
    daemon.until("a savepoint older than its first timeout", &job.id, outlived).await;
    job.release();
    job.completes(found.id.0).await;
    let path = format!("{path}/{}", asked["request-id"].as_str().unwrap());
    let answer = until("the savepoint's answer", || async {
        cluster.get(&path).await.ok().filter(|answer| answer["status"]["id"] == "COMPLETED")
    })
    .await;
    assert!(answer["operation"]["location"].is_string(), "{answer}");
    job.cancel().await;
}
