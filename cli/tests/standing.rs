//! Whole commands that see, wait for and mend overrides that do not hold, against a server that answers as a
//! test wants it to.

#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod support;

use serde_json::{Value, json};
use support::Fake;

const ID: &str = "0123456789abcdef0123456789abcdef";
const OLD: &str = "fedcba9876543210fedcba9876543210";
/// When everything was seen, and for a minute before.
const SEEN: u64 = 1_790_000_000_000;

/// The job `prod/NAME` whose timeout was changed from 10 s to 20 min, and whose override stands like this.
fn job(name: &str, state: &str, why: Option<&str>) -> Value {
    let holds = state == "applied";
    let effective = if holds { 1_200_000 } else { 10_000 };
    json!({
        "schema": "ckpt/v1", "cluster": "prod", "jobId": ID, "name": name, "state": "RUNNING",
        "revision": 3, "stored": true, "applied": holds,
        "overrideStatus": {"state": state, "why": why, "since": SEEN - 60_000, "nextTry": null},
        "checkpointInterval": {"submitted": 15000, "override": null, "effective": 15000},
        "checkpointTimeout": {"submitted": 10000, "override": 1_200_000, "effective": effective},
        "inFlight": [{"id": 7, "savepoint": false, "acknowledged": 19, "subtasks": 20, "elapsed": 9012,
                      "remaining": 1100}],
        "failures": {"consecutive": 2, "tolerable": 3}, "nextTrigger": null, "warnings": [],
        "via": "attach", "viaDetail": "pid 1234", "stale": null, "observedAt": SEEN
    })
}

/// The same job as nobody ever changed it.
fn untouched(name: &str) -> Value {
    let mut job = job(name, "applied", None);
    job["revision"] = json!(0);
    job["overrideStatus"] = Value::Null;
    job["checkpointTimeout"] = json!({"submitted": 10000, "override": null, "effective": 10000});
    job
}

/// A job that runs under the name of an earlier one, whose override was left behind.
fn orphaned() -> Value {
    let mut job = untouched("payments");
    let why = format!(
        "an override of an earlier job of this name ({OLD}, timeout 20m, revision 3) was left behind and does \
         not hold for this one; ckptctl adopt payments carries it over"
    );
    job["overrideStatus"] = json!({"state": "orphaned", "why": why, "since": SEEN, "nextTry": null});
    job
}

fn list(jobs: &[Value], pauses: &Value) -> String {
    json!({"schema": "ckpt/v1", "jobs": jobs, "clusters": [], "pauses": pauses}).to_string()
}

fn refused(status: u16, sentence: &str) -> (u16, String) {
    (status, json!({"errors": [sentence]}).to_string())
}

#[test]
fn a_check_ends_with_the_worst_of_what_is_shown_and_a_look_with_0() {
    let named = |name: &str, state: &str| job(name, state, Some("because"));
    let mut stale = job("stale", "applied", None);
    stale["stale"] = json!("http://prod:8081 does not answer");
    let mut stale_untouched = untouched("calm");
    stale_untouched["stale"] = json!("http://prod:8081 does not answer");
    for (jobs, code) in [
        (vec![], 0),
        (vec![untouched("calm"), job("fine", "applied", None)], 0),
        (vec![stale_untouched], 0),
        (vec![stale], 8),
        (vec![job("fine", "applied", None), named("slow", "waiting")], 8),
        (vec![named("slow", "notApplied")], 8),
        (vec![named("slow", "notApplied"), orphaned()], 5),
        (vec![orphaned(), named("fought-over", "conflict"), named("slow", "waiting")], 6),
    ] {
        let body = list(&jobs, &json!([]));
        let answer = body.clone();
        let fake = Fake::new(move |_, _| (200, answer.clone()));
        let (plain, checked) = (fake.run(&["get"]), fake.run(&["get", "--check"]));
        assert_eq!((plain.code, checked.code), (0, code), "{}", checked.stderr);
        assert_eq!((checked.stdout, fake.run(&["get", "--check", "-o", "json"]).code), (plain.stdout, code));
        let json = fake.run(&["get", "--check", "-o", "json"]);
        assert_eq!(
            (json.stdout, json.stderr.is_empty()),
            (format!("{body}\n"), code == 0),
            "{}",
            json.stderr
        );
    }
}

