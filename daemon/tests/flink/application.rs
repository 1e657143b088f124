//! Application mode: a JobManager that runs one job by itself and takes no other.

use crate::daemon::{Daemon, until};
use crate::in_flight::{expires_at_once, is_saved};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_local_flink::{Options, Pace, SlowJob};
use std::time::Duration;

const TIMEOUT: u64 = 20_000;

pub(crate) async fn an_application_is_rescued_expires_and_is_reset(rig: &'static Rig) {
    let home = tempfile::tempdir().unwrap();
    let pace = Pace::new(home.path().join("pace"));
    pace.set(Duration::from_secs(3_600)).unwrap();
    let mut options = Options::new(rig.distribution().await.unwrap());
    options.slots = 2;
    options.application = Some(SlowJob {
        name: "application".to_owned(),
        interval: Duration::from_secs(5),
        timeout: Duration::from_millis(TIMEOUT),
        pace: pace.clone(),
        tolerable_failures: 100_000,
        parallelism: 1,
    });
    let cluster = rig.start_with(options).await.unwrap();
    let id = until("the application's job", || async {
        let jobs = cluster.get("/jobs/overview").await.ok()?;
        Some(jobs["jobs"].as_array()?.first()?["jid"].as_str()?.to_owned())
    })
    .await;
    let job = Job::with_pace(&cluster, &id, "application", pace);
    let daemon = Daemon::follow(&cluster.url()).await;
    is_saved(&daemon, &job, TIMEOUT).await;
    job.hold();
    expires_at_once(&daemon, &job).await;
    let reset = daemon.reset(&job.id).await;
    assert_eq!(reset.checkpoint_timeout.effective, Some(TIMEOUT), "{reset:?}");
    job.until_flinks_values((5_000, TIMEOUT)).await;
    // It ends with its job, so it is not cancelled: its end would race with the answer.
}
