//! Events that the owner of a cluster handles, and the actions that it performs.

use super::super::breakdown::{BreakdownRead, BreakdownRequest};
use super::super::facts::{ClusterFacts, RestRead};
use super::super::routes::{Lesson, Route};
use crate::checkpoint_log::{CheckpointMark, SubtaskTable};
use crate::clock::Moment;
use crate::overrides::{Record, Submitted};
use crate::seam::{Applied, Initiator, SeamError};
use ckpt_agent::protocol::{Sight, Update};
use ckpt_api::Happening;
use ckpt_api::flink::{CheckpointConfig, CheckpointStatistics, JobOverview};
use ckpt_attach::Jvm;
use ckpt_client::ClientError;
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::EffectiveConfig;
use ckpt_types::ids::JobId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Number of a request that waits for a reply.
pub(in crate::flink) type RequestId = u64;

/// Records of a cluster's jobs.
pub(in crate::flink) type Records = HashMap<JobId, Record>;

/// Something that the owner of a cluster is told.
#[derive(Debug)]
pub(in crate::flink) enum ClusterEvent {
    /// Time has passed.
    Timer,
    /// The stored records, all of them.
    Stored(Records),
    /// Reconciliation was paused, for this reason, or resumed.
    Paused(Option<String>),
    /// The cluster's list of jobs; `followed` are the jobs whose events have readers.
    Listed { asked: Moment, answered: Moment, followed: HashSet<JobId>, answer: Result<ListAnswer, String> },
    /// Answers of the REST API about a job's checkpoints.
    RestRead {
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        answer: Result<Box<RestAnswer>, Arc<ClientError>>,
    },
    /// The agent's answer about a job's coordinator.
    AgentRead {
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        lessons: Vec<Lesson>,
        answer: Result<Box<(Jvm, Sight)>, SeamError>,
    },
    /// A search for a route ended.
    RouteFound { lessons: Vec<Lesson>, route: Route },
    /// Start of a job's last run, in milliseconds since the epoch.
    RunningSince { job: JobId, since: Option<i64> },
    /// A change was made, or failed.
    Changed {
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        lessons: Vec<Lesson>,
        answer: Result<Box<ChangeAnswer>, SeamError>,
    },
    /// A new submission's values were written down, or could not be.
    ResubmissionStored { job: JobId },
    /// A record was removed, or could not be.
    Removed { job: JobId },
    /// A read by subtask ended.
    BreakdownRead {
        job: JobId,
        asked: Monotonic,
        answered: Moment,
        answer: Result<Box<BreakdownRead>, SeamError>,
    },
    /// A read of the newest completed checkpoint ended; without subtasks if it failed.
    NewestRead { job: JobId, answered: Moment, newest: CheckpointMark, subtasks: Option<SubtaskTable> },
    /// The JobManager's process has ended.
    ProcessEnded(Jvm),
    /// A search outside of the owner, such as a diagnosis, learned this.
    Learned(Vec<Lesson>),
    /// A request of a handle.
    Requested { id: RequestId, request: Request },
}

/// Answer of the REST API to the question for a cluster's jobs.
#[derive(Debug)]
pub(in crate::flink) struct ListAnswer {
    /// Flink's version, if it was asked for.
    pub(in crate::flink) version: Option<String>,
    /// The jobs, the oldest first.
    pub(in crate::flink) jobs: Vec<JobOverview>,
}

/// Answers of the REST API about a job's checkpoints.
#[derive(Debug)]
pub(in crate::flink) struct RestAnswer {
    pub(in crate::flink) config: CheckpointConfig,
    pub(in crate::flink) statistics: CheckpointStatistics,
}

/// Result of a change.
#[derive(Debug)]
pub(in crate::flink) enum ChangeAnswer {
    /// The agent made it.
    Agent { jvm: Jvm, sight: Box<Sight>, timeout_before: i64, updates: Vec<Update> },
    /// The cluster made it itself; what its REST API said before and afterwards.
    Native { before: Box<RestRead>, after: Box<RestRead> },
}

/// A request of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::flink) enum Request {
    /// Read a job through the REST API, from now on.
    ReadRest(JobId),
    /// Read a job through the agent, from now on.
    ReadAgent(JobId),
    /// List the jobs, from now on.
    List,
    /// Find the route of a change.
    FindRoute(JobId),
    /// Put the stored override in force, at least this revision.
    Apply { job: JobId, revision: u64, pull_in: bool, initiator: Initiator },
    /// Read the checkpoints by subtask; with hosts and backpressure, from now on.
    ReadBreakdown { job: JobId, with_places: bool },
}

/// Reply to a request.
#[derive(Debug)]
pub(in crate::flink) enum Reply {
    /// Done: the facts tell the rest.
    Done,
    Route(Route),
    Applied(Box<AppliedRevision>),
    /// A later revision was stored before this one was applied.
    Superseded {
        by: u64,
    },
    Failed(RequestError),
}

/// Reason why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(in crate::flink) enum RequestError {
    Rest(#[from] Arc<ClientError>),
    Job(#[from] SeamError),
}

/// The effect of applying one revision.
#[derive(Debug, Clone)]
pub(in crate::flink) struct AppliedRevision {
    pub(in crate::flink) revision: u64,
    pub(in crate::flink) applied: Applied,
}

/// Something that the owner of a cluster does.
#[derive(Debug)]
pub(in crate::flink) enum ClusterAction {
    List {
        with_version: bool,
    },
    ReadRest {
        job: JobId,
        is_background: bool,
    },
    ReadAgent {
        overview: JobOverview,
        facts: ClusterFacts,
    },
    FindRoute {
        job: Option<JobId>,
        facts: ClusterFacts,
        again: bool,
    },
    ReadRunningSince(JobId),
    Change(Box<ChangeOrder>),
    StoreResubmission {
        job: JobId,
        submitted: Submitted,
    },
    /// Remove a record, unless it has another revision by now.
    Remove {
        job: JobId,
        revision: Option<u64>,
    },
    ReadBreakdown(BreakdownRequest),
    ReadNewest(BreakdownRequest, CheckpointMark),
    Tell {
        job: JobId,
        happening: Happening,
    },
    Reply(RequestId, Reply),
}

/// Replies to requests that one read or list answers alike.
pub(in crate::flink) fn replies(
    requests: Vec<RequestId>,
    outcome: &Result<(), RequestError>,
) -> impl Iterator<Item = ClusterAction> {
    requests.into_iter().map(move |id| {
        let reply = outcome.as_ref().map_or_else(|error| Reply::Failed(error.clone()), |()| Reply::Done);
        ClusterAction::Reply(id, reply)
    })
}

/// A change to make.
#[derive(Debug, Clone)]
pub(in crate::flink) struct ChangeOrder {
    pub(in crate::flink) overview: JobOverview,
    pub(in crate::flink) cluster: ClusterFacts,
    pub(in crate::flink) wanted: EffectiveConfig,
    /// Bring the pending trigger forward.
    pub(in crate::flink) pull_in: bool,
}
