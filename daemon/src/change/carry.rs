//! Waiting until a stored revision is in force.

use super::{ChangeError, Changes};
use crate::configuration::{Held, Stage, answer};
use crate::overrides::{Edited, Key, OverrideStore};
use crate::registry::Job;
use crate::seam::{Applied, Initiator, Observation, Revision, SeamError, Settled, Wanted};
use ckpt_api::{Configuration, OverrideState, OverrideStatus};

/// Waits until a stored revision is in force, and answers with what came of it.
pub(super) async fn carry_out(
    job: &Job,
    changes: &Changes,
    before: Observation,
    edited: Edited,
    pull_in: bool,
) -> Result<Configuration, ChangeError> {
    let seen = before.in_flight.iter().map(|checkpoint| checkpoint.id).collect();
    let (revision, now) = (edited.revision, changes.clock.wall_millis());
    let wanted = Wanted { overridden: edited.overridden, revision };
    let held = Held { wanted, record: edited.record };
    let not_applied = |state, why, stored| {
        let standing = Some(OverrideStatus { state, why, since: Some(now), next_try: None });
        let observation = Observation { standing, ..before };
        let nothing = Applied { observation, updates: Vec::new(), ended: Vec::new() };
        answer(job.identity(), &nothing, &held, Stage { stored, applied: false }, now)
    };
    let asked = Revision { revision, pull_in, seen, initiator: Initiator::Operator };
    match settle(job, &changes.overrides, asked).await {
        Ok(Settled::Applied(applied)) => {
            let is_applied = applied.observation.revision_in_force == Some(revision);
            Ok(answer(job.identity(), &applied, &held, Stage { stored: true, applied: is_applied }, now))
        }
        Ok(Settled::Superseded { by }) => {
            let why = format!("superseded by revision {by} before it was applied");
            let answer = not_applied(OverrideState::NotApplied, Some(why), true);
            Ok(Configuration { superseded_by: Some(by), ..answer })
        }
        Err(ended @ SeamError::Ended { .. }) => Err(ended.into()),
        Err(error) => {
            tracing::error!(job = %job.identity().name, %error, "a change is stored, and not known to be applied");
            let record = changes.overrides.record(&Key::of(job.identity()));
            let is_stored = record.is_some_and(|record| record.revision >= revision);
            Ok(not_applied(error.override_state(), Some(error.to_string()), is_stored))
        }
    }
}

/// Waits until a stored revision is in force. The override of a job that has ended meanwhile ends with it.
///
/// # Errors
/// Those of the job's coordinator.
pub(crate) async fn settle(
    job: &Job,
    overrides: &OverrideStore,
    revision: Revision,
) -> Result<Settled, SeamError> {
    let settled = job.apply(revision).await;
    if let Err(SeamError::Ended { .. }) = &settled
        && let Err(error) = overrides.remove(Key::of(job.identity())).await
    {
        tracing::error!(job = %job.identity().id, %error, "the override of a job that has ended stays on disk");
    }
    settled
}
