//! Questions to a JVM that this process plays, in a `/tmp` of its own, and to processes that are no JVM.

use super::process::AttachTarget;
use super::user::JvmUser;
use super::*;
use ckpt_agent::protocol::LedJob;
use ckpt_api::Verdict;
use procfs::process::Process;
use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// Pid that the simulated JVM has in its container.
const INNER_PID: i32 = 4_711;
/// Limit that is not reached.
const AMPLE: Duration = Duration::from_secs(60);
const LOADED: &str = "0\nreturn code: 0\n";

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn target_of(pid: i32, tmp: &Path) -> Arc<AttachTarget> {
    let process = Process::new(pid).unwrap();
    let signals = AttachTarget::signals(&process).unwrap();
    let tmp = rustix::fs::open(tmp, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    Arc::new(AttachTarget { process, signals, user: JvmUser::current(), inner_pid: INNER_PID, tmp })
}

fn target(tmp: &TempDir) -> Arc<AttachTarget> {
    target_of(own_pid(), tmp.path())
}

fn until(limit: Duration) -> QuestionDeadline {
    QuestionDeadline { limit, instant: Instant::now() + limit }
}

fn socket(tmp: &Path) -> UnixListener {
    UnixListener::bind(tmp.join(format!(".java_pid{INNER_PID}"))).unwrap()
}

/// Takes one request, writes an answer into the file that it names and replies.
fn serve(tmp: &Path, listener: UnixListener, reply: &'static str, answer: String) -> JoinHandle<Question> {
    let tmp = tmp.to_owned();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while request.iter().filter(|byte| **byte == 0).count() < 5 {
            let mut some = [0; 4_096];
            let size = socket.read(&mut some).unwrap();
            assert!(size > 0, "an unfinished request");
            request.extend(&some[..size]);
        }
        let words: Vec<_> = request.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        assert_eq!((&*words[0], &*words[1], &*words[3], &*words[5]), ("1", "load", "true", ""));
        let here = |path: &str| tmp.join(path.strip_prefix("/tmp/").unwrap());
        assert_eq!(fs::read(here(&words[2])).unwrap(), placement::AGENT_LIBRARY);
        let question: Question = serde_json::from_str(&words[4]).unwrap();
        let file = fs::OpenOptions::new().write(true).open(here(&question.answer));
        file.unwrap().write_all(answer.as_bytes()).unwrap();
        socket.write_all(reply.as_bytes()).unwrap();
        question
    })
}

fn answer() -> Answer {
    Ok(Answered::Jobs(vec![LedJob { job: "7".repeat(32), refusal: None }]))
}

/// Names of files left in ckptd's directory, and beside it.
fn left(tmp: &TempDir) -> Vec<String> {
    let ours = tmp.path().join(format!("ckptd-{}", geteuid().as_raw()));
    let all = fs::read_dir(tmp.path()).unwrap().chain(fs::read_dir(ours).unwrap());
    let mut names: Vec<_> = all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with("ckptd-") && !name.starts_with("libckpt-agent-"));
    names
}

#[tokio::test]
async fn answered_question_leaves_only_library() {
    let tmp = tempfile::tempdir().unwrap();
    let jvm = serve(tmp.path(), socket(tmp.path()), LOADED, serde_json::to_string(&answer()).unwrap());
    let before = ckpt_clock::machine_millis();
    let answered = converse(target(&tmp), Ask::Jobs, until(AMPLE)).await.unwrap();
    assert_eq!(Ok(answered), answer());
    let question = jvm.join().unwrap();
    assert_eq!(question.ask, Ask::Jobs);
    // After its deadline there is still time for the answer to come back.
    assert!(question.deadline > before && question.deadline < before + millis(AMPLE) * 95 / 100);
    assert_eq!(left(&tmp), [format!(".java_pid{INNER_PID}")]);
}

