//! Looking, which harms nothing.

use crate::daemon::{CLUSTER, Daemon, LIMIT};
use crate::job::Job;
use crate::rig::{Rig, restart};
use ckpt_agent::protocol::{Answered, Ask};
use ckpt_api::{Diagnosis, Verdict, Via};
use ckpt_attach::{AttachPolicy, Jvm};
use ckpt_local_flink::Cluster;

/// What of ckptd is mapped into the JobManager's process.
pub(crate) fn loaded(cluster: &Cluster) -> Vec<String> {
    let pid = cluster.job_manager_pid().unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    files.filter(|file| file.contains("ckpt") && file.ends_with(".so")).map(str::to_owned).collect()
}

pub(crate) async fn jobs_are_found_by_id_by_name_and_by_cluster_and_name(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 5_000, 600_000).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    for wanted in [job.name.clone(), format!("{CLUSTER}/{}", job.name), format!("{CLUSTER}/{}", job.id)] {
        let seen = daemon.configuration(&wanted).await;
        assert_eq!((seen.job_id.to_string(), seen.cluster.as_str()), (job.id.clone(), CLUSTER), "{wanted}");
        assert_eq!(seen.checkpoint_timeout.submitted, Some(600_000));
    }
    let list = daemon.list().await;
    assert_eq!(list.clusters.len(), 1, "{list:?}");
    let found = &list.clusters[0];
    assert_eq!(
        (found.url.as_str(), found.version.as_deref()),
        (cluster.url().as_str(), Some(rig.version.as_str()))
    );
    // Flink's read paths are served too.
    let overview = daemon.call("GET", "/jobs/overview", "").await;
    assert!(overview.body.to_string().contains(&job.id), "{overview:?}");
    let checkpoints = daemon.call("GET", &format!("/jobs/{}/checkpoints", job.id), "").await;
    assert!(checkpoints.body["history"].is_array(), "{checkpoints:?}");
    // A second job of the same name makes the name ambiguous, and nothing else.
    let twin = job.twin().await;
    daemon.until("the twin", &twin.id, |_| true).await;
    let path = format!("/jobs/{}/checkpoints/configuration", job.name);
    let answer = daemon.call("GET", &path, "").await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let said = answer.body.to_string();
    assert!(said.contains(&job.id) && said.contains(&twin.id), "{said}");
    assert_eq!(daemon.configuration(&job.id).await.job_id.to_string(), job.id);
    twin.cancel().await;
    job.cancel().await;
}

pub(crate) async fn looking_loads_nothing_and_the_first_change_does(rig: &'static Rig) {
    let mut own = rig.own().await;
    let cluster = &mut *own;
    // Other tests may have changed something in the JVM before.
    restart(cluster).await;
    let job = Job::held(cluster, 2_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a checkpoint in flight", &job.id, |seen| !seen.in_flight.is_empty()).await;
    for path in ["/jobs/overview", &format!("/jobs/{}/checkpoints", job.id), "/checkpoints/configuration"] {
        assert_eq!(daemon.call("GET", path, "").await.status, 200, "{path}");
    }
    assert_eq!(loaded(cluster), [""; 0]);
    assert!(!cluster.directory().join(".attach_pid").exists());
    let changed = daemon.changed(&job.id, None, Some(700_000)).await;
    assert_eq!(changed.via, Some(Via::Attach));
    // One file, named by its content, however often.
    let mut files = loaded(cluster);
    files.dedup();
    assert_eq!(files.len(), 1, "{files:?}");
    daemon.changed(&job.id, None, Some(800_000)).await;
    let mut again = loaded(cluster);
    again.dedup();
    assert_eq!(again, files);
    job.cancel().await;
}

/// Asked by itself, as ckptd asks it.
pub(crate) async fn the_agent_knows_the_family_of_the_release(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let jobs = [Job::submit(&cluster, 5_000, 600_000).await, Job::submit(&cluster, 5_000, 600_000).await];
    let family = match cluster.distribution().release() {
        (1, 15 | 16) => "1.15 and 1.16",
        (1, 17) => "1.17",
        (1, 18) => "1.18",
        _ => "1.19 and later",
    };
    let pid = i32::try_from(cluster.job_manager_pid().unwrap()).unwrap();
    let jvm = Jvm::of(pid).unwrap();
    let consent = AttachPolicy { other_users: false };
    let look = async |job: &Job<'_>| {
        let ask = Ask::Read { job: job.id.clone() };
        match ckpt_attach::ask(&jvm, &consent, ask, LIMIT).await {
            Ok(Answered::Read(sight)) => sight,
            other => panic!("{other:?}"),
        }
    };
    let mut identities = Vec::new();
    for job in &jobs {
        job.until_running().await;
        let (sight, again) = (look(job).await, look(job).await);
        assert_eq!((sight.family.as_str(), sight.scheduler.as_str()), (family, "Default"));
        // The same coordinator is the same.
        assert_eq!(sight.identity, again.identity);
        identities.push(sight.identity);
    }
    assert_ne!(identities[0], identities[1], "two coordinators are two");
    for job in jobs {
        job.cancel().await;
    }
}

pub(crate) async fn the_doctor_says_that_a_change_would_work(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 5_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    let answer = daemon.call("POST", &format!("/doctor?cluster={CLUSTER}"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let diagnosis: Diagnosis = serde_json::from_value(answer.body).unwrap();
    assert_eq!(diagnosis.clusters.len(), 1, "{diagnosis:?}");
    let found = &diagnosis.clusters[0];
    assert!(found.changeable && found.via == Via::Attach, "{found:?}");
    assert!(found.checks.iter().all(|check| check.verdict != Verdict::Failed), "{found:?}");
    // It writes no field.
    assert_eq!(daemon.configuration(&job.id).await.revision, 0);
    assert_eq!(job.flinks_values().await, (5_000, 600_000));
    let unknown = daemon.call("POST", "/doctor?cluster=nobody", "").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    job.cancel().await;
}
