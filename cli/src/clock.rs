//! The one door to the time of day.

use jiff::Timestamp;

/// Now, in milliseconds since the epoch.
pub(crate) fn wall_millis() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}
