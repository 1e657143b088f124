//! Rules 13 and 14: min-pause, and periodic requests that pile up.

use crate::sim::*;
use ckpt_coordinator::config::SubmittedConfig;
use ckpt_coordinator::reason::FailureReason::CheckpointDeclinedTaskNotReady;
use ckpt_coordinator::{Action, Fact};

/// Checkpoint 1 is created at 100 ms and completes at `done`; the next trigger is planned for 200 ms.
fn completed_at(done: u64, min_pause: u64) -> Sim {
    let mut sim = Sim::running(SubmittedConfig { min_pause: ms(min_pause), ..every(100) });
    sim.run_to(100);
    sim.skip_to(done);
    sim.acknowledge_all(1);
    sim
}

#[test]
fn rule_13_min_pause_holds_back_a_periodic_request() {
    let mut sim = completed_at(150, 80);
    assert!(created(&sim.run_to(200)).is_empty());
    assert_eq!(sim.next_trigger(), Some(230), "it moves to now and what remains");
    assert!(created(&sim.run_to(229)).is_empty());
    assert_eq!(created(&sim.run_to(230)), [2]);
    assert_eq!(sim.next_trigger(), Some(330), "the rate goes on from there");
}

#[test]
fn rule_13_min_pause_is_over_exactly_at_its_end() {
    let mut sim = completed_at(120, 80);
    assert_eq!(created(&sim.run_to(200)), [2], "80 ms after 120 ms");
    let mut sim = completed_at(121, 80);
    assert!(created(&sim.run_to(200)).is_empty(), "1 ms is missing");
    assert_eq!(created(&sim.run_to(201)), [2]);
}

#[test]
fn rule_13_a_request_that_comes_too_early_is_dropped() {
    let mut sim = completed_at(150, 80);
    let actions = sim.run_to(200);
    assert!(actions.is_empty(), "nobody asked, so nobody is told: {actions:?}");
    assert_eq!(sim.view().queued, 0);
    assert_eq!(sim.coordinator.next_id(), id(2), "no number is burnt");
}

#[test]
fn rule_13_a_request_that_waited_meets_min_pause_when_its_turn_comes() {
    let mut sim = Sim::running(SubmittedConfig { min_pause: ms(80), ..every(100) });
    sim.run_to(100);
    sim.run_to(250);
    assert_eq!(sim.view().queued, 1);
    assert!(created(&sim.acknowledge_all(1)).is_empty());
    assert_eq!((sim.view().queued, sim.next_trigger()), (0, Some(330)));
    assert_eq!(created(&sim.run_to(330)), [2]);
}

#[test]
fn rule_13_min_pause_holds_back_only_periodic_requests() {
    let mut sim = completed_at(150, 80);
    assert_eq!(created(&sim.checkpoint(1)), [2]);
    sim.acknowledge_all(2);
    assert_eq!(created(&sim.savepoint(2)), [3]);
    assert_eq!(sim.next_trigger(), Some(200), "they do not move the trigger");
}

/// A periodic request waits behind max-concurrent first; min-pause is asked only then.
#[test]
fn rule_13_a_request_behind_max_concurrent_is_not_dropped() {
    let mut sim = completed_at(150, 80);
    sim.checkpoint(1);
    sim.run_to(200);
    assert_eq!((sim.view().queued, sim.next_trigger()), (1, Some(300)));
}

fn merged(actions: &[Action]) -> Vec<u64> {
    let so_far = actions.iter().filter_map(|action| match action {
        Action::Record(Fact::Merged { so_far }) => Some(*so_far),
        _ => None,
    });
    so_far.collect()
}

/// In Flink, eight checkpoints would run within a moment here.
#[test]
fn rule_14_at_most_one_periodic_request_waits() {
    let mut sim = Sim::running(every(1_000));
    sim.run_to(1_000);
    let actions = sim.run_to(9_300);
    assert!(created(&actions).is_empty());
    assert_eq!(sim.view().queued, 1);
    assert_eq!(merged(&actions), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(sim.view().merged, 7);

    assert_eq!(created(&sim.acknowledge_all(1)), [2]);
    assert_eq!(sim.view().merged, 7, "of the one that runs now");
    assert!(created(&sim.acknowledge_all(2)).is_empty());
    assert_eq!(created(&sim.run_to(10_000)), [3]);
    assert_eq!(sim.creations(), [(1, 1_000), (2, 9_300), (3, 10_000)]);
}

#[test]
fn rule_14_the_count_begins_again_with_the_next_request() {
    let mut sim = Sim::running(every(100));
    sim.run_to(100);
    sim.run_to(300);
    assert_eq!((sim.view().queued, sim.view().merged), (1, 1));
    sim.acknowledge_all(1);
    assert!(merged(&sim.run_to(400)).is_empty(), "the first to wait is not merged");
    assert_eq!((sim.view().queued, sim.view().merged), (1, 0));
    assert_eq!(merged(&sim.run_to(500)), [1]);
}

#[test]
fn rule_14_triggers_that_were_slept_through_are_merged() {
    let mut sim = Sim::running(every(100));
    let actions = sim.sleep_to(350);
    assert_eq!((created(&actions), merged(&actions)), (vec![1], vec![2]), "100, 200 and 300 ms");
    let actions = sim.sleep_to(620);
    assert_eq!((merged(&actions), sim.view().queued), (vec![2], 1), "400, 500 and 600 ms");
    let actions = sim.sleep_to(800);
    assert_eq!(merged(&actions), [4], "700 and 800 ms into the one that waits");
}

#[test]
fn rule_14_a_request_that_runs_at_once_merges_nothing() {
    let mut sim = Sim::running(every(100));
    for number in 1..=5 {
        let actions = sim.run_to(number * 100);
        assert_eq!((created(&actions), merged(&actions)), (vec![number], vec![]));
        sim.acknowledge_all(number);
    }
    assert_eq!(sim.view().merged, 0);
}

#[test]
fn rule_14_requests_by_hand_are_not_merged() {
    let mut sim = Sim::new(by_hand());
    for token in 1..=4 {
        sim.checkpoint(token);
    }
    assert_eq!((sim.view().queued, sim.view().merged), (3, 0));
    for number in 1..=4 {
        sim.decline(number, CheckpointDeclinedTaskNotReady);
    }
    assert_eq!(sim.creations().len(), 4);
}
