//! A coordinator, looked at again and again in its JVM: the truth, whatever REST APIs say.

use crate::daemon::LIMIT;
use ckpt_agent::protocol::{Answered, Ask};
use ckpt_attach::{AttachPolicy, Jvm};
use ckpt_local_flink::Cluster;
use ckptd::clock::wall_millis;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(20);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Looks in the background until it is told to end.
pub(super) struct Sampler {
    stop: oneshot::Sender<()>,
    looking: JoinHandle<Samples>,
}

/// What was seen.
pub(super) struct Samples(Vec<Sample>);

/// One look: when it began and ended, and interval and timeout if there was a coordinator.
#[derive(Debug, Clone, Copy)]
struct Sample {
    begun: u64,
    ended: u64,
    values: Option<(u64, u64)>,
}

/// When the submitted values were in force, at most: from the last look before to the first look after, in
/// milliseconds since 1970.
#[derive(Debug)]
pub(super) struct NotHeld(Vec<(u64, u64)>);

impl NotHeld {
    /// For how many milliseconds.
    pub(super) fn lasted(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    /// Whether it was so at this moment.
    pub(super) fn contains(&self, at: u64) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&at))
    }
}

impl Sampler {
    /// Looks at a job through the library that ckptd has loaded into the JobManager before.
    pub(super) fn start(cluster: &Cluster, job: &str) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (jvm, job) = (jvm(cluster), job.to_owned());
        let looking = tokio::spawn(async move {
            let mut samples = Vec::new();
            while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                let begun = wall_millis();
                let values = look(&jvm, &job).await;
                samples.push(Sample { begun, ended: wall_millis(), values });
                sleep(EVERY).await;
            }
            Samples(samples)
        });
        Self { stop, looking }
    }

    /// What it has seen.
    pub(super) async fn end(self) -> Samples {
        // Whoever has panicked does not listen any more.
        self.stop.send(()).ok();
        timeout(LIMIT, self.looking).await.expect("a look ends").unwrap()
    }
}

impl Samples {
    /// The longest time between the ends of two looks after the blow, in milliseconds: nothing shorter than that can be
    /// told.
    pub(super) fn coarseness(&self, struck: u64) -> u64 {
        let after: Vec<_> = self.0.iter().filter(|sample| sample.ended >= struck).collect();
        after.windows(2).map(|pair| pair[1].ended - pair[0].ended).max().unwrap_or(0)
    }

    /// For how long `submitted` was in force in place of `wanted`, which is in force at the end.
    pub(super) fn not_held(&self, submitted: (u64, u64), wanted: (u64, u64), struck: u64) -> NotHeld {
        let seen = self.0.iter().filter(|sample| sample.values.is_some());
        for sample in seen.clone() {
            let values = sample.values.unwrap_or_default();
            assert!(values == wanted || values == submitted, "torn or foreign values: {sample:?}");
        }
        assert_eq!(seen.clone().next_back().and_then(|sample| sample.values), Some(wanted));
        assert!(seen.clone().any(|sample| sample.begun >= struck), "nothing was seen after the blow");
        let mut not_held = Vec::new();
        let mut since = None;
        for (number, sample) in self.0.iter().enumerate() {
            match sample.values {
                Some(values) if values == submitted => {
                    let before = number.checked_sub(1).map_or(sample.begun, |before| self.0[before].ended);
                    since.get_or_insert(before);
                }
                Some(_) => not_held.extend(since.take().map(|since| (since, sample.ended))),
                None => {}
            }
        }
        NotHeld(not_held)
    }
}

/// The values in force in the coordinator, if there is one.
pub(super) async fn look(jvm: &Jvm, job: &str) -> Option<(u64, u64)> {
    let ask = Ask::Read { job: job.to_owned() };
    match ckpt_attach::ask(jvm, &AttachPolicy::default(), ask, ANSWER_LIMIT).await {
        Ok(Answered::Read(sight)) => {
            Some((u64::try_from(sight.interval).ok()?, u64::try_from(sight.timeout).ok()?))
        }
        _ => None,
    }
}

/// The JobManager's.
pub(super) fn jvm(cluster: &Cluster) -> Jvm {
    let pid = cluster.job_manager_pid().expect("the JobManager runs");
    Jvm::of(i32::try_from(pid).unwrap()).expect("the JobManager runs")
}
