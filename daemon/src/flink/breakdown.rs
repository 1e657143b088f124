//! A Flink job's checkpoints by subtask. Flink tells them vertex by vertex, one request each; what has ended never
//! changes, is asked for once, and is kept in the job's log.

use super::link::Link;
use super::rest;
use crate::anatomy::{
    Anatomy, Backpressure, CheckpointAnatomy, MAX_SUBTASKS, SubtaskTimes, VertexAnatomy, duration,
};
use crate::checkpoint_log::{CheckpointLog, CheckpointMark, SubtaskTable, acknowledgements, subtask_times};
use crate::seam::SeamError;
use ckpt_api::flink::{Checkpoint, CheckpointStatistics, CheckpointStatus, TaskCheckpointWithSubtasks};
use ckpt_client::ClientError;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::{CheckpointId, JobId, VertexId};
use futures::{StreamExt, TryStreamExt, future};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Checkpoints in flight asked for.
const MAX_IN_FLIGHT: usize = 4;
/// Vertices of a job asked for one by one.
const MAX_VERTICES: usize = 100;
/// Vertices asked for hosts and backpressure: those with missing subtasks.
const MAX_PLACED_VERTICES: usize = 20;
/// Concurrent requests for one job; see also [`Link::subtask_permit`].
const CONCURRENCY: usize = 8;
/// Longest time for all requests of one read.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(8);
/// Age until which a breakdown is fresh enough for an estimate.
const MAX_AGE: Duration = rest::CACHE_AGE;
/// Interval at which completed checkpoints are asked for without an estimate: Flink forgets them after ten failures.
const BACKGROUND_INTERVAL: Duration = Duration::from_secs(60);

/// Checkpoints of one job by subtask, apart from the ended ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Breakdown {
    vertices: Vec<VertexAnatomy>,
    in_flight: Vec<Arc<CheckpointAnatomy>>,
    warnings: Vec<String>,
    /// Time of the last read, whether Flink answered or not.
    tried: Option<Monotonic>,
    /// Time of the last read in the background, likewise.
    tried_in_background: Option<Monotonic>,
}

/// Answers of one read.
#[derive(Debug)]
pub(super) struct BreakdownRead {
    pub(super) vertices: Vec<VertexAnatomy>,
    pub(super) in_flight: Vec<Arc<CheckpointAnatomy>>,
    /// The statistics that it began with.
    pub(super) statistics: CheckpointStatistics,
    /// Subtasks of completed checkpoints.
    pub(super) completed: Vec<(CheckpointMark, SubtaskTable)>,
    pub(super) warnings: Vec<String>,
}

impl Breakdown {
    /// The checkpoints in flight, beside the ended ones of the log.
    pub(super) fn anatomy(&self, log: &CheckpointLog) -> Anatomy {
        Anatomy {
            vertices: self.vertices.clone(),
            in_flight: self.in_flight.clone(),
            ended: log.breakdowns(&order(&self.vertices), self.in_flight.len()),
            warnings: self.warnings.clone(),
        }
    }

    /// Number of the job's subtasks, as far as it is known.
    pub(super) fn subtasks(&self) -> usize {
        subtasks(&self.vertices)
    }

    /// True if completed checkpoints were not asked for lately.
    pub(super) fn is_background_due(&self, now: Monotonic) -> bool {
        let tried = self.tried.max(self.tried_in_background);
        tried.is_none_or(|at| now.since(at) >= BACKGROUND_INTERVAL)
    }

    /// True while it is as fresh as it can be had: a cluster that fails is not asked again at once.
    pub(super) fn is_fresh(&self, now: Monotonic) -> bool {
        self.tried.is_some_and(|at| now.since(at) < MAX_AGE)
    }

    /// Notes a read, whether Flink answered or not.
    pub(super) fn record_try(&mut self, now: Monotonic) {
        self.tried = Some(now);
    }

    /// Notes a read in the background, likewise.
    pub(super) fn record_background_try(&mut self, now: Monotonic) {
        self.tried_in_background = Some(now);
    }

