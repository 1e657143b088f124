//! Keeping overrides in force: a loop of its own for each cluster, and level-triggered. What should hold is
//! compared with what does, again and again, whoever or whatever may have changed it.
//!
//! Signs make it look at once: the JobManager's process ended, its REST API went away or came back, a job
//! started anew or runs again. None of them is relied on: a slow clock comes without signs. While an override
//! waits for a coordinator it is looked for quickly, so that it gets the values before its first trigger.

use super::apply::By;
use super::cluster::Jobs;
use super::job::FlinkJob;
use super::keeping::Look;
use super::link::Link;
use super::rest::{self, CACHED};
use super::ways::Way;
use crate::clock::wall_millis;
use crate::durable::STORE_LIMIT;
use crate::overrides::{Record, Submitted};
use crate::seam::{Identity, JobCoordinator, Observation, SeamError};
use ckpt_api::OverrideState;
use ckpt_coordinator::Monotonic;
use ckpt_coordinator::config::{EffectiveConfig, Override};
use ckpt_types::duration::{Exact, Rough};
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often is looked without a sign.
const SLOW: Duration = Duration::from_secs(5);
/// How often for a coordinator that is waited for, and how long so after the last sign; later on less often.
const QUICK: Duration = Duration::from_millis(200);
const QUICK_FOR: Duration = Duration::from_secs(120);
const PATIENT: Duration = Duration::from_secs(2);
/// How many jobs of a cluster are looked at at once.
const AT_ONCE: usize = 8;
/// For how long a change that was stored and is being applied is left to whoever makes it.
const OTHERS_CHANGE: Duration = Duration::from_secs(30);
/// For how long an override whose time is up is left to whoever ends it.
const ENDING: Duration = Duration::from_secs(10);

/// Keeps the overrides of a cluster's jobs in force, for ever.
pub(super) async fn keep(link: Arc<Link>, jobs: Jobs) {
    let mut pauses = link.pauses.changes();
    let mut was_paused = link.pause().is_some();
    let mut signed = link.clock.now().monotonic;
    let mut all_looked_at = None;
    loop {
        let kept: Vec<_> = jobs.all().into_iter().filter(FlinkJob::is_kept).collect();
        let now = link.clock.now().monotonic;
        let all = all_looked_at.is_none_or(|at| now.since(at) >= SLOW);
        if all {
            all_looked_at = Some(now);
        }
        // In between, only those that wait for something.
        let due = kept.iter().filter(|job| all || job.waits() || job.known().keeping.next_try().is_some());
        let looks = futures::stream::iter(due.cloned().collect::<Vec<_>>());
        looks.for_each_concurrent(AT_ONCE, |job| async move { job.reconcile().await }).await;
        let now = link.clock.now().monotonic;
        let pause = match (kept.iter().any(FlinkJob::waits), now.since(signed) < QUICK_FOR) {
            (true, true) => QUICK,
            (true, false) => PATIENT,
            (false, _) => SLOW,
        };
        // What failed is tried again when it is time, which may be earlier.
        let tries = kept.iter().filter_map(|job| job.known().keeping.next_try());
        let pause = tries.map(|at| at.since(now).max(QUICK)).fold(pause, Duration::min);
        tokio::select! {
            () = sleep(pause) => continue,
            () = link.reconcile_now.notified() => {}
            ended = link.ways.leader_ends() => {
                link.heard(Err(format!("its JobManager, process {}, has ended", ended.pid())));
                link.look_now.notify_one();
            }
            Ok(()) = pauses.changed() => {
                let is_paused = link.pause().is_some();
                if std::mem::replace(&mut was_paused, is_paused) && !is_paused {
                    kept.iter().for_each(|job| job.known().keeping.resumes());
                }
            }
        }
        signed = link.clock.now().monotonic;
        all_looked_at = None;
        kept.iter().for_each(|job| job.known().keeping.is_signed());
    }
}

impl FlinkJob {
    /// Whether there is something to keep.
    pub(super) fn is_kept(&self) -> bool {
        !self.state().has_ended() && self.link().record(self.id()).is_some()
    }

