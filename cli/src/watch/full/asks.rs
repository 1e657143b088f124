//! What is to be asked for next, and when: in its pace, sooner when something happened, and never twice at once.

use super::snapshot::Now;

/// How soon again when something happened, in milliseconds.
const SOON: u64 = 150;
/// How soon again all jobs are asked for: what happens is drawn from the events themselves.
const JOBS_SOON: u64 = 1_000;
/// How often all jobs are asked for while one is looked at.
const BESIDE: u64 = 5_000;
/// How often the checkpoints that have ended are asked for when nothing was heard of one.
const HISTORY: u64 = 30_000;
/// How often a diagnosis is asked for while a checkpoint is in flight.
const DIAGNOSIS: u64 = 2_000;
/// How long after nothing came it is tried again.
const AFTER_FAILURE: u64 = 1_000;
/// After how long an answer is not waited for any more.
const GIVEN_UP: u64 = 35_000;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    /// All jobs.
    Jobs,
    /// A job's configuration.
    Job(String),
    /// Its checkpoints that have ended.
    History(String),
    /// The diagnosis of its checkpoint in flight.
    Diagnosis(String),
}

/// Why an answer did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The server did not answer, or refused.
    NoAnswer,
    /// It knows no such job.
    Unknown,
    /// It has no such path: it is an older one.
    Path,
}

/// One kind of question.
#[derive(Debug, Clone, Default)]
struct Pace {
    /// When it was asked last.
    asked: Option<u64>,
    /// Whether the answer is still to come.
    out: bool,
    /// Whether something happened since.
    stale: bool,
    /// The server has no such thing.
    never: bool,
    /// Until then it is not asked, since it failed.
    not_before: u64,
}

impl Pace {
    /// When it is to be asked next.
    fn next(&self, every: u64, soon: u64) -> Option<u64> {
        if self.never {
            return None;
        }
        let Some(asked) = self.asked else { return Some(self.not_before) };
        let pause = match (self.out, self.stale) {
            (true, _) => GIVEN_UP,
            (false, true) => soon.min(every),
            (false, false) => every,
        };
        Some(asked.saturating_add(pause).max(self.not_before))
    }

    fn ask(&mut self, now: u64) {
        (self.asked, self.out, self.stale) = (Some(now), true, false);
    }

    fn came(&mut self) {
        self.out = false;
    }
}

/// All of them.
#[derive(Debug, Clone)]
pub(super) struct Asks {
    every: u64,
    jobs: Pace,
    job: Pace,
    history: Pace,
    diagnosis: Pace,
    /// When there is something to ask for again.
    next: u64,
}

impl Asks {
    /// In this pace, in milliseconds.
    pub(super) fn new(every: u64) -> Self {
        let pace = Pace::default;
        Self { every, jobs: pace(), job: pace(), history: pace(), diagnosis: pace(), next: 0 }
    }

    /// What is due, and from now on under way.
    pub(super) fn due(&mut self, all: bool, job: Option<String>, in_flight: bool, now: Now) -> Vec<Ask> {
        let mut due = Vec::new();
        self.next = u64::MAX;
        let every = self.every;
        let beside = if job.is_some() { every.max(BESIDE) } else { every };
        let mut turn = |pace: &mut Pace, every, soon, ask: Ask| {
            let Some(at) = pace.next(every, soon) else { return };
            if at <= now.mono {
                pace.ask(now.mono);
                due.push(ask);
            }
            self.next = self.next.min(pace.next(every, soon).unwrap_or(u64::MAX));
        };
        if all {
            turn(&mut self.jobs, beside, JOBS_SOON, Ask::Jobs);
        }
        if let Some(job) = job {
            turn(&mut self.job, every, SOON, Ask::Job(job.clone()));
            turn(&mut self.history, HISTORY.max(every), SOON, Ask::History(job.clone()));
            if in_flight {
                turn(&mut self.diagnosis, DIAGNOSIS.max(every), DIAGNOSIS / 2, Ask::Diagnosis(job));
            }
        }
        due
    }

    /// When to look again, since the watch began.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Something happened: what was known is old. Whether to the job that is looked at, and whether a checkpoint has
    /// ended.
    pub(super) fn something_happened(&mut self, is_open: bool, ended: bool) {
        self.jobs.stale = true;
        self.job.stale |= is_open;
        self.diagnosis.stale |= is_open;
        self.history.stale |= is_open && ended;
    }

