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

fn mark(id: u64, triggered_there: i64) -> CheckpointMark {
    CheckpointMark { id: CheckpointId(id), triggered_there }
}

fn acknowledged(took: u64) -> SubtaskAck {
    let none = Duration::ZERO;
    let took = Duration::from_millis(took);
    let times = SubtaskTimes { took, sync: none, asynchronous: none, alignment: none, start_delay: none };
    SubtaskAck { at: 14, bytes: 1, times, late: false }
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
    let tail = log.after(1, 0);
    assert_eq!((tail.newest, ids(&tail.checkpoints)), (3, vec![2, 3]));
    assert!(log.after(3, 0).checkpoints.is_empty());
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
    let ack = acknowledged(4);
    log.merge_subtasks(mark(1, 10), [(vertex, vec![Some(ack), None])].into());
    log.merge_subtasks(mark(1, 11), SubtaskTable::new());
    let breakdowns = log.breakdowns(&[vertex], 0);
    let subtasks: Vec<_> = breakdowns.iter().map(|one| (one.triggered_at, one.subtasks.clone())).collect();
    // The other one was never asked for.
    assert_eq!(subtasks, [(10, Some(vec![vec![Some(ack.times), None]]))]);
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

fn wanted(log: &CheckpointLog, statistics: &flink::CheckpointStatistics) -> Vec<u64> {
    log.without_subtasks(statistics).map(|entry| entry.id.0).collect()
}

/// Ids in an estimate, and whether their subtasks are known.
fn estimated(log: &CheckpointLog, vertex: VertexId) -> Vec<(u64, bool)> {
    log.breakdowns(&[vertex], 0).iter().map(|one| (one.id.0, one.subtasks.is_some())).collect()
}

#[test]
fn completed_behind_failures_is_usual() {
    let mut log = CheckpointLog::default();
    let seen = statistics(&[(13, false), (12, false), (11, false)], Some(7));
    record(&mut log, &seen);
    assert_eq!(ids(&log.history()), [7, 11, 12, 13], "in the order of their triggers");
    assert_eq!(log.usual_duration(), Some(Duration::from_millis(7)));
    assert_eq!(wanted(&log, &seen), [7]);
    for failed in 14..1_500 {
        record(&mut log, &statistics(&[(failed, false)], Some(7)));
    }
    assert_eq!((log.completed(), log.usual_duration()), (1, Some(Duration::from_millis(7))));
    assert_eq!(wanted(&log, &statistics(&[], Some(7))), [7], "its subtasks are still unknown");
}

#[test]
fn failures_keep_usual_without_subtasks() {
    let mut log = CheckpointLog::default();
    for id in 1..=40 {
        record(&mut log, &statistics(&[(id, true)], Some(id)));
    }
    for id in 41..1_000 {
        record(&mut log, &statistics(&[(id, false)], Some(40)));
    }
    assert_eq!(log.usual_duration(), Some(Duration::from_millis(36)), "the newest ten");
    assert_eq!(log.records.len(), CheckpointHistory::MOST + ckpt_estimate::MAX_PAST);
}

#[test]
fn subtasks_are_asked_for_once() {
    let mut log = CheckpointLog::default();
    let vertex = VertexId::from_bits(1);
    let seen = statistics(&[(4, false), (3, true), (2, true)], Some(3));
    assert_eq!(wanted(&log, &seen), [3, 2], "also those that are not recorded yet");
    record(&mut log, &seen);
    log.merge_subtasks(mark(3, 3_000), [(vertex, vec![Some(acknowledged(3))])].into());
    assert_eq!(wanted(&log, &seen), [2]);
    log.merge_subtasks(mark(2, 2_000), SubtaskTable::new());
    assert_eq!(wanted(&log, &seen), Vec::<u64>::new(), "what cannot be broken down is not asked for again");
    let all = estimated(&log, vertex);
    assert_eq!(all, [(2, false), (3, true)]);
    // Its number may come again.
    let again = statistics(&[(2, true)], None);
    let moved = CheckpointMark { triggered_there: 90_000, ..CheckpointMark::of(&again.history[0]) };
    assert!(log.needs_subtasks(moved));
}

#[test]
fn nothing_is_asked_for_outside_quota() {
    let mut log = CheckpointLog::default();
    let vertex = VertexId::from_bits(1);
    let completed: Vec<_> = (1..=190).rev().map(|id| (id, true)).collect();
    let seen = statistics(&completed, Some(190));
    let (mut asked, mut reads) = (0, 0);
    // Flink remembers more than an estimate looks at, and checkpoints come and go.
    for newest in 191..=260 {
        let mut seen = seen.clone();
        seen.history.insert(0, statistics(&[(newest, true)], None).history.remove(0));
        record(&mut log, &seen);
        let all = wanted(&log, &seen);
        reads += 1;
        asked += all.len();
        for id in all {
            let at = i64::try_from(id * 1_000).unwrap();
            log.merge_subtasks(mark(id, at), [(vertex, vec![Some(acknowledged(id))])].into());
        }
        assert_eq!(wanted(&log, &seen), Vec::<u64>::new());
    }
    assert_eq!((reads, asked), (70, 20 + 69), "the newest twenty, and each that follows");
    let known = estimated(&log, vertex).into_iter().filter(|(_, is_known)| *is_known);
    let known: Vec<_> = known.map(|(id, _)| id).collect();
    assert!(known.len() >= ckpt_estimate::MAX_PAST && known.ends_with(&[259, 260]), "{known:?}");
    let details = log.records.iter().filter(|record| record.progress.subtasks.is_some()).count();
    assert!(details <= 42, "{details}");
}

/// Without an estimate, few are asked for: those in between use up no place.
#[test]
fn sparse_subtasks_suffice_for_estimate() {
    let mut log = CheckpointLog::default();
    let vertex = VertexId::from_bits(1);
    for id in 1..=180 {
        record(&mut log, &statistics(&[(id, !id.is_multiple_of(5))], None));
        if id % 6 == 1 {
            let at = i64::try_from(id * 1_000).unwrap();
            log.merge_subtasks(mark(id, at), [(vertex, vec![Some(acknowledged(id))])].into());
        }
    }
    let known = estimated(&log, vertex).into_iter().filter(|(_, is_known)| *is_known).count();
    assert!(known >= ckpt_estimate::MAX_PAST, "{known}");
}

#[test]
fn acknowledgements_keep_what_flink_tells() {
    let recorded = include_str!("../../../shared/api/tests/flink-rest/checkpoint-subtasks-in-progress.json");
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let mut body = recorded["body"].clone();
    body["subtasks"][1]["aborted"] = true.into();
    let told: flink::TaskCheckpointWithSubtasks = serde_json::from_value(body).unwrap();
    let acknowledgements = acknowledgements(&told);
    assert_eq!(acknowledgements.len(), usize::try_from(told.task.num_subtasks).unwrap());
    for subtask in &told.subtasks {
        let flink::SubtaskCheckpoint::Completed(subtask) = subtask else { continue };
        let ack = acknowledgements[usize::try_from(subtask.index).unwrap()].unwrap();
        assert_eq!((i64::try_from(ack.at).unwrap(), ack.late), (subtask.ack_timestamp, subtask.aborted));
        assert_eq!(i64::try_from(ack.bytes).unwrap(), subtask.state_size);
        assert_eq!(ack.times.took.as_millis(), subtask.end_to_end_duration.unsigned_abs().into());
    }
    let vertex = VertexId::from_bits(1);
    let times = subtask_times(&[(vertex, acknowledgements)].into(), &[vertex]).unwrap();
    let is_in_time: Vec<_> = times[0].iter().map(Option::is_some).collect();
    assert_eq!(is_in_time, [true, false], "the second came too late");
}
