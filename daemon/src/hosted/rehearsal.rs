//! Tasks for game days and demonstrations: they store real files of a given size at a given speed, and
//! are slow, decline or hang on request.

use super::disk::Disk;
use super::tasks::{MOST_WAITING, TaskAnswer, TaskReport, Tasks, ToTask};
use crate::job_file::{FaultKind, JobSpec, Rehearsal};
use ckpt_coordinator::Snapshot;
use ckpt_coordinator::reason::FailureReason;
use ckpt_shared::duration::millis;
use ckpt_shared::ids::{CheckpointId, Subtask};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// How often a task that stores has something to write.
const STEP: Duration = Duration::from_millis(50);
/// What a snapshot is full of.
const FILLING: u8 = b'c';
/// How many writes of one job may wait for its disk; the others wait for these.
const MOST_WRITES: usize = 16;

/// Starts one task for each subtask of `job`.
pub(super) fn start(job: &Arc<JobSpec>, reports: &mpsc::Sender<TaskReport>) -> Tasks {
    let disk = Disk::new(MOST_WRITES);
    let mut running = JoinSet::new();
    let mut mailboxes = Vec::new();
    for vertex in &job.vertices {
        for index in 0..vertex.parallelism {
            let subtask = Subtask { vertex: vertex.id, index };
            let (mailbox, messages) = mpsc::channel(MOST_WAITING);
            mailboxes.push((subtask, mailbox));
            running.spawn(run(subtask, Arc::clone(job), disk.clone(), messages, reports.clone()));
        }
    }
    Tasks::new(mailboxes, running)
}

async fn run(
    subtask: Subtask,
    job: Arc<JobSpec>,
    disk: Disk,
    mut messages: mpsc::Receiver<ToTask>,
    reports: mpsc::Sender<TaskReport>,
) {
    let mut snapshots = JoinSet::new();
    let mut in_flight: HashMap<CheckpointId, AbortHandle> = HashMap::new();
    while let Some(message) = messages.recv().await {
        match message {
            ToTask::Restore { from } => {
                if let Some(point) = from {
                    let known = point.snapshots.contains_key(&subtask);
                    tracing::debug!(?subtask, checkpoint = %point.checkpoint, directory = %point.directory.display(), known, "restored");
                }
            }
            ToTask::Trigger { checkpoint, directory, sent } => {
                let job = Arc::clone(&job);
                let snapshot =
                    store(subtask, job, disk.clone(), checkpoint, directory, sent, reports.clone());
                in_flight.insert(checkpoint, snapshots.spawn(snapshot));
            }
            ToTask::Abort { checkpoint } => {
                if let Some(snapshot) = in_flight.remove(&checkpoint) {
                    snapshot.abort();
                }
            }
            ToTask::Complete { checkpoint } => in_flight.retain(|id, _| *id > checkpoint),
        }
        while snapshots.try_join_next().is_some() {}
    }
}

/// Stores one snapshot and reports it.
async fn store(
    subtask: Subtask,
    job: Arc<JobSpec>,
    disk: Disk,
    checkpoint: CheckpointId,
    directory: PathBuf,
    sent: Instant,
    reports: mpsc::Sender<TaskReport>,
) {
    let began = Instant::now();
    let speed = match job.rehearsal.fault(subtask, checkpoint) {
        None => job.rehearsal.speed,
        Some(FaultKind::Straggler { speed }) => *speed,
        Some(FaultKind::Hang) => return std::future::pending().await,
        Some(FaultKind::Decline) => {
            let answer = TaskAnswer::Decline {
                reason: FailureReason::CheckpointDeclined,
                detail: "the rehearsal wants it so".to_owned(),
            };
            return drop(reports.send(TaskReport { subtask, checkpoint, answer }).await);
        }
    };
    let location = format!("{}-{}.state", subtask.vertex, subtask.index);
    let answer = match write(&disk, directory.join(&location), job.rehearsal.size, speed).await {
        Ok(sync) => TaskAnswer::Acknowledge(Snapshot {
            location,
            bytes: job.rehearsal.size,
            sync_millis: millis(sync),
            async_millis: millis(began.elapsed().saturating_sub(sync)),
            start_delay_millis: millis(began.duration_since(sent)),
        }),
        Err(error) => TaskAnswer::Decline {
            reason: FailureReason::CheckpointAsyncException,
            detail: format!("{location}: {error}"),
        },
    };
    drop(reports.send(TaskReport { subtask, checkpoint, answer }).await);
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
        let fault = |index, id| {
            let subtask = Subtask { vertex: job.vertices[0].id, index };
            job.rehearsal.fault(subtask, CheckpointId(id)).cloned()
        };
        assert_eq!(fault(0, 2), None);
        assert_eq!((fault(0, 6), fault(1, 6)), (Some(FaultKind::Decline), Some(FaultKind::Hang)));
    }
}
