//! Every job that ckptd knows, found by what somebody called it.

use crate::flink::Clusters;
use crate::hosted::HostedJobs;
use crate::overrides::Key;
use crate::seam::{Identity, JobCoordinator};
use ckpt_types::ids::JobId;
use std::sync::Arc;

/// A job, whatever coordinates it.
pub type Job = Arc<dyn JobCoordinator>;

/// Why no single job is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// None has that name or id.
    #[error("there is no job '{wanted}'; ckptctl get lists the jobs")]
    Unknown {
        /// What was asked for.
        wanted: String,
    },
    /// Several have.
    #[error("'{wanted}' could be any of {}; say which one", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// What to say instead.
        candidates: Vec<String>,
    },
}

/// The jobs. There is one in a ckptd.
#[derive(Debug)]
pub struct Registry {
    hosted: HostedJobs,
    clusters: Clusters,
}

impl Registry {
    /// These jobs.
    #[must_use]
    pub fn new(hosted: HostedJobs, clusters: Clusters) -> Self {
        Self { hosted, clusters }
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

    /// Every job of one cluster after those of another, the oldest first.
    fn all(&self) -> impl Iterator<Item = Job> {
        let hosted = self.hosted.jobs().into_iter().map(|job| Arc::new(job) as Job);
        hosted.chain(self.clusters.jobs().into_iter().map(|job| Arc::new(job) as Job))
    }

    /// Every job, by name.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.all().collect();
        jobs.sort_by(|a, b| by_name(a.identity()).cmp(&by_name(b.identity())));
        jobs
    }

    /// The job that an override belongs to.
    #[must_use]
    pub fn job_of(&self, key: &Key) -> Option<Job> {
        self.all().find(|job| {
            let identity = job.identity();
            identity.id == key.job && identity.cluster == key.cluster
        })
    }

    /// The job with this id or this name, which may stand behind the name of its cluster and a slash.
    /// A name means a live job before one that has ended, and among those of one cluster the latest.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub fn resolve(&self, wanted: &str) -> Result<Job, ResolveError> {
        let mut with_id = Vec::new();
        let mut named = Vec::new();
        for job in self.all() {
            let identity = job.identity();
            let within = wanted.strip_prefix(&identity.cluster).and_then(|rest| rest.strip_prefix('/'));
            let is_id = |text: &str| text.parse::<JobId>().is_ok_and(|id| id == identity.id);
            if is_id(wanted) || within.is_some_and(is_id) {
                with_id.push(job);
            } else if wanted == identity.name || within == Some(identity.name.as_str()) {
                named.push(job);
            }
        }
        let found = if with_id.is_empty() { narrowed(named) } else { with_id };
        match <[Job; 1]>::try_from(found) {
            Ok([job]) => Ok(job),
            Err(none) if none.is_empty() => {
                Err(ResolveError::Unknown { wanted: wanted.escape_debug().to_string() })
            }
            Err(several) => Err(ResolveError::Ambiguous {
                wanted: wanted.escape_debug().to_string(),
                candidates: several.iter().map(|job| candidate(job.identity())).collect(),
            }),
        }
    }
}

/// Those that a name means: the live ones, or else the latest that has ended. One that its cluster does
/// not list any more stands in nobody's way.
fn narrowed(named: Vec<Job>) -> Vec<Job> {
    let (ended, live): (Vec<Job>, Vec<Job>) = named.into_iter().partition(|job| job.last_state().has_ended());
    if !live.is_empty() {
        let (there, gone): (Vec<Job>, Vec<Job>) = live.into_iter().partition(|job| job.is_there());
        return if there.is_empty() { gone } else { there };
    }
    let one_cluster = ended.windows(2).all(|pair| pair[0].identity().cluster == pair[1].identity().cluster);
    match one_cluster {
        true => ended.into_iter().next_back().into_iter().collect(),
        false => ended,
    }
}

fn by_name(identity: &Identity) -> (&str, &str, JobId) {
    (&identity.name, &identity.cluster, identity.id)
}

fn candidate(Identity { cluster, id, name }: &Identity) -> String {
    format!("{cluster}/{} ({id})", name.escape_debug())
}
