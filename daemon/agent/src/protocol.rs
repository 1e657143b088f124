//! What ckptd asks the agent and what it is answered: JSON in both directions.
//!
//! The question is the agent's option string, which HotSpot cuts at [`LONGEST_QUESTION`] bytes. The
//! answer goes into a file that ckptd made for it, which the agent opens and never creates. Both ends are
//! built together, so this language has no versions.
//!
//! Durations and points in time are whole milliseconds. Ids are Flink's 32 hexadecimal digits.

use serde::{Deserialize, Serialize};

/// The longest question, in bytes; HotSpot answers a longer one with silence.
pub const LONGEST_QUESTION: usize = 1_024;
/// What the agent returns when the question was none. Nothing was written.
pub const NO_QUESTION: i32 = 1;
/// What it returns when the answer file could not be opened. Nothing was written.
pub const NO_FILE: i32 = 2;
/// What it returns when the answer could not be written into its file: a change may have been made.
pub const NOT_ANSWERED: i32 = 3;
/// What Flink has as interval when there are no periodic checkpoints: Java's largest long.
pub const NO_INTERVAL: i64 = i64::MAX;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The file that takes the answer, as the JVM sees it.
    pub answer: String,
    /// On `CLOCK_MONOTONIC`: from then on nobody waits for the answer, and nothing may be written.
    pub deadline: u64,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// Which jobs this process leads. Writes nothing.
    Jobs,
    /// How a job's coordinator is, with everything verified that a change needs. Writes nothing.
    Read {
        /// The job.
        job: String,
    },
    /// Puts values in force.
    Change {
        /// The job.
        job: String,
        /// Which ones.
        values: Values,
    },
}

/// The values that are to be in force. They are final: min-pause has been seen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Values {
    /// The interval; `None` leaves it as it is.
    pub interval: Option<i64>,
    /// The timeout; `None` leaves it as it is.
    pub timeout: Option<i64>,
    /// Brings the pending periodic trigger forward to one interval from now, if it is later than that.
    pub pull_in: bool,
}

/// An answer.
pub type Answer = Result<Answered, Refusal>;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answered {
    /// To [`Ask::Jobs`].
    Jobs(Vec<LedJob>),
    /// To [`Ask::Read`].
    Read(Sight),
    /// To [`Ask::Change`].
    Changed {
        /// The coordinator afterwards.
        sight: Sight,
        /// The timeout that was in force before.
        timeout_before: i64,
        /// What happened to each checkpoint that was in flight, oldest first.
        updates: Vec<Update>,
    },
}

/// A job that a process leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedJob {
    /// Its id.
    pub job: String,
    /// Why its coordinator cannot be changed now; `None` when it can.
    pub refusal: Option<Refusal>,
}

/// A coordinator at one moment, seen under its own lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sight {
    /// Which family of releases its classes belong to, such as `1.19 and later`.
    pub family: String,
    /// Its scheduler, `Default` or `Adaptive`.
    pub scheduler: String,
    /// Java's `System.identityHashCode` of it. Another number is another coordinator; the same number is
    /// the same one, but for a coincidence of one in many millions.
    pub identity: i32,
    /// The interval in force, or [`NO_INTERVAL`].
    pub interval: i64,
    /// The timeout in force.
    pub timeout: i64,
    /// Min-pause.
    pub min_pause: i64,
    /// The values that Flink's REST API shows, and those that a rebuild starts from.
    pub shown: Shown,
    /// Whether periodic checkpoints are being scheduled: not before the job runs.
    pub periodic: bool,
    /// Until the pending periodic trigger; `None` when there is none.
    pub next_trigger_in: Option<i64>,
    /// How many requests wait for a checkpoint in flight to end.
    pub queued: u32,
    /// How many consecutive failures count now; `None` when the counter was not found.
    pub consecutive_failures: Option<u32>,
    /// What is in flight, oldest first.
    pub pending: Vec<Pending>,
}

