//! Races, step by step.

use super::super::event::{ClusterAction, ClusterEvent, Reply, Request, RequestError};
use super::answers::{id, jvm};
use super::cluster::{Sim, TIMEOUT};
use crate::seam::{Initiator, SeamError};
use ckpt_api::{JobState, OverrideState};
use std::time::Duration;

const LONGER: i64 = 1_200_000;
const LONGEST: i64 = 1_800_000;

fn is_list(action: &ClusterAction) -> bool {
    matches!(action, ClusterAction::List { .. })
}

fn is_rest(action: &ClusterAction) -> bool {
    matches!(action, ClusterAction::ReadRest { .. })
}

fn is_agent(action: &ClusterAction) -> bool {
    matches!(action, ClusterAction::ReadAgent { .. })
}

fn is_change(action: &ClusterAction) -> bool {
    matches!(action, ClusterAction::Change(_))
}

/// Lets a check begin, and its read of the agent be under way.
fn check_begins(sim: &mut Sim) {
    for _ in 0..1_000 {
        sim.now += Duration::from_millis(100);
        sim.handle(ClusterEvent::Timer);
        if sim.pending.iter().any(|pending| is_agent(&pending.action)) {
            return;
        }
    }
    panic!("no check begins");
}

#[test]
fn override_is_applied_and_kept() {
    let mut sim = Sim::with_override(LONGER);
    assert_eq!((sim.job.timeout, sim.status()), (LONGER, Some(OverrideState::Applied)));
    sim.restart();
    sim.advance(Duration::from_secs(10));
    assert_eq!((sim.job.timeout, sim.status()), (LONGER, Some(OverrideState::Applied)));
}

#[test]
fn requests_wait_for_later_reads() {
    let mut sim = Sim::new();
    sim.settle();
    let first = sim.request(Request::ReadRest(id()));
    sim.now += Duration::from_millis(1);
    let second = sim.request(Request::ReadRest(id()));
    let reads = sim.pending.iter().filter(|pending| is_rest(&pending.action)).count();
    assert_eq!(reads, 1, "they share what is asked next");
    let place = sim.find(is_rest);
    sim.deliver(place, false);
    assert!(sim.replies.contains_key(&first));
    assert!(!sim.replies.contains_key(&second), "that read began before it");
    let place = sim.find(is_rest);
    sim.deliver(place, false);
    assert!(sim.replies.contains_key(&second));
}

#[test]
fn list_requests_wait_for_later_lists() {
    let mut sim = Sim::new();
    let early = sim.find(is_list);
    sim.now += Duration::from_millis(1);
    let request = sim.request(Request::List);
    sim.job.state = JobState::Failing;
    sim.deliver(early, true);
    assert!(!sim.replies.contains_key(&request));
    assert_eq!(sim.facts().state(), JobState::Running, "as it was");
    let late = sim.find(is_list);
    sim.deliver(late, false);
    assert!(sim.replies.contains_key(&request));
    assert_eq!(sim.facts().state(), JobState::Failing);
}

#[test]
fn change_during_check_is_not_judged() {
    let mut sim = Sim::with_override(LONGER);
    check_begins(&mut sim);
    sim.store(LONGEST);
    let request = sim.apply();
    let change = sim.find(is_change);
    sim.deliver(change, false);
    assert!(matches!(sim.replies[&request], Reply::Applied(_)));
    // The answer is that of before the change: it differs, and tells nothing.
    let read = sim.find(is_agent);
    sim.deliver(read, true);
    assert_eq!(sim.status(), Some(OverrideState::Applied));
    assert!(sim.pending.iter().all(|pending| !is_change(&pending.action)));
    sim.settle();
    assert_eq!((sim.job.timeout, sim.status()), (LONGEST, Some(OverrideState::Applied)));
}

