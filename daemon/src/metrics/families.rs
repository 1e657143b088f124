//! Names, units, labels and help of all that is told. docs/metrics.md has them as a table.

use super::Labels;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;

/// Before all names.
pub(super) const PREFIX: &str = "ckptd";
static SECONDS: Unit = Unit::Seconds;
static BYTES: Unit = Unit::Bytes;
const JOB_LABELS: &[&str] = &["cluster", "job_name", "job_id"];
const VALUE_LABELS: &[&str] = &["cluster", "job_name", "job_id", "value"];

/// What all series of one name have in common.
pub(super) struct Family {
    /// Without the prefix, the unit, and what a counter or an info metric has at its end.
    name: &'static str,
    unit: Option<&'static Unit>,
    kind: MetricType,
    labels: &'static [&'static str],
    help: &'static str,
}

const fn family(
    kind: MetricType,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, unit: None, kind, labels, help }
}

impl Family {
    const fn in_seconds(self) -> Self {
        Self { unit: Some(&SECONDS), ..self }
    }

    const fn in_bytes(self) -> Self {
        Self { unit: Some(&BYTES), ..self }
    }

    fn has(&self, labels: &Labels) -> bool {
        labels.iter().map(|(name, _)| name).eq(self.labels)
    }
}

macro_rules! families {
    ($($name:ident = $family:expr;)*) => {
        $(pub(super) const $name: Family = $family;)*
        #[cfg(test)]
        const ALL: &[Family] = &[$($name),*];
    };
}

families! {
    BUILD = family(MetricType::Info, "build", &["version"],
        "The ckptd that tells this.");
    START = family(MetricType::Gauge, "start_timestamp", &[],
        "When ckptd was started, since the epoch.").in_seconds();
    REQUESTS = family(MetricType::Counter, "http_requests", &["method", "path", "status"],
        "Requests that were answered.");
    LATENCY = family(MetricType::Histogram, "http_request_duration", &["method", "path"],
        "How long a request took until its answer began.").in_seconds();
    CHANGES = family(MetricType::Counter, "changes", &["change", "result"],
        "Changes of configurations that were asked for.");
    LEFT_OUT = family(MetricType::Gauge, "jobs_left_out", &[],
        "Jobs that nothing is told of: there are too many, or they do not answer.");
    CLUSTER = family(MetricType::Info, "cluster", &["cluster", "version"],
        "A Flink cluster that is followed.");
    CLUSTER_UP = family(MetricType::Gauge, "cluster_up", &["cluster"],
        "Whether the cluster answers as it should.");
    CLUSTER_SEEN = family(MetricType::Gauge, "cluster_last_seen_timestamp", &["cluster"],
        "When the cluster answered well last, since the epoch.").in_seconds();
    PAUSED = family(MetricType::Gauge, "reconcile_paused", &["cluster"],
        "Whether overrides that stop to hold are left alone there.");
    JOB = family(MetricType::Info, "job", &["cluster", "job_name", "job_id", "state", "via"],
        "A job that has not ended, its state, and how a change reaches it.");
    STALE = family(MetricType::Gauge, "job_stale", JOB_LABELS,
        "Whether what is known of the job is old.");
    SEEN = family(MetricType::Gauge, "job_last_seen_timestamp", JOB_LABELS,
        "When the job was seen last, since the epoch.").in_seconds();
    ENDED = family(MetricType::Counter, "checkpoints", &["cluster", "job_name", "job_id", "type", "outcome", "reason"],
        "Checkpoints that have ended, as far as ckptd saw them end.");
    DURATION = family(MetricType::Histogram, "checkpoint_duration", JOB_LABELS,
        "How long completed checkpoints took, savepoints included.").in_seconds();
    SIZE = family(MetricType::Histogram, "checkpoint_size", JOB_LABELS,
        "The state of completed checkpoints, savepoints included.").in_bytes();
    RESCUED = family(MetricType::Counter, "rescued_checkpoints", JOB_LABELS,
        "Completed checkpoints that would have expired if a change had not given them more time.");
    LAST_COMPLETED = family(MetricType::Gauge, "last_completed_checkpoint_timestamp", JOB_LABELS,
        "When the newest completed checkpoint was acknowledged by all, since the epoch.").in_seconds();
    LAST_DURATION = family(MetricType::Gauge, "last_completed_checkpoint_duration", JOB_LABELS,
        "How long the newest completed checkpoint took.").in_seconds();
    LAST_SIZE = family(MetricType::Gauge, "last_completed_checkpoint_size", JOB_LABELS,
        "The state of the newest completed checkpoint.").in_bytes();
    IN_FLIGHT = family(MetricType::Gauge, "checkpoints_in_flight", JOB_LABELS,
        "Checkpoints and savepoints in flight.");
    AGE = family(MetricType::Gauge, "checkpoint_in_flight_age", JOB_LABELS,
        "How long the oldest checkpoint in flight has been.").in_seconds();
    REMAINING = family(MetricType::Gauge, "checkpoint_in_flight_remaining", JOB_LABELS,
        "How long until the oldest checkpoint in flight expires.").in_seconds();
    ACKNOWLEDGED = family(MetricType::Gauge, "checkpoint_in_flight_acknowledged_ratio", JOB_LABELS,
        "The share of subtasks that have acknowledged the oldest checkpoint in flight.");
    FAILURES = family(MetricType::Gauge, "consecutive_failures", JOB_LABELS,
        "Failures in a row that count.");
    TOLERABLE = family(MetricType::Gauge, "tolerable_failures", JOB_LABELS,
        "How many of them the job survives; absent when it is any number.");
    INTERVAL = family(MetricType::Gauge, "effective_interval", JOB_LABELS,
        "The checkpoint interval in force.").in_seconds();
    TIMEOUT = family(MetricType::Gauge, "effective_timeout", JOB_LABELS,
        "The checkpoint timeout in force.").in_seconds();
    SUBMITTED_INTERVAL = family(MetricType::Gauge, "submitted_interval", JOB_LABELS,
        "The checkpoint interval that the job was submitted with.").in_seconds();
    SUBMITTED_TIMEOUT = family(MetricType::Gauge, "submitted_timeout", JOB_LABELS,
        "The checkpoint timeout that the job was submitted with.").in_seconds();
    OVERRIDE = family(MetricType::Gauge, "override_active", VALUE_LABELS,
        "Whether the value is overridden.");
    OVERRIDE_VALUE = family(MetricType::Gauge, "override", VALUE_LABELS,
        "What the value is overridden with.").in_seconds();
    OVERRIDE_START = family(MetricType::Gauge, "override_start_timestamp", VALUE_LABELS,
        "Since when the value has been overridden, since the epoch.").in_seconds();
    OVERRIDE_END = family(MetricType::Gauge, "override_end_timestamp", VALUE_LABELS,
        "When the override ends by itself, since the epoch; absent when it does not.").in_seconds();
    AFTERWARDS = family(MetricType::Gauge, "override_afterwards", VALUE_LABELS,
        "The value that applies when the override has ended by itself.").in_seconds();
    STATUS = family(MetricType::Gauge, "override_status", &["cluster", "job_name", "job_id", "state"],
        "Whether the override holds: 1 at the state that it is in.");
}

