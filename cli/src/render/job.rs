//! One job in detail.

mod gauges;

use super::TextStyle;
use super::table::{build, cell, lines, plain, span_cell};
use crate::view::checkpoint::{acknowledged, named, named_verdict, time_left, urgency};
use crate::view::job::JobView;
use crate::view::line::Span;
use crate::view::text::{NONE, cut_middle, rough};
use ckpt_api::InFlight;
use unicode_width::UnicodeWidthStr;

pub(super) use gauges::gauges;

/// Least columns of a job's name.
const MIN_NAME: usize = 12;

/// Everything about a job, as `get JOB` prints it.
pub(crate) fn text(job: &JobView<'_>, style: TextStyle) -> String {
    let mut all = head(job, style);
    all.push(String::new());
    all.extend(in_flight(&job.job.in_flight, style));
    all.push(String::new());
    all.extend(style.sentences(&job.footer()));
    all.join("\n")
}

/// Identity and state, and the two values in their three forms.
pub(super) fn head(job: &JobView<'_>, style: TextStyle) -> Vec<String> {
    let Span { text: status, tone } = job.status();
    let room = match style.width {
        Some(width) if style.cut => usize::from(width).saturating_sub(status.width() + 2).max(MIN_NAME),
        _ => usize::MAX,
    };
    let mut all = style.sentences(&job.stale_banner());
    all.push(style.line(&format!("{}  {status}", cut_middle(&job.label, room)), tone));
    all.extend(job.trouble().iter().flat_map(|it| style.indented(&it.text, "  ", it.tone)));
    all.extend(style.sentences(&job.identity()));
    all.push(String::new());
    let rows = [&job.interval, &job.timeout].map(|value| value.row().map(span_cell).into());
    all.extend(lines(&build(&["VALUE", "SUBMITTED", "OVERRIDE", "IN FORCE"], rows.into(), style)));
    all.extend(style.sentences(&job.origins()));
    all
}

fn in_flight(checkpoints: &[InFlight], style: TextStyle) -> Vec<String> {
    if checkpoints.is_empty() {
        return vec!["no checkpoint in flight".to_owned()];
    }
    let row = |checkpoint: &InFlight| {
        vec![
            plain(named(checkpoint)),
            plain(acknowledged(checkpoint)),
            plain(rough(checkpoint.elapsed)),
            cell(time_left(checkpoint, "any: it is finishing", NONE), urgency(checkpoint)),
        ]
    };
    let headings = ["IN FLIGHT", "ACKNOWLEDGED", "ELAPSED", "TIME LEFT"];
    let mut all = lines(&build(&headings, checkpoints.iter().map(row).collect(), style));
    all.extend(verdicts(checkpoints, style));
    all
}

