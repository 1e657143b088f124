//! Whole commands against a server that answers as a test wants it to: exit codes, streams, and what is
//! asked of the server at all.

mod checkpoints;
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#[path = "../support/mod.rs"]
mod support;

use checkpoints::history;
use serde_json::{Value, json};
use support::{Fake, run};

const ID: &str = "0123456789abcdef0123456789abcdef";

/// The job with a timeout of 10 s and this override.
fn job(timeout: Option<u64>, revision: u64) -> Value {
    json!({
        "schema": "ckpt/v1", "cluster": "hosted", "jobId": ID, "name": "job123", "state": "RUNNING",
        "revision": revision, "stored": true, "applied": true,
        "checkpointInterval": {"submitted": 15000, "override": null, "effective": 15000},
        "checkpointTimeout": {"submitted": 10000, "override": timeout, "effective": timeout.unwrap_or(10_000)},
        "inFlight": [{"id": 7, "savepoint": false, "acknowledged": 19, "subtasks": 20, "elapsed": 9012,
                      "remaining": 988}],
        "failures": {"consecutive": 2, "tolerable": 2147483647u32},
        "nextTrigger": null, "warnings": [], "via": "hosted", "viaDetail": null, "stale": null, "observedAt": 1790000000000u64
    })
}

/// The answer to a change of it.
fn changed(timeout: u64, outcome: &str, left: Option<u64>) -> Value {
    let mut job = job(Some(timeout), 3);
    let checkpoint = &mut job["inFlight"][0];
    checkpoint["previousRemaining"] = json!(988);
    checkpoint["outcome"] = json!(outcome);
    checkpoint["remaining"] = json!(left);
    job
}

fn refused(status: u16, sentence: &str) -> (u16, String) {
    (status, json!({"errors": [sentence]}).to_string())
}

