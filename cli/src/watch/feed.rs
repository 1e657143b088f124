//! Asking a server again and again.

use super::applied;
use super::follow::{Follower, Verdict};
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use ckpt_api::flink::CheckpointStatistics;
use ckpt_api::{ClusterState, Configuration, ConfigurationList, Pause};
use ckpt_client::{Answer, ClientError};
use clap::ValueEnum;
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

/// Event that ends a watch of one job. The docs of the variants are help texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Goal {
    /// The checkpoint in flight, or else the next one, has ended: 0 if it completed, else 8
    Completed,
    /// The job's override holds: 0; 6 when it is in conflict, 5 when it is orphaned, 8 when the job ends before
    Applied,
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
    /// What ends it, if anything does.
    pub(crate) until: Option<Goal>,
}

impl Watch<'_> {
    /// Ends a watch on a screen, with its verdict if there is one.
    pub(super) fn end(&self, verdict: Option<Verdict>) -> Result<Exit, Error> {
        match verdict {
            Some(Verdict { exit, sentence }) => console::data(&sentence).map(|()| exit),
            // A script that waits for something must not take leaving for success.
            None if self.until.is_some() => Err(Error::Interrupted),
            None => Ok(Exit::Done),
        }
    }

    /// Whether an error is final: an unknown job will not complete a checkpoint or apply an override.
    pub(super) fn is_final(&self, error: &ClientError) -> bool {
        self.until.is_some() && error.status().is_some_and(|status| status.as_u16() == 404)
    }
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
    /// Where reconcile is paused, if all jobs are watched.
    pub(crate) pauses: Vec<Pause>,
    /// The job's recent checkpoints, if they were asked for.
    pub(crate) statistics: Option<CheckpointStatistics>,
    /// How what is waited for has ended.
    pub(crate) verdict: Option<Verdict>,
}

/// One answer after the other, or why there is none.
pub(super) fn feed<'a>(
    watch: &'a Watch<'_>,
    with_statistics: bool,
) -> impl Stream<Item = Result<Seen, ClientError>> + 'a {
    let follower = (watch.until == Some(Goal::Completed)).then(Follower::default);
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
        let ConfigurationList { jobs, clusters, pauses, .. } = value;
        return Ok(Seen { body, jobs, clusters, pauses, statistics: None, verdict: None });
    };
    let Answer { value: job, body } = server.client.configuration(wanted).await?;
    let mut statistics = None;
    let mut verdict = match watch.until {
        Some(Goal::Applied) => applied::verdict(&job, clock::wall_millis()),
        Some(Goal::Completed) | None => None,
    };
    if with_statistics || follower.is_some() {
        let recent = server.client.checkpoints(wanted).await?.value;
        if let Some(follower) = follower {
            verdict = follower.step(server, &job, &recent.history).await?;
        }
        statistics = Some(recent);
    }
    Ok(Seen { body, jobs: vec![job], clusters: Vec::new(), pauses: Vec::new(), statistics, verdict })
}
