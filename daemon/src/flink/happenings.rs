//! What happened to a job's checkpoints between two looks.

use crate::checkpoint_log::failure_reason;
use ckpt_api::Happening;
use ckpt_api::flink::{Checkpoint, CheckpointStatistics, CheckpointStatus};
use ckpt_coordinator::reason::FailureReason;

/// What happened, the oldest checkpoint first. What is gone from the history is not told of.
pub(super) fn between(before: &CheckpointStatistics, after: &CheckpointStatistics) -> Vec<Happening> {
    let newest_before = before.history.iter().map(|entry| entry.id).max();
    let mut news = Vec::new();
    for entry in after.history.iter().rev() {
        let was = before.history.iter().find(|old| old.id == entry.id);
        if was.is_none() && newest_before.is_some_and(|newest| entry.id < newest) {
            continue;
        }
        tell(was, entry, &mut news);
    }
    news
}

fn tell(was: Option<&Checkpoint>, is: &Checkpoint, news: &mut Vec<Happening>) {
    let id = is.id;
    if was.is_none() {
        news.push(Happening::Triggered { id, savepoint: is.is_savepoint });
    }
    let acknowledged = was.map_or(0, |was| was.num_acknowledged_subtasks);
    if is.num_acknowledged_subtasks > acknowledged {
        news.push(Happening::Acknowledged {
            id,
            acknowledged: is.num_acknowledged_subtasks,
            subtasks: is.num_subtasks,
        });
    }
    if was.is_some_and(|was| was.status == is.status) {
        return;
    }
    match is.status {
        CheckpointStatus::InProgress => {}
        CheckpointStatus::Completed => {
            news.push(Happening::Completed {
                id,
                duration: u64::try_from(is.end_to_end_duration).unwrap_or(0),
            });
        }
        CheckpointStatus::Failed => {
            let message = is.failure_message.clone().unwrap_or_default();
            let reason = failure_reason(&message).map_or("FAILED", FailureReason::name);
            news.push(Happening::Failed { id: Some(id), reason: reason.to_owned(), message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_types::ids::CheckpointId;
    use serde_json::{Value, json};

    /// Checkpoints with their status and how many of 4 have acknowledged, newest first.
    fn statistics(entries: &[(u64, &str, u32)]) -> CheckpointStatistics {
        let recorded = include_str!("../../../shared/api/tests/flink-rest/checkpoints-in-progress.json");
        let recorded: Value = serde_json::from_str(recorded).unwrap();
        let mut body = recorded["body"].clone();
        let template = body["history"][0].clone();
        let entry = |&(id, status, acknowledged): &(u64, &str, u32)| {
            let mut entry = template.clone();
            entry["id"] = json!(id);
            entry["status"] = json!(status);
            entry["num_subtasks"] = json!(4);
            entry["num_acknowledged_subtasks"] = json!(acknowledged);
            entry["end_to_end_duration"] = json!(14_000);
            if status == "FAILED" {
                entry["failure_message"] = json!("Checkpoint expired before completing.");
            }
            entry
        };
        body["history"] = entries.iter().map(entry).collect();
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn what_changed_is_told_once_and_in_order() {
        let before = statistics(&[(7, "IN_PROGRESS", 1), (6, "COMPLETED", 4)]);
        let after = statistics(&[(8, "IN_PROGRESS", 0), (7, "FAILED", 3), (6, "COMPLETED", 4)]);
        let names: Vec<_> = between(&before, &after).iter().map(Happening::name).collect();
        assert_eq!(names, ["acknowledged", "failed", "triggered"]);
        assert_eq!(between(&after, &after), []);
    }

    #[test]
    fn a_checkpoint_that_came_and_went_between_two_looks_is_told_of() {
        let news = between(&statistics(&[]), &statistics(&[(1, "COMPLETED", 4)]));
        let id = CheckpointId(1);
        assert_eq!(
            news,
            [
                Happening::Triggered { id, savepoint: false },
                Happening::Acknowledged { id, acknowledged: 4, subtasks: 4 },
                Happening::Completed { id, duration: 14_000 }
            ]
        );
    }

    #[test]
    fn what_was_forgotten_and_shows_up_again_is_old() {
        let before = statistics(&[(9, "COMPLETED", 4)]);
        assert_eq!(between(&before, &statistics(&[(9, "COMPLETED", 4), (2, "COMPLETED", 4)])), []);
    }
}
