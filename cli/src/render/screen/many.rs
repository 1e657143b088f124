//! Screen of many jobs: the table, and below it what needs attention.

use super::Around;
use crate::render::{TextStyle, jobs};
use crate::view::line::{Span, Tone};
use crate::view::list;
use ckpt_api::{ClusterState, Configuration};

/// Columns from which on a table has all there is to say.
const WIDE: usize = 160;

/// The screen on `room` lines. However many jobs there are, overrides that do not hold, pauses and clusters in trouble
/// have a part of it for themselves.
pub(super) fn lines(
    jobs: &[Configuration],
    around: Around<'_>,
    now: u64,
    room: usize,
    style: TextStyle,
) -> Vec<String> {
    let mut lines = match jobs {
        [] => vec![style.line(list::nothing(around.clusters), Tone::Plain)],
        _ => jobs::table(jobs, usize::from(style.width.unwrap_or_default()) >= WIDE, now, style),
    };
    let clusters = clusters(around.clusters, now, room / 3, style);
    let free = room.saturating_sub(clusters.len() + lines.len());
    let overrides = list::overrides(jobs, around.pauses, now);
    let overrides = below(&overrides, free.max(room * 2 / 5), style, |_, others| {
        format!("… overrides that do not hold and do not fit here: {others}; see them with: ckptctl get")
    });
    let room = room.saturating_sub(clusters.len() + overrides.len());
    if lines.len() > room {
        let shown = room.saturating_sub(2);
        lines.truncate(shown + 1);
        let hidden = jobs.len().saturating_sub(shown);
        lines.push(style.line(&format!("… {hidden} more; a taller window shows them"), Tone::Notice));
    }
    let warnings: Vec<_> = jobs.iter().flat_map(list::warnings).collect();
    let warnings = below(&warnings, room.saturating_sub(lines.len()), style, |_, others| {
        format!("… warnings that do not fit here: {others}; see them with: ckptctl get")
    });
    lines.into_iter().chain(overrides).chain(warnings).chain(clusters).collect()
}

/// Clusters in trouble, below an empty line: `room` lines at most with that.
fn clusters(clusters: &[ClusterState], now: u64, room: usize, style: TextStyle) -> Vec<String> {
    below(&list::clusters(clusters, now), room, style, |told, others| {
        let more = match (told, others) {
            (0, 1) => "1 cluster has".to_owned(),
            (0, _) => format!("{others} clusters have"),
            (_, 1) => "1 more cluster has".to_owned(),
            (_, _) => format!("{others} more clusters have"),
        };
        format!("{more} trouble; see with: ckptctl get")
    })
}

/// Sentences below an empty line: `room` lines at most with that. Those that do not fit are counted by `rest`, from
/// the numbers of sentences that are shown and that are not.
fn below(
    sentences: &[Span],
    room: usize,
    style: TextStyle,
    rest: impl Fn(usize, usize) -> String,
) -> Vec<String> {
    if sentences.is_empty() || room < 2 {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    for (told, sentence) in sentences.iter().enumerate() {
        let next = style.lines(&sentence.text, sentence.tone);
        let others = sentences.len() - told;
        if lines.len() + next.len() + usize::from(others > 1) > room {
            lines.push(style.line(&rest(told, others), sentence.tone));
            break;
        }
        lines.extend(next);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use OverrideState::{Conflict, NotApplied, Orphaned, Waiting};
    use ckpt_api::{OverrideState, Pause};
    use unicode_width::UnicodeWidthStr;

    const NOW: u64 = 1_790_000_040_900;

    const WHY: &str =
        "this job's coordinator cannot be changed from here: its JobManager runs as another user";

    fn show(jobs: &[Configuration], around: Around<'_>, width: u16, room: usize) -> Vec<String> {
        let shown =
            lines(jobs, around, NOW, room, TextStyle { colours: false, width: Some(width), cut: true });
        assert!(shown.len() <= room, "{shown:#?}");
        assert!(shown.iter().all(|line| line.width() <= width.into()), "{shown:#?}");
        shown
    }

    fn job(name: &str, state: OverrideState) -> Configuration {
        Configuration {
            name: name.to_owned(),
            cluster: "prod".to_owned(),
            ..fixture::standing(state, Some(WHY))
        }
    }

    fn pause() -> Pause {
        Pause { cluster: None, since: NOW - 180_000, reason: Some("storage is moved".to_owned()) }
    }

    #[test]
    fn overrides_below_table_worst_first() {
        let jobs =
            [job("clicks", Waiting), job("orders", OverrideState::Applied), job("payments", NotApplied)];
        let pauses = [pause()];
        let around = Around { pauses: &pauses, ..Around::default() };
        assert_eq!(
            show(&jobs, around, 80, 22),
            [
                "JOB       CLUSTER  STATE       INTERVAL  TIMEOUT      IN FLIGHT         FAILED",
                "clicks    prod     RESTARTING  15s       20m waiting  <none>            2/∞",
                "orders    prod     RUNNING     15s       20m (10s)    #7 19/20 19m 50s  2/∞",
                "payments  prod     RUNNING     15s       10s not 20m  #7 19/20 19m 50s  2/∞",
                "",
                "reconcile is paused since 3m: storage is moved; end that with: ckptctl reconcile",
                "  resume",
                "job/prod/payments: override not applied since 41s, next try in 14s: this job's",
                "  coordinator cannot be changed from here: its JobManager runs as another user",
                "job/prod/clicks: override waiting since 41s: this job's coordinator cannot be",
                "  changed from here: its JobManager runs as another user",
            ]
        );
        let wide = show(&jobs, around, 200, 48);
        assert_eq!(wide.len(), 8, "{wide:#?}");
        assert!(
            wide[3].contains("  10s (not 20m)  ") && wide[3].contains("  not applied 41s  3 "),
            "{wide:#?}"
        );
    }

    #[test]
    fn conflict_shows_despite_many_jobs() {
        let mut jobs: Vec<_> = (0..50).map(|n| job(&format!("job-{n:02}"), OverrideState::Applied)).collect();
        jobs[45] = job("job-45", Conflict);
        let shown = show(&jobs, Around::default(), 80, 22);
        assert!(shown.iter().any(|line| line.starts_with("job/prod/job-45: override in conflict since 41s")));
        assert!(
            shown.iter().any(|line| line.starts_with("… ") && line.contains("a taller window")),
            "{shown:#?}"
        );
    }

    #[test]
    fn hidden_overrides_are_counted() {
        let jobs: Vec<_> = (0..50).map(|n| job(&format!("job-{n:02}"), Orphaned)).collect();
        let pauses = [pause()];
        let clusters = [fixture::troubled("staging", true)];
        for (width, room) in [(80, 22), (200, 48), (60, 10)] {
            let shown = show(&jobs, Around { clusters: &clusters, pauses: &pauses }, width, room);
            let more =
                shown.iter().find(|line| line.starts_with("… overrides that do not hold and do not fit"));
            assert!(more.is_some(), "{shown:#?}");
            assert!(shown[1].starts_with("job-00"), "{shown:#?}");
        }
        for room in 2..10 {
            show(&jobs, Around { clusters: &clusters, pauses: &pauses }, 20, room);
        }
    }
}
