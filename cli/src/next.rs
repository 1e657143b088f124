//! Commands that are suggested.

use crate::render::text::exact;

/// How long a suggested timeout lasts at least, in milliseconds: long enough for an incident, and not for ever.
const LASTS: u64 = 2 * 3_600_000;
/// It lasts for so many checkpoints that take all of it.
const CHECKPOINTS: u64 = 4;

/// Gives checkpoints of a job more time, for a while; `typed` is what to type for it, `timeout` is in milliseconds.
pub(crate) fn more_time(typed: &str, timeout: u64) -> String {
    let hours = timeout.saturating_mul(CHECKPOINTS).max(LASTS).div_ceil(3_600_000);
    format!("ckptctl set-timeout {typed} {} --for {hours}h", word(timeout))
}

/// A duration as it is typed: one word.
fn word(millis: u64) -> String {
    exact(millis).replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_is_for_an_incident_and_not_for_ever() {
        assert_eq!(more_time("a", 1_500_000), "ckptctl set-timeout a 25m --for 2h");
        assert_eq!(more_time("prod/a", 5_400_000), "ckptctl set-timeout prod/a 1h30m --for 6h");
    }
}
