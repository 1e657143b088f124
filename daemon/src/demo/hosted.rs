//! The demonstration on a job that ckptd hosts itself.

use super::daemon::Daemon;
use super::show::Show;
use super::{DemoError, LONGER, Options, expect, machine, millis, took};
use ckpt_shared::duration::Rough;
use ckpt_shared::flink::CheckpointStatus;
use ckpt_shared::ids::CheckpointId;
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

    show.step("nobody acts");
    show.typed("ckptctl watch job123");
    let first = daemon.in_flight_after(CheckpointId(0), &show).await?;
    let lost = daemon.end_of(first, &show).await?;
    expect(lost.status == CheckpointStatus::Failed && lost.num_acknowledged_subtasks == 19, || {
        format!("checkpoint {first} expires at 19 of 20 subtasks; it was {lost:?}")
    })?;
    show.bad(&format!(
        "checkpoint {first} was thrown away after {} with 19 of 20 subtasks stored",
        took(&lost)
    ));

    show.step("the timeout is raised while the next one is in flight");
    let second = daemon.in_flight_after(first, &show).await?;
    let aged = daemon.aged(second, AGE_OF_RESCUE, &show).await?;
    show.typed("ckptctl set-timeout job123 20m");
    let saved = daemon.raise_timeout(second).await?;
    show.good(&format!(
        "checkpoint {second}, {} of {} subtasks stored: it had {} left, and has {} now",
        aged.acknowledged,
        aged.subtasks,
        Rough(millis(saved.change.and_then(|change| change.previous_remaining))),
        Rough(millis(saved.remaining))
    ));
    let completed = daemon.end_of(second, &show).await?;
    expect(completed.status == CheckpointStatus::Completed, || {
        format!("checkpoint {second} completes; it was {completed:?}")
    })?;
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
