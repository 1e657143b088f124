//! A disk that takes no more, with a limit on the size of files in its place.

use crate::support::{Daemon, Home, ckptd, until};
use ckpt_api::flink::SavepointRequest;
use ckpt_api::{AuditResult, ConfigurationPatch, Field, JobState, Lasting};
use ckpt_client::ChangeOptions;
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use std::time::Duration;
use tokio::process::Command;

/// No file that the daemon writes gets larger than so many blocks, of 512 or 1024 bytes each as shells count.
fn starved(home: &Home, blocks: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]);
    let serve = home.serve();
    command.arg(serve.as_std().get_program()).args(serve.as_std().get_args()).env_remove("CKPTD_LOG");
    command
}

const LARGE: &str = "name = 'large'
vertices = [{name = 'v', parallelism = 2}]
[checkpointing]
timeout = '1h'
tolerable-failures = 'unlimited'
[rehearsal]
size = '100kB'
";

#[tokio::test]
async fn snapshots_that_cannot_be_written_decline_the_checkpoint_and_the_daemon_goes_on() {
    let home = Home::new();
    let daemon = Daemon::start(starved(&home, 1), &home.state()).await;
    daemon.client.submit(LARGE.to_owned()).await.unwrap();
    daemon.until_running("large").await;
    for failures in 1..=3 {
        let cause = daemon.checkpoint("large").await.unwrap_err();
        assert!(cause.contains("Asynchronous task checkpoint failed."), "{cause}");
        let seen = daemon.configuration("large").await;
        assert_eq!((seen.state, seen.failures.consecutive), (JobState::Running, failures));
    }
    let failed = daemon.get("/jobs/large/checkpoints/details/3").await;
    let message = failed["failure_message"].as_str().unwrap();
    assert!(
        message.contains(".state") && message.contains("too large"),
        "it says what the disk said: {message}"
    );
    // A savepoint in a place without room fails as well, and leaves nothing there.
    let target = home.state().with_file_name("full");
    let request = SavepointRequest {
        target_directory: Some(target.display().to_string()),
        ..SavepointRequest::default()
    };
    let asked = daemon.client.savepoint("large", &request).await.unwrap().value.request_id;
    let result = until("the end of a savepoint", || async {
        daemon.client.savepoint_status("large", asked).await.unwrap().value.operation
    });
    let cause = result.await.failure_cause.unwrap().stack_trace;
    assert!(cause.contains(".state") && cause.contains("too large"), "{cause}");
    until("its directory is gone", || async {
        std::fs::read_dir(&target).unwrap().next().is_none().then_some(())
    })
    .await;
    assert_eq!(daemon.configuration("large").await.state, JobState::Running);
    let id = daemon.configuration("large").await.job_id;
    daemon.stop().await;
    // With room again, the same job goes on, with its next number.
    let daemon = home.daemon().await;
    daemon.until_running("large").await;
    assert_eq!(daemon.checkpoint("large").await, Ok(5));
    let directory = home.state().join("checkpoints").join(id.to_string());
    assert!(directory.join("chk-5/_metadata").is_file());
    assert!(!directory.join("chk-3").exists());
}

