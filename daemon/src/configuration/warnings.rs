//! What an operator ought to know, and what to do about it: one sentence each. None of it stops a change, and what
//! was submitted so is nobody's news.

use crate::overrides::Record;
use crate::seam::Observation;
use ckpt_api::Via;
use ckpt_coordinator::InFlight;
use ckpt_coordinator::config::{Override, Tolerable};
use ckpt_types::duration::{Exact, Rough, millis};
use std::time::Duration;

/// What Kafka's brokers allow a transaction unless they are configured (`transaction.max.timeout.ms`).
const KAFKA_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long after its time an override is still there if nothing is wrong, at most.
const LATE: Duration = Duration::from_secs(15);
/// How long before an override ends it is said which checkpoints in flight would expire then.
const LAST_MINUTES: Duration = Duration::from_secs(5 * 60);

/// What is warned of.
#[derive(Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) observation: &'a Observation,
    /// Whether this is said to somebody who changes it.
    pub(super) changes: bool,
    /// What is stored, or would be.
    pub(super) overridden: Override,
    /// Where that comes from.
    pub(super) record: Option<&'a Record>,
    /// Milliseconds since the epoch.
    pub(super) now: u64,
}

/// What an operator ought to know.
pub(super) fn warnings(it: &Situation<'_>) -> Vec<String> {
    let mut warnings: Vec<_> = it.observation.trouble.iter().cloned().collect();
    warnings.extend(not_taken_away(it));
    warnings.extend(below_min_pause(it));
    warnings.extend(shorter_than_usual(it));
    warnings.extend(kafka(it));
    warnings.extend(health_check(it));
    warnings.extend(expires_with_its_override(it));
    warnings.extend(queued(it.observation));
    warnings
}

fn not_taken_away(it: &Situation<'_>) -> Option<String> {
    let ended = it.record?.next_end()?;
    let ago = Duration::from_millis(it.now.checked_sub(ended)?);
    (ago >= LATE).then(|| {
        format!(
            "the time of an override was up {} ago, and that cannot be stored, as with a full disk; it does not hold any \
             more, and ckptd's log says what is wrong",
            Rough(ago)
        )
    })
}

fn below_min_pause(it: &Situation<'_>) -> Option<String> {
    let asked = it.overridden.interval.or(it.observation.submitted.interval)?.get();
    let effective = &it.observation.effective;
    let in_force = effective.interval()?;
    (asked < in_force && asked < effective.min_pause()).then(|| {
        format!(
            "the interval {} is below min-pause {}, so {} is in force",
            Exact(asked),
            Exact(effective.min_pause()),
            Exact(in_force)
        )
    })
}

/// Only of what was changed, or is going back now, and only with checkpoints to compare with.
fn shorter_than_usual(it: &Situation<'_>) -> Vec<String> {
    let Some(usual) = it.observation.usual_duration else { return Vec::new() };
    let effective = &it.observation.effective;
    let is_told = it.changes || it.overridden.timeout.is_some();
    let timeout = Some(effective.timeout()).filter(|timeout| is_told && *timeout < usual);
    let interval = it.overridden.interval.and_then(|_| effective.interval()).filter(|own| *own < usual);
    let timeout = timeout.map(|timeout| {
        format!(
            "the timeout {} is shorter than the {} that checkpoints usually took lately, so most will expire; \
             set a longer one",
            Exact(timeout),
            Rough(usual)
        )
    });
    let interval = interval.map(|interval| {
        format!(
            "the interval {} is shorter than the {} that checkpoints usually took lately, so they run back to \
             back; set a longer one unless that is meant",
            Exact(interval),
            Rough(usual)
        )
    });
    timeout.into_iter().chain(interval).collect()
}

/// The longest time between two checkpoints that complete, one after the other: in force, if a change has made it
/// longer than it was submitted.
fn longest_gap(it: &Situation<'_>) -> Option<Duration> {
    let (effective, submitted) = (&it.observation.effective, &it.observation.submitted);
    let gap = effective.interval()?.saturating_add(effective.timeout());
    let as_submitted = submitted.interval?.get().saturating_add(submitted.timeout.get());
    let is_overridden = it.overridden.interval.is_some() || it.overridden.timeout.is_some();
    (is_overridden && gap > as_submitted).then_some(gap)
}

fn kafka(it: &Situation<'_>) -> Option<String> {
    let gap = longest_gap(it).filter(|gap| *gap >= KAFKA_LIMIT)?;
    Some(format!(
        "interval + timeout is {} now; an exactly-once Kafka sink keeps a transaction open as long as that, and brokers \
         abort it after {} by default (transaction.max.timeout.ms): check the sink's transaction.timeout.ms, or set \
         a shorter timeout",
        Exact(gap),
        Exact(KAFKA_LIMIT)
    ))
}

