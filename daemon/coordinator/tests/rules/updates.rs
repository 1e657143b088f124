//! FLIP-571: the interval, both values together, clearing, and dry runs. Rule 7 has no input here, but
//! its two clauses are those of `pull_in`.

use crate::sim::*;
use ckpt_coordinator::config::{EffectiveConfig, Override, SubmittedConfig, Tolerable};
use ckpt_coordinator::{Event, Start};
use ckpt_types::outcome::Outcome;

fn new_interval(millis: u64) -> Override {
    Override { interval: Some(interval(millis)), timeout: None }
}

#[test]
fn update_interval_holds_from_the_next_cycle() {
    for changed in [20, 500] {
        let mut sim = Sim::running(every(100));
        sim.skip_to(30);
        assert!(sim.update(new_interval(changed)).1.is_empty());
        assert_eq!(sim.next_trigger(), Some(100), "the scheduled trigger stays");
        assert_eq!(created(&sim.run_to(100)), [1]);
        assert_eq!(sim.next_trigger(), Some(100 + changed));
    }
}

#[test]
fn update_pull_in_brings_the_trigger_forward() {
    let mut sim = Sim::running(every(1_000));
    sim.skip_to(300);
    sim.update_and_pull(new_interval(50), true);
    assert_eq!((sim.next_trigger(), sim.coordinator.next_wakeup()), (Some(350), Some(at(350))));
    assert!(created(&sim.run_to(349)).is_empty());
    assert_eq!(created(&sim.run_to(350)), [1]);
    assert_eq!(sim.next_trigger(), Some(400));
}

#[test]
fn update_pull_in_never_moves_the_trigger_back() {
    for changed in [71, 100, 5_000] {
        let mut sim = Sim::running(every(100));
        sim.skip_to(30);
        sim.update_and_pull(new_interval(changed), true);
        assert_eq!(sim.next_trigger(), Some(100));
    }
    let mut sim = Sim::running(every(100));
    sim.skip_to(30);
    sim.update_and_pull(new_interval(69), true);
    assert_eq!(sim.next_trigger(), Some(99), "by 1 ms");
}

#[test]
fn update_longer_interval_never_moves_a_scheduled_trigger() {
    let mut sim = Sim::running(every(100));
    for (millis, longer) in [(10, 200), (50, 10_000), (99, 3_600_000)] {
        sim.skip_to(millis);
        sim.update_and_pull(new_interval(longer), millis == 50);
        assert_eq!(sim.next_trigger(), Some(100));
    }
    assert_eq!(created(&sim.sleep_to(100)), [1]);
}

#[test]
fn update_pull_in_does_not_start_a_stopped_scheduler() {
    let mut sim = Sim::new(every(1_000));
    sim.update_and_pull(new_interval(50), true);
    assert_eq!(sim.coordinator.next_wakeup(), None);
    sim.tasks_running(u32::MAX);
    assert_eq!(sim.next_trigger(), Some(50), "it starts with what is in force");
    sim.send(Event::Suspend);
    sim.update_and_pull(new_interval(20), true);
    assert_eq!(sim.coordinator.next_wakeup(), None);
}

#[test]
fn update_interval_below_min_pause_is_clamped_and_the_raw_value_kept() {
    let mut sim = Sim::running(SubmittedConfig { min_pause: ms(80), ..every(100) });
    sim.update_and_pull(new_interval(10), true);
    assert_eq!(sim.view().overridden, new_interval(10));
    assert_eq!(sim.view().effective.interval(), Some(ms(80)));
    assert_eq!(sim.next_trigger(), Some(80));
    sim.run_to(80);
    assert_eq!(sim.next_trigger(), Some(160));
}

#[test]
fn update_both_values_change_in_one_step() {
    let submitted = SubmittedConfig { tolerable_failures: Tolerable::Unlimited, ..every(1_000) };
    let mut sim = Sim::running(submitted.clone());
    sim.checkpoint(1);
    sim.skip_to(60);
    let both = Override { interval: Some(interval(200)), timeout: Some(timeout(500)) };
    sim.update_and_pull(both, true);
    let view = sim.view();
    assert_eq!((view.overridden, view.effective), (both, EffectiveConfig::of(&submitted, &both)));
    assert_eq!((view.effective.interval(), view.effective.timeout()), (Some(ms(200)), ms(500)));
    assert_eq!((view.next_trigger, view.in_flight[0].remaining), (Some(at(260)), Some(ms(440))));
    let previous = EffectiveConfig::of(&submitted, &Override::default());
    assert_eq!((previous.interval(), previous.timeout()), (Some(ms(1_000)), ms(3_600_000)));
}

