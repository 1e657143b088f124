//! What differs between releases of Flink, as far as it is touched: one row for each family of them. What is
//! the same in all of them stands beside its use.
//!
//! A family is told by three marks, which are found in the classes of the running JobManager. A mix of marks
//! that no row has is refused; so is a row whose fields and methods are not all there ([`Trigger::verify`]).
//! No version is read: a release that looks like a family is one of it.

use crate::{
    env::{Class, Field, Method, Outcome, flink},
    object::Object,
    protocol::Refusal,
};
use std::ffi::CStr;

/// What a thread runs: since JDK 19 in a holder, until then in a field of its own.
pub(crate) const THREAD_TASK: [&[Field]; 2] = [
    &[Field(c"holder", c"Ljava/lang/Thread$FieldHolder;"), Field(c"task", c"Ljava/lang/Runnable;")],
    &[Field(c"target", c"Ljava/lang/Runnable;")],
];

/// What a cluster's component has a dispatcher by, and where the life of that is wrapped the wrapper too.
pub(crate) const DISPATCHER_RUNNER: Field =
    Field(c"dispatcherRunner", flink!("dispatcher/runner/DispatcherRunner"));
/// A scheduler takes other resource requirements while its job runs (FLIP-291).
const REQUIREMENTS: Method = Method(
    c"updateJobResourceRequirements",
    c"(Lorg/apache/flink/runtime/jobgraph/JobResourceRequirements;)V",
);
const JOB_GRAPH: Field = Field(c"jobGraph", flink!("jobgraph/JobGraph"));
const JOB_INFORMATION: Field = Field(c"jobInformation", flink!("scheduler/adaptive/JobGraphJobInformation"));

/// How a default scheduler of any release has the job graph.
pub(crate) const DEFAULT_PLAN: &[Field] = &[JOB_GRAPH];

/// By what families are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The dispatcher's runner is wrapped, for the sake of its life cycle: until 1.16.
    pub(crate) wrapped_runner: bool,
    /// A scheduler has [`REQUIREMENTS`]: from 1.18 on. Adaptive ones keep the job graph itself since then.
    pub(crate) requirements: bool,
    /// The periodic trigger schedules itself: from 1.19 on.
    pub(crate) self_scheduling: bool,
}

impl Marks {
    /// Those that a job's scheduler and coordinator have, under a runner that is wrapped or not.
    pub(crate) fn of(wrapped_runner: bool, scheduler: &Object<'_>, coordinator: &Object<'_>) -> Self {
        Self {
            wrapped_runner,
            requirements: scheduler.class().method(REQUIREMENTS).is_ok(),
            self_scheduling: coordinator.has(SELF_SCHEDULING.trigger),
        }
    }
}

/// A family of releases.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Which releases.
    pub(crate) family: &'static str,
    /// By what it is told.
    marks: Marks,
    /// How an Adaptive scheduler has the job graph, which a rebuild starts from.
    pub(crate) adaptive_plan: &'static [Field],
    /// How checkpoints are triggered periodically.
    pub(crate) trigger: Trigger,
}

/// All of them. The classes of 2.0 to 2.3 differ from those of 1.19 and 1.20 nowhere that is touched.
static LAYOUTS: [Layout; 4] = [
    Layout {
        family: "1.15 and 1.16",
        marks: Marks { wrapped_runner: true, requirements: false, self_scheduling: false },
        adaptive_plan: &[JOB_INFORMATION, JOB_GRAPH],
        trigger: Trigger::FixedRate(FIXED_RATE),
    },
    Layout {
        family: "1.17",
        marks: Marks { wrapped_runner: false, requirements: false, self_scheduling: false },
        adaptive_plan: &[JOB_INFORMATION, JOB_GRAPH],
        trigger: Trigger::FixedRate(FIXED_RATE),
    },
    Layout {
        family: "1.18",
        marks: Marks { wrapped_runner: false, requirements: true, self_scheduling: false },
        adaptive_plan: &[JOB_GRAPH],
        trigger: Trigger::FixedRate(FIXED_RATE),
    },
    Layout {
        family: "1.19 and later",
        marks: Marks { wrapped_runner: false, requirements: true, self_scheduling: true },
        adaptive_plan: &[JOB_GRAPH],
        trigger: Trigger::SelfScheduling(SELF_SCHEDULING),
    },
];

