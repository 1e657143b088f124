//! JVM options that forbid an attach, read from every place that a JVM takes options from.

use procfs::process::Process;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

/// Variables that hold options, in the order in which a JVM takes them with its command line between.
const VARIABLES_BEFORE: [&str; 2] = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"];
const VARIABLE_AFTER: &str = "_JAVA_OPTIONS";

/// Options that switch attaching off, and the value with which they do.
const FORBIDDING_OPTIONS: [(&str, bool); 2] =
    [("DisableAttachMechanism", true), ("EnableDynamicAgentLoading", false)];

/// Option in force that forbids an attach, as it is written, and the place where it is set.
pub(crate) fn forbidding(process: &Process) -> Option<(String, &'static str)> {
    let environment = process.environ().unwrap_or_default();
    let of = |name: &'static str| {
        let words = environment.iter().find(|(key, _)| key.as_bytes() == name.as_bytes());
        let words = words.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default();
        words.split_whitespace().map(|word| (word.to_owned(), name)).collect::<Vec<_>>()
    };
    let mut words: Vec<_> = VARIABLES_BEFORE.into_iter().flat_map(of).collect();
    words.extend(command_line(process).into_iter().map(|word| (word, "its command line")));
    words.extend(of(VARIABLE_AFTER));
    FORBIDDING_OPTIONS.into_iter().find_map(|(option, bad)| {
        let (last, place) = words.iter().rfind(|(word, _)| setting(word, option).is_some())?;
        (setting(last, option) == Some(bad)).then(|| (last.clone(), *place))
    })
}

/// Value that a word gives to an option, if any.
fn setting(word: &str, option: &str) -> Option<bool> {
    let word = word.trim_matches(['"', '\'']).strip_prefix("-XX:")?;
    match (word.strip_prefix('+'), word.strip_prefix('-')) {
        (Some(on), _) if on == option => Some(true),
        (_, Some(off)) if off == option => Some(false),
        _ => None,
    }
}

/// Words of a command line; none when it may not be read or the process has ended.
pub(crate) fn command_line(process: &Process) -> Vec<String> {
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
    fn ignores_similar_options() {
        assert_eq!(setting("-XX:+DisableAttachMechanism", "DisableAttachMechanism"), Some(true));
        assert_eq!(setting("'-XX:-DisableAttachMechanism'", "DisableAttachMechanism"), Some(false));
        assert_eq!(setting("-XX:+DisableAttachMechanismX", "DisableAttachMechanism"), None);
        assert_eq!(setting("-DDisableAttachMechanism", "DisableAttachMechanism"), None);
    }
}
