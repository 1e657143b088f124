//! The demonstration on a real Flink.

use crate::Options;
use bytesize::ByteSize;
use ckpt_local_flink::{
    Cluster, ClusterError, Distribution, HttpError, InstallError, JobError, Pace, Progress, SlowJob, install,
};
use ckptd::demo::{
    DemoDaemon, DemoError, DemoScreen, RAISED_TIMEOUT, STEP_TIMEOUT, expect, pause, program,
    rescue_checkpoint, took,
};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

const JOB: &str = "payments";
const INTERVAL: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Snapshot duration of the slow subtask.
const SLOW_SNAPSHOT: Duration = Duration::from_secs(14);
/// Age at which the timeout of the second checkpoint is raised; Flink's answers are up to 3 s old.
const RESCUE_AGE: Duration = Duration::from_secs(7);

/// Reasons why the demonstration fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlinkDemoError {
    /// A step failed.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Flink cannot be downloaded.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// Flink does not start.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Flink does not accept the job.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Flink does not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Performs the demonstration.
///
/// # Errors
/// [`FlinkDemoError`] when a step has another result than promised.
pub(crate) async fn perform(options: &Options) -> Result<(), FlinkDemoError> {
    let screen = DemoScreen::start();
    let distribution = fetch(&options.flink_version, &screen).await?;
    let version = distribution.version.clone();

    screen.step(&format!("a real, unmodified Flink {version} runs payments: a checkpoint every 15s, thrown away after 10s, and one slow subtask"));
    screen.wait(format!("Flink {version} starts"));
    let cluster = Cluster::start(ckpt_local_flink::Options::new(distribution)).await?;
    screen.wait("payments starts".to_owned());
    let id = submit(&cluster).await?;
    screen.end_wait();
    let url = cluster.url();
    screen.typed(&format!("ckptd serve --flink {url}"));
    let arguments = ["--flink".into(), url.clone().into()];
    let mut daemon = DemoDaemon::start(cluster.directory(), JOB, &arguments).await?;
    let seen = daemon.until("the first look at payments", &screen, |_| true).await?;
    expect(seen.job_id.to_string() == id, || format!("ckptd finds job {id}; it was {seen:?}"))?;

    let (second, completed) = rescue_checkpoint(&daemon, JOB, RESCUE_AGE, &screen).await?;
    screen.good(&format!("checkpoint {second} completed after {}", took(&completed)));
    screen.typed(&format!("curl {url}/jobs/{id}/checkpoints/config"));
    flink_says(&cluster, &id, RAISED_TIMEOUT).await?;
    screen.good(
        "Flink's own REST API says that the timeout is 20m, and Flink was neither restarted nor changed",
    );

    screen.step("ckptd is killed with SIGKILL and started again, and the change is taken back");
    screen.typed(&format!("kill -9 <ckptd>; ckptd serve --flink {url}"));
    daemon.kill().await?;
    daemon = DemoDaemon::start(cluster.directory(), JOB, &arguments).await?;
    let known = daemon.until("the override after the restart", &screen, |seen| {
        seen.checkpoint_timeout.overridden.map(Duration::from_millis) == Some(RAISED_TIMEOUT)
    });
    let known = known.await?;
    screen.typed("ckptctl reset payments");
    let reset = daemon.reset().await?;
    expect(
        reset.applied && reset.checkpoint_timeout.effective == known.checkpoint_timeout.submitted,
        || format!("what was submitted is in force again; it was {reset:?}"),
    )?;
    flink_says(&cluster, &id, TIMEOUT).await?;
    screen.good(&format!(
        "the timeout is 10s as submitted (revision {}), and Flink's own REST API says so",
        reset.revision
    ));
    screen.finish();
    if options.keep {
        daemon.keep(&screen).await?;
    } else {
        say_next(&screen);
    }
    Ok(daemon.kill().await?)
}

fn say_next(screen: &DemoScreen) {
    let [ckptd, ckptctl, demo] = ["ckptd", "ckptctl", "ckpt-flink-demo"].map(program);
    screen.say("On a cluster of your own:");
    screen.say(&format!("     {ckptd} serve --flink http://HOST:8081"));
    screen.say(&format!("     {ckptctl} doctor"));
    screen.say(&format!("     {ckptctl} set-timeout JOB 20m"));
    screen.say(&format!("or let this one run on: {demo} --keep"));
}

async fn fetch(version: &str, screen: &DemoScreen) -> Result<Distribution, FlinkDemoError> {
    let directory = directory();
    let shown = directory.display().to_string();
    let installing = install(version, &directory, |progress| {
        screen.wait(match progress {
            Progress::Waiting => format!("another process fetches Flink {version}"),
            Progress::Fetching(bytes) => {
                format!(
                    "Flink {version} is fetched from PyPI into {shown}: {}",
                    ByteSize(bytes).display().si()
                )
            }
            Progress::Unpacking => format!("Flink {version} is unpacked"),
        });
    });
    Ok(installing.await?)
}

/// Directory of downloaded releases: in cargo's target directory when cargo runs this, in the user's cache elsewhere.
fn directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().nth(2).filter(|_| std::env::var_os("CARGO").is_some());
    if let Some(target) = target {
        return target.join("flink");
    }
    let given = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = given("XDG_CACHE_HOME").or_else(|| given("HOME").map(|home| home.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("ckptd/flink")
}

async fn submit(cluster: &Cluster) -> Result<String, FlinkDemoError> {
    let pace = Pace::new(cluster.directory().join("pace"));
    pace.set(SLOW_SNAPSHOT)?;
    let job = SlowJob {
        name: JOB.to_owned(),
        interval: INTERVAL,
        timeout: TIMEOUT,
        pace,
        tolerable_failures: 1_000,
        parallelism: 10,
    };
    Ok(job.submit(cluster).await?)
}

/// Waits until Flink says this timeout: it looks every 3 s.
async fn flink_says(cluster: &Cluster, id: &str, timeout: Duration) -> Result<(), FlinkDemoError> {
    let until = Instant::now() + STEP_TIMEOUT;
    loop {
        let config = cluster.get(&format!("/jobs/{id}/checkpoints/config")).await?;
        if config["timeout"].as_u64().map(Duration::from_millis) == Some(timeout) {
            return Ok(());
        }
        pause(until, "the new value in Flink's own REST API").await?;
    }
}