    /// Takes the answers of a read into this, and the subtasks of checkpoints that the log has.
    pub(super) fn record(&mut self, read: BreakdownRead, log: &mut CheckpointLog) {
        read.completed.into_iter().for_each(|(mark, subtasks)| log.merge_subtasks(mark, subtasks));
        (self.vertices, self.in_flight, self.warnings) = (read.vertices, read.in_flight, read.warnings);
    }
}

/// A vertex of `/jobs/:job`.
#[derive(Debug, Deserialize)]
struct ListedVertex {
    id: VertexId,
    name: String,
    parallelism: u32,
}

#[derive(Debug, Deserialize)]
struct Listed {
    vertices: Vec<ListedVertex>,
}

/// A subtask of `/jobs/:job/vertices/:vertex`; Flink 2 has `endpoint` in place of `host`.
#[derive(Debug, Deserialize)]
struct Placed {
    subtask: u32,
    host: Option<String>,
    endpoint: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Places {
    subtasks: Vec<Placed>,
}

/// `/jobs/:job/vertices/:vertex/backpressure`. Flink samples when it is asked, so the first answer may be empty.
#[derive(Debug, Deserialize)]
struct Pressures {
    #[serde(rename = "backpressureLevel")]
    level: Option<String>,
    #[serde(default)]
    subtasks: Vec<Pressure>,
}

#[derive(Debug, Deserialize)]
struct Pressure {
    subtask: u32,
    #[serde(rename = "backpressureLevel")]
    level: Option<String>,
}

/// One read of a job's checkpoints by subtask.
#[derive(Debug, Clone)]
pub(super) struct BreakdownRequest {
    pub(super) job: JobId,
    /// With hosts and backpressure of the vertices with missing subtasks.
    pub(super) with_places: bool,
    /// Tells which completed checkpoints are to be asked for.
    pub(super) log: Arc<CheckpointLog>,
    /// Clock skew of the cluster in milliseconds.
    pub(super) ahead: i64,
}

impl BreakdownRequest {
    /// Asks Flink. What is not told within [`READ_TIMEOUT`] is left out.
    ///
    /// # Errors
    /// [`SeamError`] if Flink does not tell which checkpoints there are.
    pub(super) async fn read(&self, link: &Link) -> Result<BreakdownRead, SeamError> {
        let until = Instant::now() + READ_TIMEOUT;
        let checkpoints = rest::checkpoints(link.client(), self.job);
        let told = timeout_at(until, future::try_join(self.ask_for_vertices(link), checkpoints)).await;
        let told = told.map_err(|_| silent(link))?;
        let (mut vertices, statistics) = told.map_err(|error| link.refused(&error))?;
        let mut warnings = Vec::new();
        let order = order(&vertices);
        let is_too_large = order.is_empty() && !vertices.is_empty();
        if is_too_large {
            warnings.push(format!(
                "the job has {} vertices and {} subtasks, too many to ask for each; only its checkpoints as a whole were \
                 looked at",
                vertices.len(),
                subtasks(&vertices)
            ));
        }
        let mut in_flight = Vec::new();
        let running = statistics.history.iter().filter(|entry| entry.status == CheckpointStatus::InProgress);
        let running: Vec<_> = running.collect();
        // The newest come first there, and the oldest is the one that is diagnosed.
        for entry in running.into_iter().rev().take(MAX_IN_FLIGHT) {
            let asked = in_time(until, self.ask_for_subtasks(link, entry.id, &order)).await;
            let subtasks = asked.unwrap_or_else(|error| {
                let id = entry.id;
                warnings.push(format!("what the subtasks did for checkpoint {id} is not known: {error}"));
                SubtaskTable::new()
            });
            in_flight.push(Arc::new(self.in_flight(link, entry, subtask_times(&subtasks, &order))));
        }
        let mut completed = Vec::new();
        let asked = async {
            // The newest come first: the time may not be enough for all.
            for entry in self.log.without_subtasks(&statistics) {
                let subtasks = self.ask_for_subtasks(link, entry.id, &order).await?;
                completed.push((CheckpointMark::of(entry), subtasks));
            }
            Ok(())
        };
        if let Err(error) = in_time(until, asked).await {
            warnings
                .push(format!("what the subtasks did for some earlier checkpoints is not known: {error}"));
        }
        if let (true, Some(oldest)) = (self.with_places && !is_too_large, in_flight.first()) {
            let missing = missing(oldest, &vertices);
            let asked = timeout_at(until, self.ask_for_places(link, &mut vertices, &missing, &mut warnings));
            if asked.await.is_err() {
                warnings.push(format!("hosts and backpressure are not known: {}", late()));
            }
        }
        Ok(BreakdownRead { vertices, in_flight, statistics, completed, warnings })
    }

