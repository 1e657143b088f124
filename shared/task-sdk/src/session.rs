//! The work in the background: it holds a session, and claims another one when it is lost.

use super::claiming::Claiming;
use super::mailbox::Mailbox;
use super::pause::{LONGEST_PAUSE, Pause};
use super::reports::Reports;
use crate::{Door, DoorError, Order};
use ckpt_api::tasks::{Claimed, TaskEvent};
use ckpt_types::ids::SessionId;
use futures::{FutureExt, StreamExt};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

/// How long giving the subtasks back may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);
/// How long giving a session back may hold up the claim of the next one.
const CLEAR_LIMIT: Duration = Duration::from_secs(1);
/// How long the events of a session that is over are read on.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Everything that the work in the background needs.
pub(super) struct Session {
    pub(super) door: Arc<dyn Door>,
    pub(super) claiming: Claiming,
    pub(super) claimed: Claimed,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) reports: Reports,
}

/// How a session ended.
enum Over {
    /// The job has ended.
    Ended,
    /// Another one is to be had.
    Lost { why: String },
    /// The program does not read its orders.
    Unread,
    /// There will be none.
    Refused(DoorError),
}

impl Session {
    /// Holds the subtasks until the job ends, they cannot be had any more, or `left` resolves.
    pub(super) async fn run(mut self, left: oneshot::Receiver<Infallible>) {
        let held = AssertUnwindSafe(self.hold()).catch_unwind();
        tokio::select! {
            end = held => {
                let broken = |_| Err(DoorError::Refused { sentence: "the way to ckptd is broken".to_owned() });
                self.mailbox.close(end.unwrap_or_else(broken));
            }
            _ = left => drop(timeout(LEAVE_LIMIT, self.leave()).await),
        }
    }

    /// Gives the subtasks back, also those of a claim that is not answered yet.
    async fn leave(&mut self) -> Result<(), DoorError> {
        if let Some(claimed) = self.claiming.rest().await {
            self.claimed = claimed;
        }
        self.door.leave(self.claimed.session_id).await
    }

    async fn hold(&mut self) -> Result<(), DoorError> {
        let mut pause = Pause::default();
        loop {
            let began = Instant::now();
            let why = match self.session().await {
                Over::Ended => return Ok(()),
                Over::Refused(error) => return Err(error),
                Over::Lost { why } => why,
                Over::Unread => {
                    // It still holds the subtasks; a higher attempt takes them over.
                    self.claiming.raise();
                    "the program does not read its orders".to_owned()
                }
            };
            tracing::info!(why, "the session is lost; claiming again");
            // Only one that is lost soon after the one before it makes the pause longer.
            if began.elapsed() >= LONGEST_PAUSE {
                pause = Pause::default();
            }
            let again = async {
                // The daemon may still have it, as when only its stream cannot go on, and refuse the claim.
                drop(timeout(CLEAR_LIMIT, self.door.leave(self.claimed.session_id)).await);
                pause.wait("sessions are lost again and again", &why).await;
                self.claiming.claim().await
            };
            self.claimed = tokio::select! {
                claimed = again => claimed?,
                never = self.reports.lose_all() => match never {},
            };
        }
    }

    /// One session, until it is over.
    async fn session(&mut self) -> Over {
        let id = self.claimed.session_id;
        // Two heartbeats are missing, and there is time to answer the others on another stream.
        let idle = Duration::from_millis(self.claimed.heartbeat_timeout.max(2)) / 2;
        let (door, heartbeat) = (self.door.as_ref(), Notify::new());
        let sent = self.reports.send(door, id).map(|error| match error {
            DoorError::Gone => gone(),
            other => Over::Refused(other),
        });
        let mut read = pin!(read(door, id, idle, &self.mailbox, &heartbeat));
        let over = tokio::select! {
            over = &mut read => return over,
            over = answer(door, id, idle, &heartbeat) => over,
            over = sent => over,
        };
        // The events may say more: how the job ended, or who took over.
        timeout(LAST_WORDS, read).await.unwrap_or(over)
    }
}

fn gone() -> Over {
    Over::Lost { why: DoorError::Gone.to_string() }
}

/// Answers heartbeats, whatever the program and its reports are doing.
async fn answer(door: &dyn Door, session: SessionId, idle: Duration, heartbeat: &Notify) -> Over {
    loop {
        heartbeat.notified().await;
        match timeout(idle, door.report(session, &[])).await {
            Ok(Err(DoorError::Gone)) => return gone(),
            Ok(Err(error @ DoorError::Refused { .. })) => return Over::Refused(error),
            // The next heartbeat asks again.
            Ok(Ok(_) | Err(DoorError::Unreachable { .. })) | Err(_) => {}
        }
    }
}

/// Reads events, opening the stream again after the last one of them whenever it breaks.
async fn read(
    door: &dyn Door,
    session: SessionId,
    idle: Duration,
    mailbox: &Mailbox,
    heartbeat: &Notify,
) -> Over {
    let mut pause = Pause::default();
    let mut newest = None;
    loop {
        let stream = read_once(door, session, idle, mailbox, heartbeat, &mut newest, &mut pause);
        match stream.await {
            Ok(over) => return over,
            Err(DoorError::Gone) => return gone(),
            Err(error @ DoorError::Refused { .. }) => return Over::Refused(error),
            Err(DoorError::Unreachable { cause }) => pause.wait("the events broke off", &cause).await,
        }
    }
}

/// Reads one stream until it breaks, which is [`DoorError::Unreachable`].
async fn read_once(
    door: &dyn Door,
    session: SessionId,
    idle: Duration,
    mailbox: &Mailbox,
    heartbeat: &Notify,
    newest: &mut Option<u64>,
    pause: &mut Pause,
) -> Result<Over, DoorError> {
    let broken = |cause: &str| DoorError::Unreachable { cause: cause.to_owned() };
    let silent = |_| broken("nothing came for half the heartbeat timeout");
    let mut events = timeout(idle, door.events(session, *newest)).await.map_err(silent)??;
    loop {
        let next = timeout(idle, events.next()).await.map_err(silent)?;
        let (number, event) = next.ok_or_else(|| broken("the stream ended"))??;
        pause.over();
        if number.is_some() && number <= *newest {
            continue;
        }
        let order = match event {
            TaskEvent::Heartbeat {} => {
                heartbeat.notify_one();
                continue;
            }
            TaskEvent::Revoked { why } => return Ok(Over::Lost { why }),
            TaskEvent::Restore { execution, checkpoint } => Order::Restore { execution, checkpoint },
            TaskEvent::Trigger { checkpoint_id, savepoint, directory, triggered_at } => {
                Order::Trigger { checkpoint_id, savepoint, directory, triggered_at }
            }
            TaskEvent::Abort { checkpoint_id } => Order::Abort { checkpoint_id },
            TaskEvent::Complete { checkpoint_id } => Order::Complete { checkpoint_id },
            TaskEvent::End { state } => Order::End { state },
        };
        let ended = matches!(order, Order::End { .. });
        if mailbox.put(session, order).is_err() {
            return Ok(Over::Unread);
        }
        *newest = number.or(*newest);
        if ended {
            return Ok(Over::Ended);
        }
    }
}
