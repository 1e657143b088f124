//! The subtasks that have not acknowledged, the ones that the verdict points at first.

use super::row::{Ink, Row, column, heading, number, sentence};
use crate::console::clean;
use crate::render::text::rough;
use ckpt_api::{CheckpointDiagnosis, InFlight, MissingSubtask, Spread, VertexProgress};
use std::cmp::Reverse;

/// All of it; nothing when the diagnosis is of another checkpoint, or says nothing.
pub(super) fn lines(
    diagnosis: &CheckpointDiagnosis,
    checkpoint: &InFlight,
    told: &[String],
    width: usize,
) -> Vec<Row> {
    if diagnosis.checkpoint.as_ref().map(|seen| seen.id) != Some(checkpoint.id) {
        return Vec::new();
    }
    let mut missing: Vec<(&VertexProgress, &MissingSubtask)> = diagnosis
        .vertices
        .iter()
        .flat_map(|vertex| vertex.missing.iter().map(move |subtask| (vertex, subtask)))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    // Those of a vertex come with the most overdue first.
    missing.sort_by_key(|(_, subtask)| Reverse(subtask.suspect));
    let behind = checkpoint.subtasks.saturating_sub(checkpoint.acknowledged);
    let mut lines = vec![heading(&format!("missing: {behind} of {} subtasks", checkpoint.subtasks), width)];
    let known: u32 =
        diagnosis.vertices.iter().map(|vertex| vertex.subtasks.saturating_sub(vertex.acknowledged)).sum();
    if known > behind {
        // Acknowledgements are pushed; who is missing is asked for.
        lines.push(Row::of("  who that is, is being asked", Ink::Faint));
        return lines;
    }
    lines.extend(missing.iter().map(|(vertex, subtask)| row(vertex, subtask, width)));
    lines.extend(diagnosis.vertices.iter().map(progress));
    let warnings = diagnosis.warnings.iter().filter(|warning| !told.contains(warning));
    lines.extend(warnings.flat_map(|warning| sentence(&clean(warning), Ink::Faint, width)));
    lines
}

/// `sink: 5 of 8, took 40s in the middle and 52s at most`
fn progress(vertex: &VertexProgress) -> Row {
    let VertexProgress { acknowledged, subtasks, .. } = vertex;
    let spread = |name: &str, spread: Option<Spread>| {
        spread.map(|it| format!(", {name} {} in the middle and {} at most", rough(it.median), rough(it.max)))
    };
    let parts = [
        ("took", vertex.took),
        ("async", vertex.r#async),
        ("alignment", vertex.alignment),
        ("start delay", vertex.start_delay),
    ];
    let said: String = parts.into_iter().filter_map(|(name, it)| spread(name, it)).collect();
    Row::of(format!("  {}: {acknowledged} of {subtasks}{said}", clean(&vertex.name)), Ink::Faint)
}

fn row(vertex: &VertexProgress, subtask: &MissingSubtask, width: usize) -> Row {
    let (mark, ink) = if subtask.suspect { ("! ", Ink::Alarm) } else { ("  ", Ink::Plain) };
    let mut said = Vec::new();
    said.extend(subtask.usual.map(|usual| format!("usually {}", rough(usual))));
    said.extend(subtask.last.map(|last| format!("last {}", rough(last))));
    said.extend(vertex.took.map(|took| format!("peers {}", rough(took.median))));
    let pressure = subtask.backpressure.as_deref().or(vertex.backpressure.as_deref());
    said.extend(
        pressure.filter(|it| *it != "ok").map(|pressure| format!("backpressure {}", clean(pressure))),
    );
    if subtask.suspect {
        said.insert(0, "SUSPECT".to_owned());
    }
    let name_width = (width / 3).clamp(12, 40);
    let host = clean(subtask.host.as_deref().unwrap_or("host not known"));
    let host_width = (width / 4).clamp(8, 36);
    let left = format!(
        "{mark}{} {}  {}  ",
        column(&clean(&vertex.name), name_width.saturating_sub(6)),
        number(&format!("#{}", subtask.index), 5),
        column(&host, host_width)
    );
    let room = width.saturating_sub(unicode_width::UnicodeWidthStr::width(left.as_str()));
    let mut text = said.join(", ");
    // Whole facts or none: no number is cut.
    while unicode_width::UnicodeWidthStr::width(text.as_str()) > room && said.pop().is_some() {
        text = said.join(", ");
    }
    Row::of(left, ink).with(text, ink)
}