#[test]
fn update_clearing_goes_back_to_what_was_submitted() {
    let mut sim = Sim::running(every(1_000));
    sim.checkpoint(1);
    let both = Override { interval: Some(interval(200)), timeout: Some(timeout(500)) };
    sim.update(both);
    sim.skip_to(100);

    sim.update(Override { timeout: None, ..both });
    assert_eq!(sim.seen(1).remaining, Some(ms(3_599_900)), "for what is in flight too");
    assert_eq!(sim.view().effective.interval(), Some(ms(200)), "the other one stays");

    let (updates, _) = sim.update(Override::default());
    assert_eq!(updates[0].outcome, Outcome::Unchanged);
    let view = sim.view();
    assert!(view.overridden.is_empty());
    assert_eq!(view.effective, EffectiveConfig::of(sim.coordinator.submitted(), &Override::default()));
    assert_eq!(sim.next_trigger(), Some(1_000));
}

#[test]
fn update_never_rewrites_what_was_submitted() {
    let submitted = every(1_000);
    let mut sim = Sim::running(submitted.clone());
    sim.update(Override { interval: Some(interval(200)), timeout: Some(timeout(500)) });
    assert_eq!(*sim.coordinator.submitted(), submitted);
}

#[test]
fn update_from_the_start_is_in_force_from_the_first_moment() {
    let overridden = Override { interval: Some(interval(200)), timeout: Some(timeout(500)) };
    let mut sim = Sim::from(Start { overridden, ..fresh(every(1_000)) });
    assert_eq!(sim.view().overridden, overridden);
    sim.tasks_running(u32::MAX);
    sim.checkpoint(1);
    assert_eq!(sim.coordinator.next_wakeup(), Some(at(200)));
    assert_eq!(sim.seen(1).remaining, Some(ms(500)));
}

#[test]
fn update_holds_for_later_checkpoints() {
    let mut sim = Sim::new(by_hand());
    sim.update(Override { interval: None, timeout: Some(timeout(5_000)) });
    sim.skip_to(100);
    sim.checkpoint(1);
    assert!(failed(&sim.run_to(5_099)).is_empty());
    assert_eq!(failed(&sim.run_to(5_100)).len(), 1);
}

#[test]
fn update_done_to_a_clone_leaves_the_original_untouched() {
    let mut sim = Sim::running(every(1_000));
    sim.checkpoint(1);
    sim.checkpoint(2);
    sim.skip_to(400);
    let (before, wakeup) = (sim.view(), sim.coordinator.next_wakeup());

    let both = Override { interval: Some(interval(200)), timeout: Some(timeout(300)) };
    let mut dry_run = sim.clone();
    let (foreseen, actions) = dry_run.update_and_pull(both, true);
    assert_eq!(foreseen[0].outcome, Outcome::Expired);
    assert_eq!((failed(&actions).len(), job_failures(&actions).len()), (1, 1));

    assert_eq!((sim.view(), sim.coordinator.next_wakeup()), (before, wakeup));
    let (happened, really) = sim.update_and_pull(both, true);
    assert_eq!((happened, really), (foreseen, actions), "and it tells what then happens");
}

#[test]
fn update_leaves_the_failure_counter_alone() {
    let submitted = SubmittedConfig { tolerable_failures: Tolerable::AtMost(5), ..every(1_000) };
    let mut sim = Sim::running(submitted);
    sim.checkpoint(1);
    sim.decline(1, ckpt_coordinator::reason::FailureReason::CheckpointDeclined);
    sim.update(Override { interval: Some(interval(200)), timeout: Some(timeout(300)) });
    assert_eq!(sim.consecutive(), 1);
    sim.update(Override::default());
    assert_eq!(sim.consecutive(), 1);
}