/// The operator knows what was submitted and not what is in force.
fn health_check(it: &Situation<'_>) -> Option<String> {
    let submitted = &it.observation.submitted;
    let Tolerable::AtMost(tolerable) = submitted.tolerable_failures else { return None };
    if it.observation.reach.via == Some(Via::Hosted) {
        return None;
    }
    let longest = submitted.interval?.get().max(submitted.timeout.get());
    let window = longest.saturating_mul(tolerable.saturating_add(2));
    let gap = longest_gap(it).filter(|gap| *gap > window)?;
    Some(format!(
        "interval + timeout is {} now: where the health check of Flink's Kubernetes operator is on, it restarts a job \
         that completes no checkpoint in its window, which is {} for this job as submitted (5m in older releases); \
         set kubernetes.operator.cluster.health-check.checkpoint-progress.window to more, or set a shorter timeout",
        Exact(gap),
        Exact(window)
    ))
}

/// A checkpoint in flight loses its time when the override ends under it.
fn expires_with_its_override(it: &Situation<'_>) -> Vec<String> {
    let submitted = it.observation.submitted.timeout.as_millis();
    let ends = it.record.and_then(|record| {
        let (layer, below) = record.timeout.at(it.now)?;
        let left = Duration::from_millis(layer.until?.saturating_sub(it.now));
        Some((left, Duration::from_millis(below.map_or(submitted, |below| below.value))))
    });
    let Some((left, then)) = ends.filter(|(left, _)| *left <= LAST_MINUTES) else { return Vec::new() };
    let is_lost = |checkpoint: &&InFlight| {
        let lives_until_then = checkpoint.remaining.is_some_and(|remaining| remaining > left);
        lives_until_then && checkpoint.elapsed + left >= then
    };
    let lost = it.observation.in_flight.iter().filter(is_lost);
    lost.map(|checkpoint| {
        let kind = if checkpoint.savepoint { "savepoint" } else { "checkpoint" };
        format!(
            "{kind} {} in flight would expire when the override ends in {}, as the timeout is {} then; set the timeout \
             again with a longer --for if it should go on",
            checkpoint.id,
            Rough(Duration::from_millis(millis(left))),
            Exact(then)
        )
    })
    .collect()
}