#[test]
fn later_revision_supersedes_earlier_request() {
    let mut sim = Sim::with_override(LONGER);
    sim.store(900_000);
    let first = sim.revision();
    sim.store(LONGEST);
    let superseded = sim.apply_for(Initiator::Operator, first);
    let Reply::Superseded { by } = sim.replies[&superseded] else { panic!("{:?}", sim.replies) };
    assert_eq!(by, first + 1);
    let applied = sim.apply();
    sim.deliver_all();
    let Reply::Applied(applied) = &sim.replies[&applied] else { panic!("{:?}", sim.replies) };
    assert_eq!(applied.applied.observation.revision_in_force, Some(first + 1));
    assert_eq!(sim.job.timeout, LONGEST);
}

#[test]
fn revision_stored_during_change_follows() {
    let mut sim = Sim::with_override(LONGER);
    sim.store(900_000);
    let first = sim.apply();
    sim.store(LONGEST);
    let second = sim.apply();
    let place = sim.find(is_change);
    sim.deliver(place, false);
    assert!(matches!(&sim.replies[&first], Reply::Applied(applied) if applied.revision == 2));
    sim.deliver_all();
    assert!(matches!(&sim.replies[&second], Reply::Applied(applied) if applied.revision == 3));
    assert_eq!(sim.job.timeout, LONGEST);
}

#[test]
fn request_claims_change_of_check() {
    let mut sim = Sim::with_override(LONGER);
    sim.store(LONGEST);
    // The request is late: a check finds the new revision not in force, and applies it.
    sim.advance(Duration::from_millis(1_500));
    while sim.job.timeout != LONGEST {
        sim.advance(Duration::from_millis(100));
    }
    let request = sim.apply();
    assert!(matches!(&sim.replies[&request], Reply::Applied(applied) if applied.revision == 2));
    assert!(sim.pending.iter().all(|pending| !is_change(&pending.action)), "it is not made twice");
}

#[test]
fn repeated_change_is_applied_again() {
    let mut sim = Sim::with_override(LONGER);
    sim.job.timeout = 33_000;
    let request = sim.apply();
    sim.deliver_all();
    assert!(matches!(&sim.replies[&request], Reply::Applied(applied) if applied.revision == 1));
    assert_eq!(sim.job.timeout, LONGER);
}

#[test]
fn end_during_change_follows() {
    let mut sim = Sim::with_override(LONGER);
    let until = sim.wall() + 5_000;
    sim.store_until(LONGEST, Some(until));
    let temporary = sim.apply();
    sim.now += Duration::from_secs(6);
    sim.store_end();
    let end = sim.apply();
    sim.deliver_all();
    assert!(matches!(&sim.replies[&temporary], Reply::Applied(applied) if applied.revision == 2));
    assert!(matches!(&sim.replies[&end], Reply::Applied(applied) if applied.revision == 3));
    assert_eq!(sim.job.timeout, TIMEOUT);
}

#[test]
fn ended_override_does_not_hold_on() {
    let mut sim = Sim::new();
    sim.settle();
    let until = sim.wall() + 30_000;
    sim.store_until(LONGER, Some(until));
    sim.apply();
    sim.settle();
    assert_eq!(sim.job.timeout, LONGER);
    // The end cannot be stored, as with a disk that refuses.
    sim.advance(Duration::from_secs(60));
    assert_eq!((sim.job.timeout, sim.status()), (TIMEOUT, Some(OverrideState::Applied)));
}

#[test]
fn foreign_changes_end_in_conflict() {
    let mut sim = Sim::with_override(LONGER);
    for _ in 0..3 {
        sim.job.timeout = 33_000;
        sim.advance(Duration::from_secs(10));
    }
    assert_eq!((sim.job.timeout, sim.status()), (33_000, Some(OverrideState::Conflict)));
    sim.advance(Sim::long());
    assert_eq!(sim.job.timeout, 33_000);
    sim.apply();
    sim.settle();
    assert_eq!((sim.job.timeout, sim.status()), (LONGER, Some(OverrideState::Applied)));
}

