//! All that there is to tell at one moment.

use super::families::{self as family, Family, tell, tell_infos, tell_one};
use super::tally::{Tally, bytes, seconds};
use super::text::{Format, written};
use super::witness::{GLANCE_LIMIT, live};
use super::{Inner, Labels, MOST_JOBS, of_job, short};
use crate::clock::Clock;
use crate::configuration;
use crate::overrides::{Key, OverrideStore};
use crate::pauses::Pauses;
use crate::registry::{Job, Registry};
use crate::seam::{CompletedCheckpoint, Freshness};
use ckpt_api::{ClusterState, Configuration, Failures, InFlight, OverrideState, Value};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use std::fmt;
use std::sync::Arc;
use tokio::time::timeout;

/// One moment.
#[derive(Debug)]
pub(super) struct Scrape {
    metrics: Arc<Inner>,
    now: u64,
    left_out: u64,
    /// Each with whether its overrides are left alone.
    clusters: Vec<(ClusterState, bool)>,
    jobs: Vec<Seen>,
    counts: Vec<Counts>,
}

/// A job as it was seen last.
#[derive(Debug)]
struct Seen {
    labels: Labels,
    configuration: Configuration,
    last_completed: Option<CompletedCheckpoint>,
    /// When its override was changed last.
    changed_at: Option<u64>,
}

/// What was counted of a job.
#[derive(Debug)]
struct Counts {
    labels: Labels,
    ends: Vec<(Labels, u64)>,
    durations: Histogram,
    sizes: Histogram,
    rescued: u64,
}

/// Looks at everything that is known. It asks no cluster, and waits for no job longer than for the slowest.
pub(super) async fn look(
    metrics: &Arc<Inner>,
    registry: &Registry,
    overrides: &OverrideStore,
    pauses: &Pauses,
) -> Scrape {
    let all = registry.jobs().iter().filter(|job| !job.snapshot().state.has_ended()).count();
    let jobs = live(registry);
    let looks = jobs.iter().map(|(key, job)| look_at(key, job, overrides, metrics.clock));
    let seen: Vec<_> = futures::future::join_all(looks).await.into_iter().flatten().collect();
    let left_out = all.saturating_sub(jobs.len()) + (jobs.len() - seen.len());
    let clusters = registry.clusters().states().into_iter();
    let mut counts: Vec<_> = metrics.tallies().values().map(Counts::of).collect();
    counts.sort_by(|one, other| one.labels.cmp(&other.labels));
    counts.truncate(MOST_JOBS);
    Scrape {
        metrics: Arc::clone(metrics),
        now: metrics.clock.wall_millis(),
        left_out: u64::try_from(left_out).unwrap_or(u64::MAX),
        clusters: clusters
            .map(|it| (pauses.of(&it.name).is_some(), it))
            .map(|(paused, it)| (it, paused))
            .collect(),
        jobs: seen,
        counts,
    }
}

/// `None` when its owner does not answer.
async fn look_at(key: &Key, job: &Job, overrides: &OverrideStore, clock: Clock) -> Option<Seen> {
    let observed = timeout(GLANCE_LIMIT, job.observe(Freshness::Cached)).await.ok()?;
    let last_completed = observed.as_ref().ok().and_then(|observation| observation.last_completed);
    let now = clock.wall_millis();
    let configuration = configuration::shown(job.as_ref(), overrides, observed, now)
        .unwrap_or_else(|why| configuration::unseen(job.as_ref(), overrides, &why, now));
    Some(Seen {
        labels: of_job(key, &job.identity().name),
        last_completed,
        changed_at: overrides.record(key).map(|record| record.changed_at),
        configuration,
    })
}

impl Counts {
    fn of(tally: &Tally) -> Self {
        let ends = tally.ends.iter().map(|(end, count)| {
            let kind = if end.savepoint { "savepoint" } else { "checkpoint" };
            let outcome = if end.reason.is_some() { "failed" } else { "completed" };
            // What is empty is the same as no label, so that both outcomes are one metric.
            let own = [("type", kind), ("outcome", outcome), ("reason", end.reason.unwrap_or(""))];
            (with(&tally.labels, own), *count)
        });
        Self {
            labels: tally.labels.clone(),
            ends: ends.collect(),
            durations: tally.durations.clone(),
            sizes: tally.sizes.clone(),
            rescued: tally.rescued,
        }
    }
}