#[tokio::test]
async fn overrides_that_cannot_be_written_are_503_and_not_applied() {
    let home = Home::new();
    // Files of the audit log stay smaller than what does not fit.
    let config = home.write("ckptd.toml", "[audit]\nrotate-at = '1000B'\n");
    let mut serve = starved(&home, 4);
    serve.arg("--config").arg(config);
    let daemon = Daemon::start(serve, &home.state()).await;
    let large = LARGE.replace("[checkpointing]", "[checkpointing]\ninterval = '1h'");
    daemon.client.submit(large).await.unwrap();
    daemon.until_running("large").await;
    // One that fits is stored.
    daemon.set_timeout("large", 20_000).await.unwrap();
    let path = home.state().join("overrides.json");
    let stored = std::fs::read(&path).unwrap();
    // A temporary one of both values has its reason three times, and the audit log has it once.
    let patch = ConfigurationPatch {
        timeout: Field::Set(CheckpointTimeout::from_millis(30_000).unwrap()),
        interval: Field::Set(CheckpointInterval::from_millis(30_000).unwrap()),
        lasting: Lasting::For(Duration::from_secs(3_600)),
        reason: Some("長".repeat(500)),
        ..ConfigurationPatch::default()
    };
    for _ in 0..3 {
        let refused = daemon.client.change("large", &patch, ChangeOptions::default()).await.unwrap_err();
        assert_eq!(refused.status().map(|status| status.as_u16()), Some(503), "{refused}");
        assert!(refused.to_string().contains("nothing was changed"), "{refused}");
        assert!(refused.to_string().contains("overrides.json"), "{refused}");
    }
    let audit = daemon.client.audit(None, None, None).await.unwrap().value;
    let results: Vec<_> = audit.entries.iter().map(|entry| entry.outcome.as_ref().unwrap().result).collect();
    use AuditResult::{Applied, Refused};
    assert_eq!(results, [Refused, Refused, Refused, Applied]);
    let seen = daemon.configuration("large").await;
    assert_eq!((seen.revision, seen.applied), (1, true));
    assert_eq!(seen.checkpoint_timeout.effective, Some(20_000));
    assert_eq!(std::fs::read(&path).unwrap(), stored);
    let drafts = std::fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().file_name());
    let drafts = drafts.filter(|name| name.to_str().unwrap().starts_with(".draft"));
    assert_eq!(drafts.count(), 0, "no half-written draft");
    // What fits is taken again, as the next revision.
    assert_eq!(daemon.set_timeout("large", 40_000).await.unwrap().revision, 2);
    // A job file that does not fit is not submitted.
    let long = LARGE.replace("'large'", "'longer'") + &"# a comment\n".repeat(400);
    let refused = daemon.client.submit(long).await.unwrap_err();
    assert_eq!(refused.status().map(|status| status.as_u16()), Some(503), "{refused}");
    assert!(daemon.client.configuration("longer").await.is_err());
    daemon.kill().await;
    let daemon = home.daemon().await;
    assert_eq!(daemon.configuration("large").await.revision, 2);
    assert!(daemon.client.configuration("longer").await.is_err());
}

#[tokio::test]
async fn a_change_that_does_not_fit_into_the_audit_log_is_503_and_not_made() {
    let home = Home::new();
    let daemon = Daemon::start(starved(&home, 4), &home.state()).await;
    daemon.client.submit(LARGE.to_owned()).await.unwrap();
    daemon.until_running("large").await;
    let mut made = 0;
    let refused = loop {
        match daemon.set_timeout("large", 20_000 + made).await {
            Ok(_) => made += 1,
            Err(refused) => break refused,
        }
        assert!(made < 100, "the file is full by now");
    };
    assert!(made > 0, "the first ones fit: {refused}");
    assert_eq!(refused.status().map(|status| status.as_u16()), Some(503), "{refused}");
    assert!(refused.to_string().contains("audit log, so nothing was changed"), "{refused}");
    let seen = daemon.configuration("large").await;
    assert_eq!((seen.revision, seen.checkpoint_timeout.effective), (made, Some(20_000 + made - 1)));
    let entries = daemon.client.audit(None, None, None).await.unwrap().value.entries;
    assert_eq!(entries.len() as u64, made, "nothing is left of the one that was refused");
    daemon.kill().await;
    let daemon = home.daemon().await;
    assert_eq!(daemon.set_timeout("large", 50_000).await.unwrap().revision, made + 1, "there is room again");
}

#[tokio::test]
async fn a_token_that_cannot_be_stored_is_not_used() {
    let home = Home::new();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
    let serve = home.serve();
    command.arg(serve.as_std().get_program()).args(serve.as_std().get_args());
    let sentence = crate::support::refused(command).await;
    assert!(sentence.contains(&home.state().display().to_string()), "{sentence}");
    // The next start, with room, is not stopped by what is left of it.
    let daemon = home.daemon().await;
    daemon.get("/jobs").await;
    let mut version = ckptd();
    version.arg("--version");
    assert!(crate::support::run(version, crate::support::LIMIT).await.status.success());
}
