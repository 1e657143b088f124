//! State machine that keeps a job's override in force: it takes the findings of checks and decides when to apply the
//! override again. It tells values that were lost with a coordinator from those that were changed in the same one,
//! stops at the third foreign change, and backs off while applying fails. No clock and no I/O.

use crate::clock::Moment;
use crate::seam::SeamError;
use ckpt_api::{OverrideState, OverrideStatus};
use ckpt_attach::Jvm;
use ckpt_coordinator::Monotonic;
use std::time::Duration;

/// Pause after the first failure; each further one doubles it.
const MIN_BACKOFF: Duration = Duration::from_secs(2);
/// Longest pause after failures.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// Number of foreign changes after which the override is not applied again.
const MAX_FOREIGN_CHANGES: u32 = 3;
/// Time that the override has to hold until foreign changes are forgotten.
const FOREIGN_CHANGES_MEMORY: Duration = Duration::from_secs(10 * 60);

/// Identity of the coordinator that values were seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incarnation {
    /// The JVM that it is in, and its identity there, when the agent has seen it.
    pub(super) object: Option<(Jvm, i32)>,
    /// When the JobManager says that the job was submitted or recovered.
    pub(super) started: i64,
    /// When the job began to run last, if that is known.
    pub(super) running: Option<i64>,
}

impl Incarnation {
    /// True if values that differ between the two were changed in place, and not lost with a coordinator.
    fn is(&self, other: &Self) -> bool {
        match (self.object, other.object) {
            (Some(one), Some(other)) => one == other,
            _ => self.started == other.started && self.running.zip(other.running).is_none_or(|(a, b)| a == b),
        }
    }
}

/// Result of a check.
#[derive(Debug, Clone)]
pub(super) enum Finding {
    /// The wanted values are in force.
    Holds(Incarnation),
    /// Other values are in force; `found` names them.
    Differs { within: Incarnation, found: String },
    /// There is no coordinator now.
    NoCoordinator { why: String },
    /// The check failed.
    Failed { why: String },
}

/// State of one override.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeper {
    status: Option<KeeperStatus>,
    /// The coordinator that it was in force in last.
    held_by: Option<Incarnation>,
    held_since: Option<Monotonic>,
    /// Since when it has not been in force, as far as that was seen.
    lost_at: Option<Monotonic>,
    foreign: u32,
    backoff: Option<Duration>,
    next_try: Option<Monotonic>,
}

#[derive(Debug, Clone)]
struct KeeperStatus {
    state: OverrideState,
    why: Option<String>,
    /// Since when, on both clocks.
    since: Monotonic,
    since_wall: u64,
}

impl Keeper {
    /// Takes the result of a check. Returns true if the override is to be applied now; `paused` is the reason why
    /// nothing may be applied.
    pub(super) fn record_finding(&mut self, now: Moment, look: Finding, paused: Option<String>) -> bool {
        match look {
            Finding::Holds(within) => {
                self.mark_holding(now, within);
                false
            }
            Finding::Differs { within, found } => self.differs(now, within, &found, paused),
            Finding::NoCoordinator { why } => {
                self.mark_lost(now);
                (self.backoff, self.next_try) = (None, None);
                if self.state() != Some(OverrideState::Conflict) {
                    self.set_status(now, OverrideState::Waiting, Some(why));
                }
                false
            }
            Finding::Failed { why } => {
                self.back_off(now);
                if self.state() != Some(OverrideState::Conflict) {
                    self.set_status(now, OverrideState::NotApplied, Some(why));
                }
                false
            }
        }
    }

    /// Notes that the override is in force. Returns for how long it was seen not to be.
    pub(super) fn mark_applied(&mut self, now: Moment, within: Incarnation) -> Duration {
        let lost = self.lost_at.map_or(Duration::ZERO, |at| now.monotonic.since(at));
        self.mark_holding(now, within);
        // What comes next is seen from here on.
        self.held_since = Some(now.monotonic);
        lost
    }

    /// Notes that applying failed.
    pub(super) fn record_failure(&mut self, now: Moment, error: &SeamError) {
        self.mark_lost(now);
        if error.override_state() == OverrideState::Waiting {
            (self.backoff, self.next_try) = (None, None);
        } else if self.next_try.is_none_or(|at| at <= now.monotonic) {
            self.back_off(now);
        }
        self.set_status(now, error.override_state(), Some(error.to_string()));
    }

    /// Forgets earlier failures and foreign changes: an operator made a change.
    pub(super) fn start_over(&mut self) {
        let status = self.status.take().filter(|status| status.state != OverrideState::Conflict);
        *self = Self { status, held_by: self.held_by, ..Self::default() };
    }

    /// Forgets which coordinator held the override: other values are wanted by now, so a difference is not foreign.
    pub(super) fn forget_holder(&mut self) {
        self.held_by = None;
    }

