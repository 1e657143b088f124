//! Whether a job's override holds, and what is to be done when it does not: a state machine that is handed what
//! a look found and when, and says whether to apply it again. No clock and no I/O.

use crate::attach::Jvm;
use crate::clock::Moment;
use crate::seam::SeamError;
use ckpt_api::{OverrideState, OverrideStatus};
use ckpt_coordinator::Monotonic;
use std::time::Duration;

/// After a try that failed: the first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so many changes by somebody else it is not applied again.
const MOST_FOREIGN: u32 = 3;
/// How long it has to hold until what somebody else did is forgotten.
const STEADY: Duration = Duration::from_secs(10 * 60);

/// Which coordinator it is that values were seen in.
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
    /// Whether values that changed between the two were changed by somebody, and not lost with a coordinator.
    fn is(&self, other: &Self) -> bool {
        match (self.object, other.object) {
            (Some(one), Some(other)) => one == other,
            _ => self.started == other.started && self.running.zip(other.running).is_none_or(|(a, b)| a == b),
        }
    }
}

/// What a look found.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// What should hold, holds.
    Holds(Incarnation),
    /// Other values are in force; `found` names them.
    Differs { within: Incarnation, found: String },
    /// There is no coordinator now.
    NoCoordinator { why: String },
    /// It could not be looked at.
    Failed { why: String },
}

/// How an override is kept.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    status: Option<Status>,
    /// The coordinator that it was in force in last.
    held_by: Option<Incarnation>,
    held_since: Option<Monotonic>,
    /// Since when it has not been in force, as far as that was seen.
    lost_at: Option<Monotonic>,
    foreign: u32,
    pause: Option<Duration>,
    next_try: Option<Monotonic>,
}

#[derive(Debug, Clone)]
struct Status {
    state: OverrideState,
    why: Option<String>,
    /// Since when, on both clocks.
    since: Monotonic,
    since_wall: u64,
}

impl Keeping {
    /// Takes what a look found. Whether it is to be applied now. `paused` says why nothing is to be applied.
    pub(super) fn looked(&mut self, now: Moment, look: Look, paused: Option<String>) -> bool {
        match look {
            Look::Holds(within) => {
                self.holds(now, within);
                false
            }
            Look::Differs { within, found } => self.differs(now, within, &found, paused),
            Look::NoCoordinator { why } => {
                self.is_lost(now);
                (self.pause, self.next_try) = (None, None);
                if self.state() != Some(OverrideState::Conflict) {
                    self.is(now, OverrideState::Waiting, Some(why));
                }
                false
            }
            Look::Failed { why } => {
                self.backs_off(now);
                if self.state() != Some(OverrideState::Conflict) {
                    self.is(now, OverrideState::NotApplied, Some(why));
                }
                false
            }
        }
    }

    /// It was put in force again. How long it had not been, as far as that was seen.
    pub(super) fn applied(&mut self, now: Moment, within: Incarnation) -> Duration {
        let lost = self.lost_at.map_or(Duration::ZERO, |at| now.monotonic.since(at));
        self.holds(now, within);
        // What comes next is seen from here on.
        self.held_since = Some(now.monotonic);
        lost
    }

    /// It could not be put in force.
    pub(super) fn failed(&mut self, now: Moment, error: &SeamError) {
        self.is_lost(now);
        if error.override_state() == OverrideState::Waiting {
            (self.pause, self.next_try) = (None, None);
        } else if self.next_try.is_none_or(|at| at <= now.monotonic) {
            self.backs_off(now);
        }
        self.is(now, error.override_state(), Some(error.to_string()));
    }

    /// Somebody changed it through us: what came before counts no more.
    pub(super) fn starts_over(&mut self) {
        let status = self.status.take().filter(|status| status.state != OverrideState::Conflict);
        *self = Self { status, held_by: self.held_by, ..Self::default() };
    }

    /// Other values should hold by now than those that were put in force: nobody is suspected of the difference.
    pub(super) fn something_else_is_wanted(&mut self) {
        self.held_by = None;
    }

    /// There was a sign that something is otherwise now: what failed may be tried at once.
    pub(super) fn is_signed(&mut self) {
        self.next_try = None;
    }

