//! What is counted of one job's checkpoints. It only rises, whatever becomes of the job's coordinator: Flink's own
//! counts start anew with a JobManager.

use super::{Labels, of_job};
use crate::overrides::Key;
use ckpt_api::flink::{Checkpoint, CheckpointStatus};
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::reason::FailureReason;
use ckpt_types::ids::CheckpointId;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::{BTreeMap, VecDeque};

/// How many ended checkpoints are remembered, so that none counts twice. Flink's history holds ten, unless it is
/// told otherwise.
const MOST_COUNTED: usize = 1_024;

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

/// How a checkpoint ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) savepoint: bool,
    /// Why it failed; `None` when it completed.
    pub(super) reason: Option<&'static str>,
}

/// A reason that is none of Flink's.
const OTHER: &str = "OTHER";

/// Why a checkpoint failed: Flink's name of the reason. Its REST API has only the words, sometimes with a cause
/// behind them.
pub(super) fn reason(message: &str) -> &'static str {
    FailureReason::of_words(message).map_or(OTHER, FailureReason::name)
}

/// The name that this is, if it is one that is known.
pub(super) fn known_reason(name: &str) -> &'static str {
    FailureReason::ALL.iter().map(|reason| reason.name()).find(|known| *known == name).unwrap_or(OTHER)
}

/// The counts of one job.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) labels: Labels,
    pub(super) ends: BTreeMap<End, u64>,
    pub(super) durations: Histogram,
    pub(super) sizes: Histogram,
    pub(super) rescued: u64,
    /// Those that need not be counted any more: when they were triggered, and their numbers.
    counted: VecDeque<(i64, CheckpointId)>,
    /// What had ended before, in milliseconds since the epoch, is not counted.
    since: u64,
    /// Whether its newest checkpoints were looked at before.
    pub(super) was_seen: bool,
    /// When it was noticed that it has ended, or is gone.
    pub(super) gone_since: Option<Monotonic>,
}

impl Tally {
    pub(super) fn new(key: &Key, name: &str, since: u64) -> Self {
        // What has not happened yet is told as 0: otherwise the first time could not be seen as a rise.
        let expected = [None, Some(FailureReason::CheckpointExpired.name())];
        Self {
            labels: of_job(key, name),
            ends: expected.into_iter().map(|reason| (End { savepoint: false, reason }, 0)).collect(),
            durations: Histogram::new(DURATIONS),
            sizes: Histogram::new(SIZES),
            rescued: 0,
            counted: VecDeque::new(),
            since,
            was_seen: false,
            gone_since: None,
        }
    }

    /// Counts those of the newest checkpoints that have ended and were not counted yet; not those that are looked at for the
    /// first time and had ended before. `rescued` are those that owe their completion to a change. Their clock is `ahead` of
    /// ours by so many milliseconds.
    pub(super) fn saw(&mut self, newest: &[Checkpoint], rescued: &[(CheckpointId, i64)], ahead: i64) {
        let is_first = !std::mem::replace(&mut self.was_seen, true);
        let since = i64::try_from(self.since).unwrap_or(i64::MAX).saturating_add(ahead);
        for entry in newest.iter().filter(|entry| entry.status != CheckpointStatus::InProgress) {
            let mark = (entry.trigger_timestamp, entry.id);
            if self.counted.contains(&mark) {
                continue;
            }
            // The oldest that was noted goes, whatever its clock says.
            self.counted.push_back(mark);
            if self.counted.len() > MOST_COUNTED {
                self.counted.pop_front();
            }
            let ended_at = entry.trigger_timestamp.saturating_add(entry.end_to_end_duration.max(0));
            if !(is_first && ended_at < since) {
                self.count(entry, rescued.contains(&(entry.id, entry.trigger_timestamp)));
            }
        }
    }

    fn count(&mut self, entry: &Checkpoint, rescued: bool) {
        let completed = entry.status == CheckpointStatus::Completed;
        let why = || reason(entry.failure_message.as_deref().unwrap_or_default());
        self.ended(End { savepoint: entry.is_savepoint, reason: (!completed).then(why) });
        if !completed {
            return;
        }
        let took = u64::try_from(entry.end_to_end_duration).unwrap_or(0);
        self.durations.observe(seconds(took));
        self.sizes.observe(bytes(entry.state_size));
        self.rescued += u64::from(rescued);
    }

    /// Counts an end that no history tells of.
    pub(super) fn ended(&mut self, end: End) {
        *self.ends.entry(end).or_default() += 1;
    }
}

