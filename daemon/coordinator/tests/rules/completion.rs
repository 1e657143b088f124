//! Rules 24 to 26: what completes, and what that makes superfluous.

use crate::sim::*;
use ckpt_coordinator::config::{SubmittedConfig, Tolerable};
use ckpt_coordinator::reason::FailureReason::{
    CheckpointDeclined, CheckpointExpired, CheckpointSubsumed, FinalizeCheckpointFailure,
};
use ckpt_coordinator::{Action, Fact, Kind, RequestToken, TriggerOutcome};
use std::num::{NonZeroU32, NonZeroUsize};

fn concurrent(max: u32) -> SubmittedConfig {
    SubmittedConfig {
        max_concurrent: NonZeroU32::new(max).unwrap(),
        tolerable_failures: Tolerable::Unlimited,
        retained: NonZeroUsize::new(2).unwrap(),
        ..by_hand()
    }
}

/// Both checkpoints have been acknowledged by all, and neither is stored yet.
fn two_being_stored(submitted: SubmittedConfig) -> Sim {
    let mut sim = Sim::new(submitted);
    sim.finalize = Reply::Withheld;
    for number in [1, 2] {
        sim.checkpoint(number);
        sim.acknowledge_all(number);
    }
    assert_eq!(sim.in_flight(), [1, 2]);
    sim
}

#[test]
fn rule_24_nothing_completes_before_its_metadata_is_stored() {
    let mut sim = Sim::new(by_hand());
    sim.finalize = Reply::Withheld;
    sim.checkpoint(1);
    let actions = sim.acknowledge_all(1);
    assert_eq!((completed(&actions).len(), answers(&actions).len()), (0, 0));
    assert_eq!((sim.in_flight(), sim.kept()), (vec![1], vec![]));
    assert_eq!(completed(&sim.finalized(1)), [1]);
    assert_eq!((sim.in_flight(), sim.kept()), (vec![], vec![1]));
}

#[test]
fn rule_24_statistics_then_the_answer_and_the_queue_last() {
    let mut sim = Sim::new(SubmittedConfig { tolerable_failures: Tolerable::AtMost(9), ..by_hand() });
    sim.checkpoint(0);
    sim.acknowledge_all(1);
    sim.checkpoint(7);
    sim.decline(2, CheckpointDeclined);
    sim.finalize = Reply::Withheld;
    sim.prepare = Reply::Withheld;
    sim.checkpoint(8);
    sim.prepared(3);
    sim.checkpoint(9);
    sim.acknowledge_all(3);
    assert_eq!(sim.consecutive(), 1);
    let expected = [
        Action::Record(Fact::Completed { id: id(3) }),
        Action::Answer { to: RequestToken(8), outcome: TriggerOutcome::Completed(id(3)) },
        Action::NotifyComplete { id: id(3) },
        Action::Record(Fact::Discarded { id: id(1) }),
        Action::Discard { id: id(1), kind: Kind::Checkpoint, completed: true },
        Action::Record(Fact::Created { id: id(4), kind: Kind::Checkpoint }),
        Action::Prepare { id: id(4), kind: Kind::Checkpoint },
    ];
    assert_eq!(sim.finalized(3), expected);
    assert_eq!(sim.consecutive(), 0);
}

#[test]
fn rule_24_metadata_that_cannot_be_stored_fails_the_checkpoint() {
    let mut sim = Sim::new(concurrent(1));
    sim.finalize = Reply::Fails;
    sim.checkpoint(1);
    let actions = sim.acknowledge_all(1);
    let (reason, detail) = (FinalizeCheckpointFailure, Some("disk full".to_owned()));
    assert!(actions.contains(&Action::Record(Fact::Failed { id: id(1), reason, detail })));
    assert_eq!(answers(&actions), [(1, failed_as(1, reason))]);
    assert_eq!(discarded(&actions), [(1, false)]);
    assert!(actions.contains(&Action::NotifyAborted { id: id(1) }));
    assert_eq!((completed(&actions).len(), sim.kept().len()), (0, 0));
    assert!(sim.finalized(1).is_empty(), "what the host says twice counts once");
}

#[test]
fn rule_24_an_answer_of_the_host_that_was_not_asked_for_is_ignored() {
    let mut sim = Sim::new(by_hand());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    assert!(sim.finalized(1).is_empty());
    assert!(sim.prepared(2).is_empty());
    assert_eq!(triggered_tasks(&sim.prepared(1)), [1]);
    assert!(sim.finalized(1).is_empty());
    assert_eq!(sim.in_flight(), [1]);
}

fn paused() -> SubmittedConfig {
    let tolerable_failures = Tolerable::Unlimited;
    SubmittedConfig { min_pause: ms(80), timeout: timeout(50), tolerable_failures, ..every(100) }
}

