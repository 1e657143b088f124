//! What was measured: a line of JSON for each run, in `target/failover`, and the table of the newest ones.

use super::{Blow, Ckptd};
use crate::rig::beside_target;
use ckpt_local_flink::Scheduler;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// What a run measured; times are in milliseconds.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) scheduler: Scheduler,
    pub(super) blow: Blow,
    pub(super) ckptd: Ckptd,
    /// From the blow until ckptd says that the override is in force again.
    pub(super) in_force_after: u64,
    /// From the blow until ckptd was started, if it was down before.
    pub(super) ckptd_started_after: Option<u64>,
    /// For how long a coordinator went by what was submitted, at most.
    pub(super) not_held: u64,
    /// The longest time between two looks at the coordinator for that; if it was not looked at, `not_held` is the time
    /// from when it was built to when ckptd said that the override is in force.
    pub(super) looks_apart: Option<u64>,
    /// Whether the submitted values were seen in force again, if that was looked at.
    pub(super) submitted_seen: Option<bool>,
    /// How many checkpoints were triggered with the submitted values.
    pub(super) triggers: usize,
    /// Those that were scheduled by the submitted interval before the override came, and made after it.
    pub(super) scheduled: usize,
}

impl Row {
    /// Adds it to those of this release, and prints it.
    pub(super) fn write(&self, version: &str) {
        let blow = match self.blow {
            Blow::JobManagerKilled => "JobManager killed, another one started",
            Blow::LeadershipLost => "leadership lost and won back by the same process",
            Blow::TaskManagerKilled => "TaskManager killed, another one started",
            Blow::JobFails => "the job fails and restarts",
            Blow::Rescaled => "rescaled",
        };
        let ckptd = match self.ckptd {
            Ckptd::Lives => "lives",
            Ckptd::Killed => "killed and started meanwhile",
            Ckptd::Down => "down, started after the first checkpoint",
            Ckptd::DownToo => "down too, started first",
        };
        let row = json!({
            "version": version,
            "scheduler": format!("{:?}", self.scheduler),
            "blow": blow,
            "ckptd": ckptd,
            "inForceAfterMs": self.in_force_after,
            "ckptdStartedAfterMs": self.ckptd_started_after,
            "notHeldMs": self.not_held,
            "looksApartMs": self.looks_apart,
            "submittedSeen": self.submitted_seen,
            "triggersWithSubmittedValues": self.triggers,
            "scheduledBefore": self.scheduled,
            // Whoever comes here has found it under its old id.
            "jobIdStayed": true,
        });
        println!("failover: {row}");
        let directory = beside_target("failover");
        std::fs::create_dir_all(&directory).unwrap();
        let mut file = std::fs::OpenOptions::new();
        let mut file =
            file.create(true).append(true).open(directory.join(format!("{version}.jsonl"))).unwrap();
        file.write_all(format!("{row}\n").as_bytes()).unwrap();
    }
}

/// Writes the table of the newest run of each test into `target/failover/table.md`, in the order of the tests.
pub(crate) fn write_table(versions: &[&str]) {
    let directory = beside_target("failover");
    let mut text = String::new();
    for version in versions {
        let lines = std::fs::read_to_string(directory.join(format!("{version}.jsonl"))).unwrap_or_default();
        let rows: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let newest: BTreeMap<_, _> = rows.iter().map(|row| (order(row), row)).collect();
        if newest.is_empty() {
            continue;
        }
        writeln!(text, "Flink {version}:\n\n{HEAD}").unwrap();
        newest.values().for_each(|row| writeln!(text, "{}", line(row)).unwrap());
        text.push('\n');
    }
    if !text.is_empty() {
        let file: PathBuf = directory.join("table.md");
        std::fs::write(&file, text).unwrap();
        println!("failover: {}", file.display());
    }
}

const HEAD: &str = "\
| what happens | scheduler | ckptd | runs with it again after | did not hold for | checkpoints before that | scheduled before that |
|---|---|---|---|---|---|---|";

fn order(row: &Value) -> [String; 3] {
    // The alphabet would begin with the adaptive scheduler and end with a job's restart.
    let blow = row["blow"].as_str().unwrap_or_default();
    let place = ["JobManager", "leadership", "the job", "rescaled", "TaskManager"];
    let place = place.iter().position(|start| blow.starts_with(start)).unwrap_or(place.len());
    let ckptd = row["ckptd"].as_str().unwrap_or_default();
    let ckptd = ["lives", "killed", "down,", "down too"].iter().rposition(|start| ckptd.starts_with(start));
    let scheduler = row["scheduler"] == "Adaptive";
    [place.to_string(), scheduler.to_string(), ckptd.unwrap_or(9).to_string()]
}

fn line(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let millis = |name: &str| row[name].as_u64();
    let seconds = |millis: u64| format!("{}.{} s", millis / 1_000, millis % 1_000 / 100);
    let in_force = millis("inForceAfterMs").unwrap_or(0);
    let in_force = match millis("ckptdStartedAfterMs") {
        Some(started) => {
            format!("{} ({} after ckptd's start)", seconds(in_force), seconds(in_force - started))
        }
        None => seconds(in_force),
    };
    let not_held = match (millis("notHeldMs").unwrap_or(0), millis("looksApartMs")) {
        (0, Some(apart)) => format!("never seen; looked every {apart} ms or more often"),
        (lasted, _) => format!("at most {lasted} ms"),
    };
    let (triggers, scheduled) = (&row["triggersWithSubmittedValues"], &row["scheduledBefore"]);
    let (blow, scheduler, ckptd) = (text("blow"), text("scheduler"), text("ckptd"));
    format!("| {blow} | {scheduler} | {ckptd} | {in_force} | {not_held} | {triggers} | {scheduled} |")
}