    /// Reconcile was resumed: whoever is in conflict may try again.
    pub(super) fn resumes(&mut self) {
        if self.state() != Some(OverrideState::Applied) {
            let held_by = self.held_by;
            *self = Self { held_by, ..Self::default() };
        }
    }

    /// The state, once it was looked at.
    pub(super) fn state(&self) -> Option<OverrideState> {
        self.status.as_ref().map(|status| status.state)
    }

    /// Since when it has been waiting, while it is.
    pub(super) fn waits_since(&self) -> Option<Monotonic> {
        self.status
            .as_ref()
            .filter(|status| status.state == OverrideState::Waiting)
            .map(|status| status.since)
    }

    /// Until when nothing is tried.
    pub(super) fn next_try(&self) -> Option<Monotonic> {
        self.next_try
    }

    /// How it stands, for people.
    pub(super) fn status(&self, now: Moment) -> Option<OverrideStatus> {
        let Status { state, why, since_wall, .. } = self.status.clone()?;
        let next_try = self.next_try.filter(|_| state == OverrideState::NotApplied);
        Some(OverrideStatus {
            state,
            why,
            since: Some(since_wall),
            next_try: next_try.map(|at| now.wall_at(at)),
        })
    }

    fn holds(&mut self, now: Moment, within: Incarnation) {
        if now.monotonic.since(*self.held_since.get_or_insert(now.monotonic)) >= STEADY {
            self.foreign = 0;
        }
        (self.held_by, self.lost_at, self.pause, self.next_try) = (Some(within), None, None, None);
        self.is(now, OverrideState::Applied, None);
    }

    fn differs(&mut self, now: Moment, within: Incarnation, found: &str, paused: Option<String>) -> bool {
        self.is_lost(now);
        if let Some(why) = paused {
            (self.pause, self.next_try) = (None, None);
            self.is(now, OverrideState::NotApplied, Some(format!("{found} is in force, and {why}")));
            return false;
        }
        let held = self.state() == Some(OverrideState::Applied);
        if held && self.held_by.is_some_and(|held_by| held_by.is(&within)) {
            self.foreign = self.foreign.saturating_add(1);
            if self.foreign >= MOST_FOREIGN {
                let why = format!(
                    "somebody else changed it {MOST_FOREIGN} times (last to {found}), so it is not applied again; \
                     find out who does, such as another ckptd, and make the change again to go on"
                );
                self.is(now, OverrideState::Conflict, Some(why));
            }
        }
        if self.state() == Some(OverrideState::Conflict) || self.next_try.is_some_and(|at| now.monotonic < at)
        {
            return false;
        }
        self.backs_off(now);
        self.is(now, OverrideState::NotApplied, Some(format!("{found} is in force")));
        true
    }

    fn is_lost(&mut self, now: Moment) {
        self.lost_at.get_or_insert(now.monotonic);
        self.held_since = None;
    }

    /// Each pause is twice as long as the one before.
    fn backs_off(&mut self, now: Moment) {
        let pause = self.pause.unwrap_or(FIRST_PAUSE);
        self.next_try = Some(now.monotonic + pause);
        self.pause = Some((pause * 2).min(LONGEST_PAUSE));
    }

