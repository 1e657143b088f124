//! What dies, and what comes back.

use crate::daemon::{CLUSTER, Daemon, until};
use crate::job::Job;
use crate::rig::{Rig, restart};
use ckpt_api::Configuration;

pub(crate) async fn the_adaptive_scheduler_keeps_the_values_when_a_taskmanager_dies(rig: &'static Rig) {
    let mut own = rig.own().await;
    let cluster = &mut *own;
    let job = Job::submit(cluster, 3_000, 600_000).await;
    job.until_running().await;
    let mut daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    daemon.changed(&job.id, Some(2_500), Some(4_000)).await;
    // Flink keeps them by itself: nobody is there who could apply them again.
    daemon.kill().await;
    let (id, name) = (job.id.clone(), job.name.clone());
    let started = until("when the job began", || restarts(cluster, &id)).await;
    drop(job);
    cluster.kill_task_manager().await.unwrap();
    cluster.start_task_manager().unwrap();
    let job = Job::known(cluster, &id, &name);
    until("a restart of the job", || async {
        // Flink may drop a connection meanwhile.
        let again = restarts(cluster, &id).await?;
        (again > started).then_some(())
    })
    .await;
    job.until_running().await;
    job.until_flinks_values((2_500, 4_000)).await;
    job.hold();
    until("an expired checkpoint", || async {
        let checkpoints = job.checkpoints().await;
        let expired = |seen: &serde_json::Value| {
            let message = seen["failure_message"].as_str().unwrap_or_default();
            message.contains(ckpt_api::flink::EXPIRED)
        };
        checkpoints.iter().any(expired).then_some(())
    })
    .await;
    job.cancel().await;
}

/// When the job last began to run; `None` when Flink does not answer.
async fn restarts(cluster: &ckpt_local_flink::Cluster, id: &str) -> Option<u64> {
    let job = cluster.get(&format!("/jobs/{id}")).await.ok()?;
    job["timestamps"]["RUNNING"].as_u64()
}

pub(crate) async fn a_jobmanager_that_starts_anew_without_its_jobs_is_seen_as_that(rig: &'static Rig) {
    let mut own = rig.own().await;
    let cluster = &mut *own;
    let job = Job::submit(cluster, 3_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    daemon.changed(&job.id, None, Some(700_000)).await;
    let id = job.id.clone();
    drop(job);
    cluster.kill_job_manager().await.unwrap();
    // The job is still shown, as old, and the cluster as in trouble; a change does not pretend.
    let stale = |seen: &Configuration| seen.stale.is_some();
    daemon.until("a job that is stale", &id, stale).await;
    until("a cluster in trouble", || async {
        let list = daemon.list().await;
        let found = list.clusters.into_iter().find(|cluster| cluster.name == CLUSTER)?;
        found.trouble
    })
    .await;
    let changed = daemon.change(&id, None, Some(800_000)).await;
    assert!(changed.as_ref().map_or(true, |changed| !changed.applied), "{changed:?}");
    restart(cluster).await;
    // Without high availability the job does not come back; nothing is harmed, and a new one can be changed.
    until("a cluster without trouble", || async {
        let list = daemon.list().await;
        list.clusters.iter().all(|cluster| cluster.trouble.is_none()).then_some(())
    })
    .await;
    let gone = daemon.client.configuration(&id).await;
    if let Ok(gone) = gone {
        let gone = gone.value;
        assert!(!gone.applied || gone.stale.is_some() || gone.state.has_ended(), "{gone:?}");
    }
    let next = Job::submit(cluster, 3_000, 600_000).await;
    daemon.until("the next job", &next.id, |_| true).await;
    next.until_running().await;
    let changed = daemon.changed(&next.id, None, Some(900_000)).await;
    assert_eq!((changed.revision, changed.checkpoint_timeout.submitted), (1, Some(600_000)));
    next.until_flinks_values((3_000, 900_000)).await;
    next.cancel().await;
}

pub(crate) async fn a_ckptd_that_was_killed_still_knows_what_was_submitted(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 5_000, 600_000).await;
    job.until_running().await;
    let mut daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    daemon.changed(&job.id, Some(4_000), Some(700_000)).await;
    job.until_flinks_values((4_000, 700_000)).await;
    daemon.kill_and_start().await;
    let overridden = |seen: &Configuration| seen.checkpoint_timeout.overridden == Some(700_000);
    let seen = daemon.until("the override", &job.id, overridden).await;
    assert_eq!(
        (seen.checkpoint_timeout.submitted, seen.checkpoint_interval.submitted),
        (Some(600_000), Some(5_000))
    );
    let reset = daemon.reset(&job.id).await;
    assert_eq!(
        (reset.checkpoint_timeout.effective, reset.checkpoint_interval.effective),
        (Some(600_000), Some(5_000))
    );
    assert_eq!(reset.revision, 2);
    job.until_flinks_values((5_000, 600_000)).await;
    job.cancel().await;
}
