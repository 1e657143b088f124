//! Where on a server things are.

use std::net::IpAddr;

/// Whether `url` is on this machine: an address of it, or `localhost`.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The path of every job's configuration.
#[must_use]
pub fn configurations_path(all: bool) -> String {
    match all {
        true => "/checkpoints/configuration?all=true".to_owned(),
        false => "/checkpoints/configuration".to_owned(),
    }
}

/// The path of a job's configuration.
#[must_use]
pub fn configuration_path(job: &str) -> String {
    format!("/jobs/{}/checkpoints/configuration", escape(job))
}

/// Escapes a job's or a cluster's name or an id for use as one segment of a path.
#[must_use]
pub fn escape(segment: &str) -> String {
    let mut escaped = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => escaped.push(char::from(byte)),
            b'.' if segment.bytes().any(|other| other != b'.') => escaped.push('.'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The path of reconcile.
pub(super) const RECONCILE: &str = "/reconcile";

/// The path of a job's checkpoints.
pub(super) fn checkpoints(job: &str) -> String {
    format!("/jobs/{}/checkpoints", escape(job))
}

/// The path of what is to be said of a job's checkpoint in flight.
pub(super) fn checkpoint_diagnosis(job: &str) -> String {
    format!("/jobs/{}/checkpoints/diagnosis", escape(job))
}

/// The path of a job's checkpoints that have ended.
pub(super) fn history(job: &str) -> String {
    format!("/jobs/{}/checkpoints/history", escape(job))
}

/// The path of a job's savepoints.
pub(super) fn savepoints(job: &str) -> String {
    format!("/jobs/{}/savepoints", escape(job))
}

/// The path of a submission, from a savepoint or from nothing.
pub(super) fn submission(from_savepoint: Option<&str>) -> String {
    match from_savepoint {
        Some(savepoint) => format!("/jobs?fromSavepoint={}", escape(savepoint)),
        None => "/jobs".to_owned(),
    }
}

/// The path of a diagnosis, of one cluster or of all.
pub(super) fn doctor(cluster: Option<&str>) -> String {
    match cluster {
        Some(cluster) => format!("/doctor?cluster={}", escape(cluster)),
        None => "/doctor".to_owned(),
    }
}

/// The path of the audit log.
pub(super) fn audit(job: Option<&str>, since: Option<u64>, limit: Option<usize>) -> String {
    let job = job.map(|job| format!("job={}", escape(job)));
    let since = since.map(|since| format!("since={since}"));
    let limit = limit.map(|limit| format!("limit={limit}"));
    let query: Vec<_> = [job, since, limit].into_iter().flatten().collect();
    match query.as_slice() {
        [] => "/audit".to_owned(),
        query => format!("/audit?{}", query.join("&")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(configuration_path("a/b c"), "/jobs/a%2Fb%20c/checkpoints/configuration");
        assert_eq!(escape(".."), "%2E%2E");
        assert_eq!(escape("v1.2"), "v1.2");
        assert_eq!(checkpoints("prod/orders"), "/jobs/prod%2Forders/checkpoints");
        assert_eq!(doctor(Some("a&b=c#")), "/doctor?cluster=a%26b%3Dc%23");
        assert_eq!(doctor(None), "/doctor");
        assert_eq!(audit(None, None, None), "/audit");
        assert_eq!(audit(Some("prod/a b"), Some(7), Some(9)), "/audit?job=prod%2Fa%20b&since=7&limit=9");
        assert_eq!(submission(Some("/a b&c")), "/jobs?fromSavepoint=%2Fa%20b%26c");
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for here in ["http://127.0.0.1:8571", "http://127.9.9.9", "http://[::1]:1", "http://LOCALHOST/"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in [
            "http://10.0.0.1:8571",
            "http://localhost.example.org",
            "http://127.0.0.1@example.org",
            "http://127.0.0.1.example.org",
            "http://0.0.0.0:8571",
            "not a url",
        ] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