    /// Asks Flink for the subtasks of one completed checkpoint. `None` if it does not tell them within [`READ_TIMEOUT`].
    pub(super) async fn read_one(&self, link: &Link, id: CheckpointId) -> Option<SubtaskTable> {
        let asked = async {
            let vertices = self.ask_for_vertices(link).await?;
            self.ask_for_subtasks(link, id, &order(&vertices)).await
        };
        timeout_at(Instant::now() + READ_TIMEOUT, asked).await.ok()?.ok()
    }

    async fn ask_for_vertices(&self, link: &Link) -> Result<Vec<VertexAnatomy>, ClientError> {
        let listed: Listed = with_permit(link, &format!("/jobs/{}", self.job)).await?;
        let of = |vertex: ListedVertex| {
            let subtasks = usize::try_from(vertex.parallelism).unwrap_or(usize::MAX);
            VertexAnatomy::new(vertex.id, vertex.name, subtasks)
        };
        Ok(listed.vertices.into_iter().map(of).collect())
    }

    /// Subtasks of one checkpoint; none if there is a vertex that Flink does not know it of.
    async fn ask_for_subtasks(
        &self,
        link: &Link,
        id: CheckpointId,
        order: &[VertexId],
    ) -> Result<SubtaskTable, ClientError> {
        let asked = order.iter().copied().map(|vertex| self.ask_for_vertex(link, id, vertex));
        let told: Vec<Option<TaskCheckpointWithSubtasks>> =
            futures::stream::iter(asked).buffered(CONCURRENCY).try_collect().await?;
        let of = |(vertex, told): (&VertexId, &Option<_>)| Some((*vertex, acknowledgements(told.as_ref()?)));
        Ok(order.iter().zip(&told).map(of).collect::<Option<_>>().unwrap_or_default())
    }

    fn in_flight(
        &self,
        link: &Link,
        entry: &Checkpoint,
        subtasks: Option<Vec<Vec<Option<SubtaskTimes>>>>,
    ) -> CheckpointAnatomy {
        let here = i64::try_from(link.clock.now().wall_millis()).unwrap_or(i64::MAX);
        let there = here.saturating_add(self.ahead);
        let mut lasted = duration(there.saturating_sub(entry.trigger_timestamp));
        if let Some(subtasks) = &subtasks {
            // Flink's answer is up to 3 s old, but not older than the newest acknowledgement.
            let newest = subtasks.iter().flatten().flatten().map(|times| times.took).max();
            lasted = lasted.saturating_sub(rest::CACHE_AGE).max(newest.unwrap_or_default());
        }
        CheckpointAnatomy {
            id: entry.id,
            triggered_at: entry.trigger_timestamp,
            savepoint: entry.is_savepoint,
            completed: false,
            lasted,
            subtasks,
        }
    }

    async fn ask_for_vertex(
        &self,
        link: &Link,
        id: CheckpointId,
        vertex: VertexId,
    ) -> Result<Option<TaskCheckpointWithSubtasks>, ClientError> {
        let path = format!("/jobs/{}/checkpoints/details/{id}/subtasks/{vertex}", self.job);
        let _permit = link.subtask_permit().await;
        rest::found(link.client().get(&path).await)
    }

