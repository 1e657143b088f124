//! Diagnosis of a checkpoint in flight: the verdict, its evidence, and the next steps.

use super::TextStyle;
use super::table::{build, cell, lines as lines_of, plain};
use crate::view::advice::{self, missing};
use crate::view::checkpoint::{named, verdict};
use crate::view::line::Tone;
use crate::view::name::label_in;
use crate::view::text::{NONE, clean, cut_middle, exact, rough};
use ckpt_api::{CheckpointDiagnosis, Failures, InFlight, MissingSubtask, Spread, VertexProgress};
use comfy_table::Cell;

/// Most columns of a vertex's name, which Flink makes of all chained operators.
const MAX_VERTEX: usize = 22;
/// Most columns of a host.
const MAX_HOST: usize = 26;
/// Most missing subtasks that are shown, unless the output is wide.
const MAX_MISSING: usize = 8;

/// A column's heading, and what it says of a vertex.
type Column = (&'static str, fn(&VertexProgress) -> String);

/// All of it; `typed` is what to type for the job.
pub(crate) fn lines(seen: &CheckpointDiagnosis, typed: &str, style: TextStyle) -> Vec<String> {
    let name = label_in(&seen.cluster, &seen.name);
    let mut all = style.lines(&format!("{name}  {}", seen.state), Tone::Strong);
    match &seen.checkpoint {
        Some(checkpoint) => all.extend(of_checkpoint(checkpoint, seen, style)),
        None => {
            all.extend(style.lines("no checkpoint in flight, so there is nothing to diagnose", Tone::Plain));
        }
    }
    all.push(String::new());
    all.extend(foot(seen, style));
    for warning in &seen.warnings {
        all.extend(style.lines(&format!("warning: {}", clean(warning)), Tone::Notice));
    }
    let advice = advice::of(seen, typed);
    if !advice.is_empty() {
        all.push(String::new());
        for sentence in advice {
            all.extend(style.lines(&sentence, Tone::Strong));
        }
    }
    all
}

fn of_checkpoint(checkpoint: &InFlight, seen: &CheckpointDiagnosis, style: TextStyle) -> Vec<String> {
    let InFlight { acknowledged, subtasks, elapsed, .. } = *checkpoint;
    let head = format!(
        "{}: {acknowledged} of {subtasks} subtasks have acknowledged after {}",
        named(checkpoint),
        rough(elapsed)
    );
    let mut all = style.lines(&head, Tone::Plain);
    all.extend(match verdict(checkpoint) {
        Some(verdict) => style.lines(&verdict.text, verdict.tone),
        None => style.lines("nothing is known of its subtasks yet; ask again in a moment", Tone::Notice),
    });
    if !seen.vertices.is_empty() {
        all.push(String::new());
        all.extend(vertices(&seen.vertices, style));
    }
    let missing = missing(seen);
    if !missing.is_empty() {
        all.push(String::new());
        all.extend(missing_subtasks(&missing, checkpoint, style));
    }
    all
}

fn vertices(vertices: &[VertexProgress], style: TextStyle) -> Vec<String> {
    let name_width = if style.width.is_some() { MAX_VERTEX } else { usize::MAX };
    // What nobody has is not worth a column.
    let has = |of: fn(&VertexProgress) -> Option<Spread>| {
        vertices.iter().any(|vertex| of(vertex).is_some_and(|it| it.max > 0))
    };
    let mut columns: Vec<Column> = vec![
        ("USUALLY", |vertex| spread(vertex.usual)),
        ("TOOK", |vertex| spread(vertex.took)),
        ("SYNC", |vertex| longest(vertex.sync)),
        ("ASYNC", |vertex| longest(vertex.r#async)),
    ];
    if has(|vertex| vertex.alignment) {
        columns.push(("ALIGNED", |vertex| longest(vertex.alignment)));
    }
    if has(|vertex| vertex.start_delay) {
        columns.push(("DELAY", |vertex| longest(vertex.start_delay)));
    }
    if vertices.iter().any(|vertex| vertex.backpressure.is_some()) {
        columns
            .push(("BACKPR", |vertex| vertex.backpressure.as_deref().map_or_else(|| "-".to_owned(), clean)));
    }
    let mut headings = vec!["VERTEX", "ACKED"];
    headings.extend(columns.iter().map(|(heading, _)| *heading));
    let row = |vertex: &VertexProgress| -> Vec<Cell> {
        let acked = format!("{}/{}", vertex.acknowledged, vertex.subtasks);
        let paint = if vertex.acknowledged < vertex.subtasks { Tone::Notice } else { Tone::Plain };
        let mut cells = vec![plain(cut_middle(&clean(&vertex.name), name_width)), cell(acked, paint)];
        cells.extend(columns.iter().map(|(_, text)| plain(text(vertex))));
        cells
    };
    lines_of(&build(&headings, vertices.iter().map(row).collect(), style))
}

/// The one in the middle, and the longest.
fn spread(spread: Option<Spread>) -> String {
    match spread {
        None => "-".to_owned(),
        Some(Spread { median, max }) if rough(median) == rough(max) => rough(max),
        Some(Spread { median, max }) => format!("{}..{}", rough(median), rough(max)),
    }
}

fn longest(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| rough(spread.max))
}

fn missing_subtasks(
    missing: &[(&VertexProgress, &MissingSubtask)],
    checkpoint: &InFlight,
    style: TextStyle,
) -> Vec<String> {
    let most = if style.width.is_some() { MAX_MISSING } else { usize::MAX };
    let all =
        usize::try_from(checkpoint.subtasks.saturating_sub(checkpoint.acknowledged)).unwrap_or(usize::MAX);
    let shown = missing.len().min(most);
    let name_width = if style.width.is_some() { MAX_VERTEX } else { usize::MAX };
    let host_width = if style.width.is_some() { MAX_HOST } else { usize::MAX };
    let hosts = missing.iter().any(|(_, subtask)| subtask.host.is_some());
    let held = missing.iter().any(|(_, subtask)| subtask.backpressure.is_some());
    let mut headings = vec!["MISSING", "SUBTASK", "SILENT", "USUALLY", "LAST"];
    headings.extend(hosts.then_some("HOST"));
    headings.extend(held.then_some("BACKPR"));
    let row = |(vertex, subtask): &(&VertexProgress, &MissingSubtask)| {
        let paint = if subtask.suspect { Tone::Bad } else { Tone::Plain };
        let known = |millis: Option<u64>| millis.map_or_else(|| "-".to_owned(), rough);
        let number = format!("{} ({}/{})", subtask.index, u64::from(subtask.index) + 1, vertex.subtasks);
        let mut cells = vec![
            cell(cut_middle(&clean(&vertex.name), name_width), paint),
            cell(number, paint),
            cell(rough(checkpoint.elapsed), paint),
            cell(known(subtask.usual), paint),
            cell(known(subtask.last), paint),
        ];
        let host = || {
            subtask
                .host
                .as_deref()
                .map_or_else(|| "-".to_owned(), |host| cut_middle(&clean(host), host_width))
        };
        cells.extend(hosts.then(|| cell(host(), paint)));
        let level = || subtask.backpressure.as_deref().map_or_else(|| "-".to_owned(), clean);
        cells.extend(held.then(|| cell(level(), paint)));
        cells
    };
    let mut lines = lines_of(&build(&headings, missing[..shown].iter().map(row).collect(), style));
    if all > shown {
        lines.push(style.line(&format!("… and {} more", all - shown), Tone::Muted));
    }
    lines
}

/// What bounds it, and what is usual.
fn foot(seen: &CheckpointDiagnosis, style: TextStyle) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(timeout) = seen.checkpoint_timeout {
        let left = seen.checkpoint.as_ref().map(|checkpoint| match checkpoint.remaining {
            Some(left) => format!(", {} left", rough(left)),
            None => String::new(),
        });
        all.push(format!("timeout in force: {}{}", exact(timeout), left.unwrap_or_default()));
    }
    all.push(match (seen.usual_duration, seen.completed) {
        (Some(usual), 1) => format!("usual duration: {}, by 1 completed checkpoint", rough(usual)),
        (Some(usual), completed) => {
            format!("usual duration: {}, by {completed} completed checkpoints", rough(usual))
        }
        (None, _) => format!("usual duration: {NONE}, as no completed checkpoint of this kind is known"),
    });
    if seen.state.has_ended() {
        return all.iter().flat_map(|line| style.lines(line, Tone::Plain)).collect();
    }
    let Failures { consecutive, tolerable } = seen.failures;
    let (failures, paint) = match tolerable {
        Failures::UNLIMITED => {
            (format!("failures in a row: {consecutive}, any number is tolerated"), Tone::Plain)
        }
        limit if consecutive >= limit => (
            format!("failures in a row: {consecutive} of {limit} tolerated: the next one fails the job"),
            Tone::Bad,
        ),
        limit => {
            let more = limit - consecutive + 1;
            (
                format!(
                    "failures in a row: {consecutive} of {limit} tolerated: {more} more and the job dies"
                ),
                Tone::Plain,
            )
        }
    };
    let mut all: Vec<String> = all.iter().flat_map(|line| style.lines(line, Tone::Plain)).collect();
    all.extend(style.lines(&failures, paint));
    all
}

#[cfg(test)]
mod tests;