/// Values that others than the coordinator go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The graph's configuration: what Flink's REST API shows.
    pub graph_interval: i64,
    /// The same.
    pub graph_timeout: i64,
    /// The job graph's configuration: what a rebuild starts from. `None` when there is none.
    pub plan: Option<(i64, i64)>,
}

/// A pending checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Its number.
    pub id: i64,
    /// Whether it is a savepoint.
    pub savepoint: bool,
    /// How many tasks have acknowledged.
    pub acknowledged: u32,
    /// How many there are.
    pub tasks: u32,
    /// What its canceller has left, which may be negative; `None` when it has none.
    pub remaining: Option<i64>,
    /// When it was triggered, in milliseconds since the epoch.
    pub triggered_at: i64,
}

/// What a change did to a pending checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// As it was before.
    pub before: Pending,
    /// What its canceller has left now: zero or less when a new one fires at once, `None` when it has none
    /// or the change came too late.
    pub remaining: Option<i64>,
    /// The old canceller had fired already: the race was lost.
    pub too_late: bool,
}

/// Why a question is not answered. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Refusal {
    /// No Flink JobManager runs in this JVM.
    NotFlink,
    /// It does not lead, or not yet.
    NotLeading {
        /// What was missing on the way.
        what: String,
        /// The leader's address, when it is known.
        leader: Option<String>,
    },
    /// It leads, and has no such job.
    NoSuchJob,
    /// The job has no coordinator at the moment, as while it starts or restarts.
    NoCoordinator {
        /// What was missing on the way.
        what: String,
    },
    /// The job does not use checkpoints at all.
    NoCheckpoints,
    /// The job's coordinator has been shut down: the job has ended.
    ShutDown,
    /// A class, field or method is not as it is known: an unknown release.
    Unexpected {
        /// Which, and what it was expected to be.
        what: String,
    },
    /// The deadline had passed.
    TooLate,
    /// Java threw where nothing should throw, or the question was none.
    Failed {
        /// What was tried and what came of it.
        what: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Through JSON and back.
    fn again<T: Serialize + for<'de> Deserialize<'de>>(it: &T) -> T {
        serde_json::from_slice(&serde_json::to_vec(it).unwrap()).unwrap()
    }

    #[test]
    fn the_longest_question_fits() {
        let values = Values { interval: Some(i64::MIN), timeout: Some(i64::MIN), pull_in: false };
        let ask = Ask::Change { job: "f".repeat(32), values };
        let answer = format!("/{}", "x".repeat(700));
        let question = Question { answer, deadline: u64::MAX, ask };
        assert!(serde_json::to_vec(&question).unwrap().len() <= LONGEST_QUESTION);
        assert_eq!(again(&question), question);
    }

    #[test]
    fn answers_survive_json() {
        let remaining = Some(-3);
        let before =
            Pending { id: 7, savepoint: true, acknowledged: 1, tasks: 4, remaining, triggered_at: 1 };
        let shown = Shown { graph_interval: 1, graph_timeout: 2, plan: Some((NO_INTERVAL, 4)) };
        let sight = Sight {
            family: "1.19 and later".to_owned(),
            scheduler: "Default".to_owned(),
            identity: 1_433_867_275,
            interval: NO_INTERVAL,
            timeout: 600_000,
            min_pause: 0,
            shown,
            periodic: false,
            next_trigger_in: None,
            queued: 3,
            consecutive_failures: None,
            pending: vec![before],
        };
        let update = Update { before, remaining: Some(0), too_late: false };
        let what = "it".to_owned();
        let refusal = Some(Refusal::NoCoordinator { what: what.clone() });
        let answers: [Answer; 5] = [
            Ok(Answered::Read(sight.clone())),
            Ok(Answered::Changed { sight, timeout_before: 20_000, updates: vec![update] }),
            Ok(Answered::Jobs(vec![LedJob { job: "f".repeat(32), refusal }])),
            Err(Refusal::NotLeading { what, leader: Some("pekko.tcp://flink@host:6123".to_owned()) }),
            Err(Refusal::NotFlink),
        ];
        for answer in answers {
            assert_eq!(again(&answer), answer);
        }
    }
}
