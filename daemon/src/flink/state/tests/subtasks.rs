//! Subtasks of completed checkpoints: when they are asked for, and what an estimate sees of them.

use super::super::event::{ClusterAction, Reply, Request};
use super::answers::{checkpoint, id, vertex};
use super::cluster::Sim;
use crate::anatomy::SubtaskTimes;
use crate::checkpoint_log::{CheckpointMark, SubtaskAck, SubtaskTable};
use ckpt_api::flink::CheckpointStatus::{Completed, Failed};
use std::time::Duration;

const MINUTES: Duration = Duration::from_secs(300);

fn table() -> SubtaskTable {
    let none = Duration::ZERO;
    let times =
        SubtaskTimes { took: none, sync: none, asynchronous: none, alignment: none, start_delay: none };
    [(vertex(), vec![Some(SubtaskAck { at: 0, bytes: 0, times, late: false })])].into()
}

/// A job that is known, with a completed checkpoint that failures have pushed out of Flink's history.
fn failing(subtasks: Option<SubtaskTable>) -> Sim {
    let mut sim = Sim::new();
    sim.subtasks = subtasks;
    sim.job.history = (8..18).rev().map(|id| checkpoint(id, Failed)).collect();
    sim.job.completed = Some(checkpoint(7, Completed));
    sim.settle();
    sim
}

fn breakdown(sim: &mut Sim) {
    let request = sim.request(Request::ReadBreakdown { job: id(), with_places: true });
    sim.deliver_all();
    assert!(matches!(sim.replies[&request], Reply::Done), "{:?}", sim.replies[&request]);
}

/// Ids of the completed checkpoints that an estimate sees, and whether their subtasks are known.
fn estimated(sim: &Sim) -> Vec<(u64, bool)> {
    let anatomy = sim.facts().breakdown.anatomy(&sim.facts().log);
    let completed = anatomy.ended.iter().filter(|ended| ended.completed);
    completed.map(|ended| (ended.id.0, ended.subtasks.is_some())).collect()
}

fn asked(sim: &Sim) -> Vec<u64> {
    sim.asked_subtasks.iter().map(|mark| mark.id.0).collect()
}

#[test]
fn newest_completed_is_read_once() {
    let mut sim = failing(Some(table()));
    sim.advance(MINUTES);
    assert_eq!(asked(&sim), [7]);
    assert_eq!(sim.facts().log.usual_duration(), Some(Duration::from_millis(7)));
    breakdown(&mut sim);
    assert_eq!((asked(&sim), estimated(&sim)), (vec![7], vec![(7, true)]));
}

#[test]
fn indivisible_checkpoint_is_read_once() {
    let mut sim = failing(Some(SubtaskTable::new()));
    breakdown(&mut sim);
    sim.advance(MINUTES);
    breakdown(&mut sim);
    assert_eq!((asked(&sim), estimated(&sim)), (vec![7], vec![(7, false)]));
}

#[test]
fn failed_read_is_repeated_each_minute() {
    let mut sim = failing(None);
    sim.advance(MINUTES);
    let reads = sim.asked_subtasks.len();
    assert!((4..=6).contains(&reads), "{reads}");
    sim.subtasks = Some(table());
    breakdown(&mut sim);
    assert_eq!(estimated(&sim), [(7, true)]);
}

#[test]
fn breakdown_records_newer_checkpoints() {
    let mut sim = failing(Some(table()));
    sim.job.history.insert(0, checkpoint(18, Completed));
    sim.job.completed = Some(checkpoint(18, Completed));
    breakdown(&mut sim);
    assert_eq!((asked(&sim), estimated(&sim)), (vec![7, 18], vec![(7, true), (18, true)]));
    let history: Vec<_> = sim.facts().log.history().iter().filter_map(|one| Some(one.id?.0)).collect();
    assert_eq!(history, (7..=18).collect::<Vec<_>>());
    sim.settle();
    assert_eq!(sim.facts().log.history().len(), 12, "the next read brings nothing new");
}

#[test]
fn late_answer_keeps_newer_history() {
    let mut sim = failing(Some(table()));
    sim.request(Request::ReadBreakdown { job: id(), with_places: true });
    let breakdown = sim.find(|action| matches!(action, ClusterAction::ReadBreakdown(_)));
    sim.job.history.insert(0, checkpoint(18, Failed));
    sim.request(Request::ReadRest(id()));
    let rest = sim.find(|action| matches!(action, ClusterAction::ReadRest { .. }));
    sim.deliver(rest, false);
    sim.deliver(breakdown, true);
    let history: Vec<_> = sim.facts().log.history().iter().filter_map(|one| Some(one.id?.0)).collect();
    assert_eq!(history.iter().filter(|id| **id == 18).count(), 1);
    assert_eq!(asked(&sim), [7]);
    assert!(!sim.facts().log.needs_subtasks(CheckpointMark::of(&checkpoint(7, Completed))));
}

#[test]
fn late_answer_takes_nothing_back() {
    let mut sim = failing(Some(table()));
    sim.job.history.insert(0, checkpoint(18, Completed));
    sim.job.completed = Some(checkpoint(18, Completed));
    sim.request(Request::ReadBreakdown { job: id(), with_places: true });
    let breakdown = sim.find(|action| matches!(action, ClusterAction::ReadBreakdown(_)));
    // Meanwhile the checkpoint is pushed out of Flink's history.
    sim.now += Duration::from_secs(1);
    sim.job.history = (20..31).rev().map(|id| checkpoint(id, Completed)).collect();
    sim.job.completed = Some(checkpoint(30, Completed));
    sim.request(Request::ReadRest(id()));
    let rest = sim.find(|action| matches!(action, ClusterAction::ReadRest { .. }));
    sim.deliver(rest, false);
    sim.deliver(breakdown, true);
    let log = &sim.facts().log;
    assert_eq!(log.newest_completed(false).unwrap().progress.id, Some(checkpoint(30, Completed).id));
    let history: Vec<_> = log.history().iter().filter_map(|one| Some(one.id?.0)).collect();
    assert!(history.is_sorted(), "{history:?}");
}
