//! All clusters that are followed, those too that are found on this machine.

use super::doctor;
use super::link::Services;
use super::owner::Cluster;
use super::rest;
use super::settings::{ClusterSettings, Consent, Settings};
use ckpt_api::{ClusterState, Diagnosis};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// How often this machine is searched for JobManagers.
const SEARCH: Duration = Duration::from_secs(10);
/// The most clusters that are found.
const MOST_FOUND: usize = 64;

/// The clusters. There is one of these in a ckptd.
#[derive(Debug, Default)]
pub struct Clusters {
    followed: Arc<RwLock<Vec<Arc<Cluster>>>>,
    search: Option<AbortHandle>,
}

impl Drop for Clusters {
    fn drop(&mut self) {
        if let Some(search) = &self.search {
            search.abort();
        }
    }
}

impl Clusters {
    /// Starts to follow these.
    #[must_use]
    pub fn follow(settings: Settings, services: &Services) -> Self {
        let follow = |settings| Arc::new(Cluster::follow(settings, services, false));
        let followed: Vec<_> = settings.clusters.into_iter().map(follow).collect();
        let followed = Arc::new(RwLock::new(followed));
        let search = settings.auto.map(|consent| {
            let followed = Arc::clone(&followed);
            let search = search(followed, services.clone(), consent);
            tokio::spawn(search).abort_handle()
        });
        Self { followed, search }
    }

    fn all(&self) -> Vec<Arc<Cluster>> {
        self.followed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How they are.
    #[must_use]
    pub fn states(&self) -> Vec<ClusterState> {
        self.all().iter().map(|cluster| cluster.state()).collect()
    }

    /// Whether they, or the one that is named, can be changed from here, and if not, why. `None` when
    /// there is none of that name.
    pub async fn diagnose(&self, wanted: Option<&str>) -> Option<Diagnosis> {
        let mut clusters = self.all();
        clusters.retain(|cluster| wanted.is_none_or(|name| cluster.link.name() == name));
        if clusters.is_empty() && wanted.is_some() {
            return None;
        }
        let diagnoses = clusters.iter().map(|cluster| doctor::diagnose(cluster));
        Some(Diagnosis::new(futures::future::join_all(diagnoses).await))
    }
}

/// Looks for JobManagers of this machine, again and again, and follows those that are not followed yet.
async fn search(followed: Arc<RwLock<Vec<Arc<Cluster>>>>, services: Services, consent: Consent) {
    loop {
        let managers = tokio::task::spawn_blocking(ckpt_attach::job_managers).await.unwrap_or_default();
        let there: Vec<_> = managers.into_iter().flat_map(|manager| manager.ports).collect();
        followed.write().unwrap_or_else(PoisonError::into_inner).retain(|cluster| {
            let is_gone = !there.iter().any(|address| is_at(&cluster.link.settings, *address));
            let of_use = !cluster.is_discovered
                || services.overrides.clusters().iter().any(|name| name == cluster.link.name());
            of_use || !is_gone || cluster.facts().health.trouble.is_none()
        });
        for address in there {
            let known: Vec<_> = followed.read().unwrap_or_else(PoisonError::into_inner).clone();
            let is_it = |cluster: &Arc<Cluster>| is_at(&cluster.link.settings, address);
            if known.len() >= MOST_FOUND || known.iter().any(is_it) || !is_flink(address).await {
                continue;
            }
            match ClusterSettings::found(format!("http://{address}"), consent) {
                Ok(settings) => {
                    tracing::info!(cluster = settings.name, "found a JobManager on this machine");
                    let cluster = Cluster::follow(settings, &services, true);
                    let cluster = Arc::new(cluster);
                    followed.write().unwrap_or_else(PoisonError::into_inner).push(cluster);
                }
                Err(error) => {
                    tracing::warn!(%address, %error, "a JobManager of this machine is not followed");
                }
            }
        }
        sleep(SEARCH).await;
    }
}

/// Whether a cluster was named whose address this is.
fn is_at(settings: &ClusterSettings, address: SocketAddr) -> bool {
    settings.client.host_and_port().is_some_and(|(host, port)| {
        let here = host == "localhost" && address.ip().is_loopback();
        port == address.port() && (here || host.parse::<IpAddr>().is_ok_and(|ip| ip == address.ip()))
    })
}

async fn is_flink(address: SocketAddr) -> bool {
    match rest::probe(address) {
        Ok(client) => rest::version(&client).await.is_ok(),
        Err(_) => false,
    }
}
