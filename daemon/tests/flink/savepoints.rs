//! Savepoints of a real Flink's jobs, asked for through ckptd.

use crate::daemon::{Daemon, until};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_api::JobState;
use ckpt_api::flink::SavepointRequest;

/// Asks for a savepoint; where it is.
async fn savepoint(daemon: &Daemon, job: &str, request: &SavepointRequest) -> String {
    let asked = daemon.client.savepoint(job, request).await;
    let id = asked.unwrap_or_else(|error| panic!("{error}\n{}", daemon.log())).value.request_id;
    let result = until("the end of a savepoint", || async {
        daemon.client.savepoint_status(job, id).await.ok()?.value.operation
    });
    let result = result.await;
    result.location.unwrap_or_else(|| panic!("{:?}", result.failure_cause))
}

pub(crate) async fn a_savepoint_is_made_and_a_job_is_cancelled_with_one(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 5_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |seen| seen.state == JobState::Running).await;
    // The cluster has a default directory.
    let place = savepoint(&daemon, &job.id, &SavepointRequest::default()).await;
    assert!(
        place.starts_with("file:/") && place.contains(&format!("savepoint-{}-", &job.id[..6])),
        "{place}"
    );
    let target = cluster.directory().join("last");
    let request = SavepointRequest {
        target_directory: Some(format!("file://{}", target.display())),
        cancel_job: true,
        ..SavepointRequest::default()
    };
    let place = savepoint(&daemon, &job.id, &request).await;
    let place = std::path::PathBuf::from(place.strip_prefix("file:").unwrap());
    assert!(place.starts_with(&target) && place.join("_metadata").is_file(), "{}", place.display());
    daemon.until("the end of the job", &job.id, |seen| seen.state == JobState::Canceled).await;
}
