//! FLIP-571: what a new timeout does to the checkpoints in flight.

use crate::sim::*;
use ckpt_coordinator::config::{Override, SubmittedConfig, Tolerable};
use ckpt_coordinator::reason::FailureReason::{CheckpointCoordinatorSuspend, CheckpointExpired};
use ckpt_coordinator::{Action, InFlightUpdate, Start};
use ckpt_types::outcome::Outcome;
use std::num::NonZeroU32;
use std::time::Duration;

fn tolerating(failures: u32) -> SubmittedConfig {
    SubmittedConfig { tolerable_failures: Tolerable::AtMost(failures), ..by_hand() }
}

fn new_timeout(millis: u64) -> Override {
    Override { interval: None, timeout: Some(timeout(millis)) }
}

/// Checkpoint 1 was created at 100 ms, its timeout is 1 s, and now it is 600 ms.
fn half_way(submitted: SubmittedConfig) -> Sim {
    let mut sim = Sim::new(submitted);
    sim.skip_to(100);
    sim.checkpoint(1);
    sim.acknowledge(1, 0);
    sim.skip_to(600);
    sim
}

fn seen_in(update: &InFlightUpdate) -> (Outcome, Option<Duration>, Option<Duration>) {
    (update.outcome, update.previous_remaining, update.checkpoint.remaining)
}

#[test]
fn update_longer_timeout_extends_what_is_in_flight_at_once() {
    let mut sim = half_way(tolerating(0));
    let (updates, actions) = sim.update(new_timeout(5_000));
    assert!(actions.is_empty());
    assert_eq!(updates.len(), 1);
    assert_eq!(seen_in(&updates[0]), (Outcome::Extended, Some(ms(500)), Some(ms(4_500))));
    assert_eq!(updates[0].checkpoint, sim.seen(1), "as it is seen from now on");
    assert_eq!((updates[0].checkpoint.elapsed, updates[0].checkpoint.acknowledged), (ms(500), 1));
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(5_100)), "counted from its creation");
    assert!(sim.run_to(5_099).is_empty());
    assert_eq!(failed(&sim.run_to(5_100)), [(1, CheckpointExpired)]);
}

#[test]
fn update_saves_a_checkpoint_1_ms_before_it_expires() {
    let mut sim = half_way(tolerating(0));
    sim.sleep_to(1_099);
    let (updates, _) = sim.update(new_timeout(5_000));
    assert_eq!(updates[0].previous_remaining, Some(ms(1)));
    assert!(sim.sleep_to(1_100).is_empty());
    sim.acknowledge(1, 1);
    assert_eq!(completed(&sim.acknowledge(1, 2)), [1]);
}

#[test]
fn update_shorter_timeout_shortens_what_is_in_flight_at_once() {
    let mut sim = half_way(tolerating(0));
    let (updates, actions) = sim.update(new_timeout(501));
    assert!(actions.is_empty());
    assert_eq!(seen_in(&updates[0]), (Outcome::Shortened, Some(ms(500)), Some(ms(1))));
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(601)));
    assert_eq!(failed(&sim.run_to(601)), [(1, CheckpointExpired)]);
}

#[test]
fn update_that_is_already_exceeded_expires_at_once_exactly_once_and_counted() {
    for exceeded in [500, 499, 10] {
        let mut sim = half_way(tolerating(9));
        let (updates, actions) = sim.update(new_timeout(exceeded));
        assert_eq!(seen_in(&updates[0]), (Outcome::Expired, Some(ms(500)), Some(Duration::ZERO)));
        assert_eq!(failed(&actions), [(1, CheckpointExpired)]);
        assert_eq!(answers(&actions), [(1, failed_as(1, CheckpointExpired))]);
        assert_eq!(discarded(&actions), [(1, false)]);
        assert!(actions.contains(&Action::NotifyAborted { id: id(1) }));
        assert_eq!((sim.in_flight().len(), sim.consecutive()), (0, 1));

        let again = sim.update(new_timeout(20));
        assert_eq!(again, (vec![], vec![]));
        assert!(sim.sleep_to(60_000).is_empty());
        assert_eq!((failed(&sim.log()).len(), sim.consecutive()), (1, 1));
    }
}

#[test]
fn update_that_expires_something_lets_the_next_request_run() {
    let mut sim = half_way(tolerating(9));
    sim.checkpoint(2);
    let (updates, actions) = sim.update(new_timeout(400));
    assert_eq!(updates.len(), 1, "what is created by it is not changed by it");
    assert_eq!(created(&actions), [2]);
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(1_000)));
}

#[test]
fn update_applies_to_savepoints_in_flight() {
    let mut sim = Sim::new(tolerating(0));
    sim.savepoint(1);
    sim.skip_to(600);
    let (updates, _) = sim.update(new_timeout(5_000));
    assert!(updates[0].checkpoint.savepoint);
    assert_eq!(seen_in(&updates[0]), (Outcome::Extended, Some(ms(400)), Some(ms(4_400))));
    sim.sleep_to(1_000);
    assert_eq!(sim.in_flight(), [1]);
    let (updates, actions) = sim.update(new_timeout(700));
    assert_eq!(updates[0].outcome, Outcome::Expired);
    assert_eq!(failed(&actions), [(1, CheckpointExpired)]);
    assert_eq!(sim.consecutive(), 0, "rule 35 holds for this expiry as for any other");
}

