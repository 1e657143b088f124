//! Overrides that end by themselves, and the audit log, through real kills.

use crate::support::{Daemon, HANGING, Home, run, until};
use ckpt_api::{AuditEntry, AuditResult, Configuration, ConfigurationPatch, Field, Lasting};
use ckpt_client::{ChangeOptions, ClientError};
use ckpt_clock::wall_millis;
use ckpt_types::bounds::CheckpointTimeout;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

async fn set_for(daemon: &Daemon, timeout: u64, time: Duration) -> Result<Configuration, ClientError> {
    let patch = ConfigurationPatch {
        timeout: Field::Set(CheckpointTimeout::from_millis(timeout).unwrap()),
        lasting: Lasting::For(time),
        ..ConfigurationPatch::default()
    };
    Ok(daemon.client.change("hanging", &patch, ChangeOptions::default()).await?.value)
}

fn until_of(configuration: &Configuration) -> Option<u64> {
    configuration.checkpoint_timeout.origin.as_ref().and_then(|origin| origin.until)
}

/// Sets one that ends soon, and returns an answer in which it has not ended. A slow machine may answer when its time is
/// up: then it gets more.
async fn set_for_a_while(daemon: &Daemon, timeout: u64) -> Configuration {
    for seconds in [2, 4, 8, 16] {
        let time = Duration::from_secs(seconds);
        let latest = wall_millis() + seconds * 1_000;
        let set = set_for(daemon, timeout, time).await.unwrap();
        if until_of(&set).is_some() {
            return set;
        }
        assert!(wall_millis() >= latest, "it has ended before its time: {set:?}");
    }
    panic!("no answer comes within 16 s");
}

#[tokio::test]
async fn an_override_ends_by_itself_in_force_and_on_disk() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("hanging.toml", HANGING)).await;
    daemon.until_running("hanging").await;
    daemon.set_timeout("hanging", 7_000_000).await.unwrap();
    let set = set_for_a_while(&daemon, 8_000_000).await;
    assert_eq!(set.checkpoint_timeout.origin.unwrap().afterwards, Some(7_000_000));
    // It is stored first, and in force a moment later.
    let ended = |seen: &Configuration| {
        seen.revision == set.revision + 1
            && seen.applied
            && seen.checkpoint_timeout.effective == Some(7_000_000)
    };
    daemon.until("the end", "hanging", ended).await;
    let stored = std::fs::read_to_string(home.state().join("overrides.json")).unwrap();
    assert!(!stored.contains("8000000"), "{stored}");
    until("its line in the log", || async { daemon.log().contains("an override has ended").then_some(()) })
        .await;
}

#[tokio::test]
async fn what_ended_while_ckptd_was_killed_is_gone_when_it_is_back() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("hanging.toml", HANGING)).await;
    daemon.until_running("hanging").await;
    let set = set_for_a_while(&daemon, 8_000_000).await;
    daemon.kill().await;
    let end = until_of(&set).unwrap();
    until("its time", || async { (wall_millis() > end).then_some(()) }).await;
    let daemon = home.daemon().await;
    let back = daemon.until_running("hanging").await;
    assert_eq!((back.revision, back.checkpoint_timeout.overridden), (set.revision + 1, None));
    assert_eq!(back.checkpoint_timeout.effective, Some(3_600_000));
    let stored = std::fs::read_to_string(home.state().join("overrides.json")).unwrap();
    assert!(!stored.contains("8000000"), "{stored}");
    daemon.trigger("hanging").await;
    let seen = daemon.until("a checkpoint", "hanging", |seen| !seen.in_flight.is_empty()).await;
    assert!(seen.in_flight[0].remaining.unwrap() <= 3_600_000, "{seen:?}");
}

