use super::record::MAX_MESSAGE;
use super::timeouts::MAX_TIMEOUTS;
use super::*;
use crate::anatomy::SubtaskTimes;
use ckpt_api::flink;
use ckpt_coordinator::reason::FailureReason;

fn completed(id: u64, triggered_at: u64, duration: u64) -> CheckpointProgress {
    CheckpointProgress {
        id: Some(CheckpointId(id)),
        savepoint: false,
        triggered_at,
        triggered: None,
        latest_ack: None,
        duration: Some(duration),
        state_size: Some(1),
        checkpointed_size: Some(1),
        path: None,
        discarded: false,
        subtasks: Some(Arc::default()),
    }
}

fn append(log: &mut CheckpointLog, progress: CheckpointProgress, outcome: CheckpointOutcome) {
    let from = progress.triggered_at;
    let flight = Flight { from, to: from + progress.duration.unwrap_or(0) };
    log.append(progress, i64::try_from(from).unwrap(), outcome, flight);
}

fn complete(log: &mut CheckpointLog, id: u64, triggered_at: u64, duration: u64) {
    append(log, completed(id, triggered_at, duration), CheckpointOutcome::Completed);
}

fn failed(message: &str) -> CheckpointOutcome {
    let reason = Some(FailureReason::CheckpointExpired);
    CheckpointOutcome::Failed { at: None, reason, message: Some(message.to_owned()) }
}

fn ids(checkpoints: &[EndedCheckpoint]) -> Vec<u64> {
    checkpoints.iter().filter_map(|one| Some(one.id?.0)).collect()
}

#[test]
fn records_timeout_in_force_at_end() {
    let mut log = CheckpointLog::default();
    complete(&mut log, 1, 5_000, 1_000);
    log.record_timeout(10_000, 10_000);
    complete(&mut log, 2, 20_000, 9_000);
    log.record_timeout(48_000, 60_000);
    complete(&mut log, 3, 40_000, 14_000);
    complete(&mut log, 4, 60_000, 14_000);
    let seen: Vec<_> = log.history().iter().map(|one| (one.timeout, one.rescued)).collect();
    assert_eq!(
        seen,
        [(None, false), (Some(10_000), false), (Some(60_000), true), (Some(60_000), false)],
        "only the third had less time when it began than it needed"
    );
}

#[test]
fn shorter_timeout_for_a_while_counts() {
    let mut log = CheckpointLog::default();
    for (at, timeout) in [(0, 60_000), (105_000, 10_000), (108_000, 60_000)] {
        log.record_timeout(at, timeout);
    }
    complete(&mut log, 1, 100_000, 20_000);
    assert!(log.history()[0].rescued);
}

#[test]
fn dropped_records_do_not_come_back() {
    let mut log = CheckpointLog::default();
    for id in 0..500 {
        append(&mut log, completed(id, id * 10_000, 1_000), failed(&"x".repeat(10_000)));
        log.record_timeout(id * 10_000, id);
    }
    let all = log.history();
    assert_eq!((all.len(), all[0].id), (CheckpointHistory::MOST, Some(CheckpointId(300))));
    assert_eq!(all[0].message.as_ref().unwrap().len(), MAX_MESSAGE);
    for id in [7, 499] {
        complete(&mut log, id, id * 10_000, 1_000);
    }
    assert_eq!(log.history(), all, "neither dropped nor present records are new");
    complete(&mut log, 1, 9_000_000, 1_000);
    assert_eq!(log.history().last().unwrap().id, Some(CheckpointId(1)), "a job that starts from nothing");
    for at in 0..5_000 {
        log.record_timeout(at, at);
    }
    assert_eq!(log.timeouts.len(), MAX_TIMEOUTS);
}

#[test]
fn everything_is_bounded() {
    let mut log = CheckpointLog::with_samples();
    for id in 0..20_000 {
        let mut progress = completed(id, id * 10, 1);
        progress.savepoint = id.is_multiple_of(7);
        match id % 3 {
            0 => append(&mut log, progress, failed("")),
            _ => append(&mut log, progress, CheckpointOutcome::Completed),
        }
    }
    assert_eq!(log.records.len(), CheckpointHistory::MOST);
    let detailed = log.records.iter().filter(|record| record.progress.subtasks.is_some()).count();
    assert!(detailed <= 45, "{detailed}");
    assert_eq!((log.marks.len(), log.samples().count()), (MAX_MARKS, MAX_SAMPLES));
    assert_eq!(log.completed() + log.failed(), 20_000);
}