    /// Whether its coordinator may come at any moment; not when another job has its name by now.
    fn waits(&self) -> bool {
        let known = self.known();
        let is_replaced = known.missing && !known.namesakes.is_empty();
        known.keeping.waits_since().is_some() && !is_replaced
    }

    /// Looks whether the override holds, and applies it when it does not and may be applied.
    async fn reconcile(&self) {
        let Some(record) = self.link().record(self.id()) else { return };
        if self.known().keeping.next_try().is_some_and(|at| self.now() < at) {
            return;
        }
        let began = self.now();
        let Some(look) = self.look_at_values(self.link().pause().is_some()).await else { return };
        // What was changed while it was looked at is looked at anew.
        let was_applied = self.known().applied_at.is_some_and(|at| at >= began);
        if was_applied
            || self.is_being_changed()
            || self.is_ending(&record)
            || self.link().record(self.id()).as_ref() != Some(&record)
        {
            return;
        }
        if let Look::Holds(_) = look {
            self.known().starts_anew = false;
        }
        let pause = self.link().pause();
        let (found, within) = match &look {
            Look::Differs { within, found } => (found.clone(), Some(*within)),
            _ => Default::default(),
        };
        let was = self.known().keeping.state();
        let apply = self.known().keeping.looked(self.link().clock.now(), look, pause);
        let is = self.known().keeping.state();
        let Identity { cluster, name, .. } = self.identity();
        if was != is {
            let status = self.known().keeping.status(self.link().clock.now());
            let why = status.and_then(|status| status.why);
            tracing::info!(cluster, job = name, state = ?is, why, "an override stands otherwise than before");
        }
        if !apply {
            return;
        }
        if within.is_some() {
            self.is_it_another_submission(&record).await;
        }
        match self.put_in_force(By::Reconcile, Vec::new()).await {
            // It was accepted, and the next look tells what came of it.
            Ok(applied) if !applied.observation.holds() => {}
            Ok(_) => {
                let lost = self.was_put_in_force();
                tracing::warn!(
                    cluster,
                    job = name,
                    revision = record.revision,
                    found,
                    not_in_force_for = %Rough(lost),
                    before_the_first_trigger = self.is_before_its_first_trigger(),
                    "the override did not hold any more, and was applied again"
                );
            }
            Err(error) => {
                tracing::warn!(cluster, job = name, %error, "the override does not hold, and cannot be applied");
                self.known().keeping.failed(self.link().clock.now(), &error);
            }
        }
    }

    /// Notes that what is stored is in force now. How long it had not been, as far as that was seen.
    pub(super) fn was_put_in_force(&self) -> Duration {
        let now = self.link().clock.now();
        let mut known = self.known();
        (known.applied_at, known.starts_anew) = (Some(now.monotonic), false);
        let within = known.incarnation();
        known.keeping.applied(now, within)
    }

    /// What is in force: the values themselves, through the agent where it may be loaded, and else through
    /// REST. `None` when there is nothing to say about it.
    async fn look_at_values(&self, hands_off: bool) -> Option<Look> {
        let inside = match hands_off {
            true => false,
            false => matches!(self.link().ways.choose(self.link(), Some(self.id())).await, Way::Attach(_)),
        };
        let looked = if inside { self.look_inside().await } else { self.look().await };
        match looked {
            Ok(Observation { stale: Some(why), .. }) => Some(self.no_coordinator(why)),
            Ok(observation) if observation.holds() => Some(Look::Holds(self.known().incarnation())),
            // A change through REST shows there a little later.
            Ok(_) if !inside && self.known().changed_natively.is_some_and(|at| self.now() < at + CACHED) => {
                None
            }
            Ok(observation) => {
                let within = self.known().incarnation();
                Some(Look::Differs { within, found: self.what_differs(&observation) })
            }
            Err(SeamError::Ended { .. }) => None,
            Err(error) if error.override_state() == OverrideState::Waiting => {
                Some(self.no_coordinator(error.to_string()))
            }
            // The process may be gone, and what is said about the way there with it.
            Err(error) => Some(match self.obstacle() {
                Some(why) => self.no_coordinator(why),
                None => Look::Failed { why: error.to_string() },
            }),
        }
    }

