//! Access to a running JVM on this machine from outside: the agent is placed where the JVM sees it, loaded through
//! HotSpot's attach protocol, and answers one question at a time.
//!
//! | module | holds |
//! |---|---|
//! | `discovery` | the processes that listen on an address, and those that are JobManagers |
//! | `process` | a process that is not mistaken for another with the same pid |
//! | `preflight`, `check` | the checks that a diagnosis shows, and that guard every question |
//! | `jvm_options` | the JVM options that forbid an attach |
//! | `libc` | the check that its C library can carry the agent |
//! | `placement` | the library and the answer's file, in a directory that no other user can write to |
//! | `hotspot` | the attach protocol |
//! | `user` | work done as the JVM's own user |
//! | `refusal` | sentences for the agent's refusals |
//!
//! A question costs about a millisecond once the JVM has its socket, and no safepoint.

mod check;
mod discovery;
mod hotspot;
mod jvm_options;
mod libc;
mod placement;
mod preflight;
mod process;
mod refusal;
#[cfg(test)]
mod tests;
mod user;

pub use discovery::{HiddenListener, JobManagerProcess, Listeners, is_local, job_managers, listening_on};
pub use preflight::{AttachPolicy, Preflight, preflight};
pub use process::Jvm;
pub use refusal::describe_refusal;

use ckpt_agent::protocol::{Answer, Answered, Ask, LONGEST_QUESTION, Question, Refusal};
use ckpt_api::Check;
use ckpt_types::duration::{Exact, millis};
use placement::PlacedAgent;
use process::AttachTarget;
use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Part of a question's time that is reserved for its answer to come back: one tenth. The agent writes nothing in
/// it any more, so that a caller that gives up has not missed a change.
const RESPONSE_SHARE: u32 = 10;

