//! Whatever happens to a coordinator, in whatever order, [`model::Model`] holds after every step.
#![allow(missing_docs, clippy::unwrap_used)]

mod actions;
mod model;
mod seen;

use ckpt_coordinator::config::{JobEnd, Override, RetentionPolicy, SubmittedConfig, Tolerable};
use ckpt_coordinator::reason::FailureReason;
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use model::Model;
use proptest::prelude::*;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// Something that happens. Checkpoints, subtasks and pieces of work are chosen by a number.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Checkpoint,
    Savepoint,
    Acknowledge {
        which: usize,
        by: usize,
        wrong_job: bool,
    },
    AcknowledgeAll {
        which: usize,
    },
    Decline {
        which: usize,
        by: usize,
        reason: FailureReason,
        wrong_job: bool,
    },
    Update {
        overridden: Override,
        pull_in: bool,
    },
    Suspend,
    TasksRunning {
        spread: u32,
    },
    /// Time passes; the coordinator is woken whenever it wants, only at the end, or not at all.
    Pass {
        by: Duration,
        awake: Awake,
    },
    /// The host has done one piece of its work.
    Work {
        which: usize,
        well: bool,
    },
    /// The host has done all of its work.
    AllWork,
    /// The host answers what it was not asked.
    Nonsense {
        which: usize,
        finalize: bool,
    },
    Cleaned {
        which: usize,
    },
    Shutdown {
        end: Option<JobEnd>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awake {
    Always,
    AtTheEnd,
    Never,
}

fn intervals() -> impl Strategy<Value = CheckpointInterval> {
    (10_u64..2_000).prop_map(|millis| CheckpointInterval::from_millis(millis).unwrap())
}

fn timeouts() -> impl Strategy<Value = CheckpointTimeout> {
    prop_oneof![4 => 10_u64..2_000, 1 => 2_000_u64..1_000_000]
        .prop_map(|millis| CheckpointTimeout::from_millis(millis).unwrap())
}

fn submitted() -> impl Strategy<Value = SubmittedConfig> {
    let tolerable = prop_oneof![(0_u32..4).prop_map(Tolerable::AtMost), Just(Tolerable::Unlimited)];
    let min_pause = prop_oneof![Just(0_u64), 0_u64..1_500];
    let policy = prop_oneof![
        Just(RetentionPolicy::NeverRetain),
        Just(RetentionPolicy::RetainOnFailure),
        Just(RetentionPolicy::RetainOnCancellation),
    ];
    let interval = proptest::option::weighted(0.8, intervals());
    (interval, timeouts(), min_pause, 1_u32..=3, tolerable, 1_usize..=3, policy).prop_map(
        |(interval, timeout, min_pause, max_concurrent, tolerable_failures, retained, retention_policy)| {
            SubmittedConfig {
                interval,
                timeout,
                min_pause: Duration::from_millis(min_pause),
                max_concurrent: NonZeroU32::new(max_concurrent).unwrap(),
                tolerable_failures,
                retained: NonZeroUsize::new(retained).unwrap(),
                retention_policy,
                ..SubmittedConfig::default()
            }
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    use Step::{Acknowledge, Decline, Nonsense, Pass, Update, Work};
    let which = || 0_usize..12;
    let rarely = || proptest::bool::weighted(0.1);
    let passing = prop_oneof![
        6 => (0_u64..500).prop_map(Duration::from_millis),
        3 => (0_u64..3_000_000).prop_map(Duration::from_micros),
        1 => (0_u64..30 * 86_400).prop_map(Duration::from_secs),
    ];
    let awake = prop_oneof![3 => Just(Awake::Always), 2 => Just(Awake::AtTheEnd), 1 => Just(Awake::Never)];
    let overridden = (proptest::option::of(intervals()), proptest::option::of(timeouts()))
        .prop_map(|(interval, timeout)| Override { interval, timeout });
    let ends = prop_oneof![Just(JobEnd::Finished), Just(JobEnd::Canceled), Just(JobEnd::Failed)];
    prop_oneof![
        60 => Just(Step::Checkpoint),
        40 => Just(Step::Savepoint),
        80 => (which(), 0_usize..5, rarely())
            .prop_map(|(which, by, wrong_job)| Acknowledge { which, by, wrong_job }),
        80 => which().prop_map(|which| Step::AcknowledgeAll { which }),
        30 => (which(), 0_usize..5, proptest::sample::select(FailureReason::ALL), rarely())
            .prop_map(|(which, by, reason, wrong_job)| Decline { which, by, reason, wrong_job }),
        60 => (overridden, any::<bool>()).prop_map(|(overridden, pull_in)| Update { overridden, pull_in }),
        12 => Just(Step::Suspend),
        40 => any::<u32>().prop_map(|spread| Step::TasksRunning { spread }),
        100 => (passing, awake).prop_map(|(by, awake)| Pass { by, awake }),
        120 => (which(), proptest::bool::weighted(0.9)).prop_map(|(which, well)| Work { which, well }),
        50 => Just(Step::AllWork),
        10 => (which(), any::<bool>()).prop_map(|(which, finalize)| Nonsense { which, finalize }),
        40 => which().prop_map(|which| Step::Cleaned { which }),
        2 => proptest::option::of(ends).prop_map(|end| Step::Shutdown { end }),
    ]
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(640), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_promises_hold_whatever_happens(
        submitted in submitted(),
        fresh in any::<bool>(),
        running in any::<bool>(),
        steps in proptest::collection::vec(steps(), 1..120),
    ) {
        let mut model = Model::new(submitted, fresh);
        if running {
            model.step(&Step::TasksRunning { spread: u32::MAX / 3 });
        }
        for step in &steps {
            model.step(step);
        }
        model.finish();
    }
}
