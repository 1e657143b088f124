//! The table of many jobs.

mod cells;

use super::text::{cut_middle, due};
use super::{NONE, Paint, Style, build, cell, lines, natural};
use crate::console::clean;
use crate::name::is_hosted;
use cells::{failures, in_flight, interval, standing, state, timeout};
use ckpt_api::{Configuration, Via};
use comfy_table::{Cell, Table};

pub(super) use cells::urgency;

/// How much a cell says; less when the terminal is narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    Less,
    Least,
}

/// How wide names may be, in columns of the terminal.
#[derive(Debug, Clone, Copy)]
struct Names {
    job: usize,
    cluster: usize,
}

impl Names {
    /// Of any width.
    const WHOLE: Self = Self { job: usize::MAX, cluster: usize::MAX };
    /// What is cut to less says too little, as long as something else can be said in fewer words.
    const ENOUGH: Self = Self { job: 24, cluster: 12 };
    /// What is cut to less says nothing; a heading is as wide.
    const LEAST: Self = Self { job: 6, cluster: 7 };

    /// What is left for them in a table whose columns would like to be as wide as this, and whether that is
    /// enough.
    fn fitting(wanted: &[u16], width: u16, clustered: bool) -> (Self, bool) {
        let (names, others) = wanted.split_at(if clustered { 2 } else { 1 });
        let gaps = natural(wanted) - wanted.iter().sum::<u16>();
        let room = usize::from(width.saturating_sub(gaps + others.iter().sum::<u16>()));
        let wish = |column: usize| names.get(column).map_or(0, |width| usize::from(*width));
        let cluster = match clustered {
            true => wish(1).min(room.saturating_sub(wish(0).min(room * 2 / 3))).max(Self::LEAST.cluster),
            false => 0,
        };
        let job = room.saturating_sub(cluster).max(Self::LEAST.job);
        let is_enough = job >= wish(0).min(Self::ENOUGH.job) && cluster >= wish(1).min(Self::ENOUGH.cluster);
        (Self { job, cluster }, is_enough)
    }
}

/// What a table is to show.
#[derive(Debug, Clone, Copy)]
struct Shape {
    wide: bool,
    /// Whether it says which cluster a job is in: only if they are not all ckptd's own.
    clustered: bool,
    /// Now, in milliseconds since the epoch.
    now: u64,
}

/// The table's lines, the heading first: the most detailed one that fits and leaves enough of the names.
pub(crate) fn table(jobs: &[Configuration], wide: bool, now: u64, style: Style) -> Vec<String> {
    let shape = Shape { wide, clustered: wide || jobs.iter().any(|job| !is_hosted(job)), now };
    let at = |detail, names| build_at(jobs, shape, style, detail, names);
    let fitting = |detail| {
        let whole = at(detail, Names::WHOLE);
        let wanted = whole.column_max_content_widths();
        let width = style.width.unwrap_or(u16::MAX);
        if natural(&wanted) <= width {
            return Some(whole);
        }
        let (names, is_enough) = Names::fitting(&wanted, width, shape.clustered);
        (is_enough || detail == Detail::Least).then(|| at(detail, names))
    };
    let table = [Detail::Full, Detail::Less].into_iter().find_map(fitting).or_else(|| fitting(Detail::Least));
    table.as_ref().map(lines).unwrap_or_default()
}

fn build_at(jobs: &[Configuration], shape: Shape, style: Style, detail: Detail, names: Names) -> Table {
    let mut headings = vec!["JOB"];
    if shape.clustered {
        headings.push("CLUSTER");
    }
    headings.extend(["STATE", "INTERVAL", "TIMEOUT", "IN FLIGHT"]);
    headings.push(if detail == Detail::Least { "FAILED" } else { "FAILURES" });
    if shape.wide {
        headings.extend(["NEXT", "OVERRIDE", "REVISION", "VIA", "ID"]);
    }
    build(&headings, jobs.iter().map(|job| row(job, shape, detail, names)).collect(), style)
}

