//! The way to the daemon.

use async_trait::async_trait;
use ckpt_api::tasks::{Claim, Claimed, Reported, TaskEvent, TaskReport};
use ckpt_types::ids::SessionId;
use futures::stream::BoxStream;

/// A session's events with their numbers; heartbeats have none.
pub type Events = BoxStream<'static, Result<(Option<u64>, TaskEvent), DoorError>>;

/// The way to the daemon: HTTP, or a call within ckptd. Every call ends after a while, with
/// [`DoorError::Unreachable`] if nothing else.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Claims subtasks, all or none.
    ///
    /// # Errors
    /// See [`DoorError`]; a job that does not exist is [`DoorError::Refused`].
    async fn claim(&self, claim: &Claim) -> Result<Claimed, DoorError>;

    /// The session's events after the one with this number, or all of them. The stream may end at any
    /// time, and is opened again then.
    ///
    /// # Errors
    /// See [`DoorError`].
    async fn events(&self, session: SessionId, after: Option<u64>) -> Result<Events, DoorError>;

    /// Reports, all or none; an empty list answers a heartbeat.
    ///
    /// # Errors
    /// See [`DoorError`].
    async fn report(&self, session: SessionId, reports: &[TaskReport]) -> Result<Reported, DoorError>;

    /// Gives the subtasks back.
    ///
    /// # Errors
    /// See [`DoorError`].
    async fn leave(&self, session: SessionId) -> Result<(), DoorError>;
}

/// Why the daemon did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// The session is over: claim again.
    #[error("the session is over")]
    Gone,
    /// It said no, and will say so again.
    #[error("{sentence}")]
    Refused {
        /// Why, for people.
        sentence: String,
    },
    /// It did not answer, or cannot at the moment: try again.
    #[error("{cause}")]
    Unreachable {
        /// Why, for people.
        cause: String,
    },
}