    /// Allows a try at once, since there was a sign of a change.
    pub(super) fn clear_backoff(&mut self) {
        self.next_try = None;
    }

    /// Ends a conflict, since reconciliation was resumed.
    pub(super) fn resume(&mut self) {
        if self.state() != Some(OverrideState::Applied) {
            let held_by = self.held_by;
            *self = Self { held_by, ..Self::default() };
        }
    }

    /// The state, once it was checked.
    pub(super) fn state(&self) -> Option<OverrideState> {
        self.status.as_ref().map(|status| status.state)
    }

    /// Start of the wait for a coordinator, while there is one.
    pub(super) fn waiting_since(&self) -> Option<Monotonic> {
        self.status
            .as_ref()
            .filter(|status| status.state == OverrideState::Waiting)
            .map(|status| status.since)
    }

    /// Time of the next try; none is made earlier.
    pub(super) fn next_try(&self) -> Option<Monotonic> {
        self.next_try
    }

    /// The status, as the REST API shows it.
    pub(super) fn status(&self, now: Moment) -> Option<OverrideStatus> {
        let KeeperStatus { state, why, since_wall, .. } = self.status.clone()?;
        let next_try = self.next_try.filter(|_| state == OverrideState::NotApplied);
        Some(OverrideStatus {
            state,
            why,
            since: Some(since_wall),
            next_try: next_try.map(|at| now.wall_at(at)),
        })
    }

    fn mark_holding(&mut self, now: Moment, within: Incarnation) {
        if now.monotonic.since(*self.held_since.get_or_insert(now.monotonic)) >= FOREIGN_CHANGES_MEMORY {
            self.foreign = 0;
        }
        (self.held_by, self.lost_at, self.backoff, self.next_try) = (Some(within), None, None, None);
        self.set_status(now, OverrideState::Applied, None);
    }

    fn differs(&mut self, now: Moment, within: Incarnation, found: &str, paused: Option<String>) -> bool {
        self.mark_lost(now);
        if let Some(why) = paused {
            (self.backoff, self.next_try) = (None, None);
            self.set_status(now, OverrideState::NotApplied, Some(format!("{found} is in force, and {why}")));
            return false;
        }
        let held = self.state() == Some(OverrideState::Applied);
        if held && self.held_by.is_some_and(|held_by| held_by.is(&within)) {
            self.foreign = self.foreign.saturating_add(1);
            if self.foreign >= MAX_FOREIGN_CHANGES {
                let why = format!(
                    "somebody else changed it {MAX_FOREIGN_CHANGES} times (last to {found}), so it is not applied again; \
                     find out who does, such as another ckptd, and make the change again to go on"
                );
                self.set_status(now, OverrideState::Conflict, Some(why));
            }
        }
        if self.state() == Some(OverrideState::Conflict) || self.next_try.is_some_and(|at| now.monotonic < at)
        {
            return false;
        }
        self.back_off(now);
        self.set_status(now, OverrideState::NotApplied, Some(format!("{found} is in force")));
        true
    }

    fn mark_lost(&mut self, now: Moment) {
        self.lost_at.get_or_insert(now.monotonic);
        self.held_since = None;
    }

    /// Sets the time of the next try; each pause is twice as long as the one before.
    fn back_off(&mut self, now: Moment) {
        let pause = self.backoff.unwrap_or(MIN_BACKOFF);
        self.next_try = Some(now.monotonic + pause);
        self.backoff = Some((pause * 2).min(MAX_BACKOFF));
    }

