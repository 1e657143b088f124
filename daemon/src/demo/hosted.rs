//! The demonstration on a job that ckptd hosts itself.

use super::daemon::DemoDaemon;
use super::rescue::rescue_checkpoint;
use super::screen::DemoScreen;
use super::{DemoError, Options, RAISED_TIMEOUT, expect, machine, took};
use ckpt_types::ids::CheckpointId;
use std::time::Duration;

/// Job file, as in `examples/`.
const JOB_FILE: &str = include_str!("../../../examples/job123.toml");
const JOB: &str = "job123";
/// Age at which the timeout of the second checkpoint is raised.
const RESCUE_AGE: Duration = Duration::from_secs(8);

pub(super) async fn perform(options: &Options) -> Result<(), DemoError> {
    let home = tempfile::Builder::new()
        .prefix("ckptd-demo-")
        .tempdir()
        .map_err(machine("cannot make a temporary directory"))?;
    let screen = DemoScreen::start();
    let job_file = home.path().join("job123.toml");
    std::fs::write(&job_file, JOB_FILE).map_err(machine("cannot write the job file"))?;

    screen.step("a daemon hosts job123: a checkpoint every 15s, thrown away after 10s, and one slow subtask");
    screen.typed("ckptd serve --job examples/job123.toml");
    let mut daemon = DemoDaemon::start(home.path(), JOB, &["--job".into(), job_file.into()]).await?;
    let job = daemon.client.configuration(JOB).await?.value.job_id;

    let (second, completed) = rescue_checkpoint(&daemon, JOB, RESCUE_AGE, &screen).await?;
    let metadata = home.path().join(format!("state/checkpoints/{job}/chk-{second}/_metadata"));
    expect(metadata.is_file(), || format!("{} is on disk", metadata.display()))?;
    screen.good(&format!("checkpoint {second} completed after {}: {}", took(&completed), metadata.display()));

    screen.step("the daemon is killed with SIGKILL, and started again");
    screen.typed("kill -9 <ckptd>; ckptd serve");
    daemon.kill().await?;
    daemon = DemoDaemon::start(home.path(), JOB, &[]).await?;
    let third = daemon.in_flight_after(CheckpointId(0), &screen).await?;
    let after = daemon.client.configuration(JOB).await?.value;
    expect(
        after.job_id == job
            && after.applied
            && third > second
            && after.checkpoint_timeout.effective.map(Duration::from_millis) == Some(RAISED_TIMEOUT),
        || format!("the override of 20m is in force again, and ids go on after {second}; it was {after:?}"),
    )?;
    screen.typed("ckptctl get job123");
    screen.good(&format!(
        "the timeout is still 20m (revision {}), and checkpoint {third} is in flight after checkpoint {second}",
        after.revision
    ));
    screen.finish();
    if options.keep {
        daemon.keep(&screen).await?;
    } else {
        screen.next();
    }
    daemon.kill().await
}
