//! Rules 6, 8 and 9.

use crate::sim::*;
use ckpt_coordinator::config::{Override, SubmittedConfig, Tolerable};
use ckpt_coordinator::reason::FailureReason::CheckpointCoordinatorSuspend;
use ckpt_coordinator::{Action, Event, TriggerOutcome};
use std::num::NonZeroU32;

#[test]
fn rule_6_it_fires_exactly_when_planned() {
    let mut sim = Sim::running(every(100));
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(100)));
    assert!(sim.sleep_to(99).is_empty());
    assert_eq!(created(&sim.sleep_to(100)), [1]);
}

#[test]
fn rule_6_the_rate_is_fixed_by_the_planned_time() {
    let mut sim = Sim::running(every(100));
    sim.sleep_to(130);
    assert_eq!(sim.next_trigger(), Some(200));
    sim.acknowledge_all(1);
    sim.sleep_to(299);
    assert_eq!(sim.next_trigger(), Some(300));
    sim.acknowledge_all(2);
    assert_eq!(created(&sim.sleep_to(300)), [3]);
    assert_eq!(sim.creations(), [(1, 130), (2, 299), (3, 300)]);
}

/// Whoever sleeps through several triggers finds the next one on the same grid, and ahead of now.
#[test]
fn rule_6_triggers_that_were_slept_through_keep_the_rate() {
    let mut sim = Sim::running(every(100));
    assert_eq!(created(&sim.sleep_to(1_000)), [1]);
    assert_eq!(sim.next_trigger(), Some(1_100));
    assert_eq!(sim.view().merged, 9);
}

/// 10 ms fit more than 2^32 times into 498 days.
#[test]
fn rule_6_triggers_that_were_slept_through_keep_the_rate_however_many_they_are() {
    let mut sim = Sim::running(every(10));
    let days = 498 * 86_400_000;
    assert_eq!(created(&sim.sleep_to(days)), [1]);
    assert_eq!(sim.next_trigger(), Some(days + 10));
}

#[test]
fn rule_6_a_stale_trigger_is_ignored() {
    let mut sim = Sim::running(every(100));
    sim.skip_to(50);
    sim.update_and_pull(Override { interval: Some(interval(20)), timeout: None }, true);
    assert_eq!(created(&sim.sleep_to(70)), [1]);
    sim.acknowledge_all(1);
    sim.update(Override::default());
    assert_eq!(created(&sim.sleep_to(90)), [2]);
    sim.acknowledge_all(2);
    assert!(sim.sleep_to(100).is_empty(), "the trigger that was planned first has been moved");
    assert_eq!(created(&sim.sleep_to(190)), [3]);
}

#[test]
fn rule_6_a_trigger_of_a_stopped_scheduler_is_ignored() {
    let mut sim = Sim::running(every(100));
    sim.send(Event::Suspend);
    assert!(sim.sleep_to(100).is_empty());
    sim.tasks_running(0);
    assert_eq!(created(&sim.sleep_to(100)), [1]);
    assert_eq!(sim.next_trigger(), Some(200));
}

#[test]
fn rule_6_the_interval_is_read_again_when_it_fires() {
    let mut sim = Sim::running(every(100));
    sim.update(Override { interval: Some(interval(30)), timeout: None });
    assert_eq!(sim.next_trigger(), Some(100));
    sim.sleep_to(100);
    assert_eq!(sim.next_trigger(), Some(130));
    sim.update(Override { interval: Some(interval(500)), timeout: None });
    assert_eq!(sim.next_trigger(), Some(130));
    sim.sleep_to(130);
    assert_eq!(sim.next_trigger(), Some(630));
}

/// If the trigger ran first, arming it would undo what min-pause moved.
#[test]
fn rule_6_it_is_armed_again_before_it_triggers() {
    let mut sim = Sim::running(SubmittedConfig { min_pause: ms(80), ..every(100) });
    sim.run_to(100);
    sim.skip_to(160);
    sim.acknowledge_all(1);
    assert!(created(&sim.run_to(200)).is_empty());
    assert_eq!(sim.next_trigger(), Some(240), "the end of min-pause, not 300");
}

#[test]
fn rule_6_a_trigger_is_armed_whether_or_not_it_can_run() {
    let mut sim = Sim::running(every(100));
    sim.run_to(100);
    sim.run_to(200);
    assert_eq!((sim.in_flight(), sim.next_trigger()), (vec![1], Some(300)));
}

