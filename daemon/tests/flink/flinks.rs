//! What a change does inside Flink: triggers, its own REST API, other jobs.

use crate::daemon::{Daemon, until};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_api::Configuration;
use ckptd::clock::wall_millis;

pub(crate) async fn the_interval_changes_in_both_directions(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 10_000, 600_000).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    job.first().await;
    let changed = daemon.changed(&job.id, Some(2_000), None).await;
    let newest = job.newest().await;
    assert_eq!(changed.checkpoint_interval.effective, Some(2_000));
    assert_eq!(changed.checkpoint_timeout.overridden, None);
    // The first gap began with the old interval.
    let gaps = job.gaps_after(newest, 4).await;
    assert!(gaps[1..].iter().all(|gap| *gap < 8_000), "10 s became 2 s: {gaps:?}");
    daemon.changed(&job.id, Some(12_000), None).await;
    // What Flink shows is up to 3 s old, and may lack some that were triggered before the change: time tells. The first
    // one after it was pending already.
    let gaps = job.gaps_since(wall_millis(), 2).await;
    assert!(gaps.iter().all(|gap| *gap > 9_000), "2 s became 12 s: {gaps:?}");
    job.cancel().await;
}

pub(crate) async fn now_brings_the_next_trigger_forward(rig: &'static Rig) {
    let cluster = rig.shared().await;
    // Its next trigger is days away.
    let job = Job::quiet(&cluster, 600_000).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    let newest = job.newest().await;
    let path = format!("/jobs/{}/checkpoints/configuration", job.id);
    let answer = daemon.call("PATCH", &path, r#"{"checkpointInterval": 3000, "pullIn": true}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let gaps = job.gaps_after(newest, 3).await;
    assert!(gaps.iter().all(|gap| *gap < 60_000), "{gaps:?}");
    job.cancel().await;
}

pub(crate) async fn both_fields_change_together_and_flinks_own_rest_shows_them(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 5_000, 600_000).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    assert_eq!(job.flinks_values().await, (5_000, 600_000));
    let changed = daemon.changed(&job.id, Some(4_000), Some(700_000)).await;
    assert_eq!(changed.revision, 1);
    // Until Flink looks again it shows the old pair, then the new one, and never one of each.
    until("Flink's REST API shows the new pair", || async {
        let pair = job.flinks_values().await;
        assert!(pair == (5_000, 600_000) || pair == (4_000, 700_000), "{pair:?}");
        (pair == (4_000, 700_000)).then_some(())
    })
    .await;
    // ckptd's own answer in Flink's form has them at once, and a reset brings back what was submitted.
    let config = daemon.call("GET", &format!("/jobs/{}/checkpoints/config", job.id), "").await;
    assert_eq!((&config.body["interval"], &config.body["timeout"]), (&4_000.into(), &700_000.into()));
    let reset = daemon.reset(&job.id).await;
    assert_eq!((reset.checkpoint_interval.overridden, reset.checkpoint_timeout.overridden), (None, None));
    assert_eq!(reset.revision, 2);
    job.until_flinks_values((5_000, 600_000)).await;
    job.cancel().await;
}

pub(crate) async fn a_temporary_override_ends_by_itself(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 2_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    daemon.changed(&job.id, None, Some(700_000)).await;
    let path = format!("/jobs/{}/checkpoints/configuration", job.id);
    let body = r#"{"checkpointTimeout": 1200000, "checkpointInterval": 60000, "for": 5000}"#;
    let answer = daemon.call("PATCH", &path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}\n{}", daemon.log());
    assert_eq!(answer.body["checkpointTimeout"]["origin"]["afterwards"], 700_000, "{answer:?}");
    job.until_flinks_values((60_000, 1_200_000)).await;
    job.until_flinks_values((2_000, 700_000)).await;
    let ended = daemon.until("its end", &job.id, |seen| seen.revision == 3 && seen.applied).await;
    assert_eq!(ended.checkpoint_interval.overridden, None, "{ended:?}");
    let log = daemon.log();
    assert!(!log.contains("did not hold any more"), "nobody else had changed it: {log}");
    let newest = job.newest().await;
    job.gaps_after(newest, 2).await;
    job.cancel().await;
}

pub(crate) async fn another_job_of_the_same_jobmanager_is_untouched(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let (changed, other) =
        (Job::submit(&cluster, 6_000, 600_000).await, Job::submit(&cluster, 6_000, 600_000).await);
    let daemon = Daemon::follow(&cluster.url()).await;
    for job in [&changed, &other] {
        daemon.until("a job that is known", &job.id, |_| true).await;
        job.until_running().await;
    }
    // A checkpoint of the other job is in flight meanwhile.
    other.hold();
    // What is shown is up to 3 s old: one that had ended before it could be held is not that old.
    let old = |seen: &Configuration| seen.in_flight.first().is_some_and(|found| found.elapsed > 6_000);
    let held = daemon.until("a checkpoint that is held", &other.id, old).await.in_flight[0].id.0;
    daemon.changed(&changed.id, Some(1_000), Some(5_000)).await;
    changed.gaps_after(changed.newest().await, 6).await;
    let seen = daemon.configuration(&other.id).await;
    assert_eq!((seen.revision, seen.checkpoint_timeout.effective), (0, Some(600_000)), "{seen:?}");
    assert_eq!(other.flinks_values().await, (6_000, 600_000));
    // It has outlived the new timeout of its neighbour.
    assert_eq!(other.in_flight().await, held);
    other.release();
    other.completes(held).await;
    // Every 6 s, and not every second. Requests that came due while it was held follow at once, before that.
    until("the cadence that was submitted", || async {
        let gaps = other.gaps_after(held, 2).await;
        gaps[gaps.len() - 2..].iter().all(|gap| *gap > 3_000).then_some(())
    })
    .await;
    changed.until_flinks_values((1_000, 5_000)).await;
    changed.cancel().await;
    other.cancel().await;
}
