//! Rules 10, 11, 12 and 15: which request runs next, and whether one may.

use crate::sim::*;
use ckpt_coordinator::config::SubmittedConfig;
use ckpt_coordinator::reason::FailureReason::{
    CheckpointCoordinatorSuspend, CheckpointDeclinedTaskNotReady, CheckpointExpired,
    TooManyCheckpointRequests,
};
use ckpt_coordinator::{Event, MOST_QUEUED};
use std::num::NonZeroU32;

fn at_most(max_concurrent: u32) -> SubmittedConfig {
    SubmittedConfig { max_concurrent: NonZeroU32::new(max_concurrent).unwrap(), ..by_hand() }
}

#[test]
fn rule_10_savepoints_come_first_then_requests_by_hand_then_periodic_ones() {
    let mut sim = Sim::running(every(100));
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    sim.run_to(100);
    for token in [2, 3] {
        sim.checkpoint(token);
    }
    for token in [4, 5] {
        sim.savepoint(token);
    }
    assert_eq!((sim.in_flight(), sim.view().queued), (vec![1], 5));

    sim.prepare = Reply::AtOnce;
    let mut actions = sim.prepared(1);
    for number in 1..=6 {
        actions.extend(sim.acknowledge_all(number));
    }
    let order: Vec<_> = answers(&actions).into_iter().map(|(token, _)| token).collect();
    assert_eq!(order, [1, 4, 5, 2, 3]);
    assert_eq!(completed(&actions), [1, 2, 3, 4, 5, 6], "the periodic one is the last, the sixth");
}

#[test]
fn rule_10_time_decides_among_equals() {
    let mut sim = Sim::new(by_hand());
    for token in 1..=9 {
        sim.checkpoint(token);
    }
    let actions: Vec<_> = (1..=9).flat_map(|number| sim.acknowledge_all(number)).collect();
    let order: Vec<_> = answers(&actions).into_iter().map(|(token, _)| token).collect();
    assert_eq!(order, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

/// Checkpoint 1 is in flight, and as many requests by hand wait as are wanted; their tokens are 1 and up.
fn with_waiting(submitted: SubmittedConfig, waiting: usize) -> Sim {
    let mut sim = Sim::running(submitted);
    sim.prepare = Reply::Withheld;
    sim.checkpoint(0);
    for token in 1..=waiting as u64 {
        sim.checkpoint(token);
    }
    assert_eq!((sim.in_flight(), sim.view().queued), (vec![1], waiting));
    sim
}

#[test]
fn rule_10_a_full_queue_refuses_a_new_request() {
    assert_eq!(MOST_QUEUED, 1_000);
    let mut sim = with_waiting(by_hand(), MOST_QUEUED - 1);
    assert!(sim.checkpoint(1_000).is_empty(), "the thousandth waits");
    assert_eq!(answers(&sim.checkpoint(2_000)), [(2_000, no_id(TooManyCheckpointRequests))]);
    assert_eq!(answers(&sim.savepoint(2_001)), [(2_001, no_id(TooManyCheckpointRequests))]);
    assert_eq!(sim.view().queued, MOST_QUEUED);
}

#[test]
fn rule_10_a_full_queue_gives_up_a_periodic_request() {
    let mut sim = with_waiting(every(100), MOST_QUEUED - 1);
    sim.run_to(100);
    assert_eq!(sim.view().queued, MOST_QUEUED);
    assert!(answers(&sim.checkpoint(1_000)).is_empty(), "it takes the place of the periodic one");
    assert_eq!(sim.view().queued, MOST_QUEUED);
    assert_eq!(answers(&sim.checkpoint(2_000)), [(2_000, no_id(TooManyCheckpointRequests))]);

    let told = answers(&sim.send(Event::Suspend));
    assert_eq!(told.len(), MOST_QUEUED + 1, "those that wait, and checkpoint 1");
    assert!(told.contains(&(1_000, no_id(CheckpointCoordinatorSuspend))));
}

#[test]
fn rule_10_a_full_queue_refuses_a_periodic_request() {
    let mut sim = with_waiting(every(100), MOST_QUEUED);
    assert!(answers(&sim.run_to(100)).is_empty());
    assert_eq!((sim.view().queued, sim.next_trigger()), (MOST_QUEUED, Some(200)));
}

#[test]
fn rule_11_nothing_is_chosen_while_a_trigger_is_under_way() {
    let mut sim = Sim::new(at_most(3));
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    assert!(sim.checkpoint(2).is_empty());
    assert!(sim.savepoint(3).is_empty(), "not even a savepoint");
    assert_eq!((sim.in_flight(), sim.view().queued), (vec![1], 2));
    assert_eq!(created(&sim.prepared(1)), [2]);
    assert_eq!(created(&sim.prepared(2)), [3]);
    assert_eq!(sim.in_flight(), [1, 2, 3]);
}

#[test]
fn rule_11_a_trigger_is_under_way_until_the_host_is_done_with_it() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    assert_eq!(failed(&sim.run_to(1_000)), [(1, CheckpointExpired)]);
    assert!(sim.checkpoint(2).is_empty());
    assert_eq!(created(&sim.prepared(1)), [2]);
}

#[test]
fn rule_11_a_place_that_cannot_be_made_lets_the_next_one_run() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    sim.checkpoint(2);
    let actions = sim.send(Event::Prepared { id: id(1), result: Err("full".into()) });
    assert_eq!(created(&actions), [2]);
}

