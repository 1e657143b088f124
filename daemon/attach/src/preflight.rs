//! Checks before a JVM is asked anything. A diagnosis shows them and every question is guarded by them, so the two
//! cannot disagree.

use super::check::{CheckOutcome, CheckPass};
use super::jvm_options::forbidding;
use super::process::{AttachTarget, Jvm, catches_quit};
use super::user::JvmUser;
use super::{AttachError, hotspot, libc, placement};
use ckpt_api::{Check, Verdict};
use procfs::process::{Process, Status};
use rustix::process::{getegid, geteuid};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

/// Limits on the JVMs that may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttachPolicy {
    /// Allows root to reach the JVMs of other users.
    pub other_users: bool,
}

/// Results of the checks, in order.
#[derive(Debug)]
pub struct Preflight {
    /// Checks, in a fixed order. After a failed one, the checks that depend on it are skipped.
    pub checks: Vec<Check>,
    reached: Result<AttachTarget, Option<i32>>,
}

impl Preflight {
    /// Process to ask, or the first check that failed.
    pub(crate) fn into_target(self) -> Result<AttachTarget, AttachError> {
        self.reached.map_err(|gone| match (gone, self.checks.into_iter().find(is_failed)) {
            (None, Some(check)) => AttachError::Refused(check),
            (gone, _) => AttachError::Gone { pid: gone.unwrap_or_default() },
        })
    }
}

fn is_failed(check: &Check) -> bool {
    check.verdict == Verdict::Failed
}

/// Checks whether a JVM may and can be reached, and touches nothing. Blocks, for about a millisecond.
#[must_use]
pub fn preflight(jvm: &Jvm, policy: &AttachPolicy) -> Preflight {
    let mut checks = CheckList::default();
    let Some(process) = jvm.open() else {
        let found = format!("process {} has ended", jvm.pid());
        checks.add("process", Err((found, "look for the JobManager that takes its place".to_owned())));
        return checks.stopped(Some(jvm.pid()));
    };
    checks.add("process", Ok(CheckPass::Passed(format!("{} runs", jvm.pid()))));
    let Ok(status) = process.status() else { return checks.stopped(Some(jvm.pid())) };
    checks.add("user", user(&status, *policy));
    let ended = || (!process.is_alive()).then_some(jvm.pid());
    if checks.failed() {
        return checks.stopped(ended());
    }
    checks.add("JVM", is_hotspot(&process, &status));
    checks.add("JVM options", options(&process));
    checks.add("namespaces", namespaces(&process, &status));
    if checks.failed() {
        return checks.stopped(ended());
    }
    let inner_pid = inner_pid(&process, &status);
    let held = AttachTarget::tmp(&process).and_then(|tmp| Ok((tmp, AttachTarget::signals(&process)?)));
    let (tmp, signals) = match held {
        Ok(held) => held,
        Err(error) => {
            let found = format!("its file system cannot be reached: {error}");
            checks.add("attach socket", Err((found, visibility_advice(status.euid))));
            return checks.stopped(ended());
        }
    };
    let user = JvmUser { uid: status.euid, gid: status.egid };
    let target = AttachTarget { process, signals, user, inner_pid, tmp };
    checks.add("attach socket", hotspot::check(&target));
    checks.add("library", placement::check(&target));
    match checks.failed() {
        true => checks.stopped((!target.is_alive()).then_some(jvm.pid())),
        false => Preflight { checks: checks.0, reached: Ok(target) },
    }
}

/// Names of the checks, in order.
const CHECK_NAMES: [&str; 7] =
    ["process", "user", "JVM", "JVM options", "namespaces", "attach socket", "library"];

/// Advice where the kernel does not let ckptd look at a process of this user.
pub(crate) fn visibility_advice(uid: u32) -> String {
    match geteuid().as_raw() {
        0 => format!("give ckptd the capability SYS_PTRACE, or run it as user {uid}"),
        ours if ours == uid => "the JobManager is in a user namespace that another user made, or has \
                                capabilities that ckptd lacks: run ckptd in the same container or pod, or as \
                                root outside of it"
            .to_owned(),
        _ => format!("run ckptd as user {uid}, or as root with --attach-other-users"),
    }
}

#[derive(Debug, Default)]
struct CheckList(Vec<Check>);

impl CheckList {
    fn add(&mut self, check: &str, finding: CheckOutcome) {
        let (verdict, found, advice) = match finding {
            Ok(CheckPass::Passed(found)) => (Verdict::Passed, found, None),
            Ok(CheckPass::Noted(found)) => (Verdict::Noted, found, None),
            Err((found, advice)) => (Verdict::Failed, found, Some(advice)),
        };
        self.0.push(Check { check: check.to_owned(), verdict, found, advice });
    }

    fn failed(&self) -> bool {
        self.0.iter().any(is_failed)
    }

    /// Skips the remaining checks. `gone` is the pid of a process that has ended, maybe while it was looked at.
    fn stopped(mut self, gone: Option<i32>) -> Preflight {
        for check in &CHECK_NAMES[self.0.len()..] {
            let found = "not looked at".to_owned();
            self.0.push(Check { check: (*check).to_owned(), verdict: Verdict::Skipped, found, advice: None });
        }
        Preflight { checks: self.0, reached: Err(gone) }
    }
}

