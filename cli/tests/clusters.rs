//! Whole commands for jobs of Flink clusters, against a server that answers as a test wants it to.

#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod support;

use serde_json::{Value, json};
use support::Fake;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// What a job of the cluster `prod` is called once it was looked up.
const SEGMENT: &str = "prod%2F0123456789abcdef0123456789abcdef";

/// A job of `cluster` with a timeout of 10 m and this override.
fn job(cluster: &str, name: &str, timeout: Option<u64>) -> Value {
    json!({
        "schema": "ckpt/v1", "cluster": cluster, "jobId": ID, "name": name, "state": "RUNNING",
        "revision": 6, "stored": true, "applied": true,
        "checkpointInterval": {"submitted": 15000, "override": null, "effective": 15000},
        "checkpointTimeout":
            {"submitted": 600_000, "override": timeout, "effective": timeout.unwrap_or(600_000)},
        "inFlight": [{"id": 412, "savepoint": false, "acknowledged": 19, "subtasks": 20, "elapsed": 537_000,
                      "remaining": 63_000}],
        "failures": {"consecutive": 2, "tolerable": 3}, "nextTrigger": null, "warnings": [],
        "via": if cluster == "hosted" { "hosted" } else { "attach" }, "viaDetail": "pid 1234",
        "stale": null, "observedAt": 1_790_000_000_000_u64
    })
}

/// The answer to a change of `prod/payments`.
fn changed(timeout: u64, outcome: &str) -> Value {
    let mut job = job("prod", "payments", Some(timeout));
    job["revision"] = json!(7);
    job["inFlight"][0]["previousRemaining"] = json!(63_000);
    job["inFlight"][0]["remaining"] = json!(663_000);
    job["inFlight"][0]["outcome"] = json!(outcome);
    job
}

fn list(jobs: &[Value], clusters: &[Value]) -> String {
    json!({"schema": "ckpt/v1", "jobs": jobs, "clusters": clusters}).to_string()
}

fn cluster(name: &str, trouble: Option<&str>, observed_at: Option<u64>) -> Value {
    json!({"name": name, "url": format!("http://{name}:8081"), "version": "1.20.5", "trouble": trouble,
           "observedAt": observed_at})
}

fn refused(status: u16, sentence: &str) -> (u16, String) {
    (status, json!({"errors": [sentence]}).to_string())
}

