//! Asking a server again and again.

use super::follow::{Follower, Verdict};
use crate::server::Server;
use ckpt_shared::api::{ClusterState, Configuration, ConfigurationList};
use ckpt_shared::client::{Answer, ClientError};
use ckpt_shared::flink::CheckpointStatistics;
use futures::{Stream, stream};
use std::time::Duration;
use tokio::time::sleep;

/// What is watched.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Every job that has not ended.
    All,
    /// The job that goes by this in requests.
    Job(String),
}

/// What to watch, and how.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    /// Whom to ask.
    pub(crate) server: &'a Server,
    /// For what.
    pub(crate) target: Target,
    /// How often.
    pub(crate) every: Duration,
    /// Whether to follow the job's checkpoint until it has ended.
    pub(crate) until_completed: bool,
}

/// What was seen at one time.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The answer as it came.
    pub(crate) body: String,
    /// The jobs in it; exactly one if one is watched.
    pub(crate) jobs: Vec<Configuration>,
    /// The clusters that are followed, if all jobs are watched.
    pub(crate) clusters: Vec<ClusterState>,
    /// The job's recent checkpoints, if they were asked for.
    pub(crate) statistics: Option<CheckpointStatistics>,
    /// How the checkpoint that is followed has ended.
    pub(crate) verdict: Option<Verdict>,
}

/// One answer after the other, or why there is none.
pub(super) fn feed<'a>(
    watch: &'a Watch<'_>,
    with_statistics: bool,
) -> impl Stream<Item = Result<Seen, ClientError>> + 'a {
    let follower = watch.until_completed.then(Follower::default);
    stream::unfold((follower, Duration::ZERO), move |(mut follower, pause)| async move {
        sleep(pause).await;
        let seen = look(watch, with_statistics, follower.as_mut()).await;
        Some((seen, (follower, watch.every)))
    })
}

async fn look(
    watch: &Watch<'_>,
    with_statistics: bool,
    follower: Option<&mut Follower>,
) -> Result<Seen, ClientError> {
    let Watch { server, target, .. } = watch;
    let Target::Job(wanted) = target else {
        let Answer { value, body } = server.client.configurations(false).await?;
        let ConfigurationList { jobs, clusters, .. } = value;
        return Ok(Seen { body, jobs, clusters, statistics: None, verdict: None });
    };
    let Answer { value: job, body } = server.client.configuration(wanted).await?;
    let mut statistics = None;
    let mut verdict = None;
    if with_statistics || follower.is_some() {
        let recent = server.client.checkpoints(wanted).await?.value;
        if let Some(follower) = follower {
            verdict = follower.step(server, &job, &recent.history).await?;
        }
        statistics = Some(recent);
    }
    Ok(Seen { body, jobs: vec![job], clusters: Vec::new(), statistics, verdict })
}
