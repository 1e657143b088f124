//! Slow or stuck: what is to be said of the checkpoints in flight, made of what is known of their subtasks. The
//! arithmetic is a crate of its own, `ckpt-estimate`; `docs/estimate.md` says how it goes and how often it is right.
//!
//! | module | holds |
//! |---|---|
//! | `verdict` | an estimate, and its timeout |
//! | `sentence` | the same in words |
//! | `vertices` | how far each vertex is, and who is missing |

mod sentence;
mod verdict;
mod vertices;

use crate::anatomy::{Anatomy, Depth};
use crate::change;
use crate::overrides::OverrideStore;
use crate::seam::{JobCoordinator, SeamError};
use ckpt_shared::api::{CheckpointDiagnosis, Configuration, SCHEMA};
use ckpt_shared::duration::millis;
use verdict::Case;

/// Adds an estimate to each checkpoint in flight, where one can be had without making anybody wait.
pub async fn estimate(job: &dyn JobCoordinator, configuration: &mut Configuration) {
    if configuration.in_flight.is_empty() || configuration.stale.is_some() {
        return;
    }
    let Ok(anatomy) = job.anatomy(Depth::Glance).await else { return };
    fill(&anatomy, configuration);
}

fn fill(anatomy: &Anatomy, configuration: &mut Configuration) {
    let timeout = configuration.checkpoint_timeout.effective;
    for checkpoint in &mut configuration.in_flight {
        checkpoint.estimate = Case::new(anatomy, checkpoint).map(|case| case.estimate(timeout));
    }
}

/// All that can be found out about the oldest checkpoint in flight.
///
/// # Errors
/// [`SeamError`] when the job's coordinator does not answer.
pub async fn diagnose(
    job: &dyn JobCoordinator,
    overrides: &OverrideStore,
) -> Result<CheckpointDiagnosis, SeamError> {
    let (configuration, anatomy) = tokio::join!(change::look(job, overrides), job.anatomy(Depth::Whole));
    let mut configuration = configuration?;
    let mut warnings = configuration.warnings.clone();
    warnings.extend(configuration.stale.clone());
    let anatomy = anatomy.unwrap_or_else(|error| {
        warnings.push(format!("what its subtasks did is not known: {error}"));
        Anatomy::default()
    });
    warnings.extend(anatomy.warnings.iter().cloned());
    if configuration.stale.is_none() {
        fill(&anatomy, &mut configuration);
    }
    let checkpoint = configuration.in_flight.into_iter().next();
    let case = checkpoint.as_ref().and_then(|checkpoint| Case::new(&anatomy, checkpoint));
    let usual = match &case {
        Some(case) => (case.assessment.usual, case.assessment.completed),
        None => verdict::usual(&anatomy),
    };
    Ok(CheckpointDiagnosis {
        schema: SCHEMA.to_owned(),
        cluster: configuration.cluster,
        job_id: configuration.job_id,
        name: configuration.name,
        state: configuration.state,
        checkpoint_timeout: configuration.checkpoint_timeout.effective,
        checkpoint_interval: configuration.checkpoint_interval.effective,
        usual_duration: usual.0.map(millis),
        completed: u32::try_from(usual.1).unwrap_or(u32::MAX),
        vertices: case.map(|case| vertices::progress(&case)).unwrap_or_default(),
        checkpoint,
        failures: configuration.failures,
        warnings,
        observed_at: configuration.observed_at,
    })
}
