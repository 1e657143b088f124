//! What is read from Flink's REST API.

use ckpt_api::flink::{
    Checkpoint, CheckpointConfig, CheckpointStatistics, CheckpointStatus, JobsOverview, NO_INTERVAL,
};
use ckpt_api::{Failures, JobState};
use ckpt_client::{Access, Client, ClientError, Peer};
use ckpt_coordinator::config::{Mode, RetentionPolicy, SubmittedConfig, Tolerable};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout, LONGEST, SHORTEST};
use ckpt_types::ids::{CheckpointId, JobId};
use serde::Deserialize;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// How old Flink's answers about checkpoints may be: it keeps them for 3 s.
pub(super) const CACHE_AGE: Duration = Duration::from_millis(3_500);

/// The longest wait for what may be a REST API on this machine.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// A client for what may be a REST API on this machine.
pub(super) fn probe(address: SocketAddr) -> Result<Client, ClientError> {
    let access = Access { peer: Peer::Flink, token: None, authorities: None, limit: PROBE_LIMIT };
    Client::with(&format!("http://{address}"), access)
}

/// What every release says about itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Dashboard {
    flink_version: String,
}

/// Which release answers.
pub(super) async fn version(client: &Client) -> Result<String, ClientError> {
    Ok(client.get::<Dashboard>("/config").await?.value.flink_version)
}

/// The cluster's list, before its entries are looked at.
#[derive(Debug, Deserialize)]
struct RawOverview {
    jobs: Vec<serde_json::Value>,
}

/// Every job of the cluster. An entry that is not understood costs that job alone.
pub(super) async fn overview(client: &Client) -> Result<JobsOverview, ClientError> {
    let listed = client.get::<RawOverview>("/jobs/overview").await?.value.jobs;
    let understood = |entry| {
        serde_json::from_value(entry)
            .inspect_err(|error| tracing::debug!(%error, "a job of a list is not understood"))
            .ok()
    };
    let some = !listed.is_empty();
    let jobs: Vec<_> = listed.into_iter().filter_map(understood).collect();
    match jobs.is_empty() && some {
        // Then it is no list of Flink's.
        true => Ok(client.get("/jobs/overview").await?.value),
        false => Ok(JobsOverview { jobs }),
    }
}

/// A job's checkpoint configuration, as Flink shows it.
pub(super) async fn checkpoint_config(client: &Client, job: JobId) -> Result<CheckpointConfig, ClientError> {
    Ok(client.get(&format!("/jobs/{job}/checkpoints/config")).await?.value)
}

/// Whether Flink says that a job, such as a batch job, does not use checkpoints at all.
pub(super) fn has_no_checkpoints(error: &ClientError) -> bool {
    let is_404 = error.status().is_some_and(|status| status.as_u16() == 404);
    is_404 && error.to_string().contains("Checkpointing is not enabled")
}

/// When a job went into each of its states, in milliseconds since the epoch; 0 for those that it never was in.
#[derive(Debug, Deserialize)]
struct Timestamps {
    timestamps: HashMap<String, i64>,
}

/// When a job began to run last, if it ever did.
pub(super) async fn running_since(client: &Client, job: JobId) -> Result<Option<i64>, ClientError> {
    let Timestamps { timestamps } = client.get(&format!("/jobs/{job}")).await?.value;
    Ok(timestamps.get(JobState::Running.name()).copied().filter(|at| *at > 0))
}

/// A job's checkpoints.
pub(super) async fn checkpoints(client: &Client, job: JobId) -> Result<CheckpointStatistics, ClientError> {
    Ok(client.get(&format!("/jobs/{job}/checkpoints")).await?.value)
}

/// One checkpoint as the job's history has it; `None` when it is unknown or forgotten.
pub(super) async fn remembered(
    client: &Client,
    job: JobId,
    id: CheckpointId,
) -> Result<Option<Checkpoint>, ClientError> {
    Ok(checkpoints(client, job).await?.history.into_iter().find(|entry| entry.id == id))
}

/// One checkpoint in detail; `None` when it is unknown or forgotten.
///
/// Flink keeps details by the checkpoint's number alone, so a number that this job's history does not have
/// may bring another job's checkpoint. (Seen on 1.20.5 and 2.3.0.)
pub(super) async fn checkpoint(
    client: &Client,
    job: JobId,
    id: CheckpointId,
) -> Result<Option<Checkpoint>, ClientError> {
    let Some(known) = remembered(client, job, id).await? else { return Ok(None) };
    let detailed = found(client.get::<Checkpoint>(&format!("/jobs/{job}/checkpoints/details/{id}")).await)?;
    Ok(Some(detailed.filter(|entry| entry.trigger_timestamp == known.trigger_timestamp).unwrap_or(known)))
}

/// An answer, or `None` for a 404.
pub(super) fn found<T>(
    answer: Result<ckpt_client::Answer<T>, ClientError>,
) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(answer) => Ok(Some(answer.value)),
        Err(error) if error.status().is_some_and(|status| status.as_u16() == 404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What Flink shows as configured; it is what was submitted as long as nobody changed it.
pub(super) fn submitted(shown: &CheckpointConfig) -> SubmittedConfig {
    let non_negative = |number: i64| u64::try_from(number).unwrap_or(0);
    SubmittedConfig {
        interval: interval(shown.interval),
        timeout: timeout(shown.timeout),
        min_pause: Duration::from_millis(non_negative(shown.min_pause)),
        max_concurrent: u32::try_from(shown.max_concurrent)
            .ok()
            .and_then(NonZeroU32::new)
            .unwrap_or(NonZeroU32::MIN),
        tolerable_failures: match u32::try_from(shown.tolerable_failed_checkpoints) {
            Ok(number) if number < Failures::UNLIMITED => Tolerable::AtMost(number),
            Ok(_) => Tolerable::Unlimited,
            Err(_) => Tolerable::AtMost(0),
        },
        mode: match shown.mode.as_str() {
            "at_least_once" => Mode::AtLeastOnce,
            _ => Mode::ExactlyOnce,
        },
        retention_policy: match (shown.externalization.enabled, shown.externalization.delete_on_cancellation)
        {
            (false, _) => RetentionPolicy::NeverRetain,
            (true, true) => RetentionPolicy::RetainOnFailure,
            (true, false) => RetentionPolicy::RetainOnCancellation,
        },
        ..SubmittedConfig::default()
    }
}

/// An interval in milliseconds as Flink has it; what lies beyond our bounds is taken as the bound.
pub(super) fn interval(millis: i64) -> Option<CheckpointInterval> {
    match millis {
        NO_INTERVAL => None,
        millis => Some(CheckpointInterval::new(bounded(millis)).unwrap_or_else(|_| unreachable!("bounded"))),
    }
}

/// A timeout in milliseconds, likewise.
pub(super) fn timeout(millis: i64) -> CheckpointTimeout {
    CheckpointTimeout::new(bounded(millis)).unwrap_or_else(|_| unreachable!("bounded"))
}

fn bounded(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0)).clamp(SHORTEST, LONGEST)
}

/// How many checkpoints have failed in a row, as far as the history goes. Flink's own counter leaves some
/// reasons out, so this may be more.
pub(super) fn failures_in_a_row(seen: &CheckpointStatistics) -> u32 {
    let over = seen.history.iter().filter(|entry| entry.status != CheckpointStatus::InProgress);
    let failed =
        over.filter(|entry| !entry.is_savepoint).take_while(|entry| entry.status == CheckpointStatus::Failed);
    u32::try_from(failed.count()).unwrap_or(u32::MAX)
}
