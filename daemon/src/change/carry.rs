//! Putting in force what was stored.

use super::ChangeError;
use super::look::{Held, Stage, answer};
use crate::clock::wall_millis;
use crate::overrides::{Edited, Key, OverrideStore};
use crate::registry::Job;
use crate::seam::{Applied, Observation, SeamError, Wanted};
use ckpt_api::{Configuration, OverrideStatus};
use ckpt_types::ids::CheckpointId;

/// Puts what was stored in force, and says what came of it.
pub(super) async fn carry_out(
    job: &Job,
    overrides: &OverrideStore,
    before: Observation,
    edited: Edited,
    pull_in: bool,
) -> Result<Configuration, ChangeError> {
    let seen = before.in_flight.iter().map(|checkpoint| checkpoint.id).collect();
    let wanted = Wanted { overridden: edited.overridden, revision: edited.revision };
    let held = Held { wanted, record: edited.record };
    match put_in_force(job, overrides, wanted, pull_in, seen).await {
        Ok(applied) => {
            // A later change may have been applied meanwhile: the answer shows what is in force.
            let in_force = applied.observation.revision_in_force;
            let applied_now = in_force.is_some_and(|revision| revision >= wanted.revision);
            let stored = overrides.record(&Key::of(job.identity()));
            let newest = stored.filter(|record| in_force == Some(record.revision));
            let shown = newest.map_or(held, |record| Held::of(Some(record)));
            Ok(answer(job.identity(), &applied, &shown, Stage { stored: true, applied: applied_now }))
        }
        Err(ended @ SeamError::Ended { .. }) => Err(ended.into()),
        Err(error) => {
            tracing::error!(job = %job.identity().name, %error, "a change is stored, and not known to be applied");
            let standing = Some(OverrideStatus {
                state: error.override_state(),
                why: Some(error.to_string()),
                since: Some(wall_millis()),
                next_try: None,
            });
            let observation = Observation { standing, ..before };
            let nothing = Applied { observation, updates: Vec::new(), ended: Vec::new() };
            Ok(answer(job.identity(), &nothing, &held, Stage { stored: true, applied: false }))
        }
    }
}

/// Puts what was stored in force. The override of a job that has ended meanwhile ends with it.
///
/// # Errors
/// Those of the job's coordinator.
pub(crate) async fn put_in_force(
    job: &Job,
    overrides: &OverrideStore,
    wanted: Wanted,
    pull_in: bool,
    seen: Vec<CheckpointId>,
) -> Result<Applied, SeamError> {
    let applied = job.apply(wanted, pull_in, seen).await;
    if let Err(SeamError::Ended { .. }) = &applied
        && let Err(error) = overrides.remove(Key::of(job.identity())).await
    {
        tracing::error!(job = %job.identity().id, %error, "the override of a job that has ended stays on disk");
    }
    applied
}
