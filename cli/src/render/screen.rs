//! What `watch` shows: a screen of given size, line by line.

mod many;
mod top;

use super::{TextStyle, history, job};
use crate::view::job::JobView;
use crate::view::line::Tone;
use crate::view::text::cut;
use ckpt_api::flink::CheckpointStatistics;
use ckpt_api::{ClusterState, Configuration, Pause};
use std::time::Duration;

/// What was seen last, and what is wrong since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    /// The server that was asked.
    pub(crate) server: &'a str,
    /// What it said.
    pub(crate) what: What<'a>,
    /// How long ago that was.
    pub(crate) age: Duration,
    /// Now, in milliseconds since the epoch.
    pub(crate) now: u64,
    /// Why it says nothing any more.
    pub(crate) stale: Option<&'a str>,
}

/// What is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// Many jobs, and what is around them.
    Jobs(&'a [Configuration], Around<'a>),
    /// One job, with its recent checkpoints.
    Job(&'a Configuration, Option<&'a CheckpointStatistics>),
}

/// What is around many jobs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Around<'a> {
    /// The clusters that are followed.
    pub(crate) clusters: &'a [ClusterState],
    /// Where reconcile is paused.
    pub(crate) pauses: &'a [Pause],
}

/// At most `height` lines of at most `width` columns.
pub(crate) fn screen(seen: &Observation<'_>, width: u16, height: u16, colours: bool) -> Vec<String> {
    let style = TextStyle { colours, width: Some(width), cut: true };
    let mut lines = vec![top::header(seen, style), top::banner(seen, style)];
    let room = usize::from(height).saturating_sub(lines.len());
    lines.extend(match seen.what {
        What::Jobs(jobs, around) => many::lines(jobs, around, seen.now, room, style),
        What::Job(job, statistics) => one(job, statistics, seen.now, room, style),
    });
    lines.truncate(height.into());
    lines
}

