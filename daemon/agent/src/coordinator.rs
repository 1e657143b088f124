//! A job's coordinator, verified: everything that a change needs was found, with the types it should have.

use crate::{
    env::{self, Class, Field, Method, Outcome, flink},
    object::{Long, Object},
    path::{self, Found, Job},
    protocol::{Pending, Refusal, Shown, Sight},
};
use std::ffi::CStr;

/// At most so many checkpoints in flight are looked at.
const MOST_PENDING: usize = 1_000;

const LOCK: Field = Field(c"lock", c"Ljava/lang/Object;");
const TIMER: Field = Field(c"timer", c"Lorg/apache/flink/util/concurrent/ScheduledExecutor;");
const CLOCK: Field = Field(c"clock", c"Lorg/apache/flink/util/clock/Clock;");
const NOW: Method = Method(c"relativeTimeMillis", c"()J");
const BASE_INTERVAL: &CStr = c"baseInterval";
const TIMEOUT: &CStr = c"checkpointTimeout";
const MIN_PAUSE: &CStr = c"minPauseBetweenCheckpoints";
const SHUTDOWN: &CStr = c"shutdown";
const PERIODIC: &CStr = c"periodicScheduling";
const PENDING: Field = Field(c"pendingCheckpoints", c"Ljava/util/Map;");
const VALUES: Method = Method(c"values", c"()Ljava/util/Collection;");
const SIZE: Method = Method(c"size", c"()I");
const QUEUED: Method = Method(c"getNumQueuedRequests", c"()I");
const FAILURES: Field = Field(c"failureManager", flink!("checkpoint/CheckpointFailureManager"));
const COUNTER: Field = Field(c"continuousFailureCounter", c"Ljava/util/concurrent/atomic/AtomicInteger;");
const COUNT: Method = Method(c"get", c"()I");

const CANCELLER_CLASS: &CStr =
    c"org.apache.flink.runtime.checkpoint.CheckpointCoordinator$CheckpointCanceller";
/// What makes a canceller.
const CANCELLER_OF: &CStr = env::c_string(concat!(
    "(Lorg/apache/flink/runtime/checkpoint/CheckpointCoordinator;",
    "Lorg/apache/flink/runtime/checkpoint/PendingCheckpoint;)V\0"
));
const PENDING_CLASS: &CStr = c"org.apache.flink.runtime.checkpoint.PendingCheckpoint";
pub(crate) const PENDING_LOCK: Field = LOCK;
pub(crate) const DISPOSED: &CStr = c"disposed";
pub(crate) const CANCELLER: Field = Field(c"cancellerHandle", c"Ljava/util/concurrent/ScheduledFuture;");
const ID: &CStr = c"checkpointId";
const TRIGGERED_AT: &CStr = c"checkpointTimestamp";
const PROPERTIES: Field = Field(c"props", flink!("checkpoint/CheckpointProperties"));
const PROPERTIES_CLASS: &CStr = c"org.apache.flink.runtime.checkpoint.CheckpointProperties";
const IS_SAVEPOINT: Method = Method(c"isSavepoint", c"()Z");
const ACKNOWLEDGED: Method = Method(c"getNumberOfAcknowledgedTasks", c"()I");
const NOT_ACKNOWLEDGED: Method = Method(c"getNumberOfNonAcknowledgedTasks", c"()I");

const MILLISECONDS: Field = Field(c"MILLISECONDS", c"Ljava/util/concurrent/TimeUnit;");
const SCHEDULE: Method = Method(
    c"schedule",
    c"(Ljava/lang/Runnable;JLjava/util/concurrent/TimeUnit;)Ljava/util/concurrent/ScheduledFuture;",
);
const DELAY: Method = Method(c"getDelay", c"(Ljava/util/concurrent/TimeUnit;)J");
const CANCEL: Method = Method(c"cancel", c"(Z)Z");
const IS_DONE: Method = Method(c"isDone", c"()Z");

/// A coordinator with what a change needs.
pub(crate) struct Coordinator<'j> {
    /// Itself and the two configurations.
    pub(crate) found: Found<'j>,
    lock: Object<'j>,
    timer: Object<'j>,
    clock: Object<'j>,
    pending: Object<'j>,
    millis: Object<'j>,
    canceller: Class<'j>,
}

