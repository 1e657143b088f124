//! What has to hold before a JVM is asked anything. A diagnosis shows these checks and every question is
//! guarded by them, so the two cannot disagree.

use super::options::forbidding;
use super::process::{Jvm, Target, catches_quit};
use super::user::User;
use super::{AttachError, hotspot, libc, place};
use ckpt_api::{Check, Verdict};
use procfs::process::{Process, Status};
use rustix::process::{getegid, geteuid};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

/// Whom ckptd may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consent {
    /// Also the JVMs of other users than its own, which only root can.
    pub other_users: bool,
}

/// What the checks came to, in order.
#[derive(Debug)]
pub struct Preflight {
    /// The checks. Those that make no sense after one that failed are skipped.
    pub checks: Vec<Check>,
    reached: Result<Target, Option<i32>>,
}

impl Preflight {
    /// Whether the JVM can be asked, as far as can be told without asking.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.reached.is_ok()
    }

    /// The process, or the first check that failed.
    pub(super) fn into_target(self) -> Result<Target, AttachError> {
        self.reached.map_err(|gone| match (gone, self.checks.into_iter().find(is_failed)) {
            (None, Some(check)) => AttachError::Refused(check),
            (gone, _) => AttachError::Gone { pid: gone.unwrap_or_default() },
        })
    }
}

fn is_failed(check: &Check) -> bool {
    check.verdict == Verdict::Failed
}

/// What a check found. `Err` is for what makes an attach impossible: what was found, and what to do.
pub(super) type Finding = Result<Found, (String, String)>;

/// What is as it has to be.
#[derive(Debug)]
pub(super) enum Found {
    Well(String),
    /// Well too, and unusual.
    Notable(String),
}

/// Looks whether a JVM may and can be reached, and touches nothing. Blocks, for about a millisecond.
#[must_use]
pub fn preflight(jvm: &Jvm, consent: &Consent) -> Preflight {
    let mut checks = Checks::default();
    let Some(process) = jvm.open() else {
        let found = format!("process {} has ended", jvm.pid());
        checks.add("process", Err((found, "look for the JobManager that takes its place".to_owned())));
        return checks.stopped(Some(jvm.pid()));
    };
    checks.add("process", Ok(Found::Well(format!("{} runs", jvm.pid()))));
    let Ok(status) = process.status() else { return checks.stopped(Some(jvm.pid())) };
    checks.add("user", user(&status, *consent));
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
    let held = Target::tmp(&process).and_then(|tmp| Ok((tmp, Target::signals(&process)?)));
    let (tmp, signals) = match held {
        Ok(held) => held,
        Err(error) => {
            let found = format!("its file system cannot be reached: {error}");
            checks.add("attach socket", Err((found, to_see(status.euid))));
            return checks.stopped(ended());
        }
    };
    let user = User { uid: status.euid, gid: status.egid };
    let target = Target { process, signals, user, inner_pid, tmp };
    checks.add("attach socket", hotspot::look(&target));
    checks.add("library", place::look(&target));
    match checks.failed() {
        true => checks.stopped((!target.is_alive()).then_some(jvm.pid())),
        false => Preflight { checks: checks.0, reached: Ok(target) },
    }
}

/// What there is to check, in order.
const ALL: [&str; 7] = ["process", "user", "JVM", "JVM options", "namespaces", "attach socket", "library"];

/// What to do where the kernel does not let ckptd look at a process of this user.
pub(super) fn to_see(uid: u32) -> String {
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
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, check: &str, finding: Finding) {
        let (verdict, found, advice) = match finding {
            Ok(Found::Well(found)) => (Verdict::Passed, found, None),
            Ok(Found::Notable(found)) => (Verdict::Noted, found, None),
            Err((found, advice)) => (Verdict::Failed, found, Some(advice)),
        };
        self.0.push(Check { check: check.to_owned(), verdict, found, advice });
    }

    fn failed(&self) -> bool {
        self.0.iter().any(is_failed)
    }

    /// Ends here. `gone` is the pid of a process that has ended, maybe while it was looked at.
    fn stopped(mut self, gone: Option<i32>) -> Preflight {
        for check in &ALL[self.0.len()..] {
            let found = "not looked at".to_owned();
            self.0.push(Check { check: (*check).to_owned(), verdict: Verdict::Skipped, found, advice: None });
        }
        Preflight { checks: self.0, reached: Err(gone) }
    }
}

/// HotSpot listens to its own effective user and group, and to root.
fn user(status: &Status, consent: Consent) -> Finding {
    let (uid, ours) = (status.euid, geteuid().as_raw());
    let group = getegid().as_raw();
    match (uid == ours, ours == 0) {
        (true, true) => Ok(Found::Well("root, as ckptd".to_owned())),
        (true, false) if status.egid != group => Err((
            format!("its group is {} and ckptd's is {group}, and a JVM listens only to its own", status.egid),
            format!("run ckptd with the group {}", status.egid),
        )),
        (true, false) => Ok(Found::Well(format!("{uid}, as ckptd"))),
        (false, true) if consent.other_users => match (User { uid, gid: status.egid }).act(|| ()) {
            Ok(()) => {
                Ok(Found::Notable(format!("{uid}; ckptd is root and is allowed to reach other users' JVMs")))
            }
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

fn is_hotspot(process: &Process, status: &Status) -> Finding {
    let mut maps = Vec::new();
    let read = process
        .open_relative("maps")
        .map_err(|error| error.to_string())
        .and_then(|mut file| file.read_to_end(&mut maps).map_err(|error| error.to_string()));
    if let Err(error) = read {
        return Err((format!("what runs in it cannot be seen: {error}"), to_see(status.euid)));
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
    libc::carries_the_agent(&maps)?;
    if !catches_quit(process) {
        return Err((
            "it does not catch SIGQUIT: it is still starting, or it was started with -Xrs".to_owned(),
            "try again in a few seconds; with -Xrs, take that option away and restart the JobManager"
                .to_owned(),
        ));
    }
    Ok(Found::Well("HotSpot, and it catches SIGQUIT".to_owned()))
}

fn options(process: &Process) -> Finding {
    match forbidding(process) {
        None => Ok(Found::Well("none that forbids an attach".to_owned())),
        Some((option, place)) => Err((
            format!("{option} in {place} forbids an attach"),
            format!(
                "take {option} away, in Flink's env.java.opts or where it was set, and restart the JobManager"
            ),
        )),
    }
}

fn namespaces(process: &Process, status: &Status) -> Finding {
    let of = |whose: &str, name: &str| {
        fs::metadata(format!("/proc/{whose}/ns/{name}")).map(|it| (it.dev(), it.ino()))
    };
    let its = process.pid.to_string();
    if let Err(error) = of(&its, "mnt") {
        return Err((format!("its namespaces cannot be seen: {error}"), to_see(status.euid)));
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
        true => Ok(Found::Well("the same as ckptd's".to_owned())),
        false => Ok(Found::Notable(format!(
            "its own ({}), as in a container: reached through /proc/{}/root, where it has the pid {}",
            different.join(", "),
            process.pid,
            inner_pid(process, status)
        ))),
    }
}

/// The pid that a process has for itself.
fn inner_pid(process: &Process, status: &Status) -> i32 {
    status.nspid.as_ref().and_then(|pids| pids.last().copied()).unwrap_or(process.pid)
}
