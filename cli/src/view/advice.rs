//! Advice about a checkpoint in flight.

use super::suggestion::more_time;
use super::text::{clean, rough};
use ckpt_api::{CheckpointDiagnosis, Estimate, InFlight, MissingSubtask, Pace, VertexProgress};

/// Subtasks that have not acknowledged: the suspects first, the others in the order of the flow.
pub(crate) fn missing(seen: &CheckpointDiagnosis) -> Vec<(&VertexProgress, &MissingSubtask)> {
    let vertices = seen.vertices.iter();
    let mut missing: Vec<_> =
        vertices.flat_map(|vertex| vertex.missing.iter().map(move |subtask| (vertex, subtask))).collect();
    missing.sort_by_key(|(_, subtask)| !subtask.suspect);
    missing
}

/// Next steps, in sentences; `typed` names the job.
pub(crate) fn of(seen: &CheckpointDiagnosis, typed: &str) -> Vec<String> {
    let Some(checkpoint) = &seen.checkpoint else { return between(seen, typed) };
    let Some(estimate) = &checkpoint.estimate else {
        return vec![format!("next: ckptctl diagnose {typed}")];
    };
    match (estimate.verdict, estimate.suggested_timeout) {
        (_, Some(timeout)) => extend(timeout, estimate, typed),
        (Pace::Stuck, None) => stuck(seen, typed),
        (Pace::CannotTell, None) => wait(checkpoint, seen, typed),
        (Pace::OnTrack | Pace::Slow, None) => vec![match (checkpoint.remaining, estimate.done_in) {
            (Some(left), Some(range)) if range.high > left => {
                format!("next: ckptctl diagnose {typed}; it is likely done in time, and not for certain")
            }
            (Some(_), _) => "next: nothing; the timeout in force leaves it the time it needs".to_owned(),
            (None, _) => "next: nothing; wait for it".to_owned(),
        }],
    }
}

/// Nothing is in flight.
fn between(seen: &CheckpointDiagnosis, typed: &str) -> Vec<String> {
    match (seen.state.has_ended(), seen.failures.consecutive) {
        (true, _) => Vec::new(),
        (false, 0) => vec![format!("next: ckptctl watch {typed}")],
        (false, _) => vec![
            format!("next: ckptctl history {typed}, which says why they failed"),
            format!("then: ckptctl watch {typed}, until the next one is in flight"),
        ],
    }
}

fn extend(timeout: u64, estimate: &Estimate, typed: &str) -> Vec<String> {
    let until = estimate.done_in.map(|range| format!(", as it may take another {}", rough(range.high)));
    vec![
        format!("the timeout in force is not enough{}", until.unwrap_or_default()),
        format!("next: {}", more_time(typed, timeout)),
    ]
}

/// No timeout helps.
fn stuck(seen: &CheckpointDiagnosis, typed: &str) -> Vec<String> {
    let suspect = missing(seen).into_iter().find(|(_, subtask)| subtask.suspect);
    let suspect = suspect.map(|(vertex, subtask)| place(vertex, subtask));
    let mut all = vec!["no timeout helps: a longer one only hides it for longer".to_owned()];
    all.push(match suspect {
        Some((who, Some(host))) => format!(
            "next: take a thread dump of the TaskManager {host} (jstack, or the page of that TaskManager in Flink's web \
             page), and look what {who} waits for; restarting that TaskManager restarts the job from its last \
             completed checkpoint"
        ),
        Some((who, None)) => format!("next: take a thread dump where {who} runs, and look what it waits for; restarting that process restarts the job from its last completed checkpoint"),
        None => "next: look what the missing subtasks wait for; storage, or a system that they all write to".to_owned(),
    });
    all.push(format!("then: ckptctl watch {typed}"));
    all
}

fn place(vertex: &VertexProgress, subtask: &MissingSubtask) -> (String, Option<String>) {
    let who = format!("subtask {} of `{}`", subtask.index, clean(&vertex.name));
    (who, subtask.host.as_deref().map(clean))
}

/// Time to look: what is in flight has this much left.
fn wait(checkpoint: &InFlight, seen: &CheckpointDiagnosis, typed: &str) -> Vec<String> {
    let again = format!("next: ckptctl diagnose {typed}");
    let (Some(left), Some(timeout)) = (checkpoint.remaining, seen.checkpoint_timeout) else {
        return vec![again];
    };
    match left < timeout / 2 {
        true => vec![
            format!(
                "it is thrown away in {}; twice the timeout buys the time to look, and is no estimate",
                rough(left)
            ),
            format!("next: {}", more_time(typed, timeout.saturating_mul(2))),
            format!("then: ckptctl diagnose {typed}"),
        ],
        false => vec![format!("it is thrown away in {}; ask again before", rough(left)), again],
    }
}
