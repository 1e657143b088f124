//! Counts of one job's checkpoints. They only rise, whatever becomes of the job's coordinator: Flink's own counts
//! start anew with a JobManager.

use super::{Labels, of_job};
use crate::overrides::Key;
use crate::seam::LogTail;
use ckpt_api::EndedCheckpoint;
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::reason::FailureReason;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::BTreeMap;

/// The bounds of durations, in seconds: from what is quick to what was rescued.
const DURATIONS: [f64; 14] =
    [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0];
/// The bounds of sizes, in bytes: from 64 KiB to 4 TiB.
const SIZES: [f64; 14] = {
    let mut bounds = [65_536.0; 14];
    let mut place = 1;
    while place < bounds.len() {
        bounds[place] = bounds[place - 1] * 4.0;
        place += 1;
    }
    bounds
};

/// The kind and outcome of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) savepoint: bool,
    /// Why it failed; `None` when it completed.
    pub(super) reason: Option<&'static str>,
}

/// The reason of failures that Flink has no name for.
const OTHER: &str = "OTHER";

/// The reason as a label: one of few, since each makes a series.
fn reason_label(name: Option<&str>) -> &'static str {
    let mut known = FailureReason::ALL.iter().map(|reason| reason.name());
    known.find(|known| Some(*known) == name).unwrap_or(OTHER)
}

/// The counts of one job.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) labels: Labels,
    pub(super) ends: BTreeMap<End, u64>,
    pub(super) durations: Histogram,
    pub(super) sizes: Histogram,
    pub(super) rescued: u64,
    /// The sequence number of the newest counted record; `None` while the job's log was empty.
    counted: Option<u64>,
    /// Checkpoints that ended before are not counted, in milliseconds since the epoch.
    since: u64,
    /// Set while the log may have records that are not counted.
    pub(super) behind: bool,
    /// Set when the job has ended or is gone.
    pub(super) gone_since: Option<Monotonic>,
}

impl Tally {
    pub(super) fn new(key: &Key, name: &str, since: u64) -> Self {
        // A series has to start at 0: otherwise the first end could not be seen as a rise.
        let expected = [None, Some(FailureReason::CheckpointExpired.name())];
        Self {
            labels: of_job(key, name),
            ends: expected.into_iter().map(|reason| (End { savepoint: false, reason }, 0)).collect(),
            durations: Histogram::new(DURATIONS),
            sizes: Histogram::new(SIZES),
            rescued: 0,
            counted: None,
            since,
            behind: true,
            gone_since: None,
        }
    }

    /// The sequence number behind which the log has to be read.
    pub(super) fn counted(&self) -> u64 {
        self.counted.unwrap_or(0)
    }

    /// Counts what is new in the job's log. Of its first records, those that ended before the job was noticed are not.
    pub(super) fn count(&mut self, tail: &LogTail) {
        self.behind = tail.is_behind;
        // Flink's history comes after the job was noticed.
        if self.counted.is_none() && tail.newest == 0 {
            return;
        }
        let before = self.counted.replace(tail.newest);
        if before.is_some_and(|counted| counted > tail.newest) {
            // Another log, of a job that was gone for long: its start is read at the next look.
            self.counted = Some(0);
            self.behind = true;
            return;
        }
        for ended in &tail.checkpoints {
            let ended_at = ended.triggered_at.saturating_add(ended.duration.unwrap_or(0));
            if before.is_some() || ended_at >= self.since {
                self.count_one(ended);
            }
        }
    }

    fn count_one(&mut self, ended: &EndedCheckpoint) {
        let reason = (!ended.completed).then(|| reason_label(ended.reason.as_deref()));
        *self.ends.entry(End { savepoint: ended.savepoint, reason }).or_default() += 1;
        if ended.completed {
            self.durations.observe(seconds(ended.duration.unwrap_or(0)));
            self.sizes.observe(bytes(ended.state_size.unwrap_or(0)));
            self.rescued += u64::from(ended.rescued);
        }
    }
}

/// Milliseconds as seconds.
#[allow(clippy::cast_precision_loss, reason = "not in this millennium")]
pub(super) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

