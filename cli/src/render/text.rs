//! Names, times and numbers as text.

use super::NONE;
use ckpt_types::duration::{Exact, Rough};
use jiff::Timestamp;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A number of milliseconds, exactly.
pub(crate) fn exact(millis: u64) -> String {
    Exact(Duration::from_millis(millis)).to_string()
}

/// The same, if it is known.
pub(crate) fn exact_or_none(millis: Option<u64>) -> String {
    millis.map_or_else(|| NONE.to_owned(), exact)
}

/// A number of milliseconds, as precisely as a reader needs.
pub(crate) fn rough(millis: u64) -> String {
    Rough(Duration::from_millis(millis)).to_string()
}

/// As much of a text as fits, with a sign that there was more.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// `in 5.9s`, as seen at `now`.
pub(crate) fn due(at: Option<u64>, now: u64) -> String {
    match at {
        None => NONE.to_owned(),
        Some(at) if at <= now => "now".to_owned(),
        Some(at) => format!("in {}", rough(at - now)),
    }
}

/// Whole percent, rounded down: 100% only when all are there.
pub(crate) fn percent(part: u32, whole: u32) -> u64 {
    u64::from(part) * 100 / u64::from(whole.max(1))
}

/// As much of a name as fits: its beginning and its end, which tell it from others, with a sign in between.
pub(crate) fn cut_middle(name: &str, width: usize) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    let tail_width = width.saturating_sub(1) / 2;
    let mut used = 0;
    let is_tail = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= tail_width
    };
    let tail: Vec<char> = name.chars().rev().take_while(is_tail).collect();
    let tail: String = tail.into_iter().rev().collect();
    // `cut` counts the sign.
    format!("{}{tail}", cut(name, width - tail.width()))
}

/// How long something that was seen at `at` has been old, in whole seconds.
pub(crate) fn age(at: u64, now: u64) -> String {
    let millis = now.saturating_sub(at) / 1_000 * 1_000;
    if millis < 60_000 { exact(millis) } else { rough(millis) }
}

/// The time of day in UTC, with the date if it is another day's.
pub(crate) fn at(millis: u64, now: u64) -> String {
    const DAY: u64 = 86_400_000;
    let format = if millis / DAY == now / DAY { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    utc(i64::try_from(millis).unwrap_or(-1), format)
}

/// A number of bytes.
pub(crate) fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let Ok(bytes) = u64::try_from(bytes) else {
        return NONE.to_owned();
    };
    let mut unit = "B";
    let mut tenths = bytes.saturating_mul(10);
    for larger in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1_024;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{}.{} {unit}", tenths / 10, tenths % 10),
    }
}

/// A point in time in UTC, by a format of strftime.
pub(crate) fn utc(millis: i64, format: &str) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(at) if millis >= 0 => at.strftime(format).to_string(),
        _ => NONE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_rounded_down() {
        for (bytes, text) in [
            (-1, "<none>"),
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_288_490_189, "1.2 GiB"),
            (i64::MAX, "1638.3 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((percent(19, 20), percent(999, 1000), percent(0, 0)), (95, 99, 0));
    }

    #[test]
    fn a_cut_text_fits_also_when_its_letters_are_wide() {
        assert_eq!(cut("checkpoint", 10), "checkpoint");
        assert_eq!(cut("checkpoint", 6), "check…");
        assert_eq!(cut("検査点検査点", 6), "検査…");
        assert_eq!(cut("checkpoint", 0), "");
    }

    #[test]
    fn a_name_keeps_its_beginning_and_its_end() {
        assert_eq!(cut_middle("orders", 6), "orders");
        assert_eq!(cut_middle("insert-into-orders", 9), "inse…ders");
        assert_eq!(cut_middle("insert-into-orders", 8), "inse…ers");
        assert_eq!(cut_middle("検査点検査点", 6), "検…点");
        assert_eq!((cut_middle("orders", 1), cut_middle("orders", 0)), ("…".to_owned(), String::new()));
    }

    #[test]
    fn what_is_old_says_how_old_and_since_when() {
        let seen = 1_790_000_000_000;
        assert_eq!((age(seen, seen + 9_999), age(seen, seen + 40_900)), ("9s".to_owned(), "40s".to_owned()));
        assert_eq!((age(seen, seen - 5), age(seen, seen + 7_500_000)), ("0s".to_owned(), "2h 5m".to_owned()));
        assert_eq!(at(seen, seen + 1_000), "14:13:20");
        assert_eq!(at(seen, seen + 86_400_000), "2026-09-21 14:13:20");
    }

    #[test]
    fn time_is_utc() {
        assert_eq!(utc(1_795_351_753_881, "%Y-%m-%d %H:%M:%S"), "2026-11-22 12:49:13");
        assert_eq!(utc(-1, "%H"), "<none>");
        assert_eq!(due(Some(6_000), 100), "in 5.9s");
    }
}