#[test]
fn update_of_several_in_flight_treats_each_by_its_age() {
    let three = SubmittedConfig { max_concurrent: NonZeroU32::new(3).unwrap(), ..tolerating(9) };
    let mut sim = Sim::new(three);
    for (number, millis) in [(1, 0), (2, 300), (3, 600)] {
        sim.skip_to(millis);
        sim.checkpoint(number);
    }
    sim.skip_to(900);
    let (updates, actions) = sim.update(new_timeout(600));
    let outcomes: Vec<_> = updates.iter().map(|update| (update.checkpoint.id.0, update.outcome)).collect();
    assert_eq!(outcomes, [(1, Outcome::Expired), (2, Outcome::Expired), (3, Outcome::Shortened)]);
    assert_eq!(failed(&actions), [(1, CheckpointExpired), (2, CheckpointExpired)]);
    assert_eq!((sim.in_flight(), sim.seen(3).remaining), (vec![3], Some(ms(300))));
}

#[test]
fn update_does_not_touch_what_all_have_acknowledged() {
    let mut sim = half_way(tolerating(0));
    sim.finalize = Reply::Withheld;
    sim.acknowledge_all(1);
    for change in [new_timeout(10), new_timeout(9_000), Override::default()] {
        let (updates, actions) = sim.update(change);
        assert_eq!(seen_in(&updates[0]), (Outcome::Unchanged, None, None));
        assert!(actions.is_empty());
    }
    assert_eq!(completed(&sim.finalized(1)), [1]);
}

#[test]
fn update_to_the_same_timeout_changes_nothing() {
    let mut sim = half_way(tolerating(0));
    let before = (sim.seen(1), sim.coordinator.next_wakeup());
    let (updates, actions) = sim.update(new_timeout(1_000));
    assert_eq!(seen_in(&updates[0]), (Outcome::Unchanged, Some(ms(500)), Some(ms(500))));
    assert!(actions.is_empty());
    assert_eq!((sim.seen(1), sim.coordinator.next_wakeup()), before);
}

#[test]
fn update_of_the_interval_alone_leaves_what_is_in_flight() {
    let mut sim = half_way(SubmittedConfig { interval: Some(interval(9_000)), ..tolerating(0) });
    let (updates, _) = sim.update(Override { interval: Some(interval(3_000)), timeout: None });
    assert_eq!(seen_in(&updates[0]), (Outcome::Unchanged, Some(ms(500)), Some(ms(500))));
}

#[test]
fn update_while_a_checkpoint_is_triggered_applies_to_it() {
    let mut sim = Sim::new(tolerating(9));
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    sim.skip_to(900);
    let (updates, _) = sim.update(new_timeout(2_000));
    assert_eq!(updates[0].outcome, Outcome::Extended);
    assert!(sim.sleep_to(1_500).is_empty());
    assert_eq!(triggered_tasks(&sim.prepared(1)), [1]);

    sim.acknowledge_all(1);
    sim.checkpoint(2);
    sim.skip_to(1_600);
    let (updates, actions) = sim.update(new_timeout(50));
    assert_eq!(updates[0].outcome, Outcome::Expired);
    assert_eq!((failed(&actions), discarded(&actions)), (vec![(2, CheckpointExpired)], vec![]));
    let actions = sim.prepared(2);
    assert_eq!((triggered_tasks(&actions), discarded(&actions)), (vec![], vec![(2, false)]));
}

#[test]
fn update_that_expires_too_many_fails_the_job() {
    let two = SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..tolerating(0) };
    let mut sim = half_way(two);
    sim.checkpoint(2);
    sim.checkpoint(3);
    let (_, actions) = sim.update(new_timeout(400));
    assert_eq!(failed(&actions), [(1, CheckpointExpired), (2, CheckpointCoordinatorSuspend)]);
    assert_eq!(job_failures(&actions).len(), 1);
    assert_eq!(answers(&actions).len(), 3, "each of them is told once");
    assert!(created(&actions).is_empty());
    assert_eq!((sim.in_flight().len(), sim.view().queued), (0, 0));
}

#[test]
fn update_does_not_call_a_checkpoint_shortened_that_it_aborts() {
    let two = SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..tolerating(0) };
    let mut sim = half_way(two);
    sim.checkpoint(2);
    let (updates, _) = sim.update(new_timeout(400));
    assert!(sim.in_flight().is_empty(), "2 is aborted with the job");
    assert_ne!(updates[1].outcome, Outcome::Shortened);
}

#[test]
fn update_after_the_deadline_and_before_the_tick_comes_in_time() {
    let mut sim = half_way(tolerating(0));
    sim.skip_to(1_150);
    let (updates, _) = sim.update(new_timeout(2_000));
    assert_eq!(seen_in(&updates[0]), (Outcome::Extended, Some(Duration::ZERO), Some(ms(950))));
    assert!(sim.sleep_to(1_200).is_empty());
}

#[test]
fn update_keeps_the_longest_timeout_without_overflow() {
    let year = 365 * 86_400_000;
    let mut sim = Sim::from(Start { overridden: new_timeout(year), ..fresh(tolerating(0)) });
    sim.skip_to(1_000);
    sim.checkpoint(1);
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(year + 1_000)));
}