#[test]
fn rule_25_any_success_sets_the_time_of_the_last_completion() {
    let mut sim = Sim::running(paused());
    sim.skip_to(70);
    sim.savepoint(1);
    sim.acknowledge_all(1);
    assert!(created(&sim.run_to(100)).is_empty());
    assert_eq!(sim.next_trigger(), Some(150), "80 ms after the savepoint");
}

#[test]
fn rule_25_it_is_the_time_when_it_is_stored() {
    let mut sim = Sim::running(paused());
    sim.finalize = Reply::Withheld;
    sim.skip_to(30);
    sim.checkpoint(1);
    sim.acknowledge_all(1);
    sim.skip_to(90);
    sim.finalized(1);
    sim.run_to(100);
    assert_eq!(sim.next_trigger(), Some(170));
}

#[test]
fn rule_25_a_failure_does_not_set_it() {
    let mut sim = Sim::running(paused());
    sim.skip_to(90);
    sim.checkpoint(1);
    sim.decline(1, CheckpointDeclined);
    sim.finalize = Reply::Fails;
    sim.checkpoint(2);
    sim.acknowledge_all(2);
    assert_eq!(created(&sim.run_to(100)), [3]);
    assert_eq!(failed(&sim.run_to(150)), [(3, CheckpointExpired)]);
    assert_eq!(created(&sim.run_to(200)), [4]);
}

#[test]
fn rule_26_a_completed_checkpoint_subsumes_older_ones() {
    let mut sim = Sim::new(concurrent(4));
    for token in 1..=4 {
        sim.checkpoint(token);
    }
    let actions = sim.acknowledge_all(3);
    assert_eq!(failed(&actions), [(1, CheckpointSubsumed), (2, CheckpointSubsumed)]);
    let expected = [
        (3, TriggerOutcome::Completed(id(3))),
        (1, failed_as(1, CheckpointSubsumed)),
        (2, failed_as(2, CheckpointSubsumed)),
    ];
    assert_eq!(answers(&actions), expected);
    for number in [1, 2] {
        assert!(actions.contains(&Action::NotifyAborted { id: id(number) }));
    }
    assert_eq!(discarded(&actions), [(1, false), (2, false)]);
    assert_eq!((sim.in_flight(), sim.consecutive()), (vec![4], 0));
}

#[test]
fn rule_26_a_savepoint_is_not_subsumed() {
    let mut sim = Sim::new(concurrent(3));
    sim.savepoint(1);
    sim.checkpoint(2);
    assert!(failed(&sim.acknowledge_all(2)).is_empty());
    assert_eq!(sim.in_flight(), [1]);
    assert_eq!(completed(&sim.acknowledge_all(1)), [1]);
}

#[test]
fn rule_26_tasks_hear_of_a_completed_checkpoint() {
    let mut sim = Sim::new(concurrent(1));
    sim.checkpoint(1);
    let actions = sim.acknowledge_all(1);
    let told = actions.iter().filter(|action| **action == Action::NotifyComplete { id: id(1) }).count();
    assert_eq!(told, 1);
}

#[test]
fn rule_26_a_savepoint_subsumes_nothing_and_no_task_hears_of_it() {
    let mut sim = Sim::new(concurrent(3));
    sim.checkpoint(1);
    sim.savepoint(2);
    let actions = sim.acknowledge_all(2);
    assert!(failed(&actions).is_empty());
    assert!(!actions.contains(&Action::NotifyComplete { id: id(2) }));
    assert_eq!(sim.in_flight(), [1]);
}

/// All tasks have acknowledged the older one; in Flink it would have completed by now.
#[test]
fn rule_26_what_is_being_stored_is_not_subsumed() {
    let mut sim = two_being_stored(concurrent(2));
    let actions = sim.finalized(2);
    assert_eq!((completed(&actions), failed(&actions)), (vec![2], vec![]));
    assert!(discarded(&actions).is_empty(), "the host is at work on 1");
    assert_eq!(sim.in_flight(), [1]);
    let actions = sim.finalized(1);
    assert_eq!(answers(&actions), [(1, TriggerOutcome::Completed(id(1)))]);
    assert_eq!(sim.kept(), [1, 2], "in the order of their numbers");
}

#[test]
fn rule_26_tasks_do_not_hear_of_an_older_checkpoint_afterwards() {
    let mut sim = two_being_stored(concurrent(2));
    assert!(sim.finalized(2).contains(&Action::NotifyComplete { id: id(2) }));
    assert!(!sim.finalized(1).contains(&Action::NotifyComplete { id: id(1) }));
}

#[test]
fn rule_26_an_older_checkpoint_that_completes_later_subsumes_only_what_is_older_still() {
    let mut sim = Sim::new(concurrent(3));
    sim.finalize = Reply::Withheld;
    for token in [1, 2, 3] {
        sim.checkpoint(token);
    }
    sim.acknowledge_all(2);
    assert_eq!(sim.in_flight(), [1, 2, 3], "nothing has completed yet");
    assert_eq!(failed(&sim.finalized(2)), [(1, CheckpointSubsumed)]);
    assert_eq!(sim.in_flight(), [3]);
}
