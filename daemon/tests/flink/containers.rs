//! A JobManager in namespaces of its own, as in a container, with ckptd outside of it or beside it; see container.sh.

use crate::daemon::{CLUSTER, Daemon};
use crate::job::Job;
use crate::rig::Rig;
use ckpt_api::{Check, ClusterDiagnosis, Diagnosis, Verdict, Via};
use ckpt_local_flink::{Cluster, Options};
use procfs::process::{Process, all_processes};
use rustix::process::geteuid;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What `container.sh` is.
const SCRIPT: &str = include_str!("container.sh");
/// Whoever makes the container that needs no root.
const ORDINARY: u32 = 100_000;
/// Flink's user in its official image.
const FLINK: u32 = 9_999;
/// The same in a container whose users are mapped to those from 100000 on.
const MAPPED: u32 = 100_000 + FLINK;
/// Nobody in particular.
const STRANGER: u32 = 12_345;
/// The submitted values, in milliseconds.
const SUBMITTED: (u64, u64) = (3_600_000, 600_000);

/// What this machine lacks to run a test, if it is one of these.
pub(crate) fn lack(test: &str) -> Option<String> {
    static LACK: LazyLock<Option<String>> = LazyLock::new(|| {
        if !geteuid().is_root() {
            return Some("a container needs root: run the tests as root".to_owned());
        }
        let made = Command::new("setpriv")
            .args(["--reuid", "100000", "--regid", "100000", "--clear-groups", "unshare", "--user"])
            .args(["--map-root-user", "--mount", "--pid", "--fork", "mount", "-t", "proc", "proc", "/proc"])
            .output();
        match made {
            Ok(made) if made.status.success() => None,
            Ok(made) => Some(format!(
                "a container needs user, mount and pid namespaces: allow them (sysctl user.max_user_namespaces and \
                 kernel.unprivileged_userns_clone; docker run --privileged); unshare said '{}'",
                String::from_utf8_lossy(&made.stderr).trim()
            )),
            Err(_) => Some("a container needs setpriv and unshare: apt-get install util-linux".to_owned()),
        }
    });
    static LACKS_NETWORK: LazyLock<Option<String>> = LazyLock::new(|| {
        let link = format!("ckpt{}", std::process::id());
        let made = Command::new("ip").args(["link", "add", &link, "type", "veth"]).output();
        let _ = Command::new("ip").args(["link", "delete", &link]).output();
        match made {
            Ok(made) if made.status.success() => None,
            Ok(made) => Some(format!(
                "a container with a network needs a kernel and the right to make veth links; ip said '{}'",
                String::from_utf8_lossy(&made.stderr).trim()
            )),
            Err(_) => Some("a container with a network needs ip: apt-get install iproute2".to_owned()),
        }
    });
    let lack = test.contains("container").then(|| LACK.clone()).flatten();
    lack.or_else(|| test.contains("container_with_a_network").then(|| LACKS_NETWORK.clone()).flatten())
}

/// A JobManager in a container, and a job of it that waits for slots.
struct Container {
    // Before its script.
    cluster: Cluster,
    jvm: i32,
    script: PathBuf,
    _home: tempfile::TempDir,
}

impl Container {
    async fn start(rig: &Rig, kind: &str, user: u32) -> Self {
        Self::with(rig, kind, user, &[]).await
    }

    async fn with(rig: &Rig, kind: &str, user: u32, config: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let script = home.path().join("container.sh");
        std::fs::write(&script, SCRIPT).unwrap();
        let distribution = rig.distribution().await.unwrap();
        let shown = distribution.home.display().to_string();
        let mut options = Options { task_managers: 0, ..Options::new(distribution) };
        options.job_manager_wrapper = starter(&script, kind, user, &shown);
        let config = [&[("slot.request.timeout", "3600000")], config].concat();
        options.config = config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let cluster = rig.start_with(options).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let wrapper = i32::try_from(cluster.job_manager_pid().unwrap()).unwrap();
        let jvm = java_below(wrapper).unwrap_or_else(|| panic!("no java below process {wrapper}"));
        Self { cluster, jvm, script, _home: home }
    }

