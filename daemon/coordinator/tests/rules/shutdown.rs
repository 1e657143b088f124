//! Rule 37: the end of a coordinator.

use crate::sim::*;
use ckpt_coordinator::config::{JobEnd, Override, SubmittedConfig};
use ckpt_coordinator::reason::FailureReason::{CheckpointCoordinatorShutdown, CheckpointDeclined};
use ckpt_coordinator::{Action, Event};
use std::num::NonZeroU32;

fn two_at_once() -> SubmittedConfig {
    SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..every(100) }
}

#[test]
fn rule_37_shutting_down_aborts_queue_and_pending() {
    let mut sim = Sim::running(two_at_once());
    sim.run_to(100);
    sim.savepoint(1);
    sim.checkpoint(2);
    let actions = sim.send(Event::Shutdown { end: None });
    let reason = CheckpointCoordinatorShutdown;
    assert_eq!(failed(&actions), [(1, reason), (2, reason)]);
    assert_eq!(answers(&actions), [(2, no_id(reason)), (1, failed_as(2, reason))]);
    assert_eq!(discarded(&actions), [(1, false), (2, false)]);
    assert!(job_failures(&actions).is_empty(), "that is no failure of the job");
    assert_eq!((sim.in_flight(), sim.view().queued), (vec![], 0));
    assert_eq!((sim.coordinator.next_wakeup(), sim.consecutive()), (None, 0));
}

#[test]
fn rule_37_later_messages_do_nothing() {
    let mut sim = Sim::running(two_at_once());
    sim.run_to(200);
    sim.send(Event::Shutdown { end: None });
    assert!(sim.acknowledge_all(1).is_empty());
    assert!(sim.acknowledge(9, 0).is_empty());
    assert!(sim.decline(2, CheckpointDeclined).is_empty());
    assert!(sim.prepared(1).is_empty());
    assert!(sim.finalized(1).is_empty());
    assert!(sim.cleaned(1).is_empty());
    assert!(sim.tasks_running(0).is_empty());
    assert_eq!(sim.coordinator.next_wakeup(), None);
    assert!(sim.run_to(10_000).is_empty());
    assert!(sim.send(Event::Suspend).is_empty());
    assert_eq!(sim.consecutive(), 0);
}

#[test]
fn rule_37_a_later_update_does_nothing_but_hold() {
    let mut sim = Sim::running(two_at_once());
    sim.run_to(200);
    sim.send(Event::Shutdown { end: None });
    let overridden = Override { interval: Some(interval(20)), timeout: Some(timeout(20)) };
    assert_eq!(sim.update_and_pull(overridden, true), (vec![], vec![]));
    assert_eq!(sim.coordinator.next_wakeup(), None);
    assert_eq!(sim.view().overridden, overridden);
}

#[test]
fn rule_37_what_is_still_being_made_is_deleted_when_it_is_made() {
    let mut sim = Sim::new(by_hand());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    assert!(discarded(&sim.send(Event::Shutdown { end: None })).is_empty());
    assert_eq!(discarded(&sim.prepared(1)), [(1, false)]);
}

#[test]
fn rule_37_what_is_still_being_stored_has_failed_and_is_deleted_then() {
    for result in [Ok(()), Err("full".to_owned())] {
        let mut sim = Sim::new(by_hand());
        sim.finalize = Reply::Withheld;
        sim.checkpoint(1);
        sim.acknowledge_all(1);
        let actions = sim.send(Event::Shutdown { end: None });
        assert_eq!(failed(&actions), [(1, CheckpointCoordinatorShutdown)]);
        assert!(discarded(&actions).is_empty(), "the host is still at work on it");
        let actions = sim.send(Event::Finalized { id: id(1), result });
        assert_eq!(discarded(&actions), [(1, false)]);
        assert!(completed(&actions).is_empty() && answers(&actions).is_empty());
        assert!(sim.kept().is_empty());
    }
}

#[test]
fn rule_37_shutting_down_twice_is_shutting_down_once() {
    let mut sim = Sim::running(two_at_once());
    sim.run_to(100);
    sim.acknowledge_all(1);
    assert!(sim.send(Event::Shutdown { end: None }).is_empty());
    assert!(sim.send(Event::Shutdown { end: Some(JobEnd::Finished) }).is_empty());
    assert_eq!(sim.kept(), [1]);
}

#[test]
fn rule_37_tasks_hear_of_the_abort_of_what_they_work_on() {
    let mut sim = Sim::new(by_hand());
    sim.checkpoint(1);
    let actions = sim.send(Event::Shutdown { end: Some(JobEnd::Canceled) });
    assert!(actions.contains(&Action::NotifyAborted { id: id(1) }));
}
