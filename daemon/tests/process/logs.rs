//! Logs for people and for machines.

use crate::support::{Daemon, Home, QUICK};
use serde_json::Value;

async fn log_of(home: &Home, arguments: &[&str]) -> String {
    let mut command = home.serve_job(&home.write("quick.toml", QUICK));
    command.args(arguments);
    let daemon = Daemon::start(command, &home.state()).await;
    daemon.until_running("quick").await;
    daemon.checkpoint("quick").await.unwrap();
    daemon.set_timeout("quick", 20_000).await.unwrap();
    daemon.stop().await
}

#[tokio::test]
async fn with_log_json_every_line_is_an_object() {
    let log = log_of(&Home::new(), &["--log-json"]).await;
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.len() >= 4, "{log}");
    for line in &lines {
        for field in ["timestamp", "level", "message"] {
            assert!(line[field].is_string(), "{line}");
        }
    }
    let said = |message: &str| lines.iter().find(|line| line["message"] == message);
    assert!(said("ckptd is ready").unwrap()["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(said("checkpoint completed").unwrap()["job"], "quick");
    assert_eq!(said("configuration changed").unwrap()["revision"], 1);
    assert!(said("shutting down").is_some());
}

#[tokio::test]
async fn otherwise_it_is_for_people_and_without_colours_in_a_file() {
    let home = Home::new();
    let log = log_of(&home, &[]).await;
    assert!(log.contains("INFO") && log.contains("ckptd is ready"), "{log}");
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_err()), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    // The filter is an option.
    let quiet = log_of(&home, &["--log", "error"]).await;
    assert_eq!(quiet, "");
}
