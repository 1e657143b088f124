//! `ckptctl` against a real `ckptd`, both as programs.
#![allow(missing_docs, clippy::unwrap_used)]

mod daemon;

use daemon::{Daemon, HANGS_ONCE};
use serde_json::Value;

/// Fails at its first checkpoint, and then waits an hour until it restarts.
const RESTARTS: &str = r#"
name = "broken"
vertices = [{ name = "v", parallelism = 1 }]
[checkpointing]
interval = "10ms"
[restart]
delay = "1h"
[rehearsal]
faults = [{ kind = "decline" }]
"#;

/// Whether a checkpoint whose timeout goes from 10m to 20m is said to have more left than it ever had, however long ago it
/// was triggered.
fn has_more_time(text: &str, before: &str) -> bool {
    let minutes = text.split_once(before).and_then(|(_, rest)| rest.split_once('m'));
    minutes.is_some_and(|(minutes, _)| minutes.parse().is_ok_and(|minutes| (10..20).contains(&minutes)))
}

#[test]
fn a_checkpoint_in_flight_is_extended_and_let_go() {
    let daemon = Daemon::start();
    daemon.submit(HANGS_ONCE);
    daemon.until_json("orders", |job| job["inFlight"][0]["acknowledged"] == 3);

    let tried = daemon.ckptctl("set-timeout orders 20m --dry-run");
    assert_eq!(tried.code, 0, "{tried:?}");
    assert!(
        has_more_time(
            &tried.out,
            "timeout 10m → 20m (dry run, nothing changed; checkpoint 1 would expire in "
        ),
        "{tried:?}"
    );
    let made = daemon.ckptctl("set-timeout orders 20m --reason slow-storage");
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        made.out.starts_with("job/orders ")
            && has_more_time(
                &made.out,
                "timeout 10m → 20m (revision 1, stored, applied; checkpoint 1 now expires in "
            ),
        "{made:?}"
    );
    let stored = std::fs::read_to_string(daemon.state().join("overrides.json")).unwrap();
    assert!(stored.contains("\"checkpointTimeout\": 1200000") && stored.contains("slow-storage"), "{stored}");

    let shown = daemon.ckptctl("get orders");
    assert!(shown.out.contains("timeout   10m        20m       20m"), "{shown:?}");
    assert!(shown.out.contains("checkpoint 1  3 of 4, 75%"), "{shown:?}");

    let diagnosed = daemon.ckptctl("diagnose orders");
    assert_eq!(diagnosed.code, 0, "{diagnosed:?}");
    for part in
        ["3 of 4 subtasks have acknowledged", "cannot tell: ", " 2 (3/3) ", "next: ckptctl diagnose orders"]
    {
        assert!(diagnosed.out.contains(part), "{part}\n{}", diagnosed.out);
    }
    let data: Value = serde_json::from_str(&daemon.ckptctl("diagnose orders -o json").out).unwrap();
    assert_eq!(data["checkpoint"]["estimate"]["verdict"], "cannotTell", "{data}");
    assert_eq!(daemon.ckptctl("diagnose orders -o name").out, "checkpoint/1\n");

    let guarded = daemon.ckptctl("set-timeout orders 10ms");
    assert_eq!(guarded.code, 6, "{guarded:?}");
    assert!(
        guarded.err.contains("loses checkpoint 1 (3 of 4") && guarded.err.contains("--yes"),
        "{guarded:?}"
    );
    assert_eq!(daemon.json("orders")["inFlight"][0]["id"], 1, "nothing was changed");
    let expired = daemon.ckptctl("set-timeout orders 10ms --yes");
    assert_eq!(expired.code, 0, "{expired:?}");
    assert!(expired.out.contains("checkpoint 1 expired at once, 3 of 4 acknowledged"), "{expired:?}");

    let temporary = daemon.ckptctl("set-timeout orders 30m --for 4h --by ada@laptop --reason slow");
    // An answer that comes late has less left.
    let left = [" (in 4h), then ", " (in 3h 59m), then "];
    assert!(
        temporary.out.contains("ends by itself at ") && left.iter().any(|left| temporary.out.contains(left)),
        "{temporary:?}"
    );
    let shown = daemon.ckptctl("get orders");
    assert!(shown.out.contains(" UTC by ada@laptop, until "), "{shown:?}");
    let audit = daemon.ckptctl("audit orders --since 1h");
    assert!(audit.out.contains("by ada@laptop from 127.0.0.1: slow"), "{audit:?}");
    let back = daemon.ckptctl("reset orders timeout");
    assert!(back.out.contains("job/orders timeout 30m → 10m"), "{back:?}");
    let watched = daemon.ckptctl("watch orders --until completed --every 100ms --wait-timeout 2m");
    assert_eq!(watched.code, 0, "{watched:?}");
    assert!(watched.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{watched:?}");
    let history = daemon.ckptctl("history orders");
    assert_eq!(history.code, 0, "{history:?}");
    let triggered = daemon.ckptctl("trigger orders --wait --wait-timeout 2m");
    assert_eq!(triggered.code, 0, "{triggered:?}");
}

