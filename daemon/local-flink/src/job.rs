//! A job whose checkpoints are as slow as wished, at any moment.

use crate::http::HttpError;
use crate::install::{Distribution, InstallError, run};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Mutex;

/// The job.
const SOURCE: &str = include_str!("SlowJob.java");
pub(crate) const CLASS: &str = "SlowJob";

/// Held while the job is built, so that nobody builds it twice.
static BUILDING: Mutex<()> = Mutex::const_new(());

/// Why there is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It cannot be built.
    #[error(transparent)]
    Build(#[from] InstallError),
    /// A file cannot be written.
    #[error("cannot write {path}: {cause}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Flink refuses it.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Flink answers something else.
    #[error("Flink answered '{0}' to a job")]
    Nonsense(String),
}

/// How long a job's snapshots take, now. The job looks at it while it makes one.
#[derive(Debug, Clone)]
pub struct Pace {
    file: PathBuf,
}

impl Pace {
    /// The pace that `file` says; at first snapshots are done at once.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// The job fails once, at its next record.
    ///
    /// # Errors
    /// When the file that tells it cannot be written.
    pub fn fail_once(&self) -> Result<(), JobError> {
        let file = PathBuf::from(format!("{}.fail", self.file.display()));
        std::fs::write(&file, "").map_err(|cause| JobError::File { path: file.clone(), cause })
    }

    /// From now on no task of the job comes to run, so that it cannot make a checkpoint, until the gate is opened.
    ///
    /// # Errors
    /// When the file that tells it cannot be written.
    pub fn close_gate(&self) -> Result<(), JobError> {
        let file = self.gate();
        std::fs::write(&file, "").map_err(|cause| JobError::File { path: file.clone(), cause })
    }

    /// Lets them run.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn open_gate(&self) -> Result<(), JobError> {
        let file = self.gate();
        std::fs::remove_file(&file).map_err(|cause| JobError::File { path: file.clone(), cause })
    }

    fn gate(&self) -> PathBuf {
        PathBuf::from(format!("{}.gate", self.file.display()))
    }

    /// Snapshots take this long from now on, the one under way too.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, duration: Duration) -> Result<(), JobError> {
        let wrong = |cause| JobError::File { path: self.file.clone(), cause };
        let draft = self.file.with_extension("draft");
        std::fs::write(&draft, duration.as_secs_f64().to_string()).map_err(wrong)?;
        std::fs::rename(&draft, &self.file).map_err(wrong)
    }
}

/// The job as it is submitted. It has two vertices; only the first subtask of the second one is slow.
#[derive(Debug, Clone)]
pub struct SlowJob {
    /// Its name.
    pub name: String,
    /// How often a checkpoint is triggered.
    pub interval: Duration,
    /// How long it may take.
    pub timeout: Duration,
    /// How long snapshots take.
    pub pace: Pace,
    /// How many failures in a row it survives.
    pub tolerable_failures: u32,
    /// The subtasks of each vertex.
    pub parallelism: u32,
}

impl SlowJob {
    /// What its `main` is given.
    pub(crate) fn arguments(&self) -> [String; 6] {
        [
            self.name.clone(),
            self.interval.as_millis().to_string(),
            self.timeout.as_millis().to_string(),
            self.pace.file.display().to_string(),
            self.tolerable_failures.to_string(),
            self.parallelism.to_string(),
        ]
    }
}

/// The job's jar for this Flink, built if it is not there.
pub(crate) async fn jar(distribution: &Distribution) -> Result<PathBuf, JobError> {
    let digest = Sha256::digest(SOURCE.as_bytes());
    let digest: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let jar = distribution.home.join(format!("slow-job-{digest}.jar"));
    let _alone = BUILDING.lock().await;
    if !jar.is_file() {
        let wrong = |cause| JobError::File { path: jar.clone(), cause };
        let draft = tempfile::tempdir_in(&distribution.home).map_err(wrong)?;
        let built = build(distribution, draft.path()).await?;
        std::fs::rename(built, &jar).map_err(wrong)?;
    }
    Ok(jar)
}

async fn build(distribution: &Distribution, draft: &Path) -> Result<PathBuf, JobError> {
    let (source, classes, jar) =
        (draft.join("SlowJob.java"), draft.join("classes"), draft.join("slow-job.jar"));
    std::fs::write(&source, SOURCE).map_err(|cause| JobError::File { path: source.clone(), cause })?;
    let mut compile = Command::new(&distribution.machine.javac);
    compile.args(["--release", "11", "-nowarn", "-cp"]).arg(distribution.dist_jar());
    compile.arg("-d").arg(&classes).arg(&source);
    run("javac", compile, || ()).await?;
    let script = "import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as jar:
    for name in sorted(os.listdir(sys.argv[2])):
        jar.write(os.path.join(sys.argv[2], name), name)
";
    let mut pack = Command::new(&distribution.machine.python);
    pack.args(["-c", script]).arg(&jar).arg(&classes);
    run("packing the job's jar", pack, || ()).await?;
    Ok(jar)
}