#[test]
fn pause_stops_a_check_before_its_change() {
    let mut sim = Sim::with_override(LONGER);
    check_begins(&mut sim);
    sim.job.timeout = 33_000;
    sim.pause(Some("reconcile is paused"));
    sim.settle();
    assert_eq!((sim.job.timeout, sim.status()), (33_000, Some(OverrideState::NotApplied)));
    sim.pause(None);
    sim.settle();
    assert_eq!((sim.job.timeout, sim.status()), (LONGER, Some(OverrideState::Applied)));
}

#[test]
fn pause_lets_requests_pass() {
    let mut sim = Sim::with_override(LONGER);
    sim.pause(Some("reconcile is paused"));
    sim.store(LONGEST);
    let request = sim.apply();
    sim.deliver_all();
    assert!(matches!(&sim.replies[&request], Reply::Applied(_)));
    assert_eq!(sim.job.timeout, LONGEST);
}

#[test]
fn pause_refuses_expiry() {
    let mut sim = Sim::with_override(LONGER);
    sim.pause(Some("reconcile is paused"));
    sim.store_end();
    let end = sim.apply_for(Initiator::Expiry, sim.revision());
    let Reply::Failed(RequestError::Job(SeamError::Busy(why))) = &sim.replies[&end] else {
        panic!("{:?}", sim.replies[&end])
    };
    assert_eq!(why, "reconcile is paused");
    sim.settle();
    assert_eq!(sim.job.timeout, LONGER);
    sim.pause(None);
    sim.settle();
    assert_eq!(sim.job.timeout, TIMEOUT);
}

#[test]
fn pause_refuses_queued_expiry() {
    let mut sim = Sim::with_override(LONGER);
    sim.store(LONGEST);
    let change = sim.apply();
    sim.store_end();
    let end = sim.apply_for(Initiator::Expiry, sim.revision());
    sim.pause(Some("reconcile is paused"));
    sim.deliver_all();
    assert!(matches!(&sim.replies[&change], Reply::Applied(applied) if applied.revision == 2));
    assert!(matches!(&sim.replies[&end], Reply::Failed(RequestError::Job(SeamError::Busy(_)))));
    assert_eq!(sim.job.timeout, LONGEST, "nothing is written while paused");
}

#[test]
fn unlisted_job_refuses_expiry() {
    let mut sim = Sim::with_override(LONGER);
    sim.job.is_listed = false;
    sim.settle();
    sim.store_end();
    let end = sim.apply_for(Initiator::Expiry, sim.revision());
    assert!(matches!(&sim.replies[&end], Reply::Failed(RequestError::Job(SeamError::Busy(_)))));
    assert!(sim.pending.iter().all(|pending| !is_change(&pending.action)), "it starts no change");
}

#[test]
fn removed_record_refuses_its_request() {
    let mut sim = Sim::with_override(LONGER);
    let revision = sim.revision();
    sim.records.clear();
    sim.handle(ClusterEvent::Stored(sim.records.clone()));
    let live = sim.apply_for(Initiator::Expiry, revision);
    assert!(matches!(&sim.replies[&live], Reply::Failed(RequestError::Job(SeamError::Busy(_)))));
    sim.job.state = JobState::Finished;
    sim.settle();
    let ended = sim.apply_for(Initiator::Expiry, revision);
    assert!(matches!(&sim.replies[&ended], Reply::Failed(RequestError::Job(SeamError::Ended { .. }))));
}

#[test]
fn ended_change_is_not_claimed() {
    let mut sim = Sim::with_override(LONGER);
    let until = sim.wall() + 1_800;
    sim.store_until(LONGEST, Some(until));
    while sim.job.timeout != LONGEST {
        sim.advance(Duration::from_millis(100));
    }
    assert!(sim.wall() < until);
    sim.now += Duration::from_millis(until - sim.wall());
    let request = sim.apply();
    assert!(!sim.replies.contains_key(&request), "what the check applied has ended");
    sim.deliver_all();
    assert!(matches!(&sim.replies[&request], Reply::Applied(applied) if applied.revision == 2));
    assert_eq!(sim.job.timeout, TIMEOUT);
}

