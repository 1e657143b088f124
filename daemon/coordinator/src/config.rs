//! The configuration in its three forms. [`EffectiveConfig::of`] is the one place where the third is
//! made of the first two.

use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// The longest min-pause that counts (rule 2): 365 days.
pub const LONGEST_MIN_PAUSE: Duration = Duration::from_secs(365 * 86_400);

/// How many consecutive failures a job survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerable {
    /// This many; the next one is too many (rule 33).
    AtMost(u32),
    /// Any number (Flink: `Integer.MAX_VALUE`).
    Unlimited,
}

/// What tasks promise about a record that is read between two checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It shows in the state once.
    #[default]
    ExactlyOnce,
    /// It shows in the state once or more often.
    AtLeastOnce,
}

/// Which checkpoints outlive their job (rule 30).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetentionPolicy {
    /// None.
    #[default]
    NeverRetain,
    /// Those of a job that failed.
    RetainOnFailure,
    /// Those of a job that was cancelled, failed or suspended.
    RetainOnCancellation,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// It had no more work.
    Finished,
    /// It was cancelled.
    Canceled,
    /// It failed for good.
    Failed,
}

impl RetentionPolicy {
    /// Whether the completed checkpoints stay when the job ends like this (rule 30).
    #[must_use]
    pub fn retains(self, end: JobEnd) -> bool {
        match (self, end) {
            (_, JobEnd::Finished) | (Self::NeverRetain, _) => false,
            (Self::RetainOnFailure, end) => end == JobEnd::Failed,
            (Self::RetainOnCancellation, JobEnd::Canceled | JobEnd::Failed) => true,
        }
    }
}

/// The configuration as it was submitted. It never changes. Values that Flink refuses (rule 1)
/// cannot be written down in these types; defaults are those of rule 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedConfig {
    /// How often; `None` for a job without periodic checkpoints (rule 3).
    pub interval: Option<CheckpointInterval>,
    /// How long a checkpoint may take.
    pub timeout: CheckpointTimeout,
    /// The shortest pause between a completion and the next periodic trigger.
    pub min_pause: Duration,
    /// How many may be in flight.
    pub max_concurrent: NonZeroU32,
    /// How many consecutive failures the job survives.
    pub tolerable_failures: Tolerable,
    /// How many completed checkpoints are kept.
    pub retained: NonZeroUsize,
    /// What tasks promise.
    pub mode: Mode,
    /// What is kept after the job's end.
    pub retention_policy: RetentionPolicy,
}

impl Default for SubmittedConfig {
    fn default() -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self {
            interval: None,
            timeout: CheckpointTimeout::new(ten_minutes).unwrap_or_else(|_| unreachable!("within bounds")),
            min_pause: Duration::ZERO,
            max_concurrent: NonZeroU32::MIN,
            tolerable_failures: Tolerable::AtMost(0),
            retained: NonZeroUsize::MIN,
            mode: Mode::default(),
            retention_policy: RetentionPolicy::default(),
        }
    }
}

/// What an operator changed since. It is a small record of its own; the submitted configuration is
/// never rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Override {
    /// Instead of the submitted interval.
    pub interval: Option<CheckpointInterval>,
    /// Instead of the submitted timeout.
    pub timeout: Option<CheckpointTimeout>,
}

impl Override {
    /// Whether nothing is overridden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The configuration in force. It is made by [`EffectiveConfig::of`] alone, so its two values always
/// belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveConfig {
    interval: Option<Duration>,
    timeout: Duration,
    min_pause: Duration,
}

impl EffectiveConfig {
    /// What is in force when `overridden` stands over `submitted`. An interval below min-pause is
    /// raised to it (rule 2), for overrides too. A job without periodic checkpoints stays one.
    #[must_use]
    pub fn of(submitted: &SubmittedConfig, overridden: &Override) -> Self {
        let min_pause = submitted.min_pause.min(LONGEST_MIN_PAUSE);
        let interval = submitted.interval.map(|own| overridden.interval.unwrap_or(own).get().max(min_pause));
        let timeout = overridden.timeout.unwrap_or(submitted.timeout).get();
        Self { interval, timeout, min_pause }
    }

    /// The interval; `None` without periodic checkpoints.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// The timeout, counted from the creation of a checkpoint.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The min-pause.
    #[must_use]
    pub fn min_pause(&self) -> Duration {
        self.min_pause
    }
}
