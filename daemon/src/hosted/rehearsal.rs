//! Tasks for game days and demonstrations: they store real files of a given size at a given speed, and
//! are slow, decline or hang on request.

use super::disk::Disk;
use crate::clock::Clock;
use crate::job_file::{FaultKind, JobSpec, Rehearsal};
use ckpt_api::tasks::{Claim, ClaimedSubtasks, DeclineReason, StoredSnapshot, TaskReport};
use ckpt_task_sdk::{Door, DoorError, Order, Reporter, Took, attach};
use ckpt_types::ids::{CheckpointId, Subtask};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How often a task that stores has something to write.
const STEP: Duration = Duration::from_millis(50);
/// What a snapshot is full of.
const FILLING: u8 = b'c';
/// How many writes of one job may wait for its disk; the others wait for these.
const MOST_WRITES: usize = 16;

/// The tasks of a rehearsal. They end with the job's owner.
pub(super) struct RehearsalTasks {
    run: Box<dyn Fn(Clock, Arc<JobSpec>, Rehearsal) -> BoxFuture<'static, ()> + Send>,
    tasks: JoinSet<()>,
}

impl RehearsalTasks {
    /// Tasks that come through a door, as programs do.
    pub(super) fn new(door: impl Door + Clone) -> Self {
        let run = move |clock, job, rehearsal| run(door.clone(), clock, job, rehearsal).boxed();
        Self { run: Box::new(run), tasks: JoinSet::new() }
    }

    /// Starts tasks that play all subtasks of a job.
    pub(super) fn start(&mut self, clock: Clock, job: Arc<JobSpec>, rehearsal: Rehearsal) {
        self.tasks.spawn((self.run)(clock, job, rehearsal));
    }
}

/// Plays all subtasks of a job until it ends.
async fn run(door: impl Door, clock: Clock, job: Arc<JobSpec>, rehearsal: Rehearsal) {
    let name = job.name.clone();
    if let Err(error) = play(door, clock, job, Arc::new(rehearsal)).await {
        tracing::error!(job = name, %error, "the rehearsal ends");
    }
}

async fn play(
    door: impl Door,
    clock: Clock,
    job: Arc<JobSpec>,
    rehearsal: Arc<Rehearsal>,
) -> Result<(), DoorError> {
    let vertices = job.vertices.iter();
    let subtasks =
        vertices.map(|vertex| ClaimedSubtasks { vertex: vertex.name.clone(), index: None }).collect();
    let claim = Claim { attempt: 0, subtasks, name: Some("rehearsal".to_owned()) };
    let (mut orders, reporter) = attach(door, claim).await?;
    let disk = Disk::new(MOST_WRITES);
    let mut in_flight: HashMap<CheckpointId, JoinSet<()>> = HashMap::new();
    while let Some(order) = orders.next().await? {
        match order {
            Order::Restore { execution, .. } => {
                in_flight.clear();
                drop(reporter.running(execution).await);
            }
            Order::Trigger { checkpoint_id: checkpoint, directory, triggered_at, .. } => {
                let storing = in_flight.entry(checkpoint).or_default();
                for vertex in &job.vertices {
                    for index in 0..vertex.parallelism {
                        let subtask = Subtask { vertex: vertex.id, index };
                        let part = Part {
                            clock,
                            vertex: vertex.name.clone(),
                            subtask,
                            checkpoint,
                            directory: directory.clone(),
                            triggered_at,
                        };
                        storing.spawn(part.store(Arc::clone(&rehearsal), disk.clone(), reporter.clone()));
                    }
                }
            }
            Order::Abort { checkpoint_id } => drop(in_flight.remove(&checkpoint_id)),
            Order::Complete { checkpoint_id } => in_flight.retain(|id, _| *id > checkpoint_id),
            Order::End { .. } => break,
        }
    }
    Ok(())
}

/// One subtask's part of a checkpoint.
struct Part {
    clock: Clock,
    vertex: String,
    subtask: Subtask,
    checkpoint: CheckpointId,
    directory: PathBuf,
    triggered_at: u64,
}