    fn no_coordinator(&self, why: String) -> Look {
        let obstacle = self.obstacle();
        if obstacle.is_some() {
            // It comes back with what it was submitted with, which may be something else by then.
            self.known().starts_anew = true;
        }
        Look::NoCoordinator { why: obstacle.unwrap_or(why) }
    }

    /// What is in force in place of what is wanted.
    fn what_differs(&self, seen: &Observation) -> String {
        let wanted = self.base(wall_millis()).wanted();
        let timeout = || format!("a timeout of {}", Exact(seen.effective.timeout()));
        match (seen.effective.interval(), wanted.timeout() == seen.effective.timeout()) {
            (Some(interval), true) => format!("an interval of {}", Exact(interval)),
            (Some(interval), false) if wanted.interval() != Some(interval) => {
                format!("{} and an interval of {}", timeout(), Exact(interval))
            }
            _ => timeout(),
        }
    }

    /// Whether the agent saw that no periodic checkpoint has been scheduled yet.
    fn is_before_its_first_trigger(&self) -> bool {
        self.known().sight.as_ref().is_some_and(|(sight, _)| !sight.periodic)
    }

    /// Somebody stores a change and is about to apply it: whoever does can tell best what it did. A change that
    /// does not come to its end is not waited for.
    fn is_being_changed(&self) -> bool {
        let mut known = self.known();
        let is_so = Arc::strong_count(&known.changing) > 1;
        is_recent(&mut known.changing_since, is_so, self.now(), OTHERS_CHANGE)
    }

    /// Its time is up, and whoever ends it is about to put in force what was before. One that cannot be taken away, as
    /// with a disk that refuses, does not go on to hold. How late it is by the wall clock tells nothing: that may jump.
    fn is_ending(&self, record: &Record) -> bool {
        let mut known = self.known();
        let is_so = record.next_end().is_some_and(|until| until <= wall_millis());
        let is_left_to_others = is_recent(&mut known.ending_since, is_so, self.now(), ENDING);
        if is_so {
            known.keeping.something_else_is_wanted();
        }
        is_left_to_others
    }

    /// A job that starts anew shows what it was submitted with. When that is neither what was written down
    /// nor what was put in force, it was submitted again under its old id, with other values.
    async fn is_it_another_submission(&self, record: &Record) {
        let wanted = self.base(wall_millis()).wanted();
        let Some(shown) = self.known().submitted_anew(record.changed_at) else { return };
        let is_in_force = EffectiveConfig::of(&shown, &Override::default()) == wanted;
        let shown = Submitted::of(&shown);
        if is_in_force || record.submitted.is_none_or(|known| known == shown) {
            return;
        }
        let Identity { cluster, name, .. } = self.identity();
        tracing::warn!(cluster, job = name, ?shown, "the job was submitted again with other values");
        let written = self.link().overrides.submitted_again(self.link().key(self.id()), shown);
        match timeout(STORE_LIMIT, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(cluster, job = name, %error, "what the job was submitted with cannot be written down");
            }
            Err(_) => tracing::error!(cluster, job = name, "the disk does not answer"),
        }
    }

    /// When the job began to run last, as its cluster says; a sign.
    pub(super) async fn look_when_it_ran(&self) {
        let Ok(running) = rest::running_since(self.link().client(), self.id()).await else { return };
        let before = std::mem::replace(&mut self.known().running_since, running);
        if before != running && before.is_some() {
            self.link().reconcile_now.notify_one();
        }
    }
}

/// Whether something has been so for less than `limit`, as far as that was seen.
fn is_recent(since: &mut Option<Monotonic>, is_so: bool, now: Monotonic, limit: Duration) -> bool {
    match is_so {
        true => now.since(*since.get_or_insert(now)) < limit,
        false => {
            *since = None;
            false
        }
    }
}
