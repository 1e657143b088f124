//! Whether a change is allowed. What is cleared, and what ends by itself, always is.

use super::rules::{Bound, Holds, Rules};
use crate::overrides::Layer;
use crate::seam::Identity;
use ckpt_api::Lasting;
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use ckpt_types::duration::Exact;
use std::time::Duration;

/// A change that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whose values.
    pub job: &'a Identity,
    /// The interval that is set, if one is.
    pub interval: Option<CheckpointInterval>,
    /// The timeout that is set, if one is.
    pub timeout: Option<CheckpointTimeout>,
    /// The timeout that is in force now.
    pub timeout_in_force: Duration,
    /// Why, as they put it.
    pub reason: Option<&'a str>,
}

/// A change that is not allowed: which rule says so, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Rules {
    /// Whether a change is allowed.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule that it breaks.
    pub fn check(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let job = asked.job;
        if asked.reason.is_none_or(|reason| reason.trim().is_empty())
            && let Some(Holds { bound: Bound { value: true, line }, name }) =
                self.limit(job, |limits| limits.reason_required)
        {
            let whose = whose(name);
            let place = self.place("reason-required", line);
            return Err(Refusal(format!("a change of {whose} needs a reason ({place}); add --reason TEXT")));
        }
        if let (Some(interval), Some(limit)) =
            (asked.interval, self.limit(job, |limits| limits.smallest_interval))
        {
            self.at_least("interval", "smallest-interval", interval.get(), limit)?;
        }
        let Some(timeout) = asked.timeout.map(CheckpointTimeout::get) else { return Ok(()) };
        if let Some(limit) = self.limit(job, |limits| limits.shortest_timeout) {
            self.at_least("timeout", "shortest-timeout", timeout, limit)?;
        }
        if let Some(Holds { bound, name }) = self.limit(job, |limits| limits.longest_timeout)
            && timeout > bound.value
        {
            return Err(Refusal(format!(
                "the timeout {} is longer than the {} allowed for {} ({})",
                Exact(timeout),
                Exact(bound.value),
                whose(name),
                self.place("longest-timeout", bound.line)
            )));
        }
        let growth = timeout.saturating_sub(asked.timeout_in_force);
        if let Some(Holds { bound, name }) = self.limit(job, |limits| limits.longest_extension)
            && growth > bound.value
        {
            return Err(Refusal(format!(
                "the timeout {} is {} longer than the {} in force, and {} is the most at once for {} ({})",
                Exact(timeout),
                Exact(growth),
                Exact(asked.timeout_in_force),
                Exact(bound.value),
                whose(name),
                self.place("longest-extension", bound.line)
            )));
        }
        Ok(())
    }

    /// How long a value that is set now lasts; `None` when it does not end by itself.
    ///
    /// # Errors
    /// [`Refusal`] when it has to end, or to end earlier.
    pub fn lasts(&self, lasting: Lasting) -> Result<Option<Duration>, Refusal> {
        let lasts = match lasting {
            Lasting::AsConfigured => self.default_for.map(|bound| bound.value),
            Lasting::Forever => None,
            Lasting::For(time) => Some(time),
        };
        let Some(longest) = self.longest_for else { return Ok(lasts) };
        let place = self.place("longest-for", longest.line);
        let limit = Exact(longest.value);
        match lasts {
            None => Err(Refusal(format!(
                "an override has to end by itself within {limit} ({place}); add --for {}",
                limit.to_string().replace(' ', "")
            ))),
            Some(time) if time > longest.value => Err(Refusal(format!(
                "{} is longer than the {limit} for which an override may last ({place})",
                Exact(time)
            ))),
            lasts => Ok(lasts),
        }
    }

    /// Whether a value may last from `now` on as long as it was meant to for another job.
    ///
    /// # Errors
    /// [`Refusal`] when it has to end, or to end earlier.
    pub fn may_last(&self, what: &str, layer: &Layer, now: u64) -> Result<(), Refusal> {
        let Some(longest) = self.longest_for else { return Ok(()) };
        let left = layer.until.map(|until| Duration::from_millis(until.saturating_sub(now)));
        if left.is_some_and(|left| left <= longest.value) {
            return Ok(());
        }
        let value = Exact(Duration::from_millis(layer.value));
        let limit = Exact(longest.value);
        let lasts =
            left.map_or("does not end by itself".to_owned(), |left| format!("lasts {} more", Exact(left)));
        Err(Refusal(format!(
            "the {what} {value} that would be adopted {lasts}, and {limit} is the most ({}); add --for {}",
            self.place("longest-for", longest.line),
            limit.to_string().replace(' ', "")
        )))
    }

    fn at_least(
        &self,
        what: &str,
        key: &str,
        value: Duration,
        Holds { bound, name }: Holds<'_, Duration>,
    ) -> Result<(), Refusal> {
        if value >= bound.value {
            return Ok(());
        }
        Err(Refusal(format!(
            "the {what} {} is shorter than the {} allowed for {} ({})",
            Exact(value),
            Exact(bound.value),
            whose(name),
            self.place(key, bound.line)
        )))
    }

    fn place(&self, key: &str, line: usize) -> String {
        format!("{key}, {}:{line}", self.file.display())
    }
}

