//! A cluster that offers FLIP-571 itself: another ckptd stands for it.

use crate::daemon::Daemon;
use crate::rig::Rig;
use ckpt_api::Via;

/// A job whose checkpoints stay in flight.
const HANGING: &str = "name = 'hanging'
vertices = [{name = 'v', parallelism = 2}]
[checkpointing]
interval = '2s'
timeout = '1h'
[rehearsal]
size = '1kB'
faults = [{subtask = 1, kind = 'hang'}]
";

pub(crate) async fn another_ckptd_is_changed_through_its_own_api(_: &'static Rig) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("hanging.toml");
    std::fs::write(&file, HANGING).unwrap();
    let behind = Daemon::start(&["--job", file.to_str().unwrap()]).await;
    let seen = behind.until("a checkpoint in flight", "hanging", |seen| !seen.in_flight.is_empty()).await;
    let job = seen.job_id.to_string();
    let config = home.path().join("ckptd.toml");
    let text = format!(
        "[[flink]]\nname = \"other\"\nurl = \"http://{}\"\ntoken-file = \"{}\"\n",
        behind.address,
        behind.token_file().display()
    );
    std::fs::write(&config, text).unwrap();
    let daemon = Daemon::start(&["--config", config.to_str().unwrap()]).await;
    daemon.until("a job that is known", &job, |seen| !seen.in_flight.is_empty()).await;
    let changed = daemon.changed(&job, None, Some(7_200_000)).await;
    assert_eq!((changed.via, changed.cluster.as_str()), (Some(Via::Native), "other"), "{changed:?}");
    let there = behind.configuration(&job).await;
    assert_eq!(there.checkpoint_timeout.effective, Some(7_200_000), "{there:?}");
    daemon.reset(&job).await;
    let there = behind.configuration(&job).await;
    assert_eq!(there.checkpoint_timeout.effective, Some(3_600_000), "{there:?}");
}
