//! Rules 31 to 36: which failures count, and when there are too many.

use crate::sim::*;
use ckpt_coordinator::config::{SubmittedConfig, Tolerable};
use ckpt_coordinator::reason::FailureReason::{self, *};
use ckpt_coordinator::{Action, Event, Fact};
use std::num::NonZeroU32;

fn tolerating(failures: u32) -> SubmittedConfig {
    SubmittedConfig { tolerable_failures: Tolerable::AtMost(failures), ..by_hand() }
}

/// Asks for a checkpoint that a task declines.
fn fails(sim: &mut Sim, reason: FailureReason) -> Vec<Action> {
    let number = sim.coordinator.next_id().0;
    sim.checkpoint(number);
    sim.decline(number, reason)
}

#[test]
fn rule_31_these_reasons_count_and_no_others() {
    let counted: Vec<_> = FailureReason::ALL.iter().copied().filter(|reason| reason.counts()).collect();
    let expected = [
        IoException,
        CheckpointAsyncException,
        CheckpointExpired,
        CheckpointDeclined,
        FinalizeCheckpointFailure,
    ];
    assert_eq!(counted, expected);
    let names: Vec<_> = counted.iter().map(|reason| reason.name()).collect();
    let flinks = [
        "IO_EXCEPTION",
        "CHECKPOINT_ASYNC_EXCEPTION",
        "CHECKPOINT_EXPIRED",
        "CHECKPOINT_DECLINED",
        "FINALIZE_CHECKPOINT_FAILURE",
    ];
    assert_eq!(names, flinks);
}

#[test]
fn rule_31_every_counted_way_to_fail_counts() {
    let mut sim = Sim::new(tolerating(9));
    sim.prepare = Reply::Fails;
    sim.checkpoint(1);
    assert_eq!((failed(&sim.log()), sim.consecutive()), (vec![(1, IoException)], 1));
    sim.prepare = Reply::AtOnce;
    fails(&mut sim, CheckpointAsyncException);
    assert_eq!(sim.consecutive(), 2);
    sim.checkpoint(3);
    sim.run_to(1_000);
    assert_eq!(sim.consecutive(), 3);
    fails(&mut sim, CheckpointDeclined);
    assert_eq!(sim.consecutive(), 4);
    sim.finalize = Reply::Fails;
    sim.checkpoint(5);
    sim.acknowledge_all(5);
    assert_eq!(sim.consecutive(), 5);
}

#[test]
fn rule_31_other_reasons_do_not_count() {
    let mut sim = Sim::new(tolerating(0));
    for reason in FailureReason::ALL.iter().filter(|reason| !reason.counts()) {
        let actions = fails(&mut sim, *reason);
        assert_eq!(failed(&actions).len(), 1);
        assert_eq!((sim.consecutive(), job_failures(&actions).len()), (0, 0), "{reason:?}");
    }
}

#[test]
fn rule_32_a_checkpoint_counts_once() {
    let mut sim = Sim::new(tolerating(9));
    sim.checkpoint(1);
    for by in 0..SUBTASKS {
        sim.decline_as(JOB, 1, by, CheckpointDeclined);
    }
    sim.sleep_to(5_000);
    assert_eq!(sim.consecutive(), 1);
}

#[test]
fn rule_32_a_failure_below_the_last_success_is_ignored() {
    let two = SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..tolerating(0) };
    let mut sim = Sim::new(two);
    sim.checkpoint(1);
    sim.savepoint(2);
    sim.acknowledge_all(2);
    let actions = sim.decline(1, CheckpointDeclined);
    assert_eq!(failed(&actions), [(1, CheckpointDeclined)]);
    assert_eq!((sim.consecutive(), job_failures(&actions).len()), (0, 0));
    fails(&mut sim, CheckpointDeclined);
    assert_eq!(job_failures(&sim.log()).len(), 1, "above it, it counts");
}

#[test]
fn rule_33_the_job_fails_when_the_count_exceeds_what_is_tolerable() {
    for tolerable in [0, 1, 3] {
        let mut sim = Sim::new(tolerating(tolerable));
        for failure in 1..=tolerable {
            assert!(job_failures(&fails(&mut sim, CheckpointDeclined)).is_empty());
            assert_eq!(sim.consecutive(), failure);
        }
        assert_eq!(job_failures(&fails(&mut sim, CheckpointDeclined)).len(), 1);
    }
}

#[test]
fn rule_33_unlimited_is_never_exceeded() {
    let mut sim = Sim::new(SubmittedConfig { tolerable_failures: Tolerable::Unlimited, ..by_hand() });
    for failure in 1..=2_000 {
        assert!(job_failures(&fails(&mut sim, CheckpointDeclined)).is_empty());
        assert_eq!(sim.consecutive(), failure);
    }
}

#[test]
fn rule_33_the_count_is_cleared_when_the_job_fails() {
    let mut sim = Sim::new(tolerating(1));
    fails(&mut sim, CheckpointDeclined);
    fails(&mut sim, CheckpointDeclined);
    assert_eq!(sim.consecutive(), 0);
    assert!(job_failures(&fails(&mut sim, CheckpointDeclined)).is_empty(), "the next life begins at none");
    assert_eq!(job_failures(&fails(&mut sim, CheckpointDeclined)).len(), 1);
}