/// Milliseconds as seconds.
#[allow(clippy::cast_precision_loss, reason = "not in this millennium")]
pub(super) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

/// Bytes, of which less than 0 are not known.
#[allow(clippy::cast_precision_loss, reason = "a size of petabytes may be off by a byte")]
pub(super) fn bytes(size: i64) -> f64 {
    size.max(0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_api::flink::CheckpointStatistics;
    use serde_json::{Value, json};

    /// Checkpoints with number, status, duration in milliseconds; each was triggered at its number in seconds.
    fn newest(entries: &[(u64, &str, i64)]) -> Vec<Checkpoint> {
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
        serde_json::from_value::<CheckpointStatistics>(body).unwrap().history
    }

    fn tally() -> Tally {
        let key = Key { cluster: "prod".to_owned(), job: ckpt_types::ids::JobId::from_bits(1) };
        Tally::new(&key, "orders", 0)
    }

    const COMPLETED: End = End { savepoint: false, reason: None };
    const DECLINED: End = End { savepoint: false, reason: Some("CHECKPOINT_DECLINED") };

    #[test]
    fn each_end_counts_once_and_what_was_before_does_not() {
        let mut tally = Tally { since: 4_500, ..tally() };
        tally.saw(&newest(&[(5, "IN_PROGRESS", -1), (4, "COMPLETED", 900), (3, "FAILED", 100)]), &[], 0);
        assert_eq!((tally.ends[&COMPLETED], tally.ends.get(&DECLINED)), (1, None));
        for _ in 0..2 {
            let seen = newest(&[(6, "FAILED", 10), (5, "COMPLETED", 100), (4, "COMPLETED", 900)]);
            tally.saw(&seen, &[], 0);
            assert_eq!((tally.ends[&COMPLETED], tally.ends[&DECLINED]), (2, 1));
        }
    }

    /// Its clock is ahead by ten minutes, and was put back meanwhile.
    #[test]
    fn what_was_before_is_told_by_our_clock_and_none_counts_twice_whatever_theirs_says() {
        let mut tally = Tally { since: 1_000_000, ..tally() };
        tally.saw(&newest(&[(1_599, "COMPLETED", 100)]), &[], 600_000);
        assert_eq!(tally.ends[&COMPLETED], 0);
        for id in 2_000..2_000 + 2 * MOST_COUNTED as u64 {
            tally.saw(&newest(&[(id, "COMPLETED", 1)]), &[], 600_000);
        }
        let counted = tally.ends[&COMPLETED];
        for _ in 0..3 {
            tally.saw(&newest(&[(1_700, "COMPLETED", 1)]), &[], 0);
            assert_eq!(tally.ends[&COMPLETED], counted + 1);
        }
    }

    #[test]
    fn a_jobmanager_that_starts_anew_takes_nothing_back() {
        let mut tally = tally();
        tally.saw(&[], &[], 0);
        tally.saw(&newest(&[(2, "COMPLETED", 100), (1, "COMPLETED", 100)]), &[], 0);
        tally.saw(&[], &[], 0);
        let mut again = newest(&[(1, "COMPLETED", 100)]);
        again[0].trigger_timestamp = 60_000;
        tally.saw(&again, &[], 0);
        assert_eq!(tally.ends[&COMPLETED], 3, "a number may come again");
    }

    #[test]
    fn a_rescue_counts_once() {
        let mut tally = tally();
        for _ in 0..2 {
            tally.saw(
                &newest(&[(2, "COMPLETED", 100), (1, "COMPLETED", 100)]),
                &[(CheckpointId(2), 2_000)],
                0,
            );
        }
        assert_eq!(tally.rescued, 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut tally = tally();
        for id in 0..5_000 {
            tally.saw(&newest(&[(id, "COMPLETED", 1)]), &[], 0);
        }
        assert_eq!(tally.ends[&COMPLETED], 5_000);
        assert!(tally.counted.len() <= MOST_COUNTED);
    }

    #[test]
    fn reasons_have_flinks_names_and_are_few() {
        assert_eq!(reason(ckpt_api::flink::EXPIRED), "CHECKPOINT_EXPIRED");
        assert_eq!(reason("Checkpoint was declined (tasks not ready)"), "CHECKPOINT_DECLINED_TASK_NOT_READY");
        assert_eq!(reason("java.lang.Error: 4711"), OTHER);
        assert_eq!(known_reason("IO_EXCEPTION"), "IO_EXCEPTION");
        assert_eq!(known_reason("4711"), OTHER);
    }
}
