//! Slow or stuck: what is to be said of the checkpoints in flight, made of what is known of their subtasks. The
//! arithmetic is a crate of its own, `ckpt-estimate`; `docs/estimate.md` says how it goes and how often it is right.
//!
//! | module | holds |
//! |---|---|
//! | `case` | a checkpoint in flight, compared with those that have ended |
//! | `verdict` | an estimate, and its timeout |
//! | `sentence` | the same in words |
//! | `vertices` | how far each vertex is, and who is missing |

mod case;
mod sentence;
mod verdict;
mod vertices;

use crate::anatomy::{Anatomy, off_thread_if_large};
use crate::change::Changes;
use crate::configuration;
use crate::seam::{Freshness, JobCoordinator, SeamError};
use case::Case;
use ckpt_api::{CheckpointDiagnosis, Configuration, InFlight, SCHEMA, VertexProgress};
use ckpt_types::duration::millis;
use std::time::Duration;

/// Adds an estimate to each checkpoint in flight, where one can be had without making anybody wait.
pub(crate) async fn estimate(job: &dyn JobCoordinator, configuration: &mut Configuration) {
    if configuration.in_flight.is_empty() || configuration.stale.is_some() {
        return;
    }
    let Ok(anatomy) = job.breakdown(Freshness::Cached).await else { return };
    let (subtasks, timeout) = (anatomy.subtasks(), configuration.checkpoint_timeout.effective);
    let (mut in_flight, failed) = (configuration.in_flight.clone(), configuration.failures.consecutive);
    let reckon = move || {
        for checkpoint in &mut in_flight {
            checkpoint.estimate =
                Case::new(&anatomy, checkpoint, failed).map(|case| verdict::estimate(&case, timeout));
        }
        in_flight
    };
    if let Some(estimated) = off_thread_if_large(subtasks, reckon).await {
        configuration.in_flight = estimated;
    }
}

/// What is to be said of a checkpoint in flight, or of a job that has none.
#[derive(Default)]
struct Said {
    checkpoint: Option<InFlight>,
    usual: Option<Duration>,
    completed: usize,
    vertices: Vec<VertexProgress>,
}

impl Said {
    /// Without an estimate if what was seen of the checkpoint is old.
    fn of(
        anatomy: &Anatomy,
        mut checkpoint: Option<InFlight>,
        (timeout, failed): (Option<u64>, u32),
        is_old: bool,
    ) -> Self {
        let case = checkpoint.as_ref().and_then(|checkpoint| Case::new(anatomy, checkpoint, failed));
        let (usual, completed) = match &case {
            Some(case) => (case.assessment.usual, case.assessment.completed),
            None => case::usual(anatomy),
        };
        let estimate = case.as_ref().filter(|_| !is_old).map(|case| verdict::estimate(case, timeout));
        let vertices = case.as_ref().map(vertices::progress).unwrap_or_default();
        if let Some(checkpoint) = &mut checkpoint {
            checkpoint.estimate = estimate;
        }
        Self { checkpoint, usual, completed, vertices }
    }
}

/// All that can be found out about the oldest checkpoint in flight.
///
/// # Errors
/// [`SeamError`] when the job's coordinator does not answer.
pub async fn diagnose(job: &dyn JobCoordinator, changes: &Changes) -> Result<CheckpointDiagnosis, SeamError> {
    let look = async {
        let observed = job.observe(Freshness::Current).await;
        configuration::shown(job, &changes.overrides, observed, changes.clock.wall_millis())
    };
    let (configuration, anatomy) = tokio::join!(look, job.breakdown(Freshness::Current));
    let configuration = configuration?;
    let mut warnings = configuration.warnings.clone();
    warnings.extend(configuration.stale.clone());
    let anatomy = anatomy.unwrap_or_else(|error| {
        warnings.push(format!("what its subtasks did is not known: {error}"));
        Anatomy::default()
    });
    warnings.extend(anatomy.warnings.iter().cloned());
    let (timeout, is_old) = (configuration.checkpoint_timeout.effective, configuration.stale.is_some());
    let (subtasks, checkpoint) = (anatomy.subtasks(), configuration.in_flight.into_iter().next());
    let failed = configuration.failures.consecutive;
    let reckon = move || Said::of(&anatomy, checkpoint, (timeout, failed), is_old);
    let Said { checkpoint, usual, completed, vertices } =
        off_thread_if_large(subtasks, reckon).await.unwrap_or_default();
    Ok(CheckpointDiagnosis {
        schema: SCHEMA.to_owned(),
        cluster: configuration.cluster,
        job_id: configuration.job_id,
        name: configuration.name,
        state: configuration.state,
        checkpoint_timeout: configuration.checkpoint_timeout.effective,
        checkpoint_interval: configuration.checkpoint_interval.effective,
        usual_duration: usual.map(millis),
        completed: u32::try_from(completed).unwrap_or(u32::MAX),
        vertices,
        checkpoint,
        failures: configuration.failures,
        warnings,
        observed_at: configuration.observed_at,
    })
}