/// Every line of every file, the oldest first; what a kill left of one is none.
fn lines(state: &Path) -> Vec<serde_json::Value> {
    let mut files: Vec<_> = std::fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("audit.jsonl"))
        .collect();
    files.sort();
    assert!(files.len() > 1, "it was rotated: {files:?}");
    // One file after the other: what a kill left at the end of one is not the beginning of the next.
    let texts = files.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let values =
        |text: String| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>();
    texts.flat_map(values).collect()
}

#[tokio::test]
async fn every_change_that_was_answered_is_in_the_audit_log_after_a_kill_in_the_middle() {
    let home = Home::new();
    let config = home.write("ckptd.toml", "[audit]\nrotate-at = '4096B'\n");
    let mut serve = home.serve_job(&home.write("hanging.toml", HANGING));
    serve.arg("--config").arg(&config);
    let daemon = Daemon::start(serve, &home.state()).await;
    daemon.until_running("hanging").await;
    let mut answered: BTreeMap<u64, u64> = BTreeMap::new();
    let mut storm = tokio::task::JoinSet::new();
    let (said, mut heard) = tokio::sync::mpsc::channel(16);
    for worker in 0..8_u64 {
        let (client, said) = (daemon.client.clone(), said.clone());
        storm.spawn(async move {
            for nth in 0.. {
                let timeout = 1_000_000 + worker * 100_000 + nth;
                let patch = ConfigurationPatch {
                    timeout: Field::Set(CheckpointTimeout::from_millis(timeout).unwrap()),
                    ..ConfigurationPatch::default()
                };
                let Ok(answer) = client.change("hanging", &patch, ChangeOptions::default()).await else {
                    return;
                };
                // Somebody else's may be in force by then; the revision that it got is in the log.
                if said.send((timeout, answer.value.revision)).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(said);
    while answered.len() < 100 {
        let (timeout, revision) = heard.recv().await.unwrap();
        answered.insert(timeout, revision);
    }
    daemon.kill().await;
    while let Some((timeout, revision)) = heard.recv().await {
        answered.insert(timeout, revision);
    }
    let mut serve = home.serve();
    serve.arg("--config").arg(&config);
    let daemon = Daemon::start(serve, &home.state()).await;
    let audit = until("an end for each", || async {
        let audit = daemon.client.audit(None, None, Some(1_000)).await.unwrap().value;
        audit.entries.iter().all(|entry| entry.outcome.is_some()).then_some(audit)
    })
    .await;
    let by_timeout: BTreeMap<_, &AuditEntry> =
        audit.entries.iter().map(|entry| (entry.asked.timeout.unwrap().to.unwrap(), entry)).collect();
    for timeout in answered.keys() {
        let entry =
            by_timeout.get(timeout).unwrap_or_else(|| panic!("{timeout} was answered and is not there"));
        let result = entry.outcome.as_ref().unwrap().result;
        assert!(matches!(result, AuditResult::Applied | AuditResult::Stored), "{entry:?}");
    }
    let revision = daemon.configuration("hanging").await.revision;
    let made = audit.entries.iter().filter(|entry| {
        matches!(entry.outcome.as_ref().unwrap().result, AuditResult::Applied | AuditResult::Stored)
    });
    assert!(made.count() as u64 <= revision, "nothing is said to be made that was not");
    let lines = lines(&home.state());
    let asked = lines.iter().filter(|line| line["line"] == "asked").count();
    assert_eq!(asked, audit.entries.len(), "no line was lost or came twice");
}

#[tokio::test]
async fn a_configuration_file_is_checked_without_being_used() {
    let home = Home::new();
    let check = |text: &str| {
        let file = home.write("ckptd.toml", text);
        let mut command = crate::support::ckptd();
        command.arg("check-config").arg(file);
        run(command, crate::support::LIMIT)
    };
    let fine = check("[policy]\nlongest-timeout = '1h'\n").await;
    assert_eq!(fine.status.code(), Some(0), "{fine:?}");
    let wrong = check("[policy]\nlongest-timeuot = '1h'\n").await;
    assert!(wrong.refusal().contains("line 2, column 1: unknown field `longest-timeuot`"), "{wrong:?}");
}
