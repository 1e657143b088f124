//! The stream of events: connecting, reading, and connecting again after a pause that doubles.

use super::model::{Message, Pushed};
use super::snapshot::Now;
use ckpt_client::{Client, ClientError};
use futures::StreamExt;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// The first pause after the stream broke off, and the longest.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);
/// How long until a server that has no such stream is asked for it again: it may be another one by then.
const NO_STREAM: Duration = Duration::from_secs(30);

/// Reads the events of a job, or of all, until nobody wants them any more. Whoever takes them sets the pace.
pub(super) async fn read(client: Client, job: Option<String>, to: mpsc::Sender<Message>, began: Instant) {
    let mut pause = SHORTEST;
    loop {
        let error = match client.events(job.as_deref()).await {
            Ok(events) => {
                if to.send(Message::Pushed(Pushed::Yes, None)).await.is_err() {
                    return;
                }
                // It has such a stream by now.
                pause = pause.min(LONGEST);
                let mut events = pin!(events);
                let error = loop {
                    match events.next().await {
                        Some(Ok(event)) => {
                            pause = SHORTEST;
                            if to.send(Message::Event(event)).await.is_err() {
                                return;
                            }
                        }
                        Some(Err(error)) => break error.to_string(),
                        None => break "the stream of events has ended".to_owned(),
                    }
                };
                (error, false)
            }
            Err(error) => (error.to_string(), is_absent(&error)),
        };
        let message = match error {
            (why, true) => {
                pause = NO_STREAM;
                Message::Pushed(Pushed::No(why), None)
            }
            (why, false) => {
                let again = since(began) + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                Message::Pushed(Pushed::Lost { again }, Some(why))
            }
        };
        if to.send(message).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST.max(pause));
    }
}

/// An older server, one with too many streams open, or a job that is not known: asking has to do.
fn is_absent(error: &ClientError) -> bool {
    error.status().is_some_and(|status| matches!(status.as_u16(), 400 | 404 | 405 | 503))
}

/// Milliseconds since the watch began.
pub(super) fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Now, on both clocks.
pub(super) fn now(began: Instant) -> Now {
    Now { mono: since(began), wall: crate::clock::wall_millis() }
}
