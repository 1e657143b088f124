//! What systemd says of the unit. It does not have to run for that.

use crate::support::run;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(60);
/// The release whose judgement is in docs/systemd.md: others weigh differently.
const RELEASE: &str = "systemd 252 ";
/// The most that any release may say, out of 10.
const MOST: [f64; 2] = [1.5, 2.5];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The first line of its version; `None`, and a line that says so, when it is missing.
async fn release(test: &str) -> Option<String> {
    let mut command = Command::new("systemd-analyze");
    command.arg("--version").kill_on_drop(true);
    if let Ok(output) = command.output().await {
        return Some(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned());
    }
    assert!(
        std::env::var_os("CKPT_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "systemd-analyze is missing"
    );
    let line = format!("skipped: {test}: systemd-analyze is missing; apt-get install systemd\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// The unit on a directory of its own, with its drop-in or without.
fn installed(attach: bool) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let unit = home.path().join("ckptd.service");
    let source = repository().join("packaging/systemd");
    let text = std::fs::read_to_string(source.join("ckptd.service")).unwrap();
    // It has to be there for `verify`.
    std::fs::write(&unit, text.replace("/usr/local/bin/ckptd", env!("CARGO_BIN_EXE_ckptd"))).unwrap();
    if attach {
        let drop_in = home.path().join("ckptd.service.d");
        std::fs::create_dir(&drop_in).unwrap();
        std::fs::copy(source.join("attach.conf"), drop_in.join("attach.conf")).unwrap();
    }
    (home, unit)
}

#[tokio::test]
async fn systemd_takes_the_unit_and_finds_it_no_more_exposed_than_the_docs_say() {
    let name = "systemd_takes_the_unit_and_finds_it_no_more_exposed_than_the_docs_say";
    let Some(release) = release(name).await else { return };
    let page = std::fs::read_to_string(repository().join("docs/systemd.md")).unwrap();
    for attach in [false, true] {
        let (_home, unit) = installed(attach);
        let mut verify = Command::new("systemd-analyze");
        verify.arg("verify").arg(&unit);
        let verified = run(verify, LIMIT).await;
        // It looks at whatever else is installed, too, and has something to say of that.
        let said: Vec<_> = verified.stderr.lines().filter(|line| line.contains("ckptd")).collect();
        assert!(said.is_empty(), "attach {attach}: {said:?}");

        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--no-pager"]).arg(&unit);
        let judged = run(security, LIMIT).await;
        let overall = judged.stdout.lines().find_map(|line| line.split_once("ckptd.service: "));
        let (_, overall) = overall.unwrap_or_else(|| panic!("{judged:?}"));
        let exposure: f64 = overall.split(' ').next().unwrap().parse().unwrap();
        assert!(exposure <= MOST[usize::from(attach)], "attach {attach}: {overall}");
        if release.starts_with(RELEASE) {
            let row =
                format!("| `{}` | {exposure:.1} |", if attach { "attach.conf" } else { "ckptd.service" });
            assert!(page.contains(&row), "docs/systemd.md does not say {row}");
        }
    }
}
