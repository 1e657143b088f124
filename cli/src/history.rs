//! Ended checkpoints of a job, from the history of a ckptd or the statistics of an older one.

use crate::server::Server;
use ckpt_api::EndedCheckpoint;
use ckpt_api::flink::{self, Checkpoint, CheckpointStatus};
use ckpt_client::{Answer, Client, ClientError};

/// Ended checkpoints, the oldest first, and the body of the answer.
#[derive(Debug)]
pub(crate) struct JobHistory {
    pub(crate) checkpoints: Vec<EndedCheckpoint>,
    pub(crate) body: String,
}

impl JobHistory {
    /// History of a job on a server.
    pub(crate) async fn of(server: &Server, job: &str) -> Result<Self, ClientError> {
        Self::from_client(&server.client, job).await
    }

    /// History of a job, from a client.
    pub(crate) async fn from_client(client: &Client, job: &str) -> Result<Self, ClientError> {
        match client.history(job).await {
            Ok(Answer { value, body }) => Ok(Self { checkpoints: value.checkpoints, body }),
            Err(error) if error.status().is_some_and(|status| matches!(status.as_u16(), 400 | 404)) => {
                // Where there is no such path, `history` is taken for the id of a trigger.
                let Answer { value, body } = client.checkpoints(job).await?;
                Ok(Self { checkpoints: of_statistics(&value.history), body })
            }
            Err(error) => Err(error),
        }
    }
}

/// History from Flink's statistics, which do not tell timeouts.
fn of_statistics(history: &[Checkpoint]) -> Vec<EndedCheckpoint> {
    let number = |number: i64| u64::try_from(number).ok();
    let ended = |entry: &Checkpoint| EndedCheckpoint {
        id: Some(entry.id),
        savepoint: entry.is_savepoint,
        completed: entry.status == CheckpointStatus::Completed,
        triggered_at: number(entry.trigger_timestamp).unwrap_or(0),
        duration: number(entry.end_to_end_duration),
        state_size: number(entry.state_size),
        checkpointed_size: number(entry.checkpointed_size),
        timeout: None,
        rescued: false,
        reason: entry
            .failure_message
            .as_deref()
            .filter(|message| *message == flink::EXPIRED)
            .map(|_| "CHECKPOINT_EXPIRED".to_owned()),
        message: entry.failure_message.clone(),
    };
    let done = history.iter().rev().filter(|entry| entry.status != CheckpointStatus::InProgress);
    done.map(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::checkpoint;

    #[test]
    fn statistics_have_no_timeouts() {
        let history = [
            checkpoint(3, CheckpointStatus::InProgress),
            checkpoint(2, CheckpointStatus::Failed),
            checkpoint(1, CheckpointStatus::Completed),
        ];
        let past = of_statistics(&history);
        let told: Vec<_> = past.iter().map(|one| (one.id.unwrap().0, one.completed, one.timeout)).collect();
        assert_eq!(told, [(1, true, None), (2, false, None)]);
        assert_eq!(past[1].reason.as_deref(), Some("CHECKPOINT_EXPIRED"));
    }
}