fn queued(observation: &Observation) -> Vec<String> {
    let mut warnings = Vec::new();
    match observation.queued {
        0 => {}
        1 => warnings.push(
            "a periodic checkpoint came due meanwhile; it runs right after the one in flight".to_owned(),
        ),
        queued => warnings.push(format!(
            "{queued} periodic checkpoints came due meanwhile; they run back to back after the one in flight"
        )),
    }
    match observation.merged {
        0 => {}
        1 => warnings.push("a periodic checkpoint was due while another was in flight; it was merged into the one that follows".to_owned()),
        merged => warnings.push(format!(
            "{merged} periodic checkpoints were due while another was in flight; they were merged into the one that follows"
        )),
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::{Layer, Layers};
    use crate::seam::Reach;
    use ckpt_api::JobState;
    use ckpt_coordinator::config::{EffectiveConfig, SubmittedConfig};
    use ckpt_types::ids::CheckpointId;

    fn submitted(interval: &str, timeout: &str) -> SubmittedConfig {
        SubmittedConfig {
            interval: Some(interval.parse().unwrap()),
            timeout: timeout.parse().unwrap(),
            tolerable_failures: Tolerable::AtMost(0),
            ..SubmittedConfig::default()
        }
    }

    fn observation(submitted: SubmittedConfig, overridden: &Override) -> Observation {
        Observation {
            state: JobState::Running,
            effective: EffectiveConfig::of(&submitted, overridden),
            submitted,
            revision_in_force: Some(1),
            in_flight: Vec::new(),
            consecutive_failures: 0,
            next_trigger: None,
            merged: 0,
            queued: 0,
            usual_duration: Some(Duration::from_secs(30)),
            last_completed: None,
            standing: None,
            trouble: None,
            reach: Reach::HOSTED,
            stale: None,
            observed_at: 0,
        }
    }

    fn said(via: Via, submitted: SubmittedConfig, overridden: Override) -> Vec<String> {
        let reach = Reach { via: Some(via), detail: None };
        let observation = Observation { reach, ..observation(submitted, &overridden) };
        warnings(&Situation { observation: &observation, changes: false, overridden, record: None, now: 0 })
    }

    fn set(interval: Option<&str>, timeout: Option<&str>) -> Override {
        Override {
            interval: interval.map(|text| text.parse().unwrap()),
            timeout: timeout.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn what_was_submitted_is_nobodys_news() {
        assert_eq!(said(Via::Attach, submitted("1h", "10s"), set(None, None)), Vec::<String>::new());
        assert_eq!(said(Via::Attach, submitted("1h", "10m"), set(None, Some("9m"))), Vec::<String>::new());
        assert_eq!(said(Via::Attach, submitted("1m", "10m"), set(None, Some("13m"))), Vec::<String>::new());
    }

    #[test]
    fn a_change_that_lets_transactions_grow_old_is_warned_of() {
        let warned = said(Via::Hosted, submitted("1m", "10m"), set(None, Some("14m")));
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].starts_with("interval + timeout is 15m now; an exactly-once Kafka sink"),
            "{warned:?}"
        );
        assert_eq!(
            said(Via::Hosted, submitted("10m", "10m"), set(None, Some("11m"))).len(),
            1,
            "it has grown"
        );
    }

    #[test]
    fn the_operators_window_follows_from_what_was_submitted() {
        let warned = said(Via::Attach, submitted("1m", "2m"), set(None, Some("4m")));
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].contains("interval + timeout is 5m") && warned[0].contains("which is 4m"),
            "{warned:?}"
        );
        let mut any = submitted("1m", "2m");
        any.tolerable_failures = Tolerable::Unlimited;
        assert_eq!(said(Via::Attach, any, set(None, Some("4m"))), Vec::<String>::new());
    }

    #[test]
    fn what_is_shorter_than_usual_is_warned_of_when_it_was_set() {
        let warned = said(Via::Hosted, submitted("1m", "2m"), set(Some("29s"), Some("20s")));
        assert_eq!(warned.len(), 2, "{warned:?}");
        assert!(warned[0].starts_with("the timeout 20s is shorter than the 30s"), "{warned:?}");
        assert!(warned[1].starts_with("the interval 29s is shorter than the 30s"), "{warned:?}");
        assert_eq!(said(Via::Hosted, submitted("10s", "20s"), set(None, None)), Vec::<String>::new());
        // Whoever resets it is told that the incident comes back.
        let observation = observation(submitted("1m", "20s"), &set(None, None));
        let it = Situation {
            observation: &observation,
            changes: true,
            overridden: set(None, None),
            record: None,
            now: 0,
        };
        assert!(warnings(&it)[0].starts_with("the timeout 20s is shorter than the 30s"));
    }

    #[test]
    fn a_checkpoint_that_would_not_outlive_the_override_is_named_in_its_last_minutes() {
        let overridden = set(None, Some("10m"));
        let mut observation = observation(submitted("1m", "2m"), &overridden);
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let checkpoint = |id, elapsed, left| InFlight {
            id: CheckpointId(id),
            savepoint: false,
            acknowledged: 1,
            subtasks: 2,
            elapsed,
            remaining: left,
        };
        observation.in_flight = vec![
            checkpoint(7, minutes(1), Some(minutes(9))),
            // It is over before, or cannot expire any more.
            checkpoint(8, minutes(9), Some(minutes(1))),
            checkpoint(9, minutes(9), None),
        ];
        let mut timeout = Layers::default();
        let layer = Layer { value: 600_000, until: Some(180_000), by: None, reason: None, since: 0 };
        timeout.push(layer).unwrap();
        let record = Record {
            name: "a".to_owned(),
            revision: 1,
            interval: Layers::default(),
            timeout,
            reason: None,
            changed_at: 0,
            submitted: None,
        };
        let it = Situation {
            observation: &observation,
            changes: false,
            overridden,
            record: Some(&record),
            now: 0,
        };
        let warned = warnings(&it);
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].starts_with(
                "checkpoint 7 in flight would expire when the override ends in 3m, as the timeout is 2m"
            ),
            "{warned:?}"
        );
        let mut alone = observation.clone();
        alone.in_flight.truncate(1);
        let later = Situation { observation: &alone, now: 130_000, ..it };
        assert_eq!(warnings(&later), Vec::<String>::new(), "it is 50s until then, and it is 1m 50s old then");
        let over = Situation { overridden: set(None, None), now: 190_000, ..later };
        assert_eq!(warnings(&over), Vec::<String>::new(), "somebody is about to take it away");
        let warned = warnings(&Situation { now: 200_000, ..over });
        assert!(warned[0].starts_with("the time of an override was up 20s ago"), "{warned:?}");
        assert_eq!(warned.len(), 1, "{warned:?}");
    }
}