#[test]
fn a_rescue_on_flink_is_one_look_and_one_change_by_cluster_and_id() {
    let fake = Fake::new(|line, _| match line {
        "GET /jobs/payments/checkpoints/configuration" => (200, job("prod", "payments", None).to_string()),
        line if line.starts_with("PATCH") => {
            let mut changed = changed(1_200_000, "extended");
            changed["warnings"] = json!(["the operator's health check restarts it after 5m"]);
            (200, changed.to_string())
        }
        _ => refused(404, "no such job"),
    });
    let ran = fake.run(&["set-timeout", "payments", "20m"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "job/prod/payments timeout 10m → 20m (revision 7, stored, applied via attach; \
         checkpoint 412 now expires in 11m 3s, was 1m 3s)\n"
    );
    assert_eq!(ran.stderr, "warning: the operator's health check restarts it after 5m\n");
    let change = format!("PATCH /jobs/{SEGMENT}/checkpoints/configuration");
    assert_eq!(fake.asked("PATCH"), [(change, r#"{"checkpointTimeout":1200000}"#.to_owned())]);
    assert_eq!(fake.asked("GET").len(), 1);
}

#[test]
fn what_cannot_be_changed_says_where_to_look_and_what_waits_says_so() {
    let no = "prod cannot be changed from here: its JobManager runs on another machine";
    let fake = Fake::new(move |line, _| match line.starts_with("GET") {
        true => (200, job("prod", "payments", None).to_string()),
        false => refused(501, no),
    });
    let ran = fake.run(&["set-timeout", "prod/payments", "20m"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_eq!(ran.stderr, format!("ckptctl: {no}\n  see why with: ckptctl doctor prod\n"));
    assert_eq!(fake.asked("GET")[0].0, "GET /jobs/prod%2Fpayments/checkpoints/configuration");

    let fake = Fake::new(|line, _| match line.starts_with("GET") {
        true => (200, job("prod", "payments", None).to_string()),
        false => {
            let mut stored = changed(1_200_000, "extended");
            (stored["applied"], stored["state"]) = (json!(false), json!("RESTARTING"));
            stored["inFlight"] = json!([]);
            (202, stored.to_string())
        }
    });
    let ran = fake.run(&["set-timeout", "payments", "20m"]);
    assert_eq!(ran.code, 8);
    assert!(ran.stdout.contains("stored, not applied yet: the job is RESTARTING"), "{}", ran.stdout);
    let hint = "ckptd applies it when job/prod/payments has a coordinator again";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
}

#[test]
fn the_list_tells_clusters_apart_and_warns_of_those_in_trouble() {
    let mut stale = job("prod", "payments", None);
    stale["stale"] = json!("http://prod:8081 does not answer");
    let jobs =
        [job("dev", "clicks", None), job("hosted", "clicks", None), job("hosted", "orders", None), stale];
    let clusters = [
        cluster("dev", None, Some(1_790_000_000_000)),
        cluster("prod", Some("it does not answer\u{1b}[2J"), Some(1_790_000_000_000)),
        cluster("test", Some("'test' is no known host"), None),
    ];
    let body = list(&jobs, &clusters);
    let answer = body.clone();
    let fake = Fake::new(move |_, _| (200, answer.clone()));
    let ran = fake.run(&["get"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let rows: Vec<_> = ran.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows[0][..3], ["JOB", "CLUSTER", "STATE"]);
    assert_eq!(rows[1][..3], ["clicks", "dev", "RUNNING"]);
    assert_eq!(rows[4][..3], ["payments", "prod", "STALE"]);
    assert!(ran.stdout.contains("#412 19/20 95% 1m 3s left"), "what is stale is shown: {}", ran.stdout);
    let warnings: Vec<_> = ran.stderr.lines().collect();
    assert!(
        warnings[0].starts_with(
            "warning: cluster prod (http://prod:8081): it does not answer\\u{1b}[2J; last good answer at 2026-09-21 14:13:20 UTC, "
        ),
        "{warnings:?}"
    );
    assert_eq!(
        warnings[1],
        "warning: cluster test (http://test:8081): 'test' is no known host; no good answer so far"
    );
    let wide = fake.run(&["get", "-o", "wide"]).stdout;
    assert!(wide.lines().nth(4).unwrap().contains("attach"), "{wide}");
    let names = fake.run(&["get", "-o", "name"]);
    assert_eq!(names.stdout, "job/dev/clicks\njob/hosted/clicks\njob/orders\njob/prod/payments\n");
    assert!(names.stderr.contains("cluster prod"), "{}", names.stderr);
    let json = fake.run(&["get", "-o", "json"]);
    assert_eq!((json.stdout, json.stderr), (format!("{body}\n"), String::new()));
}

#[test]
fn no_jobs_may_only_mean_that_nobody_answers() {
    let clusters = [cluster("prod", Some("it does not answer"), None)];
    let fake = Fake::new(move |_, _| (200, list(&[], &clusters)));
    let ran = fake.run(&["get"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let said = format!("no jobs are known on {}, as not every cluster answers as it should\n", fake.url);
    assert!(ran.stderr.starts_with(&said), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: cluster prod (http://prod:8081): it does not answer"));
}

#[test]
fn a_stale_job_says_since_when() {
    let mut stale = job("prod", "payments", Some(1_200_000));
    stale["stale"] = json!("http://prod:8081 does not answer");
    let fake = Fake::new(move |_, _| (200, stale.to_string()));
    let ran = fake.run(&["get", "payments"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        "STALE since 2026-09-21 14:13:20 UTC: http://prod:8081 does not answer\njob/prod/payments  STALE, was",
        "\nvia attach (pid 1234)\n",
        "timeout   10m        20m       20m",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
    assert_eq!(fake.run(&["get", "payments", "-o", "name"]).stdout, "job/prod/payments\n");
}

#[test]
fn names_resolve_with_their_cluster_and_what_was_printed_can_be_typed() {
    let ambiguous = "'clicks' could be dev/clicks or prod/clicks";
    let jobs = [job("dev", "clicks", None), job("prod", "clicks", None)];
    let fake = Fake::new(move |line, _| match line {
        "GET /jobs/clicks/checkpoints/configuration" => refused(409, ambiguous),
        "GET /jobs/prod%2Fclicks/checkpoints/configuration" => (200, job("prod", "clicks", None).to_string()),
        "GET /checkpoints/configuration?all=true" => (200, list(&jobs, &[])),
        line if line == format!("GET /jobs/{SEGMENT}/checkpoints/configuration") => {
            (200, job("prod", "clicks", None).to_string())
        }
        line if line == format!("PATCH /jobs/{SEGMENT}?mode=cancel") => (202, "{}".to_owned()),
        _ => refused(404, "no such job"),
    });
    let ran = fake.run(&["get", "clicks"]);
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains(ambiguous) && ran.stderr.contains("CLUSTER/NAME"), "{}", ran.stderr);
    for typed in ["prod/clicks", "job/prod/clicks", "prod/cl", "prod/0123"] {
        let ran = fake.run(&["get", typed, "-o", "name"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "job/prod/clicks\n"), "{typed}: {}", ran.stderr);
    }
    let several = fake.run(&["get", "cli"]);
    assert_eq!(several.code, 5);
    assert!(several.stderr.contains("any of dev/clicks (0123"), "{}", several.stderr);
    let ran = fake.run(&["cancel", "prod/clicks"]);
    assert_eq!(ran.stdout, "job/prod/clicks is being cancelled\n", "{}", ran.stderr);
}

#[test]
fn triggers_are_asked_for_by_cluster_and_id() {
    let fake = Fake::new(|line, _| match line {
        line if line == format!("POST /jobs/{SEGMENT}/checkpoints") => {
            (202, json!({"request-id": ID}).to_string())
        }
        line if line == format!("GET /jobs/{SEGMENT}/checkpoints/{ID}") => {
            let failure = json!({"class": "E", "stack-trace": "expired", "serialized-throwable": ""});
            let failed = json!({"status": {"id": "COMPLETED"}, "operation": {"failureCause": failure}});
            (200, failed.to_string())
        }
        "GET /jobs/my%20job/checkpoints/configuration" => (200, job("prod", "my job", None).to_string()),
        _ => refused(404, "no such job"),
    });
    let ran = fake.run(&["trigger", "my job", "--wait"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stderr.contains("job/prod/my job: the checkpoint failed: expired"), "{}", ran.stderr);
    assert!(ran.stderr.contains("ckptctl history 'prod/my job'"), "{}", ran.stderr);
}

fn diagnosis(changeable: &[bool]) -> String {
    let cluster = |changeable: &bool| {
        json!({
            "cluster": if *changeable { "prod" } else { "staging" }, "url": "http://10.0.0.1:8081",
            "changeable": changeable, "via": if *changeable { "attach" } else { "none" },
            "checks": [
                {"check": "version", "verdict": "passed", "found": "Flink 1.20.5", "advice": null},
                {"check": "JVM flags", "verdict": if *changeable { "noted" } else { "failed" },
                 "found": "-XX:+DisableAttachMechanism\u{1b}[2J", "advice": "take it out of env.java.opts"},
                {"check": "class layout", "verdict": "skipped", "found": "not looked at", "advice": null},
            ]
        })
    };
    let clusters: Vec<_> = changeable.iter().map(cluster).collect();
    json!({"schema": "ckpt/v1", "clusters": clusters}).to_string()
}

#[test]
fn the_doctor_says_yes_with_0_and_why_not_with_1() {
    let fake = Fake::new(|line, _| match line {
        "POST /doctor" => (200, diagnosis(&[true, false])),
        "POST /doctor?cluster=prod" => (200, diagnosis(&[true])),
        _ => refused(404, "there is no cluster 'a&b'"),
    });
    let all = fake.run(&["doctor"]);
    assert_eq!((all.code, all.stderr.as_str()), (1, ""));
    assert_eq!(
        all.stdout,
        "cluster prod (http://10.0.0.1:8081): a change would work via attach\n\
         CHECK         RESULT   FOUND\n\
         version       ok       Flink 1.20.5\n\
         JVM flags     note     -XX:+DisableAttachMechanism\\u{1b}[2J\n\
         class layout  skipped  not looked at\n  \
         JVM flags: take it out of env.java.opts\n\n\
         cluster staging (http://10.0.0.1:8081): cannot be changed from here\n\
         CHECK         RESULT   FOUND\n\
         version       ok       Flink 1.20.5\n\
         JVM flags     FAILED   -XX:+DisableAttachMechanism\\u{1b}[2J\n\
         class layout  skipped  not looked at\n  \
         JVM flags: take it out of env.java.opts\n"
    );
    let json = fake.run(&["doctor", "-o", "json"]);
    assert_eq!((json.code, json.stdout), (1, format!("{}\n", diagnosis(&[true, false]))));
    assert_eq!(fake.run(&["doctor", "prod"]).code, 0);
    assert_eq!(fake.run(&["doctor", "prod", "-o", "name"]).stdout, "cluster/prod\n");
    let unknown = fake.run(&["doctor", "a&b"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (5, ""));
    assert!(unknown.stderr.contains("there is no cluster 'a&b'"), "{}", unknown.stderr);
    assert_eq!(fake.asked("POST").last().unwrap().0, "POST /doctor?cluster=a%26b");
}

#[test]
fn a_doctor_without_patients_says_how_to_get_one() {
    let fake = Fake::new(|_, _| (200, diagnosis(&[])));
    let ran = fake.run(&["doctor"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_eq!(
        ran.stderr,
        "ckptctl: this ckptd follows no Flink cluster\n  start it with: ckptd serve --flink http://HOST:PORT\n"
    );
    let json = fake.run(&["doctor", "-o", "json"]);
    assert_eq!((json.code, json.stdout), (1, format!("{}\n", diagnosis(&[]))));
    let older = Fake::new(|_, _| refused(404, "there is nothing at /doctor")).run(&["doctor"]);
    assert_eq!(older.code, 1);
    assert!(older.stderr.contains("cannot diagnose clusters"), "{}", older.stderr);
}