/// A size as the value of a metric.
#[allow(clippy::cast_precision_loss, reason = "a size of petabytes may be off by a byte")]
pub(super) fn bytes(size: u64) -> f64 {
    size as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint_log::CheckpointLog;
    use crate::checkpoint_log::failure_reason;
    use ckpt_api::flink::CheckpointStatistics;
    use ckpt_types::ids::CheckpointId;
    use serde_json::{Value, json};

    /// Checkpoints with number, status, duration in milliseconds; each was triggered at its number in seconds.
    fn newest(entries: &[(u64, &str, i64)]) -> CheckpointStatistics {
        let recorded = include_str!("../../../shared/api/tests/flink-rest/checkpoints-in-progress.json");
        let mut body = serde_json::from_str::<Value>(recorded).unwrap()["body"].clone();
        let template = body["history"][0].clone();
        let entry = |&(id, status, took): &(u64, &str, i64)| {
            let mut entry = template.clone();
            entry["id"] = json!(id);
            entry["status"] = json!(status);
            entry["trigger_timestamp"] = json!(id * 1_000);
            entry["end_to_end_duration"] = json!(took);
            entry["state_size"] = json!(1_000_000);
            if status == "FAILED" {
                entry["failure_message"] = json!("Checkpoint was declined. Cause: no space left");
            }
            entry
        };
        body["history"] = entries.iter().map(entry).collect();
        serde_json::from_value(body).unwrap()
    }

    /// A job of a cluster whose clock is ahead by some milliseconds, and its counts.
    struct CountedJob {
        log: CheckpointLog,
        tally: Tally,
        ahead: i64,
    }

    impl CountedJob {
        fn new(since: u64) -> Self {
            let log = CheckpointLog::default();
            Self { log, tally: Tally { since, ..tally() }, ahead: 0 }
        }

        fn saw(&mut self, newest: &CheckpointStatistics) {
            let ahead = self.ahead;
            self.log.record_flink(newest, |there| u64::try_from(there - ahead).unwrap());
            self.count();
        }

        fn count(&mut self) {
            let tail = self.log.after(self.tally.counted(), 0);
            self.tally.count(&tail);
        }

        fn completed(&self) -> u64 {
            self.tally.ends[&COMPLETED]
        }
    }

    fn tally() -> Tally {
        let key = Key { cluster: "prod".to_owned(), job: ckpt_types::ids::JobId::from_bits(1) };
        Tally::new(&key, "orders", 0)
    }

    const COMPLETED: End = End { savepoint: false, reason: None };
    const DECLINED: End = End { savepoint: false, reason: Some("CHECKPOINT_DECLINED") };

    #[test]
    fn counts_each_end_once() {
        let mut job = CountedJob::new(4_500);
        job.saw(&newest(&[(5, "IN_PROGRESS", -1), (4, "COMPLETED", 900), (3, "FAILED", 100)]));
        assert_eq!((job.completed(), job.tally.ends.get(&DECLINED)), (1, None));
        for _ in 0..2 {
            job.saw(&newest(&[(6, "FAILED", 10), (5, "COMPLETED", 100), (4, "COMPLETED", 900)]));
            assert_eq!((job.completed(), job.tally.ends[&DECLINED]), (2, 1));
        }
    }

    #[test]
    fn earlier_history_is_not_counted() {
        let mut job = CountedJob::new(4_500);
        job.count();
        let mut seen = newest(&[(3, "FAILED", 100), (2, "FAILED", 100)]);
        seen.latest.completed = newest(&[(1, "COMPLETED", 900)]).history.pop();
        job.saw(&seen);
        assert_eq!((job.completed(), job.tally.ends.get(&DECLINED)), (0, None));
        seen.history.insert(0, newest(&[(4, "FAILED", 500)]).history.remove(0));
        job.saw(&seen);
        assert_eq!((job.completed(), job.tally.ends[&DECLINED]), (0, 1));
    }

    /// Flink tells of its newest completed checkpoint for longer than the log knows the marks of the failures since.
    #[test]
    fn completed_counts_once_despite_failures() {
        let mut job = CountedJob::new(0);
        let latest = newest(&[(1, "COMPLETED", 900)]).history.pop();
        for id in 2..2_000 {
            let mut seen = newest(&[(id, "FAILED", 10)]);
            seen.latest.completed.clone_from(&latest);
            job.saw(&seen);
        }
        assert_eq!((job.completed(), job.tally.ends[&DECLINED]), (1, 1_998));
    }

    /// The cluster's clock is ahead by ten minutes, and is put back meanwhile.
    #[test]
    fn counts_once_whatever_clocks_say() {
        let mut job = CountedJob { ahead: 600_000, ..CountedJob::new(1_000_000) };
        job.saw(&newest(&[(1_599, "COMPLETED", 100)]));
        assert_eq!(job.completed(), 0);
        for id in 2_000..2_000 + 2 * 1_024 {
            job.saw(&newest(&[(id, "COMPLETED", 1)]));
        }
        let counted = job.completed();
        assert_eq!(counted, 2 * 1_024);
        job.ahead = 0;
        for _ in 0..3 {
            job.saw(&newest(&[(1_700, "COMPLETED", 1)]));
            assert_eq!(job.completed(), counted + 1);
        }
    }

    #[test]
    fn new_jobmanager_takes_nothing_back() {
        let mut job = CountedJob::new(0);
        job.saw(&newest(&[]));
        job.saw(&newest(&[(2, "COMPLETED", 100), (1, "COMPLETED", 100)]));
        job.saw(&newest(&[]));
        let mut again = newest(&[(1, "COMPLETED", 100)]);
        again.history[0].trigger_timestamp = 60_000;
        job.saw(&again);
        assert_eq!(job.completed(), 3, "a number may come again");
    }

    #[test]
    fn new_log_is_counted_from_start() {
        let mut job = CountedJob::new(0);
        job.saw(&newest(&[(2, "COMPLETED", 100), (1, "COMPLETED", 100)]));
        job.log = CheckpointLog::default();
        job.saw(&newest(&[(3, "COMPLETED", 100)]));
        assert!(job.tally.behind);
        job.count();
        assert_eq!((job.completed(), job.tally.behind), (3, false));
    }

    #[test]
    fn rescue_counts_once() {
        let mut job = CountedJob::new(0);
        job.log.record_timeout(0, 50);
        job.log.record_timeout(2_040, 60_000);
        for _ in 0..2 {
            job.saw(&newest(&[(2, "COMPLETED", 100), (1, "COMPLETED", 10)]));
        }
        assert_eq!(job.tally.rescued, 1);
    }

    #[test]
    fn failures_without_id_all_count() {
        let mut job = CountedJob::new(0);
        job.count();
        for _ in 0..3 {
            let declined =
                EndedCheckpoint { id: None, reason: Some("CHECKPOINT_DECLINED".to_owned()), ..ended(1) };
            let newest = job.tally.counted() + 1;
            job.tally.count(&LogTail { newest, checkpoints: vec![declined], ..LogTail::default() });
        }
        assert_eq!(job.tally.ends[&DECLINED], 3);
    }

    fn ended(id: u64) -> EndedCheckpoint {
        EndedCheckpoint {
            id: Some(CheckpointId(id)),
            savepoint: false,
            completed: false,
            triggered_at: id * 1_000,
            duration: None,
            state_size: None,
            checkpointed_size: None,
            timeout: None,
            rescued: false,
            reason: None,
            message: None,
        }
    }

    #[test]
    fn bounded_log_loses_no_count() {
        let mut job = CountedJob::new(0);
        for id in 0..5_000 {
            job.saw(&newest(&[(id, "COMPLETED", 1)]));
        }
        assert_eq!(job.completed(), 5_000);
        assert!(job.log.history().len() <= ckpt_api::CheckpointHistory::MOST);
    }

    #[test]
    fn reasons_are_flinks_and_few() {
        let reason = |message| reason_label(failure_reason(message).map(FailureReason::name));
        assert_eq!(reason(ckpt_api::flink::EXPIRED), "CHECKPOINT_EXPIRED");
        assert_eq!(reason("Checkpoint was declined (tasks not ready)"), "CHECKPOINT_DECLINED_TASK_NOT_READY");
        assert_eq!(reason("java.lang.Error: 4711"), OTHER);
        assert_eq!(reason_label(Some("IO_EXCEPTION")), "IO_EXCEPTION");
        assert_eq!(reason_label(Some("4711")), OTHER);
    }
}