    /// Somebody of the job that is looked at has acknowledged: who is missing is to be asked for again.
    pub(super) fn acknowledged(&mut self) {
        self.diagnosis.stale = true;
    }

    /// Everything is old.
    pub(super) fn all_at_once(&mut self) {
        self.something_happened(true, true);
    }

    /// Whoever is connected to now may be able to tell what an earlier one could not.
    pub(super) fn connected(&mut self) {
        (self.history.never, self.diagnosis.never) = (false, false);
        self.all_at_once();
    }

    /// Another job is looked at, of which nothing is known yet.
    pub(super) fn other_job(&mut self) {
        let never = (self.history.never, self.diagnosis.never);
        (self.job, self.history, self.diagnosis) = (Pace::default(), Pace::default(), Pace::default());
        (self.history.never, self.diagnosis.never) = never;
    }

    pub(super) fn answered(&mut self, ask: &Ask) {
        self.pace(ask).came();
    }

    pub(super) fn history_came(&mut self) {
        self.history.came();
    }

    pub(super) fn diagnosis_came(&mut self) {
        self.diagnosis.came();
    }

    pub(super) fn failed(&mut self, ask: &Ask, missing: Missing, now: Now) {
        let is_for_good = matches!(ask, Ask::Diagnosis(_)) && missing == Missing::Path;
        let pace = self.pace(ask);
        pace.came();
        pace.never = is_for_good;
        pace.not_before = now.mono.saturating_add(AFTER_FAILURE);
    }

    fn pace(&mut self, ask: &Ask) -> &mut Pace {
        match ask {
            Ask::Jobs => &mut self.jobs,
            Ask::Job(_) => &mut self.job,
            Ask::History(_) => &mut self.history,
            Ask::Diagnosis(_) => &mut self.diagnosis,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono: u64) -> Now {
        Now { mono, wall: 0 }
    }

    fn names(asks: &[Ask]) -> Vec<&'static str> {
        let name = |ask: &Ask| match ask {
            Ask::Jobs => "jobs",
            Ask::Job(_) => "job",
            Ask::History(_) => "history",
            Ask::Diagnosis(_) => "diagnosis",
        };
        asks.iter().map(name).collect()
    }

    #[test]
    fn each_is_asked_in_its_pace_and_not_while_it_is_under_way() {
        let mut asks = Asks::new(1_000);
        let job = || Some("j".to_owned());
        assert_eq!(names(&asks.due(true, job(), true, at(0))), ["jobs", "job", "history", "diagnosis"]);
        assert_eq!(names(&asks.due(true, job(), true, at(20_000))), Vec::<&str>::new());
        asks.answered(&Ask::Job("j".to_owned()));
        assert_eq!(names(&asks.due(true, job(), true, at(20_000))), ["job"]);
        asks.diagnosis_came();
        asks.history_came();
        asks.answered(&Ask::Jobs);
        assert_eq!(names(&asks.due(true, job(), false, at(20_100))), ["jobs"], "nothing is in flight");
        assert_eq!(asks.next(), 30_000, "the history");
    }

    #[test]
    fn what_happened_is_asked_about_soon_and_a_burst_only_once() {
        let mut asks = Asks::new(10_000);
        let due = |asks: &mut Asks, now| names(&asks.due(true, None, false, at(now)));
        assert_eq!(due(&mut asks, 0), ["jobs"]);
        asks.answered(&Ask::Jobs);
        asks.something_happened(false, false);
        assert_eq!(due(&mut asks, 100), Vec::<&str>::new());
        assert_eq!(asks.next(), JOBS_SOON);
        assert_eq!(due(&mut asks, 1_000), ["jobs"]);
        asks.something_happened(false, false);
        assert_eq!(due(&mut asks, 1_010), Vec::<&str>::new(), "it is under way");
        asks.failed(&Ask::Jobs, Missing::NoAnswer, at(1_500));
        assert_eq!(due(&mut asks, 2_100), Vec::<&str>::new(), "it failed a moment ago");
        assert_eq!(due(&mut asks, 2_500), ["jobs"]);
    }

    #[test]
    fn what_the_server_does_not_have_is_not_asked_for_again() {
        let mut asks = Asks::new(1_000);
        drop(asks.due(false, Some("j".to_owned()), true, at(0)));
        asks.failed(&Ask::Diagnosis("j".to_owned()), Missing::Path, at(10));
        asks.other_job();
        assert_eq!(names(&asks.due(false, Some("k".to_owned()), true, at(60_000))), ["job", "history"]);
    }
}
