//! Putting values in force: all of it under the coordinator's lock, and all or nothing.
//!
//! Whatever can throw comes first: new cancellers are scheduled and the periodic trigger is moved before
//! anything else is written, and undone if a step fails. What follows cannot fail: every field was found
//! before. A new canceller cannot fire meanwhile, since it wants the same lock.

use crate::{
    coordinator::{CANCELLER, Coordinator, DISPOSED, InFlight, PENDING_LOCK, cancel, is_done},
    entry::too_late,
    env::Outcome,
    layout::{FixedRate, SelfScheduling, Trigger},
    object::Object,
    protocol::{NO_INTERVAL, Refusal, Sight, Update, Values},
};

/// Flink's floor for an interval and a timeout, in milliseconds.
const LEAST: i64 = 10;
/// The longest timeout that a Java timer measures: beyond it, nanoseconds overflow and are cut off.
const LONGEST_MEASURED: i64 = i64::MAX / 1_000_000;

impl<'j> Coordinator<'j> {
    /// Puts values in force, unless the deadline has passed when the lock is taken. Returns the timeout that
    /// was in force, too.
    pub(crate) fn change(&self, values: Values, deadline: u64) -> Outcome<(i64, Sight, Vec<Update>)> {
        self.locked(|| {
            if too_late(deadline) {
                return Err(Refusal::TooLate);
            }
            self.alive()?;
            let in_flight = self.in_flight()?;
            let before = self.look(&in_flight)?;
            check(values, &before)?;
            let (after, updates) = self.put_in_force(values, &before, &in_flight)?;
            Ok((before.timeout, after, updates))
        })
    }

