//! What ckptd tells Prometheus, read by Prometheus itself: `scripts/prometheus` gets it.

use crate::support::{Daemon, HANGING, Home, QUICK, run, seen_within, until};
use ckpt_client::Client;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Nothing of Prometheus' takes longer.
const LIMIT: Duration = Duration::from_secs(120);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One of its programs; `None`, and a line that says so, when it is missing.
fn program(name: &str, test: &str) -> Option<Command> {
    let target = Path::new(env!("CARGO_BIN_EXE_ckptd")).ancestors().nth(2).unwrap();
    let fetched = target.join("prometheus/usr/bin").join(name);
    let installed = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let found = [fetched].into_iter().chain(installed.map(|dir| dir.join(name))).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CKPT_REQUIRE_ALL").is_none_or(|value| value != "1"), "{name} is missing");
        // Past the harness, which would keep it to itself.
        let line = format!("skipped: {test}: {name} is missing; scripts/prometheus gets it\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found.map(Command::new)
}

/// A daemon with a job that completed a checkpoint and one whose checkpoint is in flight, with an override.
async fn with_jobs(home: &Home) -> Daemon {
    let daemon = home.daemon().await;
    for file in [QUICK, HANGING] {
        daemon.client.submit(file.to_owned()).await.unwrap();
    }
    daemon.until_running("quick").await;
    daemon.until_running("hanging").await;
    daemon.trigger("hanging").await;
    daemon.until("a checkpoint in flight", "hanging", |seen| !seen.in_flight.is_empty()).await;
    daemon.set_timeout("hanging", 7_200_000).await.unwrap();
    until("the counts of both jobs", || async {
        let text = scrape(&daemon).await;
        (text.matches("outcome=\"completed\"").count() == 2).then_some(())
    })
    .await;
    daemon.checkpoint("quick").await.unwrap();
    daemon
}

async fn scrape(daemon: &Daemon) -> String {
    let asking = async {
        let mut stream = TcpStream::connect(&daemon.address).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(LIMIT, asking).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn promtool_has_nothing_to_say_of_a_scrape() {
    let Some(mut promtool) = program("promtool", "promtool_has_nothing_to_say_of_a_scrape") else { return };
    let home = Home::new();
    let daemon = with_jobs(&home).await;
    let scraped = home.write("scraped.txt", &scrape(&daemon).await);
    promtool.args(["check", "metrics"]).stdin(std::fs::File::open(scraped).unwrap());
    let output = tokio::time::timeout(LIMIT, promtool.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty() && output.stdout.is_empty(), "{output:?}");
}

#[tokio::test]
async fn promtool_passes_the_rules_and_their_tests() {
    for arguments in [["check", "rules", "ckptd.rules.yml"], ["test", "rules", "ckptd.test.yml"]] {
        let Some(mut promtool) = program("promtool", "promtool_passes_the_rules_and_their_tests") else {
            return;
        };
        promtool.args(arguments).current_dir(repository().join("docs/alerts"));
        let ended = run(promtool, LIMIT).await;
        assert!(ended.status.success(), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
    }
}

/// The labels of each metric, as the docs have them; the API's tests compare those with what is told.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `ckptd_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        (cells[1].clone(), cells[3].split(", ").map(str::to_owned).collect())
    })
    .collect()
}

/// Metrics of ckptd's that a text names, and the labels that it asks of each.
fn named(text: &str) -> Vec<(String, Vec<String>)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = text.match_indices("ckptd_").map(|(at, _)| at);
    let begins = begins.filter(|at| !text[..*at].ends_with(is_part));
    begins
        .map(|at| {
            let rest = &text[at..];
            let (name, rest) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
            let matchers =
                rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(it, _)| it);
            // No value in these files has a comma.
            let labels = matchers.split(',').filter_map(|it| it.split_once(['=', '!']));
            (name.to_owned(), labels.map(|(label, _)| label.trim().to_owned()).collect())
        })
        .collect()
}

