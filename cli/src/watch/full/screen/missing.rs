//! Subtasks that have not acknowledged, the suspects first.

use crate::view::advice::missing;
use crate::view::line::{Line, Span, Tone};
use crate::view::text::{clean, column, right_column, rough};
use ckpt_api::{CheckpointDiagnosis, InFlight, MissingSubtask, Spread, VertexProgress};
use unicode_width::UnicodeWidthStr;

/// All of it; nothing when the diagnosis is of another checkpoint, or says nothing.
pub(super) fn lines(
    diagnosis: &CheckpointDiagnosis,
    checkpoint: &InFlight,
    told: &[String],
    width: usize,
) -> Vec<Line> {
    if diagnosis.checkpoint.as_ref().map(|seen| seen.id) != Some(checkpoint.id) {
        return Vec::new();
    }
    let missing = missing(diagnosis);
    if missing.is_empty() {
        return Vec::new();
    }
    let behind = checkpoint.subtasks.saturating_sub(checkpoint.acknowledged);
    let mut lines =
        vec![Line::heading(&format!("missing: {behind} of {} subtasks", checkpoint.subtasks), width)];
    let known: u32 =
        diagnosis.vertices.iter().map(|vertex| vertex.subtasks.saturating_sub(vertex.acknowledged)).sum();
    if known > behind {
        // Acknowledgements are pushed; who is missing is asked for.
        lines.push(Line::new("  who that is, is being asked", Tone::Muted));
        return lines;
    }
    lines.extend(missing.iter().map(|(vertex, subtask)| row(vertex, subtask, width)));
    lines.extend(diagnosis.vertices.iter().map(progress));
    let warnings = diagnosis.warnings.iter().filter(|warning| !told.contains(warning));
    lines.extend(warnings.flat_map(|warning| Span::new(clean(warning), Tone::Muted).wrap(width)));
    lines
}

/// `sink: 5 of 8, took 40s in the middle and 52s at most`
fn progress(vertex: &VertexProgress) -> Line {
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
    Line::new(format!("  {}: {acknowledged} of {subtasks}{said}", clean(&vertex.name)), Tone::Muted)
}

fn row(vertex: &VertexProgress, subtask: &MissingSubtask, width: usize) -> Line {
    let (mark, ink) = if subtask.suspect { ("! ", Tone::Bad) } else { ("  ", Tone::Plain) };
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
        right_column(&format!("#{}", subtask.index), 5),
        column(&host, host_width)
    );
    let room = width.saturating_sub(left.width());
    let mut text = said.join(", ");
    // Whole facts or none: no number is cut.
    while text.width() > room && said.pop().is_some() {
        text = said.join(", ");
    }
    Line::new(left, ink).with(text, ink)
}
