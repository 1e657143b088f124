//! The table of a job's recent checkpoints, and the chart above it.

use super::TextStyle;
use super::table::{build, cell, lines, plain};
use crate::view::chart::{self, Point};
use crate::view::line::{Line, Tone};
use crate::view::text::{NONE, clean, rough, size, utc};
use ckpt_api::EndedCheckpoint;
use ckpt_api::flink::{Checkpoint, CheckpointStatus, Counts};
use comfy_table::Cell;

/// The width of a chart where there is no terminal.
pub(crate) const WIDTH: u16 = 80;
/// How high a chart is in text.
const HEIGHT: usize = 12;
/// How many reasons of failures are told below it.
const MOST_REASONS: usize = 5;

/// How long the checkpoints took that have ended, against the timeout of their time, with why the newest of those
/// that failed did; an empty line at the end. Nothing when there are none.
pub(crate) fn chart(checkpoints: &[EndedCheckpoint], width: u16, style: TextStyle) -> Vec<String> {
    let points: Vec<_> = checkpoints.iter().map(Point::ended).collect();
    let mut lines: Vec<_> = chart::chart(&points, width.into(), HEIGHT).iter().map(Line::plain).collect();
    if lines.is_empty() {
        return lines;
    }
    lines.push(style.line(&chart::legend(&points, width.into()), Tone::Muted));
    let reasons = chart::failures(checkpoints);
    let others = reasons.len().saturating_sub(MOST_REASONS);
    let style = TextStyle { width: Some(width), ..style };
    lines.extend(reasons.iter().take(MOST_REASONS).flat_map(|reason| style.lines(reason, Tone::Bad)));
    if others > 0 {
        lines.push(style.line(&format!("… {others} more, see them with --csv"), Tone::Muted));
    }
    lines.push(String::new());
    lines
}

/// The table's lines, the heading first. Why a checkpoint failed stands on a line below it, so that the
/// table fits 80 columns.
pub(crate) fn table(history: &[Checkpoint], wide: bool, style: TextStyle) -> Vec<String> {
    let mut headings = vec!["ID", "TYPE", "STATUS", "TRIGGERED (UTC)", "DURATION", "SIZE", "ACKED"];
    if wide {
        headings.push("PATH");
    }
    let rows = history.iter().map(|checkpoint| row(checkpoint, wide)).collect();
    let mut rows = lines(&build(&headings, rows, style)).into_iter();
    let mut all: Vec<_> = rows.next().into_iter().collect();
    for (line, checkpoint) in rows.zip(history) {
        all.push(line);
        if let Some(why) = &checkpoint.failure_message {
            all.push(style.line(&format!("    {}", clean(why)), Tone::Muted));
        }
    }
    all
}

/// `13 checkpoints: 9 completed, 3 failed, 1 in progress, 0 restored`
pub(crate) fn summary(counts: &Counts) -> String {
    let Counts { restored, total, in_progress, completed, failed } = counts;
    let noun = if *total == 1 { "checkpoint" } else { "checkpoints" };
    format!(
        "{total} {noun}: {completed} completed, {failed} failed, {in_progress} in progress, {restored} restored"
    )
}

fn row(checkpoint: &Checkpoint, wide: bool) -> Vec<Cell> {
    let (status, paint) = match checkpoint.status {
        CheckpointStatus::Completed => ("completed", Tone::Plain),
        CheckpointStatus::Failed => ("failed", Tone::Bad),
        CheckpointStatus::InProgress => ("in progress", Tone::Notice),
    };
    let kind = checkpoint.checkpoint_type.to_lowercase().replace('_', " ");
    let kind = kind.strip_suffix(" checkpoint").unwrap_or(&kind);
    let format = if wide { "%Y-%m-%d %H:%M:%S%.3f" } else { "%m-%d %H:%M:%S" };
    let mut cells = vec![
        plain(checkpoint.id.to_string()),
        plain(clean(kind)),
        cell(status, paint),
        plain(utc(checkpoint.trigger_timestamp, format)),
        plain(duration(checkpoint)),
        plain(size(checkpoint.checkpointed_size)),
        plain(format!("{}/{}", checkpoint.num_acknowledged_subtasks, checkpoint.num_subtasks)),
    ];
    if wide {
        cells.push(plain(clean(checkpoint.external_path.as_deref().unwrap_or(NONE))));
    }
    cells
}

/// How long it took; of one in progress Flink only says when somebody acknowledged last.
fn duration(checkpoint: &Checkpoint) -> String {
    match (checkpoint.status, u64::try_from(checkpoint.end_to_end_duration)) {
        (CheckpointStatus::Completed | CheckpointStatus::Failed, Ok(millis)) => rough(millis),
        _ => NONE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn history_fits_eighty_columns() {
        let mut savepoint = fixture::checkpoint(10, CheckpointStatus::Completed);
        savepoint.checkpoint_type = "SYNC_SAVEPOINT".to_owned();
        let history = [
            fixture::checkpoint(12, CheckpointStatus::InProgress),
            fixture::checkpoint(11, CheckpointStatus::Failed),
            savepoint,
        ];
        let shown = table(&history, false, TextStyle { colours: false, width: Some(80), cut: false });
        assert_eq!(
            shown,
            [
                "ID  TYPE            STATUS       TRIGGERED (UTC)  DURATION  SIZE     ACKED",
                "12  checkpoint      in progress  11-22 12:49:13   <none>    1.2 GiB  19/20",
                "11  checkpoint      failed       11-22 12:49:13   10s       1.2 GiB  19/20",
                "    Checkpoint expired before completing.",
                "10  sync savepoint  completed    11-22 12:49:13   10s       1.2 GiB  20/20",
            ]
        );
        assert!(shown.iter().all(|line| line.width() <= 80));
    }

    #[test]
    fn counts_are_summed_up() {
        let counts = Counts { restored: 0, total: 13, in_progress: 1, completed: 9, failed: 3 };
        assert_eq!(summary(&counts), "13 checkpoints: 9 completed, 3 failed, 1 in progress, 0 restored");
    }
}