/// The jobs that a rule was written for.
fn whose(name: Option<&str>) -> String {
    name.map_or("all jobs".to_owned(), |name| name.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file::Config;
    use ckpt_types::ids::JobId;

    const FILE: &str = "\
[overrides]
default-for = '4h'
longest-for = '1d'

[policy]
smallest-interval = '10s'
longest-timeout = '2h'
longest-extension = '30m'

[[policy.jobs]]
name = 'payments-*'
longest-timeout = '1h'
shortest-timeout = '1m'
reason-required = true

[[policy.jobs]]
name = 'prod/*-test'
longest-timeout = '6h'
longest-extension = '6h'
reason-required = false
";

    fn rules(text: &str) -> Result<Rules, String> {
        Config::parse("/etc/ckptd.toml".as_ref(), text)
            .map(|config| config.rules)
            .map_err(|error| error.to_string())
    }

    fn check(name: &str, interval: Option<&str>, timeout: Option<&str>, reason: Option<&str>) -> String {
        let job = Identity { cluster: "prod".to_owned(), id: JobId::from_bits(1), name: name.to_owned() };
        let asked = Asked {
            job: &job,
            interval: interval.map(|text| text.parse().unwrap()),
            timeout: timeout.map(|text| text.parse().unwrap()),
            timeout_in_force: Duration::from_secs(600),
            reason,
        };
        rules(FILE).unwrap().check(&asked).map_or_else(|refusal| refusal.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_refusal_names_the_rule_and_its_place() {
        for (name, interval, timeout, reason, said) in [
            ("orders", Some("10s"), Some("40m"), None, "fine"),
            (
                "orders",
                Some("9s"),
                None,
                None,
                "the interval 9s is shorter than the 10s allowed for all jobs (smallest-interval, /etc/ckptd.toml:6)",
            ),
            (
                "orders",
                None,
                Some("3h"),
                None,
                "the timeout 3h is longer than the 2h allowed for all jobs (longest-timeout, /etc/ckptd.toml:7)",
            ),
            (
                "orders",
                None,
                Some("41m"),
                None,
                "the timeout 41m is 31m longer than the 10m in force, and 30m is the most at once for all jobs \
                 (longest-extension, /etc/ckptd.toml:8)",
            ),
            (
                "payments-eu",
                None,
                Some("3h"),
                Some("slow"),
                "the timeout 3h is longer than the 1h allowed for payments-* (longest-timeout, /etc/ckptd.toml:12)",
            ),
            (
                "payments-eu",
                None,
                Some("59s"),
                Some("slow"),
                "the timeout 59s is shorter than the 1m allowed for payments-* (shortest-timeout, /etc/ckptd.toml:13)",
            ),
            (
                "payments-eu",
                None,
                None,
                Some(" "),
                "a change of payments-* needs a reason (reason-required, /etc/ckptd.toml:14); add --reason TEXT",
            ),
            ("payments-test", None, Some("3h"), None, "fine"),
            (
                "payments-test",
                None,
                Some("59s"),
                None,
                "the timeout 59s is shorter than the 1m allowed for payments-* (shortest-timeout, /etc/ckptd.toml:13)",
            ),
        ] {
            assert_eq!(check(name, interval, timeout, reason), said, "{name}");
        }
    }

    #[test]
    fn an_override_lasts_as_long_as_configured_and_no_longer_than_allowed() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let rules = super::tests::rules(FILE).unwrap();
        assert_eq!(rules.lasts(Lasting::AsConfigured), Ok(Some(hours(4))));
        assert_eq!(rules.lasts(Lasting::For(hours(24))), Ok(Some(hours(24))));
        let refused = rules.lasts(Lasting::For(hours(25))).unwrap_err().to_string();
        assert_eq!(
            refused,
            "1d 1h is longer than the 1d for which an override may last (longest-for, /etc/ckptd.toml:3)"
        );
        let refused = rules.lasts(Lasting::Forever).unwrap_err().to_string();
        assert!(refused.contains("within 1d (longest-for, /etc/ckptd.toml:3); add --for 1d"), "{refused}");
        let none = Rules::default();
        assert_eq!(none.lasts(Lasting::AsConfigured), Ok(None));
        assert_eq!(none.lasts(Lasting::Forever), Ok(None));
    }

    #[test]
    fn a_mistake_in_the_file_is_named_with_its_line() {
        for (text, part) in [
            ("[policy]\nlongest-timeout = '1h'\nlargest = 1\n", "line 3, column 1: unknown field `largest`"),
            ("[policy]\nlongest-timeout = 3600\n", "line 2"),
            ("[policy]\nlongest-timeout = '60'\n", "line 2, column 19: '60' has no unit"),
            ("[policy]\nlongest-timeout = '0s'\n", "line 2, column 19: it is zero"),
            ("[overrides]\ndefault-for = '2d'\nlongest-for = '1d'\n", "line 2, column 15: it is longer than"),
            ("[overrides]\nlongest-for = '5ms'\n", "line 2, column 15: an override cannot be made for 5ms"),
            ("[[policy.jobs]]\nlongest-timeout = '1h'\n", "missing field `name`"),
            (
                "[policy]\nshortest-timeout = '2h'\nlongest-timeout = '1h'\n",
                "line 3, column 1: no timeout is allowed",
            ),
            (
                "[policy]\nshortest-timeout = '1h'\n[[policy.jobs]]\nname = 'a-*'\nlongest-timeout = '30m'\n",
                "line 5, column 1: no timeout is allowed: shortest-timeout is 1h (line 2), and longest-timeout 30m (line 5)",
            ),
            ("[[policy.jobs]]\nname = ''\n", "line 2, column 8: no job has an empty name"),
            ("[audit]\nrotate-at = '10'\n", "line 2, column 13"),
            ("[audit]\nrotate-at = '64000001B'\n", "line 2, column 13: it is larger than 64 MB"),
        ] {
            let error = rules(text).unwrap_err();
            assert!(error.contains("/etc/ckptd.toml") && error.contains(part), "{text} gave {error}");
        }
    }
}