#[test]
fn records_flinks_history_once() {
    let recorded = include_str!("../../../shared/api/tests/flink-rest/checkpoints-in-progress.json");
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let statistics: flink::CheckpointStatistics = serde_json::from_value(recorded["body"].clone()).unwrap();
    let mut log = CheckpointLog::default();
    let here = |there: i64| u64::try_from(there).unwrap() - 1_000;
    log.record_flink(&statistics, here);
    log.record_flink(&statistics, |there| here(there) + 3);
    let all = log.history();
    let [expired] = all.as_slice() else { panic!("one has ended: {all:?}") };
    assert_eq!((expired.id, expired.completed, expired.timeout), (Some(CheckpointId(1)), false, None));
    assert_eq!(expired.reason.as_deref(), Some("CHECKPOINT_EXPIRED"));
    assert_eq!(expired.message.as_deref(), Some(flink::EXPIRED));
    let theirs = statistics.history.iter().find(|entry| entry.id == CheckpointId(1)).unwrap();
    assert_eq!(expired.triggered_at, here(theirs.trigger_timestamp));
    assert!(expired.duration.unwrap() >= 1_000, "{expired:?}");
}

#[test]
fn tail_has_rising_sequence_numbers() {
    let mut log = CheckpointLog::default();
    let subscriber = log.subscribe();
    for id in 1..=3 {
        complete(&mut log, id, id * 10, 1);
    }
    complete(&mut log, 3, 30, 1);
    assert!(subscriber.has_changed().unwrap());
    assert_eq!(*subscriber.borrow(), 3);
    let tail = log.after(1);
    assert_eq!((tail.newest, ids(&tail.checkpoints)), (3, vec![2, 3]));
    assert!(log.after(3).checkpoints.is_empty());
}

#[test]
fn failures_keep_newest_completed() {
    let mut log = CheckpointLog::default();
    complete(&mut log, 1, 10, 40);
    let savepoint = CheckpointProgress { savepoint: true, ..completed(2, 20, 1_000) };
    append(&mut log, savepoint, CheckpointOutcome::Completed);
    for at in 3..1_000 {
        append(&mut log, CheckpointProgress { id: None, ..completed(at, at * 10, 0) }, failed(""));
    }
    let id = |savepoint| log.newest_completed(savepoint).and_then(|record| record.progress.id);
    assert_eq!((id(false), id(true)), (Some(CheckpointId(1)), Some(CheckpointId(2))));
    assert_eq!(log.usual_duration(), Some(Duration::from_millis(40)), "savepoints are not usual");
    assert!(ids(&log.history()).is_empty());
}

#[test]
fn merges_subtasks_by_trigger_time() {
    let mut log = CheckpointLog::default();
    let vertex = VertexId::from_bits(1);
    for at in [10, 900] {
        append(
            &mut log,
            CheckpointProgress { subtasks: None, ..completed(1, at, 5) },
            CheckpointOutcome::Completed,
        );
    }
    let none = Duration::ZERO;
    let times = SubtaskTimes {
        took: Duration::from_millis(4),
        sync: none,
        asynchronous: none,
        alignment: none,
        start_delay: none,
    };
    let ack = SubtaskAck { at: 14, bytes: 1, times, late: false };
    log.merge_subtasks(CheckpointId(1), 10, [(vertex, vec![Some(ack), None])].into());
    log.merge_subtasks(CheckpointId(1), 11, SubtaskTable::new());
    let breakdowns = log.breakdowns(&[vertex], 0);
    let subtasks: Vec<_> = breakdowns.iter().map(|one| (one.triggered_at, one.subtasks.clone())).collect();
    assert_eq!(subtasks, [(10, Some(vec![vec![Some(times), None]])), (900, None)]);
}

/// Statistics with completed (`true`) and failed checkpoints, newest first. Each was triggered at its id in seconds.
fn statistics(history: &[(u64, bool)], latest: Option<u64>) -> flink::CheckpointStatistics {
    let recorded = include_str!("../../../shared/api/tests/flink-rest/checkpoints-in-progress.json");
    let mut body = serde_json::from_str::<serde_json::Value>(recorded).unwrap()["body"].clone();
    let template = body["history"][0].clone();
    let entry = |(id, is_completed): (u64, bool)| {
        let mut entry = template.clone();
        entry["id"] = id.into();
        entry["status"] = if is_completed { "COMPLETED" } else { "FAILED" }.into();
        entry["trigger_timestamp"] = (id * 1_000).into();
        entry["end_to_end_duration"] = id.into();
        entry
    };
    body["history"] = history.iter().copied().map(entry).collect();
    body["latest"]["completed"] = latest.map(|id| entry((id, true))).into();
    serde_json::from_value(body).unwrap()
}

fn record(log: &mut CheckpointLog, statistics: &flink::CheckpointStatistics) {
    log.record_flink(statistics, |there| u64::try_from(there).unwrap());
}

#[test]
fn completed_behind_failures_is_usual() {
    let mut log = CheckpointLog::default();
    let seen = statistics(&[(13, false), (12, false), (11, false)], Some(7));
    record(&mut log, &seen);
    assert_eq!(ids(&log.history()), [7, 11, 12, 13], "in the order of their triggers");
    assert_eq!(log.usual_duration(), Some(Duration::from_millis(7)));
    for failed in 14..1_500 {
        record(&mut log, &statistics(&[(failed, false)], Some(7)));
    }
    assert_eq!((log.completed(), log.usual_duration()), (1, Some(Duration::from_millis(7))));
}
