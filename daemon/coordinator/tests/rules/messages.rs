//! Rules 20 to 23: what tasks say, and whether it comes in time.

use crate::sim::*;
use ckpt_coordinator::reason::FailureReason::{
    CheckpointAsyncException, CheckpointDeclined, CheckpointDeclinedTaskNotReady, CheckpointExpired,
};
use ckpt_coordinator::{Action, Event, Fact, Kind, Snapshot, Standing, Start};

fn with_checkpoint() -> Sim {
    let mut sim = Sim::new(tolerant());
    sim.checkpoint(1);
    sim
}

fn acknowledged(number: u64, by: usize) -> Action {
    let (id, subtask, snapshot) = (id(number), subtask(by), snapshot(number, by));
    Action::Record(Fact::Acknowledged { id, subtask, snapshot })
}

fn late(number: u64, by: usize) -> Action {
    let (id, subtask, snapshot) = (id(number), subtask(by), snapshot(number, by));
    Action::Record(Fact::AcknowledgedLate { id, subtask, snapshot })
}

fn discard_of(number: u64, by: usize) -> Action {
    Action::DiscardSnapshot { id: id(number), snapshot: snapshot(number, by) }
}

#[test]
fn rule_20_an_acknowledgement_of_another_job_is_refused() {
    let mut sim = with_checkpoint();
    assert!(sim.acknowledge_as(OTHER_JOB, 1, 0).is_empty(), "what it stored is not touched");
    assert!(sim.acknowledge_as(OTHER_JOB, 9, 0).is_empty());
    assert_eq!(sim.seen(1).acknowledged, 0);
}

#[test]
fn rule_20_the_last_acknowledgement_completes() {
    let mut sim = with_checkpoint();
    assert_eq!(sim.acknowledge(1, 2), [acknowledged(1, 2)]);
    assert_eq!((sim.seen(1).acknowledged, sim.seen(1).subtasks), (1, SUBTASKS));
    assert_eq!(sim.acknowledge(1, 0), [acknowledged(1, 0)]);
    sim.finalize = Reply::Withheld;
    let actions = sim.acknowledge(1, 1);
    assert_eq!(actions[0], acknowledged(1, 1));
    let Action::Finalize { snapshots, .. } = &actions[1] else { panic!("{actions:?}") };
    assert_eq!(snapshots.len(), SUBTASKS);
    for by in 0..SUBTASKS {
        assert_eq!(snapshots[&subtask(by)], snapshot(1, by));
    }
    assert_eq!(actions.len(), 2);
}

fn standing(sim: &Sim, number: u64) -> Standing<'_> {
    sim.coordinator.standing(id(number), subtask(0))
}

#[test]
fn rule_20_how_a_subtask_stands_is_known_before_it_says_anything() {
    let mut sim = with_checkpoint();
    assert_eq!(standing(&sim, 1), Standing::Awaited(&Kind::Checkpoint));
    assert_eq!(standing(&sim, 2), Standing::NeverTriggered);
    assert_eq!(standing(&sim, 0), Standing::NeverTriggered);
    sim.acknowledge(1, 0);
    assert_eq!(standing(&sim, 1), Standing::Acknowledged);
    assert!(sim.coordinator.is_in_flight(id(1)));
    sim.decline(1, CheckpointDeclined);
    assert_eq!(standing(&sim, 1), Standing::Over);
    assert!(!sim.coordinator.is_in_flight(id(1)));
}

#[test]
fn rule_20_a_duplicate_is_ignored_and_its_state_kept() {
    let mut sim = with_checkpoint();
    sim.acknowledge(1, 0);
    assert!(sim.acknowledge(1, 0).is_empty());
    assert_eq!(sim.seen(1).acknowledged, 1);
    sim.finalize = Reply::Withheld;
    sim.acknowledge(1, 1);
    sim.acknowledge(1, 2);
    assert!(sim.acknowledge(1, 2).is_empty(), "nor is it stored twice");
}

