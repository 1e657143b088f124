//! Steps 2 and 3 of every demonstration: a checkpoint that is lost, and the next one, which is saved.

use super::daemon::DemoDaemon;
use super::screen::DemoScreen;
use super::{DemoError, expect, millis, took};
use ckpt_api::flink::{Checkpoint, CheckpointStatus};
use ckpt_types::duration::Rough;
use ckpt_types::ids::CheckpointId;
use std::time::Duration;

/// Lets one checkpoint of `job` expire, and raises the timeout when the next one is this old. Returns that
/// one, completed.
///
/// # Errors
/// [`DemoError`] when a step has another result.
pub async fn rescue_checkpoint(
    daemon: &DemoDaemon,
    job: &str,
    age: Duration,
    screen: &DemoScreen,
) -> Result<(CheckpointId, Checkpoint), DemoError> {
    screen.step("nobody acts");
    screen.typed(&format!("ckptctl watch {job}"));
    let first = daemon.in_flight_after(CheckpointId(0), screen).await?;
    let lost = daemon.end_of(first, screen).await?;
    expect(lost.status == CheckpointStatus::Failed && lost.num_acknowledged_subtasks == 19, || {
        format!("checkpoint {first} expires at 19 of 20 subtasks; it was {lost:?}")
    })?;
    let after = took(&lost);
    screen.bad(&format!("checkpoint {first} was thrown away after {after} with 19 of 20 subtasks stored"));

    screen.step("the timeout is raised while the next one is in flight");
    let second = daemon.in_flight_after(first, screen).await?;
    let aged = daemon.aged(second, age, screen).await?;
    screen.typed(&format!("ckptctl set-timeout {job} 20m"));
    let saved = daemon.raise_timeout(second).await?;
    screen.good(&format!(
        "checkpoint {second}, {} of {} subtasks stored: it had {} left, and has {} now",
        aged.acknowledged,
        aged.subtasks,
        Rough(millis(saved.change.and_then(|change| change.previous_remaining))),
        Rough(millis(saved.remaining))
    ));
    let completed = daemon.end_of(second, screen).await?;
    expect(completed.status == CheckpointStatus::Completed, || {
        format!("checkpoint {second} completes; it was {completed:?}")
    })?;
    Ok((second, completed))
}
