//! Rules 27, 28 and 30: completed checkpoints, and which of them go.

use crate::sim::*;
use ckpt_coordinator::config::{JobEnd, RetentionPolicy, SubmittedConfig};
use ckpt_coordinator::{Action, Event, Fact, Kind, Start};
use std::num::{NonZeroU32, NonZeroUsize};

fn retained(most: usize) -> SubmittedConfig {
    SubmittedConfig { retained: NonZeroUsize::new(most).unwrap(), ..by_hand() }
}

fn complete(sim: &mut Sim, number: u64) -> Vec<Action> {
    let mut actions = sim.checkpoint(number);
    actions.extend(sim.acknowledge_all(number));
    actions
}

#[test]
fn rule_27_the_oldest_goes_when_there_are_too_many() {
    for most in [1, 2, 3] {
        let mut sim = Sim::new(retained(most));
        for number in 1..=6 {
            let actions = complete(&mut sim, number);
            let gone = number.saturating_sub(most as u64);
            let expected = if gone > 0 { vec![(gone, true)] } else { vec![] };
            assert_eq!(discarded(&actions), expected);
            let recorded = actions.contains(&Action::Record(Fact::Discarded { id: id(gone) }));
            assert_eq!(recorded, gone > 0);
            assert_eq!(sim.kept(), (gone + 1..=number).collect::<Vec<_>>());
        }
    }
}

#[test]
fn rule_27_the_newest_never_goes() {
    let submitted = SubmittedConfig { max_concurrent: NonZeroU32::new(2).unwrap(), ..retained(1) };
    let mut sim = Sim::new(submitted);
    sim.finalize = Reply::Withheld;
    for number in [1, 2] {
        sim.checkpoint(number);
        sim.acknowledge_all(number);
    }
    assert!(discarded(&sim.finalized(2)).is_empty());
    let actions = sim.finalized(1);
    assert_eq!((completed(&actions), discarded(&actions)), (vec![1], vec![(1, true)]));
    assert_eq!(sim.kept(), [2], "the newest by number, not by time");
}

#[test]
fn rule_27_savepoints_are_not_in_the_store() {
    let mut sim = Sim::new(retained(1));
    complete(&mut sim, 1);
    for number in [2, 3] {
        sim.savepoint(number);
        let actions = sim.acknowledge_all(number);
        assert_eq!((completed(&actions), discarded(&actions)), (vec![number], vec![]));
    }
    assert_eq!(sim.kept(), [1]);
    assert_eq!(discarded(&complete(&mut sim, 4)), [(1, true)]);
}

#[test]
fn rule_27_a_completed_savepoint_is_never_deleted() {
    let mut sim = Sim::new(retained(1));
    sim.savepoint(1);
    sim.acknowledge_all(1);
    for number in 2..=4 {
        complete(&mut sim, number);
    }
    sim.send(Event::Shutdown { end: Some(JobEnd::Finished) });
    assert!(discarded(&sim.log()).iter().all(|(number, _)| *number != 1));
}

#[test]
fn rule_27_a_savepoint_that_failed_is_told_apart() {
    let mut sim = Sim::new(by_hand());
    sim.savepoint(1);
    let actions = sim.run_to(1_000);
    assert!(actions.contains(&Action::Discard { id: id(1), kind: savepoint(), completed: false }));
}

#[test]
fn rule_27_restored_checkpoints_count() {
    let start = Start { completed: vec![id(8), id(3)], next_id: id(9), ..fresh(retained(2)) };
    let mut sim = Sim::from(start);
    assert_eq!(sim.kept(), [3, 8]);
    sim.checkpoint(1);
    assert_eq!(discarded(&sim.acknowledge_all(9)), [(3, true)]);
    assert_eq!(sim.kept(), [8, 9]);
}

#[test]
fn rule_27_restored_checkpoints_beyond_the_limit_go_with_the_next_success() {
    let start = Start { completed: vec![id(1), id(2), id(3)], next_id: id(4), ..fresh(retained(1)) };
    let mut sim = Sim::from(start);
    sim.checkpoint(1);
    assert_eq!(discarded(&sim.acknowledge_all(4)), [(1, true), (2, true), (3, true)]);
    assert_eq!(sim.kept(), [4]);
}

#[test]
fn rule_28_a_job_is_restored_from_the_newest_checkpoint_even_below_a_savepoint() {
    let mut sim = Sim::new(retained(2));
    complete(&mut sim, 1);
    complete(&mut sim, 2);
    sim.savepoint(3);
    sim.acknowledge_all(3);
    assert_eq!(sim.coordinator.completed().last(), Some(id(2)));
}

fn ended(policy: RetentionPolicy, end: Option<JobEnd>) -> (Vec<Action>, Vec<u64>) {
    let mut sim = Sim::new(SubmittedConfig { retention_policy: policy, ..retained(2) });
    complete(&mut sim, 1);
    complete(&mut sim, 2);
    let actions = sim.send(Event::Shutdown { end });
    (actions, sim.kept())
}

fn deletes(policy: RetentionPolicy, end: JobEnd) -> bool {
    let (actions, kept) = ended(policy, Some(end));
    match discarded(&actions)[..] {
        [] => assert_eq!(kept, [1, 2]),
        [(1, true), (2, true)] => assert!(kept.is_empty()),
        ref other => panic!("{other:?}"),
    }
    assert_eq!(policy.retains(end), discarded(&actions).is_empty());
    !policy.retains(end)
}

#[test]
fn rule_30_never_retain_deletes() {
    for end in [JobEnd::Finished, JobEnd::Canceled, JobEnd::Failed] {
        assert!(deletes(RetentionPolicy::NeverRetain, end));
    }
}

#[test]
fn rule_30_retain_on_failure_keeps_on_failure() {
    assert!(deletes(RetentionPolicy::RetainOnFailure, JobEnd::Finished));
    assert!(deletes(RetentionPolicy::RetainOnFailure, JobEnd::Canceled));
    assert!(!deletes(RetentionPolicy::RetainOnFailure, JobEnd::Failed));
}

#[test]
fn rule_30_retain_on_cancellation_keeps_on_cancel_and_failure() {
    assert!(deletes(RetentionPolicy::RetainOnCancellation, JobEnd::Finished));
    assert!(!deletes(RetentionPolicy::RetainOnCancellation, JobEnd::Canceled));
    assert!(!deletes(RetentionPolicy::RetainOnCancellation, JobEnd::Failed));
}

/// The host restarts, or goes away for a while: the job has not ended.
#[test]
fn rule_30_a_job_that_goes_on_keeps_everything() {
    use RetentionPolicy::{NeverRetain, RetainOnCancellation, RetainOnFailure};
    for policy in [NeverRetain, RetainOnFailure, RetainOnCancellation] {
        let (actions, kept) = ended(policy, None);
        assert!(discarded(&actions).is_empty());
        assert_eq!(kept, [1, 2]);
    }
}

#[test]
fn rule_30_a_suspended_job_keeps_everything() {
    let mut sim = Sim::new(retained(2));
    complete(&mut sim, 1);
    assert!(sim.send(Event::Suspend).is_empty());
    assert_eq!(sim.kept(), [1]);
}

#[test]
fn rule_30_each_deletion_is_recorded() {
    let (actions, _) = ended(RetentionPolicy::NeverRetain, Some(JobEnd::Canceled));
    let gone = |number| {
        let (id, kind) = (id(number), Kind::Checkpoint);
        [Action::Record(Fact::Discarded { id }), Action::Discard { id, kind, completed: true }]
    };
    assert_eq!(actions, [gone(1), gone(2)].concat());
}