    fn status(&self) -> procfs::process::Status {
        Process::new(self.jvm).unwrap().status().unwrap()
    }

    fn pids(&self) -> Vec<i32> {
        self.status().nspid.unwrap()
    }

    async fn submit(&self) -> Job<'_> {
        Job::submit(&self.cluster, SUBMITTED.0, SUBMITTED.1).await
    }

    /// ckptd on the machine, as a user of it.
    async fn outside(&self, user: u32, arguments: &[&str]) -> Daemon {
        let words = format!("setpriv --reuid {user} --regid {user} --clear-groups");
        self.daemon(words.split(' ').map(str::to_owned).collect(), user, arguments).await
    }

    /// ckptd in a container of its own. It shares the JobManager's pid namespace if `kind` says so; `before` is put
    /// in front of its command line.
    async fn beside(&self, kind: &str, user: u32, before: &[&str], arguments: &[&str]) -> Daemon {
        let mut wrapper = starter(&self.script, kind, user, "");
        wrapper.extend(before.iter().map(|&word| word.to_owned()));
        self.daemon(wrapper, user, arguments).await
    }

    async fn daemon(&self, wrapper: Vec<String>, user: u32, arguments: &[&str]) -> Daemon {
        let flink = format!("{CLUSTER}={}", self.cluster.url());
        Daemon::within(wrapper, user, &[&["--flink", flink.as_str()], arguments].concat()).await
    }

    /// What ckptd left in the JobManager's `/tmp`: one library, of the JobManager's own user.
    fn holds_one_library_of(&self, user: u32) {
        let tmp = PathBuf::from(format!("/proc/{}/root/tmp", self.jvm));
        let ours = files(&tmp).into_iter().filter(|file| named(file).starts_with("ckptd-") && file.is_dir());
        let ours: Vec<_> = ours.filter(|file| !named(file).starts_with("ckptd-flink-")).collect();
        assert_eq!(ours, [tmp.join(format!("ckptd-{user}"))]);
        let [library] = &files(&ours[0])[..] else { panic!("{:?}", files(&ours[0])) };
        assert!(named(library).starts_with("libckpt-agent-"), "{library:?}");
        for (path, mode) in [(library, 0o644), (&ours[0], 0o755)] {
            let made = std::fs::symlink_metadata(path).unwrap();
            assert_eq!((made.uid(), made.gid(), made.mode() & 0o7777), (user, user, mode), "{path:?}");
        }
        assert!(!files(&tmp).iter().any(|file| named(file).starts_with(".attach_pid")), "{:?}", files(&tmp));
    }
}

/// What has container.sh run what follows.
fn starter(script: &Path, kind: &str, user: u32, shown: &str) -> Vec<String> {
    let words = ["sh", &script.display().to_string(), "start", kind, &user.to_string(), shown];
    words.map(str::to_owned).into()
}

/// The JVM among the descendants of a process, or that process.
fn java_below(pid: i32) -> Option<i32> {
    let all: Vec<_> = all_processes().unwrap().flatten().filter_map(|one| one.stat().ok()).collect();
    let mut below = vec![pid];
    while let Some(pid) = below.pop() {
        if all.iter().any(|one| one.pid == pid && one.comm == "java") {
            return Some(pid);
        }
        below.extend(all.iter().filter(|one| one.ppid == pid).map(|one| one.pid));
    }
    None
}