    /// Where the subtasks of these vertices run, and what holds them back.
    async fn ask_for_places(
        &self,
        link: &Link,
        vertices: &mut [VertexAnatomy],
        of: &[usize],
        warnings: &mut Vec<String>,
    ) {
        let paths = of.iter().take(MAX_PLACED_VERTICES);
        let paths: Vec<(usize, String)> = paths
            .map(|place| (*place, format!("/jobs/{}/vertices/{}", self.job, vertices[*place].id)))
            .collect();
        let asked = paths.into_iter().map(|(place, path)| async move {
            let pressure = format!("{path}/backpressure");
            let (places, pressures) =
                tokio::join!(with_permit::<Places>(link, &path), with_permit::<Pressures>(link, &pressure));
            (place, places, pressures)
        });
        let told: Vec<_> = futures::stream::iter(asked).buffered(CONCURRENCY).collect().await;
        for (place, places, pressures) in told {
            let vertex = &mut vertices[place];
            match places {
                Ok(places) => vertex.hosts = hosts(places, vertex.subtasks),
                Err(error) => {
                    warnings.push(format!("where the subtasks of {} run is not known: {error}", vertex.name));
                }
            }
            match pressures {
                Ok(pressures) => vertex.backpressure = backpressure(pressures, vertex.subtasks),
                Err(error) => {
                    warnings.push(format!("the backpressure of {} is not known: {error}", vertex.name));
                }
            }
        }
        if of.len() > MAX_PLACED_VERTICES {
            warnings.push(format!(
                "hosts and backpressure were asked for {MAX_PLACED_VERTICES} of the {} vertices that somebody is missing of",
                of.len()
            ));
        }
    }
}

async fn in_time<T>(
    until: Instant,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, String> {
    let told = timeout_at(until, asked).await.map_err(|_| late())?;
    told.map_err(|error| error.to_string())
}

fn silent(link: &Link) -> SeamError {
    let (cluster, limit) = (link.name(), READ_TIMEOUT.as_secs());
    SeamError::Unreachable(format!("cluster {cluster} does not tell of its subtasks within {limit}s"))
}

fn late() -> String {
    format!("Flink does not tell within {}s", READ_TIMEOUT.as_secs())
}

async fn with_permit<T: DeserializeOwned>(link: &Link, path: &str) -> Result<T, ClientError> {
    let _permit = link.subtask_permit().await;
    Ok(link.client().get(path).await?.value)
}

fn subtasks(vertices: &[VertexAnatomy]) -> usize {
    vertices.iter().map(|vertex| vertex.subtasks).sum()
}

/// The vertices that are asked for, in the order of the flow; none of a job that is too large.
fn order(vertices: &[VertexAnatomy]) -> Vec<VertexId> {
    let is_too_large = vertices.len() > MAX_VERTICES || subtasks(vertices) > MAX_SUBTASKS;
    vertices.iter().filter(|_| !is_too_large).map(|vertex| vertex.id).collect()
}

/// The places of the vertices that somebody is missing of.
fn missing(checkpoint: &CheckpointAnatomy, vertices: &[VertexAnatomy]) -> Vec<usize> {
    let Some(subtasks) = &checkpoint.subtasks else { return (0..vertices.len()).collect() };
    let is_missing = |place: &usize| subtasks[*place].iter().any(Option::is_none);
    (0..subtasks.len().min(vertices.len())).filter(is_missing).collect()
}

fn hosts(places: Places, subtasks: usize) -> Vec<Option<String>> {
    let mut hosts = vec![None; subtasks];
    for placed in places.subtasks {
        if let Some(host) = hosts.get_mut(usize::try_from(placed.subtask).unwrap_or(usize::MAX)) {
            *host = placed.endpoint.or(placed.host);
        }
    }
    hosts
}

fn backpressure(said: Pressures, subtasks: usize) -> Backpressure {
    let mut levels = vec![None; subtasks];
    for pressure in said.subtasks {
        if let Some(level) = levels.get_mut(usize::try_from(pressure.subtask).unwrap_or(usize::MAX)) {
            *level = pressure.level;
        }
    }
    Backpressure { whole: said.level, subtasks: levels }
}