#[test]
fn leader_lost_during_check_is_waited_for() {
    let mut sim = Sim::with_override(LONGER);
    check_begins(&mut sim);
    sim.job.has_coordinator = false;
    sim.is_up = false;
    sim.handle(ClusterEvent::ProcessEnded(jvm()));
    sim.settle();
    assert_eq!(sim.status(), Some(OverrideState::Waiting));
    sim.restart();
    (sim.job.started, sim.job.has_coordinator, sim.is_up) = (50_000, true, true);
    sim.advance(Duration::from_secs(5));
    assert_eq!((sim.job.timeout, sim.status()), (LONGER, Some(OverrideState::Applied)));
}

#[test]
fn leader_lost_during_change_leaves_it_waiting() {
    let mut sim = Sim::with_override(LONGER);
    sim.store(LONGEST);
    let request = sim.apply();
    sim.job.has_coordinator = false;
    let place = sim.find(is_change);
    sim.deliver(place, false);
    assert!(!sim.replies.contains_key(&request), "the list tells whether the job has ended");
    sim.deliver_all();
    let failed = &sim.replies[&request];
    assert!(
        matches!(failed, Reply::Failed(RequestError::Job(SeamError::NotNow { .. }))),
        "it is stored, and waits: {failed:?}"
    );
    assert_eq!(sim.status(), Some(OverrideState::Waiting));
    sim.restart();
    sim.job.has_coordinator = true;
    sim.advance(Duration::from_secs(5));
    assert_eq!((sim.job.timeout, sim.status()), (LONGEST, Some(OverrideState::Applied)));
}

#[test]
fn job_ended_during_change_ends_override() {
    let mut sim = Sim::with_override(LONGER);
    sim.store(LONGEST);
    let request = sim.apply();
    (sim.job.has_coordinator, sim.job.state) = (false, JobState::Canceled);
    sim.deliver_all();
    let failed = &sim.replies[&request];
    assert!(matches!(failed, Reply::Failed(RequestError::Job(SeamError::Ended { .. }))), "{failed:?}");
    sim.settle();
    assert!(sim.records.is_empty(), "its record ends with it");
}

#[test]
fn changing_job_outlives_its_listing() {
    let mut sim = Sim::new();
    sim.settle();
    let first = sim.apply();
    sim.job.is_listed = false;
    sim.request(Request::List);
    let place = sim.find(is_list);
    sim.deliver(place, false);
    sim.store(LONGER);
    let second = sim.apply();
    assert_eq!(sim.pending.iter().filter(|pending| is_change(&pending.action)).count(), 1);
    sim.deliver_all();
    assert!(matches!(&sim.replies[&first], Reply::Applied(applied) if applied.revision == 0));
    assert!(matches!(&sim.replies[&second], Reply::Applied(applied) if applied.revision == 1));
    assert_eq!(sim.job.timeout, LONGER);
}

#[test]
fn dropped_job_answers_its_requests() {
    let mut sim = Sim::new();
    sim.settle();
    let request = sim.request(Request::ReadRest(id()));
    sim.job.is_listed = false;
    let list = sim.request(Request::List);
    let place = sim.find(is_list);
    sim.deliver(place, false);
    assert!(sim.replies.contains_key(&list));
    assert!(matches!(&sim.replies[&request], Reply::Failed(_)));
    sim.deliver_all();
    assert!(sim.state.job(id()).is_none());
}

#[test]
fn native_cluster_is_kept_too() {
    let mut sim = Sim::new();
    sim.is_native = true;
    sim.settle();
    sim.store(LONGER);
    let request = sim.apply();
    sim.deliver_all();
    assert!(matches!(&sim.replies[&request], Reply::Applied(_)));
    sim.job.timeout = 33_000;
    sim.advance(Duration::from_secs(20));
    assert_eq!((sim.job.timeout, sim.status()), (LONGER, Some(OverrideState::Applied)));
}
