//! Rules 1 to 5.

use crate::sim::*;
use ckpt_coordinator::config::{
    EffectiveConfig, LONGEST_MIN_PAUSE, Mode, Override, RetentionPolicy, SubmittedConfig, Tolerable,
};
use ckpt_coordinator::{Coordinator, Event, Start};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn effective(submitted: &SubmittedConfig, overridden: Override) -> (Option<Duration>, Duration, Duration) {
    let effective = EffectiveConfig::of(submitted, &overridden);
    (effective.interval(), effective.timeout(), effective.min_pause())
}

/// When the first trigger comes, in nanoseconds.
fn first_trigger(submitted: SubmittedConfig, spread: u32) -> Duration {
    let mut coordinator = Coordinator::new(fresh(submitted));
    coordinator.handle(at(0), Event::TasksRunning { spread });
    coordinator.next_wakeup().unwrap() - at(0)
}

#[test]
fn rule_1_an_interval_below_10_ms_is_refused() {
    assert!(CheckpointInterval::new(Duration::from_nanos(9_999_999)).is_err());
    assert!(CheckpointInterval::from_millis(9).is_err());
    assert_eq!(CheckpointInterval::from_millis(10).unwrap().get(), ms(10));
}

#[test]
fn rule_1_a_timeout_below_10_ms_is_refused() {
    assert!(CheckpointTimeout::new(Duration::from_nanos(9_999_999)).is_err());
    assert!(CheckpointTimeout::from_millis(9).is_err());
    assert_eq!(CheckpointTimeout::from_millis(10).unwrap().get(), ms(10));
}

/// A negative min-pause and a negative tolerable number cannot be written at all.
#[test]
fn rule_1_max_concurrent_below_1_is_refused() {
    assert_eq!(NonZeroU32::new(0), None);
    let lowest = SubmittedConfig { max_concurrent: NonZeroU32::MIN, ..by_hand() };
    let mut sim = Sim::new(lowest);
    assert_eq!(created(&sim.checkpoint(1)), [1]);
}

#[test]
fn rule_2_min_pause_is_capped_at_365_days() {
    assert_eq!(LONGEST_MIN_PAUSE, 365 * DAY);
    for (given, counts) in [(364 * DAY, 364 * DAY), (365 * DAY, 365 * DAY), (366 * DAY, 365 * DAY)] {
        let submitted = SubmittedConfig { min_pause: given, ..every(60_000) };
        let (interval, _, min_pause) = effective(&submitted, Override::default());
        assert_eq!((interval, min_pause), (Some(counts), counts));
    }
}

#[test]
fn rule_2_the_interval_is_raised_to_min_pause() {
    for (interval, counts) in [(4_999, 5_000), (5_000, 5_000), (5_001, 5_001)] {
        let submitted = SubmittedConfig { min_pause: ms(5_000), ..every(interval) };
        assert_eq!(effective(&submitted, Override::default()).0, Some(ms(counts)));
    }
}

/// Flink's coordinator can be handed an interval behind the constructor's back; there is no such way here.
#[test]
fn rule_2_an_override_cannot_bypass_the_clamp() {
    let submitted = SubmittedConfig { min_pause: ms(5_000), ..every(60_000) };
    let overridden = Override { interval: Some(interval(10)), timeout: None };
    assert_eq!(effective(&submitted, overridden).0, Some(ms(5_000)));
    let mut sim = Sim::running(submitted);
    sim.update_and_pull(overridden, true);
    assert_eq!(sim.next_trigger(), Some(5_000));
}

#[test]
fn rule_3_without_an_interval_nothing_is_ever_triggered() {
    let mut sim = Sim::running(by_hand());
    assert_eq!(sim.coordinator.next_wakeup(), None);
    assert_eq!(sim.next_trigger(), None);
    assert!(sim.run_to(10_000_000).is_empty());
}

#[test]
fn rule_3_an_override_does_not_turn_periodic_checkpoints_on() {
    let mut sim = Sim::running(by_hand());
    let overridden = Override { interval: Some(interval(10)), timeout: None };
    sim.update_and_pull(overridden, true);
    assert_eq!(sim.view().effective.interval(), None);
    assert!(sim.run_to(10_000_000).is_empty());
}

/// The ten entries of the history belong to whoever keeps the statistics.
#[test]
fn rule_4_defaults() {
    let submitted = SubmittedConfig::default();
    assert_eq!(submitted.interval, None);
    assert_eq!(submitted.timeout.get(), Duration::from_secs(600));
    assert_eq!(submitted.min_pause, Duration::ZERO);
    assert_eq!(submitted.max_concurrent, NonZeroU32::MIN);
    assert_eq!(submitted.tolerable_failures, Tolerable::AtMost(0));
    assert_eq!(submitted.retained, NonZeroUsize::MIN);
    assert_eq!(submitted.mode, Mode::ExactlyOnce);
    assert_eq!(submitted.retention_policy, RetentionPolicy::NeverRetain);
    assert!(Override::default().is_empty());
    assert_eq!(effective(&submitted, Override::default()), (None, Duration::from_secs(600), Duration::ZERO));
}

#[test]
fn rule_5_the_first_delay_is_uniform_from_min_pause_to_interval() {
    let submitted = SubmittedConfig { min_pause: ms(2_000), ..every(10_000) };
    assert_eq!(first_trigger(submitted.clone(), 0), ms(2_000));
    assert_eq!(first_trigger(submitted.clone(), u32::MAX), ms(10_000));
    for quarter in [1, 2, 3] {
        let delay = first_trigger(submitted.clone(), u32::MAX / 4 * quarter);
        let expected = ms(2_000 + 2_000 * u64::from(quarter));
        assert!(delay.abs_diff(expected) < ms(1), "{delay:?} is not {expected:?}");
    }
}

#[test]
fn rule_5_without_room_the_first_delay_is_min_pause() {
    let submitted = SubmittedConfig { min_pause: ms(20_000), ..every(10_000) };
    for spread in [0, 12_345, u32::MAX] {
        assert_eq!(first_trigger(submitted.clone(), spread), ms(20_000));
    }
}

#[test]
fn rule_5_the_first_delay_uses_the_interval_in_force() {
    let overridden = Override { interval: Some(interval(4_000)), timeout: None };
    let mut sim = Sim::from(Start { overridden, ..fresh(every(10_000)) });
    sim.tasks_running(u32::MAX);
    assert_eq!(sim.next_trigger(), Some(4_000));
}

#[test]
fn rule_5_every_later_start_waits_exactly_min_pause() {
    let mut sim = Sim::running(SubmittedConfig { min_pause: ms(2_000), ..every(10_000) });
    sim.skip_to(500);
    sim.send(Event::Suspend);
    sim.skip_to(700);
    sim.tasks_running(u32::MAX);
    assert_eq!(sim.next_trigger(), Some(2_700));
    assert!(created(&sim.run_to(2_699)).is_empty());
    assert_eq!(created(&sim.run_to(2_700)), [1]);
}

#[test]
fn rule_5_a_job_that_is_restored_waits_exactly_min_pause() {
    let submitted = SubmittedConfig { min_pause: ms(2_000), ..every(10_000) };
    let mut sim = Sim::from(Start { fresh: false, ..fresh(submitted) });
    sim.tasks_running(u32::MAX);
    assert_eq!(sim.next_trigger(), Some(2_000));
}
