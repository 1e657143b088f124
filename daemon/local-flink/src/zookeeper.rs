//! The ZooKeeper server that Flink carries: with it, jobs outlive their JobManager.

use crate::cluster::{ClusterError, machine};
use crate::config;
use crate::install::Distribution;
use crate::watcher::Watcher;
use std::net::TcpListener;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The longest wait until it listens: it takes a second on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(50);
/// The server's unit of time. It grants sessions of 2 to 20 of them.
const TICK: Duration = Duration::from_millis(500);
/// After how long without a word a JobManager is taken for dead: short, since whoever tests a failover waits for
/// it, and long enough for a JVM that shares two cores with twenty others.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);

/// A ZooKeeper server on loopback. It ends with this, and so does everything that was stored in its directory.
#[derive(Debug)]
pub struct ZooKeeper {
    distribution: Distribution,
    port: u16,
    child: Option<Child>,
    started: usize,
    // The last one: it ends what is left.
    watcher: Watcher,
}

impl ZooKeeper {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn start(distribution: &Distribution) -> Result<Self, ClusterError> {
        let watcher = Watcher::start().map_err(machine("make a directory for ZooKeeper"))?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(machine("find a free port"))?.port();
        let text = format!(
            "tickTime={}\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
            TICK.as_millis(),
            watcher.directory().join("data").display()
        );
        let written = std::fs::write(watcher.directory().join("zoo.cfg"), text);
        written.map_err(machine("write ZooKeeper's configuration"))?;
        let distribution = distribution.clone();
        let mut server = Self { distribution, port, child: None, started: 0, watcher };
        server.start_again().await?;
        Ok(server)
    }

    /// What makes a cluster highly available through this server.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let key = match self.distribution.release() < (1, 17) {
            true => "high-availability",
            false => "high-availability.type",
        };
        [
            (key, "zookeeper".to_owned()),
            ("high-availability.zookeeper.quorum", self.address()),
            (
                "high-availability.storageDir",
                format!("file://{}", self.watcher.directory().join("ha").display()),
            ),
            ("high-availability.zookeeper.client.session-timeout", SESSION_TIMEOUT.as_millis().to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// SIGKILL. What it knew is on disk.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> Result<(), ClusterError> {
        match self.child.take() {
            Some(mut child) => child.kill().await.map_err(machine("kill ZooKeeper")),
            None => Ok(()),
        }
    }

    /// Starts it at the same place, with what it knew, and waits until it listens.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn start_again(&mut self) -> Result<(), ClusterError> {
        self.kill().await?;
        self.started += 1;
        let mut command = Command::new(&self.distribution.machine.java);
        command.args(["-Xmx64m", config::SERIAL, config::QUICK, "-cp"]);
        command.arg(self.distribution.home.join("lib/*"));
        command.arg("org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer").arg("--zkConfigFile");
        command.arg(self.watcher.directory().join("zoo.cfg")).args(["--peerId", "1"]);
        command.env_remove("FLINK_CONF_DIR").env_remove("JAVA_TOOL_OPTIONS");
        command.current_dir(self.watcher.directory());
        let name = format!("zookeeper-{}", self.started);
        let child = self.watcher.spawn(&name, command).map_err(machine("start ZooKeeper"))?;
        self.child = Some(child);
        let until = Instant::now() + LIMIT;
        while TcpStream::connect(self.address()).await.is_err() {
            let ended = self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() >= until {
                return Err(self.not_ready(&name, ended));
            }
            sleep(EVERY).await;
        }
        Ok(())
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn not_ready(&self, name: &str, ended: bool) -> ClusterError {
        let what = match ended {
            true => "ZooKeeper has ended".to_owned(),
            false => format!("ZooKeeper did not listen within {} s", LIMIT.as_secs()),
        };
        let file = |ending: &str| self.watcher.directory().join(format!("{name}.{ending}"));
        let log = ["out", "err"].map(|ending| std::fs::read_to_string(file(ending)).unwrap_or_default());
        ClusterError::NotReady { what, log: log.concat() }
    }
}
