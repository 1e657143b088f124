//! Rules 16 to 19, and 29: from a request to a checkpoint in flight, and its clock.

use crate::sim::*;
use ckpt_coordinator::config::Override;
use ckpt_coordinator::reason::FailureReason::{
    CheckpointCoordinatorShutdown, CheckpointDeclined, CheckpointExpired, IoException,
};
use ckpt_coordinator::{Action, Event, Fact, Start, TriggerOutcome};

#[test]
fn rule_16_a_manual_trigger_works_while_the_scheduler_is_stopped() {
    let mut sim = Sim::new(every(100));
    assert_eq!(triggered_tasks(&sim.checkpoint(1)), [1]);
    assert_eq!(answers(&sim.acknowledge_all(1)), [(1, TriggerOutcome::Completed(id(1)))]);
    assert_eq!(triggered_tasks(&sim.savepoint(2)), [2]);
}

#[test]
fn rule_16_a_manual_trigger_works_after_the_scheduler_was_stopped() {
    let mut sim = Sim::running(every(100));
    sim.send(Event::Suspend);
    assert_eq!(triggered_tasks(&sim.checkpoint(1)), [1]);
}

#[test]
fn rule_16_a_manual_trigger_works_on_a_job_without_an_interval() {
    let mut sim = Sim::running(by_hand());
    assert_eq!(triggered_tasks(&sim.checkpoint(1)), [1]);
}

#[test]
fn rule_16_a_request_after_the_shutdown_is_refused() {
    let mut sim = Sim::new(by_hand());
    sim.send(Event::Shutdown { end: None });
    for actions in [sim.checkpoint(1), sim.savepoint(1)] {
        assert_eq!(answers(&actions), [(1, no_id(CheckpointCoordinatorShutdown))]);
        assert!(created(&actions).is_empty());
    }
}

#[test]
fn rule_16_the_second_check_finds_the_shutdown() {
    let mut sim = Sim::new(by_hand());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    sim.send(Event::Shutdown { end: None });
    let actions = sim.prepared(1);
    assert_eq!((triggered_tasks(&actions), discarded(&actions)), (vec![], vec![(1, false)]));
}

#[test]
fn rule_16_the_second_check_finds_the_stopped_scheduler() {
    let mut sim = Sim::running(every(100));
    sim.prepare = Reply::Withheld;
    sim.run_to(100);
    sim.send(Event::Suspend);
    assert!(triggered_tasks(&sim.prepared(1)).is_empty());
}

#[test]
fn rule_17_numbers_begin_at_1_and_rise() {
    let mut sim = Sim::new(by_hand());
    assert_eq!(sim.coordinator.next_id(), id(1));
    for number in 1..=4 {
        assert_eq!(created(&sim.checkpoint(number)), [number]);
        assert_eq!(sim.coordinator.next_id(), id(number + 1));
        sim.acknowledge_all(number);
    }
}

#[test]
fn rule_17_failed_attempts_burn_numbers() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Fails;
    assert_eq!(failed(&sim.checkpoint(1)), [(1, IoException)]);
    sim.prepare = Reply::AtOnce;
    sim.checkpoint(2);
    assert_eq!(failed(&sim.run_to(1_000)), [(2, CheckpointExpired)]);
    sim.checkpoint(3);
    assert_eq!(failed(&sim.decline(3, CheckpointDeclined)), [(3, CheckpointDeclined)]);
    assert_eq!(created(&sim.checkpoint(4)), [4]);
}

#[test]
fn rule_17_tasks_are_triggered_when_the_place_is_made() {
    let mut sim = Sim::new(by_hand());
    sim.prepare = Reply::Withheld;
    let actions = sim.checkpoint(1);
    let kind = ckpt_coordinator::Kind::Checkpoint;
    let expected = [
        Action::Record(Fact::Created { id: id(1), kind: kind.clone() }),
        Action::Prepare { id: id(1), kind: kind.clone() },
    ];
    assert_eq!(actions, expected);
    assert_eq!(sim.prepared(1), [Action::TriggerTasks { id: id(1), kind }]);
    assert!(sim.prepared(1).is_empty(), "only once");
}

#[test]
fn rule_17_a_place_that_cannot_be_made_fails_the_checkpoint() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Fails;
    let actions = sim.checkpoint(1);
    let detail = Some("disk full".to_owned());
    assert!(actions.contains(&Action::Record(Fact::Failed { id: id(1), reason: IoException, detail })));
    assert_eq!(answers(&actions), [(1, failed_as(1, IoException))]);
    assert_eq!((triggered_tasks(&actions), discarded(&actions)), (vec![], vec![(1, false)]));
    assert!(!actions.contains(&Action::NotifyAborted { id: id(1) }), "no task knows of it");
}

