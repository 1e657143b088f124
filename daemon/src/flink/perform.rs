//! The actions of a cluster's owner that take time: requests to the REST API, to the agent and to the store. Each ends
//! with an event for the state machine.

use super::breakdown::BreakdownRequest;
use super::facts::{ClusterFacts, RestRead};
use super::link::Link;
use super::rest;
use super::route_search::Search;
use super::routes::Route;
use super::state::event::{ChangeAnswer, ChangeOrder, ClusterEvent, ListAnswer, RestAnswer};
use crate::checkpoint_log::CheckpointMark;
use crate::durable::STORE_LIMIT;
use crate::overrides::{EditError, Submitted};
use crate::seam::SeamError;
use ckpt_agent::protocol::{Answered, Ask, Values};
use ckpt_api::flink::JobOverview;
use ckpt_client::ClientError;
use ckpt_coordinator::config::EffectiveConfig;
use ckpt_types::duration::millis;
use ckpt_types::ids::JobId;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Jobs of one cluster that are followed.
const MAX_JOBS: usize = 10_000;

/// Asks for the cluster's list of jobs.
pub(super) async fn list(link: &Link, with_version: bool, followed: HashSet<JobId>) -> ClusterEvent {
    let asked = link.clock.now();
    let answer = async {
        let version = if with_version { Some(rest::version(link.client()).await?) } else { None };
        let asked = link.clock.now();
        let mut jobs = rest::overview(link.client()).await?.jobs;
        // If there are too many, the live and the newest are followed.
        jobs.sort_by_key(|job| (job.state.has_ended(), Reverse(job.start_time)));
        jobs.truncate(MAX_JOBS);
        jobs.sort_by_key(|job| (job.start_time, job.jid));
        Ok::<_, ClientError>((asked, ListAnswer { version, jobs }))
    };
    let (asked, answer) = match answer.await {
        Ok((asked, answer)) => (asked, Ok(answer)),
        Err(error) => (asked, Err(error.to_string())),
    };
    ClusterEvent::Listed { asked, answered: link.clock.now(), followed, answer }
}

/// Asks the REST API for a job's checkpoints and their configuration.
pub(super) async fn read_rest(link: &Link, job: JobId) -> ClusterEvent {
    let asked = link.clock.now().monotonic;
    let answer = ask_rest(link, job).await.map(Box::new).map_err(Arc::new);
    ClusterEvent::RestRead { job, asked, answered: link.clock.now(), answer }
}

async fn ask_rest(link: &Link, job: JobId) -> Result<RestAnswer, ClientError> {
    let client = link.client();
    let (config, statistics) =
        tokio::try_join!(rest::checkpoint_config(client, job), rest::checkpoints(client, job))?;
    Ok(RestAnswer { config, statistics })
}

/// Asks the agent for a job's coordinator.
pub(super) async fn read_agent(link: &Link, overview: JobOverview, facts: &ClusterFacts) -> ClusterEvent {
    let job = overview.jid;
    let asked = link.clock.now().monotonic;
    let mut search = Search::new(link, facts);
    let answer = match search.ask_jvm(&overview, Ask::Read { job: job.to_string() }).await {
        Ok((jvm, Answered::Read(sight))) => Ok(Box::new((jvm, sight))),
        Ok((_, Answered::Jobs(_) | Answered::Changed { .. })) => Err(SeamError::Silent),
        Err(error) => Err(error),
    };
    ClusterEvent::AgentRead { job, asked, answered: link.clock.now(), lessons: search.lessons(), answer }
}

/// Searches for the route of a change. With `again`, also if one is known.
pub(super) async fn find_route(
    link: &Link,
    job: Option<JobId>,
    facts: &ClusterFacts,
    again: bool,
) -> ClusterEvent {
    let mut search = Search::new(link, facts);
    let route = if again { search.search(job).await } else { search.route(job).await };
    ClusterEvent::RouteFound { lessons: search.lessons(), route }
}

pub(super) async fn read_breakdown(link: &Link, request: BreakdownRequest) -> ClusterEvent {
    let asked = link.clock.now().monotonic;
    let answer = request.read(link).await.map(Box::new);
    ClusterEvent::BreakdownRead { job: request.job, asked, answered: link.clock.now(), answer }
}

