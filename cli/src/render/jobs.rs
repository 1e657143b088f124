//! The table of many jobs.

use super::TextStyle;
use super::table::{build, lines, natural, plain, span_cell};
use crate::view::failures;
use crate::view::job::JobView;
use crate::view::line::Verbosity;
use crate::view::name::is_hosted;
use crate::view::text::{cut_middle, due};
use ckpt_api::Configuration;
use comfy_table::{Cell, Table};

/// Widths of names, in columns of the terminal.
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

/// Columns of a table.
#[derive(Debug, Clone, Copy)]
struct Shape {
    wide: bool,
    /// Whether it says which cluster a job is in: only if they are not all ckptd's own.
    clustered: bool,
}

/// The table's lines, the heading first: the most detailed one that fits and leaves enough of the names.
pub(crate) fn table(jobs: &[Configuration], wide: bool, now: u64, style: TextStyle) -> Vec<String> {
    let shape = Shape { wide, clustered: wide || jobs.iter().any(|job| !is_hosted(job)) };
    let jobs: Vec<_> = jobs.iter().map(|job| JobView::new(job, now)).collect();
    let at = |verbosity, names| build_at(&jobs, shape, style, verbosity, names);
    let fitting = |verbosity| {
        let whole = at(verbosity, Names::WHOLE);
        let wanted = whole.column_max_content_widths();
        let width = style.width.unwrap_or(u16::MAX);
        if natural(&wanted) <= width {
            return Some(whole);
        }
        let (names, is_enough) = Names::fitting(&wanted, width, shape.clustered);
        (is_enough || verbosity == Verbosity::Least).then(|| at(verbosity, names))
    };
    let table = [Verbosity::Full, Verbosity::Less]
        .into_iter()
        .find_map(fitting)
        .or_else(|| fitting(Verbosity::Least));
    table.as_ref().map(lines).unwrap_or_default()
}