/// Two fields, of the coordinator or of a configuration.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a, 'j> {
    /// The interval.
    pub(crate) interval: Long<'a, 'j>,
    /// The timeout.
    pub(crate) timeout: Long<'a, 'j>,
}

/// A checkpoint in flight, with its canceller.
pub(crate) struct InFlight<'j> {
    /// What there is to say about it.
    pub(crate) seen: Pending,
    /// Itself.
    pub(crate) checkpoint: Object<'j>,
    /// What will expire it.
    pub(crate) canceller: Option<Object<'j>>,
}

impl<'j> Coordinator<'j> {
    /// The coordinator of a job, verified: whatever a change would reach for is there, as it is known.
    pub(crate) fn of(job: &Job<'j>) -> Outcome<Self> {
        let found = path::coordinator(job)?;
        let coordinator = &found.coordinator;
        let null = |what| Refusal::Unexpected { what };
        let class = coordinator.class();
        found.layout.trigger.verify(&class)?;
        for name in [BASE_INTERVAL, TIMEOUT, MIN_PAUSE] {
            class.field(Field(name, c"J"))?;
        }
        class.field(Field(PERIODIC, c"Z"))?;
        class.method(QUEUED)?;
        let pending = class.sibling(PENDING_CLASS)?;
        for field in [PENDING_LOCK, CANCELLER, PROPERTIES, Field(DISPOSED, c"Z"), Field(ID, c"J")] {
            pending.field(field)?;
        }
        pending.field(Field(TRIGGERED_AT, c"J"))?;
        pending.method(ACKNOWLEDGED)?;
        pending.method(NOT_ACKNOWLEDGED)?;
        class.sibling(PROPERTIES_CLASS)?.method(IS_SAVEPOINT)?;
        let canceller = class.sibling(CANCELLER_CLASS)?;
        canceller.method(Method(c"<init>", CANCELLER_OF))?;
        let timer = coordinator.get_or(TIMER, null)?;
        timer.class().method(SCHEDULE)?;
        let clock = coordinator.get_or(CLOCK, null)?;
        clock.class().method(NOW)?;
        let (lock, pending) = (coordinator.get_or(LOCK, null)?, coordinator.get_or(PENDING, null)?);
        let unit = coordinator.java.jdk_class(c"java/util/concurrent/TimeUnit")?;
        let millis = unit.static_object(MILLISECONDS)?.ok_or_else(|| null("no milliseconds".to_owned()))?;
        let it = Self { lock, timer, clock, pending, millis, canceller, found };
        it.configurations()?;
        it.alive()?;
        Ok(it)
    }

    /// Runs something under the coordinator's own lock.
    pub(crate) fn locked<T>(&self, run: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let _held = self.lock.lock()?;
        run()
    }

    /// How it is.
    pub(crate) fn sight(&self) -> Outcome<Sight> {
        self.locked(|| {
            self.alive()?;
            self.look(&self.in_flight()?)
        })
    }

    /// Refuses a coordinator that has been shut down.
    pub(crate) fn alive(&self) -> Outcome<()> {
        let dead = self.found.coordinator.boolean(SHUTDOWN)?;
        if dead { Err(path::between(self.found.state.as_deref())) } else { Ok(()) }
    }

    /// Its interval and timeout.
    pub(crate) fn in_force(&self) -> Outcome<Pair<'_, 'j>> {
        let it = &self.found.coordinator;
        Ok(Pair { interval: it.long(BASE_INTERVAL)?, timeout: it.long(TIMEOUT)? })
    }

    /// Those of the execution graph's configuration, and of the job graph's if it has one.
    pub(crate) fn configurations(&self) -> Outcome<(Pair<'_, 'j>, Option<Pair<'_, 'j>>)> {
        let pair = |it| -> Outcome<Pair<'_, 'j>> {
            let it: &Object<'j> = it;
            Ok(Pair { interval: it.long(c"checkpointInterval")?, timeout: it.long(TIMEOUT)? })
        };
        Ok((pair(&self.found.shown)?, self.found.plan.as_ref().map(pair).transpose()?))
    }

