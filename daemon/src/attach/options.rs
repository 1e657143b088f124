//! The JVM options that forbid an attach, found where a JVM takes options from.

use procfs::process::Process;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

/// The variables that hold options, in the order in which a JVM takes them with its command line between.
const BEFORE: [&str; 2] = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"];
const AFTER: &str = "_JAVA_OPTIONS";

/// Where no attach is possible: what switches it off, and whether that is an option that is on or off.
const FORBIDDING: [(&str, bool); 2] =
    [("DisableAttachMechanism", true), ("EnableDynamicAgentLoading", false)];

/// The option in force that forbids an attach, as it is written, and where it is.
pub(super) fn forbidding(process: &Process) -> Option<(String, &'static str)> {
    let environment = process.environ().unwrap_or_default();
    let of = |name: &'static str| {
        let words = environment.iter().find(|(key, _)| key.as_bytes() == name.as_bytes());
        let words = words.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default();
        words.split_whitespace().map(|word| (word.to_owned(), name)).collect::<Vec<_>>()
    };
    let mut words: Vec<_> = BEFORE.into_iter().flat_map(of).collect();
    words.extend(command_line(process).into_iter().map(|word| (word, "its command line")));
    words.extend(of(AFTER));
    FORBIDDING.into_iter().find_map(|(option, bad)| {
        let (last, place) = words.iter().rfind(|(word, _)| setting(word, option).is_some())?;
        (setting(last, option) == Some(bad)).then(|| (last.clone(), *place))
    })
}

/// What a word says about an option, if anything.
fn setting(word: &str, option: &str) -> Option<bool> {
    let word = word.trim_matches(['"', '\'']).strip_prefix("-XX:")?;
    match (word.strip_prefix('+'), word.strip_prefix('-')) {
        (Some(on), _) if on == option => Some(true),
        (_, Some(off)) if off == option => Some(false),
        _ => None,
    }
}

/// The words of a command line; none when it may not be read or the process has ended.
pub(super) fn command_line(process: &Process) -> Vec<String> {
    let mut line = Vec::new();
    let read = process.open_relative("cmdline").map(|mut file| file.read_to_end(&mut line));
    match read {
        Ok(Ok(_)) => line
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_option_counts() {
        assert_eq!(setting("-XX:+DisableAttachMechanism", "DisableAttachMechanism"), Some(true));
        assert_eq!(setting("'-XX:-DisableAttachMechanism'", "DisableAttachMechanism"), Some(false));
        assert_eq!(setting("-XX:+DisableAttachMechanismX", "DisableAttachMechanism"), None);
        assert_eq!(setting("-DDisableAttachMechanism", "DisableAttachMechanism"), None);
    }
}
