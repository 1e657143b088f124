//! What every demonstration shows: a checkpoint that is lost, and the next one, which is saved.

use super::daemon::Daemon;
use super::show::Show;
use super::{DemoError, expect, millis, took};
use ckpt_api::flink::{Checkpoint, CheckpointStatus};
use ckpt_types::duration::Rough;
use ckpt_types::ids::CheckpointId;
use std::time::Duration;

/// Lets one checkpoint of `job` expire, and raises the timeout when the next one is this old. Returns that
/// one, completed.
pub(super) async fn rescue(
    daemon: &Daemon,
    job: &str,
    age: Duration,
    show: &Show,
) -> Result<(CheckpointId, Checkpoint), DemoError> {
    show.step("nobody acts");
    show.typed(&format!("ckptctl watch {job}"));
    let first = daemon.in_flight_after(CheckpointId(0), show).await?;
    let lost = daemon.end_of(first, show).await?;
    expect(lost.status == CheckpointStatus::Failed && lost.num_acknowledged_subtasks == 19, || {
        format!("checkpoint {first} expires at 19 of 20 subtasks; it was {lost:?}")
    })?;
    let after = took(&lost);
    show.bad(&format!("checkpoint {first} was thrown away after {after} with 19 of 20 subtasks stored"));

    show.step("the timeout is raised while the next one is in flight");
    let second = daemon.in_flight_after(first, show).await?;
    let aged = daemon.aged(second, age, show).await?;
    show.typed(&format!("ckptctl set-timeout {job} 20m"));
    let saved = daemon.raise_timeout(second).await?;
    show.good(&format!(
        "checkpoint {second}, {} of {} subtasks stored: it had {} left, and has {} now",
        aged.acknowledged,
        aged.subtasks,
        Rough(millis(saved.change.and_then(|change| change.previous_remaining))),
        Rough(millis(saved.remaining))
    ));
    let completed = daemon.end_of(second, show).await?;
    expect(completed.status == CheckpointStatus::Completed, || {
        format!("checkpoint {second} completes; it was {completed:?}")
    })?;
    Ok((second, completed))
}