pub(super) async fn read_newest(
    link: &Link,
    request: BreakdownRequest,
    newest: CheckpointMark,
) -> ClusterEvent {
    let subtasks = request.read_one(link, newest.id).await;
    ClusterEvent::NewestRead { job: request.job, answered: link.clock.now(), newest, subtasks }
}

/// Asks for the start of a job's last run.
pub(super) async fn read_running_since(link: &Link, job: JobId) -> ClusterEvent {
    let since = rest::running_since(link.client(), job).await.unwrap_or_default();
    ClusterEvent::RunningSince { job, since }
}

/// Makes a change.
pub(super) async fn change(link: &Link, order: ChangeOrder) -> ClusterEvent {
    let job = order.overview.jid;
    let asked = link.clock.now().monotonic;
    let mut search = Search::new(link, &order.cluster);
    let answer = match search.route(Some(job)).await {
        Route::None(why) => Err(SeamError::NoWay(why)),
        Route::Native => change_natively(link, job, &order.wanted).await,
        Route::Attach(_) => change_inside(&mut search, &order).await,
    };
    let (answer, lessons) = (answer.map(Box::new), search.lessons());
    ClusterEvent::Changed { job, asked, answered: link.clock.now(), lessons, answer }
}

async fn change_inside(search: &mut Search<'_>, order: &ChangeOrder) -> Result<ChangeAnswer, SeamError> {
    let values = Values {
        interval: order.wanted.interval().map(java_millis),
        timeout: Some(java_millis(order.wanted.timeout())),
        pull_in: order.pull_in,
    };
    let ask = Ask::Change { job: order.overview.jid.to_string(), values };
    match search.ask_jvm(&order.overview, ask).await? {
        (jvm, Answered::Changed { sight, timeout_before, updates }) => {
            Ok(ChangeAnswer::Agent { jvm, sight: Box::new(sight), timeout_before, updates })
        }
        (_, Answered::Jobs(_) | Answered::Read(_)) => Err(SeamError::Silent),
    }
}

/// Lets the cluster make the change, in the words of FLIP-571 alone.
async fn change_natively(
    link: &Link,
    job: JobId,
    wanted: &EffectiveConfig,
) -> Result<ChangeAnswer, SeamError> {
    let read = async || {
        let asked = link.clock.now().monotonic;
        let RestAnswer { config, statistics } =
            ask_rest(link, job).await.map_err(|error| match rest::has_no_checkpoints(&error) {
                true => SeamError::NoCheckpoints,
                false => SeamError::Unreachable(error.to_string()),
            })?;
        Ok::<_, SeamError>(RestRead { config, statistics, asked, answered: link.clock.now() })
    };
    let before = read().await?;
    let mut body = serde_json::json!({"checkpointTimeout": millis(wanted.timeout())});
    if let Some(interval) = wanted.interval() {
        body["checkpointInterval"] = millis(interval).into();
    }
    let path = format!("/jobs/{job}/checkpoints/configuration");
    link.client().send_patch(&path, body.to_string()).await.map_err(|error| link.refused(&error))?;
    let after = read().await?;
    Ok(ChangeAnswer::Native { before: Box::new(before), after: Box::new(after) })
}

/// Writes down the values that a job was submitted with again.
pub(super) async fn store_resubmission(link: &Link, job: JobId, submitted: Submitted) -> ClusterEvent {
    let written = link.overrides.submitted_again(link.key(job), submitted);
    stored(job, written, "the values that a job was submitted with cannot be written down").await;
    ClusterEvent::ResubmissionStored { job }
}

/// Removes a record, unless it has another revision by now.
pub(super) async fn remove(link: &Link, job: JobId, revision: Option<u64>) -> ClusterEvent {
    let key = link.key(job);
    match revision {
        None => {
            let removing = link.overrides.remove(key);
            stored(job, removing, "the override of a job that has ended cannot be removed").await;
        }
        Some(revision) => {
            let removing = link.overrides.remove_revision(key, revision);
            stored(job, removing, "the record of a job that was replaced cannot be removed").await;
        }
    }
    ClusterEvent::Removed { job }
}

/// Waits for a write for as long as a disk may take. A failed one is tried again when it is due again.
async fn stored<T>(job: JobId, writing: impl Future<Output = Result<T, EditError>>, what: &str) {
    match timeout(STORE_LIMIT, writing).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%job, %error, "{what}"),
        Err(_) => tracing::error!(%job, "{what}: the disk does not answer"),
    }
}

/// Milliseconds as Java has them.
pub(super) fn java_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