#[test]
fn rule_33_every_success_clears_the_count() {
    let mut sim = Sim::new(tolerating(1));
    fails(&mut sim, CheckpointDeclined);
    sim.checkpoint(2);
    sim.acknowledge_all(2);
    assert_eq!(sim.consecutive(), 0);
    fails(&mut sim, CheckpointDeclined);
    assert_eq!(sim.consecutive(), 1);
    sim.savepoint(4);
    sim.acknowledge_all(4);
    assert_eq!(sim.consecutive(), 0, "a savepoint's too");
    assert!(job_failures(&fails(&mut sim, CheckpointDeclined)).is_empty());
}

/// As in Flink's `handleCheckpointSuccess`, which looks at the number.
#[test]
fn rule_33_a_success_below_the_last_one_clears_nothing() {
    let two = SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..tolerating(9) };
    let mut sim = Sim::new(two);
    sim.finalize = Reply::Withheld;
    for number in [1, 2] {
        sim.checkpoint(number);
        sim.acknowledge_all(number);
    }
    sim.finalized(2);
    fails(&mut sim, CheckpointDeclined);
    sim.finalized(1);
    assert_eq!(sim.consecutive(), 1);
}

#[test]
fn rule_33_a_job_that_fails_stops_its_scheduler() {
    let two = SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..every(100) };
    let mut sim = Sim::running(two);
    sim.run_to(200);
    sim.checkpoint(1);
    let actions = sim.decline(1, CheckpointDeclined);
    assert_eq!(failed(&actions), [(1, CheckpointDeclined), (2, CheckpointCoordinatorSuspend)]);
    assert_eq!(answers(&actions), [(1, no_id(CheckpointCoordinatorSuspend))]);
    assert_eq!(job_failures(&actions).len(), 1);
    assert_eq!((sim.in_flight().len(), sim.coordinator.next_wakeup()), (0, None));
}

#[test]
fn rule_33_checkpoints_that_expire_together_fail_the_job_once() {
    let three = SubmittedConfig { max_concurrent: NonZeroU32::new(3).unwrap(), ..tolerating(0) };
    let mut sim = Sim::new(three);
    for token in [1, 2, 3] {
        sim.checkpoint(token);
    }
    let actions = sim.sleep_to(1_000);
    assert_eq!((failed(&actions).len(), answers(&actions).len()), (3, 3));
    assert_eq!(job_failures(&actions).len(), 1);
}

#[test]
fn rule_34_it_says_that_the_threshold_was_exceeded_and_the_latest_reason() {
    let mut sim = Sim::new(tolerating(1));
    fails(&mut sim, CheckpointDeclined);
    sim.checkpoint(2);
    let said = job_failures(&sim.run_to(1_000)).remove(0);
    assert!(said.contains("Exceeded checkpoint tolerable failure threshold"), "{said}");
    assert!(said.contains("Checkpoint expired before completing."), "{said}");
    assert!(!said.contains("declined"), "{said}");
}

#[test]
fn rule_35_failures_of_savepoints_on_this_side_never_count() {
    let mut sim = Sim::new(tolerating(0));
    sim.prepare = Reply::Fails;
    sim.savepoint(1);
    sim.prepare = Reply::AtOnce;
    sim.savepoint(2);
    sim.run_to(1_000);
    sim.finalize = Reply::Fails;
    sim.savepoint(3);
    sim.acknowledge_all(3);
    let reasons: Vec<_> = failed(&sim.log()).into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons, [IoException, CheckpointExpired, FinalizeCheckpointFailure]);
    assert_eq!((sim.consecutive(), job_failures(&sim.log()).len()), (0, 0));
}

#[test]
fn rule_35_a_savepoint_that_a_task_declines_counts() {
    let mut sim = Sim::new(tolerating(1));
    sim.savepoint(1);
    sim.decline(1, CheckpointDeclinedTaskNotReady);
    assert_eq!(sim.consecutive(), 0, "unless its reason does not");
    sim.savepoint(2);
    sim.decline(2, CheckpointDeclined);
    assert_eq!(sim.consecutive(), 1);
    sim.savepoint(3);
    assert_eq!(job_failures(&sim.decline(3, CheckpointAsyncException)).len(), 1);
}

#[test]
fn rule_36_a_failure_without_a_number_is_recorded_without_one() {
    let mut sim = Sim::new(by_hand());
    sim.send(Event::Shutdown { end: None });
    let actions = sim.checkpoint(1);
    let reason = CheckpointCoordinatorShutdown;
    assert_eq!(actions[0], Action::Record(Fact::FailedWithoutId { reason }));
    assert!(failed(&actions).is_empty());
    assert_eq!(sim.coordinator.next_id(), id(1), "no number is burnt");
}

#[test]
fn rule_36_a_failure_with_a_number_has_its_entry() {
    let mut sim = Sim::new(tolerating(1));
    sim.prepare = Reply::Fails;
    let actions = sim.checkpoint(1);
    assert_eq!(failed(&actions), [(1, IoException)]);
    assert!(!actions.iter().any(|action| matches!(action, Action::Record(Fact::FailedWithoutId { .. }))));
}