/// Verdict on each checkpoint, in a sentence.
pub(super) fn verdicts(checkpoints: &[InFlight], style: TextStyle) -> Vec<String> {
    style.sentences(&checkpoints.iter().filter_map(named_verdict).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::{Configuration, Estimate, JobState, OverrideState, Value};

    const PLAIN: TextStyle = TextStyle { colours: false, width: Some(80), cut: false };
    const NOW: u64 = 1_790_000_040_900;

    fn printed(job: &Configuration, style: TextStyle) -> String {
        text(&JobView::new(job, NOW), style)
    }

    fn footer(job: &Configuration) -> Vec<String> {
        PLAIN.sentences(&JobView::new(job, NOW).footer())
    }

    #[test]
    fn job_in_detail() {
        let mut job = fixture::configuration();
        job.warnings.push("the health check restarts it after 5m".to_owned());
        let expected = "\
job/job123  RUNNING  revision 3, stored, applied
cluster hosted, id 0123456789abcdef0123456789abcdef

VALUE     SUBMITTED  OVERRIDE  IN FORCE
interval  15s        <none>    15s
timeout   10s        20m       20m

IN FLIGHT     ACKNOWLEDGED   ELAPSED  TIME LEFT
checkpoint 7  19 of 20, 95%  9.0s     19m 50s

failures in a row: 2, any number is tolerated
next trigger: in 5.9s
warning: the health check restarts it after 5m";
        assert_eq!(printed(&job, PLAIN), expected);
    }

    #[test]
    fn ended_job_keeps_effective_values() {
        let timeout = Value::of(Some(10_000), None, Some(1_200_000));
        let ended = Configuration {
            state: JobState::Canceled,
            revision: 0,
            checkpoint_timeout: timeout,
            override_status: None,
            ..fixture::configuration()
        };
        let text = printed(&ended, PLAIN);
        assert!(text.starts_with("job/job123  CANCELED  no override any more (revision 0)\n"), "{text}");
        assert!(text.contains("\ntimeout   10s        <none>    20m\n"), "{text}");
    }

    #[test]
    fn verdict_follows_checkpoints() {
        let mut job = fixture::configuration();
        job.in_flight[0].estimate = Some(Estimate {
            verdict: ckpt_api::Pace::Slow,
            sentence: "slow, likely done in about 4m (between 2m and 9m)".to_owned(),
            done_in: None,
            suggested_timeout: None,
        });
        let shown = printed(&job, PLAIN);
        let line = "\ncheckpoint 7: slow, likely done in about 4m (between 2m and 9m)\n\nfailures";
        assert!(shown.contains(line), "{shown}");
    }

    #[test]
    fn long_warnings_wrap() {
        let mut job = fixture::configuration();
        job.warnings = vec![format!("{} and it is restarted in 6s", "why ".repeat(30))];
        let shown = footer(&job);
        assert!(shown.iter().all(|line| line.len() <= 80), "{shown:?}");
        assert!(shown.last().unwrap().ends_with("it is restarted in 6s"), "{shown:?}");
        job.warnings = vec![format!("{} say --attach-other-users", "why ".repeat(14))];
        assert_eq!(footer(&job).last().unwrap(), "  --attach-other-users");
    }

    #[test]
    fn unapplied_override_and_failure_limit() {
        let mut job = Configuration { override_status: None, ..fixture::configuration() };
        job.applied = false;
        job.in_flight.clear();
        job.failures.tolerable = 2;
        let shown = printed(&job, PLAIN);
        assert!(shown.contains("stored, not applied yet"), "{shown}");
        assert!(shown.contains("no checkpoint in flight"), "{shown}");
        assert!(shown.contains("2, 2 tolerated: the next one fails the job"), "{shown}");
    }

    #[test]
    fn failing_override_tells_since_and_why() {
        let why = "this job's coordinator cannot be changed from here: its JobManager runs as 'flink' and ckptd \
                   as 'ckpt'; see ckptctl doctor";
        let shown = printed(&fixture::standing(OverrideState::NotApplied, Some(why)), PLAIN);
        let expected = "\
job/job123  RUNNING  revision 3, stored, not applied
  since 41s, next try in 14s: this job's coordinator cannot be changed from
    here: its JobManager runs as 'flink' and ckptd as 'ckpt'; see ckptctl doctor
cluster hosted, id 0123456789abcdef0123456789abcdef

VALUE     SUBMITTED  OVERRIDE  IN FORCE
interval  15s        <none>    15s
timeout   10s        20m       10s
";
        assert!(shown.starts_with(expected), "{shown}");
        for (state, expected) in [
            (OverrideState::Waiting, "  RESTARTING  revision 3, stored, waiting\n  since 41s: why\n"),
            (OverrideState::Conflict, "  RUNNING  revision 3, stored, in conflict\n  since 41s: why\n"),
            (
                OverrideState::Orphaned,
                "  RUNNING  as submitted (revision 0), override orphaned\n  since 41s: why\n",
            ),
        ] {
            let shown = printed(&fixture::standing(state, Some("why")), PLAIN);
            assert!(shown.contains(expected), "{shown}");
        }
        let coloured = TextStyle { colours: true, ..PLAIN };
        for (state, code) in [(OverrideState::Waiting, "33"), (OverrideState::Conflict, "31")] {
            let shown = printed(&fixture::standing(state, Some("why")), coloured);
            assert!(shown.contains(&format!("\u{1b}[{code}m  since 41s: why")), "{shown}");
        }
    }

    #[test]
    fn flink_job_tells_via_and_staleness() {
        let mut jobs = fixture::mixed();
        let expected = "\
STALE since 14:13:20 UTC: http://10.0.0.2:8081 does not answer: Connection
  refused
job/staging/payments  STALE, was RUNNING  revision 3, stored, applied
cluster staging, id 0123456789abcdef0123456789abcdef
via attach (pid 1234)

VALUE     SUBMITTED  OVERRIDE  IN FORCE
interval  15s        <none>    15s
timeout   10s        20m       20m
";
        assert!(printed(&jobs[3], PLAIN).starts_with(expected), "{}", printed(&jobs[3], PLAIN));
        let unknown = printed(&jobs[1], PLAIN);
        for part in [
            "\nvia <none>\n",
            "timeout   10m        <none>    <none>\n",
            "checkpoint 31412  19 of 20, 95%  9.0s     <none>\n",
            "0, 3 tolerated\nnext trigger: not known",
        ] {
            assert!(unknown.contains(part), "{part}\n{unknown}");
        }
        jobs[0].via_detail = Some(format!("{} say --user", "why ".repeat(30)));
        let none = printed(&jobs[0], PLAIN);
        assert!(none.contains("\nvia none (why") && none.contains("--user)\n"), "{none}");
        assert!(none.lines().all(|line| line.width() <= 80), "{none}");
    }
}
