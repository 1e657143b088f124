//! The demonstration on a job that ckptd hosts itself.

use super::daemon::Daemon;
use super::rescue::rescue;
use super::show::Show;
use super::{DemoError, LONGER, Options, expect, machine, took};
use ckpt_types::ids::CheckpointId;
use std::time::Duration;

/// The job, as in `examples/`.
const JOB_FILE: &str = include_str!("../../../examples/job123.toml");
const JOB: &str = "job123";
/// How old the second checkpoint gets before the timeout is raised: as late as somebody would dare.
const AGE_OF_RESCUE: Duration = Duration::from_secs(8);

pub(super) async fn perform(options: &Options) -> Result<(), DemoError> {
    let home = tempfile::Builder::new()
        .prefix("ckptd-demo-")
        .tempdir()
        .map_err(machine("cannot make a temporary directory"))?;
    let show = Show::start();
    let job_file = home.path().join("job123.toml");
    std::fs::write(&job_file, JOB_FILE).map_err(machine("cannot write the job file"))?;

    show.step("a daemon hosts job123: a checkpoint every 15s, thrown away after 10s, and one slow subtask");
    show.typed("ckptd serve --job examples/job123.toml");
    let mut daemon = Daemon::start(home.path(), JOB, &["--job".into(), job_file.into()]).await?;
    let job = daemon.client.configuration(JOB).await?.value.job_id;

    let (second, completed) = rescue(&daemon, JOB, AGE_OF_RESCUE, &show).await?;
    let metadata = home.path().join(format!("state/checkpoints/{job}/chk-{second}/_metadata"));
    expect(metadata.is_file(), || format!("{} is on disk", metadata.display()))?;
    show.good(&format!("checkpoint {second} completed after {}: {}", took(&completed), metadata.display()));

    show.step("the daemon is killed with SIGKILL, and started again");
    show.typed("kill -9 <ckptd>; ckptd serve");
    daemon.kill().await?;
    daemon = Daemon::start(home.path(), JOB, &[]).await?;
    let third = daemon.in_flight_after(CheckpointId(0), &show).await?;
    let after = daemon.client.configuration(JOB).await?.value;
    expect(
        after.job_id == job
            && after.applied
            && third > second
            && after.checkpoint_timeout.effective.map(Duration::from_millis) == Some(LONGER),
        || format!("the override of 20m is in force again, and ids go on after {second}; it was {after:?}"),
    )?;
    show.typed("ckptctl get job123");
    show.good(&format!(
        "the timeout is still 20m (revision {}), and checkpoint {third} is in flight after checkpoint {second}",
        after.revision
    ));
    show.done();
    if options.keep {
        show.keep(daemon.client.server(), &daemon.state, JOB);
        tokio::signal::ctrl_c().await.map_err(machine("cannot wait for Ctrl-C"))?;
    } else {
        show.next();
    }
    daemon.kill().await
}
