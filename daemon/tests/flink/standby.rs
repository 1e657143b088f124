//! Two JobManagers under ZooKeeper: behind the address that ckptd was given is the one that does not lead.

use crate::daemon::Daemon;
use crate::job::Job;
use crate::rig::Rig;
use ckpt_api::Via;
use ckpt_local_flink::{Cluster, Options, ZooKeeper};

pub(crate) async fn a_change_through_a_standby_reaches_the_leader(rig: &'static Rig) {
    let distribution = rig.distribution().await.unwrap();
    let zookeeper = ZooKeeper::start(&distribution).await.unwrap();
    let start = |task_managers| {
        let mut options = Options { task_managers, ..Options::new(distribution.clone()) };
        options.config = zookeeper.settings();
        rig.start_with(options)
    };
    let leader = start(1).await.unwrap();
    let standby = start(0).await.unwrap();
    let job = Job::submit(&leader, 3_600_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&standby.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    let changed = daemon.changed(&job.id, None, Some(700_000)).await;
    assert_eq!(changed.via, Some(Via::Attach), "{changed:?}");
    assert_eq!(changed.via_detail, Some(format!("pid {}", pid(&leader))), "{changed:?}");
    job.until_flinks_values((3_600_000, 700_000)).await;
    // It says so without being asked for a change, too, and needs no search any more.
    let seen = daemon.configuration(&job.id).await;
    assert_eq!((seen.via_detail, seen.applied), (changed.via_detail, true));
    let doctor = daemon.call("POST", "/doctor?cluster=real", "").await;
    assert_eq!(doctor.body["clusters"][0]["changeable"], true, "{doctor:?}");
    job.cancel().await;
}

fn pid(cluster: &Cluster) -> u32 {
    cluster.job_manager_pid().unwrap()
}