    fn set_status(&mut self, now: Moment, state: OverrideState, why: Option<String>) {
        let before = self.status.take().filter(|status| status.state == state);
        let (since, since_wall) =
            before.map_or((now.monotonic, now.wall_millis()), |status| (status.since, status.since_wall));
        self.status = Some(KeeperStatus { state, why, since, since_wall });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use ckpt_api::JobState;
    use tokio::time::advance;

    /// A keeper, and time that passes when it is told to.
    struct Kept {
        keeper: Keeper,
        clock: Clock,
    }

    /// The coordinator with this identity in this very process.
    fn coordinator(identity: i32) -> Incarnation {
        let jvm = Jvm::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        Incarnation { object: Some((jvm, identity)), started: 1, running: Some(2) }
    }

    impl Kept {
        fn new() -> Self {
            Self { keeper: Keeper::default(), clock: Clock::start() }
        }

        fn holds(&mut self, within: Incarnation) {
            assert!(!self.keeper.record_finding(self.clock.now(), Finding::Holds(within), None));
        }

        fn differs(&mut self, within: Incarnation) -> bool {
            let found = "a timeout of 10s".to_owned();
            self.keeper.record_finding(self.clock.now(), Finding::Differs { within, found }, None)
        }

        fn applied(&mut self, within: Incarnation) -> Duration {
            self.keeper.mark_applied(self.clock.now(), within)
        }

        fn status(&self) -> OverrideStatus {
            self.keeper.status(self.clock.now()).unwrap()
        }

        async fn passes(&self, seconds: u64) {
            advance(Duration::from_secs(seconds)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reapplies_to_each_new_coordinator() {
        let mut kept = Kept::new();
        for identity in 1..10 {
            kept.holds(coordinator(identity));
            kept.passes(3).await;
            let why = "the job is RESTARTING".to_owned();
            assert!(!kept.keeper.record_finding(kept.clock.now(), Finding::NoCoordinator { why }, None));
            assert_eq!(kept.status().state, OverrideState::Waiting);
            kept.passes(7).await;
            assert!(kept.differs(coordinator(identity + 1)));
            assert_eq!(kept.applied(coordinator(identity + 1)), Duration::from_secs(7));
            assert_eq!(kept.status().state, OverrideState::Applied);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn third_foreign_change_is_conflict() {
        let mut kept = Kept::new();
        kept.holds(coordinator(1));
        for _ in 1..3 {
            assert!(kept.differs(coordinator(1)));
            kept.applied(coordinator(1));
            kept.passes(300).await;
            kept.holds(coordinator(1));
        }
        assert!(!kept.differs(coordinator(1)));
        let status = kept.status();
        assert_eq!((status.state, status.next_try), (OverrideState::Conflict, None));
        assert!(status.why.unwrap().contains("3 times (last to a timeout of 10s)"));
        kept.passes(3_600).await;
        assert!(!kept.differs(coordinator(1)), "it has stopped");
        let why = "the job is RESTARTING".to_owned();
        assert!(!kept.keeper.record_finding(kept.clock.now(), Finding::NoCoordinator { why }, None));
        assert!(!kept.differs(coordinator(2)), "a restart does not end a conflict");
        kept.keeper.start_over();
        kept.applied(coordinator(2));
        assert_eq!(kept.status().state, OverrideState::Applied);
        assert!(kept.differs(coordinator(2)), "it counts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn old_foreign_changes_are_forgotten() {
        let mut kept = Kept::new();
        kept.holds(coordinator(1));
        for _ in 0..10 {
            assert!(kept.differs(coordinator(1)));
            kept.applied(coordinator(1));
            kept.passes(601).await;
            kept.holds(coordinator(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn timestamps_identify_coordinator_without_object() {
        let seen = |started, running| Incarnation { object: None, started, running };
        assert!(seen(1, Some(2)).is(&seen(1, Some(2))));
        assert!(!seen(1, Some(2)).is(&seen(1, Some(3))));
        assert!(!seen(1, Some(2)).is(&seen(4, Some(2))));
        assert!(seen(1, None).is(&seen(1, Some(2))), "it is asked for a little later");
        assert!(coordinator(7).is(&Incarnation { started: 9, ..coordinator(7) }), "the object decides");
        assert!(!coordinator(7).is(&coordinator(8)));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_back_off_exponentially() {
        let mut kept = Kept::new();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(kept.differs(coordinator(1)));
            kept.keeper.record_failure(kept.clock.now(), &SeamError::NoWay("no library".to_owned()));
            let status = kept.status();
            assert_eq!(status.state, OverrideState::NotApplied);
            assert!(status.why.unwrap().contains("no library"));
            let next = kept.keeper.next_try().unwrap();
            let pause = next.since(kept.clock.now().monotonic);
            pauses.push(pause.as_secs());
            assert!(!kept.differs(coordinator(1)), "it is too early");
            assert!(kept.status().next_try.is_some());
            advance(pause).await;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn pause_applies_and_suspects_nothing() {
        let mut kept = Kept::new();
        kept.holds(coordinator(1));
        for _ in 0..5 {
            let differs = Finding::Differs { within: coordinator(1), found: "a timeout of 10s".to_owned() };
            let paused = Some("reconcile is paused".to_owned());
            assert!(!kept.keeper.record_finding(kept.clock.now(), differs, paused));
            let status = kept.status();
            assert_eq!((status.state, status.next_try), (OverrideState::NotApplied, None));
            assert_eq!(status.why.unwrap(), "a timeout of 10s is in force, and reconcile is paused");
            kept.holds(coordinator(1));
        }
        assert!(kept.differs(coordinator(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn since_is_start_of_state() {
        let mut kept = Kept::new();
        let waits = |kept: &mut Kept| {
            let error = SeamError::NotNow { state: JobState::Restarting };
            kept.keeper.record_failure(kept.clock.now(), &error);
            kept.keeper.waiting_since().unwrap()
        };
        let since = waits(&mut kept);
        kept.passes(40).await;
        assert_eq!(waits(&mut kept), since);
        kept.holds(coordinator(1));
        assert_eq!(kept.keeper.waiting_since(), None);
        kept.passes(1).await;
        assert!(waits(&mut kept) > since);
    }
}
