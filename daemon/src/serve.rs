//! The daemon as a whole: start, recovery, shutdown.

use crate::audit::AuditLog;
use crate::change::Changes;
use crate::clock::Clock;
use crate::config_file::ConfigError;
use crate::durable::read_limited;
use crate::expiry::Expiry;
use crate::flink::{self, Clusters, SettingsError};
use crate::hosted::{HostedJobs, RecoverError, SubmitError};
use crate::metrics::Metrics;
use crate::overrides::{LoadError, OverrideStore};
use crate::pauses::{Pauses, PausesError};
use crate::registry::{JobIndex, Registry};
use crate::rest::{self, Api, Guard};
use crate::seam::JobCoordinator;
use crate::state_dir::{StateDir, StateDirError};
use ckpt_api::{HOSTED, LARGEST_BODY};
use ckpt_client::local::DEFAULT_LISTEN;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What `ckptd serve` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = DEFAULT_LISTEN, value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Where everything is kept that must not be forgotten [default: $XDG_STATE_HOME/ckptd or
    /// ~/.local/state/ckptd].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// A job file to host; the same file at the next start is the same job.
    #[arg(long = "job", value_name = "FILE")]
    pub jobs: Vec<PathBuf>,
    /// Listen beyond this machine: whoever reaches the port and has the token can change jobs, and
    /// what is sent, the token too, can be read on the way.
    #[arg(long)]
    pub listen_beyond_loopback: bool,
    /// A name besides localhost by which ckptd may be called.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub allowed_hosts: Vec<String>,
    /// Which Flink clusters to follow.
    #[command(flatten)]
    pub flink: flink::Options,
}

/// Why ckptd does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The overrides are damaged.
    #[error(transparent)]
    Overrides(#[from] LoadError),
    /// Where reconcile is paused cannot be read.
    #[error(transparent)]
    Pauses(#[from] PausesError),
    /// The configuration file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What is said about Flink cannot be.
    #[error(transparent)]
    Flink(#[from] SettingsError),
    /// A stored job is damaged.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The address is not on this machine alone.
    #[error(
        "{0} can be reached from other machines; add --listen-beyond-loopback if that is meant, or listen on 127.0.0.1"
    )]
    BeyondLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {cause}; stop what is listening there, or choose another address with --listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A job file cannot be read.
    #[error("cannot read the job file {path}: {cause}", path = .path.display())]
    JobFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A job file cannot be submitted.
    #[error("{path}: {cause}", path = .path.display())]
    Submit {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: SubmitError,
    },
    /// Signals cannot be awaited.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`] when it cannot start.
pub async fn run(options: Options) -> Result<(), ServeError> {
    if !options.listen.ip().to_canonical().is_loopback() && !options.listen_beyond_loopback {
        return Err(ServeError::BeyondLoopback(options.listen));
    }
    let config = options.flink.configured()?;
    let flink = options.flink.over(config.flink)?;
    raise_open_files();
    let clock = Clock::start();
    let shutdown = Shutdown::new().map_err(ServeError::Signals)?;
    let directory = Arc::new(StateDir::open(options.state_dir)?);
    let token = directory.token()?;
    let overrides = OverrideStore::open(directory.overrides(), clock)?;
    let pauses = Pauses::open(directory.pauses(), clock)?;
    let occupied = |cause| ServeError::Listen { address: options.listen, cause };
    let listener = TcpListener::bind(options.listen).await.map_err(occupied)?;
    let address = listener.local_addr().map_err(occupied)?;
    let texts = options.jobs.iter().map(|path| read_job_file(path)).collect::<Result<Vec<_>, _>>()?;
    let index = JobIndex::default();
    let hosted = HostedJobs::recover(Arc::clone(&directory), overrides.clone(), index.clone(), clock).await?;
    let refused = |place: usize, cause| ServeError::Submit { path: options.jobs[place].clone(), cause };
    hosted.check(&texts).map_err(|(place, cause)| refused(place, cause))?;
    for (place, text) in texts.iter().enumerate() {
        let (job, created) = hosted.submit(text, None).await.map_err(|cause| refused(place, cause))?;
        let identity = job.identity();
        let file = options.jobs[place].display();
        tracing::info!(job = identity.name, id = %identity.id, created, %file, "job submitted");
    }
    if let Err(error) = directory.announce(Some(address.to_string())) {
        tracing::warn!(%error, "the lock file cannot say where ckptd listens");
    }
    warn_of_strangers(&overrides, &flink);
    let services =
        flink::Services { clock, overrides: overrides.clone(), pauses: pauses.clone(), index: index.clone() };
    let clusters = Clusters::follow(flink, &services);
    let registry = Arc::new(Registry::new(index, hosted, clusters));
    let metrics = Metrics::new(clock);
    metrics.follow(&registry);
    let audit = AuditLog::open(directory.audit(), config.audit, clock);
    let changes = Changes { clock, overrides, audit, rules: Arc::new(config.rules) };
    let _expiry = Expiry::start(&registry, changes.clone()).await;
    let (ready, is_ready) = watch::channel(true);
    let api = Api { registry, changes, pauses, metrics, ready: is_ready };
    let router = rest::router(api, Guard::new(token, options.allowed_hosts));
    tracing::info!(url = format!("http://{address}"), state = %directory.path().display(), pid = std::process::id(), "ckptd is ready");
    rest::serve(listener, router, async move {
        let name = shutdown.await_signal().await;
        ready.send_replace(false);
        tracing::info!(signal = name, "shutting down");
    })
    .await;
    Ok(())
}

/// Overrides of clusters that are not followed do not hold, and nobody should think that they do.
fn warn_of_strangers(overrides: &OverrideStore, flink: &flink::Settings) {
    let is_known = |name: &str| name == HOSTED || flink.clusters.iter().any(|cluster| cluster.name == name);
    for cluster in overrides.clusters().into_iter().filter(|name| !is_known(name)) {
        if flink.auto.is_none() {
            tracing::warn!(
                cluster,
                "there are overrides for a cluster that is not followed; follow it under this name, with --flink {cluster}=URL"
            );
        }
    }
}

/// Lets this process have as many open files as it may: connections must not take those that checkpoints
/// need.
fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

fn read_job_file(path: &Path) -> Result<String, ServeError> {
    let not_text = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    read_limited(path, LARGEST_BODY as u64)
        .and_then(|content| String::from_utf8(content).map_err(not_text))
        .map_err(|cause| ServeError::JobFile { path: path.to_owned(), cause })
}

/// The signals that end the daemon, caught from its first moment.
struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn await_signal(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
