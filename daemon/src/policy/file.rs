//! `[overrides]` and `[policy]` of the configuration file, as they are written there.

use super::rules::{Bound, Limits, Rule, Rules};
use crate::job_file::{self, JobFileError};
use ckpt_types::duration::{self, Exact};
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// `[overrides]`: how long overrides last.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OverridesSection {
    default_for: Option<Spanned<String>>,
    longest_for: Option<Spanned<String>>,
}

/// `[policy]`: what may be changed, for all jobs and by name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PolicySection {
    smallest_interval: Option<Spanned<String>>,
    shortest_timeout: Option<Spanned<String>>,
    longest_timeout: Option<Spanned<String>>,
    longest_extension: Option<Spanned<String>>,
    reason_required: Option<Spanned<bool>>,
    jobs: Vec<JobsSection>,
}

/// One `[[policy.jobs]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct JobsSection {
    name: Spanned<String>,
    smallest_interval: Option<Spanned<String>>,
    shortest_timeout: Option<Spanned<String>>,
    longest_timeout: Option<Spanned<String>>,
    longest_extension: Option<Spanned<String>>,
    reason_required: Option<Spanned<bool>>,
}

/// A file, to find lines in.
struct Source<'a> {
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        job_file::at(self.text, span.start, "").line
    }

    fn mistake(&self, span: &Range<usize>, message: impl AsRef<str>) -> JobFileError {
        job_file::at(self.text, span.start, message.as_ref())
    }

    fn duration(&self, value: Option<Spanned<String>>) -> Result<Option<Bound<Duration>>, JobFileError> {
        let Some(value) = value else { return Ok(None) };
        let span = value.span();
        let parsed = duration::parse(value.get_ref())
            .map_err(|error| self.mistake(&span, error.to_string()).caused_by(error))?;
        if parsed.is_zero() {
            return Err(
                self.mistake(&span, "it is zero, which nothing can keep to; leave it out for no limit")
            );
        }
        Ok(Some(Bound { value: parsed, line: self.line(&span) }))
    }

    fn flag(&self, value: Option<Spanned<bool>>) -> Option<Bound<bool>> {
        value.map(|value| Bound { line: self.line(&value.span()), value: value.into_inner() })
    }
}

/// Refuses limits that nothing can keep to.
fn allows_a_timeout(
    shortest: Option<Bound<Duration>>,
    longest: Option<Bound<Duration>>,
) -> Result<(), JobFileError> {
    match (shortest, longest) {
        (Some(shortest), Some(longest)) if shortest.value > longest.value => {
            let message = format!(
                "no timeout is allowed: shortest-timeout is {} (line {}), and longest-timeout {} (line {})",
                Exact(shortest.value),
                shortest.line,
                Exact(longest.value),
                longest.line
            );
            Err(JobFileError { line: shortest.line.max(longest.line), column: 1, message, cause: None })
        }
        _ => Ok(()),
    }
}

impl Rules {
    /// Takes the two sections of the file at `path`, whose text is `text`.
    ///
    /// # Errors
    /// A mistake in it, with its place.
    pub fn of(
        path: &Path,
        text: &str,
        overrides: OverridesSection,
        policy: PolicySection,
    ) -> Result<Self, JobFileError> {
        let source = Source { text };
        let longest_span = overrides.longest_for.as_ref().map(Spanned::span);
        let default_span = overrides.default_for.as_ref().map(Spanned::span);
        let longest_for = source.duration(overrides.longest_for)?;
        let default_for = source.duration(overrides.default_for)?;
        for (bound, span) in [(&longest_for, longest_span), (&default_for, default_span.clone())] {
            if let (Some(bound), Some(span)) = (bound, span)
                && let Err(error) = ckpt_api::Lasting::of(bound.value)
            {
                return Err(source.mistake(&span, error.to_string()).caused_by(error));
            }
        }
        if let (Some(longest), Some(default), Some(span)) = (&longest_for, &default_for, default_span)
            && default.value > longest.value
        {
            let why = format!("it is longer than longest-for, which is {}", Exact(longest.value));
            return Err(source.mistake(&span, why));
        }
        let limits = |(smallest, shortest, longest, extension, reason)| {
            let limits = Limits {
                smallest_interval: source.duration(smallest)?,
                shortest_timeout: source.duration(shortest)?,
                longest_timeout: source.duration(longest)?,
                longest_extension: source.duration(extension)?,
                reason_required: source.flag(reason),
            };
            Ok(limits)
        };
        let general = limits((
            policy.smallest_interval,
            policy.shortest_timeout,
            policy.longest_timeout,
            policy.longest_extension,
            policy.reason_required,
        ))?;
        allows_a_timeout(general.shortest_timeout, general.longest_timeout)?;
        let jobs = policy.jobs.into_iter().map(|jobs| {
            if jobs.name.get_ref().is_empty() {
                let why = "no job has an empty name; * stands for any";
                return Err(source.mistake(&jobs.name.span(), why));
            }
            let limits = limits((
                jobs.smallest_interval,
                jobs.shortest_timeout,
                jobs.longest_timeout,
                jobs.longest_extension,
                jobs.reason_required,
            ))?;
            // What a section does not say, it has from the one for all jobs.
            allows_a_timeout(
                limits.shortest_timeout.or(general.shortest_timeout),
                limits.longest_timeout.or(general.longest_timeout),
            )?;
            Ok(Rule { name: jobs.name.into_inner(), limits })
        });
        let jobs = jobs.collect::<Result<_, JobFileError>>()?;
        Ok(Self { file: path.to_owned(), default_for, longest_for, general, jobs })
    }
}
