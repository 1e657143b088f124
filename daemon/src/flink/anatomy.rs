//! A Flink job's checkpoints, subtask by subtask. Flink tells them vertex by vertex, one request each; what has
//! ended never changes and is asked for once.

use super::job::FlinkJob;
use super::link::Link;
use super::rest;
use crate::anatomy::{
    Anatomy, Backpressure, CheckpointAnatomy, Depth, GLANCE, MOST_SUBTASKS, VertexAnatomy, duration,
    subtask_times,
};
use crate::clock::wall_millis;
use crate::seam::SeamError;
use ckpt_api::flink::{Checkpoint, CheckpointStatistics, CheckpointStatus, TaskCheckpointWithSubtasks};
use ckpt_client::ClientError;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::{CheckpointId, VertexId};
use futures::{StreamExt, TryStreamExt, future};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout, timeout_at};

/// How many completed checkpoints are remembered; Flink itself remembers ten of any kind.
const MOST_ENDED: usize = ckpt_estimate::MOST_PAST;
/// How many checkpoints in flight are looked at.
const MOST_IN_FLIGHT: usize = 4;
/// How many vertices of a job are looked at one by one.
const MOST_VERTICES: usize = 100;
/// How many vertices are asked for hosts and backpressure: those that somebody is missing of.
const MOST_ASKED: usize = 20;
/// How many requests of a job wait for its cluster at once; see also [`Link::turn`].
const AT_ONCE: usize = 8;
/// The longest that all of them take.
const LIMIT: Duration = Duration::from_secs(8);
/// How old what is known may be for a glance.
const FRESH: Duration = rest::CACHED;
/// How often what has completed is asked for though nobody wants an estimate: Flink forgets it after ten failures.
const MEANWHILE: Duration = Duration::from_secs(60);

