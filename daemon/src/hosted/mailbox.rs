//! What one session is told, kept until it is read and for a while longer, so that a stream that broke
//! off can go on.

use ckpt_api::tasks::{MOST_EVENTS_KEPT, TaskEvent};
use futures::Stream;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// An event and its number; heartbeats have none.
pub type Told = (Option<u64>, TaskEvent);

/// The mailbox of one session. Its owner puts events in, and one stream at a time takes them out.
#[derive(Debug)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inside {
    /// The newest events; the last of them has the number `sent`.
    kept: VecDeque<TaskEvent>,
    sent: u64,
    /// Up to this one they were handed to a stream.
    read: u64,
    heartbeats: u64,
    /// Counts the streams; only the newest goes on.
    streams: u64,
    connected: bool,
    closed: bool,
}

impl Mailbox {
    pub(super) fn new() -> Self {
        Self { inside: Mutex::default(), changed: watch::Sender::new(()) }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, what: impl FnOnce(&mut Inside) -> T) -> T {
        let result = what(&mut self.inside());
        self.changed.send_replace(());
        result
    }

    /// Puts an event in; false when the reader is too far behind to ever see all of them.
    pub(super) fn put(&self, event: TaskEvent) -> bool {
        self.change(|inside| {
            inside.kept.push_back(event);
            inside.sent += 1;
            if inside.kept.len() <= MOST_EVENTS_KEPT {
                return true;
            }
            inside.kept.pop_front();
            inside.read > inside.sent - MOST_EVENTS_KEPT as u64 - 1
        })
    }

    /// Sends a heartbeat to the stream, if there is one.
    pub(super) fn beat(&self) {
        self.change(|inside| inside.heartbeats += 1);
    }

    /// Puts the last event in.
    pub(super) fn close(&self, last: TaskEvent) {
        self.put(last);
        self.change(|inside| inside.closed = true);
    }

    pub(super) fn is_connected(&self) -> bool {
        self.inside().connected
    }

    /// The events after the one with this number. An older stream of the same session ends.
    ///
    /// # Errors
    /// When events after it are not kept any more, or it was never sent.
    pub(super) fn open(
        self: Arc<Self>,
        after: u64,
    ) -> Result<impl Stream<Item = Told> + Send + use<>, MissedEvents> {
        let place = self.change(|inside| {
            let oldest = inside.sent - inside.kept.len() as u64;
            if !(oldest..=inside.sent).contains(&after) {
                return Err(MissedEvents { oldest, sent: inside.sent });
            }
            inside.streams += 1;
            inside.connected = true;
            // What an earlier stream handed out need not have arrived.
            inside.read = after;
            Ok(Reader {
                stream: inside.streams,
                after,
                heartbeats: inside.heartbeats,
                changed: self.changed.subscribe(),
                mailbox: Arc::clone(&self),
            })
        })?;
        Ok(futures::stream::unfold(place, async |mut reader| reader.next().await.map(|told| (told, reader))))
    }
}

/// A stream cannot go on where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the events after {oldest} and up to {sent} are kept, and others were asked for")]
pub struct MissedEvents {
    oldest: u64,
    sent: u64,
}

struct Reader {
    mailbox: Arc<Mailbox>,
    stream: u64,
    after: u64,
    heartbeats: u64,
    changed: watch::Receiver<()>,
}

impl Reader {
    async fn next(&mut self) -> Option<Told> {
        loop {
            self.changed.mark_unchanged();
            match self.look() {
                Look::Event(told) => return Some(told),
                Look::Over => return None,
                Look::Nothing => self.changed.changed().await.ok()?,
            }
        }
    }

    fn look(&mut self) -> Look {
        let mut inside = self.mailbox.inside();
        if inside.streams != self.stream {
            return Look::Over;
        }
        let oldest = inside.sent - inside.kept.len() as u64;
        let place = self.after.checked_sub(oldest).and_then(|place| usize::try_from(place).ok());
        // Events that fell out unread: whoever put them in has noticed, and ends the session.
        let Some(place) = place else { return Look::Over };
        if let Some(event) = inside.kept.get(place).cloned() {
            self.after += 1;
            inside.read = inside.read.max(self.after);
            return Look::Event((Some(self.after), event));
        }
        if inside.closed {
            return Look::Over;
        }
        if inside.heartbeats != self.heartbeats {
            self.heartbeats = inside.heartbeats;
            return Look::Event((None, TaskEvent::Heartbeat {}));
        }
        Look::Nothing
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inside = self.mailbox.inside();
        if inside.streams == self.stream {
            inside.connected = false;
        }
    }
}

enum Look {
    Event(Told),
    Nothing,
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_types::ids::CheckpointId;
    use futures::{FutureExt, StreamExt};

    fn abort(id: u64) -> TaskEvent {
        TaskEvent::Abort { checkpoint_id: CheckpointId(id) }
    }

    fn open(mailbox: &Arc<Mailbox>, after: u64) -> impl Stream<Item = Told> + Unpin {
        Box::pin(Arc::clone(mailbox).open(after).unwrap())
    }

    #[test]
    fn a_stream_goes_on_where_it_broke_off() {
        let mailbox = Arc::new(Mailbox::new());
        assert!(mailbox.put(abort(1)) && mailbox.put(abort(2)));
        let mut first = open(&mailbox, 0);
        assert_eq!(first.next().now_or_never().unwrap(), Some((Some(1), abort(1))));
        assert!(mailbox.is_connected());
        let mut second = open(&mailbox, 1);
        assert_eq!(first.next().now_or_never().unwrap(), None, "the newer stream goes on");
        drop(first);
        assert!(mailbox.is_connected());
        assert_eq!(second.next().now_or_never().unwrap(), Some((Some(2), abort(2))));
        assert_eq!(second.next().now_or_never(), None);
        mailbox.beat();
        assert_eq!(second.next().now_or_never().unwrap(), Some((None, TaskEvent::Heartbeat {})));
        mailbox.close(abort(3));
        assert_eq!(second.next().now_or_never().unwrap(), Some((Some(3), abort(3))));
        assert_eq!(second.next().now_or_never().unwrap(), None);
        drop(second);
        assert!(!mailbox.is_connected());
    }

    #[test]
    fn whoever_does_not_read_falls_behind() {
        let mailbox = Arc::new(Mailbox::new());
        let kept = MOST_EVENTS_KEPT as u64;
        assert!((1..=kept).all(|id| mailbox.put(abort(id))));
        assert!(!mailbox.put(abort(kept + 1)), "the first was never read");
        assert!(Arc::clone(&mailbox).open(0).is_err(), "it is not kept");
        assert!(Arc::clone(&mailbox).open(kept + 2).is_err(), "it was never sent");
        let mut stream = open(&mailbox, 1);
        assert_eq!(stream.next().now_or_never().unwrap(), Some((Some(2), abort(2))));
        assert!(mailbox.put(abort(kept + 2)), "the one that fell out was read");
        assert!(!mailbox.put(abort(kept + 3)));
    }
}
