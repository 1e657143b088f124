//! Clusters that cannot be changed from here: 501, nothing stored, nobody harmed.

use crate::daemon::{CLUSTER, Daemon};
use crate::job::Job;
use crate::looking::loaded;
use crate::rig::{Kind, Rig};
use ckpt_api::{Diagnosis, Verdict};
use ckpt_local_flink::{Cluster, Watcher};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// Passes on what comes at its port to Flink's: what listens there is Python.
const RELAY: &str = include_str!("relay.py");
/// The same in Java.
const JAVA_RELAY: &str = include_str!("Relay.java");

pub(crate) async fn attach_switched_off_by_the_jvm(rig: &'static Rig) {
    switched_off(rig, Kind::NoAttach, "DisableAttachMechanism").await;
}

pub(crate) async fn agents_switched_off_by_the_jvm(rig: &'static Rig) {
    switched_off(rig, Kind::NoAgents, "EnableDynamicAgentLoading").await;
}

async fn switched_off(rig: &'static Rig, kind: Kind, flag: &str) {
    let cluster = rig.start(kind).await.unwrap_or_else(|error| panic!("{error}"));
    let job = Job::submit(&cluster, 5_000, 600_000).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    daemon.has_no_way(&job.id, &[flag]).await;
    let answer = daemon.call("POST", &format!("/doctor?cluster={CLUSTER}"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let diagnosis: Diagnosis = serde_json::from_value(answer.body).unwrap();
    let found = &diagnosis.clusters[0];
    assert!(!found.changeable, "{found:?}");
    let failed = found.checks.iter().find(|check| check.verdict == Verdict::Failed);
    let failed = failed.unwrap_or_else(|| panic!("nothing failed: {found:?}"));
    assert!(failed.advice.is_some(), "{failed:?}");
    assert_eq!(loaded(&cluster), [""; 0]);
    assert_eq!(job.flinks_values().await, (5_000, 600_000));
    job.cancel().await;
}

pub(crate) async fn attach_that_nobody_agreed_to(rig: &'static Rig) {
    let cluster = rig.quiet().await;
    let job = Job::submit(&cluster, 5_000, 600_000).await;
    let flink = format!("{CLUSTER}={}", cluster.url());
    let daemon = Daemon::start(&["--flink", &flink, "--attach", "never"]).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    daemon.has_no_way(&job.id, &["attach"]).await;
    assert_eq!(loaded(&cluster), [""; 0]);
    job.cancel().await;
}

pub(crate) async fn a_process_that_is_no_jvm_survives(rig: &'static Rig) {
    let cluster = rig.quiet().await;
    let watcher = Watcher::start().unwrap();
    let mut command = Command::new(&cluster.distribution().machine.python);
    command.args(["-c", RELAY]);
    let relay = Relay::start(&watcher, command, &cluster).await;
    relay.survives_a_change(&cluster).await;
}

pub(crate) async fn a_jvm_that_is_no_flink_survives(rig: &'static Rig) {
    let cluster = rig.quiet().await;
    let watcher = Watcher::start().unwrap();
    let source = watcher.directory().join("Relay.java");
    std::fs::write(&source, JAVA_RELAY).unwrap();
    // Compiled first: a Java that only runs programs will do.
    let mut compile = Command::new(&cluster.distribution().machine.javac);
    compile.args(["--release", "11", "-nowarn", "-d"]).arg(watcher.directory()).arg(&source);
    assert!(compile.status().await.unwrap().success());
    let mut command = Command::new(&cluster.distribution().machine.java);
    command.arg("-cp").arg(watcher.directory()).arg("Relay");
    let relay = Relay::start(&watcher, command, &cluster).await;
    relay.survives_a_change(&cluster).await;
}

/// A process that answers as Flink does, and is none.
struct Relay {
    child: Child,
    address: String,
}

impl Relay {
    /// Starts it; it writes its port to a file.
    async fn start(watcher: &Watcher, mut command: Command, cluster: &Cluster) -> Self {
        let port_file = watcher.directory().join("port");
        let port = cluster.address().rsplit(':').next().unwrap().to_owned();
        command.arg(port).arg(&port_file).current_dir(watcher.directory());
        let mut child = watcher.spawn("relay", command).unwrap();
        let port = crate::daemon::until("the port of the relay", || {
            let ended = child.try_wait().unwrap();
            let said = || std::fs::read_to_string(watcher.directory().join("relay.err")).unwrap_or_default();
            assert!(ended.is_none(), "the relay ended with {ended:?}: {}", said());
            let port = std::fs::read_to_string(&port_file).ok().filter(|port| port.ends_with('\n'));
            async move { port }
        })
        .await;
        Self { child, address: format!("127.0.0.1:{}", port.trim()) }
    }

    async fn survives_a_change(mut self, cluster: &Cluster) {
        let job = Job::submit(cluster, 5_000, 600_000).await;
        let daemon = Daemon::follow(&format!("http://{}", self.address)).await;
        daemon.until("a job that is known", &job.id, |_| true).await;
        daemon.has_no_way(&job.id, &[""]).await;
        // A signal that kills does so a moment later.
        sleep(Duration::from_secs(1)).await;
        assert!(self.child.try_wait().unwrap().is_none(), "{:?}", self.child.try_wait());
        let answer = ckpt_local_flink::call(&self.address, "GET", "/overview", &[], b"").await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(loaded(cluster), [""; 0]);
        assert_eq!(job.flinks_values().await, (5_000, 600_000));
        job.cancel().await;
    }
}