#[test]
fn one_job_is_checked_alone_and_a_machine_is_told_in_one_line() {
    let fake =
        Fake::new(|_, _| (200, job("payments", "conflict", Some("it was changed 3 times")).to_string()));
    let ran = fake.run(&["get", "payments", "--check"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (6, ""));
    assert!(ran.stdout.contains("revision 3, stored, in conflict\n  since "), "{}", ran.stdout);
    assert!(ran.stdout.contains(": it was changed 3 times\n"), "{}", ran.stdout);
    assert_eq!(fake.run(&["get", "payments"]).code, 0);
    let named = fake.run(&["get", "payments", "--check", "-o", "name"]);
    assert_eq!((named.code, named.stdout.as_str()), (6, "job/prod/payments\n"));
    assert_eq!(named.stderr, "ckptctl: overrides that do not hold: job/prod/payments (conflict)\n");
}

#[test]
fn the_list_says_below_the_table_what_does_not_hold_and_where_reconcile_is_paused() {
    let pauses = json!([{"cluster": null, "since": SEEN, "reason": "storage is moved"},
                        {"cluster": "prod", "since": SEEN, "reason": null}]);
    let jobs = [job("clicks", "applied", None), job("payments", "notApplied", Some("no\u{1b} way"))];
    let body = list(&jobs, &pauses);
    let fake = Fake::new(move |_, _| (200, body.clone()));
    let ran = fake.run(&["get"]);
    assert!(
        ran.stdout.contains("20m (was 10s)") && ran.stdout.contains("10s (20m not applied)"),
        "{}",
        ran.stdout
    );
    let told: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("warning: reconcile is paused since "), "{told:?}");
    assert!(told[0].ends_with(": storage is moved; end that with: ckptctl reconcile resume"), "{told:?}");
    assert!(told[1].starts_with("warning: reconcile is paused for cluster prod since "), "{told:?}");
    assert!(told[1].ends_with("; end that with: ckptctl reconcile resume prod"), "{told:?}");
    assert!(told[2].starts_with("warning: job/prod/payments: override not applied since "), "{told:?}");
    assert!(told[2].ends_with(": no\\u{1b} way"), "{told:?}");
    let wide = fake.run(&["get", "-o", "wide"]).stdout;
    assert!(wide.lines().next().unwrap().contains("  OVERRIDE "), "{wide}");
}

#[test]
fn watching_until_applied_ends_when_the_override_holds_or_cannot() {
    for (state, code, part) in [
        ("applied", 0, "job/prod/payments override applied (revision 3)"),
        ("conflict", 6, "job/prod/payments: override in conflict since "),
        ("orphaned", 5, "job/prod/payments: override orphaned since "),
    ] {
        let mut looks = 0;
        let fake = Fake::new(move |_, _| {
            looks += 1;
            let now = match looks {
                1 | 2 => "waiting",
                3 => "notApplied",
                _ => state,
            };
            (200, job("payments", now, Some("because")).to_string())
        });
        let ran = fake.run(&["watch", "payments", "--until", "applied", "--every", "100ms"]);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.starts_with(part), "{}", ran.stderr);
        assert_eq!(ran.stdout.lines().count(), 3, "the first look finds the job: {}", ran.stdout);
        assert!(fake.asked("GET").iter().all(|(line, _)| line.ends_with("configuration")));
    }
}

#[test]
fn watching_until_applied_gives_up_in_time_and_does_not_trust_what_is_old() {
    let fake = Fake::new(|_, _| {
        let mut job = job("payments", "applied", None);
        job["stale"] = json!("http://prod:8081 does not answer");
        (200, job.to_string())
    });
    let watch = ["watch", "payments", "--until", "applied", "--every", "100ms", "--wait-timeout", "1s"];
    let ran = fake.run(&watch);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        "ckptctl: the override was not applied within 1s\n  see why with: ckptctl get payments\n"
    );
    let calm = Fake::new(|_, _| (200, untouched("payments").to_string()));
    let ran = calm.run(&watch[..6]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "job/prod/payments has no override\n"));
}

#[test]
fn a_change_that_somebody_else_undoes_is_6_and_not_waited_for() {
    let why = "somebody else changed it 3 times (last to a timeout of 7m), so it is not applied again";
    let fake = Fake::new(move |line, _| match line.starts_with("GET") {
        true => (200, untouched("payments").to_string()),
        false => (202, job("payments", "conflict", Some(why)).to_string()),
    });
    for arguments in
        [vec!["set-timeout", "payments", "20m"], vec!["set-timeout", "payments", "20m", "--wait"]]
    {
        let ran = fake.run(&arguments);
        assert_eq!(ran.code, 6, "{}", ran.stderr);
        assert!(ran.stdout.contains(&format!("(revision 3, stored, in conflict: {why}")), "{}", ran.stdout);
        assert!(ran.stderr.contains("somebody else changes it too; see how it goes with"), "{}", ran.stderr);
    }
}

