//! Medians, spreads and the normal distribution. All of it through `libm`, so that every machine finds the
//! same.

use std::time::Duration;

/// Added to every duration, in seconds, before its logarithm is taken: what takes a few milliseconds varies by factors
/// that mean nothing.
const NOISE: f64 = 1.0;

/// A duration on the scale that everything is worked out on: a slow disk multiplies, so differences of these are
/// what is alike.
pub(super) fn scaled(duration: Duration) -> f64 {
    libm::log(duration.as_secs_f64() + NOISE)
}

/// The duration, in seconds, that is so on that scale.
pub(super) fn seconds(scaled: f64) -> f64 {
    (libm::exp(scaled) - NOISE).max(0.0)
}

/// The share of a normal distribution above `z` standard deviations.
pub(super) fn above(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

/// The value in the middle; `None` of nothing.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// A standard deviation that a few outliers do not move, of values around 0.
pub(super) fn spread(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sizes: Vec<f64> = values.map(f64::abs).collect();
    median(&mut sizes).map(|median| 1.4826 * median)
}

/// A number of subtasks or checkpoints.
#[allow(clippy::cast_precision_loss, reason = "nothing here is counted up to 2^52")]
pub(super) fn count(number: usize) -> f64 {
    number as f64
}