/// Tells the series of a family, if there are any.
pub(super) fn tell<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    series: impl IntoIterator<Item = (Labels, M)>,
) -> fmt::Result {
    let mut series = series.into_iter().peekable();
    if series.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(family.name, family.help, family.unit, family.kind)?;
    for (labels, value) in series {
        debug_assert!(family.has(&labels), "{} has other labels than {labels:?}", family.name);
        value.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Tells a series without labels.
pub(super) fn tell_one(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    value: &impl EncodeMetric,
) -> fmt::Result {
    value.encode(encoder.encode_descriptor(family.name, family.help, family.unit, family.kind)?)
}

/// Tells what is all in the labels.
pub(super) fn tell_infos(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    infos: impl IntoIterator<Item = Labels>,
) -> fmt::Result {
    let mut infos = infos.into_iter().peekable();
    if infos.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(family.name, family.help, family.unit, family.kind)?;
    for labels in infos {
        debug_assert!(family.has(&labels), "{} has other labels than {labels:?}", family.name);
        metric.encode_info(&labels)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- the table: made by the test that compares it -->\n";

    impl Family {
        /// As it is scraped in the older format, which is how rules name it.
        fn full_name(&self) -> String {
            let unit = self.unit.map_or(String::new(), |unit| format!("_{}", unit.as_str()));
            let end = match self.kind {
                MetricType::Counter => "_total",
                MetricType::Info => "_info",
                MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => "",
            };
            format!("{PREFIX}_{}{unit}{end}", self.name)
        }
    }

    fn table() -> String {
        let row = |family: &Family| {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = match family.kind {
                MetricType::Counter => "counter",
                MetricType::Histogram => "histogram",
                MetricType::Info => "info",
                MetricType::Gauge | MetricType::Unknown => "gauge",
            };
            format!("| `{}` | {kind} | {} | {} |\n", family.full_name(), labels.join(", "), family.help)
        };
        let head = "| metric | type | labels | what it says |\n|---|---|---|---|\n";
        head.to_owned() + &ALL.iter().map(row).collect::<String>()
    }

    #[test]
    fn the_table_in_the_docs_is_what_is_told() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("docs/metrics.md has the line before the table");
        let written: String = rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).collect();
        if std::env::var_os("CKPT_WRITE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{}{}", table(), &rest[written.len()..])).unwrap();
            return;
        }
        assert!(
            written == table(),
            "docs/metrics.md is not up to date; CKPT_WRITE_DOCS=1 cargo test -p ckptd --lib the_table_in_the_docs writes it"
        );
    }

    #[test]
    fn names_are_as_prometheus_wants_them_and_different() {
        let names: Vec<_> = ALL.iter().map(Family::full_name).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        for (name, family) in names.iter().zip(ALL) {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
            assert!(!family.labels.contains(&"job"), "{name}: Prometheus calls what it scrapes so");
        }
    }
}