#[test]
fn rule_20_the_first_of_two_acknowledgements_counts() {
    let mut sim = with_checkpoint();
    sim.acknowledge(1, 0);
    let snapshot_again = Snapshot { location: "again".into(), ..Snapshot::default() };
    let (job, id) = (JOB, id(1));
    sim.send(Event::Acknowledge { job, id, subtask: subtask(0), snapshot: snapshot_again });
    sim.finalize = Reply::Withheld;
    sim.acknowledge(1, 1);
    let actions = sim.acknowledge(1, 2);
    let Some(Action::Finalize { snapshots, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(snapshots[&subtask(0)], snapshot(1, 0));
}

#[test]
fn rule_20_what_an_unknown_task_stored_is_discarded() {
    let mut sim = with_checkpoint();
    assert_eq!(sim.acknowledge(1, 3), [discard_of(1, 3)]);
    assert_eq!((sim.seen(1).acknowledged, sim.seen(1).subtasks), (0, SUBTASKS));
}

#[test]
fn rule_20_what_was_stored_for_no_pending_checkpoint_is_discarded() {
    let mut sim = with_checkpoint();
    assert_eq!(sim.acknowledge(7, 0), [late(7, 0), discard_of(7, 0)]);
    assert_eq!(sim.in_flight(), [1]);
}

#[test]
fn rule_20_what_comes_after_the_failure_is_discarded() {
    let mut sim = with_checkpoint();
    sim.decline(1, CheckpointDeclined);
    assert_eq!(sim.acknowledge(1, 0), [late(1, 0), discard_of(1, 0)]);
}

/// Flink refuses to delete state that a completed checkpoint has registered; here nothing is asked for.
#[test]
fn rule_20_a_late_acknowledgement_never_discards_a_completed_checkpoint() {
    let mut sim = with_checkpoint();
    sim.acknowledge_all(1);
    for by in 0..=SUBTASKS {
        assert!(sim.acknowledge(1, by).is_empty());
    }
    sim.savepoint(2);
    sim.acknowledge_all(2);
    assert!(sim.acknowledge(2, 0).is_empty(), "nor a savepoint");
}

#[test]
fn rule_20_a_late_acknowledgement_never_discards_a_restored_checkpoint() {
    let start = Start { completed: vec![id(3), id(4)], next_id: id(5), fresh: false, ..fresh(by_hand()) };
    let mut sim = Sim::from(start);
    assert!(sim.acknowledge(3, 0).is_empty());
    assert!(sim.acknowledge(4, 0).is_empty());
}

#[test]
fn rule_20_a_late_acknowledgement_never_discards_what_completed_long_ago() {
    let mut sim = Sim::new(by_hand());
    sim.savepoint(1);
    sim.acknowledge_all(1);
    for number in 2..=1_001 {
        sim.checkpoint(number);
        sim.acknowledge_all(number);
    }
    assert!(!sim.acknowledge(1, 0).contains(&discard_of(1, 0)));
}

#[test]
fn rule_20_a_late_acknowledgement_never_discards_a_savepoint_of_an_earlier_life() {
    let mut sim = Sim::new(by_hand());
    sim.savepoint(1);
    sim.acknowledge_all(1);
    let completed = sim.coordinator.completed().collect();
    let next_id = sim.coordinator.next_id();
    let mut sim = Sim::from(Start { completed, next_id, fresh: false, ..fresh(by_hand()) });
    assert!(!sim.acknowledge(1, 0).contains(&discard_of(1, 0)));
}

#[test]
fn rule_20_tasks_may_be_quicker_than_the_host() {
    let mut sim = Sim::new(by_hand());
    sim.prepare = Reply::Withheld;
    sim.finalize = Reply::Withheld;
    sim.checkpoint(1);
    assert_eq!(sim.acknowledge_all(1).len(), SUBTASKS, "they count, but nothing is stored yet");
    assert!(matches!(sim.prepared(1).last(), Some(Action::Finalize { .. })));
}

#[test]
fn rule_21_a_late_acknowledgement_leaves_its_numbers() {
    let mut sim = with_checkpoint();
    sim.acknowledge(1, 0);
    sim.sleep_to(1_000);
    assert_eq!(sim.acknowledge(1, 1)[0], late(1, 1));
    let in_time =
        sim.log().iter().filter(|action| matches!(action, Action::Record(Fact::Acknowledged { .. }))).count();
    assert_eq!(in_time, 1, "it is not one of those in time");
    assert_eq!(sim.acknowledge(1, 2)[0], late(1, 2));
    assert!(completed(&sim.log()).is_empty(), "and completes nothing");
}

#[test]
fn rule_22_a_decline_aborts_with_its_reason() {
    for reason in [CheckpointDeclined, CheckpointAsyncException, CheckpointDeclinedTaskNotReady] {
        let mut sim = with_checkpoint();
        let actions = sim.decline(1, reason);
        let detail = Some("no space".to_owned());
        assert_eq!(actions[0], Action::Record(Fact::Failed { id: id(1), reason, detail }));
        assert_eq!(answers(&actions), [(1, failed_as(1, reason))]);
        assert!(actions.contains(&Action::NotifyAborted { id: id(1) }));
        assert_eq!(discarded(&actions), [(1, false)]);
        assert!(sim.in_flight().is_empty());
    }
}

#[test]
fn rule_22_a_decline_of_another_job_changes_nothing() {
    let mut sim = with_checkpoint();
    assert!(sim.decline_as(OTHER_JOB, 1, 0, CheckpointDeclined).is_empty());
    assert_eq!((sim.in_flight(), sim.consecutive()), (vec![1], 0));
}

#[test]
fn rule_22_a_decline_of_an_unknown_checkpoint_is_ignored() {
    let mut sim = with_checkpoint();
    assert!(sim.decline(7, CheckpointDeclined).is_empty());
    sim.decline(1, CheckpointDeclined);
    assert!(sim.decline(1, CheckpointDeclined).is_empty(), "nor the same one twice");
    assert_eq!(sim.consecutive(), 1);
}

#[test]
fn rule_22_a_decline_by_an_unknown_task_is_ignored() {
    let mut sim = with_checkpoint();
    assert!(sim.decline_as(JOB, 1, 3, CheckpointDeclined).is_empty());
    assert_eq!(sim.in_flight(), [1]);
}

#[test]
fn rule_22_a_decline_while_it_is_triggered_aborts_too() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    let actions = sim.decline(1, CheckpointDeclined);
    assert_eq!((failed(&actions).len(), discarded(&actions).len()), (1, 0));
    let actions = sim.prepared(1);
    assert_eq!((triggered_tasks(&actions).len(), discarded(&actions).len()), (0, 1));
}

#[test]
fn rule_23_the_last_acknowledgement_wins_when_it_comes_first() {
    let mut sim = with_checkpoint();
    sim.finalize = Reply::Withheld;
    sim.skip_to(1_000);
    sim.acknowledge_all(1);
    assert_eq!(sim.seen(1).remaining, None, "it cannot expire any more");
    assert_eq!(sim.coordinator.next_wakeup(), None);
    assert!(sim.sleep_to(9_000).is_empty());
    assert_eq!(completed(&sim.finalized(1)), [1]);
}

#[test]
fn rule_23_the_expiry_wins_when_it_comes_first() {
    let mut sim = with_checkpoint();
    sim.acknowledge(1, 0);
    sim.acknowledge(1, 1);
    assert_eq!(failed(&sim.sleep_to(1_000)), [(1, CheckpointExpired)]);
    assert_eq!(sim.acknowledge(1, 2), [late(1, 2), discard_of(1, 2)]);
    assert!(completed(&sim.log()).is_empty());
}

#[test]
fn rule_23_a_decline_after_the_last_acknowledgement_is_too_late() {
    let mut sim = with_checkpoint();
    sim.finalize = Reply::Withheld;
    sim.acknowledge_all(1);
    assert!(sim.decline(1, CheckpointDeclined).is_empty());
    assert_eq!(completed(&sim.finalized(1)), [1]);
}

#[test]
fn rule_23_all_acknowledged_but_not_yet_made_can_still_expire() {
    let mut sim = Sim::new(tolerant());
    sim.prepare = Reply::Withheld;
    sim.checkpoint(1);
    sim.acknowledge_all(1);
    assert_eq!(failed(&sim.sleep_to(1_000)), [(1, CheckpointExpired)]);
    assert_eq!(discarded(&sim.prepared(1)), [(1, false)]);
}