/// What is remembered of a job's checkpoints.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: Mutex<Remembered>,
    /// Held by whoever asks.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Remembered {
    vertices: Vec<VertexAnatomy>,
    in_flight: Vec<Arc<CheckpointAnatomy>>,
    /// Completed ones, the oldest first.
    ended: VecDeque<Arc<CheckpointAnatomy>>,
    warnings: Vec<String>,
    /// When Flink was asked last, whether it answered or not.
    tried: Option<Monotonic>,
    /// When it was asked last for what has completed meanwhile, likewise.
    looked_back: Option<Monotonic>,
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, Remembered> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn anatomy(&self) -> Anatomy {
        let known = self.known();
        Anatomy {
            vertices: known.vertices.clone(),
            in_flight: known.in_flight.clone(),
            ended: known.ended.iter().cloned().collect(),
            warnings: known.warnings.clone(),
        }
    }

    /// Whether a checkpoint has completed that is not remembered, and nobody has asked for a while.
    fn is_behind(&self, seen: &CheckpointStatistics, now: Monotonic) -> bool {
        let known = self.known();
        let is = |newest: &Checkpoint| {
            known
                .ended
                .iter()
                .any(|ended| ended.id == newest.id && ended.triggered_at == newest.trigger_timestamp)
        };
        let waited = known.tried.max(known.looked_back).is_none_or(|at| now.since(at) >= MEANWHILE);
        waited && seen.latest.completed.as_ref().is_some_and(|newest| !is(newest))
    }

    /// Whether what is known is as fresh as it can be had for now: a cluster that fails is not asked again at once.
    fn is_fresh(&self, now: Monotonic) -> bool {
        self.known().tried.is_some_and(|at| now.since(at) < FRESH)
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

impl FlinkJob {
    /// Its checkpoints, subtask by subtask.
    pub(super) async fn dissected(&self, depth: Depth) -> Result<Anatomy, SeamError> {
        let memory = Arc::clone(self.memory());
        match depth {
            Depth::Glance if memory.is_fresh(self.now()) => {}
            // Whoever waits for another gives up after that, so that no queue is ever long.
            Depth::Glance => drop(timeout(GLANCE, self.glance_at_subtasks()).await),
            Depth::Whole => {
                let until = Instant::now() + LIMIT;
                let asking = timeout_at(until, Arc::clone(&memory.asking).lock_owned()).await;
                let asking = asking.map_err(|_| self.silent())?;
                self.look_at_subtasks(asking, until, true).await?;
            }
        }
        Ok(memory.anatomy())
    }

    /// Asks Flink for what has completed last, in the background: what is older waits until somebody wants an estimate.
    pub(super) fn remember_subtasks(&self, seen: &CheckpointStatistics) {
        let newest = seen.latest.completed.clone();
        let Some(newest) = newest.filter(|_| self.memory().is_behind(seen, self.now())) else { return };
        // Somebody who asks already does the same.
        if let Ok(asking) = Arc::clone(&self.memory().asking).try_lock_owned() {
            let job = self.clone();
            tokio::spawn(async move {
                drop(timeout(LIMIT, job.ask_for_newest(&newest)).await);
                job.memory().known().looked_back = Some(job.now());
                drop(asking);
            });
        }
    }

    async fn ask_for_newest(&self, newest: &Checkpoint) -> Result<(), ClientError> {
        let vertices = self.ask_for_vertices().await?;
        let parts = if is_too_large(&vertices) { &[][..] } else { &vertices[..] };
        self.ask_for_ended(self.memory(), [newest].into_iter(), parts).await
    }

    async fn glance_at_subtasks(&self) {
        let memory = Arc::clone(self.memory());
        let asking = Arc::clone(&memory.asking).lock_owned().await;
        if memory.is_fresh(self.now()) {
            return;
        }
        let job = self.clone();
        let until = Instant::now() + LIMIT;
        // It goes on when nobody waits for it any more: whoever looks next has it.
        let asked = tokio::spawn(async move { job.look_at_subtasks(asking, until, false).await });
        drop(asked.await);
    }

    /// Asks Flink for what is not known yet.
    async fn look_at_subtasks(
        &self,
        asking: OwnedMutexGuard<()>,
        until: Instant,
        whole: bool,
    ) -> Result<(), SeamError> {
        let memory = self.memory();
        let asked = self.ask_for_subtasks(memory, until, whole).await;
        memory.known().tried = Some(self.now());
        drop(asking);
        asked
    }

    fn silent(&self) -> SeamError {
        let (cluster, limit) = (self.link().name(), LIMIT.as_secs());
        SeamError::Unreachable(format!("cluster {cluster} does not tell of its subtasks within {limit}s"))
    }

    /// What is not told by then is left out.
    async fn ask_for_subtasks(&self, memory: &Memory, until: Instant, whole: bool) -> Result<(), SeamError> {
        let checkpoints = rest::checkpoints(self.link().client(), self.id());
        let told = timeout_at(until, future::try_join(self.ask_for_vertices(), checkpoints)).await;
        let told = told.map_err(|_| self.silent())?;
        let (mut vertices, statistics) = told.map_err(|error| self.link().refused(&error))?;
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
        for entry in running.into_iter().rev().take(MOST_IN_FLIGHT) {
            let (found, trouble) = match in_time(until, self.ask_for_one(entry, parts)).await {
                Ok(found) => (found, None),
                Err(error) => (self.as_a_whole(entry), Some(error)),
            };
            let why =
                |error| format!("what the subtasks did for checkpoint {} is not known: {error}", entry.id);
            warnings.extend(trouble.map(why));
            in_flight.push(Arc::new(found));
        }
        let seen = statistics.history.iter().chain(&statistics.latest.completed);
        if let Err(error) = in_time(until, self.ask_for_ended(memory, seen, parts)).await {
            warnings
                .push(format!("what the subtasks did for some earlier checkpoints is not known: {error}"));
        }
        if let (true, Some(oldest)) = (whole && !too_large, in_flight.first()) {
            let missing = missing(oldest, &vertices);
            let asked = timeout_at(until, self.ask_for_places(&mut vertices, &missing, &mut warnings));
            if asked.await.is_err() {
                warnings.push(format!("hosts and backpressure are not known: {}", late()));
            }
        }
        let mut known = memory.known();
        known.in_flight = in_flight;
        (known.vertices, known.warnings) = (vertices, warnings);
        Ok(())
    }

    async fn ask_for_vertices(&self) -> Result<Vec<VertexAnatomy>, ClientError> {
        let listed: Listed = in_turn(self.link(), &format!("/jobs/{}", self.id())).await?;
        let of = |vertex: ListedVertex| {
            let subtasks = usize::try_from(vertex.parallelism).unwrap_or(usize::MAX);
            VertexAnatomy::new(vertex.id, vertex.name, subtasks)
        };
        Ok(listed.vertices.into_iter().map(of).collect())
    }

    /// Those that have completed and are not known yet, the newest first: the time may not be enough for all.
    async fn ask_for_ended<'a>(
        &self,
        memory: &Memory,
        seen: impl Iterator<Item = &'a Checkpoint>,
        vertices: &[VertexAnatomy],
    ) -> Result<(), ClientError> {
        for entry in seen.filter(|entry| entry.status == CheckpointStatus::Completed) {
            let is = |known: &Arc<CheckpointAnatomy>| {
                known.id == entry.id && known.triggered_at == entry.trigger_timestamp
            };
            if memory.known().ended.iter().any(is) {
                continue;
            }
            let found = self.ask_for_one(entry, vertices).await?;
            let mut known = memory.known();
            known.ended.push_back(Arc::new(found));
            known.ended.make_contiguous().sort_by_key(|ended| (ended.triggered_at, ended.id));
            while known.ended.len() > MOST_ENDED {
                known.ended.pop_front();
            }
        }
        Ok(())
    }

    /// One checkpoint. A vertex that Flink does not know it of makes it known as a whole only.
    async fn ask_for_one(
        &self,
        entry: &Checkpoint,
        vertices: &[VertexAnatomy],
    ) -> Result<CheckpointAnatomy, ClientError> {
        let ids: Vec<VertexId> = vertices.iter().map(|vertex| vertex.id).collect();
        let asked = ids.into_iter().map(|vertex| self.ask_for_vertex(entry.id, vertex));
        let told: Vec<Option<TaskCheckpointWithSubtasks>> =
            futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let times: Option<Vec<_>> = told.iter().map(|told| told.as_ref().map(subtask_times)).collect();
        let subtasks = times.filter(|times| !times.is_empty());
        let mut found = self.as_a_whole(entry);
        if let (Some(subtasks), CheckpointStatus::InProgress) = (&subtasks, entry.status) {
            // What Flink tells is up to 3 s old, but not older than the newest acknowledgement.
            let newest = subtasks.iter().flatten().flatten().map(|times| times.took).max();
            found.lasted = found.lasted.saturating_sub(rest::CACHED).max(newest.unwrap_or_default());
        }
        found.subtasks = subtasks;
        Ok(found)
    }

    /// One checkpoint of which only the whole is known.
    fn as_a_whole(&self, entry: &Checkpoint) -> CheckpointAnatomy {
        let here = i64::try_from(wall_millis()).unwrap_or(i64::MAX);
        let there = here.saturating_add(self.link().health().ahead);
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
        id: CheckpointId,
        vertex: VertexId,
    ) -> Result<Option<TaskCheckpointWithSubtasks>, ClientError> {
        let path = format!("/jobs/{}/checkpoints/details/{id}/subtasks/{vertex}", self.id());
        let _turn = self.link().turn().await;
        rest::found(self.link().client().get(&path).await)
    }

    /// Where the subtasks of these vertices run, and what holds them back.
    async fn ask_for_places(&self, vertices: &mut [VertexAnatomy], of: &[usize], warnings: &mut Vec<String>) {
        let link = self.link();
        let paths = of.iter().take(MOST_ASKED);
        let paths: Vec<(usize, String)> = paths
            .map(|place| (*place, format!("/jobs/{}/vertices/{}", self.id(), vertices[*place].id)))
            .collect();
        let asked = paths.into_iter().map(|(place, path)| async move {
            let pressure = format!("{path}/backpressure");
            let (places, pressures) =
                tokio::join!(in_turn::<Places>(link, &path), in_turn::<Pressures>(link, &pressure));
            (place, places, pressures)
        });
        let told: Vec<_> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
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
        if of.len() > MOST_ASKED {
            warnings.push(format!(
                "hosts and backpressure were asked for {MOST_ASKED} of the {} vertices that somebody is missing of",
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

fn late() -> String {
    format!("Flink does not tell within {}s", LIMIT.as_secs())
}

async fn in_turn<T: DeserializeOwned>(link: &Link, path: &str) -> Result<T, ClientError> {
    let _turn = link.turn().await;
    Ok(link.client().get(path).await?.value)
}

fn subtasks(vertices: &[VertexAnatomy]) -> usize {
    vertices.iter().map(|vertex| vertex.subtasks).sum()
}

fn is_too_large(vertices: &[VertexAnatomy]) -> bool {
    vertices.len() > MOST_VERTICES || subtasks(vertices) > MOST_SUBTASKS
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
