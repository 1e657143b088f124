//! The demonstration, to its end.

use crate::support::{ckptd, run};
use ckpt_types::duration::parse;
use std::time::Duration;

/// It waits for several triggers of job123, which comes every 15 s, so it takes most of a minute.
const LIMIT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn demo_succeeds_and_names_next_commands() {
    let home = tempfile::tempdir().unwrap();
    let mut command = ckptd();
    command.arg("demo").env("TMPDIR", home.path()).env_remove("CARGO");
    let ended = run(command, LIMIT).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let said: Vec<_> = ended.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Each step says what an operator would type.
    for part in [
        "1/4",
        "$ ckptd serve --job examples/job123.toml",
        "checkpoint 1 was thrown away after ",
        "with 19 of 20 subtasks stored",
        "$ ckptctl set-timeout job123 20m",
        "checkpoint 2, 19 of 20 subtasks stored",
        "checkpoint 2 completed after ",
        "4/4",
        "the timeout is still 20m (revision 1), and checkpoint 3 is in flight",
    ] {
        assert!(said.iter().any(|line| line.contains(part)), "{part}: {}", ended.stdout);
    }
    // One is thrown away at its timeout, of 10s; the other one completes, though it takes longer than that.
    let took = |before: &str, behind: &str| {
        let text = said.iter().find_map(|line| line.split_once(before)?.1.split_once(behind));
        let (text, _) = text.unwrap_or_else(|| panic!("{before}: {}", ended.stdout));
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let lost = took("checkpoint 1 was thrown away after ", " with");
    let saved = took("checkpoint 2 completed after ", ": ");
    let timeout = Duration::from_secs(10);
    assert!(lost >= timeout && saved > timeout, "{lost:?} and {saved:?}");
    let last = &said[said.len() - 5..];
    assert_eq!(last[0], "Try it yourself, in three terminals:");
    assert!(last[3].starts_with("ckptctl set-timeout"), "{last:?}");
    assert!(last[4].contains("demo --keep"), "{last:?}");
    // It cleans up after itself: no directory, and so no daemon that uses it.
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn demo_flink_names_its_program() {
    for arguments in [&["--flink"][..], &["--flink", "--keep", "--flink-version", "1.20.0"]] {
        let mut command = ckptd();
        command.arg("demo").args(arguments);
        let ended = run(command, LIMIT).await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert_eq!(
            ended.stderr,
            "error: the demo on Flink is a program of its own: \
             run 'cargo run --release -p ckpt-flink-demo' in the source tree instead\n"
        );
    }
}