fn files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn named(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// A change reaches the job's coordinator, and Flink's own REST API shows it.
async fn can_change(daemon: &Daemon, job: &Job<'_>, timeout: u64) {
    daemon.until("a job that is known", &job.id, |_| true).await;
    let changed = daemon.changed(&job.id, None, Some(timeout)).await;
    assert_eq!(changed.via, Some(Via::Attach), "{changed:?}");
    job.until_flinks_values((SUBMITTED.0, timeout)).await;
}

/// A change is refused, with `why`, and the doctor says the same.
async fn cannot_change(daemon: &Daemon, job: &Job<'_>, why: &str) {
    daemon.until("a job that is known", &job.id, |_| true).await;
    let before = job.flinks_values().await;
    daemon.has_no_way(&job.id, &[why]).await;
    let found = diagnosis(daemon).await;
    assert!(!found.changeable, "{found:?}");
    let failed = found.checks.iter().find(|check| check.verdict == Verdict::Failed).unwrap();
    let advice = failed.advice.as_deref().unwrap_or_default();
    assert!(format!("{}; {advice}", failed.found).contains(why), "{failed:?}");
    assert!(!advice.is_empty(), "{failed:?}");
    assert_eq!(job.flinks_values().await, before);
}

async fn diagnosis(daemon: &Daemon) -> ClusterDiagnosis {
    let answer = daemon.call("POST", &format!("/doctor?cluster={CLUSTER}"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut diagnosis: Diagnosis = serde_json::from_value(answer.body).unwrap();
    diagnosis.clusters.swap_remove(0)
}

/// The doctor finds all well; what it says of the namespaces.
async fn is_well(daemon: &Daemon) -> Check {
    let mut found = diagnosis(daemon).await;
    assert!(found.changeable && found.via == Via::Attach, "{found:?}\n{}", daemon.log());
    assert!(found.checks.iter().all(|check| check.verdict != Verdict::Failed), "{found:?}");
    let at = found.checks.iter().position(|check| check.check == "namespaces").unwrap();
    found.checks.swap_remove(at)
}

pub(crate) async fn a_container_that_an_ordinary_user_made_is_reached_from_outside(rig: &'static Rig) {
    let container = Container::start(rig, "rootless", ORDINARY).await;
    assert_eq!(container.pids(), [container.jvm, 1], "it is process 1");
    assert_eq!(container.status().euid, ORDINARY);
    let job = container.submit().await;
    let noted =
        format!("its own (mnt, pid, user), as in a container: reached through /proc/{}/root", container.jvm);
    // Root, who is nobody inside.
    let daemon = container.outside(0, &[]).await;
    cannot_change(
        &daemon,
        &job,
        "allow it with ckptd serve --attach-other-users, or run ckptd as user 100000",
    )
    .await;
    drop(daemon);
    let daemon = container.outside(0, &["--attach-other-users"]).await;
    can_change(&daemon, &job, 700_000).await;
    let namespaces = is_well(&daemon).await;
    assert_eq!(namespaces.verdict, Verdict::Noted);
    assert!(namespaces.found.contains(&noted) && namespaces.found.ends_with("the pid 1"), "{namespaces:?}");
    container.holds_one_library_of(ORDINARY);
    drop(daemon);
    // The same user.
    let daemon = container.outside(ORDINARY, &[]).await;
    can_change(&daemon, &job, 800_000).await;
    assert_eq!(is_well(&daemon).await, namespaces);
    container.holds_one_library_of(ORDINARY);
    drop(daemon);
    // Another one.
    let daemon = container.outside(STRANGER, &[]).await;
    cannot_change(&daemon, &job, "is user 100000's and cannot be seen; run ckptd as user 100000, or as root")
        .await;
}

pub(crate) async fn a_container_with_mapped_users_in_another_one_is_reached_by_root(rig: &'static Rig) {
    let container = Container::start(rig, "remapped", MAPPED).await;
    let pids = container.pids();
    assert!(pids.len() == 3 && pids[0] == container.jvm && pids[2] > 1, "{pids:?}");
    assert_eq!(container.status().euid, MAPPED);
    let job = container.submit().await;
    let daemon = container.outside(0, &["--attach-other-users"]).await;
    can_change(&daemon, &job, 700_000).await;
    let namespaces = is_well(&daemon).await;
    assert!(namespaces.found.ends_with(&format!("the pid {}", pids[2])), "{namespaces:?}");
    container.holds_one_library_of(MAPPED);
    drop(daemon);
    // The container's own root, who sees all processes of the machine, as with podman unshare.
    let jvm = container.jvm.to_string();
    let inside = ["nsenter", "--target", &jvm, "--user", "--setuid", "0", "--setgid", "0"];
    let daemon = container.daemon(inside.map(str::to_owned).into(), 100_000, &["--attach-other-users"]).await;
    can_change(&daemon, &job, 800_000).await;
    let namespaces = is_well(&daemon).await;
    assert!(namespaces.found.starts_with("its own (mnt, pid), as in a container"), "{namespaces:?}");
    drop(daemon);
    // The same user has no rights in a user namespace that root made.
    let daemon = container.outside(MAPPED, &[]).await;
    cannot_change(&daemon, &job, "is in a user namespace that another user made").await;
}

pub(crate) async fn a_container_beside_it_reaches_it_when_they_share_pids(rig: &'static Rig) {
    let container = Container::start(rig, "pod", FLINK).await;
    assert_eq!(container.pids(), [container.jvm, 1]);
    let job = container.submit().await;
    let pod = format!("beside:{}", container.jvm);
    // As the same user, without any capability.
    let daemon = container.beside(&pod, FLINK, &[], &[]).await;
    can_change(&daemon, &job, 700_000).await;
    let namespaces = is_well(&daemon).await;
    let noted = "its own (mnt), as in a container: reached through /proc/1/root, where it has the pid 1";
    assert_eq!((namespaces.verdict, namespaces.found.as_str()), (Verdict::Noted, noted));
    container.holds_one_library_of(FLINK);
    drop(daemon);
    // As root: that needs a capability which containers do not have of themselves.
    let daemon = container.beside(&pod, 0, &[], &["--attach-other-users"]).await;
    can_change(&daemon, &job, 800_000).await;
    container.holds_one_library_of(FLINK);
    drop(daemon);
    for (lacking, why) in [
        ("sys_ptrace", "is user 9999's and cannot be seen; give ckptd the capability SYS_PTRACE"),
        ("setuid", "give ckptd the capabilities SETUID and SETGID, or run it as user 9999"),
    ] {
        let without = format!("--bounding-set=-{lacking}");
        let daemon = container.beside(&pod, 0, &["setpriv", &without], &["--attach-other-users"]).await;
        cannot_change(&daemon, &job, why).await;
    }
    // As another user, and without the shared pids.
    let daemon = container.beside(&pod, STRANGER, &[], &[]).await;
    cannot_change(&daemon, &job, "is user 9999's and cannot be seen; run ckptd as user 9999").await;
    drop(daemon);
    let daemon = container.beside("pod", FLINK, &[], &[]).await;
    cannot_change(&daemon, &job, "let ckptd share its pid namespace (shareProcessNamespace: true in a pod")
        .await;
}

pub(crate) async fn a_container_with_a_network_of_its_own_is_reached_from_outside(rig: &'static Rig) {
    // Networks for measurements: 198.18.0.0 to 198.19.255.255.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = (std::process::id() + NUMBER.fetch_add(1, Ordering::Relaxed)) % 512;
    let network = format!("198.{}.{}", 18 + number / 256, number % 256);
    let inside = format!("{network}.2");
    let addresses = [("rest.address", inside.as_str()), ("rest.bind-address", "0.0.0.0")];
    let container = Container::with(rig, &format!("network:{network}"), FLINK, &addresses).await;
    let job = container.submit().await;
    let daemon = container.outside(0, &["--attach-other-users"]).await;
    can_change(&daemon, &job, 700_000).await;
    assert_eq!(is_well(&daemon).await.verdict, Verdict::Noted);
    drop(daemon);
    let daemon = container.outside(FLINK, &[]).await;
    can_change(&daemon, &job, 800_000).await;
    drop(daemon);
    // Whoever may not look into it cannot tell that it is here.
    let daemon = container.outside(STRANGER, &[]).await;
    cannot_change(&daemon, &job, &format!("its JobManager is not on this machine; run ckptd on {inside}"))
        .await;
}
