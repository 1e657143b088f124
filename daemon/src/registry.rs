//! Every job that ckptd knows, indexed by id and by name. Those who host or follow jobs add and remove them here, and
//! subscribers are told of it, so that they need not poll.

use crate::flink::Clusters;
use crate::hosted::HostedJobs;
use crate::overrides::Key;
use crate::seam::{Identity, JobCoordinator};
use ckpt_types::ids::JobId;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::broadcast;

/// Changes that a slow subscriber may be behind; one that is further behind looks at all jobs again.
const MAX_CHANGES: usize = 4_096;

/// A job, whatever coordinates it.
pub type Job = Arc<dyn JobCoordinator>;

/// Reason why a text means no single job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// None has that name or id.
    #[error("there is no job '{wanted}'; ckptctl get lists the jobs")]
    Unknown {
        /// The text.
        wanted: String,
    },
    /// Several have.
    #[error("'{wanted}' could be any of {}; say which one", .candidates.join(", "))]
    Ambiguous {
        /// The text.
        wanted: String,
        /// Unambiguous texts to use instead.
        candidates: Vec<String>,
    },
}

/// A change of the set of jobs.
#[derive(Clone)]
pub enum JobChange {
    /// A job is known from now on.
    Added(Job),
    /// A job is not known any more.
    Removed(Key),
    /// A job's cluster lists it again, or does not list it any more.
    Availability(Job),
}

impl fmt::Debug for JobChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(job) => f.debug_tuple("Added").field(job.identity()).finish(),
            Self::Removed(key) => f.debug_tuple("Removed").field(key).finish(),
            Self::Availability(job) => f.debug_tuple("Availability").field(job.identity()).finish(),
        }
    }
}

/// The index of all jobs. Clones share one.
#[derive(Debug, Clone)]
pub struct JobIndex(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    entries: RwLock<Entries>,
    changes: broadcast::Sender<JobChange>,
}

/// Order of jobs in lists: by name, then by cluster, then by id.
type Place = (String, String, JobId);

struct Entry {
    job: Job,
    /// Rises with each job that is added: of two, the later one is the newer.
    sequence: u64,
}

#[derive(Default)]
struct Entries {
    jobs: BTreeMap<Place, Entry>,
    by_id: HashMap<JobId, Vec<Place>>,
    next_sequence: u64,
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.jobs.keys()).finish()
    }
}

impl Default for JobIndex {
    fn default() -> Self {
        let (changes, _) = broadcast::channel(MAX_CHANGES);
        Self(Arc::new(Shared { entries: RwLock::default(), changes }))
    }
}

impl JobIndex {
    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.0.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, in place of one with the same cluster and id.
    pub fn add(&self, job: Job) {
        let mut entries = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        let identity = job.identity();
        entries.remove(&identity.cluster, identity.id);
        let place = place_of(identity);
        let sequence = entries.next_sequence;
        entries.next_sequence += 1;
        entries.by_id.entry(identity.id).or_default().push(place.clone());
        entries.jobs.insert(place, Entry { job: Arc::clone(&job), sequence });
        // Told while the index is locked, so that changes are told in their order. Without subscribers it is dropped.
        drop(self.0.changes.send(JobChange::Added(job)));
    }

    /// Removes a job, if it is there.
    pub fn remove(&self, key: &Key) {
        let mut entries = self.0.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.remove(&key.cluster, key.job) {
            drop(self.0.changes.send(JobChange::Removed(key.clone())));
        }
    }

    /// Tells that a job's cluster lists it again, or does not list it any more.
    pub fn tell_availability(&self, key: &Key) {
        if let Some(job) = self.get(key) {
            drop(self.0.changes.send(JobChange::Availability(job)));
        }
    }

    /// The job with this key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Job> {
        let entries = self.entries();
        let place = entries.by_id.get(&key.job)?.iter().find(|(_, cluster, _)| *cluster == key.cluster)?;
        Some(Arc::clone(&entries.jobs.get(place)?.job))
    }

    /// Every job, by name, then by cluster, then by id.
    #[must_use]
    pub fn all(&self) -> Vec<Job> {
        self.entries().jobs.values().map(|entry| Arc::clone(&entry.job)).collect()
    }

    /// Changes from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<JobChange> {
        self.0.changes.subscribe()
    }

    /// The job with this id or this name, which may stand behind the name of its cluster and a slash.
    /// A name means a live job before one that has ended, and among those of one cluster the latest.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub fn resolve(&self, wanted: &str) -> Result<Job, ResolveError> {
        let entries = self.entries();
        // No cluster has a slash in its name.
        let within = wanted.split_once('/');
        let mut found = entries.with_id(wanted, within);
        if found.is_empty() {
            found = narrowed(entries.named(wanted, within));
        }
        match found.as_slice() {
            [entry] => Ok(Arc::clone(&entry.job)),
            [] => Err(ResolveError::Unknown { wanted: wanted.escape_debug().to_string() }),
            several => Err(ResolveError::Ambiguous {
                wanted: wanted.escape_debug().to_string(),
                candidates: several.iter().map(|entry| candidate(entry.job.identity())).collect(),
            }),
        }
    }
}

