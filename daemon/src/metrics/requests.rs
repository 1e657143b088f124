//! What is counted of requests, and of the changes among them.

use super::Labels;
use super::families::{CHANGES, LATENCY, REQUESTS, tell};
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The bounds of latencies, in seconds.
const LATENCIES: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 25.0];
/// What a request is called that no path is for.
const NO_PATH: &str = "none";
/// The path that changes a job's configuration.
const CONFIGURATION: &str = "/jobs/{job}/checkpoints/configuration";
/// The path that takes an override over.
const ADOPT: &str = "/jobs/{job}/checkpoints/configuration/adopt";
/// All that can be asked for, and come of it: they are told before they happen, so that the first is seen as a rise.
const ALL_CHANGES: [&str; 2] = ["configure", "adopt"];
const ALL_RESULTS: [&str; 5] = ["applied", "stored", "dry_run", "refused", "failed"];

/// A request that was answered.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// The template of its path, such as `/jobs/{job}`; `None` when no path fits.
    pub path: Option<&'a str>,
    /// Whether it was only to say what would happen.
    pub dry_run: bool,
    /// The status of the answer.
    pub status: u16,
    /// How long it took until the answer began.
    pub took: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    /// By method, path and status.
    requests: BTreeMap<(&'static str, String, u16), u64>,
    /// By method and path.
    latencies: BTreeMap<(&'static str, String), Histogram>,
    /// By what was asked for and what came of it.
    changes: BTreeMap<(&'static str, &'static str), u64>,
}

impl Default for Counts {
    fn default() -> Self {
        let changes = ALL_CHANGES.iter().flat_map(|change| ALL_RESULTS.map(|result| ((*change, result), 0)));
        Self { requests: BTreeMap::new(), latencies: BTreeMap::new(), changes: changes.collect() }
    }
}

impl Requests {
    pub(super) fn count(&self, asked: &Asked<'_>) {
        let method = known(asked.method);
        let path = asked.path.map_or(NO_PATH, |path| path.strip_prefix("/v1").unwrap_or(path));
        let mut counts = self.counts();
        *counts.requests.entry((method, path.to_owned(), asked.status)).or_default() += 1;
        let latency = counts.latencies.entry((method, path.to_owned()));
        latency.or_insert_with(|| Histogram::new(LATENCIES)).observe(asked.took.as_secs_f64());
        if let Some(change) = change(method, path) {
            *counts.changes.entry((change, result(asked))).or_default() += 1;
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.counts();
        let requests = counts.requests.iter().map(|((method, path, status), count)| {
            let labels = labels(method, path).into_iter().chain([("status", status.to_string())]);
            (labels.collect(), ConstCounter::new(*count))
        });
        tell(encoder, &REQUESTS, requests)?;
        let latencies = counts.latencies.iter();
        let latencies = latencies.map(|((method, path), latency)| (labels(method, path), latency.clone()));
        tell(encoder, &LATENCY, latencies)?;
        let changes = counts.changes.iter().map(|((change, result), count)| {
            let labels = vec![("change", (*change).to_owned()), ("result", (*result).to_owned())];
            (labels, ConstCounter::new(*count))
        });
        tell(encoder, &CHANGES, changes)
    }
}

fn labels(method: &str, path: &str) -> Labels {
    vec![("method", method.to_owned()), ("path", path.to_owned())]
}

/// Anybody may make methods up.
fn known(method: &str) -> &'static str {
    let all = ["GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "DELETE"];
    all.into_iter().find(|known| *known == method).unwrap_or("other")
}

fn change(method: &str, path: &str) -> Option<&'static str> {
    match (method, path) {
        ("PATCH" | "DELETE", CONFIGURATION) => Some("configure"),
        ("POST", ADOPT) => Some("adopt"),
        _ => None,
    }
}

/// What came of a change. 501 says that there is no way to it, which is no failure of ckptd's.
fn result(asked: &Asked<'_>) -> &'static str {
    match asked.status {
        200..=299 if asked.dry_run => "dry_run",
        202 => "stored",
        200..=299 => "applied",
        501 | 300..=499 => "refused",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(method: &str, path: Option<&str>, status: u16, dry_run: bool) -> Requests {
        let requests = Requests::default();
        requests.count(&Asked { method, path, dry_run, status, took: Duration::from_millis(3) });
        requests
    }

    #[test]
    fn what_came_of_a_change_is_told_by_its_status() {
        let v1 = format!("/v1{CONFIGURATION}");
        for (method, path, status, dry_run, change, result) in [
            ("PATCH", CONFIGURATION, 200, false, "configure", "applied"),
            ("PATCH", &v1, 202, false, "configure", "stored"),
            ("PATCH", CONFIGURATION, 200, true, "configure", "dry_run"),
            ("DELETE", CONFIGURATION, 412, false, "configure", "refused"),
            ("DELETE", CONFIGURATION, 501, false, "configure", "refused"),
            ("POST", ADOPT, 503, false, "adopt", "failed"),
        ] {
            let requests = counted(method, Some(path), status, dry_run);
            let counts = requests.counts();
            let risen: Vec<_> =
                counts.changes.iter().filter(|(_, count)| **count > 0).map(|(it, _)| *it).collect();
            assert_eq!(risen, [(change, result)], "{method} {path} {status}");
        }
        assert_eq!(counted("GET", Some(CONFIGURATION), 200, false).counts().changes.values().sum::<u64>(), 0);
    }

    #[test]
    fn nobody_can_make_up_labels() {
        let requests = counted("BREW", None, 405, false);
        assert!(requests.counts().requests.contains_key(&("other", NO_PATH.to_owned(), 405)));
    }
}
