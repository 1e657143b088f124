//! A real `ckptd` for a test, on a port and in a directory of its own.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// How often something is looked at that has to happen sooner or later, at most: 50 ms apart.
const MOST_LOOKS: u32 = 1_200;

/// Checkpoint 1 hangs, so that it is in flight for as long as its timeout lets it; the others take as
/// long as the disk does.
#[allow(dead_code, reason = "not every test that has a daemon submits it")]
pub(crate) const HANGS_ONCE: &str = r#"
name = "orders"
vertices = [{ name = "source", parallelism = 1 }, { name = "sink", parallelism = 3 }]
[checkpointing]
interval = "200ms"
timeout = "10m"
tolerable-failures = "unlimited"
[rehearsal]
size = "1kB"
faults = [{ vertex = "sink", subtask = 2, to = 1, kind = "hang" }]
"#;

pub(crate) struct Daemon {
    child: Child,
    home: TempDir,
    server: String,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(ckptd())
            .args(["serve", "--log-json", "--listen", "127.0.0.1:0", "--state-dir"])
            .arg(home.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let server = log
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(serde_json::from_str::<Value>(&line).ok()?["url"].as_str()?.to_owned()))
            .expect("ckptd says where it listens");
        // What it says later is read too, so that it never waits for somebody to read it.
        std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
        Self { child, home, server }
    }

    #[allow(dead_code, reason = "not every test that has a daemon asks")]
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn state(&self) -> &Path {
        self.home.path()
    }

    /// Runs `ckptctl` with these arguments, separated by spaces.
    pub(crate) fn ckptctl(&self, arguments: &str) -> Ended {
        let own = [OsStr::new("--state-dir"), self.state().as_os_str()];
        let token = if arguments.contains("--state-dir") { &[] } else { own.as_slice() };
        let ended = Command::new(env!("CARGO_BIN_EXE_ckptctl"))
            .args(arguments.split_whitespace())
            .env("CKPTCTL_SERVER", &self.server)
            .env("XDG_STATE_HOME", "/nonexistent")
            .args(token)
            .env_remove("CKPTCTL_TOKEN_FILE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ended {
            code: ended.status.code().unwrap_or(-1),
            out: String::from_utf8(ended.stdout).unwrap(),
            err: String::from_utf8(ended.stderr).unwrap(),
        }
    }

    pub(crate) fn submit(&self, job_file: &str) {
        let file = self.state().join("job-file.toml");
        std::fs::write(&file, job_file).unwrap();
        let submitted = self.ckptctl(&format!("submit {}", file.display()));
        assert_eq!(submitted.code, 0, "{submitted:?}");
    }

    pub(crate) fn json(&self, job: &str) -> Value {
        let shown = self.ckptctl(&format!("get {job} -o json"));
        serde_json::from_str(&shown.out).unwrap_or_else(|error| panic!("{error}: {shown:?}"))
    }

    /// Looks at a job until it is as wanted.
    pub(crate) fn until_json(&self, job: &str, wanted: impl Fn(&Value) -> bool) {
        let mut last = Value::Null;
        for _ in 0..MOST_LOOKS {
            last = self.json(job);
            if wanted(&last) {
                return;
            }
            #[allow(clippy::disallowed_methods, reason = "between two looks at another process")]
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("this never became as wanted: {last}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The daemon's program beside that of this test, built if need be: cargo builds only this package's own
/// programs for a test. `.ci/run` tests the whole workspace, for which it is built already.
fn ckptd() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let ckptctl = Path::new(env!("CARGO_BIN_EXE_ckptctl"));
        let ckptd = ckptctl.with_file_name("ckptd");
        if std::env::var_os("CKPT_WORKSPACE_IS_BUILT").is_some() && ckptd.exists() {
            return ckptd;
        }
        let profile = ckptctl.parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "ckptd"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.env("CARGO_TARGET_DIR", profile.parent().unwrap()).status().unwrap();
        assert!(built.success(), "ckptd can be built");
        ckptd
    })
}