impl Entries {
    fn remove(&mut self, cluster: &str, id: JobId) -> bool {
        let Some(places) = self.by_id.get_mut(&id) else { return false };
        let Some(at) = places.iter().position(|(_, own, _)| own == cluster) else { return false };
        let place = places.swap_remove(at);
        if places.is_empty() {
            self.by_id.remove(&id);
        }
        self.jobs.remove(&place).is_some()
    }

    /// Jobs with this id, perhaps behind the name of a cluster.
    fn with_id(&self, wanted: &str, within: Option<(&str, &str)>) -> Vec<&Entry> {
        let places = |text: &str| text.parse::<JobId>().ok().and_then(|id| self.by_id.get(&id));
        if let Some(places) = places(wanted) {
            return places.iter().filter_map(|place| self.jobs.get(place)).collect();
        }
        let Some((cluster, text)) = within else { return Vec::new() };
        let places = places(text).into_iter().flatten().filter(|(_, own, _)| own == cluster);
        places.filter_map(|place| self.jobs.get(place)).collect()
    }

    /// Jobs with this name, perhaps behind the name of a cluster; those of one cluster after those of another, the
    /// oldest first.
    fn named(&self, wanted: &str, within: Option<(&str, &str)>) -> Vec<&Entry> {
        let mut found = self.with_name(wanted);
        if let Some((cluster, name)) = within {
            let there = self.with_name(name).into_iter();
            found.extend(there.filter(|entry| entry.job.identity().cluster == cluster));
        }
        found.sort_by_key(|entry| entry.sequence);
        found
    }

    fn with_name(&self, name: &str) -> Vec<&Entry> {
        let first = (name.to_owned(), String::new(), JobId::from_bits(0));
        let named = self.jobs.range(first..).take_while(|((own, ..), _)| own == name);
        named.map(|(_, entry)| entry).collect()
    }
}

/// The jobs that a name means: the live ones, or else the latest that has ended. One that its cluster does not list any
/// more gives way to others.
fn narrowed(named: Vec<&Entry>) -> Vec<&Entry> {
    let (ended, live): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|entry| entry.job.snapshot().state.has_ended());
    if !live.is_empty() {
        let (there, gone): (Vec<_>, Vec<_>) =
            live.into_iter().partition(|entry| entry.job.snapshot().is_listed);
        return if there.is_empty() { gone } else { there };
    }
    let cluster = |entry: &&Entry| entry.job.identity().cluster.clone();
    let is_one_cluster = ended.windows(2).all(|pair| cluster(&pair[0]) == cluster(&pair[1]));
    match is_one_cluster {
        true => ended.into_iter().next_back().into_iter().collect(),
        false => ended,
    }
}

fn place_of(Identity { cluster, id, name }: &Identity) -> Place {
    (name.clone(), cluster.clone(), *id)
}

fn candidate(Identity { cluster, id, name }: &Identity) -> String {
    format!("{cluster}/{} ({id})", name.escape_debug())
}

/// The jobs, and those who host or follow them. There is one in a ckptd.
#[derive(Debug)]
pub struct Registry {
    index: JobIndex,
    hosted: HostedJobs,
    clusters: Clusters,
}

impl Registry {
    /// A registry of these, which add their jobs to `index`.
    #[must_use]
    pub fn new(index: JobIndex, hosted: HostedJobs, clusters: Clusters) -> Self {
        Self { index, hosted, clusters }
    }

    /// The jobs that ckptd hosts itself.
    #[must_use]
    pub fn hosted(&self) -> &HostedJobs {
        &self.hosted
    }

    /// The Flink clusters that it follows.
    #[must_use]
    pub fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// Every job, by name.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        self.index.all()
    }

    /// The job that an override belongs to.
    #[must_use]
    pub fn job_of(&self, key: &Key) -> Option<Job> {
        self.index.get(key)
    }

    /// See [`JobIndex::resolve`].
    ///
    /// # Errors
    /// [`ResolveError`].
    pub fn resolve(&self, wanted: &str) -> Result<Job, ResolveError> {
        self.index.resolve(wanted)
    }

    /// Changes of the set of jobs from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<JobChange> {
        self.index.changes()
    }
}
