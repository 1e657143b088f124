//! What `watch` shows: a screen of given size, line by line.

use super::{Paint, Style, cut, history, job, jobs, utc};
use crate::console::clean;
use ckpt_shared::api::Configuration;
use ckpt_shared::duration::Exact;
use ckpt_shared::flink::CheckpointStatistics;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// What was seen last, and what is wrong since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    /// The server that was asked.
    pub(crate) server: &'a str,
    /// What it said.
    pub(crate) what: What<'a>,
    /// How long ago that was.
    pub(crate) age: Duration,
    /// Why it says nothing any more.
    pub(crate) stale: Option<&'a str>,
}

/// What is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// Many jobs.
    Jobs(&'a [Configuration]),
    /// One job, with its recent checkpoints.
    Job(&'a Configuration, Option<&'a CheckpointStatistics>),
}

/// At most `height` lines of at most `width` columns.
pub(crate) fn screen(seen: &Observation<'_>, width: u16, height: u16, colours: bool) -> Vec<String> {
    let style = Style { colours, width: Some(width), cut: true };
    let mut lines = vec![header(seen, style), banner(seen, style)];
    let room = usize::from(height).saturating_sub(lines.len());
    lines.extend(match seen.what {
        What::Jobs(jobs) => many(jobs, room, style),
        What::Job(job, statistics) => one(job, statistics, room, style),
    });
    lines.truncate(height.into());
    lines
}

fn header(seen: &Observation<'_>, style: Style) -> String {
    let observed = match seen.what {
        What::Jobs(jobs) => jobs.iter().map(|job| job.observed_at).max(),
        What::Job(job, _) => Some(job.observed_at),
    };
    let at = observed.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1);
    let left = format!("{}  seen {} UTC, {} ago", clean(seen.server), utc(at, "%H:%M:%S"), age(seen));
    let right = "q leaves";
    let width = usize::from(style.width.unwrap_or_default());
    let gap = width.saturating_sub(left.width() + right.len());
    match gap {
        0 | 1 => style.line(&left, Paint::Faint),
        _ => style.line(&format!("{left}{}{right}", " ".repeat(gap)), Paint::Faint),
    }
}

fn banner(seen: &Observation<'_>, style: Style) -> String {
    match seen.stale {
        None => String::new(),
        Some(why) => style.line(&format!(" STALE for {}: {} ", age(seen), clean(why)), Paint::Banner),
    }
}

/// In whole seconds, since it is redrawn once a second.
fn age(seen: &Observation<'_>) -> Exact {
    Exact(Duration::from_secs(seen.age.as_secs()))
}

fn many(jobs: &[Configuration], room: usize, style: Style) -> Vec<String> {
    if jobs.is_empty() {
        return vec![style.line("no jobs; submit one with: ckptctl submit FILE", Paint::Plain)];
    }
    let mut lines = jobs::table(jobs, usize::from(style.width.unwrap_or_default()) >= 140, style);
    if lines.len() > room {
        let shown = room.saturating_sub(2);
        lines.truncate(shown + 1);
        let hidden = jobs.len().saturating_sub(shown);
        lines.push(style.line(&format!("… {hidden} more; a taller window shows them"), Paint::Notice));
    }
    lines
}

fn one(
    job: &Configuration,
    statistics: Option<&CheckpointStatistics>,
    room: usize,
    style: Style,
) -> Vec<String> {
    let mut lines = job::head(job, style);
    lines.push(String::new());
    lines.extend(job::gauges(&job.in_flight, style));
    lines.push(String::new());
    lines.extend(job::foot(job, style));
    let left = room.saturating_sub(lines.len() + 1);
    if let Some(statistics) = statistics
        && left > 2
    {
        lines.push(String::new());
        let mut recent = history::table(&statistics.history, false, style);
        recent.truncate(left - 1);
        lines.extend(recent);
        let width = usize::from(style.width.unwrap_or_default());
        lines.push(style.line(&cut(&history::summary(&statistics.counts), width), Paint::Faint));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use ckpt_shared::flink::{CheckpointStatus, Counts, Latest, Summary};

    fn show(what: What<'_>, stale: Option<&str>, (width, height): (u16, u16)) -> Vec<String> {
        let server = "http://127.0.0.1:8571";
        let seen = Observation { server, what, age: Duration::from_millis(12_400), stale };
        let lines = screen(&seen, width, height, false);
        assert!(lines.len() <= height.into(), "{} lines", lines.len());
        for line in &lines {
            assert!(line.width() <= width.into(), "{line}");
        }
        lines
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
    fn many_jobs_on_a_small_screen_say_how_many_are_hidden() {
        let jobs = jobs(50);
        let lines = show(What::Jobs(&jobs), None, (80, 24));
        assert_eq!(lines.len(), 24);
        assert_eq!(
            lines[0],
            "http://127.0.0.1:8571  seen 14:13:20 UTC, 12s ago                       q leaves"
        );
        assert!(lines[22].starts_with("job-019  RUNNING"), "{}", lines[22]);
        assert_eq!(lines[23], "… 30 more; a taller window shows them");
    }

    #[test]
    fn a_large_screen_shows_more_of_each_job() {
        let jobs = jobs(40);
        let lines = show(What::Jobs(&jobs), None, (200, 50));
        assert_eq!(lines.len(), 43);
        assert!(lines[2].contains("REVISION  CLUSTER  ID"), "{}", lines[2]);
        assert!(lines[42].starts_with("job-039"), "{}", lines[42]);
    }

    #[test]
    fn stale_data_is_kept_under_a_banner() {
        let jobs = jobs(2);
        let why = "cannot reach http://127.0.0.1:8571: Connection refused\u{1b}[2J";
        let lines = show(What::Jobs(&jobs), Some(why), (80, 24));
        assert!(
            lines[1].starts_with(" STALE for 12s: cannot reach http://127.0.0.1:8571: Connection refused"),
            "{}",
            lines[1]
        );
        assert!(lines[4].starts_with("job-001"));
    }

    #[test]
    fn one_job_shows_gauges_and_its_recent_checkpoints() {
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
    fn no_screen_is_too_small() {
        let (many, job, statistics) = (jobs(9), fixture::configuration(), statistics());
        for size in [(1, 1), (10, 3), (20, 5), (45, 12)] {
            let seen = |what| Observation { server: "s", what, age: Duration::ZERO, stale: Some("why") };
            for what in [What::Jobs(&many), What::Job(&job, Some(&statistics)), What::Jobs(&[])] {
                assert!(screen(&seen(what), size.0, size.1, true).len() <= size.1.into());
            }
        }
    }
}
