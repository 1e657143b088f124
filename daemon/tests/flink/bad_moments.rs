//! Changes at the worst of moments.

use crate::daemon::{Daemon, until};
use crate::job::Job;
use crate::rig::Rig;
use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};

pub(crate) async fn a_jobmanager_that_stands_still_gets_nothing_half_done(rig: &'static Rig) {
    let own = rig.own().await;
    let cluster = &*own;
    let job = Job::submit(cluster, 3_600_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    daemon.changed(&job.id, None, Some(700_000)).await;
    let pid = i32::try_from(cluster.job_manager_pid().unwrap()).unwrap();
    let send = |signal| kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    send(Signal::STOP);
    let refused = daemon.change(&job.id, None, Some(800_000)).await;
    let seen = daemon.configuration(&job.id).await;
    send(Signal::CONT);
    // Nobody could look at the coordinator, so nothing was stored, and nothing comes later.
    let status = refused.as_ref().unwrap_err().status();
    assert_eq!(status.map(|status| status.as_u16()), Some(503), "{refused:?}\n{}", daemon.log());
    assert_eq!((seen.revision, seen.checkpoint_timeout.overridden), (1, Some(700_000)), "{seen:?}");
    assert!(seen.stale.is_some(), "{seen:?}");
    daemon.until("a cluster that answers again", &job.id, |seen| seen.stale.is_none() && seen.applied).await;
    job.until_flinks_values((3_600_000, 700_000)).await;
    daemon.changed(&job.id, None, Some(800_000)).await;
    job.until_flinks_values((3_600_000, 800_000)).await;
    job.cancel().await;
}

pub(crate) async fn a_job_that_ends_while_it_is_changed_keeps_no_override(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 3_600_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    let (id, name) = (job.id.clone(), job.name.clone());
    let changes = (1..=40).map(|step| daemon.change(&id, None, Some(600_000 + step * 1_000)));
    let (answers, ()) = tokio::join!(join_all(changes), Job::known(&cluster, &id, &name).cancel());
    for answer in answers {
        match answer {
            Ok(changed) => assert!(changed.stored, "{changed:?}"),
            // It has ended, or is so near its end that its coordinator is gone.
            Err(error) => assert_eq!(error.status().map(|status| status.as_u16()), Some(409), "{error}"),
        }
    }
    let refused = daemon.change(&id, None, Some(900_000)).await.unwrap_err();
    assert_eq!(refused.status().map(|status| status.as_u16()), Some(409), "{refused}");
    let file = daemon.state().join("overrides.json");
    until("the end of the override", || async {
        let stored = std::fs::read_to_string(&file).unwrap_or_default();
        (!stored.contains(&id)).then_some(())
    })
    .await;
}

pub(crate) async fn many_operators_at_once_never_leave_a_torn_pair(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::submit(&cluster, 3_600_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    let pair = |step: u64| (3_600_000 + step, 600_000 + step);
    let changes = (1..=30).map(|step| daemon.settled(&job.id, Some(pair(step).0), Some(pair(step).1)));
    let answers = join_all(changes).await;
    let mut revisions: Vec<_> = answers.iter().map(|answer| answer.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=30).collect::<Vec<_>>(), "each answer describes its own revision");
    for (step, answer) in (1..=30).zip(&answers) {
        let own = (answer.checkpoint_interval.overridden, answer.checkpoint_timeout.overridden);
        assert_eq!(own, (Some(pair(step).0), Some(pair(step).1)), "{answer:?}");
        let in_force = (answer.checkpoint_interval.effective, answer.checkpoint_timeout.effective);
        assert!(answer.superseded_by.is_some() || in_force == own, "{answer:?}");
    }
    let seen = daemon.configuration(&job.id).await;
    assert_eq!((seen.revision, seen.applied), (30, true), "{seen:?}");
    let stored = (seen.checkpoint_interval.overridden.unwrap(), seen.checkpoint_timeout.overridden.unwrap());
    assert_eq!(stored, pair(stored.1 - 600_000));
    job.until_flinks_values(stored).await;
    job.cancel().await;
}
