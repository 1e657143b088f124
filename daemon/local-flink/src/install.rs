//! Fetching a Flink from PyPI, whole or not at all.

use crate::machine::{Lack, Machine};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// The longest time that fetching one release may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// How often progress is told, and a lock tried.
const EVERY: Duration = Duration::from_millis(300);
/// Takes the jars out of a wheel.
const UNPACK: &str = "
import os, shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name.startswith('pyflink/lib/') and name.endswith('.jar'):
            with wheel.open(name) as jar, open(os.path.join(sys.argv[2], os.path.basename(name)), 'wb') as to:
                shutil.copyfileobj(jar, to, 1 << 20)
";

/// A Flink on this machine.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// Its version.
    pub version: String,
    /// Its directory; the jars are in `lib`.
    pub home: PathBuf,
    /// What it runs with.
    pub machine: Machine,
}

impl Distribution {
    /// The version's first two numbers.
    #[must_use]
    pub fn release(&self) -> (u32, u32) {
        let mut numbers = self.version.split('.').map_while(|number| number.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    pub(crate) fn dist_jar(&self) -> PathBuf {
        self.home.join(format!("lib/flink-dist-{}.jar", self.version))
    }
}

/// How far an installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another process is fetching the same release.
    Waiting,
    /// So many bytes have come.
    Fetching(u64),
    /// The jars are taken out.
    Unpacking,
}

/// Why there is no Flink.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The machine lacks something.
    #[error("a local Flink {0}")]
    Lack(#[from] Lack),
    /// The version is none.
    #[error("'{0}' is not a version of Flink; write for example 2.3.0")]
    Version(String),
    /// A file or a program does not work.
    #[error("cannot {what} {path}: {cause}", path = .path.display())]
    Machine {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// A program said no.
    #[error("{what} failed: {said}")]
    Failed {
        /// What was tried.
        what: String,
        /// What it said last.
        said: String,
    },
    /// It took too long.
    #[error("{what} took longer than {} minutes", LIMIT.as_secs() / 60)]
    Late {
        /// What.
        what: String,
    },
}

/// The Flink of this `version` in `directory`, fetched if it is not there. It is there whole or not at all,
/// and two processes that want it at once fetch it once.
///
/// # Errors
/// See [`InstallError`].
pub async fn install(
    version: &str,
    directory: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Distribution, InstallError> {
    let numbers = version.split('.').filter(|number| number.parse::<u32>().is_ok()).count();
    if numbers != version.split('.').count() || numbers < 2 {
        return Err(InstallError::Version(version.to_owned()));
    }
    let machine = Machine::look()?;
    let home = directory.join(version);
    let distribution = Distribution { version: version.to_owned(), home, machine };
    if distribution.dist_jar().is_file() {
        return Ok(distribution);
    }
    std::fs::create_dir_all(directory).map_err(wrong("make", directory))?;
    let lock_file = directory.join(format!(".{version}.lock"));
    let lock = File::create(&lock_file).map_err(wrong("make", &lock_file))?;
    await_lock(&lock, version, &mut progress).await?;
    if distribution.dist_jar().is_file() {
        return Ok(distribution);
    }
    let draft = tempfile::Builder::new().prefix(".draft-").tempdir_in(directory);
    let draft = draft.map_err(wrong("make a directory in", directory))?;
    let whole = fetch(&distribution, draft.path(), &mut progress).await?;
    std::fs::rename(&whole, &distribution.home).map_err(wrong("move", &whole))?;
    Ok(distribution)
}

fn wrong<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> InstallError + 'a {
    move |cause| InstallError::Machine { what, path: path.to_owned(), cause }
}

async fn await_lock(
    lock: &File,
    version: &str,
    progress: &mut impl FnMut(Progress),
) -> Result<(), InstallError> {
    let waiting = async {
        while let Err(TryLockError::WouldBlock) = lock.try_lock() {
            progress(Progress::Waiting);
            sleep(EVERY).await;
        }
    };
    let late = |_| InstallError::Late { what: format!("another process that fetches Flink {version}") };
    timeout(LIMIT, waiting).await.map_err(late)
}

/// Fetches into `draft`; what is to be kept is the directory that comes back.
async fn fetch(
    wanted: &Distribution,
    draft: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<PathBuf, InstallError> {
    let (environment, wheels, parts) = (draft.join("venv"), draft.join("wheels"), draft.join("parts"));
    let (whole, python) = (draft.join("flink"), draft.join("venv/bin/python"));
    for directory in [&wheels, &parts, &whole, &whole.join("lib")] {
        std::fs::create_dir(directory).map_err(wrong("make", directory))?;
    }
    progress(Progress::Fetching(0));
    let mut make = Command::new(&wanted.machine.python);
    make.args(["-m", "venv"]).arg(&environment);
    run("python3 -m venv", make, || ()).await?;
    let package = format!("apache-flink-libraries=={}", wanted.version);
    let mut wheel = Command::new(&python);
    wheel.args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]);
    // Parts of files are counted too.
    wheel.arg("--wheel-dir").arg(&wheels).arg(&package).env("TMPDIR", &parts).current_dir(&parts);
    let what = format!("pip wheel --no-deps {package}");
    run(&what, wheel, || progress(Progress::Fetching(size(&parts) + size(&wheels)))).await?;
    progress(Progress::Unpacking);
    let missing = || InstallError::Failed { what: what.clone(), said: "it left no wheel".to_owned() };
    let wheel = std::fs::read_dir(&wheels).ok().and_then(|mut files| files.next()?.ok());
    let mut unpack = Command::new(&python);
    unpack.args(["-c", UNPACK]).arg(wheel.ok_or_else(missing)?.path()).arg(whole.join("lib"));
    run("unpacking the wheel", unpack, || ()).await?;
    match whole.join(format!("lib/flink-dist-{}.jar", wanted.version)).is_file() {
        true => Ok(whole),
        false => Err(InstallError::Failed { what, said: "the wheel holds no flink-dist".to_owned() }),
    }
}

/// Runs a program to its end.
pub(crate) async fn run(
    what: &str,
    mut command: Command,
    mut meanwhile: impl FnMut(),
) -> Result<(), InstallError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let running = async move { command.output().await };
    tokio::pin!(running);
    let until = Instant::now() + LIMIT;
    let output = loop {
        tokio::select! {
            output = &mut running => break output,
            () = tokio::time::sleep_until(until) => return Err(InstallError::Late { what: what.to_owned() }),
            () = sleep(EVERY) => meanwhile(),
        }
    };
    let output = output.map_err(wrong("run", Path::new(what)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = last[last.len().saturating_sub(3)..].join("\n");
    Err(InstallError::Failed { what: what.to_owned(), said })
}

fn size(path: &Path) -> u64 {
    let Ok(found) = std::fs::symlink_metadata(path) else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_version_is_a_number_and_no_path() {
        let home = tempfile::tempdir().unwrap();
        for wrong in ["", "2", "../2.3.0", "2.3.x", "latest"] {
            let refused = install(wrong, home.path(), |_| ()).await.unwrap_err();
            assert!(matches!(refused, InstallError::Version(_)), "{wrong}: {refused}");
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