#[test]
fn waiting_for_a_change_ends_with_6_when_it_comes_to_a_conflict() {
    let mut looks = 0;
    let fake = Fake::new(move |line, _| {
        looks += 1;
        match (line.starts_with("GET"), looks) {
            (true, 1) => (200, untouched("payments").to_string()),
            (true, 4..) => (200, job("payments", "conflict", Some("changed back")).to_string()),
            (_, _) => (202, job("payments", "notApplied", Some("not yet")).to_string()),
        }
    });
    let ran = fake.run(&["set-timeout", "payments", "20m", "--wait"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stdout.contains("stored, in conflict: changed back"), "{}", ran.stdout);
}

#[test]
fn what_is_not_applied_says_why_and_is_8() {
    let fake = Fake::new(|line, _| match line.starts_with("GET") {
        true => (200, untouched("payments").to_string()),
        false => (202, job("payments", "notApplied", Some("reconcile cannot")).to_string()),
    });
    let ran = fake.run(&["set-timeout", "payments", "20m"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stdout.contains("stored, not applied: reconcile cannot"), "{}", ran.stdout);
    assert!(ran.stderr.contains("see how it goes with: ckptctl get prod/payments"), "{}", ran.stderr);
    let ran = fake.run(&["set-timeout", "payments", "20m", "--wait", "--wait-timeout", "300ms"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
}

/// The answer to an adoption.
fn adopted(outcome: &str, left: Option<u64>) -> Value {
    let mut job = job("payments", "applied", None);
    job["revision"] = json!(4);
    let checkpoint = &mut job["inFlight"][0];
    checkpoint["previousRemaining"] = json!(1100);
    checkpoint["outcome"] = json!(outcome);
    checkpoint["remaining"] = json!(left);
    job
}

#[test]
fn an_override_that_was_left_behind_is_adopted() {
    let fake = Fake::new(|line, _| match line.starts_with("GET") {
        true => (200, orphaned().to_string()),
        false => (200, adopted("extended", Some(1_190_988)).to_string()),
    });
    let ran = fake.run(&["adopt", "payments"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        ran.stdout,
        "job/prod/payments adopted the override of the earlier job of this name: timeout 10s → 20m \
         (revision 4, stored, applied via attach; checkpoint 7 now expires in 19m 50s, was 1.1s)\n"
    );
    let path = format!("POST /jobs/prod%2F{ID}/checkpoints/configuration/adopt");
    let asked = fake.asked("POST");
    assert_eq!(asked, [(format!("{path}?dryRun=true"), "{}".to_owned()), (path.clone(), "{}".to_owned())]);

    let ran = fake.run(&["adopt", "payments", "--from", OLD, "--reason", "resubmitted", "--yes"]);
    assert!(
        ran.stdout.contains(&format!("adopted the override of {OLD}: timeout 10s → 20m")),
        "{}",
        ran.stdout
    );
    let asked = fake.asked("POST");
    assert_eq!(asked.len(), 3, "--yes needs no dry run: {asked:?}");
    let body = json!({"from": OLD, "reason": "resubmitted"});
    assert_eq!(serde_json::from_str::<Value>(&asked[2].1).unwrap(), body);

    fake.run(&["adopt", "payments", "--for", "4h", "--yes"]);
    assert_eq!(fake.asked("POST")[3].1, r#"{"for":14400000}"#);
    let ran = fake.run(&["adopt", "payments", "--for", "forever"]);
    assert!(ran.code == 2 && ran.stderr.contains("'forever' is not a duration"), "{}", ran.stderr);

    let ran = fake.run(&["adopt", "payments", "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("would adopt") && ran.stdout.contains("dry run, nothing changed"),
        "{}",
        ran.stdout
    );
    assert!(fake.asked("POST")[4].0.ends_with("?dryRun=true"));
    assert_eq!(fake.run(&["adopt", "payments", "--yes", "-o", "name"]).stdout, "job/prod/payments\n");
    assert_eq!(fake.run(&["adopt", "payments", "--from", "12"]).code, 2);
}

#[test]
fn an_adoption_lets_nothing_expire_unless_somebody_says_so() {
    let fake = Fake::new(|line, _| match line.starts_with("GET") {
        true => (200, orphaned().to_string()),
        false => (200, adopted("expired", None).to_string()),
    });
    let ran = fake.run(&["adopt", "payments"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""));
    assert!(ran.stderr.contains("job/prod/payments loses checkpoint 7"), "{}", ran.stderr);
    assert!(ran.stderr.contains("say --yes"), "{}", ran.stderr);
    assert!(fake.asked("POST").iter().all(|(line, _)| line.ends_with("?dryRun=true")));
    assert_eq!(fake.run(&["adopt", "payments", "--yes"]).code, 0);
}

#[test]
fn an_adoption_that_is_refused_or_not_applied_has_its_code() {
    for (status, code, sentence) in [
        (404, 5, "no earlier job 'payments' of cluster prod has left an override behind"),
        (409, 6, "it could be that of 01… or of 02…"),
        (501, 1, "prod cannot be changed from here"),
    ] {
        let fake = Fake::new(move |line, _| match line.starts_with("GET") {
            true => (200, orphaned().to_string()),
            false => refused(status, sentence),
        });
        let ran = fake.run(&["adopt", "payments"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("ckptctl: {sentence}\n")), "{}", ran.stderr);
    }
    let older = Fake::new(move |line, _| match line.starts_with("GET") {
        true => (200, orphaned().to_string()),
        false => refused(404, "Not found: /jobs/x/checkpoints/configuration/adopt"),
    });
    let ran = older.run(&["adopt", "payments"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("cannot adopt overrides: Not found: /jobs"), "{}", ran.stderr);
    assert!(ran.stderr.contains("as new as this ckptctl?"), "{}", ran.stderr);
    let waits = Fake::new(|line, _| match line.contains("/adopt") {
        false => (200, orphaned().to_string()),
        true => (202, job("payments", "waiting", Some("the job is RESTARTING")).to_string()),
    });
    let ran = waits.run(&["adopt", "payments"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stdout.contains("stored, not applied yet: the job is RESTARTING"), "{}", ran.stdout);
}

fn reconcile(pauses: &Value) -> (u16, String) {
    (200, json!({"schema": "ckpt/v1", "pauses": pauses}).to_string())
}

#[test]
fn reconcile_is_paused_and_resumed_and_says_what_that_means() {
    let fake = Fake::new(|line, _| match line {
        "POST /reconcile/pause" => {
            reconcile(&json!([{"cluster": "prod", "since": SEEN, "reason": "upgrade"}]))
        }
        _ => reconcile(&json!([])),
    });
    let said = |arguments: &[&str]| {
        let ran = fake.run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        ran.stdout
    };
    assert_eq!(
        said(&["reconcile", "pause", "prod", "--reason", "upgrade"]),
        "reconcile is paused for cluster prod: overrides that stop holding are not applied again until ckptctl \
         reconcile resume prod\n"
    );
    assert_eq!(
        said(&["reconcile", "pause"]),
        "reconcile is paused for every cluster: overrides that stop holding are not applied again until ckptctl \
         reconcile resume\n"
    );
    assert_eq!(
        said(&["reconcile", "resume", "prod"]),
        "reconcile runs for cluster prod: overrides that stop holding are applied again\n"
    );
    assert_eq!(
        said(&["reconcile", "status"]),
        "reconcile runs: overrides that stop holding are applied again\n"
    );
    assert_eq!(said(&["reconcile", "status", "-o", "json"]), "{\"schema\":\"ckpt/v1\",\"pauses\":[]}\n");
    let bodies: Vec<_> = fake.asked("POST").into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, [r#"{"cluster":"prod","reason":"upgrade"}"#, "{}", r#"{"cluster":"prod"}"#]);
}

#[test]
fn a_pause_that_stays_is_told_after_another_was_ended() {
    let fake =
        Fake::new(|_, _| reconcile(&json!([{"cluster": null, "since": SEEN, "reason": "storage is moved"}])));
    for arguments in [vec!["reconcile", "resume", "prod"], vec!["reconcile", "status"]] {
        let ran = fake.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.starts_with("reconcile is paused since "), "{}", ran.stdout);
        assert!(
            ran.stdout.ends_with(": storage is moved; end that with: ckptctl reconcile resume\n"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_pause_that_is_refused_says_why() {
    let unknown = Fake::new(|_, _| refused(404, "there is no cluster 'prdo'"));
    let ran = unknown.run(&["reconcile", "pause", "prdo"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""));
    assert_eq!(
        ran.stderr,
        "ckptctl: there is no cluster 'prdo'\n  see which there are with: ckptctl doctor\n"
    );
    let older = Fake::new(|line, _| refused(404, &format!("Not found: {}", line.split_once(' ').unwrap().1)));
    for arguments in [vec!["reconcile", "status"], vec!["reconcile", "pause", "prod"]] {
        let ran = older.run(&arguments);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("cannot pause reconcile: Not found: /reconcile"), "{}", ran.stderr);
        assert!(ran.stderr.contains("as new as this ckptctl?"), "{}", ran.stderr);
    }
    let named = unknown.run(&["reconcile", "pause", "-o", "name"]);
    assert_eq!((named.code, unknown.asked("POST").len()), (2, 1), "{}", named.stderr);
}
