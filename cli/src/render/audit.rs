//! The audit log as text.

use super::TextStyle;
use super::table::{build, cell, lines, plain};
use crate::view::line::Tone;
use crate::view::text::{NONE, clean, exact_or_none, utc};
use ckpt_api::{AuditAction, AuditEntry, AuditResult, AuditStep, HOSTED};
use comfy_table::Cell;

/// A row for each entry, and below it what was changed, by whom, and why.
pub(crate) fn table(entries: &[AuditEntry], style: TextStyle) -> Vec<String> {
    let headings = ["WHEN (UTC)", "ACTION", "JOB", "REVISION", "RESULT"];
    let mut rows = lines(&build(&headings, entries.iter().map(row).collect(), style)).into_iter();
    let mut all: Vec<_> = rows.next().into_iter().collect();
    for (row, entry) in rows.zip(entries) {
        all.push(row);
        all.extend(style.indented(&details(entry), "    ", Tone::Muted));
    }
    all
}

fn row(entry: &AuditEntry) -> Vec<Cell> {
    let asked = &entry.asked;
    let (result, paint) = match entry.outcome.as_ref().map(|outcome| outcome.result) {
        None => ("under way", Tone::Notice),
        Some(result @ (AuditResult::Applied | AuditResult::Unchanged)) => (result.name(), Tone::Plain),
        Some(result @ (AuditResult::Stored | AuditResult::Unknown)) => (result.name(), Tone::Notice),
        Some(result @ AuditResult::Refused) => (result.name(), Tone::Bad),
    };
    let revision = asked.revision.filter(|_| result != AuditResult::Refused.name());
    vec![
        plain(time(asked.at)),
        plain(asked.action.name()),
        plain(whose(entry)),
        plain(revision.map_or(NONE.to_owned(), |revision| revision.to_string())),
        cell(result, paint),
    ]
}

/// What it was about: a job, a cluster, or all of them.
fn whose(entry: &AuditEntry) -> String {
    match (entry.asked.cluster.as_deref(), entry.asked.name.as_deref()) {
        (Some(HOSTED), Some(name)) => clean(name),
        (Some(cluster), Some(name)) => format!("{}/{}", clean(cluster), clean(name)),
        (Some(cluster), None) => format!("{}/*", clean(cluster)),
        (None, _) => "*".to_owned(),
    }
}

fn details(entry: &AuditEntry) -> String {
    let asked = &entry.asked;
    let step = |name: &str, step: Option<AuditStep>| {
        let AuditStep { from, to } = step?;
        Some(match (from, to) {
            (None, None) => format!("{name} as submitted"),
            // ckptd does not keep what a job of its own was submitted with.
            (from, None) if asked.action == AuditAction::Expire => {
                format!("{name} {} → as submitted", exact_or_none(from))
            }
            (None, to) => format!("{name} {}", exact_or_none(to)),
            (from, to) => format!("{name} {} → {}", exact_or_none(from), exact_or_none(to)),
        })
    };
    let steps = [step("timeout", asked.timeout), step("interval", asked.interval)];
    let mut said: Vec<_> = steps.into_iter().flatten().collect();
    said.extend(asked.until.map(|until| format!("until {}", time(until))));
    let who = match (asked.by.as_deref(), asked.from.as_deref()) {
        (Some(by), Some(from)) => format!("by {} from {}", clean(by), clean(from)),
        (Some(by), None) => format!("by {}", clean(by)),
        (None, Some(from)) => format!("from {}", clean(from)),
        (None, None) => "by itself".to_owned(),
    };
    said.push(who);
    let reason = asked.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
    let why = entry.outcome.as_ref().and_then(|outcome| outcome.why.as_deref());
    let why = why.map(|why| format!("; {}", clean(why)));
    format!("{}{}{}", said.join(", "), reason.unwrap_or_default(), why.unwrap_or_default())
}

fn time(millis: u64) -> String {
    utc(i64::try_from(millis).unwrap_or(-1), "%m-%d %H:%M:%S")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_api::{AuditAsked, AuditOutcome};
    use ckpt_types::ids::JobId;

    #[test]
    fn entries_tell_what_who_and_why() {
        let outcome = |result, why: Option<&str>| {
            Some(AuditOutcome { at: 1_790_000_000_100, result, why: why.map(str::to_owned) })
        };
        let entry = AuditEntry {
            id: "1".to_owned(),
            asked: AuditAsked {
                at: 1_790_000_000_000,
                action: AuditAction::Change,
                by: Some("ada@laptop".to_owned()),
                from: Some("127.0.0.1".to_owned()),
                cluster: Some("prod".to_owned()),
                job_id: Some(JobId::from_bits(1)),
                name: Some("payments".to_owned()),
                interval: None,
                timeout: Some(AuditStep { from: Some(600_000), to: Some(1_200_000) }),
                until: Some(1_790_014_400_000),
                reason: Some("S3 is slow".to_owned()),
                revision: Some(7),
            },
            outcome: outcome(AuditResult::Applied, None),
        };
        let mut refused = entry.clone();
        refused.outcome =
            outcome(AuditResult::Refused, Some("the timeout 3h is longer than the 1h allowed for all jobs"));
        let mut ended = entry.clone();
        (ended.asked.action, ended.asked.by, ended.asked.from) = (AuditAction::Expire, None, None);
        (ended.asked.timeout, ended.asked.until) =
            (Some(AuditStep { from: Some(1_200_000), to: None }), None);
        let style = TextStyle { colours: false, width: Some(80), cut: false };
        let expected = "\
WHEN (UTC)      ACTION  JOB            REVISION  RESULT
09-21 14:13:20  change  prod/payments  7         applied
    timeout 10m → 20m, until 09-21 18:13:20, by ada@laptop from 127.0.0.1: S3 is
      slow
09-21 14:13:20  change  prod/payments  <none>    refused
    timeout 10m → 20m, until 09-21 18:13:20, by ada@laptop from 127.0.0.1: S3 is
      slow; the timeout 3h is longer than the 1h allowed for all jobs
09-21 14:13:20  expire  prod/payments  7         applied
    timeout 20m → as submitted, by itself: S3 is slow";
        assert_eq!(table(&[entry, refused, ended], style).join("\n"), expected);
    }
}