fn two_at_once() -> SubmittedConfig {
    SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..every(100) }
}

#[test]
fn rule_8_stopping_aborts_all_that_is_pending_and_queued() {
    let mut sim = Sim::running(two_at_once());
    sim.run_to(100);
    sim.savepoint(1);
    sim.checkpoint(2);
    sim.checkpoint(3);
    sim.run_to(200);
    assert_eq!((sim.in_flight(), sim.view().queued), (vec![1, 2], 3));

    let actions = sim.send(Event::Suspend);
    let reason = CheckpointCoordinatorSuspend;
    assert_eq!(failed(&actions), [(1, reason), (2, reason)]);
    let mut answers = answers(&actions);
    answers.sort_by_key(|(token, _)| *token);
    assert_eq!(answers, [(1, failed_as(2, reason)), (2, no_id(reason)), (3, no_id(reason))]);
    assert_eq!(discarded(&actions), [(1, false), (2, false)]);
    for number in [1, 2] {
        assert!(actions.contains(&Action::NotifyAborted { id: id(number) }));
    }
    assert_eq!((sim.in_flight(), sim.view().queued), (vec![], 0));
    assert_eq!(sim.coordinator.next_wakeup(), None);
}

#[test]
fn rule_8_what_was_stopped_does_not_count_as_a_failure() {
    let mut sim = Sim::running(SubmittedConfig { tolerable_failures: Tolerable::AtMost(0), ..two_at_once() });
    sim.run_to(100);
    let actions = sim.send(Event::Suspend);
    assert_eq!((job_failures(&actions).len(), sim.consecutive()), (0, 0));
}

#[test]
fn rule_8_what_is_still_being_made_is_deleted_when_it_is_made() {
    let mut sim = Sim::running(every(100));
    sim.prepare = Reply::Withheld;
    sim.run_to(100);
    let actions = sim.send(Event::Suspend);
    assert_eq!(failed(&actions), [(1, CheckpointCoordinatorSuspend)]);
    assert!(discarded(&actions).is_empty(), "the host is still at work on it");
    assert!(!actions.contains(&Action::NotifyAborted { id: id(1) }), "no task knows of it");
    assert_eq!(discarded(&sim.prepared(1)), [(1, false)]);
}

/// Flink stores the metadata without letting go of its lock, so a stop comes before or after it.
#[test]
fn rule_8_what_all_have_acknowledged_is_not_aborted() {
    let mut sim = Sim::running(every(100));
    sim.finalize = Reply::Withheld;
    sim.checkpoint(1);
    sim.acknowledge_all(1);
    assert!(sim.send(Event::Suspend).is_empty());
    assert_eq!(answers(&sim.finalized(1)), [(1, TriggerOutcome::Completed(id(1)))]);
    assert_eq!(sim.kept(), [1]);
}

#[test]
fn rule_9_nothing_is_triggered_before_every_task_runs() {
    let mut sim = Sim::new(every(100));
    assert_eq!(sim.coordinator.next_wakeup(), None);
    assert!(sim.run_to(1_000).is_empty());
    sim.tasks_running(u32::MAX);
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(1_100)));
}

#[test]
fn rule_9_nothing_is_triggered_after_a_task_stopped() {
    let mut sim = Sim::running(every(100));
    sim.run_to(100);
    sim.acknowledge_all(1);
    sim.send(Event::Suspend);
    assert_eq!(sim.coordinator.next_wakeup(), None);
    assert!(sim.run_to(10_000).is_empty());
    sim.tasks_running(0);
    assert_eq!(created(&sim.run_to(10_000)), [2]);
}

#[test]
fn rule_9_a_scheduler_that_runs_is_not_started_again() {
    let mut sim = Sim::running(every(100));
    sim.skip_to(60);
    assert!(sim.tasks_running(0).is_empty());
    assert_eq!(sim.next_trigger(), Some(100));
}

#[test]
fn rule_9_stopping_twice_is_stopping_once() {
    let mut sim = Sim::running(every(100));
    sim.run_to(100);
    assert_eq!(failed(&sim.send(Event::Suspend)).len(), 1);
    assert!(sim.send(Event::Suspend).is_empty());
}
