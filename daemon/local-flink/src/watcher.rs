//! Ends processes and deletes a directory when whoever started them has ended, however it ended.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Waits for the end of its input, which is the end of its parent, SIGKILL and Ctrl-C included. A number
/// may be another process's by then: only those count that were started for this directory.
const SCRIPT: &str = r#"
cat >/dev/null
for file in "$1"/*.pid; do
    read -r pid <"$file" || continue
    tr '\0' '\n' <"/proc/$pid/environ" | grep -qxF "CKPT_LOCAL_FLINK=$1" && kill -9 "$pid"
done
for attempt in 1 2 3 4 5; do rm -rf -- "$1" && break; done
"#;

/// A directory with processes of its own, which end with this.
#[derive(Debug)]
pub struct Watcher {
    directory: PathBuf,
    child: Child,
    input: Option<ChildStdin>,
}

impl Watcher {
    /// Makes a temporary directory and watches it.
    ///
    /// # Errors
    /// When the directory or the watching process cannot be made.
    pub fn start() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("ckptd-flink-").tempdir()?.keep();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "ckptd-watcher"]).arg(&directory);
        // A process group of its own, so that it outlives Ctrl-C.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        Ok(Self { directory, child, input })
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A process that ends with this; `name` tells it from others. Its output goes to `name.out` and
    /// `name.err`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(
        &self,
        name: &str,
        mut command: tokio::process::Command,
    ) -> io::Result<tokio::process::Child> {
        let file = |ending: &str| std::fs::File::create(self.directory.join(format!("{name}.{ending}")));
        command.stdin(Stdio::null()).stdout(file("out")?).stderr(file("err")?);
        command.env("CKPT_LOCAL_FLINK", &self.directory).process_group(0).kill_on_drop(true);
        let child = command.spawn()?;
        let pid = child.id().unwrap_or_default();
        std::fs::write(self.directory.join(format!("{name}.pid")), format!("{pid}\n"))?;
        Ok(child)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_started_ends_with_the_watcher_and_so_does_its_directory() {
        let watcher = Watcher::start().unwrap();
        let mut command = tokio::process::Command::new("sleep");
        command.arg("1000");
        let mut child = watcher.spawn("sleeper", command).unwrap();
        let directory = watcher.directory().to_owned();
        assert!(directory.join("sleeper.pid").is_file() && child.try_wait().unwrap().is_none());
        drop(watcher);
        assert!(!child.wait().await.unwrap().success());
        assert!(!directory.exists());
    }
}