#[test]
fn the_rules_name_only_what_is_told() {
    let documented = documented();
    for file in ["ckptd.rules.yml", "ckptd.test.yml"] {
        let text = std::fs::read_to_string(repository().join("docs/alerts").join(file)).unwrap();
        let named = named(&text);
        assert!(named.len() > 15, "{file}: {named:?}");
        for (name, labels) in named {
            let known = documented.get(&name).unwrap_or_else(|| panic!("{file}: there is no {name}"));
            // Prometheus adds the instance.
            let foreign: Vec<_> =
                labels.iter().filter(|it| !known.contains(*it) && *it != "instance").collect();
            assert!(foreign.is_empty(), "{file}: {name} has no {foreign:?}");
        }
    }
}

#[test]
fn every_alert_is_in_the_docs_and_tested() {
    let text = |name: &str| std::fs::read_to_string(repository().join("docs").join(name)).unwrap();
    let (rules, tests, page) =
        (text("alerts/ckptd.rules.yml"), text("alerts/ckptd.test.yml"), text("metrics.md"));
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in &alerts {
        assert!(
            tests.contains(&format!("\"{alert}\"")) || tests.contains(&format!("{alert}|")),
            "{alert} is not tested"
        );
        assert!(page.contains(&format!("| `{alert}` |")), "{alert} is not in docs/metrics.md");
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `C") || line.starts_with("| `O") || line.starts_with("| `N"));
    assert_eq!(rows.count(), alerts.len(), "docs/metrics.md has alerts that are none");
}

#[tokio::test]
async fn a_real_prometheus_scrapes_it_and_can_evaluate_every_rule() {
    let Some(mut prometheus) =
        program("prometheus", "a_real_prometheus_scrapes_it_and_can_evaluate_every_rule")
    else {
        return;
    };
    let home = Home::new();
    let daemon = with_jobs(&home).await;
    let rules = repository().join("docs/alerts/ckptd.rules.yml").canonicalize().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs: [{{job_name: ckptd, \
         static_configs: [{{targets: ['{}']}}]}}]\n",
        rules.display(),
        daemon.address
    );
    let config = home.write("prometheus.yml", &config);
    // An address that is hardly anybody else's, since Prometheus cannot say which port it got.
    let [low, high, ..] = std::process::id().to_le_bytes();
    let address = format!("127.{high}.{low}.9:9090");
    prometheus
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", config.with_file_name("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let _running = prometheus.spawn().unwrap();
    let client = Client::new(&format!("http://{address}"), None).unwrap();
    let ask =
        async |path: &str| client.get::<Value>(path).await.ok().map(|answer| answer.value["data"].clone());
    let query = async |query: &str| {
        let result = ask(&format!("/api/v1/query?query={query}")).await?;
        result["result"].as_array().filter(|found| !found.is_empty()).cloned()
    };
    seen_within(LIMIT, || query("ckptd_build_info")).await.expect("a scrape");
    // A scrape that was in time may be followed by one that was not, on a machine that is busy.
    let last = RefCell::new(Value::Null);
    let up = seen_within(LIMIT, async || {
        let target = ask("/api/v1/targets").await?["activeTargets"][0].clone();
        let is_up = target["health"] == "up" && target["lastError"] == "";
        last.replace(target);
        is_up.then_some(())
    });
    up.await.unwrap_or_else(|| panic!("the target is not up: {}", last.borrow()));
    // What a job has is there under its own name, with the id that ckptd knows.
    let id = daemon.configuration("hanging").await.job_id.to_string();
    let found = seen_within(LIMIT, || query("ckptd_checkpoint_in_flight_acknowledged_ratio")).await;
    let found = found.expect("the job");
    assert_eq!(
        (&found[0]["metric"]["job_name"], &found[0]["metric"]["job_id"]),
        (&"hanging".into(), &id.into())
    );
    assert_eq!(found[0]["metric"]["job"], "ckptd");
    let sick = RefCell::new(Vec::new());
    let rules = seen_within(LIMIT, async || {
        let groups = ask("/api/v1/rules").await?["groups"].as_array()?.clone();
        let rules: Vec<Value> =
            groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        let is_sick = |rule: &&Value| rule["health"] != "ok";
        sick.replace(rules.iter().filter(is_sick).cloned().collect());
        sick.borrow().is_empty().then_some(rules)
    });
    let rules = rules.await.unwrap_or_else(|| panic!("these cannot be evaluated: {:?}", sick.borrow()));
    assert!(rules.len() > 10, "{rules:?}");
}