#[test]
fn rule_11_an_empty_queue_triggers_nothing() {
    let mut sim = Sim::new(by_hand());
    assert!(sim.send(Event::Tick).is_empty());
    assert!(sim.cleaned(1).is_empty());
    assert!(sim.prepared(1).is_empty());
    assert!(sim.finalized(1).is_empty());
}

fn waits_to_be_cleaned(max_concurrent: u32, old: u64) -> Sim {
    let mut sim = Sim::new(at_most(max_concurrent));
    sim.clean = Reply::Withheld;
    for number in 1..=old + 1 {
        sim.checkpoint(number);
        sim.acknowledge_all(number);
    }
    assert_eq!(sim.kept(), [old + 1]);
    sim
}

#[test]
fn rule_11_nothing_is_chosen_while_too_many_old_ones_wait_to_be_cleaned() {
    for max_concurrent in [1, 2] {
        let mut sim = waits_to_be_cleaned(max_concurrent, u64::from(max_concurrent) + 1);
        assert!(sim.checkpoint(50).is_empty());
        assert!(sim.savepoint(51).is_empty(), "not even a savepoint");
        assert_eq!(sim.view().queued, 2);
        assert!(created(&sim.cleaned(40)).is_empty(), "nobody asked for that one");
        assert_eq!(created(&sim.cleaned(1)).len(), 2.min(max_concurrent as usize));
    }
}

#[test]
fn rule_11_as_many_as_max_concurrent_may_wait_to_be_cleaned() {
    for max_concurrent in [1, 2] {
        let mut sim = waits_to_be_cleaned(max_concurrent, u64::from(max_concurrent));
        assert_eq!(created(&sim.checkpoint(50)).len(), 1);
    }
}

#[test]
fn rule_12_with_max_concurrent_pending_only_a_savepoint_runs() {
    for max_concurrent in [1, 2] {
        let mut sim = Sim::new(at_most(max_concurrent));
        for token in 1..=u64::from(max_concurrent) {
            assert_eq!(created(&sim.checkpoint(token)), [token]);
        }
        assert!(sim.checkpoint(10).is_empty());
        assert_eq!(created(&sim.savepoint(11)).len(), 1);
        assert_eq!(created(&sim.savepoint(12)).len(), 1);
        assert_eq!(sim.view().queued, 1);
    }
}

#[test]
fn rule_12_savepoints_count_among_the_pending() {
    let mut sim = Sim::new(by_hand());
    sim.savepoint(1);
    assert!(sim.checkpoint(2).is_empty());
    assert_eq!(created(&sim.acknowledge_all(1)), [2]);
}

#[test]
fn rule_12_a_periodic_request_waits_too() {
    let mut sim = Sim::running(every(100));
    sim.savepoint(1);
    assert!(created(&sim.run_to(100)).is_empty());
    assert_eq!(sim.view().queued, 1);
    assert_eq!(created(&sim.acknowledge_all(1)), [2]);
}

#[test]
fn rule_12_every_end_of_a_checkpoint_lets_the_next_one_run() {
    let ends: [fn(&mut Sim) -> Vec<_>; 4] = [
        |sim| sim.acknowledge_all(1),
        |sim| sim.decline(1, CheckpointDeclinedTaskNotReady),
        |sim| {
            sim.finalize = Reply::Fails;
            sim.acknowledge_all(1)
        },
        |sim| sim.run_to(1_000),
    ];
    for end in ends {
        let mut sim = Sim::new(tolerant());
        sim.checkpoint(1);
        sim.checkpoint(2);
        assert_eq!(created(&end(&mut sim)), [2]);
    }
}

#[test]
fn rule_12_what_is_being_stored_is_still_pending() {
    let mut sim = Sim::new(by_hand());
    sim.finalize = Reply::Withheld;
    sim.checkpoint(1);
    sim.checkpoint(2);
    assert!(created(&sim.acknowledge_all(1)).is_empty());
    assert_eq!(created(&sim.finalized(1)), [2]);
}

#[test]
fn rule_15_a_savepoint_is_forced() {
    let mut sim = Sim::running(SubmittedConfig { min_pause: ms(100), ..every(100) });
    sim.run_to(100);
    sim.acknowledge_all(1);
    sim.checkpoint(1);
    assert_eq!(created(&sim.savepoint(2)), [3], "past max-concurrent and min-pause");
    assert_eq!(sim.in_flight(), [2, 3]);
}
