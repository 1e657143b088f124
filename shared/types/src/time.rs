//! Points in time as plain values; reading a clock is the business of `ckpt-clock`.

use crate::duration::millis;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a monotonic clock, counted from an origin of the clock's own.
///
/// Wall clocks jump; deadlines are counted on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The point `since_origin` after the clock's origin.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// Time since `earlier`; zero if it is still to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl Sub for Monotonic {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// A point in time on both clocks. The monotonic one decides; the wall clock is only written down.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For deadlines and durations.
    pub monotonic: Monotonic,
    since_epoch: Duration,
}

impl Moment {
    /// A moment at which the wall clock shows this time since the epoch.
    #[must_use]
    pub const fn new(monotonic: Monotonic, since_epoch: Duration) -> Self {
        Self { monotonic, since_epoch }
    }

    /// Wall-clock time in milliseconds since the epoch.
    #[must_use]
    pub fn wall_millis(&self) -> u64 {
        millis(self.since_epoch)
    }

    /// Wall-clock time of `other`, seen from this moment, in milliseconds since the epoch.
    #[must_use]
    pub fn wall_at(&self, other: Monotonic) -> u64 {
        let later = self.since_epoch + other.since(self.monotonic);
        millis(later.saturating_sub(self.monotonic.since(other)))
    }
}
