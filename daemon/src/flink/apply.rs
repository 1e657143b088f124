//! Putting what is stored in force, through whichever way there is.

use super::job::FlinkJob;
use super::rest;
use super::sight;
use super::ways::{INSIDE_LIMIT, Way};
use crate::clock::wall_millis;
use crate::seam::{Applied, Observation, SeamError};
use ckpt_agent::protocol::{Answered, Ask, Values};
use ckpt_api::flink::{self, CheckpointStatus};
use ckpt_api::{Happening, Outcome};
use ckpt_coordinator::config::EffectiveConfig;
use ckpt_coordinator::{InFlight, InFlightUpdate};
use ckpt_types::duration::millis;
use ckpt_types::ids::CheckpointId;
use futures::future::join_all;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a change waits for Flink to tell what became of a checkpoint that ended meanwhile.
const OUTCOME_LIMIT: Duration = Duration::from_secs(4);
/// How often it asks.
const OUTCOME_POLL: Duration = Duration::from_millis(500);

/// Who applies what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Somebody asked for it, and may want the pending trigger brought forward.
    Operator { pull_in: bool },
    /// It did not hold any more.
    Reconcile,
}

impl FlinkJob {
    /// Puts what is stored in force; the newest, whatever was asked for.
    pub(super) async fn put_in_force(&self, by: By, seen: Vec<CheckpointId>) -> Result<Applied, SeamError> {
        let turn = timeout(INSIDE_LIMIT, self.applying().lock()).await;
        let one_at_a_time = turn.map_err(|_| {
            SeamError::Unreachable("changes that were asked for before are still being applied".to_owned())
        })?;
        if by == By::Reconcile
            && let Some(pause) = self.link().pause()
        {
            return Err(SeamError::Busy(pause));
        }
        let overview = self.known().overview.clone();
        if overview.state.has_ended() {
            return Err(SeamError::Ended { state: overview.state });
        }
        let base = self.base(wall_millis());
        let wanted = base.wanted();
        // A later change may be stored meanwhile; what is in force then is still this one.
        let revision = base.record.map_or(0, |record| record.revision);
        let way = self.link().ways.choose(self.link(), Some(self.id())).await;
        let (observation, updates) = match way {
            Way::None(why) => return Err(SeamError::NoWay(why)),
            Way::Native => self.change_natively(&wanted).await?,
            Way::Attach(_) => match self.change_inside(&overview, &wanted, by).await {
                Err(error @ SeamError::NotNow { .. }) => {
                    self.refuse_if_ended().await?;
                    return Err(error);
                }
                changed => changed?,
            },
        };
        drop(one_at_a_time);
        let revision_in_force = (observation.effective == wanted).then_some(revision);
        self.note_timeout(observation.effective.timeout());
        self.tell(Happening::Configured {
            revision,
            checkpoint_interval: wanted.interval().map(millis),
            checkpoint_timeout: millis(wanted.timeout()),
        });
        let gone = seen.into_iter().filter(|id| updates.iter().all(|update| update.checkpoint.id != *id));
        let ended = self.ended(gone.collect()).await;
        let observation = Observation { trouble: None, revision_in_force, ..observation };
        Ok(Applied { observation, updates, ended })
    }

    async fn change_inside(
        &self,
        overview: &flink::JobOverview,
        wanted: &EffectiveConfig,
        by: By,
    ) -> Result<(Observation, Vec<InFlightUpdate>), SeamError> {
        let values = Values {
            interval: wanted.interval().map(signed),
            timeout: Some(signed(wanted.timeout())),
            pull_in: by == By::Operator { pull_in: true },
        };
        let ask = Ask::Change { job: self.id().to_string(), values };
        match self.link().ways.ask(self.link(), overview, ask).await? {
            (jvm, Answered::Changed { sight, timeout_before, updates }) => {
                let updates = sight::updates(timeout_before, &sight, &updates);
                Ok((self.saw(jvm, &sight), updates))
            }
            (_, Answered::Jobs(_) | Answered::Read(_)) => Err(SeamError::Silent),
        }
    }

    /// Lets the cluster make the change, in the words of FLIP-571 alone.
    async fn change_natively(
        &self,
        wanted: &EffectiveConfig,
    ) -> Result<(Observation, Vec<InFlightUpdate>), SeamError> {
        let before = self.look().await?;
        let mut body = serde_json::json!({"checkpointTimeout": millis(wanted.timeout())});
        if let Some(interval) = wanted.interval() {
            body["checkpointInterval"] = millis(interval).into();
        }
        let path = format!("/jobs/{}/checkpoints/configuration", self.id());
        self.link()
            .client()
            .send_patch(&path, body.to_string())
            .await
            .map_err(|error| self.link().refused(&error))?;
        self.known().changed_natively = Some(self.now());
        let updates = sight::foreseen(&before.in_flight, wanted.timeout());
        let after = self.look().await?;
        Ok((after, updates))
    }

    /// What became of checkpoints that are not pending any more.
    async fn ended(&self, gone: Vec<CheckpointId>) -> Vec<(InFlight, Outcome)> {
        let outcomes = join_all(gone.into_iter().map(|id| self.outcome(id))).await;
        outcomes.iter().flatten().map(sight::ended).collect()
    }

    /// Flink's answers may still show it in progress.
    async fn outcome(&self, id: CheckpointId) -> Option<flink::Checkpoint> {
        let limit = self.now() + OUTCOME_LIMIT;
        loop {
            let found = rest::remembered(self.link().client(), self.id(), id).await.ok().flatten();
            let found = found.filter(|entry| entry.status != CheckpointStatus::InProgress);
            if found.is_some() || self.now() >= limit {
                return found;
            }
            sleep(OUTCOME_POLL).await;
        }
    }
}

/// Milliseconds as Java has them.
pub(super) fn signed(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
