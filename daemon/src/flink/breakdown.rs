//! A Flink job's checkpoints by subtask. Flink tells them vertex by vertex, one request each; what has ended never
//! changes and is asked for once.

use super::link::Link;
use super::rest;
use crate::anatomy::{
    Anatomy, Backpressure, CheckpointAnatomy, MOST_SUBTASKS, VertexAnatomy, duration, subtask_times,
};
use crate::seam::SeamError;
use ckpt_api::flink::{Checkpoint, CheckpointStatistics, CheckpointStatus, TaskCheckpointWithSubtasks};
use ckpt_client::ClientError;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::{CheckpointId, JobId, VertexId};
use futures::{StreamExt, TryStreamExt, future};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Completed checkpoints kept; Flink itself keeps ten of any kind.
const MAX_ENDED: usize = ckpt_estimate::MOST_PAST;
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

/// Identity of a checkpoint within its job: numbers may come again, trigger times do not.
pub(super) type CheckpointKey = (CheckpointId, i64);

/// Checkpoints of one job by subtask, as far as they are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Breakdown {
    vertices: Vec<VertexAnatomy>,
    in_flight: Vec<Arc<CheckpointAnatomy>>,
    /// Completed ones, the oldest first.
    ended: VecDeque<Arc<CheckpointAnatomy>>,
    warnings: Vec<String>,
    /// Time of the last read, whether Flink answered or not.
    tried: Option<Monotonic>,
    /// Time of the last read in the background, likewise.
    tried_in_background: Option<Monotonic>,
}

/// Answers of one read.
#[derive(Debug, Default)]
pub(super) struct BreakdownRead {
    pub(super) vertices: Vec<VertexAnatomy>,
    pub(super) in_flight: Vec<Arc<CheckpointAnatomy>>,
    pub(super) ended: Vec<Arc<CheckpointAnatomy>>,
    pub(super) warnings: Vec<String>,
}

impl Breakdown {
    pub(super) fn anatomy(&self) -> Anatomy {
        Anatomy {
            vertices: self.vertices.clone(),
            in_flight: self.in_flight.clone(),
            ended: self.ended.iter().cloned().collect(),
            warnings: self.warnings.clone(),
        }
    }

    /// Checkpoints that need not be asked for again.
    pub(super) fn known(&self) -> HashSet<CheckpointKey> {
        self.ended.iter().map(|ended| (ended.id, ended.triggered_at)).collect()
    }

