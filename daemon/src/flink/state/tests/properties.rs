//! Random orders of events. [`Sim::handle`] checks after each of them that no older answer replaces a newer one, that
//! nothing is written while reconciliation is paused, that there is one change at a time, and that each request has one
//! reply, which is about its own revision.

use super::super::event::{ClusterEvent, Request};
use super::answers::{id, jvm};
use super::cluster::Sim;
use crate::seam::Initiator;
use ckpt_api::OverrideState;
use proptest::prelude::*;
use std::time::Duration;

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// The answer of one of the actions under way arrives, perhaps as it was when it was asked.
    Deliver {
        place: usize,
        is_old: bool,
    },
    /// Milliseconds pass.
    Pass(u64),
    /// An operator stores a timeout; the request follows at once, or late.
    Store {
        timeout: i64,
        is_followed: bool,
    },
    /// The same for an override that ends after milliseconds.
    StoreFor {
        timeout: i64,
        millis: u64,
    },
    /// An override ends durably.
    End,
    /// A request for the stored revision.
    Apply,
    /// A request for an earlier one.
    ApplyEarlier(u64),
    Read,
    ReadInside,
    List,
    /// The timeout is changed past ckptd.
    Foreign(i64),
    /// The coordinator is replaced.
    Restart,
    /// It is gone for a while, or there again.
    Coordinator(bool),
    /// The JobManager's process ends.
    ProcessEnds,
    /// The cluster answers, or not.
    Up(bool),
    /// The cluster lists the job, or not.
    Listed(bool),
    Pause(bool),
}

fn timeouts() -> impl Strategy<Value = i64> {
    prop_oneof![Just(600_000_i64), Just(1_200_000), Just(1_800_000)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (any::<usize>(), any::<bool>()).prop_map(|(place, is_old)| Step::Deliver { place, is_old }),
        6 => (0..6_000_u64).prop_map(Step::Pass),
        3 => (timeouts(), any::<bool>())
            .prop_map(|(timeout, is_followed)| Step::Store { timeout, is_followed }),
        1 => (timeouts(), 1..20_000_u64).prop_map(|(timeout, millis)| Step::StoreFor { timeout, millis }),
        1 => Just(Step::End),
        2 => Just(Step::Apply),
        1 => (0..4_u64).prop_map(Step::ApplyEarlier),
        1 => Just(Step::Read),
        1 => Just(Step::ReadInside),
        1 => Just(Step::List),
        2 => Just(Step::Foreign(33_000)),
        1 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::Coordinator),
        1 => Just(Step::ProcessEnds),
        1 => any::<bool>().prop_map(Step::Up),
        1 => any::<bool>().prop_map(Step::Listed),
        1 => any::<bool>().prop_map(Step::Pause),
    ];
    proptest::collection::vec(step, 1..120)
}

fn take(sim: &mut Sim, step: &Step) {
    match *step {
        Step::Deliver { place, is_old } => {
            if !sim.pending.is_empty() {
                sim.deliver(place % sim.pending.len(), is_old);
            }
        }
        Step::Pass(millis) => {
            sim.now += Duration::from_millis(millis);
            sim.handle(ClusterEvent::Timer);
        }
        Step::Store { timeout, is_followed } => {
            sim.store(timeout);
            if is_followed {
                sim.apply();
            }
        }
        Step::StoreFor { timeout, millis } => {
            let until = sim.wall() + millis;
            sim.store_until(timeout, Some(until));
            sim.apply();
        }
        Step::End => {
            sim.store_end();
            sim.apply_for(Initiator::Expiry, sim.revision());
        }
        Step::Apply => drop(sim.apply()),
        Step::ApplyEarlier(ago) => {
            let revision = sim.revision().saturating_sub(ago);
            sim.apply_for(Initiator::Operator, revision);
        }
        Step::Read => drop(sim.request(Request::ReadRest(id()))),
        Step::ReadInside => drop(sim.request(Request::ReadAgent(id()))),
        Step::List => drop(sim.request(Request::List)),
        Step::Foreign(timeout) => sim.job.timeout = timeout,
        Step::Restart => sim.restart(),
        Step::Coordinator(is_there) => sim.job.has_coordinator = is_there,
        Step::ProcessEnds => sim.handle(ClusterEvent::ProcessEnded(jvm())),
        Step::Up(is_up) => sim.is_up = is_up,
        Step::Listed(is_listed) => sim.job.is_listed = is_listed,
        Step::Pause(true) => sim.pause(Some("reconcile is paused")),
        Step::Pause(false) => sim.pause(None),
    }
}

proptest! {
    #[test]
    fn random_orders_keep_invariants(steps in steps(), is_native in any::<bool>()) {
        let mut sim = Sim::new();
        sim.is_native = is_native;
        for step in &steps {
            take(&mut sim, step);
        }
        // Everything comes to rest while the cluster is as it is, and every request is answered.
        sim.deliver_all();
        sim.advance(Sim::long());
        sim.deliver_all();
        for request in sim.asked.keys() {
            prop_assert!(sim.replies.contains_key(request), "{:?} has no reply", sim.asked[request]);
        }
        // An acknowledged override is in force, or reported as not.
        if sim.records.contains_key(&id()) {
            let is_in_force = sim.job.timeout == sim.wanted();
            match sim.status() {
                Some(OverrideState::Applied) => prop_assert!(is_in_force, "it is shown as applied"),
                status => prop_assert!(status.is_some(), "it is checked"),
            }
            let is_reachable = sim.is_up && sim.job.has_coordinator && sim.job.is_listed;
            let is_hindered = sim.pause.is_some() || sim.status() == Some(OverrideState::Conflict);
            prop_assert!(is_in_force || !is_reachable || is_hindered, "{:?}", sim.facts().keeper);
        }
    }
}
