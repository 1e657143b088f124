//! Discovery of processes on this machine. Processes that vanish meanwhile, or may not be looked at, are skipped.

use super::jvm_options::command_line;
use super::preflight::visibility_advice;
use super::process::Jvm;
use procfs::ProcError;
use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process, all_processes};
use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Longest wait for a connection to an address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Processes that listen on an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listeners {
    /// Processes that ckptd sees.
    pub processes: Vec<Jvm>,
    /// Listeners that ckptd does not see.
    pub unseen: Vec<HiddenListener>,
}

/// Listener whose process ckptd does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HiddenListener {
    /// User of the socket.
    pub(crate) user: u32,
    /// True if a process of that user may not be looked at; false when there is none, as when it is in another pid
    /// namespace.
    pub(crate) is_forbidden: bool,
}

impl HiddenListener {
    /// Sentence for people: the user that listens on this port, why the process is not seen, and what to do.
    #[must_use]
    pub fn sentence(self, port: u16) -> String {
        let user = self.user;
        let who = format!("the process that listens on port {port} is user {user}'s");
        match self.is_forbidden {
            true => format!("{who} and cannot be seen; {}", visibility_advice(user)),
            false => format!(
                "{who} and not among the processes that ckptd sees, as when it is in another container; let ckptd \
                 share its pid namespace (shareProcessNamespace: true in a pod, --pid=container:NAME with Docker \
                 or Podman), or run ckptd outside of the containers"
            ),
        }
    }
}

/// Process that runs Flink's JobManager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobManagerProcess {
    /// Process to ask.
    pub jvm: Jvm,
    /// TCP addresses on which it listens: the one of its REST API is among them. Loopback stands for every
    /// address. Empty when it has a network namespace of its own or may not be looked at.
    pub ports: Vec<SocketAddr>,
}

/// True if an address is one of this machine's: only those can be bound.
#[must_use]
pub fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Processes of this machine that listen on `address`; none when the address is another machine's. Blocks, for as
/// long as it takes to connect to it where JobManagers have networks of their own.
#[must_use]
pub fn listening_on(address: SocketAddr) -> Listeners {
    let here =
        if is_local(address.ip().to_canonical()) { listening_here(address) } else { Listeners::default() };
    match here.processes.is_empty() {
        true => Listeners { processes: listening_elsewhere(address), ..here },
        false => here,
    }
}

/// Listeners in ckptd's own network namespace.
fn listening_here(address: SocketAddr) -> Listeners {
    let ip = address.ip().to_canonical();
    let on_it = |at: &SocketAddr| {
        let here = at.ip().to_canonical();
        at.port() == address.port() && (here == ip || here.is_unspecified() || ip.is_unspecified())
    };
    let mut sockets = listening_sockets();
    sockets.retain(|socket| on_it(&socket.local_address));
    let mut unseen: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
    let mut processes = Vec::new();
    let mut closed = HashSet::new();
    if !sockets.is_empty() {
        for process in visible_processes() {
            let Ok(its) = sockets_of(&process) else {
                closed.extend(process.status().map(|status| status.euid));
                continue;
            };
            let on_it: Vec<_> =
                sockets.iter().map(|socket| socket.inode).filter(|inode| its.contains(inode)).collect();
            if !on_it.is_empty() {
                unseen.retain(|inode| !on_it.contains(inode));
                processes.extend(Jvm::pin(&process));
            }
        }
    }
    sockets.retain(|socket| unseen.contains(&socket.inode));
    let mut users: Vec<_> = sockets.into_iter().map(|socket| socket.uid).collect();
    users.sort_unstable();
    users.dedup();
    let unseen =
        users.into_iter().map(|user| HiddenListener { user, is_forbidden: closed.contains(&user) }).collect();
    Listeners { processes, unseen }
}

/// JobManagers with a network namespace of their own in which a connection to `address` ends. That the
/// namespace has that address would prove nothing: other machines and other containers may have it, too.
fn listening_elsewhere(address: SocketAddr) -> Vec<Jvm> {
    let network = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/net")).map(|it| it.ino()).ok();
    let ours = network("self");
    let is_elsewhere = |process: &Process| {
        let its = network(&process.pid.to_string());
        its.is_some() && its != ours && is_job_manager(&command_line(process))
    };
    let elsewhere: Vec<_> = visible_processes().filter(is_elsewhere).collect();
    if elsewhere.is_empty() {
        return Vec::new();
    }
    let Ok(connection) = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) else { return Vec::new() };
    let Ok(us) = connection.local_addr() else { return Vec::new() };
    let ends_at = |process: &Process| {
        let sockets: Vec<_> = process.tcp().into_iter().chain(process.tcp6()).flatten().collect();
        let its = sockets_of(process).unwrap_or_default();
        let ends = |socket: &&TcpNetEntry| canonical(socket.remote_address) == canonical(us);
        sockets.iter().find(ends).is_some_and(|end| {
            sockets.iter().any(|socket| {
                socket.state == TcpState::Listen
                    && socket.local_address.port() == end.local_address.port()
                    && its.contains(&socket.inode)
            })
        })
    };
    elsewhere.iter().filter(|process| ends_at(process)).filter_map(Jvm::pin).collect()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    (address.ip().to_canonical(), address.port()).into()
}