/// Reason why a question got no answer. It may have been carried out all the same after [`AttachError::Silent`]
/// with `asked` and after [`AttachError::Unintelligible`]; after [`AttachError::Gone`] it does not matter any more.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The process has ended.
    #[error("process {pid} has ended; look for the JobManager that takes its place")]
    Gone {
        /// Process id.
        pid: i32,
    },
    /// A check failed. Nothing was sent.
    #[error("{}", describe_check(.0))]
    Refused(Check),
    /// A file cannot be placed, or is not safe there. Nothing was sent.
    #[error("cannot use {path}: {cause}", path = .path.display())]
    NotPlaced {
        /// File or directory, as ckptd sees it.
        path: PathBuf,
        /// Cause, with advice.
        #[source]
        cause: io::Error,
    },
    /// The question is longer than HotSpot takes. Nothing was sent.
    #[error("the question has {bytes} bytes and a JVM takes {LONGEST_QUESTION}; ask with a shorter job id")]
    TooLong {
        /// Length of the question.
        bytes: usize,
    },
    /// The JVM did not load the library.
    #[error("the JVM did not load the agent: {said}; its log may tell more")]
    NotLoaded {
        /// Reply of the JVM.
        said: String,
    },
    /// The JVM broke the connection off before it said whether it loaded the library.
    #[error("the JVM did not load the agent: it broke the connection off ({0}); its log may tell more")]
    Disconnected(#[source] io::Error),
    /// No answer came within the limit.
    #[error("{}", silent(.limit, *.asked))]
    Silent {
        /// Limit that was given.
        limit: Duration,
        /// True if the question had been sent.
        asked: bool,
    },
    /// The answer cannot be parsed.
    #[error("the agent's answer cannot be read: {cause}; look at the job before asking again")]
    Unintelligible {
        /// Cause.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The agent refused. Nothing was changed.
    #[error("{}", describe_refusal(.0))]
    Refusal(Refusal),
}

impl AttachError {
    fn unintelligible(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unintelligible { cause: cause.into() }
    }
}

/// Sentence for a failed check: the finding, and the advice if there is any.
#[must_use]
pub fn describe_check(check: &Check) -> String {
    match &check.advice {
        Some(advice) => format!("{}; {advice}", check.found),
        None => check.found.clone(),
    }
}

fn silent(limit: &Duration, asked: bool) -> String {
    let limit = Exact(*limit);
    match asked {
        true => format!(
            "the JVM did not answer within {limit}, and it may or may not have done what was asked; look at \
             the job before asking again"
        ),
        false => format!(
            "the JVM did not let itself be attached to within {limit}, and was asked nothing; try again, and \
             when it stays so look into its log for a thread dump: then its attach mechanism is switched off"
        ),
    }
}

/// Asks the agent in `jvm`, which is loaded when it is not there yet. Takes no longer than `limit`; a JVM is asked
/// one question at a time, others wait for their turn within their own limits.
///
/// # Errors
/// [`AttachError`].
pub async fn ask(
    jvm: &Jvm,
    policy: &AttachPolicy,
    ask: Ask,
    limit: Duration,
) -> Result<Answered, AttachError> {
    let until = QuestionDeadline { limit, instant: Instant::now() + limit };
    let not_asked = |_| until.silent(false);
    let turn = turn(*jvm);
    let _turn = timeout_at(until.instant, turn.lock()).await.map_err(not_asked)?;
    let (jvm, policy) = (*jvm, *policy);
    let target = off_thread(move || preflight(&jvm, &policy).into_target());
    let target = timeout_at(until.instant, target).await.map_err(not_asked)??;
    converse(Arc::new(target), ask, until).await
}

/// Time at which a question is given up.
#[derive(Debug, Clone, Copy)]
struct QuestionDeadline {
    limit: Duration,
    instant: Instant,
}

impl QuestionDeadline {
    fn silent(self, asked: bool) -> AttachError {
        AttachError::Silent { limit: self.limit, asked }
    }

    /// Milliseconds at which the agent stops acting, on the clock that it shares with ckptd.
    fn agent_deadline(self) -> u64 {
        let left = self.instant.saturating_duration_since(Instant::now());
        ckpt_clock::machine_millis() + millis(left - left / RESPONSE_SHARE)
    }
}

/// Exchange after the checks: place, connect, ask, read.
async fn converse(
    target: Arc<AttachTarget>,
    ask: Ask,
    until: QuestionDeadline,
) -> Result<Answered, AttachError> {
    let before = async {
        let there = Arc::clone(&target);
        let placed = off_thread(move || PlacedAgent::new(&there)).await?;
        let socket = hotspot::connect(&target).await?;
        let question = Question { answer: placed.answer_path(), deadline: until.agent_deadline(), ask };
        let question = serde_json::to_string(&question).map_err(AttachError::unintelligible)?;
        if question.len() > LONGEST_QUESTION {
            return Err(AttachError::TooLong { bytes: question.len() });
        }
        Ok((placed, socket, question))
    };
    let (placed, socket, question) =
        timeout_at(until.instant, before).await.map_err(|_| until.silent(false))??;
    let answer = async {
        let loaded = hotspot::load(socket, &placed.library_path(), &question).await;
        loaded.map_err(|error| if target.is_alive() { error } else { target.gone() })?;
        off_thread(move || placed.read_answer()).await
    };
    let answer = timeout_at(until.instant, answer).await.map_err(|_| until.silent(true))??;
    match serde_json::from_slice::<Answer>(&answer) {
        Ok(Ok(answered)) => Ok(answered),
        Ok(Err(refusal)) => Err(AttachError::Refusal(refusal)),
        Err(_) if answer.is_empty() => Err(AttachError::unintelligible("it is empty")),
        Err(error) => Err(AttachError::unintelligible(error)),
    }
}

/// Runs work that may block on another thread. When the caller stops waiting, the result is dropped there.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AttachError> + Send + 'static,
) -> Result<T, AttachError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(AttachError::unintelligible(error)),
    }
}

/// Lock to hold while this JVM is asked. Locks that no caller holds are forgotten.
fn turn(jvm: Jvm) -> Arc<tokio::sync::Mutex<()>> {
    static TURNS: LazyLock<Mutex<HashMap<Jvm, Arc<tokio::sync::Mutex<()>>>>> = LazyLock::new(Mutex::default);
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    turns.retain(|_, turn| Arc::strong_count(turn) > 1);
    Arc::clone(turns.entry(jvm).or_default())
}
