//! The client of a program that is a hosted job's tasks; `docs/tasks.md` explains the protocol.
//!
//! [`attach`] claims subtasks. What the program is told comes from [`Orders`], what it has to say goes
//! through [`Reporter`]. Heartbeats, streams that break, sessions that are lost and a ckptd that is away
//! for a while are dealt with behind them, in one task in the background: after a loss it claims again,
//! and [`Order::Restore`] follows.
//!
//! The daemon is behind a [`Door`]: [`HttpDoor`], or a call within ckptd.
//!
//! ```no_run
//! # use ckpt_api::tasks::{Claim, ClaimedSubtasks};
//! # use ckpt_client::Client;
//! # use ckpt_task_sdk::{HttpDoor, Order, attach};
//! # async fn work() -> Result<(), Box<dyn std::error::Error>> {
//! let door = HttpDoor::new(Client::new("http://127.0.0.1:8571", Some("token".to_owned()))?, "wordcount");
//! let subtask = ClaimedSubtasks { vertex: "count".to_owned(), index: Some(0) };
//! let claim = Claim { attempt: 1, subtasks: vec![subtask], name: None };
//! let (mut orders, reporter) = attach(door, claim).await?;
//! while let Some(order) = orders.next().await? {
//!     if let Order::Restore { execution, checkpoint } = order {
//!         // Load what `checkpoint` names, then:
//!         reporter.running(execution).await;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod claiming;
mod door;
mod http;
mod mailbox;
mod pause;
mod reporter;
mod reports;
mod session;

use ckpt_api::JobState;
use ckpt_api::tasks::{Claim, RestoredFrom};
use ckpt_types::ids::CheckpointId;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use claiming::Claiming;
pub use door::{Door, DoorError, Events};
pub use http::HttpDoor;
use mailbox::Mailbox;
pub use reporter::{Receipt, ReportError, Reporter, Took};
use session::Session;

/// What the program is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Forget all state, start from this, then [report](Reporter::running) that it runs.
    Restore {
        /// Which execution of the job begins; reports about it carry this number.
        execution: u64,
        /// What to start from; `None` for nothing.
        checkpoint: Option<RestoredFrom>,
    },
    /// Every subtask of the session stores its state, durably, in a file of its own directly in
    /// `directory`, then [acknowledges](Reporter::acknowledge).
    Trigger {
        /// The checkpoint or savepoint.
        checkpoint_id: CheckpointId,
        /// Whether it is a savepoint.
        savepoint: bool,
        /// An absolute path.
        directory: PathBuf,
        /// When it was triggered, in milliseconds since the epoch.
        triggered_at: u64,
    },
    /// A checkpoint that was triggered will not complete. If its trigger has not been read yet, neither
    /// comes.
    Abort {
        /// The checkpoint.
        checkpoint_id: CheckpointId,
    },
    /// A checkpoint is complete: what waited for it may be committed. It may be missing after a loss; a
    /// restore from a checkpoint says the same of it.
    Complete {
        /// The checkpoint.
        checkpoint_id: CheckpointId,
    },
    /// The job has ended; nothing comes after this.
    End {
        /// How.
        state: JobState,
    },
}

/// Where the program's orders come from. It holds the session: when this is dropped, the subtasks are
/// given back, as well as that can be done without waiting for it.
#[derive(Debug)]
pub struct Orders {
    mailbox: Arc<Mailbox>,
    /// Dropped when this is.
    stay: oneshot::Sender<Infallible>,
    background: JoinHandle<()>,
}

/// Claims subtasks, and claims them again whenever the session is lost, until the job ends. While the
/// daemon is away it keeps trying, here and later.
///
/// It has to be called within a tokio runtime.
///
/// # Errors
/// [`DoorError::Refused`] when the claim is refused, as when there is no such job or a newer attempt
/// holds a subtask.
pub async fn attach(door: impl Door, claim: Claim) -> Result<(Orders, Reporter), DoorError> {
    let door: Arc<dyn Door> = Arc::new(door);
    let mut claiming = Claiming::new(Arc::clone(&door), claim);
    let claimed = claiming.claim().await?;
    let mailbox = Arc::new(Mailbox::default());
    let (reporter, reports) = reporter::channel(Arc::clone(&mailbox));
    let (stay, left) = oneshot::channel();
    let session = Session { door, claiming, claimed, mailbox: Arc::clone(&mailbox), reports };
    let background = tokio::spawn(session.run(left));
    Ok((Orders { mailbox, stay, background }, reporter))
}

impl Orders {
    /// The next order; `None` after [`Order::End`]. It can be cancelled without loss, as in `select!`.
    ///
    /// A program that leaves more than [`MOST_EVENTS_KEPT`](ckpt_api::tasks::MOST_EVENTS_KEPT) orders unread
    /// is told to restore.
    ///
    /// # Errors
    /// [`DoorError::Refused`] when the session was lost and cannot be had again, as when a newer attempt
    /// holds a subtask. Nothing comes after it.
    pub async fn next(&mut self) -> Result<Option<Order>, DoorError> {
        self.mailbox.next().await
    }

    /// Gives the subtasks back, and waits until that is done or has failed, for some seconds at most.
    /// Reports without a [receipt](Receipt) may be lost.
    pub async fn leave(self) {
        drop(self.stay);
        drop(self.background.await);
    }
}