/// JobManagers on this machine, by their command lines, with the addresses on which they listen. Blocks.
#[must_use]
pub fn job_managers() -> Vec<JobManagerProcess> {
    let sockets = listening_sockets();
    let found = visible_processes().filter(|process| is_job_manager(&command_line(process)));
    let with_ports = found.filter_map(|process| {
        let its = sockets_of(&process).unwrap_or_default();
        let mine = sockets.iter().filter(|socket| its.contains(&socket.inode));
        let mut ports: Vec<_> = mine.map(|socket| reachable(socket.local_address)).collect();
        ports.sort_unstable();
        ports.dedup();
        Some(JobManagerProcess { jvm: Jvm::pin(&process)?, ports })
    });
    with_ports.collect()
}

/// True if a command line runs one of Flink's `…ClusterEntrypoint` classes, as all its JobManagers do and
/// no TaskManager.
fn is_job_manager(words: &[String]) -> bool {
    let program = words.first().map(|word| word.rsplit('/').next().unwrap_or(word));
    let class = |word: &String| {
        word.starts_with("org.apache.flink.")
            && word.to_ascii_lowercase().ends_with("clusterentrypoint")
            && word.chars().all(|one| one.is_ascii_alphanumeric() || "._$".contains(one))
    };
    program == Some("java") && words.iter().skip(1).any(class)
}

/// Address at which a listening socket is reached. Java's sockets that take every IPv6 address take every
/// IPv4 address too.
fn reachable(listening: SocketAddr) -> SocketAddr {
    match listening.ip().to_canonical() {
        ip if ip.is_unspecified() => (IpAddr::V4(Ipv4Addr::LOCALHOST), listening.port()).into(),
        ip => (ip, listening.port()).into(),
    }
}

fn listening_sockets() -> Vec<TcpNetEntry> {
    let all = procfs::net::tcp().into_iter().chain(procfs::net::tcp6()).flatten();
    all.filter(|socket| socket.state == TcpState::Listen).collect()
}

fn visible_processes() -> impl Iterator<Item = Process> {
    all_processes().into_iter().flatten().flatten()
}

/// Inodes of a process's sockets; an error when they may not be looked at.
fn sockets_of(process: &Process) -> Result<Vec<u64>, ProcError> {
    // The list may be read by the process's user and by root, who may still be kept from what is on it; then
    // procfs passes that over. This link is guarded in the same way.
    process.root()?;
    let files = process.fd()?.flatten();
    let inodes = files.filter_map(|file| match file.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    });
    Ok(inodes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn finds_listeners_on_each_address() {
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let all = TcpListener::bind("0.0.0.0:0").unwrap();
        let us = Jvm::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let address = one.local_addr().unwrap();
        assert!(listening_on(address).processes.contains(&us));
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], address.port()));
        assert!(!listening_on(elsewhere).processes.contains(&us));
        let port = all.local_addr().unwrap().port();
        assert!(listening_on(([127, 0, 0, 1], port).into()).processes.contains(&us));
        // 192.0.2.0/24 is for documentation: no machine has such an address.
        assert_eq!(listening_on(([192, 0, 2, 1], port).into()), Listeners::default());
    }

    #[test]
    fn recognizes_only_job_managers() {
        let runs = |line: &str| is_job_manager(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for class in [
            "runtime.entrypoint.StandaloneSessionClusterEntrypoint",
            "container.entrypoint.StandaloneApplicationClusterEntryPoint",
            "kubernetes.entrypoint.KubernetesSessionClusterEntrypoint",
            "kubernetes.entrypoint.KubernetesApplicationClusterEntrypoint",
            "yarn.entrypoint.YarnJobClusterEntrypoint",
            "yarn.entrypoint.YarnSessionClusterEntrypoint",
            "yarn.entrypoint.YarnApplicationClusterEntryPoint",
        ] {
            assert!(runs(&format!("/opt/java/bin/java -Xmx1g -cp lib org.apache.flink.{class} -D a=b")));
            assert!(!runs(&format!("pgrep -f org.apache.flink.{class}")), "{class}");
        }
        assert!(!runs("java org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir conf"));
        assert!(!runs("java org.apache.flink.kubernetes.taskmanager.KubernetesTaskExecutorRunner"));
        assert!(!runs("java -jar app.jar"));
    }
}