#[test]
fn both_values_change_together_and_scripts_can_tell() {
    let daemon = Daemon::start();
    daemon.submit(HANGS_ONCE);
    let both = daemon.ckptctl("set orders --timeout 30m --interval 1h");
    assert!(both.out.contains("interval 200ms → 1h") && both.out.contains("timeout 10m → 30m"), "{both:?}");
    let again = daemon.ckptctl("set orders --timeout 30m --interval 1h --error-unchanged");
    assert_eq!(again.code, 3, "{again:?}");
    let stale = daemon.ckptctl("set-interval orders 2h --if-revision 7");
    assert_eq!(stale.code, 6, "{stale:?}");
    assert!(stale.err.contains("revision is 1"), "{stale:?}");
    let fresh = daemon.ckptctl("set-interval orders 30m --now --if-revision 1");
    assert_eq!(fresh.code, 0, "{fresh:?}");
    let job = daemon.json("orders");
    let latest = job["observedAt"].as_u64().unwrap() + 1_800_000;
    assert!(
        job["nextTrigger"].as_u64().unwrap() <= latest,
        "the pending trigger is within the new interval, or due: {job}"
    );
    let list: Value = serde_json::from_str(&daemon.ckptctl("get -o json").out).unwrap();
    assert_eq!(list["schema"], "ckpt/v1");
    assert_eq!(list["jobs"][0]["checkpointInterval"]["override"], 1_800_000);
    assert_eq!(daemon.ckptctl("get -o name").out, "job/orders\n");
    let reset = daemon.ckptctl("reset orders");
    assert!(reset.out.contains("revision 3"), "revisions go on: {reset:?}");
}

#[test]
fn a_change_of_a_job_that_restarts_is_stored_and_said_not_to_be_applied() {
    let daemon = Daemon::start();
    daemon.submit(RESTARTS);
    daemon.until_json("broken", |job| job["state"] == "RESTARTING");
    let stored = daemon.ckptctl("set-timeout broken 20m");
    assert_eq!(stored.code, 8, "{stored:?}");
    assert!(stored.out.contains("stored, not applied"), "{stored:?}");
    let waited = daemon.ckptctl("set-timeout broken 30m --wait --wait-timeout 300ms");
    assert_eq!(waited.code, 8, "{waited:?}");
    let cancelled = daemon.ckptctl("cancel broken");
    assert_eq!(cancelled.code, 0, "{cancelled:?}");
    daemon.until_json("broken", |job| job["state"] == "CANCELED");
    let over = daemon.ckptctl("set-timeout broken 20m");
    assert_eq!(over.code, 6, "{over:?}");
    assert!(daemon.ckptctl("get --all -o name").out.contains("job/broken"));
    assert!(!daemon.ckptctl("get -o name").out.contains("job/broken"));
}

