//! The orders that the program has not read yet. Whoever fills it never waits.

use crate::{DoorError, Order};
use ckpt_api::tasks::MOST_EVENTS_KEPT;
use ckpt_types::ids::SessionId;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One writer, one reader.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<(SessionId, Order)>,
    /// The session whose restore was read last.
    restored: Option<SessionId>,
    /// Nothing comes after what waits, for this reason.
    closed: Option<Result<(), DoorError>>,
}

/// The program does not read its orders.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Mailbox {
    /// Adds an order of this session, and takes out what it makes pointless.
    pub(super) fn put(&self, session: SessionId, order: Order) -> Result<(), Full> {
        let mut inside = self.inside();
        let waiting = &mut inside.waiting;
        match &order {
            // What is complete stays so, and may be committed.
            Order::Restore { .. } => waiting.retain(|(_, other)| matches!(other, Order::Complete { .. })),
            Order::Abort { checkpoint_id: aborted } => {
                let before = waiting.len();
                waiting.retain(|(_, other)| !matches!(other, Order::Trigger { checkpoint_id, .. } if checkpoint_id == aborted));
                if waiting.len() < before {
                    return Ok(());
                }
            }
            Order::Trigger { .. } | Order::Complete { .. } | Order::End { .. } => {}
        }
        if waiting.len() >= MOST_EVENTS_KEPT {
            return Err(Full);
        }
        waiting.push_back((session, order));
        self.changed.notify_one();
        Ok(())
    }

    /// Nothing comes any more. After an error, what waits is pointless too. The first call counts.
    pub(super) fn close(&self, why: Result<(), DoorError>) {
        let mut inside = self.inside();
        if inside.closed.is_none() {
            if why.is_err() {
                inside.waiting.clear();
            }
            inside.closed = Some(why);
            self.changed.notify_one();
        }
    }

    /// The next order; `None` at the end.
    pub(super) async fn next(&self) -> Result<Option<Order>, DoorError> {
        loop {
            {
                let mut inside = self.inside();
                if let Some((session, order)) = inside.waiting.pop_front() {
                    if matches!(order, Order::Restore { .. }) {
                        inside.restored = Some(session);
                    }
                    return Ok(Some(order));
                }
                if let Some(closed) = &inside.closed {
                    return closed.clone().map(|()| None);
                }
            }
            self.changed.notified().await;
        }
    }

    /// The session that the program works for: the one whose restore it has read last.
    pub(super) fn restored(&self) -> Option<SessionId> {
        self.inside().restored
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_types::ids::CheckpointId;

    const SESSION: SessionId = SessionId::from_bits(1);

    fn trigger(id: u64) -> Order {
        let checkpoint_id = CheckpointId(id);
        Order::Trigger { checkpoint_id, savepoint: false, directory: "/c".into(), triggered_at: 0 }
    }

    fn drain(mailbox: &Mailbox) -> Vec<Order> {
        mailbox.inside().waiting.drain(..).map(|(_, order)| order).collect()
    }

    #[test]
    fn what_an_order_makes_pointless_is_not_delivered() {
        let mailbox = Mailbox::default();
        let abort = |id| Order::Abort { checkpoint_id: CheckpointId(id) };
        let complete = Order::Complete { checkpoint_id: CheckpointId(1) };
        for order in [trigger(2), complete.clone(), abort(2), abort(1), trigger(3)] {
            mailbox.put(SESSION, order).unwrap();
        }
        assert_eq!(drain(&mailbox), [complete.clone(), abort(1), trigger(3)]);

        let restore = Order::Restore { execution: 2, checkpoint: None };
        for order in [trigger(4), complete.clone(), abort(3), restore.clone(), trigger(5)] {
            mailbox.put(SESSION, order).unwrap();
        }
        assert_eq!(drain(&mailbox), [complete, restore, trigger(5)]);
    }

    #[tokio::test]
    async fn it_is_bounded_and_a_restore_makes_room() {
        let mailbox = Mailbox::default();
        let most = MOST_EVENTS_KEPT as u64;
        for id in 0..most {
            mailbox.put(SESSION, trigger(id)).unwrap();
        }
        assert_eq!(mailbox.put(SESSION, trigger(most)), Err(Full));
        mailbox.put(SESSION, Order::Restore { execution: 1, checkpoint: None }).unwrap();
        assert_eq!(drain(&mailbox).len(), 1);
    }

    #[tokio::test]
    async fn an_end_lets_what_waits_be_read_and_an_error_does_not() {
        let ended = Mailbox::default();
        ended.put(SESSION, trigger(1)).unwrap();
        ended.close(Ok(()));
        assert_eq!(ended.next().await, Ok(Some(trigger(1))));
        assert_eq!(ended.next().await, Ok(None));

        let failed = Mailbox::default();
        failed.put(SESSION, trigger(1)).unwrap();
        failed.close(Err(DoorError::Gone));
        failed.close(Ok(()));
        assert_eq!(failed.next().await, Err(DoorError::Gone));
        assert_eq!(failed.next().await, Err(DoorError::Gone));
    }
}
