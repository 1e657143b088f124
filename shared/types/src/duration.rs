//! Durations as people type and read them.
//!
//! The grammar is small on purpose, because it is typed in a hurry: whole numbers, each followed by
//! one of the units `d`, `h`, `m`, `s`, `ms`, from large to small (`20m`, `1h30m`, `1m 30s`). A bare
//! number has no unit to be sure of, and `M` could be minutes or months: both are refused.

use std::fmt;
use std::time::Duration;

/// Units from large to small, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a duration. Every message says what to type instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was given.
    #[error("a duration is missing; write for example 20m or 1h30m")]
    Empty,
    /// A number without a unit.
    #[error("'{0}' has no unit; write {0}s, {0}m or {0}ms")]
    NoUnit(String),
    /// A minus sign.
    #[error("'{0}' is negative; a duration is written like 20m or 1h30m")]
    Negative(String),
    /// A unit that is not one of the five.
    #[error("'{unit}' in '{text}' is not a unit; the units are d, h, m, s and ms")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// The part that is no unit.
        unit: String,
    },
    /// A unit that comes twice, or after a smaller one.
    #[error("'{0}' repeats a unit or has a larger one after a smaller one; write it like 1h30m")]
    Order(String),
    /// A fraction.
    #[error("'{0}' has a fraction; use a smaller unit, such as 1m30s or 500ms")]
    Fraction(String),
    /// Anything else.
    #[error("'{0}' is not a duration; write for example 20m, 90s or 1h30m")]
    NotADuration(String),
    /// More milliseconds than 64 bits hold.
    #[error("'{0}' is longer than any duration that can be used here")]
    TooLong(String),
}

/// Parses a duration such as `20m` or `1h30m`.
///
/// ```
/// use ckpt_types::duration::{Exact, parse};
/// assert_eq!(Exact(parse("90m")?).to_string(), "1h 30m");
/// assert!(parse("20M").is_err());
/// # Ok::<(), ckpt_types::duration::DurationError>(())
/// ```
///
/// # Errors
/// [`DurationError`] for everything outside the grammar of this module: bare numbers, months and
/// years, negatives, fractions, `inf`, units out of order.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    let owned = || trimmed.to_owned();
    if trimmed.is_empty() {
        return Err(DurationError::Empty);
    }
    if trimmed.starts_with('-') {
        return Err(DurationError::Negative(owned()));
    }
    if trimmed.contains(['.', ',']) {
        return Err(DurationError::Fraction(owned()));
    }
    let mut rest = trimmed;
    let mut total: u64 = 0;
    let mut smaller_than = UNITS.len() + 1;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::NotADuration(owned()));
        }
        let letters = after.len() - after.trim_start_matches(char::is_alphabetic).len();
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            return Err(match number.len() == trimmed.len() {
                true => DurationError::NoUnit(owned()),
                false => DurationError::NotADuration(owned()),
            });
        }
        let Some(place) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit { text: owned(), unit: unit.to_owned() });
        };
        let rank = UNITS.len() - place;
        if rank >= smaller_than {
            return Err(DurationError::Order(owned()));
        }
        smaller_than = rank;
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(UNITS[place].1))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| DurationError::TooLong(owned()))?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total))
}

/// The whole milliseconds of a duration, as JSON carries them.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Shows a duration exactly, to the millisecond: `20m`, `1h 30m`, `9s 12ms`. [`parse`] reads it back.
#[derive(Debug, Clone, Copy)]
pub struct Exact(pub Duration);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = millis(self.0);
        if left == 0 {
            return f.pad("0s");
        }
        let mut parts = Vec::new();
        for (unit, length) in UNITS {
            let count = left / length;
            left %= length;
            if count > 0 {
                parts.push(format!("{count}{unit}"));
            }
        }
        f.pad(&parts.join(" "))
    }
}

/// Shows a duration as precisely as a reader needs: `988ms`, `9.0s`, `47s`, `11m 3s`, `2h 5m`.
///
/// Times that are left are rounded down, so that nobody is promised more than there is.
#[derive(Debug, Clone, Copy)]
pub struct Rough(pub Duration);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = millis(self.0);
        let text = match all {
            0..1_000 => format!("{all}ms"),
            1_000..10_000 => format!("{}.{}s", all / 1_000, all % 1_000 / 100),
            10_000..3_600_000 => Exact(Duration::from_millis(all / 1_000 * 1_000)).to_string(),
            _ => Exact(Duration::from_millis(all / 60_000 * 60_000)).to_string(),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(text: &str) -> u64 {
        millis(parse(text).unwrap())
    }

    #[test]
    fn the_grammar_of_the_command_line() {
        assert_eq!(ms("20m"), 1_200_000);
        assert_eq!(ms("1h30m"), 5_400_000);
        assert_eq!(ms("1h 30m"), 5_400_000);
        assert_eq!(ms("250ms"), 250);
        assert_eq!(ms(" 2d "), 172_800_000);
        assert_eq!(ms("1d2h3m4s5ms"), 93_784_005);
    }

    #[test]
    fn what_is_refused_says_what_to_type() {
        for (text, part) in [
            ("", "missing"),
            ("20", "20s, 20m or 20ms"),
            ("20M", "'M' in '20M' is not a unit"),
            ("1y", "not a unit"),
            ("-5m", "negative"),
            ("inf", "not a duration"),
            ("1.5h", "smaller unit"),
            ("30m1h", "larger one after a smaller"),
            ("1m1m", "repeats"),
            ("1m30", "not a duration"),
            ("m", "not a duration"),
            ("20 m", "not a duration"),
            ("99999999999999999d", "longer"),
            ("20m!", "not a duration"),
            ("二十m", "not a duration"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text:?} gave {message:?}");
        }
    }

    #[test]
    fn rough_rounds_down() {
        let show = |ms| Rough(Duration::from_millis(ms)).to_string();
        assert_eq!(show(988), "988ms");
        assert_eq!(show(9_094), "9.0s");
        assert_eq!(show(47_900), "47s");
        assert_eq!(show(663_999), "11m 3s");
        assert_eq!(show(7_559_999), "2h 5m");
        assert_eq!(Exact(Duration::ZERO).to_string(), "0s");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_what_was_meant(ms in 0u64..=31_536_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&Exact(duration).to_string()), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,24}") {
            let _ = parse(&text);
        }
    }
}
