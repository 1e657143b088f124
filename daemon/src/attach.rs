//! Reaching a running JVM on this machine from outside: the agent is placed where the JVM sees it, loaded
//! through HotSpot's attach protocol, and answers one question at a time.
//!
//! | module | holds |
//! |---|---|
//! | [`find`] | who listens on a port; which processes are JobManagers |
//! | `process` | a process that is not mistaken for another with the same pid |
//! | `preflight` | whether it may and can be reached: what a diagnosis shows, and what guards every question |
//! | `options` | the JVM options that forbid it |
//! | `libc` | whether its C library can carry the agent |
//! | `place` | the library and the answer's file, in a directory that nobody else can write to |
//! | `hotspot` | the attach protocol |
//! | `user` | doing what is done there as the JVM's own user |
//! | `refusal` | what the agent's refusals mean to people |
//!
//! A question costs about a millisecond once the JVM has its socket, and no safepoint.

pub mod find;
mod hotspot;
mod libc;
mod options;
mod place;
mod preflight;
mod process;
mod refusal;
#[cfg(test)]
mod tests;
mod user;

pub use preflight::{Consent, Preflight, preflight};
pub use process::Jvm;
pub use refusal::sentence;

use crate::clock;
use ckpt_agent::protocol::{Answer, Answered, Ask, LONGEST_QUESTION, Question, Refusal};
use ckpt_api::Check;
use ckpt_types::duration::{Exact, millis};
use place::Placed;
use process::Target;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The last part of a question's time, one tenth, is for its answer to come back: the agent writes nothing in
/// it any more, so that whoever gives up has not missed what was done.
const TIME_TO_ANSWER: u32 = 10;

/// Why a question got no answer. It may have been carried out all the same after [`AttachError::Silent`] with
/// `asked` and after [`AttachError::Unintelligible`]; after [`AttachError::Gone`] it does not matter any more.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The process is not there any more.
    #[error("process {pid} has ended; look for the JobManager that takes its place")]
    Gone {
        /// Its pid.
        pid: i32,
    },
    /// A check failed. Nothing was sent.
    #[error("{}", in_words(.0))]
    Refused(Check),
    /// What has to be placed cannot be placed, or is not safe there. Nothing was sent.
    #[error("cannot use {path}: {cause}", path = .path.display())]
    NotPlaced {
        /// The file or directory, as ckptd sees it.
        path: PathBuf,
        /// Why, and what to do.
        cause: io::Error,
    },
    /// The question is longer than HotSpot takes. Nothing was sent.
    #[error("the question has {bytes} bytes and a JVM takes {LONGEST_QUESTION}; ask with a shorter job id")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The JVM did not load the library.
    #[error("the JVM did not load the agent: {said}; its log may tell more")]
    NotLoaded {
        /// What it said.
        said: String,
    },
    /// Nothing came within the limit.
    #[error("{}", silent(.limit, *.asked))]
    Silent {
        /// The limit.
        limit: Duration,
        /// Whether the question had been sent.
        asked: bool,
    },
    /// An answer that is none.
    #[error("the agent's answer cannot be read: {cause}; look at the job before asking again")]
    Unintelligible {
        /// Why.
        cause: String,
    },
    /// The agent says no. Nothing was changed.
    #[error("{}", sentence(.0))]
    Refusal(Refusal),
}

/// A failed check in one sentence.
#[must_use]
pub fn in_words(check: &Check) -> String {
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

/// Asks the agent in `jvm`, which is loaded when it is not there yet. Takes no longer than `limit`; one
/// question at a time is put to a JVM, others wait for their turn within their own limits.
///
/// # Errors
/// [`AttachError`].
pub async fn ask(jvm: &Jvm, consent: &Consent, ask: Ask, limit: Duration) -> Result<Answered, AttachError> {
    let until = Until { limit, instant: Instant::now() + limit };
    let not_asked = |_| until.silent(false);
    let turn = turn(*jvm);
    let _turn = timeout_at(until.instant, turn.lock()).await.map_err(not_asked)?;
    let (jvm, consent) = (*jvm, *consent);
    let target = off_thread(move || preflight(&jvm, &consent).into_target());
    let target = timeout_at(until.instant, target).await.map_err(not_asked)??;
    converse(Arc::new(target), ask, until).await
}

/// When a question is given up.
#[derive(Debug, Clone, Copy)]
struct Until {
    limit: Duration,
    instant: Instant,
}

impl Until {
    fn silent(self, asked: bool) -> AttachError {
        AttachError::Silent { limit: self.limit, asked }
    }

    /// When the agent stops acting, on the clock that it shares with ckptd.
    fn deadline(self) -> u64 {
        let left = self.instant.saturating_duration_since(Instant::now());
        clock::machine_millis() + millis(left - left / TIME_TO_ANSWER)
    }
}

/// Everything after the checks: place, connect, ask, read.
async fn converse(target: Arc<Target>, ask: Ask, until: Until) -> Result<Answered, AttachError> {
    let before = async {
        let there = Arc::clone(&target);
        let placed = off_thread(move || Placed::new(&there)).await?;
        let socket = hotspot::connect(&target).await?;
        let question = Question { answer: placed.answer_path(), deadline: until.deadline(), ask };
        let question = serde_json::to_string(&question)
            .map_err(|error| AttachError::Unintelligible { cause: error.to_string() })?;
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
        Err(_) if answer.is_empty() => Err(AttachError::Unintelligible { cause: "it is empty".to_owned() }),
        Err(error) => Err(AttachError::Unintelligible { cause: error.to_string() }),
    }
}

/// Does what may block on another thread. When it is not waited for, what it made is dropped there.
async fn off_thread<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, AttachError> + Send + 'static,
) -> Result<T, AttachError> {
    match tokio::task::spawn_blocking(what).await {
        Ok(result) => result,
        Err(error) => Err(AttachError::Unintelligible { cause: error.to_string() }),
    }
}

/// What whoever asks this JVM has to hold. Those that nobody holds are forgotten.
fn turn(jvm: Jvm) -> Arc<tokio::sync::Mutex<()>> {
    static TURNS: LazyLock<Mutex<HashMap<Jvm, Arc<tokio::sync::Mutex<()>>>>> = LazyLock::new(Mutex::default);
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    turns.retain(|_, turn| Arc::strong_count(turn) > 1);
    Arc::clone(turns.entry(jvm).or_default())
}