    /// The newest completed checkpoint, if it is not known and was not asked for lately.
    pub(super) fn missed<'a>(
        &self,
        seen: &'a CheckpointStatistics,
        now: Monotonic,
    ) -> Option<&'a Checkpoint> {
        let tried = self.tried.max(self.tried_in_background);
        let is_due = tried.is_none_or(|at| now.since(at) >= BACKGROUND_INTERVAL);
        let is_known = |newest: &Checkpoint| {
            let key = (newest.id, newest.trigger_timestamp);
            self.ended.iter().any(|ended| (ended.id, ended.triggered_at) == key)
        };
        seen.latest.completed.as_ref().filter(|newest| is_due && !is_known(newest))
    }

    /// True while it is as fresh as it can be had: a cluster that fails is not asked again at once.
    pub(super) fn is_fresh(&self, now: Monotonic) -> bool {
        self.tried.is_some_and(|at| now.since(at) < MAX_AGE)
    }

    /// Takes the answers of a read, or notes that it failed.
    pub(super) fn record(&mut self, now: Monotonic, read: Option<BreakdownRead>) {
        self.tried = Some(now);
        if let Some(BreakdownRead { vertices, in_flight, ended, warnings }) = read {
            (self.vertices, self.in_flight, self.warnings) = (vertices, in_flight, warnings);
            self.add(ended);
        }
    }

    /// Takes the answers of a read in the background.
    pub(super) fn record_background(&mut self, now: Monotonic, ended: Vec<Arc<CheckpointAnatomy>>) {
        self.tried_in_background = Some(now);
        self.add(ended);
    }

    fn add(&mut self, ended: Vec<Arc<CheckpointAnatomy>>) {
        let known = self.known();
        self.ended.extend(ended.into_iter().filter(|one| !known.contains(&(one.id, one.triggered_at))));
        self.ended.make_contiguous().sort_by_key(|ended| (ended.triggered_at, ended.id));
        while self.ended.len() > MAX_ENDED {
            self.ended.pop_front();
        }
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
    /// Checkpoints that need not be asked for.
    pub(super) known: HashSet<CheckpointKey>,
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
        let too_large = is_too_large(&vertices);
        if too_large {
            warnings.push(format!(
                "the job has {} vertices and {} subtasks, too many to ask for each; only its checkpoints as a whole were \
                 looked at",
                vertices.len(),
                subtasks(&vertices)
            ));
        }
        let parts = if too_large { &[][..] } else { &vertices[..] };
        let mut in_flight = Vec::new();
        let running = statistics.history.iter().filter(|entry| entry.status == CheckpointStatus::InProgress);
        let running: Vec<_> = running.collect();
        // The newest come first there, and the oldest is the one that is diagnosed.
        for entry in running.into_iter().rev().take(MAX_IN_FLIGHT) {
            let (found, trouble) = match in_time(until, self.ask_for_one(link, entry, parts)).await {
                Ok(found) => (found, None),
                Err(error) => (self.as_a_whole(link, entry), Some(error)),
            };
            let why =
                |error| format!("what the subtasks did for checkpoint {} is not known: {error}", entry.id);
            warnings.extend(trouble.map(why));
            in_flight.push(Arc::new(found));
        }
        let seen = statistics.history.iter().chain(&statistics.latest.completed);
        let mut ended = Vec::new();
        if let Err(error) = in_time(until, self.ask_for_ended(link, seen, parts, &mut ended)).await {
            warnings
                .push(format!("what the subtasks did for some earlier checkpoints is not known: {error}"));
        }
        if let (true, Some(oldest)) = (self.with_places && !too_large, in_flight.first()) {
            let missing = missing(oldest, &vertices);
            let asked = timeout_at(until, self.ask_for_places(link, &mut vertices, &missing, &mut warnings));
            if asked.await.is_err() {
                warnings.push(format!("hosts and backpressure are not known: {}", late()));
            }
        }
        Ok(BreakdownRead { vertices, in_flight, ended, warnings })
    }

    /// Asks Flink for one completed checkpoint; what is not told within [`READ_TIMEOUT`] is left out.
    pub(super) async fn read_one(&self, link: &Link, entry: &Checkpoint) -> Vec<Arc<CheckpointAnatomy>> {
        let until = Instant::now() + READ_TIMEOUT;
        let mut ended = Vec::new();
        let asked = async {
            let vertices = self.ask_for_vertices(link).await?;
            let parts = if is_too_large(&vertices) { &[][..] } else { &vertices[..] };
            self.ask_for_ended(link, [entry].into_iter(), parts, &mut ended).await
        };
        drop(timeout_at(until, asked).await);
        ended
    }

    async fn ask_for_vertices(&self, link: &Link) -> Result<Vec<VertexAnatomy>, ClientError> {
        let listed: Listed = with_permit(link, &format!("/jobs/{}", self.job)).await?;
        let of = |vertex: ListedVertex| {
            let subtasks = usize::try_from(vertex.parallelism).unwrap_or(usize::MAX);
            VertexAnatomy::new(vertex.id, vertex.name, subtasks)
        };
        Ok(listed.vertices.into_iter().map(of).collect())
    }

    /// Completed checkpoints that are not known yet, the newest first: the time may not be enough for all.
    async fn ask_for_ended<'a>(
        &self,
        link: &Link,
        seen: impl Iterator<Item = &'a Checkpoint>,
        vertices: &[VertexAnatomy],
        found: &mut Vec<Arc<CheckpointAnatomy>>,
    ) -> Result<(), ClientError> {
        let mut known = self.known.clone();
        for entry in seen.filter(|entry| entry.status == CheckpointStatus::Completed) {
            if known.insert((entry.id, entry.trigger_timestamp)) {
                found.push(Arc::new(self.ask_for_one(link, entry, vertices).await?));
            }
        }
        Ok(())
    }

    /// One checkpoint. A vertex that Flink does not know it of makes it known as a whole only.
    async fn ask_for_one(
        &self,
        link: &Link,
        entry: &Checkpoint,
        vertices: &[VertexAnatomy],
    ) -> Result<CheckpointAnatomy, ClientError> {
        let ids: Vec<VertexId> = vertices.iter().map(|vertex| vertex.id).collect();
        let asked = ids.into_iter().map(|vertex| self.ask_for_vertex(link, entry.id, vertex));
        let told: Vec<Option<TaskCheckpointWithSubtasks>> =
            futures::stream::iter(asked).buffered(CONCURRENCY).try_collect().await?;
        let times: Option<Vec<_>> = told.iter().map(|told| told.as_ref().map(subtask_times)).collect();
        let subtasks = times.filter(|times| !times.is_empty());
        let mut found = self.as_a_whole(link, entry);
        if let (Some(subtasks), CheckpointStatus::InProgress) = (&subtasks, entry.status) {
            // Flink's answer is up to 3 s old, but not older than the newest acknowledgement.
            let newest = subtasks.iter().flatten().flatten().map(|times| times.took).max();
            found.lasted = found.lasted.saturating_sub(rest::CACHE_AGE).max(newest.unwrap_or_default());
        }
        found.subtasks = subtasks;
        Ok(found)
    }

    /// One checkpoint of which only the whole is known.
    fn as_a_whole(&self, link: &Link, entry: &Checkpoint) -> CheckpointAnatomy {
        let here = i64::try_from(link.clock.now().wall_millis()).unwrap_or(i64::MAX);
        let there = here.saturating_add(self.ahead);
        let lasted = match entry.status {
            CheckpointStatus::InProgress => there.saturating_sub(entry.trigger_timestamp),
            CheckpointStatus::Completed | CheckpointStatus::Failed => entry.end_to_end_duration,
        };
        CheckpointAnatomy {
            id: entry.id,
            triggered_at: entry.trigger_timestamp,
            savepoint: entry.is_savepoint,
            completed: entry.status == CheckpointStatus::Completed,
            lasted: duration(lasted),
            subtasks: None,
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

fn is_too_large(vertices: &[VertexAnatomy]) -> bool {
    vertices.len() > MAX_VERTICES || subtasks(vertices) > MOST_SUBTASKS
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
