//! Every runbook runs, and every command in it, against a real `ckptd` with a rehearsal.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "others need more of it")]
mod daemon;

use daemon::Daemon;
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Checkpoints take some 4 s, and are thrown away after 2 s.
const SLOW: &str = r#"
name = "orders"
vertices = [{ name = "source", parallelism = 1 }, { name = "sink", parallelism = 2 }]
[checkpointing]
interval = "5s"
timeout = "2s"
tolerable-failures = "unlimited"
[rehearsal]
size = "40kB"
faults = [{ vertex = "sink", subtask = 1, kind = "straggler", speed = "10kB/s" }]
"#;

/// Checkpoints are quick, until one hangs.
const HANGS: &str = r#"
name = "orders"
vertices = [{ name = "source", parallelism = 2 }, { name = "sink", parallelism = 6 }]
[checkpointing]
interval = "1s"
timeout = "5m"
[rehearsal]
size = "4kB"
faults = [{ vertex = "sink", subtask = 3, kind = "hang", from = 5 }]
"#;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks").canonicalize().unwrap()
}

/// What a runbook left behind.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
    /// The commands of `ckptctl` that it ran.
    ran: BTreeSet<String>,
}

/// No runbook takes longer, in seconds, however slow the machine is: it starts a dozen programs, and waits for checkpoints.
const LIMIT: &str = "600";

/// Runs a runbook without a terminal, with a `ckptctl` that notes its commands.
fn run(daemon: &Daemon, runbook: &str, arguments: &[&str]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    let noted = home.path().join("ran");
    let shim = home.path().join("ckptctl");
    let real = env!("CARGO_BIN_EXE_ckptctl");
    let text = format!("#!/bin/sh\necho \"$1\" >>'{}'\nexec '{real}' \"$@\"\n", noted.display());
    std::fs::write(&shim, text).unwrap();
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ended = Command::new("timeout")
        .arg(LIMIT)
        .arg(directory().join(runbook))
        .args(arguments)
        .env("PATH", format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap()))
        .env("CKPTCTL_SERVER", daemon.server())
        .env("CKPTCTL_TOKEN_FILE", daemon.state().join("token"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = std::fs::read_to_string(&noted).unwrap_or_default();
    Ended {
        code: ended.status.code(),
        out: text(ended.stdout),
        err: text(ended.stderr),
        ran: ran.lines().map(str::to_owned).collect(),
    }
}

/// The commands of `ckptctl` that a runbook has, as its lines say.
fn commands(runbook: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(directory().join(runbook)).unwrap();
    let lines =
        text.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with("note "));
    let all: Vec<_> = lines.filter(|line| !line.starts_with("step ")).collect();
    let after = all.iter().flat_map(|line| line.match_indices("ckptctl ").map(|(at, _)| &line[at + 8..]));
    let words = after.filter_map(|rest| rest.split([' ', ')', ';']).next());
    words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')).map(str::to_owned).collect()
}

fn timeout(daemon: &Daemon) -> Value {
    daemon.json("orders")["checkpointTimeout"].clone()
}

/// Runs one to its end; every command in it was run.
#[track_caller]
fn succeeds(daemon: &Daemon, runbook: &str, arguments: &[&str]) -> Ended {
    let ended = run(daemon, runbook, &[&["orders", "--yes"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{runbook}: {}\n{}", ended.out, ended.err);
    let missing: Vec<_> = commands(runbook).difference(&ended.ran).cloned().collect();
    assert!(missing.is_empty() && !ended.ran.is_empty(), "{runbook} did not run {missing:?}: {}", ended.out);
    ended
}

#[test]
fn checkpoints_that_expire_are_rescued_for_a_while_and_all_is_put_back_afterwards() {
    let daemon = Daemon::start();
    daemon.submit(SLOW);
    daemon.until_json("orders", |job| job["failures"]["consecutive"].as_u64() > Some(0));

    // Nobody agrees: it shows what it would do, and does nothing.
    let refused = run(&daemon, "checkpoints-expire", &["orders"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("nothing was changed") && refused.out.contains("--dry-run"), "{refused:?}");
    assert_eq!(timeout(&daemon)["override"], Value::Null);

    let ended = succeeds(&daemon, "checkpoints-expire", &["--timeout", "10m"]);
    assert!(ended.out.contains("completed"), "{}", ended.out);
    let seen = timeout(&daemon);
    assert_eq!(seen["override"], 600_000);
    let lasts = seen["origin"]["until"].as_u64().unwrap() - seen["origin"]["since"].as_u64().unwrap();
    assert!((7_100_000..=7_200_000).contains(&lasts), "it ends by itself: {lasts}");
    assert_eq!(seen["origin"]["reason"], "checkpoints expire");

    succeeds(&daemon, "storage-is-slow", &["--interval", "20s"]);
    assert_eq!(
        (&timeout(&daemon)["override"], &daemon.json("orders")["checkpointInterval"]["override"]),
        (&1_800_000.into(), &20_000.into())
    );

    succeeds(&daemon, "after-the-incident", &[]);
    let job = daemon.json("orders");
    assert_eq!(job["checkpointTimeout"]["override"], Value::Null);
    assert_eq!(job["checkpointInterval"]["override"], Value::Null);
}

#[test]
fn a_checkpoint_that_is_stuck_gets_no_more_time() {
    let daemon = Daemon::start();
    daemon.submit(HANGS);
    daemon.until_json("orders", |job| job["inFlight"][0]["estimate"]["verdict"] == "stuck");
    let ended = run(&daemon, "checkpoints-expire", &["orders", "--yes"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("subtask 3 of `sink`") && ended.err.contains("stuck"), "{ended:?}");
    assert_eq!(timeout(&daemon)["override"], Value::Null);
}

#[test]
fn a_backfill_and_a_deploy_have_a_checkpoint_to_come_back_to() {
    let daemon = Daemon::start();
    daemon.submit(SLOW);
    daemon.until_json("orders", |job| job["state"] == "RUNNING");
    let ended = succeeds(&daemon, "backfill", &[]);
    assert!(ended.out.contains("completed"), "{}", ended.out);
    assert_eq!(timeout(&daemon)["override"], 3_600_000);

    let target = daemon.state().join("savepoints");
    succeeds(&daemon, "before-a-deploy", &["--savepoint", target.to_str().unwrap()]);
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1, "the savepoint is there");
}

/// All of them are tried above, can be run, and say what they are for.
#[test]
fn every_runbook_is_tried_and_explains_itself() {
    let here = include_str!("runbooks.rs");
    let mut names: Vec<_> = std::fs::read_dir(directory())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != "lib.bash");
    assert_eq!(names.len(), 5, "{names:?}");
    for name in names {
        assert!(here.contains(&format!("succeeds(&daemon, \"{name}\"")), "{name} is not tried");
        assert!(commands(&name).len() > 2, "{name}: {:?}", commands(&name));
        let help = Command::new(directory().join(&name)).arg("--help").output().unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains(&format!("{name} JOB")), "{name}: {text}");
        let nothing = Command::new(directory().join(&name)).output().unwrap();
        assert!(!nothing.status.success() && String::from_utf8_lossy(&nothing.stderr).contains("which job?"));
    }
}