fn row(job: &Configuration, shape: Shape, detail: Detail, names: Names) -> Vec<Cell> {
    let mut cells = vec![cell(cut_middle(&clean(&job.name), names.job), Paint::Plain)];
    if shape.clustered {
        cells.push(cell(cut_middle(&clean(&job.cluster), names.cluster), Paint::Plain));
    }
    cells.extend([
        state(job, shape.now),
        interval(job, shape, detail),
        timeout(job, shape, detail),
        in_flight(&job.in_flight, detail),
        failures(job.failures, detail),
    ]);
    if shape.wide {
        cells.push(cell(due(job.next_trigger, job.observed_at), Paint::Plain));
        cells.push(standing(job, shape.now));
        cells.push(cell(job.revision.to_string(), Paint::Plain));
        let paint = if job.via == Some(Via::None) { Paint::Notice } else { Paint::Plain };
        cells.push(cell(job.via.map_or(NONE, Via::name), paint));
        cells.push(cell(job.job_id.to_string(), Paint::Plain));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use ckpt_api::{JobState, Value};
    use unicode_width::UnicodeWidthStr;

    const NOW: u64 = 1_790_000_040_900;

    const fn plain(width: Option<u16>) -> Style {
        Style { colours: false, width, cut: false }
    }

    #[test]
    fn a_job_fits_eighty_columns_with_all_there_is_to_say() {
        assert_eq!(
            table(&[fixture::configuration()], false, NOW, plain(Some(80))),
            [
                "JOB     STATE    INTERVAL  TIMEOUT        IN FLIGHT                  FAILURES",
                "job123  RUNNING  15s       20m (was 10s)  #7 19/20 95% 19m 50s left  2/∞",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_gets_less_but_never_a_wider_line() {
        let mut job = fixture::configuration();
        job.name = "a-job-with-a-rather-long-name-as-people-have-them".to_owned();
        job.state = JobState::Initializing;
        job.checkpoint_interval.overridden = Some(90_061_000);
        job.checkpoint_interval.effective = Some(90_061_000);
        job.in_flight.push(fixture::in_flight(8));
        for width in [40, 60, 80, 100, 120] {
            for line in table(&[job.clone(), fixture::configuration()], false, NOW, plain(Some(width))) {
                assert!(line.width() <= width.into(), "{width}: {line}");
            }
        }
        let wide = table(&[job], false, NOW, plain(None)).join("\n");
        assert!(wide.contains("as-people-have-them"), "{wide}");
        assert!(wide.contains("#7 19/20 95% 19m 50s left +1"), "{wide}");
        assert!(wide.contains("1d 1h 1m 1s (was 15s)"), "{wide}");
    }

    #[test]
    fn wide_adds_what_identifies_a_job() {
        let lines = table(&[fixture::configuration()], true, NOW, plain(None));
        assert!(lines[0].starts_with("JOB     CLUSTER  STATE"), "{}", lines[0]);
        assert!(lines[0].ends_with("NEXT     OVERRIDE  REVISION  VIA     ID"), "{}", lines[0]);
        assert!(lines[1].ends_with("in 5.9s  applied   3         hosted  0123456789abcdef0123456789abcdef"));
        let mut job = fixture::configuration();
        for (via, shown) in [
            (Some(Via::Attach), "3         attach  0"),
            (Some(Via::None), "3         none  0"),
            (None, "3         <none>  0"),
        ] {
            job.via = via;
            let line = table(std::slice::from_ref(&job), true, NOW, plain(None)).remove(1);
            assert!(line.contains(shown), "{line}");
        }
    }

    #[test]
    fn nothing_and_limits_have_words_and_names_are_harmless() {
        let mut job = fixture::configuration();
        job.name = "\u{1b}[2Jevil".to_owned();
        job.in_flight.clear();
        job.checkpoint_interval = Value::of(None, None, None);
        job.failures.tolerable = 3;
        let lines = table(&[job], false, NOW, plain(None));
        assert!(lines[1].starts_with("\\u{1b}[2Jevil  RUNNING  <none> "), "{}", lines[1]);
        assert!(lines[1].ends_with("<none>     2 of 3"), "{}", lines[1]);
    }

    #[test]
    fn colours_appear_only_when_asked_for() {
        let job = fixture::configuration();
        let coloured = table(
            std::slice::from_ref(&job),
            false,
            NOW,
            Style { colours: true, width: Some(80), cut: false },
        );
        assert!(coloured[1].contains("\u{1b}["), "{}", coloured[1]);
        assert!(!table(&[job], false, NOW, plain(Some(80))).concat().contains('\u{1b}'));
    }
    #[test]
    fn jobs_elsewhere_say_where_and_what_is_old_says_how_old() {
        assert_eq!(
            table(&fixture::mixed(), false, NOW, plain(Some(80))),
            [
                "JOB           CLUSTER  STATE       INTERVAL  TIMEOUT    IN FLIGHT         FAILED",
                "clicks        pro…t-1  RESTARTING  15s       20m (10s)  <none>            2/∞",
                "insert…rs_eu  pro…t-1  RUNNING     15s       <none>     #31412 19/20      0/3",
                "job123        hosted   RUNNING     15s       20m (10s)  #7 19/20 19m 50s  2/∞",
                "payments      staging  STALE 40s   15s       20m (10s)  #7 19/20 19m 50s  2/∞",
            ]
        );
    }

    #[test]
    fn a_deadline_that_is_not_known_is_none() {
        let mut job = fixture::configuration();
        job.in_flight[0].remaining = None;
        let shown = |job: &Configuration| table(std::slice::from_ref(job), false, NOW, plain(None)).remove(1);
        assert!(shown(&job).contains("#7 19/20 95% <none> left"), "{}", shown(&job));
        job.in_flight[0].acknowledged = 20;
        assert!(shown(&job).contains("#7 20/20 100% finishing"), "{}", shown(&job));
    }
}