#[test]
fn rule_17_it_expires_exactly_at_the_timeout() {
    let mut sim = Sim::new(tolerant());
    sim.skip_to(50);
    sim.checkpoint(1);
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(1_050)));
    assert!(sim.sleep_to(1_049).is_empty());
    assert_eq!(sim.seen(1).remaining, Some(ms(1)));
    let actions = sim.sleep_to(1_050);
    assert_eq!(failed(&actions), [(1, CheckpointExpired)]);
    assert_eq!(answers(&actions), [(1, failed_as(1, CheckpointExpired))]);
    assert_eq!(discarded(&actions), [(1, false)]);
    assert!(actions.contains(&Action::NotifyAborted { id: id(1) }));
}

/// Neither when it was asked for, nor when tasks heard of it.
#[test]
fn rule_17_the_clock_starts_when_it_is_created() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    sim.checkpoint(2);
    sim.skip_to(400);
    sim.prepared(1);
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(1_000)));
    sim.skip_to(600);
    sim.decline(1, CheckpointDeclined);
    assert_eq!(sim.creations(), [(1, 0), (2, 600)]);
    sim.skip_to(900);
    sim.prepared(2);
    assert_eq!((sim.seen(2).elapsed, sim.seen(2).remaining), (ms(300), Some(ms(700))));
    assert!(failed(&sim.run_to(1_599)).is_empty());
    assert_eq!(failed(&sim.run_to(1_600)), [(2, CheckpointExpired)]);
}

#[test]
fn rule_17_savepoints_have_the_same_timeout() {
    let mut sim = Sim::new(by_hand());
    sim.savepoint(1);
    assert!(sim.sleep_to(999).is_empty());
    assert_eq!(failed(&sim.sleep_to(1_000)), [(1, CheckpointExpired)]);
}

#[test]
fn rule_18_a_checkpoint_expires_once() {
    let mut sim = Sim::new(tolerant());
    sim.checkpoint(1);
    sim.sleep_to(5_000);
    assert_eq!(sim.coordinator.next_wakeup(), None, "nothing is left that could fire");
    for millis in [5_000, 6_000, 60_000] {
        assert!(sim.sleep_to(millis).is_empty());
    }
    assert_eq!(failed(&sim.log()).len(), 1);
}

#[test]
fn rule_18_nothing_is_armed_for_a_checkpoint_that_is_gone() {
    let mut sim = Sim::new(tolerant());
    sim.checkpoint(1);
    sim.acknowledge_all(1);
    sim.checkpoint(2);
    sim.decline(2, CheckpointDeclined);
    let overridden = Override { interval: None, timeout: Some(timeout(20)) };
    assert_eq!(sim.update(overridden), (vec![], vec![]));
    assert_eq!(sim.coordinator.next_wakeup(), None);
    assert!(sim.sleep_to(5_000).is_empty());
}

#[test]
fn rule_19_what_expires_while_it_is_triggered_triggers_no_task() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    let actions = sim.sleep_to(1_000);
    assert_eq!(failed(&actions), [(1, CheckpointExpired)]);
    assert!(discarded(&actions).is_empty(), "its place is still being made");
    assert!(!actions.contains(&Action::NotifyAborted { id: id(1) }));
    let actions = sim.prepared(1);
    assert_eq!((triggered_tasks(&actions), discarded(&actions)), (vec![], vec![(1, false)]));
    assert!(sim.prepared(1).is_empty());
}

#[test]
fn rule_19_what_expired_and_could_not_be_made_fails_once() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    sim.sleep_to(1_000);
    let actions = sim.send(Event::Prepared { id: id(1), result: Err("full".into()) });
    assert_eq!((failed(&actions).len(), discarded(&actions)), (0, vec![(1, false)]));
    assert_eq!(sim.consecutive(), 1);
}

#[test]
fn rule_29_numbers_go_on_where_they_were() {
    let start = Start { next_id: id(42), completed: vec![id(17)], fresh: false, ..fresh(by_hand()) };
    let mut sim = Sim::from(start);
    assert_eq!(created(&sim.checkpoint(1)), [42]);
    sim.send(Event::Suspend);
    sim.tasks_running(0);
    assert_eq!(created(&sim.checkpoint(2)), [43]);
    sim.send(Event::Shutdown { end: None });
    assert_eq!(sim.coordinator.next_id(), id(44), "for whoever starts the next one");
}
