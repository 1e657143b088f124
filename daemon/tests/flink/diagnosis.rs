//! Slow or stuck, on a real Flink.

use crate::daemon::{Daemon, until};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_api::{CheckpointDiagnosis, Pace};

pub(crate) async fn a_subtask_that_hangs_is_named_with_its_host(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 1_000, 600_000).await;
    until("four completed checkpoints", || async {
        let seen = job.checkpoints().await;
        (seen.iter().filter(|entry| entry["status"] == "COMPLETED").count() >= 4).then_some(())
    })
    .await;
    let daemon = Daemon::follow(&cluster.url()).await;
    job.hold();
    let verdict = |seen: &CheckpointDiagnosis| Some(seen.checkpoint.as_ref()?.estimate.as_ref()?.verdict);
    let seen = until("a checkpoint that is stuck", || async {
        let seen = daemon.client.checkpoint_diagnosis(&job.id).await.ok()?.value;
        (verdict(&seen) == Some(Pace::Stuck)).then_some(seen)
    })
    .await;
    let checkpoint = seen.checkpoint.as_ref().unwrap();
    let sentence = &checkpoint.estimate.as_ref().unwrap().sentence;
    assert!(sentence.starts_with("stuck: subtask 0 of `slow"), "{sentence}");
    assert!(seen.warnings.is_empty(), "{seen:?}");
    assert!(seen.completed >= 4 && seen.usual_duration.is_some(), "{seen:?}");
    let [source, slow] = seen.vertices.as_slice() else { panic!("two vertices: {seen:?}") };
    assert_eq!((source.acknowledged, source.subtasks, source.missing.len()), (1, 1, 0));
    assert!(source.took.is_some() && source.sync.is_some() && source.start_delay.is_some(), "{source:?}");
    assert_eq!((slow.acknowledged, slow.subtasks, slow.missing.len()), (0, 1, 1));
    let missing = &slow.missing[0];
    assert!(missing.suspect && missing.usual.is_some() && missing.last.is_some(), "{missing:?}");
    let host = missing.host.as_deref().unwrap_or_default();
    assert!(!host.is_empty(), "{missing:?}");
    // What `get` says of it, without asking for long.
    let got = daemon.client.configuration(&job.id).await.unwrap().value;
    assert_eq!(
        got.in_flight[0].estimate.as_ref().map(|estimate| estimate.verdict),
        Some(Pace::Stuck),
        "{got:?}"
    );
    // The history has what the estimate rests on.
    let history = daemon.client.history(&job.id).await.unwrap().value;
    let completed = history.checkpoints.iter().filter(|one| one.completed).count();
    assert!(completed >= usize::try_from(seen.completed).unwrap(), "{history:?}");
    job.cancel().await;
}