#[test]
fn a_rescue_is_one_look_and_one_change() {
    let fake = Fake::new(|line, _| match line {
        "GET /jobs/job123/checkpoints/configuration" => (200, job(None, 2).to_string()),
        _ => (200, changed(1_200_000, "extended", Some(1_190_988)).to_string()),
    });
    let ran = fake.run(&["set-timeout", "job123", "20m", "--reason", "S3 is slow"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        ran.stdout,
        "job/job123 timeout 10s → 20m (revision 3, stored, applied; checkpoint 7 now expires in 19m 50s, was 988ms)\n"
    );
    let change = format!("PATCH /jobs/{ID}/checkpoints/configuration");
    let body = r#"{"checkpointTimeout":1200000,"reason":"S3 is slow"}"#;
    assert_eq!(fake.asked("PATCH"), [(change, body.to_owned())]);
}

/// The job after a change that ends in four hours.
fn temporary() -> Value {
    let mut job = changed(1_200_000, "extended", Some(1_190_988));
    job["checkpointTimeout"]["origin"] = json!({
        "by": "ada@laptop", "reason": "S3 is slow", "since": 1_790_000_000_000_u64,
        "until": 1_790_014_400_000_u64, "afterwards": 10_000
    });
    job
}

#[test]
fn how_long_it_lasts_is_asked_for_and_told() {
    let fake = Fake::new(|line, _| match line.starts_with("GET") {
        true => (200, job(None, 2).to_string()),
        false => (200, temporary().to_string()),
    });
    let ran = fake.run(&["set-timeout", "job123", "20m", "--for", "4h", "--by", "ada@laptop"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        ran.stdout,
        "job/job123 timeout 10s → 20m (revision 3, stored, applied; checkpoint 7 now expires in 19m 50s, was 988ms; \
         ends by itself at 18:13:20 UTC (in 4h), then 10s again)\n"
    );
    for (last, lasting) in [("1h30m", "5400000"), ("forever", "null")] {
        fake.run(&["set", "job123", "--timeout", "20m", "--for", last]);
        let body = format!(r#"{{"checkpointTimeout":1200000,"for":{lasting}}}"#);
        assert_eq!(fake.asked("PATCH").last().unwrap().1, body);
    }
    for bad in ["4", "4M", "never", "10ms"] {
        let ran = fake.run(&["set-timeout", "job123", "20m", "--for", bad]);
        assert_eq!(ran.code, 2, "{bad}: {}", ran.stderr);
    }
    let ran = fake.run(&["reset", "job123", "--for", "4h"]);
    assert_eq!(ran.code, 2, "a reset does not end: {}", ran.stderr);
}

#[test]
fn where_an_override_comes_from_is_shown() {
    let fake = Fake::new(|_, _| (200, temporary().to_string()));
    let ran = fake.run(&["get", "job123"]);
    let line = ran.stdout.lines().find(|line| line.starts_with("timeout set ")).unwrap().to_owned();
    assert!(line.contains(" UTC by ada@laptop, until 2026-09-21 18:13:20 UTC (now)"), "{line}");
    assert!(ran.stdout.contains("then 10s again: S3 is slow"), "{}", ran.stdout);
}

#[test]
fn what_the_policy_refuses_is_code_6_and_names_the_rule() {
    let said =
        "the timeout 3h is longer than the 1h allowed for payments-* (longest-timeout, /etc/ckptd.toml:12)";
    let fake = Fake::new(move |line, _| match line.starts_with("GET") {
        true => (200, job(None, 2).to_string()),
        false => refused(409, said),
    });
    let ran = fake.run(&["set-timeout", "job123", "3h"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""));
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn the_audit_log_is_a_table_and_what_is_asked_of_it_goes_to_the_server() {
    let entry = json!({
        "id": "1", "at": 1_790_000_000_000_u64, "action": "change", "by": "ada@laptop", "from": "127.0.0.1",
        "cluster": "hosted", "jobId": ID, "name": "job123", "interval": null,
        "timeout": {"from": 10_000, "to": 1_200_000}, "until": null, "reason": "S3 is slow", "revision": 3,
        "outcome": {"at": 1_790_000_000_010_u64, "result": "applied", "why": null}
    });
    let body = json!({"schema": "ckpt/v1", "entries": [entry], "more": true}).to_string();
    let answer = body.clone();
    let fake = Fake::new(move |_, _| (200, answer.clone()));
    let ran = fake.run(&["audit", "job123", "--since", "2026-09-21T00:00:00Z", "--limit", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "WHEN (UTC)      ACTION  JOB     REVISION  RESULT\n09-21 14:13:20  change  job123  3         applied\n    \
         timeout 10s → 20m, by ada@laptop from 127.0.0.1: S3 is slow\n"
    );
    assert!(ran.stderr.contains("there is more: --limit N"), "{}", ran.stderr);
    assert_eq!(fake.asked("GET")[0].0, "GET /audit?job=job123&since=1789948800000&limit=1");
    assert_eq!(fake.run(&["audit", "-o", "json"]).stdout.trim_end(), body);
    assert_eq!(fake.run(&["audit", "--since", "yesterday"]).code, 2);
    let empty = r#"{"schema":"ckpt/v1","entries":[],"more":false}"#;
    let none = r#"{"schema":"ckpt/v1","jobs":[],"clusters":[],"pauses":[]}"#;
    let nobody = Fake::new(move |line, _| match line {
        _ if line.starts_with("GET /audit") => (200, empty.to_owned()),
        _ if line.starts_with("GET /checkpoints/configuration") => (200, none.to_owned()),
        _ => refused(404, "no job 'jbo123'"),
    });
    assert_eq!(nobody.run(&["audit", "jbo123"]).code, 5, "a slip of the pen is not to calm anybody");
    let older = Fake::new(|_, _| refused(404, "Not found: /audit"));
    let ran = older.run(&["audit"]);
    assert!(ran.stderr.contains("cannot tell who changed what"), "{}", ran.stderr);
}

#[test]
fn nothing_expires_unless_somebody_says_so() {
    let answer = |line: &str, _: &str| match line.starts_with("GET") {
        true => (200, job(None, 2).to_string()),
        false => (200, changed(5_000, "expired", None).to_string()),
    };
    let fake = Fake::new(answer);
    let ran = fake.run(&["set-timeout", "job123", "5s"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""));
    assert!(ran.stderr.contains("loses checkpoint 7 (19 of 20 acknowledged after 9.0s)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    let asked = fake.asked("PATCH");
    assert!(asked.iter().all(|(line, _)| line.ends_with("?dryRun=true")), "{asked:?}");

    let ran = fake.run(&["set-timeout", "job123", "5s", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("checkpoint 7 expired at once, 19 of 20 acknowledged"), "{}", ran.stdout);
}

#[test]
fn stored_but_not_applied_is_8_and_can_be_waited_for() {
    let mut asked = 0;
    let answer = move |line: &str, _: &str| {
        let mut job = job(Some(1_200_000), 3);
        asked += 1;
        if line.starts_with("PATCH") || asked < 5 {
            job["state"] = json!("RESTARTING");
            job["applied"] = json!(false);
        }
        if asked == 1 {
            job["checkpointTimeout"] = json!({"submitted": 10000, "override": null, "effective": 10000});
        }
        (if line.starts_with("PATCH") { 202 } else { 200 }, job.to_string())
    };
    let ran = Fake::new(answer).run(&["set-timeout", "job123", "20m"]);
    assert_eq!(ran.code, 8);
    assert!(ran.stdout.contains("stored, not applied yet: the job is RESTARTING"), "{}", ran.stdout);
    let ran = Fake::new(answer).run(&["set-timeout", "job123", "20m", "--wait"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("(revision 3, stored, applied"), "{}", ran.stdout);
    let ran = Fake::new(answer).run(&["set-timeout", "job123", "20m", "--wait", "--wait-timeout", "300ms"]);
    assert_eq!(ran.code, 8);
    assert!(ran.stderr.contains("within 300ms"), "{}", ran.stderr);
}

#[test]
fn unchanged_is_3_only_when_asked_for() {
    let fake = Fake::new(|_, _| (200, job(Some(1_200_000), 7).to_string()));
    let ran = fake.run(&["set-timeout", "job123", "20m"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.stdout, "job/job123 unchanged: timeout is 20m already (revision 7)\n");
    assert_eq!(fake.run(&["set-timeout", "job123", "20m", "--error-unchanged"]).code, 3);
}

#[test]
fn json_is_what_the_server_said() {
    let body = serde_json::to_string_pretty(&job(None, 2)).unwrap();
    let answer = body.clone();
    let fake = Fake::new(move |_, _| (200, answer.clone()));
    assert_eq!(fake.run(&["get", "job123", "-o", "json"]).stdout, format!("{body}\n"));
    assert_eq!(fake.run(&["reset", "job123", "-o", "json"]).stdout, format!("{body}\n"));
    assert_eq!(fake.run(&["get", "job123", "-o", "name"]).stdout, "job/job123\n");
}

#[test]
fn a_prefix_reads_but_does_not_change() {
    let list = json!({"schema": "ckpt/v1", "jobs": [job(None, 2)], "clusters": []}).to_string();
    let by_id = format!("GET /jobs/{ID}/checkpoints/configuration");
    let fake = Fake::new(move |line, _| match line {
        "GET /checkpoints/configuration?all=true" => (200, list.clone()),
        line if line == by_id => (200, job(None, 2).to_string()),
        line if line.starts_with("PATCH") => (200, changed(1_200_000, "extended", Some(1)).to_string()),
        _ => refused(404, "no such job"),
    });
    let ran = fake.run(&["get", "job1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("job/job123  RUNNING"), "{}", ran.stdout);
    let ran = fake.run(&["set-timeout", "job1", "20m"]);
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("did you mean job123"), "{}", ran.stderr);
    assert_eq!(fake.asked("PATCH"), []);
    assert_eq!(fake.run(&["set-timeout", "job1", "20m", "--allow-prefix"]).code, 0);
}

#[test]
fn what_the_server_refuses_has_its_exit_code_and_advice() {
    for (status, code, advice) in [
        (401, 4, "CKPTCTL_TOKEN_FILE"),
        (403, 4, "no"),
        (409, 6, "no"),
        (412, 6, "ckptctl get job123"),
        (501, 1, "no"),
        (503, 1, "no"),
    ] {
        let fake = Fake::new(move |line, _| match line.starts_with("GET") {
            true => (200, job(None, 2).to_string()),
            false => refused(status, "no\u{1b}[2J"),
        });
        let ran = fake.run(&["set-timeout", "job123", "20m"]);
        assert_eq!(ran.code, code, "{status}: {}", ran.stderr);
        assert!(ran.stderr.contains(advice) && !ran.stderr.contains('\u{1b}'), "{status}: {}", ran.stderr);
    }
    let ambiguous = Fake::new(|_, _| refused(409, "'job123' is in two clusters"));
    assert_eq!(ambiguous.run(&["get", "job123"]).code, 5);
}

#[test]
fn a_server_that_is_away_is_7_and_says_what_to_type() {
    let ran = run("http://127.0.0.1:9", &["get"]);
    assert_eq!(ran.code, 7);
    assert!(ran.stderr.contains("http://127.0.0.1:9 (from CKPTCTL_SERVER)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("ckptd serve --listen 127.0.0.1:9"), "{}", ran.stderr);
}

#[test]
fn a_wrong_command_line_is_2() {
    for (arguments, part) in [
        (vec!["set-timeout", "job123", "20"], "'20' has no unit"),
        (vec!["set-timeout", "job123", "20M"], "'M' in '20M' is not a unit"),
        (vec!["set-interval", "job123", "1ms"], "1ms is too short"),
        (vec!["set", "job123"], "required"),
        (vec!["set", "job123", "--timeout", "1m", "--now"], "--interval"),
        (vec!["savepoint", "job123"], "<DIR>"),
        (vec!["savepoint", "job123", "savepoints"], "write it like /"),
        (vec!["savepoint", "job123", "/s", "--no-wait", "--wait-timeout", "1m"], "--no-wait"),
        (vec!["cancel", "job123", "--with-savepoint", "s"], "write it like /"),
        (vec!["cancel", "job123", "--wait-timeout", "1m"], "--with-savepoint"),
        (vec!["submit", "-", "--from-savepoint", "s"], "write it like /"),
        (vec!["watch", "--until", "completed"], "<JOB>"),
        (vec!["set-timeout", "job123", "1m", "--reason", "a\nb"], "one plain line"),
    ] {
        let ran = run("http://127.0.0.1:9", &arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn watching_until_completed_ends_with_the_checkpoint() {
    for (status, code, word) in [("COMPLETED", 0, "completed"), ("FAILED", 8, "expired")] {
        let mut looks = 0;
        let fake = Fake::new(move |line, _| {
            if line != format!("GET /jobs/{ID}/checkpoints") {
                return (200, job(None, 2).to_string());
            }
            looks += 1;
            (200, history(if looks < 3 { "IN_PROGRESS" } else { status }).to_string())
        });
        let ran = fake.run(&["watch", "job123", "--until", "completed", "--every", "100ms"]);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains(word), "{}", ran.stderr);
        assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
        for line in ran.stdout.lines() {
            assert_eq!(serde_json::from_str::<Value>(line).unwrap(), job(None, 2));
        }
    }
}

#[test]
fn a_watch_goes_on_while_the_server_is_away() {
    let mut looks = 0;
    let fake = Fake::new(move |line, _| {
        if line == format!("GET /jobs/{ID}/checkpoints") {
            return (200, history(if looks < 7 { "IN_PROGRESS" } else { "COMPLETED" }).to_string());
        }
        looks += 1;
        match looks {
            3..=5 => refused(503, "starting"),
            _ => (200, job(None, 2).to_string()),
        }
    });
    let ran = fake.run(&["watch", "job123", "--every", "100ms", "--until", "completed"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("is away: starting").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("is back").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.ends_with("completed (19 of 20 acknowledged after 9.0s)\n"), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 3, "one before, two after: {}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", ran.stdout);
}

/// However much of it a slow machine gets to see.
#[test]
fn a_watch_ends_when_its_time_is_up_though_the_server_stays_away() {
    let mut looks = 0;
    let fake = Fake::new(move |line, _| {
        if line == format!("GET /jobs/{ID}/checkpoints") {
            return (200, history("IN_PROGRESS").to_string());
        }
        looks += 1;
        if looks < 3 { (200, job(None, 2).to_string()) } else { refused(503, "starting") }
    });
    let limited = ["watch", "job123", "--every", "100ms", "--until", "completed", "--wait-timeout", "1s"];
    let ran = fake.run(&limited);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stderr.ends_with("no checkpoint has ended within 1s\n"), "{}", ran.stderr);
}