    /// The change itself.
    fn put_in_force(
        &self,
        values: Values,
        before: &Sight,
        in_flight: &[InFlight<'j>],
    ) -> Outcome<(Sight, Vec<Update>)> {
        let (in_force, (shown, plan)) = (self.in_force()?, self.configurations()?);
        let mut updates: Vec<_> = before
            .pending
            .iter()
            .map(|&before| Update { before, remaining: before.remaining, too_late: false })
            .collect();
        let mut swaps = Vec::new();
        let prepared = values.timeout.map_or(Ok(()), |timeout| {
            self.prepare(timeout, before.timeout, in_flight, &mut updates, &mut swaps)
        });
        if let Err(refusal) = prepared.and_then(|()| self.move_trigger(values, before)) {
            // Nothing has been written: the old cancellers run on.
            for swap in &swaps {
                cancel(&swap.new);
            }
            return Err(refusal);
        }
        for pair in [Some(in_force), Some(shown), plan].into_iter().flatten() {
            values.interval.inspect(|&interval| pair.interval.set(interval));
            values.timeout.inspect(|&timeout| pair.timeout.set(timeout));
        }
        for swap in &swaps {
            if !swap.carry_out(&in_flight[swap.at]) {
                updates[swap.at] = Update { too_late: true, remaining: None, ..updates[swap.at] };
            }
        }
        // It has happened, so failing to see it again must not look like a refusal.
        let after = self.in_flight().and_then(|in_flight| self.look(&in_flight));
        Ok((after.unwrap_or_else(|_| guess(before, values)), updates))
    }

    /// Schedules the new cancellers beside the old ones.
    fn prepare(
        &self,
        timeout: i64,
        old_timeout: i64,
        in_flight: &[InFlight<'j>],
        updates: &mut [Update],
        swaps: &mut Vec<Swap<'j>>,
    ) -> Outcome<()> {
        if timeout == old_timeout {
            return Ok(());
        }
        for (at, it) in in_flight.iter().enumerate() {
            let (Some(old), Some(left)) = (&it.canceller, it.seen.remaining) else { continue };
            if left <= 0 || is_done(old)? {
                updates[at] = Update { too_late: true, remaining: None, ..updates[at] };
                continue;
            }
            let remaining = timeout.saturating_sub(elapsed(old_timeout, left));
            swaps.push(Swap { at, new: self.schedule_canceller(&it.checkpoint, remaining.max(0))? });
            updates[at].remaining = Some(remaining);
        }
        Ok(())
    }

    /// Moves the pending periodic trigger where the family or the question wants it, and puts the interval
    /// in force with it. A refusal leaves everything as it was.
    fn move_trigger(&self, values: Values, before: &Sight) -> Outcome<()> {
        let interval = self.in_force()?.interval;
        let new = values.interval.unwrap_or(before.interval);
        let Some(old) = self.trigger_future()?.filter(|_| before.periodic && new != NO_INTERVAL) else {
            return Ok(());
        };
        // Both ways read the field.
        interval.set(new);
        let moved = match &self.found.layout.trigger {
            Trigger::FixedRate(names) => {
                self.re_arm(names, &old, new, values.pull_in, new != before.interval)
            }
            Trigger::SelfScheduling(names) if values.pull_in => self.pull_in(names, &old),
            Trigger::SelfScheduling(_) => Ok(()),
        };
        moved.inspect_err(|_| interval.set(before.interval))
    }

    /// A trigger at a fixed rate knows nothing of a new interval, so another one takes over, with the delay
    /// that it had left. If the old one is firing just now and waits for the lock, both trigger: one checkpoint
    /// too many, which Flink queues, rather than one too few.
    fn re_arm(
        &self,
        names: &FixedRate,
        old: &Object<'j>,
        interval: i64,
        pull_in: bool,
        changed: bool,
    ) -> Outcome<()> {
        let it = &self.found.coordinator;
        let left = self.delay(old)?.max(0);
        let delay = if pull_in { left.min(interval) } else { left };
        if !changed && delay == left {
            return Ok(());
        }
        let slot = it.reference(names.future)?;
        let new = it.call_some(names.schedule, &[delay.into()])?;
        cancel(old);
        slot.set(Some(&new));
        Ok(())
    }

    /// Brings a trigger that schedules itself forward to one interval from now, if it is later than that.
    fn pull_in(&self, names: &SelfScheduling, old: &Object<'j>) -> Outcome<()> {
        let it = &self.found.coordinator;
        let interval = it.call_long(names.interval, &[])?;
        if interval == NO_INTERVAL || self.delay(old)? <= interval {
            return Ok(());
        }
        let (next, trigger) = (it.long(names.next)?, it.reference(names.trigger)?);
        let (old_next, old_trigger) = (next.get(), trigger.get());
        it.call_void(names.schedule, &[self.now()?.into(), interval.into()]).inspect_err(|_| {
            next.set(old_next);
            trigger.set(old_trigger.as_ref());
        })?;
        cancel(old);
        Ok(())
    }
}

/// A new canceller that is to take the place of an old one.
struct Swap<'j> {
    /// Which checkpoint in flight.
    at: usize,
    /// The new canceller, running.
    new: Object<'j>,
}

impl<'j> Swap<'j> {
    /// Puts the new canceller in the old one's place. False when the old one had fired: then that counts.
    fn carry_out(&self, it: &InFlight<'j>) -> bool {
        // A checkpoint calls its canceller off when it ends, under a lock of its own.
        let carried_out = it.checkpoint.get(PENDING_LOCK).ok().flatten().is_some_and(|lock| {
            let (Ok(_held), Ok(slot)) = (lock.lock(), it.checkpoint.reference(CANCELLER)) else {
                return false;
            };
            let ended = it.checkpoint.boolean(DISPOSED).unwrap_or(true);
            let in_time = !ended && it.canceller.as_ref().is_some_and(cancel);
            if in_time {
                slot.set(Some(&self.new));
            }
            in_time
        });
        if !carried_out {
            cancel(&self.new);
        }
        carried_out
    }
}

/// Refuses values that no coordinator could have.
fn check(values: Values, before: &Sight) -> Outcome<()> {
    let refused = |what: String| Err(Refusal::Failed { what });
    if let Some(interval) = values.interval {
        if before.interval == NO_INTERVAL {
            return refused("periodic checkpoints are off, and an interval does not turn them on".to_owned());
        }
        if interval == NO_INTERVAL {
            return refused("periodic checkpoints are on, and an interval does not turn them off".to_owned());
        }
        // An interval below min-pause makes the start of the scheduler of 1.18 and before throw.
        let least = LEAST.max(before.min_pause);
        if interval < least {
            return refused(format!("the interval {interval} ms is below {least} ms"));
        }
    }
    match values.timeout {
        Some(timeout) if timeout < LEAST => refused(format!("the timeout {timeout} ms is below {LEAST} ms")),
        _ => Ok(()),
    }
}

/// How long a checkpoint has been in flight.
fn elapsed(timeout: i64, remaining: i64) -> i64 {
    timeout.min(LONGEST_MEASURED).saturating_sub(remaining).max(0)
}

/// What a coordinator must be like after a change.
fn guess(before: &Sight, values: Values) -> Sight {
    Sight {
        interval: values.interval.unwrap_or(before.interval),
        timeout: values.timeout.unwrap_or(before.timeout),
        ..before.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Shown;

    /// Whether values are accepted by a coordinator with that interval and min-pause.
    fn accepted(interval: i64, min_pause: i64, values: (Option<i64>, Option<i64>)) -> bool {
        let before = Sight {
            family: String::new(),
            scheduler: String::new(),
            identity: 0,
            interval,
            timeout: 600_000,
            min_pause,
            shown: Shown { graph_interval: interval, graph_timeout: 600_000, plan: None },
            periodic: true,
            next_trigger_in: None,
            queued: 0,
            consecutive_failures: None,
            pending: Vec::new(),
        };
        check(Values { interval: values.0, timeout: values.1, pull_in: false }, &before).is_ok()
    }

    #[test]
    fn values_that_no_coordinator_could_have_are_refused() {
        assert!(accepted(5_000, 0, (Some(10), Some(10))));
        assert!(!accepted(5_000, 0, (Some(9), None)));
        assert!(!accepted(5_000, 0, (None, Some(9))));
        assert!(accepted(5_000, 1_000, (Some(1_000), None)));
        assert!(!accepted(5_000, 1_000, (Some(999), None)));
        assert!(!accepted(5_000, 0, (Some(NO_INTERVAL), None)));
        assert!(!accepted(NO_INTERVAL, 0, (Some(5_000), None)));
        // Without periodic checkpoints there may still be savepoints, which have a timeout.
        assert!(accepted(NO_INTERVAL, 0, (None, Some(i64::MAX))));
    }

    #[test]
    fn elapsed_is_what_is_used_up_of_the_timeout_in_force() {
        assert_eq!(elapsed(20_000, 12_000), 8_000);
        assert_eq!(elapsed(20_000, 20_001), 0);
        // "Never" is more than a timer can measure: it shows what is left of 292 years.
        assert_eq!(elapsed(i64::MAX, LONGEST_MEASURED - 8_000), 8_000);
    }
}
