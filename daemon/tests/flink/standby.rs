//! Two JobManagers under ZooKeeper: behind the address that ckptd was given is the one that does not lead.

use crate::daemon::{Daemon, until};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_shared::api::Via;
use ckptd::local_flink::{Cluster, Distribution, Options};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};

pub(crate) async fn a_change_through_a_standby_reaches_the_leader(rig: &'static Rig) {
    let home = tempfile::tempdir().unwrap();
    let distribution = rig.distribution().await.unwrap();
    let (_zookeeper, quorum) = zookeeper(&distribution, home.path()).await;
    let key = if distribution.release() < (1, 17) { "high-availability" } else { "high-availability.type" };
    let start = |task_managers| {
        let mut options = Options { task_managers, ..Options::new(distribution.clone()) };
        options.config = [
            (key, "zookeeper".to_owned()),
            ("high-availability.zookeeper.quorum", quorum.clone()),
            ("high-availability.storageDir", format!("file://{}/ha", home.path().display())),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
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

/// The server that Flink carries, and where it listens.
async fn zookeeper(distribution: &Distribution, home: &Path) -> (Child, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = home.join("zoo.cfg");
    let data = home.join("zookeeper");
    let text = format!(
        "tickTime=2000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
        data.display()
    );
    std::fs::write(&config, text).unwrap();
    let log = std::fs::File::create(home.join("zookeeper.log")).unwrap();
    let mut command = Command::new(&distribution.machine.java);
    command.args(["-Xmx64m", "-cp"]).arg(distribution.home.join("lib/*"));
    command
        .arg("org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer")
        .arg("--zkConfigFile")
        .arg(config)
        .args(["--peerId", "1"]);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let address = format!("127.0.0.1:{port}");
    until("a ZooKeeper", || async { tokio::net::TcpStream::connect(&address).await.ok() }).await;
    (child, address)
}