#[tokio::test]
async fn rejects_broken_answers() {
    let good = serde_json::to_string(&answer()).unwrap();
    let half = good[..good.len() / 2].to_owned();
    let no = serde_json::to_string(&Answer::Err(Refusal::NoSuchJob)).unwrap();
    let not_enabled = "0\nDynamic agent loading is not enabled\n";
    for (reply, answer, expected) in [
        (LOADED, String::new(), "cannot be read: it is empty"),
        (LOADED, half, "cannot be read: EOF"),
        (LOADED, "\u{1b}[2J garbage".to_owned(), "cannot be read: expected value"),
        (LOADED, no, "leads and has no such job"),
        ("-1\n", good.clone(), "did not load the agent: it said \"-1\""),
        (not_enabled, good.clone(), "it said \"Dynamic agent loading is not enabled\""),
        ("0\nreturn code: 100\n", good.clone(), "it said \"return code: 100\""),
        ("", good, "it said nothing"),
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let jvm = serve(tmp.path(), socket(tmp.path()), reply, answer);
        let error = converse(target(&tmp), Ask::Jobs, until(AMPLE)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{reply:?}: {error}");
        jvm.join().unwrap();
        assert_eq!(left(&tmp), [format!(".java_pid{INNER_PID}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn silent_jvm_times_out() {
    let tmp = tempfile::tempdir().unwrap();
    let _listener = socket(tmp.path());
    let (began, limit) = (Instant::now(), Duration::from_secs(5));
    let error = converse(target(&tmp), Ask::Jobs, until(limit)).await.unwrap_err();
    assert!(matches!(error, AttachError::Silent { asked: true, .. }), "{error}");
    assert!(error.to_string().contains("within 5s"), "{error}");
    assert!(began.elapsed() < limit + Duration::from_millis(10), "{:?}", began.elapsed());
    assert_eq!(left(&tmp), [format!(".java_pid{INNER_PID}")]);
}

#[tokio::test(start_paused = true)]
async fn unattachable_jvm_times_out_unasked() {
    let _caught = signal(SignalKind::quit()).unwrap();
    let tmp = tempfile::tempdir().unwrap();
    let (began, limit) = (Instant::now(), Duration::from_secs(5));
    let error = converse(target(&tmp), Ask::Jobs, until(limit)).await.unwrap_err();
    assert!(matches!(error, AttachError::Silent { asked: false, .. }), "{error}");
    assert!(began.elapsed() < limit + Duration::from_millis(10), "{:?}", began.elapsed());
    assert!(left(&tmp).is_empty());
}

#[tokio::test]
async fn triggers_listener_despite_stale_socket() {
    for stale in [false, true] {
        let mut quits = signal(SignalKind::quit()).unwrap();
        let tmp = tempfile::tempdir().unwrap();
        if stale {
            drop(socket(tmp.path()));
        }
        let path = tmp.path().to_owned();
        let jvm = tokio::spawn(async move {
            // Other tests send this signal as well.
            while !path.join(format!(".attach_pid{INNER_PID}")).exists() {
                quits.recv().await;
            }
            let own = path.join("new");
            let listener = UnixListener::bind(&own).unwrap();
            fs::rename(own, path.join(format!(".java_pid{INNER_PID}"))).unwrap();
            serve(&path, listener, LOADED, serde_json::to_string(&answer()).unwrap())
        });
        assert_eq!(converse(target(&tmp), Ask::Jobs, until(AMPLE)).await.ok(), answer().ok());
        jvm.await.unwrap().join().unwrap();
        assert_eq!(left(&tmp), [format!(".java_pid{INNER_PID}")]);
    }
}

#[tokio::test]
async fn oversized_question_is_not_sent() {
    let tmp = tempfile::tempdir().unwrap();
    let _listener = socket(tmp.path());
    let ask = Ask::Read { job: "7".repeat(LONGEST_QUESTION) };
    let error = converse(target(&tmp), ask, until(AMPLE)).await.unwrap_err();
    assert!(matches!(error, AttachError::TooLong { bytes } if bytes > LONGEST_QUESTION), "{error}");
}

/// Process that dies of SIGQUIT, as most do.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn refused_process_survives() {
    let mut sleeper = Sleeper::start();
    let jvm = Jvm::of(sleeper.pid()).unwrap();
    let error = ask(&jvm, &AttachPolicy::default(), Ask::Jobs, AMPLE).await.unwrap_err();
    assert!(matches!(&error, AttachError::Refused(check) if check.check == "JVM"), "{error}");
    assert!(error.to_string().contains("it is no JVM"), "{error}");
    // And if it had been taken for one, the last look before the signal saves it.
    let tmp = tempfile::tempdir().unwrap();
    let there = target_of(sleeper.pid(), tmp.path());
    let error = converse(there, Ask::Jobs, until(AMPLE)).await.unwrap_err();
    assert!(error.to_string().contains("does not catch SIGQUIT"), "{error}");
    assert!(left(&tmp).is_empty());
    assert!(sleeper.0.try_wait().unwrap().is_none());
}

#[tokio::test]
async fn reused_pid_is_gone() {
    let sleeper = Sleeper::start();
    let jvm = Jvm::of(sleeper.pid()).unwrap();
    assert!(jvm.is_alive());
    drop(sleeper);
    let later = Sleeper::start();
    let reused = Jvm { pid: later.pid(), ..jvm };
    for gone in [jvm, Jvm { started: reused.started - 1, ..reused }] {
        assert!(!gone.is_alive());
        let error = ask(&gone, &AttachPolicy::default(), Ask::Jobs, AMPLE).await.unwrap_err();
        assert!(matches!(error, AttachError::Gone { pid } if pid == gone.pid()), "{error}");
    }
    let checks = preflight(&jvm, &AttachPolicy::default()).checks;
    assert_eq!(checks[0].verdict, Verdict::Failed);
    assert!(checks[1..].iter().all(|check| check.verdict == Verdict::Skipped));
}

#[test]
fn checks_keep_their_order() {
    let names = |preflight: &Preflight| {
        preflight.checks.iter().map(|check| check.check.clone()).collect::<Vec<_>>().join(", ")
    };
    let us = preflight(&Jvm::of(own_pid()).unwrap(), &AttachPolicy::default());
    let all = "process, user, JVM, JVM options, namespaces, attach socket, library";
    assert_eq!(names(&us), all);
    let verdicts: Vec<_> = us.checks.iter().map(|check| check.verdict).collect();
    use Verdict::{Failed, Passed, Skipped};
    assert_eq!(verdicts, [Passed, Passed, Failed, Passed, Passed, Skipped, Skipped]);
    let failed = us.checks.iter().filter(|check| check.verdict == Failed);
    assert!(failed.into_iter().all(|check| check.advice.is_some()));
    assert!(us.into_target().is_err());
    assert!(placement::check(&target_of(own_pid(), Path::new("/proc"))).is_err());
}

#[test]
fn other_users_need_root_and_consent() {
    let jvm = Jvm::of(1).unwrap();
    let user = |policy| preflight(&jvm, &policy).checks.swap_remove(1);
    let without = user(AttachPolicy::default());
    if fs::metadata("/proc/1").unwrap().uid() == geteuid().as_raw() {
        assert_eq!(without.verdict, Verdict::Passed);
    } else {
        assert_eq!(without.verdict, Verdict::Failed);
        assert_eq!(user(AttachPolicy { other_users: true }).verdict, Verdict::Failed);
    }
}

#[test]
fn library_is_kept_unless_altered() {
    let tmp = tempfile::tempdir().unwrap();
    let target = target(&tmp);
    let path = |placed: &PlacedAgent| tmp.path().join(placed.library_path().strip_prefix("/tmp/").unwrap());
    let inode = |path: &Path| fs::symlink_metadata(path).unwrap().ino();
    let library = path(&PlacedAgent::new(&target).unwrap());
    let first = inode(&library);
    assert!(placement::check(&target).is_ok());
    PlacedAgent::new(&target).unwrap();
    assert_eq!(inode(&library), first, "the same file, which a JVM may have loaded");
    let mapped = fs::File::open(&library).unwrap();
    fs::set_permissions(&library, Permissions::from_mode(0o666)).unwrap();
    PlacedAgent::new(&target).unwrap();
    assert_ne!(inode(&library), first, "others could have written to it");
    assert_eq!(mapped.metadata().unwrap().nlink(), 0, "and the one that may be loaded was not written to");
    let precious = tmp.path().join("precious");
    fs::write(&precious, "x").unwrap();
    for other in ["link", "directory", "shorter"] {
        fs::remove_file(&library).unwrap();
        match other {
            "link" => symlink(&precious, &library).unwrap(),
            "directory" => fs::create_dir(&library).unwrap(),
            _ => fs::write(&library, "y").unwrap(),
        }
        let placed = PlacedAgent::new(&target);
        assert_eq!(placed.is_ok(), other != "directory");
        if placed.is_err() {
            fs::remove_dir(&library).unwrap();
            PlacedAgent::new(&target).unwrap();
        }
        assert!(fs::symlink_metadata(&library).unwrap().is_file());
        assert_eq!(fs::read(&library).unwrap(), placement::AGENT_LIBRARY);
    }
    assert_eq!(fs::read_to_string(precious).unwrap(), "x");
    assert_eq!(left(&tmp), ["precious"]);
}

#[test]
fn refuses_foreign_directory() {
    let home = tempfile::tempdir().unwrap();
    let refused = |target: &AttachTarget, why: &str| {
        let error = PlacedAgent::new(target).unwrap_err();
        assert!(matches!(error, AttachError::NotPlaced { .. }));
        assert!(error.to_string().contains(why), "{error}");
        assert!(placement::check(target).is_err());
    };
    let target = target(&home);
    let directory = home.path().join(format!("ckptd-{}", geteuid().as_raw()));
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), &directory).unwrap();
    refused(&target, "it is no directory");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    fs::remove_file(&directory).unwrap();
    fs::write(&directory, "").unwrap();
    refused(&target, "it is no directory");
    fs::remove_file(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    refused(&target, "others can write to it");
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    PlacedAgent::new(&target).unwrap();
    if geteuid().is_root() {
        chown(&directory, Some(12_345), None).unwrap();
        refused(&target, "it belongs to user 12345");
    }
}

#[test]
fn refuses_tmp_without_sticky_bit() {
    let tmp = tempfile::tempdir().unwrap();
    fs::set_permissions(tmp.path(), Permissions::from_mode(0o777)).unwrap();
    let (found, _) = placement::check(&target(&tmp)).unwrap_err();
    assert!(found.contains("sticky"), "{found}");
    fs::set_permissions(tmp.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(placement::check(&target(&tmp)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn questions_take_turns() {
    let jvm = Jvm::of(own_pid()).unwrap();
    let held = turn(jvm);
    let taken = held.lock().await;
    let error = ask(&jvm, &AttachPolicy::default(), Ask::Jobs, Duration::from_secs(3)).await.unwrap_err();
    assert!(matches!(error, AttachError::Silent { asked: false, .. }), "{error}");
    drop(taken);
    let weak = Arc::downgrade(&held);
    drop(held);
    turn(Jvm { started: 0, ..jvm });
    assert!(weak.upgrade().is_none());
}
