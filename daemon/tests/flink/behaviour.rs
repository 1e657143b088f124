//! How the JVM bears it.

use crate::daemon::Daemon;
use crate::job::Job;
use crate::rig::Rig;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const CHANGES: u64 = 100;

/// `-Xcheck:jni` is on in this JVM from its start; everything that the tests at its side do is checked too.
pub(crate) async fn jni_has_nothing_to_say(rig: &'static Rig) {
    let cluster = rig.shared().await;
    let job = Job::held(&cluster, 2_000, 600_000).await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a checkpoint in flight", &job.id, |seen| !seen.in_flight.is_empty()).await;
    for number in 0..10 {
        daemon.changed(&job.id, Some(3_000 + number), Some(700_000 + number)).await;
    }
    let path = format!("/jobs/{}/checkpoints/configuration", job.id);
    let answer = daemon.call("PATCH", &path, r#"{"checkpointInterval": 2500, "pullIn": true}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    daemon.reset(&job.id).await;
    job.release();
    let newest = job.newest().await;
    job.gaps_after(newest, 2).await;
    let said = std::fs::read_to_string(cluster.job_manager_stdout()).unwrap()
        + &std::fs::read_to_string(cluster.job_manager_stderr()).unwrap();
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("in native method")).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
    assert!(!said.contains("Warning: SIG"), "{said}");
    job.cancel().await;
}

/// A safepoint that we caused would be there a hundred times. Flink and the JVM have some of their own (garbage
/// collection, deoptimization), so as long a time without changes is the measure.
pub(crate) async fn a_hundred_changes_stop_the_jvm_not_once(rig: &'static Rig) {
    let mut own = rig.own().await;
    let cluster = &mut *own;
    let job = Job::submit(cluster, 2_000, 600_000).await;
    job.until_running().await;
    let daemon = Daemon::follow(&cluster.url()).await;
    daemon.until("a job that is known", &job.id, |_| true).await;
    // The first one attaches.
    daemon.changed(&job.id, None, Some(650_000)).await;
    let log = cluster.safepoint_log();
    let before = safepoints(&log);
    let begun = Instant::now();
    for number in 0..CHANGES {
        daemon.changed(&job.id, None, Some(700_000 + number)).await;
    }
    let lasted = begun.elapsed().max(Duration::from_secs(2));
    let with = safepoints(&log);
    sleep_until(begun + lasted * 2).await;
    let without = safepoints(&log);
    let during = &with[before.len()..];
    let after = without.len() - with.len();
    println!(
        "{}: {CHANGES} changes in {lasted:?}: {} safepoints {during:?}; as long without: {after}",
        rig.version,
        during.len()
    );
    // One for every second change would be ours; what a busy machine has by itself is far below.
    assert!((during.len() as u64) < CHANGES / 4 + after as u64, "{during:?}; without changes {after}");
    // What stops the JVM for a look at its heap, its threads or its agents.
    for reason in during {
        for ours in ["Heap", "Jvmti", "JVMTI", "ThreadList", "PrintThreads", "ThreadDump", "GetStackTrace"] {
            assert!(!reason.contains(ours), "{reason}");
        }
    }
    job.cancel().await;
}

/// The reasons of all safepoints so far.
fn safepoints(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let reasons = text.lines().filter_map(|line| {
        let reason = line.split_once("Safepoint \"")?.1;
        reason.split_once('"').map(|(reason, _)| reason.to_owned())
    });
    reasons.collect()
}
