//! Looking at jobs that nobody asks about, so that their checkpoints are remembered with the timeout that each
//! had: Flink itself keeps the newest ten, and says nothing of timeouts. It reads, through REST alone.

use super::cluster::Jobs;
use super::job::FlinkJob;
use super::link::Link;
use ckpt_coordinator::Monotonic;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often is looked for jobs whose turn it is.
const ROUND: Duration = Duration::from_secs(1);
/// How long a look at a job is enough, whoever looked.
const ENOUGH: Duration = Duration::from_secs(10);
/// How many jobs of a cluster are looked at in a round, so that a large one is not kept busy.
const MOST_A_ROUND: usize = 20;
/// How many at once.
const AT_ONCE: usize = 4;
/// The longest wait for one.
const LIMIT: Duration = Duration::from_secs(10);

/// Looks at a cluster's jobs in turns, for ever.
pub(super) async fn remember(link: Arc<Link>, jobs: Jobs) {
    loop {
        sleep(ROUND).await;
        if link.health().trouble.is_some() {
            continue;
        }
        let now = link.clock.now().monotonic;
        let mut due: Vec<_> = jobs.all().into_iter().filter(|job| job.wants_a_look(now)).collect();
        due.sort_by_key(|job| job.known().looked_at);
        due.truncate(MOST_A_ROUND);
        let looks = futures::stream::iter(due);
        looks.for_each_concurrent(AT_ONCE, FlinkJob::look_to_remember).await;
    }
}

impl FlinkJob {
    fn wants_a_look(&self, now: Monotonic) -> bool {
        if self.obstacle().is_some() || self.state().has_ended() {
            return false;
        }
        let known = self.known();
        let asked = known.rest.as_ref().map(|rest| rest.at).max(known.looked_at);
        asked.is_none_or(|at| at + ENOUGH < now)
    }

    async fn look_to_remember(self) {
        self.known().looked_at = Some(self.now());
        // What it does not answer now it is asked for again.
        drop(timeout(LIMIT, self.ask_rest()).await);
    }
}
