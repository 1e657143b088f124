//! The demonstration on a real Flink.

use super::daemon::{Daemon, pause};
use super::rescue::rescue;
use super::show::Show;
use super::{DemoError, LIMIT, LONGER, Options, expect, machine, took};
use crate::local_flink::{self, Cluster, Distribution, Pace, Progress, SlowJob};
use bytesize::ByteSize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

const JOB: &str = "payments";
const INTERVAL: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long its slowest subtask takes.
const SLOWEST: Duration = Duration::from_secs(14);
/// How old the second checkpoint gets before the timeout is raised; Flink's answers are up to 3 s old.
const AGE_OF_RESCUE: Duration = Duration::from_secs(7);

pub(super) async fn perform(options: &Options) -> Result<(), DemoError> {
    let show = Show::start();
    let distribution = fetch(&options.flink_version, &show).await?;
    let version = distribution.version.clone();

    show.step(&format!("a real, unmodified Flink {version} runs payments: a checkpoint every 15s, thrown away after 10s, and one slow subtask"));
    show.wait(format!("Flink {version} starts"));
    let cluster = Cluster::start(local_flink::Options::new(distribution)).await?;
    show.wait("payments starts".to_owned());
    let id = submit(&cluster).await?;
    show.waited();
    let url = cluster.url();
    show.typed(&format!("ckptd serve --flink {url}"));
    let arguments = ["--flink".into(), url.clone().into()];
    let mut daemon = Daemon::start(cluster.directory(), JOB, &arguments).await?;
    let seen = daemon.until("the first look at payments", &show, |_| true).await?;
    expect(seen.job_id.to_string() == id, || format!("ckptd finds job {id}; it was {seen:?}"))?;

    let (second, completed) = rescue(&daemon, JOB, AGE_OF_RESCUE, &show).await?;
    show.good(&format!("checkpoint {second} completed after {}", took(&completed)));
    show.typed(&format!("curl {url}/jobs/{id}/checkpoints/config"));
    flink_says(&cluster, &id, LONGER).await?;
    show.good(
        "Flink's own REST API says that the timeout is 20m, and Flink was neither restarted nor changed",
    );

    show.step("ckptd is killed with SIGKILL and started again, and the change is taken back");
    show.typed(&format!("kill -9 <ckptd>; ckptd serve --flink {url}"));
    daemon.kill().await?;
    daemon = Daemon::start(cluster.directory(), JOB, &arguments).await?;
    let known = daemon.until("the override after the restart", &show, |seen| {
        seen.checkpoint_timeout.overridden.map(Duration::from_millis) == Some(LONGER)
    });
    let known = known.await?;
    show.typed("ckptctl reset payments");
    let reset = daemon.reset().await?;
    expect(
        reset.applied && reset.checkpoint_timeout.effective == known.checkpoint_timeout.submitted,
        || format!("what was submitted is in force again; it was {reset:?}"),
    )?;
    flink_says(&cluster, &id, TIMEOUT).await?;
    show.good(&format!(
        "the timeout is 10s as submitted (revision {}), and Flink's own REST API says so",
        reset.revision
    ));
    show.done();
    if options.keep {
        show.keep(daemon.client.server(), &daemon.state, JOB);
        tokio::signal::ctrl_c().await.map_err(machine("cannot wait for Ctrl-C"))?;
    } else {
        show.next_on_flink("http://HOST:8081");
    }
    daemon.kill().await
}

async fn fetch(version: &str, show: &Show) -> Result<Distribution, DemoError> {
    let directory = directory();
    let shown = directory.display().to_string();
    let installing = local_flink::install(version, &directory, |progress| {
        show.wait(match progress {
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

/// Where Flink is kept: in cargo's target directory when cargo runs this, in the user's cache elsewhere.
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

async fn submit(cluster: &Cluster) -> Result<String, DemoError> {
    let pace = Pace::new(cluster.directory().join("pace"));
    pace.set(SLOWEST)?;
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
async fn flink_says(cluster: &Cluster, id: &str, timeout: Duration) -> Result<(), DemoError> {
    let until = Instant::now() + LIMIT;
    loop {
        let config = cluster.get(&format!("/jobs/{id}/checkpoints/config")).await?;
        if config["timeout"].as_u64().map(Duration::from_millis) == Some(timeout) {
            return Ok(());
        }
        pause(until, "the new value in Flink's own REST API").await?;
    }
}