fn one(
    job: &Configuration,
    statistics: Option<&CheckpointStatistics>,
    now: u64,
    room: usize,
    style: TextStyle,
) -> Vec<String> {
    let job = JobView::new(job, now);
    let in_flight = &job.job.in_flight;
    let mut lines = job::head(&job, style);
    lines.push(String::new());
    lines.extend(job::gauges(in_flight, style));
    lines.extend(job::verdicts(in_flight, style));
    lines.push(String::new());
    lines.extend(style.sentences(&job.footer()));
    let left = room.saturating_sub(lines.len() + 1);
    if let Some(statistics) = statistics
        && left > 2
    {
        lines.push(String::new());
        let mut recent = history::table(&statistics.history, false, style);
        recent.truncate(left - 1);
        lines.extend(recent);
        let width = usize::from(style.width.unwrap_or_default());
        lines.push(style.line(&cut(&history::summary(&statistics.counts), width), Tone::Muted));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::flink::{CheckpointStatus, Counts, Latest, Summary};
    use unicode_width::UnicodeWidthStr;

    const NOW: u64 = 1_790_000_040_900;

    fn show(what: What<'_>, stale: Option<&str>, (width, height): (u16, u16)) -> Vec<String> {
        let server = "http://127.0.0.1:8571";
        let seen = Observation { server, what, age: Duration::from_millis(12_400), now: NOW, stale };
        let lines = screen(&seen, width, height, false);
        assert!(lines.len() <= height.into(), "{} lines", lines.len());
        for line in &lines {
            assert!(line.width() <= width.into(), "{line}");
        }
        lines
    }

    fn troubled(clusters: &[ClusterState]) -> Around<'_> {
        Around { clusters, ..Around::default() }
    }

    fn jobs(count: u64) -> Vec<Configuration> {
        let job = |number| Configuration { name: format!("job-{number:03}"), ..fixture::configuration() };
        (0..count).map(job).collect()
    }

    fn statistics() -> CheckpointStatistics {
        CheckpointStatistics {
            counts: Counts { restored: 0, total: 40, in_progress: 0, completed: 0, failed: 40 },
            summary: Summary::default(),
            latest: Latest::default(),
            history: (1..=40).rev().map(|id| fixture::checkpoint(id, CheckpointStatus::Failed)).collect(),
        }
    }

    #[test]
    fn warnings_fill_remaining_room() {
        let mut jobs = jobs(3);
        for job in &mut jobs {
            job.warnings = vec!["it waits for 1 of 4 subtasks: count/2".to_owned()];
        }
        let lines = show(What::Jobs(&jobs, Around::default()), None, (80, 24));
        let told = |lines: &[String]| lines.iter().filter(|line| line.contains("count/2")).count();
        assert_eq!(told(&lines), 3, "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("job/job-002: it waits")), "{lines:#?}");
        let lines = show(What::Jobs(&jobs, Around::default()), None, (80, 9));
        assert_eq!(told(&lines), 1, "{lines:#?}");
        assert!(lines.last().unwrap().contains("that do not fit here: 2"), "{lines:#?}");
    }

    #[test]
    fn small_screen_counts_hidden_jobs() {
        let jobs = jobs(50);
        let lines = show(What::Jobs(&jobs, Around::default()), None, (80, 24));
        assert_eq!(lines.len(), 24);
        assert_eq!(
            lines[0],
            "http://127.0.0.1:8571  seen 14:13:20 UTC, 12s ago                       q leaves"
        );
        assert!(lines[22].starts_with("job-019  RUNNING"), "{}", lines[22]);
        assert_eq!(lines[23], "… 30 more; a taller window shows them");
    }

    #[test]
    fn large_screen_shows_wide_table() {
        let jobs = jobs(40);
        let lines = show(What::Jobs(&jobs, Around::default()), None, (200, 50));
        assert_eq!(lines.len(), 43);
        assert!(lines[2].contains("OVERRIDE  REVISION  VIA     ID"), "{}", lines[2]);
        assert!(lines[42].starts_with("job-039"), "{}", lines[42]);
    }

    #[test]
    fn stale_data_stays_under_banner() {
        let jobs = jobs(2);
        let why = "cannot reach http://127.0.0.1:8571: Connection refused\u{1b}[2J";
        let lines = show(What::Jobs(&jobs, Around::default()), Some(why), (80, 24));
        assert!(
            lines[1].starts_with(" STALE for 12s: cannot reach http://127.0.0.1:8571: Connection refused"),
            "{}",
            lines[1]
        );
        assert!(lines[4].starts_with("job-001"));
    }

    #[test]
    fn job_shows_gauges_and_history() {
        let job = fixture::configuration();
        let statistics = statistics();
        let lines = show(What::Job(&job, Some(&statistics)), None, (80, 24));
        assert_eq!(lines.len(), 24);
        let shown = lines.join("\n");
        assert!(
            shown.contains("checkpoint 7   acknowledged ██████████████████████░░ 19 of 20, 95%"),
            "{shown}"
        );
        assert!(shown.contains("time         ░░░░░░░░░░░░░░░░░░░░░░░░ 9.0s of 20m, 19m 50s left"), "{shown}");
        assert!(shown.contains("40  checkpoint  failed"), "{shown}");
        assert!(lines[23].starts_with("40 checkpoints: 0 completed, 40 failed"), "{}", lines[23]);

        let large = show(What::Job(&job, Some(&statistics)), None, (200, 50));
        assert_eq!(large.len(), 50);
        assert!(large.join("\n").contains(&"█".repeat(57)), "{}", large.join("\n"));
    }

    #[test]
    fn small_screen_shows_mixed_jobs() {
        let clusters = [fixture::troubled("staging", true)];
        let lines = show(What::Jobs(&fixture::mixed(), troubled(&clusters)), None, (80, 24));
        assert_eq!(
            lines,
            [
                "http://127.0.0.1:8571  seen 14:13:20 UTC, 12s ago                       q leaves",
                "",
                "JOB           CLUSTER  STATE       INTERVAL  TIMEOUT    IN FLIGHT         FAILED",
                "clicks        pro…t-1  RESTARTING  15s       20m (10s)  <none>            2/∞",
                "insert…rs_eu  pro…t-1  RUNNING     15s       <none>     #31412 19/20      0/3",
                "job123        hosted   RUNNING     15s       20m (10s)  #7 19/20 19m 50s  2/∞",
                "payments      staging  STALE 40s   15s       20m (10s)  #7 19/20 19m 50s  2/∞",
                "",
                "cluster staging (http://staging:8081): it does not answer: Connection refused;",
                "  last good answer at 14:13:20 UTC, 40s ago",
            ]
        );
        let many: Vec<_> = (0..12).flat_map(|_| fixture::mixed()).collect();
        let clusters: Vec<_> = (1..=9).map(|n| fixture::troubled(&format!("test-{n}"), n > 1)).collect();
        let lines = show(What::Jobs(&many, troubled(&clusters)), None, (80, 24));
        assert_eq!(lines.len(), 24);
        assert!(
            lines.last().unwrap().ends_with("more clusters have trouble; see with: ckptctl get"),
            "{lines:#?}"
        );
        assert!(lines.iter().any(|line| line.starts_with("… ")), "{lines:#?}");
    }

    #[test]
    fn large_screen_shows_via_and_names() {
        let clusters = [fixture::troubled("staging", true)];
        let lines = show(What::Jobs(&fixture::mixed(), troubled(&clusters)), None, (200, 50));
        assert_eq!(
            lines[2..],
            [
                "JOB                                CLUSTER            STATE       INTERVAL  TIMEOUT        IN FLIGHT                     FAILURES  NEXT     OVERRIDE  REVISION  VIA     ID",
                "clicks                             producti…u-west-1  RESTARTING  15s       20m (was 10s)  <none>                        2/∞       in 5.9s  applied   3         none    0123456789abcdef0123456789abcdef",
                "insert-into_defa…riched_orders_eu  producti…u-west-1  RUNNING     15s       <none>         #31412 19/20 95% <none> left  0 of 3    <none>   <none>    0         <none>  0123456789abcdef0123456789abcdef",
                "job123                             hosted             RUNNING     15s       20m (was 10s)  #7 19/20 95% 19m 50s left     2/∞       in 5.9s  applied   3         hosted  0123456789abcdef0123456789abcdef",
                "payments                           staging            STALE 40s   15s       20m (was 10s)  #7 19/20 95% 19m 50s left     2/∞       in 5.9s  applied   3         attach  0123456789abcdef0123456789abcdef",
                "",
                "cluster staging (http://staging:8081): it does not answer: Connection refused; last good answer at 14:13:20 UTC, 40s ago",
            ]
        );
    }

    #[test]
    fn stale_job_keeps_its_values() {
        let job = fixture::mixed().pop().unwrap();
        for (width, height) in [(80, 24), (200, 50)] {
            let lines = show(What::Job(&job, Some(&statistics())), None, (width, height));
            assert!(lines[0].contains("seen 14:13:48 UTC, 12s ago"), "{}", lines[0]);
            assert!(
                lines[2].starts_with("STALE since 14:13:20 UTC: http://10.0.0.2:8081 does not"),
                "{}",
                lines[2]
            );
            let shown = lines.join("\n");
            for part in [
                "STALE, was RUNNING",
                "\nvia attach (pid 1234)",
                "9.0s of 20m, 19m 50s left",
                "40 checkpoints",
            ] {
                assert!(shown.contains(part), "{part}\n{shown}");
            }
        }
        let long = Configuration { name: "enriched-orders-of-".repeat(6), ..job };
        let lines = show(What::Job(&long, None), None, (80, 24));
        assert!(
            lines.iter().any(|line| line.ends_with("STALE, was RUNNING  revision 3, stored, applied")),
            "{lines:#?}"
        );
    }

    #[test]
    fn empty_list_shows_cluster_trouble() {
        let lines = show(What::Jobs(&[], troubled(&[fixture::troubled("staging", false)])), None, (80, 24));
        assert_eq!(lines[2], "no jobs are known, as not every cluster answers as it should");
        assert!(lines[4].starts_with("cluster staging (http://staging:8081): it does not"), "{lines:#?}");
        let lines = show(What::Jobs(&[], Around::default()), None, (80, 24));
        assert_eq!(lines[2], "no jobs; submit one with: ckptctl submit FILE");
    }

    #[test]
    fn fits_any_screen() {
        let clusters = [fixture::troubled("staging", true), fixture::troubled("test", false)];
        let (many, job, statistics) = (jobs(9), fixture::configuration(), statistics());
        for size in [(1, 1), (10, 3), (20, 5), (45, 12)] {
            let seen =
                |what| Observation { server: "s", what, age: Duration::ZERO, now: NOW, stale: Some("why") };
            for what in [
                What::Jobs(&many, troubled(&clusters)),
                What::Job(&job, Some(&statistics)),
                What::Jobs(&[], troubled(&clusters)),
            ] {
                assert!(screen(&seen(what), size.0, size.1, true).len() <= size.1.into());
            }
        }
    }
}