#[test]
fn every_refusal_has_its_code_and_leaves_everything_as_it_was() {
    let daemon = Daemon::start();
    daemon.submit(HANGS_ONCE);
    let file = daemon.state().join("bad.toml");
    std::fs::write(&file, "name = \"x\"\nvertices = []\n").unwrap();
    let bad_file = format!("submit {}", file.display());
    for (arguments, code, part) in [
        ("set-timeout orders 20", 2, "no unit"),
        ("set-timeout orders 20M", 2, "'M' in '20M' is not a unit"),
        ("set-timeout orders 5ms", 2, "shortest is 10ms"),
        ("set-timeout orders -5m", 2, ""),
        ("set orders", 2, "--timeout"),
        ("get nothing", 5, "there is no job 'nothing'"),
        ("set-timeout ord 20m", 5, "did you mean orders"),
        (&bad_file, 2, "line 2, column 12"),
        ("get --server http://127.0.0.1:1", 7, "ckptd serve"),
        ("get --server ftp://127.0.0.1:1", 2, "ftp"),
        ("set-timeout orders 20m --state-dir /nonexistent", 4, "--state-dir"),
    ] {
        let refused = daemon.ckptctl(arguments);
        assert_eq!(refused.code, code, "{arguments}: {refused:?}");
        assert!(refused.err.contains(part), "{arguments}: {refused:?}");
        assert_eq!(refused.out, "", "{arguments}");
    }
    assert_eq!(daemon.json("orders")["revision"], 0);
    assert!(!daemon.state().join("overrides.json").exists());
    assert_eq!(daemon.ckptctl("get ord -o name").out, "job/orders\n", "reading takes a prefix");
}

/// Its first savepoint is declined.
const SAVED: &str = r#"
name = "saved"
vertices = [{ name = "v", parallelism = 2 }]
[checkpointing]
tolerable-failures = "unlimited"
[rehearsal]
size = "1kB"
faults = [{ to = 1, kind = "decline" }]
"#;

#[test]
fn a_job_moves_on_with_its_savepoint() {
    let daemon = Daemon::start();
    daemon.submit(SAVED);
    daemon.until_json("saved", |job| job["state"] == "RUNNING");
    let target = daemon.state().join("savepoints");
    let cancel = format!("cancel saved --with-savepoint {}", target.display());
    let failed = daemon.ckptctl(&cancel);
    assert_eq!((failed.code, failed.out.as_str()), (8, ""), "{failed:?}");
    assert!(failed.err.contains("so this did not cancel the job: Checkpoint was declined."), "{failed:?}");
    let made = daemon.ckptctl(&format!("savepoint saved {}", target.display()));
    let place = made.out.trim_end().strip_prefix("job/saved savepoint 2 completed: ").unwrap_or_default();
    assert!(place.starts_with(target.to_str().unwrap()), "{made:?}");
    let cancelled = daemon.ckptctl(&cancel);
    assert_eq!(cancelled.code, 0, "{cancelled:?}");
    assert!(cancelled.out.ends_with("\njob/saved is being cancelled\n"), "{cancelled:?}");
    daemon.until_json("saved", |job| job["state"] == "CANCELED");

    let file = daemon.state().join("job-file.toml");
    let submitted = daemon.ckptctl(&format!("submit {} --from-savepoint {place}", file.display()));
    assert_eq!(submitted.code, 0, "{submitted:?}");
    daemon.until_json("saved", |job| job["state"] == "RUNNING");
    let wider = daemon.state().join("wider.toml");
    std::fs::write(
        &wider,
        SAVED.replace("\"saved\"", "\"wider\"").replace("parallelism = 2", "parallelism = 3"),
    )
    .unwrap();
    let refused = daemon.ckptctl(&format!("submit {} --from-savepoint {place}", wider.display()));
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(refused.err.contains("parallelism 2 and the job's has 3"), "{refused:?}");
}