    /// What is in flight, oldest first. To be called under the lock.
    pub(crate) fn in_flight(&self) -> Outcome<Vec<InFlight<'j>>> {
        let all = self.pending.call_some(VALUES, &[])?.to_array(MOST_PENDING)?;
        // Two references to each stay, here and again after a change, and a new canceller.
        self.pending.java.reserve(64 + 5 * count(self.pending.call_int(SIZE, &[])?) as usize)?;
        all.map(|checkpoint| {
            let canceller = checkpoint.get(CANCELLER)?;
            let acknowledged = count(checkpoint.call_int(ACKNOWLEDGED, &[])?);
            let seen = Pending {
                id: checkpoint.long(ID)?.get(),
                savepoint: match checkpoint.get(PROPERTIES)? {
                    Some(properties) => properties.call_boolean(IS_SAVEPOINT, &[])?,
                    None => false,
                },
                acknowledged,
                tasks: acknowledged.saturating_add(count(checkpoint.call_int(NOT_ACKNOWLEDGED, &[])?)),
                remaining: canceller.as_ref().map(|canceller| self.delay(canceller)).transpose()?,
                triggered_at: checkpoint.long(TRIGGERED_AT)?.get(),
            };
            Ok(InFlight { seen, checkpoint, canceller })
        })
        .collect()
    }

    /// How it is, under the lock.
    pub(crate) fn look(&self, in_flight: &[InFlight<'j>]) -> Outcome<Sight> {
        let it = &self.found.coordinator;
        let (in_force, (shown, plan)) = (self.in_force()?, self.configurations()?);
        let trigger = self.trigger_future()?;
        Ok(Sight {
            family: self.found.layout.family.to_owned(),
            scheduler: self.found.scheduler.to_owned(),
            identity: it.identity()?,
            interval: in_force.interval.get(),
            timeout: in_force.timeout.get(),
            min_pause: it.long(MIN_PAUSE)?.get(),
            shown: Shown {
                graph_interval: shown.interval.get(),
                graph_timeout: shown.timeout.get(),
                plan: plan.map(|plan| (plan.interval.get(), plan.timeout.get())),
            },
            periodic: it.boolean(PERIODIC)?,
            next_trigger_in: trigger.map(|trigger| self.delay(&trigger)).transpose()?,
            queued: count(it.call_int(QUEUED, &[])?),
            consecutive_failures: self.failures().ok().flatten(),
            pending: in_flight.iter().map(|it| it.seen).collect(),
        })
    }

    /// The pending periodic trigger; `None` when there is none.
    pub(crate) fn trigger_future(&self) -> Outcome<Option<Object<'j>>> {
        self.found.coordinator.get(self.found.layout.trigger.future())
    }

    /// What a future has left.
    pub(crate) fn delay(&self, future: &Object<'j>) -> Outcome<i64> {
        future.call_long(DELAY, &[(&self.millis).into()])
    }

    /// A new canceller for a checkpoint, running.
    pub(crate) fn schedule_canceller(&self, checkpoint: &Object<'j>, delay: i64) -> Outcome<Object<'j>> {
        let args = [(&self.found.coordinator).into(), checkpoint.into()];
        let canceller = self.canceller.make(CANCELLER_OF, &args)?;
        self.timer.call_some(SCHEDULE, &[(&canceller).into(), delay.into(), (&self.millis).into()])
    }

    /// The coordinator's own clock.
    pub(crate) fn now(&self) -> Outcome<i64> {
        self.clock.call_long(NOW, &[])
    }

    /// How many failures in a row count; not needed for a change, so it may be missing.
    fn failures(&self) -> Outcome<Option<u32>> {
        let Some(manager) = self.found.coordinator.get(FAILURES)? else { return Ok(None) };
        let Some(counter) = manager.get(COUNTER)? else { return Ok(None) };
        Ok(Some(count(counter.call_int(COUNT, &[])?)))
    }
}

/// Calls off a future. Whether it was in time.
pub(crate) fn cancel(future: &Object<'_>) -> bool {
    future.call_boolean(CANCEL, &[false.into()]).unwrap_or(false)
}

/// Whether a future has run, or will not.
pub(crate) fn is_done(future: &Object<'_>) -> Outcome<bool> {
    future.call_boolean(IS_DONE, &[])
}

/// A Java count, which is never negative.
fn count(count: i32) -> u32 {
    u32::try_from(count).unwrap_or(0)
}
