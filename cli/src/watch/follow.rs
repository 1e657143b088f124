//! Following one checkpoint to its end.

use crate::exit::Exit;
use crate::server::Server;
use crate::view::name::{label, reference};
use crate::view::text::clean;
use ckpt_api::Configuration;
use ckpt_api::flink::{Checkpoint, CheckpointStatus};
use ckpt_client::ClientError;
use ckpt_types::duration::Rough;
use ckpt_types::ids::CheckpointId;
use std::time::Duration;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// [`Exit::Done`], or what says how it failed.
    pub(crate) exit: Exit,
    /// The same in words.
    pub(crate) sentence: String,
}

/// Follows the checkpoint that is in flight when it is asked first, or else the next one.
#[derive(Debug, Default)]
pub(super) struct Follower {
    chosen: Option<CheckpointId>,
    /// The newest checkpoint of the past, once it was looked for.
    newest_before: Option<u64>,
}

impl Follower {
    /// Looks at a job's history, newest first, and says how the checkpoint ended once it has.
    pub(super) async fn step(
        &mut self,
        server: &Server,
        job: &Configuration,
        history: &[Checkpoint],
    ) -> Result<Option<Verdict>, ClientError> {
        let Some(id) = self.choose(history) else {
            return Ok(job.state.has_ended().then(|| ended(job, "another checkpoint")));
        };
        if let Some(checkpoint) = history.iter().find(|checkpoint| checkpoint.id == id) {
            return Ok(judge(job, checkpoint));
        }
        // The history holds only the newest few.
        match server.client.checkpoint(&reference(job), id).await {
            Ok(answer) => Ok(judge(job, &answer.value)),
            Err(error) if error.status().is_some_and(|status| status.as_u16() == 404) => {
                let sentence =
                    format!("{} checkpoint {id}: what became of it is not known any more", label(job));
                Ok(Some(Verdict { exit: Exit::InVain, sentence }))
            }
            Err(error) => Err(error),
        }
    }

    fn choose(&mut self, history: &[Checkpoint]) -> Option<CheckpointId> {
        if self.chosen.is_none() {
            let ids = || history.iter().map(|checkpoint| checkpoint.id);
            self.chosen = match self.newest_before {
                Some(newest) => ids().filter(|id| id.0 > newest).min(),
                None => {
                    self.newest_before = Some(ids().max().map_or(0, |id| id.0));
                    let in_flight =
                        |checkpoint: &&Checkpoint| checkpoint.status == CheckpointStatus::InProgress;
                    history.iter().filter(in_flight).map(|checkpoint| checkpoint.id).min()
                }
            };
        }
        self.chosen
    }
}

fn judge(job: &Configuration, checkpoint: &Checkpoint) -> Option<Verdict> {
    let id = checkpoint.id;
    let name = format!("{} checkpoint {id}", label(job));
    let took = u64::try_from(checkpoint.end_to_end_duration).unwrap_or_default();
    let after = format!(
        "{} of {} acknowledged after {}",
        checkpoint.num_acknowledged_subtasks,
        checkpoint.num_subtasks,
        Rough(Duration::from_millis(took))
    );
    match checkpoint.status {
        CheckpointStatus::Completed => {
            Some(Verdict { exit: Exit::Done, sentence: format!("{name} completed ({after})") })
        }
        CheckpointStatus::Failed => {
            let why = clean(checkpoint.failure_message.as_deref().unwrap_or("no reason is given"));
            let why = why.trim_end_matches('.');
            Some(Verdict { exit: Exit::InVain, sentence: format!("{name} failed: {why} ({after})") })
        }
        CheckpointStatus::InProgress => {
            job.state.has_ended().then(|| ended(job, &format!("checkpoint {id}")))
        }
    }
}

fn ended(job: &Configuration, what: &str) -> Verdict {
    let sentence = format!("{} has ended ({}) before {what} completed", label(job), job.state);
    Verdict { exit: Exit::InVain, sentence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::{checkpoint, configuration};
    use CheckpointStatus::{Completed, Failed, InProgress};
    use ckpt_api::JobState;

    #[test]
    fn follows_oldest_in_flight() {
        let mut follower = Follower::default();
        let history = [checkpoint(9, InProgress), checkpoint(8, InProgress), checkpoint(7, Completed)];
        assert_eq!(follower.choose(&history), Some(CheckpointId(8)));
        let later = [checkpoint(10, InProgress), checkpoint(9, InProgress), checkpoint(8, Failed)];
        assert_eq!(follower.choose(&later), Some(CheckpointId(8)));
    }

    #[test]
    fn follows_next_checkpoint_when_idle() {
        let mut follower = Follower::default();
        assert_eq!(follower.choose(&[checkpoint(7, Completed)]), None);
        assert_eq!(follower.choose(&[checkpoint(7, Completed)]), None);
        let later = [checkpoint(9, InProgress), checkpoint(8, Failed), checkpoint(7, Completed)];
        assert_eq!(follower.choose(&later), Some(CheckpointId(8)));
        let mut fresh = Follower::default();
        assert_eq!(fresh.choose(&[]), None);
        assert_eq!(fresh.choose(&[checkpoint(1, InProgress)]), Some(CheckpointId(1)));
    }

    #[test]
    fn verdict_is_a_sentence() {
        let job = configuration();
        let done = judge(&job, &checkpoint(7, Completed)).unwrap();
        assert_eq!(done.exit, Exit::Done);
        assert_eq!(done.sentence, "job/job123 checkpoint 7 completed (20 of 20 acknowledged after 10s)");
        let failed = judge(&job, &checkpoint(7, Failed)).unwrap();
        assert_eq!(failed.exit, Exit::InVain);
        assert_eq!(
            failed.sentence,
            "job/job123 checkpoint 7 failed: Checkpoint expired before completing (19 of 20 acknowledged after 10s)"
        );
        assert_eq!(judge(&job, &checkpoint(7, InProgress)), None);
        let over = Configuration { state: JobState::Canceled, ..job };
        let verdict = judge(&over, &checkpoint(7, InProgress)).unwrap();
        assert_eq!(verdict.sentence, "job/job123 has ended (CANCELED) before checkpoint 7 completed");
    }
}