fn build_at(
    jobs: &[JobView<'_>],
    shape: Shape,
    style: TextStyle,
    verbosity: Verbosity,
    names: Names,
) -> Table {
    let mut headings = vec!["JOB"];
    if shape.clustered {
        headings.push("CLUSTER");
    }
    headings.extend(["STATE", "INTERVAL", "TIMEOUT", "IN FLIGHT"]);
    headings.push(if verbosity == Verbosity::Least { "FAILED" } else { "FAILURES" });
    if shape.wide {
        headings.extend(["NEXT", "OVERRIDE", "REVISION", "VIA", "ID"]);
    }
    build(&headings, jobs.iter().map(|job| row(job, shape, verbosity, names)).collect(), style)
}

fn row(job: &JobView<'_>, shape: Shape, verbosity: Verbosity, names: Names) -> Vec<Cell> {
    let mut cells = vec![plain(cut_middle(&job.name, names.job))];
    if shape.clustered {
        cells.push(plain(cut_middle(&job.cluster, names.cluster)));
    }
    let of = if verbosity == Verbosity::Least { "/" } else { " of " };
    cells.extend(
        [
            job.state(),
            job.interval.cell(verbosity, shape.wide),
            job.timeout.cell(verbosity, shape.wide),
            job.in_flight(verbosity),
            failures::share(job.job.failures, of),
        ]
        .map(span_cell),
    );
    if shape.wide {
        cells.extend([
            plain(due(job.job.next_trigger, job.job.observed_at)),
            span_cell(job.override_state()),
            plain(job.job.revision.to_string()),
            span_cell(job.via()),
            plain(job.job.job_id.to_string()),
        ]);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use OverrideState::{Conflict, NotApplied, Orphaned, Waiting};
    use ckpt_api::{JobState, OverrideState, Value, Via};
    use unicode_width::UnicodeWidthStr;

    const NOW: u64 = 1_790_000_040_900;

    const fn style(width: Option<u16>) -> TextStyle {
        TextStyle { colours: false, width, cut: false }
    }

    #[test]
    fn job_fits_eighty_columns() {
        assert_eq!(
            table(&[fixture::configuration()], false, NOW, style(Some(80))),
            [
                "JOB     STATE    INTERVAL  TIMEOUT        IN FLIGHT                  FAILURES",
                "job123  RUNNING  15s       20m (was 10s)  #7 19/20 95% 19m 50s left  2/∞",
            ]
        );
    }

    #[test]
    fn lines_fit_narrow_terminals() {
        let mut job = fixture::configuration();
        job.name = "a-job-with-a-rather-long-name-as-people-have-them".to_owned();
        job.state = JobState::Initializing;
        job.checkpoint_interval.overridden = Some(90_061_000);
        job.checkpoint_interval.effective = Some(90_061_000);
        job.in_flight.push(fixture::in_flight(8));
        for width in [40, 60, 80, 100, 120] {
            for line in table(&[job.clone(), fixture::configuration()], false, NOW, style(Some(width))) {
                assert!(line.width() <= width.into(), "{width}: {line}");
            }
        }
        let wide = table(&[job], false, NOW, style(None)).join("\n");
        assert!(wide.contains("as-people-have-them"), "{wide}");
        assert!(wide.contains("#7 19/20 95% 19m 50s left +1"), "{wide}");
        assert!(wide.contains("1d 1h 1m 1s (was 15s)"), "{wide}");
    }

    #[test]
    fn wide_adds_identity() {
        let lines = table(&[fixture::configuration()], true, NOW, style(None));
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
            let line = table(std::slice::from_ref(&job), true, NOW, style(None)).remove(1);
            assert!(line.contains(shown), "{line}");
        }
    }

    #[test]
    fn absent_values_and_unsafe_names() {
        let mut job = fixture::configuration();
        job.name = "\u{1b}[2Jevil".to_owned();
        job.in_flight.clear();
        job.checkpoint_interval = Value::of(None, None, None);
        job.failures.tolerable = 3;
        let lines = table(&[job], false, NOW, style(None));
        assert!(lines[1].starts_with("\\u{1b}[2Jevil  RUNNING  <none> "), "{}", lines[1]);
        assert!(lines[1].ends_with("<none>     2 of 3"), "{}", lines[1]);
    }

    #[test]
    fn colours_only_on_request() {
        let job = fixture::configuration();
        let coloured = table(
            std::slice::from_ref(&job),
            false,
            NOW,
            TextStyle { colours: true, width: Some(80), cut: false },
        );
        assert!(coloured[1].contains("\u{1b}["), "{}", coloured[1]);
        assert!(!table(&[job], false, NOW, style(Some(80))).concat().contains('\u{1b}'));
    }
    #[test]
    fn table_shows_cluster_and_staleness() {
        assert_eq!(
            table(&fixture::mixed(), false, NOW, style(Some(80))),
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
    fn unknown_deadline_is_none() {
        let mut job = fixture::configuration();
        job.in_flight[0].remaining = None;
        let shown = |job: &Configuration| table(std::slice::from_ref(job), false, NOW, style(None)).remove(1);
        assert!(shown(&job).contains("#7 19/20 95% <none> left"), "{}", shown(&job));
        job.in_flight[0].acknowledged = 20;
        assert!(shown(&job).contains("#7 20/20 100% finishing"), "{}", shown(&job));
    }

    const STATES: [OverrideState; 4] = [Waiting, NotApplied, Conflict, Orphaned];

    fn row(job: Configuration, wide: bool, colours: bool) -> String {
        table(&[job], wide, NOW, TextStyle { colours, width: None, cut: false }).remove(1)
    }

    #[test]
    fn override_state_beside_effective_value() {
        for (state, shown, wide) in [
            (Waiting, "20m (waiting)", "in 5.9s  waiting 41s  3"),
            (NotApplied, "10s (20m not applied)", "in 5.9s  not applied 41s  3"),
            (Conflict, "7m (20m conflict)", "in 5.9s  conflict 41s  3"),
            (Orphaned, "10s (orphaned)", "in 5.9s  orphaned 41s  0"),
        ] {
            let job = fixture::standing(state, Some("why"));
            let line = row(job.clone(), false, false);
            assert!(line.contains(&format!("  15s       {shown}  ")), "{line}");
            let line = row(job, true, false);
            assert!(line.contains(wide), "{line}");
        }
        assert!(row(fixture::standing(NotApplied, None), true, false).contains("  10s (not 20m)  "));
        let mut job = fixture::standing(Waiting, None);
        job.checkpoint_timeout.effective = None;
        assert!(row(job, false, false).contains("  <none> (20m waiting)  "));
    }

    #[test]
    fn overridden_value_tells_override_state() {
        let mut job = fixture::standing(NotApplied, None);
        let kept = Value::of(Some(15_000), Some(60_000), Some(60_000));
        let lost = Value { effective: Some(15_000), ..kept.clone() };
        let plain = Value::of(Some(10_000), None, Some(10_000));
        let shown = |job: &Configuration| row(job.clone(), false, false);
        (job.checkpoint_interval, job.checkpoint_timeout) = (lost.clone(), plain);
        assert!(shown(&job).contains("  15s (1m not applied)  10s  "), "{}", shown(&job));
        job.checkpoint_interval = kept.clone();
        assert!(shown(&job).contains("  1m (not applied)  10s  "), "{}", shown(&job));
        job.checkpoint_timeout = Value { submitted: Some(10_000), ..kept.clone() };
        assert!(shown(&job).contains("  1m (was 15s)  1m (not applied)  "), "{}", shown(&job));
        job.checkpoint_interval = lost;
        assert!(shown(&job).contains("  15s (1m not applied)  1m (was 10s)  "), "{}", shown(&job));
    }

    #[test]
    fn unrecoverable_override_states_are_red() {
        let coloured = STATES.map(|state| row(fixture::standing(state, None), false, true));
        let red = coloured.iter().filter(|line| line.contains("38;5;1m")).count();
        assert!(!coloured[0].contains("38;5;1m") && red == 3, "{coloured:#?}");
    }

    #[test]
    fn narrow_table_shows_override_state() {
        let mut jobs: Vec<_> = STATES.into_iter().map(|state| fixture::standing(state, None)).collect();
        for (index, job) in jobs.iter_mut().enumerate() {
            job.cluster = "production-eu-west-1".to_owned();
            job.name = format!("insert-into_default_catalog.default_database.orders_{index}");
            job.in_flight = vec![fixture::in_flight(31_412)];
        }
        jobs[0].state = JobState::Restarting;
        for width in [80, 100, 120] {
            let lines =
                table(&jobs, false, NOW, TextStyle { colours: false, width: Some(width), cut: false });
            assert!(lines.iter().all(|line| line.width() <= width.into()), "{width}: {lines:#?}");
            let said = [
                ("20m waiting", "20m (waiting)"),
                ("10s not 20m", "10s (20m not applied)"),
                ("7m not 20m", "7m (20m conflict)"),
                ("10s orphaned", "10s (orphaned)"),
            ];
            for ((least, more), line) in said.iter().zip(&lines[1..]) {
                assert!(line.contains(least) || (width > 80 && line.contains(more)), "{width}: {lines:#?}");
            }
        }
    }
}