    fn is(&mut self, now: Moment, state: OverrideState, why: Option<String>) {
        let before = self.status.take().filter(|status| status.state == state);
        let (since, since_wall) =
            before.map_or((now.monotonic, now.wall_millis()), |status| (status.since, status.since_wall));
        self.status = Some(Status { state, why, since, since_wall });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use ckpt_api::JobState;
    use tokio::time::advance;

    /// A keeping, and time that passes when it is told to.
    struct Kept {
        keeping: Keeping,
        clock: Clock,
    }

    /// The coordinator with this identity in this very process.
    fn coordinator(identity: i32) -> Incarnation {
        let jvm = Jvm::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        Incarnation { object: Some((jvm, identity)), started: 1, running: Some(2) }
    }

    impl Kept {
        fn new() -> Self {
            Self { keeping: Keeping::default(), clock: Clock::start() }
        }

        fn holds(&mut self, within: Incarnation) {
            assert!(!self.keeping.looked(self.clock.now(), Look::Holds(within), None));
        }

        fn differs(&mut self, within: Incarnation) -> bool {
            let found = "a timeout of 10s".to_owned();
            self.keeping.looked(self.clock.now(), Look::Differs { within, found }, None)
        }

        fn applied(&mut self, within: Incarnation) -> Duration {
            self.keeping.applied(self.clock.now(), within)
        }

        fn status(&self) -> OverrideStatus {
            self.keeping.status(self.clock.now()).unwrap()
        }

        async fn passes(&self, seconds: u64) {
            advance(Duration::from_secs(seconds)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_with_a_coordinator_is_applied_to_the_next_one_at_once_however_often() {
        let mut kept = Kept::new();
        for identity in 1..10 {
            kept.holds(coordinator(identity));
            kept.passes(3).await;
            let why = "the job is RESTARTING".to_owned();
            assert!(!kept.keeping.looked(kept.clock.now(), Look::NoCoordinator { why }, None));
            assert_eq!(kept.status().state, OverrideState::Waiting);
            kept.passes(7).await;
            assert!(kept.differs(coordinator(identity + 1)));
            assert_eq!(kept.applied(coordinator(identity + 1)), Duration::from_secs(7));
            assert_eq!(kept.status().state, OverrideState::Applied);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_change_by_somebody_else_stays_and_is_named_until_somebody_acts() {
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
        assert!(!kept.keeping.looked(kept.clock.now(), Look::NoCoordinator { why }, None));
        assert!(!kept.differs(coordinator(2)), "a restart does not end a conflict");
        kept.keeping.starts_over();
        kept.applied(coordinator(2));
        assert_eq!(kept.status().state, OverrideState::Applied);
        assert!(kept.differs(coordinator(2)), "it counts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn changes_by_somebody_else_are_forgotten_when_it_has_held_for_long() {
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
    async fn without_an_identity_a_restart_shows_in_the_timestamps() {
        let seen = |started, running| Incarnation { object: None, started, running };
        assert!(seen(1, Some(2)).is(&seen(1, Some(2))));
        assert!(!seen(1, Some(2)).is(&seen(1, Some(3))));
        assert!(!seen(1, Some(2)).is(&seen(4, Some(2))));
        assert!(seen(1, None).is(&seen(1, Some(2))), "it is asked for a little later");
        assert!(coordinator(7).is(&Incarnation { started: 9, ..coordinator(7) }), "the object decides");
        assert!(!coordinator(7).is(&coordinator(8)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_with_longer_pauses_and_says_when() {
        let mut kept = Kept::new();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(kept.differs(coordinator(1)));
            kept.keeping.failed(kept.clock.now(), &SeamError::NoWay("no library".to_owned()));
            let status = kept.status();
            assert_eq!(status.state, OverrideState::NotApplied);
            assert!(status.why.unwrap().contains("no library"));
            let next = kept.keeping.next_try().unwrap();
            let pause = next.since(kept.clock.now().monotonic);
            pauses.push(pause.as_secs());
            assert!(!kept.differs(coordinator(1)), "it is too early");
            assert!(kept.status().next_try.is_some());
            advance(pause).await;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_paused_nothing_is_applied_and_nobody_is_suspected() {
        let mut kept = Kept::new();
        kept.holds(coordinator(1));
        for _ in 0..5 {
            let differs = Look::Differs { within: coordinator(1), found: "a timeout of 10s".to_owned() };
            let paused = Some("reconcile is paused".to_owned());
            assert!(!kept.keeping.looked(kept.clock.now(), differs, paused));
            let status = kept.status();
            assert_eq!((status.state, status.next_try), (OverrideState::NotApplied, None));
            assert_eq!(status.why.unwrap(), "a timeout of 10s is in force, and reconcile is paused");
            kept.holds(coordinator(1));
        }
        assert!(kept.differs(coordinator(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn since_is_when_a_state_began_and_not_when_it_was_seen_last() {
        let mut kept = Kept::new();
        let waits = |kept: &mut Kept| {
            let error = SeamError::NotNow { state: JobState::Restarting };
            kept.keeping.failed(kept.clock.now(), &error);
            kept.keeping.waits_since().unwrap()
        };
        let since = waits(&mut kept);
        kept.passes(40).await;
        assert_eq!(waits(&mut kept), since);
        kept.holds(coordinator(1));
        assert_eq!(kept.keeping.waits_since(), None);
        kept.passes(1).await;
        assert!(waits(&mut kept) > since);
    }
}
