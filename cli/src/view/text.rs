//! Names, times and numbers as text.

use ckpt_types::duration::{Exact, Rough};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Placeholder for a value that is absent or unknown.
pub(crate) const NONE: &str = "<none>";

/// Escapes control characters and those that change the direction of text: names, reasons and messages come from
/// other users.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c.is_control() || turns {
            true => _ = write!(cleaned, "{}", c.escape_default()),
            false => cleaned.push(c),
        }
    }
    cleaned
}

/// Options for breaking sentences into lines: never inside a word to be typed, such as `--attach-other-users`.
pub(crate) fn wrapping<'a>(width: usize) -> textwrap::Options<'a> {
    textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation)
}

/// Text in a left-aligned column of this width.
pub(crate) fn column(text: &str, width: usize) -> String {
    let text = cut_middle(text, width);
    let gap = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(gap))
}

/// Text in a right-aligned column of this width.
pub(crate) fn right_column(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// Progress bar that is full only when nothing is missing.
pub(crate) fn bar(part: u64, whole: u64, length: usize) -> String {
    let filled = u128::from(part) * length as u128 / u128::from(whole.max(1));
    let filled = usize::try_from(filled).unwrap_or(length).min(length);
    format!("{}{}", "█".repeat(filled), "░".repeat(length - filled))
}

/// Exact duration of a number of milliseconds.
pub(crate) fn exact(millis: u64) -> String {
    Exact(Duration::from_millis(millis)).to_string()
}

/// Exact duration, or [`NONE`].
pub(crate) fn exact_or_none(millis: Option<u64>) -> String {
    millis.map_or_else(|| NONE.to_owned(), exact)
}

/// Rounded duration of a number of milliseconds.
pub(crate) fn rough(millis: u64) -> String {
    Rough(Duration::from_millis(millis)).to_string()
}

/// Text cut to a width, with an ellipsis at its end.
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

/// Whole percent, rounded down: 100% only when nothing is missing.
pub(crate) fn percent(part: u32, whole: u32) -> u64 {
    u64::from(part) * 100 / u64::from(whole.max(1))
}

/// Name cut to a width: its beginning and its end, which tell it from others, with an ellipsis in between.
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

/// Age in whole seconds of something seen at `at`.
pub(crate) fn age(at: u64, now: u64) -> String {
    let millis = now.saturating_sub(at) / 1_000 * 1_000;
    if millis < 60_000 { exact(millis) } else { rough(millis) }
}

/// Time of day in UTC, with the date if it is another day's.
pub(crate) fn at(millis: u64, now: u64) -> String {
    const DAY: u64 = 86_400_000;
    let format = if millis / DAY == now / DAY { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    utc(i64::try_from(millis).unwrap_or(-1), format)
}

/// Size of a number of bytes.
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

/// Point in time in UTC, in a format of strftime.
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
    fn sizes_and_shares_round_down() {
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
    fn cut_counts_wide_letters() {
        assert_eq!(cut("checkpoint", 10), "checkpoint");
        assert_eq!(cut("checkpoint", 6), "check…");
        assert_eq!(cut("検査点検査点", 6), "検査…");
        assert_eq!(cut("checkpoint", 0), "");
    }

    #[test]
    fn cut_middle_keeps_both_ends() {
        assert_eq!(cut_middle("orders", 6), "orders");
        assert_eq!(cut_middle("insert-into-orders", 9), "inse…ders");
        assert_eq!(cut_middle("insert-into-orders", 8), "inse…ers");
        assert_eq!(cut_middle("検査点検査点", 6), "検…点");
        assert_eq!((cut_middle("orders", 1), cut_middle("orders", 0)), ("…".to_owned(), String::new()));
    }

    #[test]
    fn age_and_time_of_day() {
        let seen = 1_790_000_000_000;
        assert_eq!((age(seen, seen + 9_999), age(seen, seen + 40_900)), ("9s".to_owned(), "40s".to_owned()));
        assert_eq!((age(seen, seen - 5), age(seen, seen + 7_500_000)), ("0s".to_owned(), "2h 5m".to_owned()));
        assert_eq!(at(seen, seen + 1_000), "14:13:20");
        assert_eq!(at(seen, seen + 86_400_000), "2026-09-21 14:13:20");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(utc(1_795_351_753_881, "%Y-%m-%d %H:%M:%S"), "2026-11-22 12:49:13");
        assert_eq!(utc(-1, "%H"), "<none>");
        assert_eq!(due(Some(6_000), 100), "in 5.9s");
    }

    #[test]
    fn clean_escapes_terminal_sequences() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(clean("\u{9b}31m\u{202e}"), "\\u{9b}31m\\u{202e}");
        assert_eq!(clean("Zürich → 二"), "Zürich → 二");
    }

    #[test]
    fn bar_fills_only_when_complete() {
        assert_eq!(bar(19, 20, 10), "█████████░");
        assert_eq!(bar(20, 20, 4), "████");
        assert_eq!(bar(0, 0, 4), "░░░░");
        assert_eq!(bar(u64::MAX, 1, 4), "████");
    }
}