impl Layout {
    /// The family that has these marks; refused when none has.
    pub(crate) fn with(marks: Marks) -> Outcome<&'static Self> {
        let known = LAYOUTS.iter().find(|layout| layout.marks == marks);
        known.ok_or_else(|| Refusal::Unexpected { what: format!("no known release of Flink has {marks:?}") })
    }
}

/// How checkpoints are triggered periodically.
#[derive(Debug)]
pub(crate) enum Trigger {
    /// At a fixed rate: the trigger knows nothing of a new interval, and another one takes its place.
    FixedRate(FixedRate),
    /// By a trigger that schedules itself anew each time, with the interval of that moment.
    SelfScheduling(SelfScheduling),
}

/// The names of a coordinator for [`Trigger::FixedRate`].
#[derive(Debug)]
pub(crate) struct FixedRate {
    /// The trigger's future.
    pub(crate) future: Field,
    /// Schedules a trigger with a delay, and returns its future.
    pub(crate) schedule: Method,
}

const FIXED_RATE: FixedRate = FixedRate {
    future: Field(c"currentPeriodicTrigger", c"Ljava/util/concurrent/ScheduledFuture;"),
    schedule: Method(c"scheduleTriggerWithDelay", c"(J)Ljava/util/concurrent/ScheduledFuture;"),
};

/// The names of a coordinator for [`Trigger::SelfScheduling`].
#[derive(Debug)]
pub(crate) struct SelfScheduling {
    /// The trigger, which runs only while this field names it.
    pub(crate) trigger: Field,
    /// Its future.
    pub(crate) future: Field,
    /// When it is due, on the coordinator's clock.
    pub(crate) next: &'static CStr,
    /// Schedules a trigger at a time of that clock, after a delay.
    pub(crate) schedule: Method,
    /// The interval that counts: while there is a backlog, another one than the base interval.
    pub(crate) interval: Method,
}

const SELF_SCHEDULING: SelfScheduling = SelfScheduling {
    trigger: Field(c"currentPeriodicTrigger", flink!("checkpoint/CheckpointCoordinator$ScheduledTrigger")),
    future: Field(c"currentPeriodicTriggerFuture", c"Ljava/util/concurrent/ScheduledFuture;"),
    next: c"nextCheckpointTriggeringRelativeTime",
    schedule: Method(c"scheduleTriggerWithDelay", c"(JJ)V"),
    interval: Method(c"getCurrentCheckpointInterval", c"()J"),
};

impl Trigger {
    /// The field that has the pending trigger's future.
    pub(crate) fn future(&self) -> Field {
        match self {
            Self::FixedRate(names) => names.future,
            Self::SelfScheduling(names) => names.future,
        }
    }

    /// Refuses a coordinator's class that lacks one of the names.
    pub(crate) fn verify(&self, coordinator: &Class<'_>) -> Outcome<()> {
        coordinator.field(self.future())?;
        match self {
            Self::FixedRate(names) => {
                coordinator.method(names.schedule)?;
            }
            Self::SelfScheduling(names) => {
                coordinator.field(names.trigger)?;
                coordinator.field(Field(names.next, c"J"))?;
                coordinator.method(names.schedule)?;
                coordinator.method(names.interval)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_mix_of_marks_is_one_family_and_any_other_is_refused() {
        let mut known = Vec::new();
        let mut refused = 0;
        for bits in 0..8 {
            let marks = Marks {
                wrapped_runner: bits & 1 != 0,
                requirements: bits & 2 != 0,
                self_scheduling: bits & 4 != 0,
            };
            match Layout::with(marks) {
                Ok(layout) => known.push(layout.family),
                Err(Refusal::Unexpected { what }) => {
                    assert!(what.contains("wrapped_runner"), "{what}");
                    refused += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        known.sort_unstable();
        assert_eq!(known, ["1.15 and 1.16", "1.17", "1.18", "1.19 and later"]);
        assert_eq!(refused, 4);
    }
}
