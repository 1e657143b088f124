//! The one door to time. Everything else is handed `now`.
//!
//! The monotonic clock is tokio's, so a test that pauses tokio's time simulates every deadline.

use ckpt_coordinator::Monotonic;
use ckpt_types::duration::millis;
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A monotonic clock with an origin of its own.
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
        Moment { monotonic: Monotonic::new(self.origin.elapsed()), since_epoch: since_epoch() }
    }

    /// The instant at which `moment` is reached, for sleeping until then.
    #[must_use]
    pub fn instant(&self, moment: Monotonic) -> Instant {
        self.origin + moment.since(Monotonic::default())
    }
}

/// One moment on both clocks: the monotonic one decides, the wall clock is only written down.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For deadlines and durations.
    pub monotonic: Monotonic,
    /// For people.
    since_epoch: Duration,
}

impl Moment {
    /// A moment at which the wall clock shows this time since the epoch.
    #[must_use]
    pub const fn new(monotonic: Monotonic, since_epoch: Duration) -> Self {
        Self { monotonic, since_epoch }
    }

    /// What the wall clock shows, in milliseconds since the epoch.
    #[must_use]
    pub fn wall_millis(&self) -> u64 {
        millis(self.since_epoch)
    }

    /// What the wall clock shows at `other`, seen from now.
    #[must_use]
    pub fn wall_at(&self, other: Monotonic) -> u64 {
        let later = self.since_epoch + other.since(self.monotonic);
        millis(later.saturating_sub(self.monotonic.since(other)))
    }
}

/// Milliseconds on `CLOCK_MONOTONIC`, which other processes of this machine read alike; for deadlines that
/// they are told. Pausing tokio's time does not pause it.
#[must_use]
pub fn machine_millis() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    millis(Duration::try_from(now).unwrap_or(Duration::ZERO))
}

/// Milliseconds since the epoch.
#[must_use]
pub fn wall_millis() -> u64 {
    millis(since_epoch())
}

fn since_epoch() -> Duration {
    if let Some((at, origin)) = SIMULATED.get() {
        return at + origin.elapsed();
    }
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

thread_local! {
    /// The wall clock of a test: what it showed, and when on tokio's clock.
    static SIMULATED: Cell<Option<(Duration, Instant)>> = const { Cell::new(None) };
}

/// Lets this thread's wall clock go with tokio's, from `millis` since the epoch on: what ends at a time of day can
/// be tested with time that is paused. Called again, the clock jumps.
pub fn simulate_wall_clock(millis: u64) {
    SIMULATED.set(Some((Duration::from_millis(millis), Instant::now())));
}
