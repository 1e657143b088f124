//! When the next periodic checkpoint is due (`ScheduledTrigger`, rules 5 and 6).

use crate::config::EffectiveConfig;
use ckpt_types::time::Monotonic;
use std::time::Duration;

/// The periodic trigger.
#[derive(Debug, Clone)]
pub(crate) struct Scheduler {
    running: bool,
    next: Option<Monotonic>,
    /// Whether the job is new, so that its first trigger is spread over the interval.
    fresh: bool,
}

impl Scheduler {
    pub(crate) fn new(fresh: bool) -> Self {
        Self { running: false, next: None, fresh }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    pub(crate) fn next(&self) -> Option<Monotonic> {
        self.next
    }

    /// Starts it. The first delay of a new job is uniform in [min-pause, interval], of which `spread`
    /// (all of `u32` is the whole) tells the place; every later start waits exactly min-pause (rule 5).
    pub(crate) fn start(&mut self, now: Monotonic, config: &EffectiveConfig, spread: u32) {
        if self.running {
            return;
        }
        self.running = true;
        let room = config.interval().map(|interval| interval.saturating_sub(config.min_pause()));
        self.next = room.map(|room| {
            let share = if std::mem::take(&mut self.fresh) {
                room.mul_f64(f64::from(spread) / f64::from(u32::MAX))
            } else {
                Duration::ZERO
            };
            now + config.min_pause() + share.min(room)
        });
    }

    pub(crate) fn stop(&mut self) {
        self.running = false;
        self.next = None;
    }

    /// Takes every trigger that is due by `now` and returns how many those are. They are counted from
    /// the planned time, with the interval that is in force now; the next one is armed before any of
    /// them runs (rule 6).
    pub(crate) fn take_due(&mut self, now: Monotonic, interval: Option<Duration>) -> u64 {
        let Some(planned) = self.next.filter(|planned| *planned <= now) else { return 0 };
        let Some(interval) = interval else {
            self.next = None;
            return 1;
        };
        let (late, period) = (now.since(planned).as_nanos(), interval.as_nanos().max(1));
        let into_this_one = Duration::from_nanos(u64::try_from(late % period).unwrap_or(0));
        self.next = Some(now + interval.saturating_sub(into_this_one));
        u64::try_from(late / period).unwrap_or(u64::MAX - 1) + 1
    }

    /// Moves the pending trigger to `delay` from now, as min-pause demands (rule 13).
    pub(crate) fn postpone(&mut self, now: Monotonic, delay: Duration) {
        if self.running {
            self.next = Some(now + delay);
        }
    }

    /// Brings the pending trigger forward to one `interval` from now; it is never moved back.
    pub(crate) fn pull_in(&mut self, now: Monotonic, interval: Option<Duration>) {
        if let (Some(next), Some(interval)) = (self.next, interval) {
            self.next = Some(next.min(now + interval));
        }
    }
}
