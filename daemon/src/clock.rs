//! The one door to time. Everything else is handed `now`.
//!
//! The monotonic clock is tokio's, so a test that pauses tokio's time simulates every deadline.

use ckpt_coordinator::Monotonic;
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
        Moment { monotonic: Monotonic::new(self.origin.elapsed()), wall_millis: wall_millis() }
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
    /// For people: milliseconds since the epoch.
    pub wall_millis: u64,
}

impl Moment {
    /// What the wall clock shows at `other`, seen from now.
    #[must_use]
    pub fn wall_at(&self, other: Monotonic) -> u64 {
        let later = ckpt_shared::duration::millis(other.since(self.monotonic));
        let earlier = ckpt_shared::duration::millis(self.monotonic.since(other));
        (self.wall_millis + later).saturating_sub(earlier)
    }
}

/// Milliseconds since the epoch.
#[must_use]
pub fn wall_millis() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    ckpt_shared::duration::millis(since_epoch)
}
