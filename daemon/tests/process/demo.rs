//! The demonstration, to its end.

use crate::support::{ckptd, run};
use ckpt_types::duration::parse;
use std::time::Duration;

/// It waits for several triggers of job123, which comes every 15 s, so it takes most of a minute.
const LIMIT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn the_demonstration_ends_with_0_and_names_what_to_try_next() {
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
    let last = &said[said.len() - 6..];
    assert_eq!(last[0], "All of this truly happened.");
    assert!(last[4].starts_with("ckptctl set-timeout"), "{last:?}");
    assert!(last[5].contains("demo --keep"), "{last:?}");
    // It cleans up after itself: no directory, and so no daemon that uses it.
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