/// Checks the user: HotSpot listens to its own effective user and group, and to root.
fn user(status: &Status, policy: AttachPolicy) -> CheckOutcome {
    let (uid, ours) = (status.euid, geteuid().as_raw());
    let group = getegid().as_raw();
    match (uid == ours, ours == 0) {
        (true, true) => Ok(CheckPass::Passed("root, as ckptd".to_owned())),
        (true, false) if status.egid != group => Err((
            format!("its group is {} and ckptd's is {group}, and a JVM listens only to its own", status.egid),
            format!("run ckptd with the group {}", status.egid),
        )),
        (true, false) => Ok(CheckPass::Passed(format!("{uid}, as ckptd"))),
        (false, true) if policy.other_users => match (JvmUser { uid, gid: status.egid }).act(|| ()) {
            Ok(()) => Ok(CheckPass::Noted(format!(
                "{uid}; ckptd is root and is allowed to reach other users' JVMs"
            ))),
            Err(error) => Err((
                format!("it belongs to user {uid}, and ckptd, though root, cannot act as that user: {error}"),
                format!("give ckptd the capabilities SETUID and SETGID, or run it as user {uid}"),
            )),
        },
        (false, true) => Err((
            format!(
                "it belongs to user {uid}, and ckptd, which is root, is not allowed to reach other users' JVMs"
            ),
            format!("allow it with ckptd serve --attach-other-users, or run ckptd as user {uid}"),
        )),
        (false, false) => Err((
            format!("it belongs to user {uid}, and ckptd runs as user {ours}"),
            format!("run ckptd as user {uid}, or as root with leave to reach other users' JVMs"),
        )),
    }
}

fn is_hotspot(process: &Process, status: &Status) -> CheckOutcome {
    let mut maps = Vec::new();
    let read = process
        .open_relative("maps")
        .map_err(|error| error.to_string())
        .and_then(|mut file| file.read_to_end(&mut maps).map_err(|error| error.to_string()));
    if let Err(error) = read {
        return Err((format!("what runs in it cannot be seen: {error}"), visibility_advice(status.euid)));
    }
    let maps = String::from_utf8_lossy(&maps);
    let Some(library) = maps.lines().find(|line| line.contains("/libjvm.so")) else {
        return Err((
            "it is no JVM: no libjvm.so is loaded in it".to_owned(),
            "name the process of Flink's JobManager, or try again if it has only just been started"
                .to_owned(),
        ));
    };
    if library.contains("/j9vm/") {
        return Err((
            "its JVM is OpenJ9, which attaches in another way".to_owned(),
            "run the JobManager with a HotSpot JVM, such as OpenJDK's".to_owned(),
        ));
    }
    libc::check(&maps)?;
    if !catches_quit(process) {
        return Err((
            "it does not catch SIGQUIT: it is still starting, or it was started with -Xrs".to_owned(),
            "try again in a few seconds; with -Xrs, take that option away and restart the JobManager"
                .to_owned(),
        ));
    }
    Ok(CheckPass::Passed("HotSpot, and it catches SIGQUIT".to_owned()))
}

fn options(process: &Process) -> CheckOutcome {
    match forbidding(process) {
        None => Ok(CheckPass::Passed("none that forbids an attach".to_owned())),
        Some((option, place)) => Err((
            format!("{option} in {place} forbids an attach"),
            format!(
                "take {option} away, in Flink's env.java.opts or where it was set, and restart the JobManager"
            ),
        )),
    }
}

fn namespaces(process: &Process, status: &Status) -> CheckOutcome {
    let of = |whose: &str, name: &str| {
        fs::metadata(format!("/proc/{whose}/ns/{name}")).map(|it| (it.dev(), it.ino()))
    };
    let its = process.pid.to_string();
    if let Err(error) = of(&its, "mnt") {
        return Err((format!("its namespaces cannot be seen: {error}"), visibility_advice(status.euid)));
    }
    // A kernel without one kind of them has it neither here nor there.
    let differs = |name: &&str| of("self", name).ok() != of(&its, name).ok();
    if differs(&"time") {
        return Err((
            "it has a time namespace of its own, so that no deadline can be agreed on".to_owned(),
            "run ckptd in the same time namespace".to_owned(),
        ));
    }
    let different: Vec<_> = ["mnt", "pid", "user"].into_iter().filter(differs).collect();
    match different.is_empty() {
        true => Ok(CheckPass::Passed("the same as ckptd's".to_owned())),
        false => Ok(CheckPass::Noted(format!(
            "its own ({}), as in a container: reached through /proc/{}/root, where it has the pid {}",
            different.join(", "),
            process.pid,
            inner_pid(process, status)
        ))),
    }
}

/// Pid of a process as it sees itself.
fn inner_pid(process: &Process, status: &Status) -> i32 {
    status.nspid.as_ref().and_then(|pids| pids.last().copied()).unwrap_or(process.pid)
}