fn with<const N: usize>(labels: &Labels, own: [(&'static str, &str); N]) -> Labels {
    labels.iter().cloned().chain(own.map(|(name, value)| (name, value.to_owned()))).collect()
}

impl Seen {
    /// Whether what is known is no older than it should be. Of a job that was never seen nothing is known.
    fn is_fresh(&self) -> bool {
        self.configuration.stale.is_none()
    }

    /// The checkpoint in flight that was triggered first.
    fn oldest(&self) -> Option<&InFlight> {
        self.fresh()?.in_flight.iter().max_by_key(|checkpoint| checkpoint.elapsed)
    }

    fn fresh(&self) -> Option<&Configuration> {
        Some(&self.configuration).filter(|_| self.is_fresh())
    }

    /// Both values, by name.
    fn values(&self) -> [(&'static str, &Value); 2] {
        [
            ("interval", &self.configuration.checkpoint_interval),
            ("timeout", &self.configuration.checkpoint_timeout),
        ]
    }

    /// Milliseconds since it was seen.
    fn since(&self, now: u64) -> u64 {
        now.saturating_sub(self.configuration.observed_at)
    }
}

impl Scrape {
    pub(super) fn text(self, format: Format) -> String {
        written(self, format)
    }

    /// A gauge of each job that has one.
    fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        family: &Family,
        value: impl Fn(&Seen) -> Option<f64>,
    ) -> fmt::Result {
        let series =
            self.jobs.iter().filter_map(|job| Some((job.labels.clone(), ConstGauge::new(value(job)?))));
        tell(encoder, family, series)
    }

    /// A gauge of each of a job's values that has one.
    fn gauge_of_values(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        family: &Family,
        of: impl Fn(&Seen, &Value) -> Option<f64>,
    ) -> fmt::Result {
        let mut series = Vec::new();
        for job in &self.jobs {
            for (name, value) in job.values() {
                series.extend(
                    of(job, value).map(|it| (with(&job.labels, [("value", name)]), ConstGauge::new(it))),
                );
            }
        }
        tell(encoder, family, series)
    }

    fn encode_daemon(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        tell_infos(encoder, &family::BUILD, [version])?;
        let started = ConstGauge::new(seconds(self.metrics.started_at));
        tell_one(encoder, &family::START, &started)?;
        self.metrics.requests.encode(encoder)?;
        let left_out = ConstGauge::new(self.left_out);
        tell_one(encoder, &family::LEFT_OUT, &left_out)
    }

    fn encode_clusters(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let of = |cluster: &ClusterState| vec![("cluster", short(&cluster.name))];
        let infos = self.clusters.iter().map(|(cluster, _)| {
            let version = cluster.version.clone().unwrap_or_default();
            of(cluster).into_iter().chain([("version", short(&version))]).collect()
        });
        tell_infos(encoder, &family::CLUSTER, infos)?;
        let is_up = |cluster: &ClusterState| cluster.trouble.is_none() && cluster.observed_at.is_some();
        let up = self.clusters.iter().map(|(cluster, _)| (of(cluster), flag(is_up(cluster))));
        tell(encoder, &family::CLUSTER_UP, up)?;
        let seen = self.clusters.iter();
        let seen = seen
            .filter_map(|(cluster, _)| Some((of(cluster), ConstGauge::new(seconds(cluster.observed_at?)))));
        tell(encoder, &family::CLUSTER_SEEN, seen)?;
        let paused = self.clusters.iter().map(|(cluster, paused)| (of(cluster), flag(*paused)));
        tell(encoder, &family::PAUSED, paused)
    }

    fn encode_jobs(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let infos = self.jobs.iter().map(|job| {
            let via = job.configuration.via.map_or("", |via| via.name());
            with(&job.labels, [("state", job.configuration.state.name()), ("via", via)])
        });
        tell_infos(encoder, &family::JOB, infos)?;
        self.gauge(encoder, &family::STALE, |job| Some(f64::from(u8::from(!job.is_fresh()))))?;
        self.gauge(encoder, &family::SEEN, |job| Some(seconds(job.configuration.observed_at)))?;
        let failures = |job: &Seen| job.fresh().map(|seen| seen.failures);
        self.gauge(encoder, &family::FAILURES, |job| Some(f64::from(failures(job)?.consecutive)))?;
        self.gauge(encoder, &family::TOLERABLE, |job| {
            let tolerable = failures(job)?.tolerable;
            (tolerable != Failures::UNLIMITED).then(|| f64::from(tolerable))
        })
    }

    fn encode_counts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let ends = self.counts.iter().flat_map(|counts| counts.ends.iter().cloned());
        let ends = ends.map(|(labels, count)| (labels, ConstCounter::new(count)));
        tell(encoder, &family::ENDED, ends)?;
        let durations = self.counts.iter().map(|counts| (counts.labels.clone(), counts.durations.clone()));
        tell(encoder, &family::DURATION, durations)?;
        let sizes = self.counts.iter().map(|counts| (counts.labels.clone(), counts.sizes.clone()));
        tell(encoder, &family::SIZE, sizes)?;
        let rescued = self.counts.iter();
        let rescued = rescued.map(|counts| (counts.labels.clone(), ConstCounter::new(counts.rescued)));
        tell(encoder, &family::RESCUED, rescued)
    }

    fn encode_checkpoints(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.gauge(encoder, &family::LAST_COMPLETED, |job| {
            let last = job.last_completed?;
            Some(seconds(last.triggered_at.saturating_add(last.duration.unwrap_or(0))))
        })?;
        self.gauge(encoder, &family::LAST_DURATION, |job| job.last_completed?.duration.map(seconds))?;
        self.gauge(encoder, &family::LAST_SIZE, |job| {
            Some(bytes(job.last_completed?.state_size.unwrap_or(0)))
        })?;
        self.gauge(encoder, &family::IN_FLIGHT, |job| {
            job.fresh().map(|seen| f64::from(u32::try_from(seen.in_flight.len()).unwrap_or(u32::MAX)))
        })?;
        let now = self.now;
        self.gauge(encoder, &family::AGE, |job| Some(seconds(job.oldest()?.elapsed + job.since(now))))?;
        self.gauge(encoder, &family::REMAINING, |job| {
            Some(seconds(job.oldest()?.remaining?.saturating_sub(job.since(now))))
        })?;
        self.gauge(encoder, &family::ACKNOWLEDGED, |job| {
            let oldest = job.oldest()?;
            Some(f64::from(oldest.acknowledged) / f64::from(oldest.subtasks.max(1)))
        })
    }

    fn encode_values(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let in_force = |value: &Value, job: &Seen| job.fresh().and(value.effective).map(seconds);
        self.gauge(encoder, &family::INTERVAL, |job| in_force(&job.configuration.checkpoint_interval, job))?;
        self.gauge(encoder, &family::TIMEOUT, |job| in_force(&job.configuration.checkpoint_timeout, job))?;
        self.gauge(encoder, &family::SUBMITTED_INTERVAL, |job| {
            job.configuration.checkpoint_interval.submitted.map(seconds)
        })?;
        self.gauge(encoder, &family::SUBMITTED_TIMEOUT, |job| {
            job.configuration.checkpoint_timeout.submitted.map(seconds)
        })?;
        // What is stored is known, however old what was seen is.
        self.gauge_of_values(encoder, &family::OVERRIDE, |_, value| {
            Some(f64::from(u8::from(value.overridden.is_some())))
        })?;
        self.gauge_of_values(encoder, &family::OVERRIDE_VALUE, |_, value| value.overridden.map(seconds))?;
        self.gauge_of_values(encoder, &family::OVERRIDE_START, |job, value| {
            let since = value.origin.as_ref().map(|origin| origin.since).or(job.changed_at);
            value.overridden.and(since).map(seconds)
        })?;
        self.gauge_of_values(encoder, &family::OVERRIDE_END, |_, value| {
            value.origin.as_ref()?.until.map(seconds)
        })?;
        self.gauge_of_values(encoder, &family::AFTERWARDS, |_, value| {
            value.origin.as_ref()?.afterwards.map(seconds)
        })?;
        let all = [
            OverrideState::Applied,
            OverrideState::Waiting,
            OverrideState::NotApplied,
            OverrideState::Conflict,
            OverrideState::Orphaned,
        ];
        let standing =
            self.jobs.iter().filter_map(|job| Some((job, job.configuration.override_status.as_ref()?)));
        let standing = standing.flat_map(|(job, standing)| {
            all.map(|state| (with(&job.labels, [("state", state.name())]), flag(state == standing.state)))
        });
        tell(encoder, &family::STATUS, standing)
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_daemon(&mut encoder)?;
        self.encode_clusters(&mut encoder)?;
        self.encode_jobs(&mut encoder)?;
        self.encode_counts(&mut encoder)?;
        self.encode_checkpoints(&mut encoder)?;
        self.encode_values(&mut encoder)
    }
}

fn flag(is: bool) -> impl EncodeMetric {
    ConstGauge::new(u32::from(is))
}
