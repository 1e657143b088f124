//! Which rule holds for a job: key by key the last `[[policy.jobs]]` that matches its name and has the key, or
//! else `[policy]`.

use crate::seam::Identity;
use std::path::PathBuf;
use std::time::Duration;

/// What may be changed. Without a file, everything.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The file that they are from.
    pub(super) file: PathBuf,
    pub(super) default_for: Option<Bound<Duration>>,
    pub(super) longest_for: Option<Bound<Duration>>,
    pub(super) general: Limits,
    pub(super) jobs: Vec<Rule>,
}

/// A limit, and the line that it is from, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// The limits of one section.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits {
    pub(super) smallest_interval: Option<Bound<Duration>>,
    pub(super) shortest_timeout: Option<Bound<Duration>>,
    pub(super) longest_timeout: Option<Bound<Duration>>,
    pub(super) longest_extension: Option<Bound<Duration>>,
    pub(super) reason_required: Option<Bound<bool>>,
}

/// The limits of jobs with such a name.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// A name in which `*` stands for any text and `?` for one character.
    pub(super) name: String,
    pub(super) limits: Limits,
}

/// A limit that holds for a job, and for whom it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holds<'a, T> {
    pub(super) bound: Bound<T>,
    /// The pattern; `None` for all jobs.
    pub(super) name: Option<&'a str>,
}

impl Rules {
    /// The limit that holds for a job.
    pub(super) fn limit<T: Copy>(
        &self,
        job: &Identity,
        key: impl Fn(&Limits) -> Option<Bound<T>>,
    ) -> Option<Holds<'_, T>> {
        let whole = format!("{}/{}", job.cluster, job.name);
        let is_it = |rule: &&Rule| matches(&rule.name, &job.name) || matches(&rule.name, &whole);
        let special =
            self.jobs.iter().rev().filter(is_it).find_map(|rule| {
                key(&rule.limits).map(|bound| Holds { bound, name: Some(rule.name.as_str()) })
            });
        special.or_else(|| key(&self.general).map(|bound| Holds { bound, name: None }))
    }
}

/// Whether `text` is as `pattern` says, all of it.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` was, and how much of the text it stands for.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((place, covered)) => {
                    star = Some((place, covered + 1));
                    at = place + 1;
                    seen = covered + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, text, is_it) in [
            ("payments", "payments", true),
            ("payments", "payments-eu", false),
            ("payments-*", "payments-eu", true),
            ("payments-*", "payments-", true),
            ("payments-*", "payments", false),
            ("*", "", true),
            ("*-eu-*", "a-eu-eu-b", true),
            ("*-eu", "a-eu-eu", true),
            ("*-eu", "a-eu-us", false),
            ("job?", "job1", true),
            ("job?", "job", false),
            ("job?", "job12", false),
            ("prod/*", "prod/orders", true),
            ("日?", "日本", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, text), is_it, "{pattern} {text}");
        }
    }
}
