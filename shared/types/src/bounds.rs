//! The two values that can be changed while a job runs, within their bounds by construction.

use crate::duration::{self, DurationError, Exact};
use std::fmt;
use std::time::Duration;

/// The shortest interval or timeout: 10 ms, Flink's floor.
pub const SHORTEST: Duration = Duration::from_millis(10);
/// The longest interval or timeout: 365 days.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Why a value cannot be an interval or a timeout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// The text is no duration at all.
    #[error(transparent)]
    Text(#[from] DurationError),
    /// Below 10 ms.
    #[error("{} is too short for a checkpoint {what}; the shortest is 10ms", Exact(*.given))]
    TooShort {
        /// `interval` or `timeout`.
        what: &'static str,
        /// What was given.
        given: Duration,
    },
    /// Above 365 days.
    #[error("{} is too long for a checkpoint {what}; the longest is 365d", Exact(*.given))]
    TooLong {
        /// `interval` or `timeout`.
        what: &'static str,
        /// What was given.
        given: Duration,
    },
}

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Duration);

        impl $name {
            /// Takes a duration from 10 ms to 365 days, in whole milliseconds (a rest is cut off).
            ///
            /// # Errors
            /// [`BoundsError`] outside these bounds.
            pub fn new(given: Duration) -> Result<Self, BoundsError> {
                if given < SHORTEST {
                    Err(BoundsError::TooShort { what: $what, given })
                } else if given > LONGEST {
                    Err(BoundsError::TooLong { what: $what, given })
                } else {
                    Ok(Self(Duration::from_millis(duration::millis(given))))
                }
            }

            /// Takes milliseconds, as JSON has them.
            ///
            /// # Errors
            /// As [`Self::new`].
            pub fn from_millis(millis: u64) -> Result<Self, BoundsError> {
                Self::new(Duration::from_millis(millis))
            }

            /// The duration itself.
            #[must_use]
            pub fn get(self) -> Duration {
                self.0
            }

            /// Whole milliseconds.
            #[must_use]
            pub fn as_millis(self) -> u64 {
                duration::millis(self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BoundsError;
            fn from_str(text: &str) -> Result<Self, BoundsError> {
                Self::new(duration::parse(text)?)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Exact(self.0).fmt(f)
            }
        }
    };
}

bounded!(
    /// How often a checkpoint is triggered.
    CheckpointInterval,
    "interval"
);
bounded!(
    /// How long a checkpoint may take before it is thrown away.
    CheckpointTimeout,
    "timeout"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_belong_to_the_range() {
        assert!(CheckpointTimeout::from_millis(9).is_err());
        assert!(CheckpointTimeout::from_millis(10).is_ok());
        assert!(CheckpointInterval::new(LONGEST).is_ok());
        let error = "366d".parse::<CheckpointInterval>().unwrap_err();
        assert_eq!(error.to_string(), "366d is too long for a checkpoint interval; the longest is 365d");
    }
}