impl Part {
    /// Stores it and reports it.
    async fn store(self, rehearsal: Arc<Rehearsal>, disk: Disk, reporter: Reporter) {
        let Self { clock, vertex, subtask, checkpoint, directory, triggered_at } = self;
        let start_delay = Duration::from_millis(clock.wall_millis().saturating_sub(triggered_at));
        let began = Instant::now();
        let speed = match rehearsal.fault(subtask, checkpoint) {
            None => rehearsal.speed,
            Some(FaultKind::Straggler { speed }) => *speed,
            Some(FaultKind::Hang) => return std::future::pending().await,
            Some(FaultKind::Decline) => {
                let message = "the rehearsal wants it so";
                return drop(reporter.decline(checkpoint, vertex, subtask.index, message).await);
            }
        };
        let location = format!("{}-{}.state", subtask.vertex, subtask.index);
        let bytes = rehearsal.size;
        let receipt = match write(&disk, directory.join(&location), bytes, speed).await {
            Ok(sync) => {
                let background = began.elapsed().saturating_sub(sync);
                let stored = StoredSnapshot { vertex, index: subtask.index, location, bytes };
                reporter.acknowledge(checkpoint, stored, Took { sync, background, start_delay }).await
            }
            Err(error) => {
                let reason = DeclineReason::CheckpointAsyncException;
                let (index, message) = (subtask.index, format!("{location}: {error}"));
                let checkpoint_id = checkpoint;
                reporter.report(TaskReport::Decline { checkpoint_id, vertex, index, reason, message }).await
            }
        };
        drop(receipt);
    }
}

/// Writes `size` bytes at `speed` bytes a second, durably; returns how long the file took to open, the
/// one moment in which a real task would stand still.
async fn write(disk: &Disk, path: PathBuf, size: u64, speed: u64) -> io::Result<Duration> {
    let began = Instant::now();
    let mut file = disk.run(move || File::create(path)).await?;
    let opened = began.elapsed();
    let mut written = 0;
    while written < size {
        // At least one byte, so that every round sleeps: the slowest speeds have less than one a step.
        let due = share_of(speed, began.elapsed() + STEP).clamp(written + 1, size);
        let count = due - written;
        file =
            disk.run(move || io::copy(&mut io::repeat(FILLING).take(count), &mut file).map(|_| file)).await?;
        written = due;
        sleep_until(began + time_for(written, speed)).await;
    }
    disk.run(move || file.sync_all()).await?;
    Ok(opened)
}

/// How many bytes are due after `elapsed`.
fn share_of(speed: u64, elapsed: Duration) -> u64 {
    let bytes = u128::from(speed) * elapsed.as_millis() / 1_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn time_for(bytes: u64, speed: u64) -> Duration {
    let millis = u128::from(bytes) * 1_000 / u128::from(speed.max(1));
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

impl Rehearsal {
    /// What is wrong with `subtask` at `checkpoint`; the last fault that matches holds.
    fn fault(&self, subtask: Subtask, checkpoint: CheckpointId) -> Option<&FaultKind> {
        let matching = self.faults.iter().rev().find(|fault| {
            fault.vertex.is_none_or(|vertex| vertex == subtask.vertex)
                && fault.subtask.is_none_or(|index| index == subtask.index)
                && (fault.from..=fault.to).contains(&checkpoint.0)
                && checkpoint.0.is_multiple_of(fault.every)
        });
        matching.map(|fault| &fault.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_file::Tasks;

    #[tokio::test(start_paused = true)]
    async fn a_file_takes_its_size_over_its_speed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        for (size, speed, millis) in
            [(1_400_000, 100_000, 14_000), (10, 1, 10_000), (0, 1, 0), (5_000_000, 1_000_000, 5_000)]
        {
            let began = Instant::now();
            write(&Disk::new(1), path.clone(), size, speed).await.unwrap();
            assert_eq!(began.elapsed().as_millis() / 10, millis / 10, "{size} at {speed}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
        }
    }

    #[test]
    fn the_last_fault_that_matches_holds() {
        let job = "name = 'a'\nvertices = [{name = 'v', parallelism = 2}]\n[rehearsal]\nfaults = [\
            {kind = 'decline', every = 3}, {subtask = 1, from = 6, to = 6, kind = 'hang'}]";
        let job = JobSpec::parse(job).unwrap();
        let Tasks::Rehearsal(rehearsal) = &job.tasks else { panic!("a rehearsal") };
        let fault = |index, id| {
            let subtask = Subtask { vertex: job.vertices[0].id, index };
            rehearsal.fault(subtask, CheckpointId(id)).cloned()
        };
        assert_eq!(fault(0, 2), None);
        assert_eq!((fault(0, 6), fault(1, 6)), (Some(FaultKind::Decline), Some(FaultKind::Hang)));
    }
}
