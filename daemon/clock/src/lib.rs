//! The clock of the daemon, passed to whatever needs the time. No other crate of the daemon reads one.
//!
//! The monotonic clock is tokio's, so a test that pauses tokio's time simulates every deadline. With the feature
//! `test-util`, tests also set the wall clock of their thread.

pub use ckpt_types::time::{Moment, Monotonic};

use ckpt_types::duration::millis;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

#[cfg(feature = "test-util")]
pub use simulated::simulate_wall_clock;

/// A monotonic clock with an origin of its own, and the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::new(Monotonic::new(self.origin.elapsed()), since_epoch())
    }

    /// Wall-clock time in milliseconds since the epoch.
    #[must_use]
    pub fn wall_millis(&self) -> u64 {
        millis(since_epoch())
    }

    /// The instant at which `moment` is reached, for sleeping until then.
    #[must_use]
    pub fn instant(&self, moment: Monotonic) -> Instant {
        self.origin + moment.since(Monotonic::default())
    }
}

/// Milliseconds on `CLOCK_MONOTONIC`, which all processes of this machine read alike; for deadlines that are sent
/// to them. Pausing tokio's time does not pause it.
#[must_use]
pub fn machine_millis() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    millis(Duration::try_from(now).unwrap_or(Duration::ZERO))
}

/// Wall-clock time in milliseconds since the epoch, for tests; the daemon is passed a [`Clock`].
#[cfg(feature = "test-util")]
#[must_use]
pub fn wall_millis() -> u64 {
    millis(since_epoch())
}

fn since_epoch() -> Duration {
    #[cfg(feature = "test-util")]
    if let Some(simulated) = simulated::since_epoch() {
        return simulated;
    }
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

#[cfg(feature = "test-util")]
mod simulated {
    use std::cell::Cell;
    use std::time::Duration;
    use tokio::time::Instant;

    thread_local! {
        /// Time since the epoch that a test has set, and when on tokio's clock.
        static SIMULATED: Cell<Option<(Duration, Instant)>> = const { Cell::new(None) };
    }

    /// Sets this thread's wall clock to `millis` since the epoch; from then on it goes with tokio's time, which a
    /// test can pause. Called again, the clock jumps.
    pub fn simulate_wall_clock(millis: u64) {
        SIMULATED.set(Some((Duration::from_millis(millis), Instant::now())));
    }

    pub(super) fn since_epoch() -> Option<Duration> {
        SIMULATED.get().map(|(set, at)| set + at.elapsed())
    }
}
