//! Events that ckptd pushes.

use super::{Client, ClientError, escape};
use ckpt_api::Event;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, future, stream};
use reqwest::Method;
use sse_stream::{Sse, SseByteStream};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The largest event, in bytes.
const LARGEST_EVENT: usize = 1024 * 1024;
/// The longest silence: ckptd shows every 15 s that a stream lives.
const SILENCE: Duration = Duration::from_secs(40);

impl Client {
    /// What happens to a job, or to all jobs, from now on. The limit holds for the beginning of the answer; a
    /// stream that is silent for 40 s is given up.
    ///
    /// # Errors
    /// See [`ClientError`]; the stream ends with its first error. An older ckptd has no stream of all jobs, which
    /// is 404.
    pub async fn events(
        &self,
        job: Option<&str>,
    ) -> Result<impl Stream<Item = Result<Event, ClientError>> + use<>, ClientError> {
        let path = match job {
            Some(job) => format!("/jobs/{}/checkpoints/events", escape(job)),
            None => "/checkpoints/events".to_owned(),
        };
        let answer = self.begin(self.request(Method::GET, &path)).await?;
        let events = events_of(answer, LARGEST_EVENT, Some(SILENCE));
        let client = self.clone();
        let events = events.filter_map(move |event| {
            future::ready(match event {
                Ok(event) => client.parsed(event).transpose(),
                Err(error) => Some(Err(client.broke_off(error))),
            })
        });
        Ok(events.boxed())
    }

    /// Sends a request whose answer is a stream.
    pub(super) async fn begin(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ClientError> {
        let request = request.header("Accept", "text/event-stream");
        let begun = tokio::time::timeout(self.limit, async {
            let answer = request.send().await.map_err(|error| self.unreachable(error))?;
            match answer.status().is_success() {
                true => Ok(answer),
                false => Err(self.read(answer).await.err().unwrap_or_else(|| self.nonsense("it says no"))),
            }
        });
        begun.await.unwrap_or_else(|_| Err(self.broke_off("no answer in time")))
    }

    /// The event; `None` if it is none, or of a kind that is not known here.
    fn parsed(&self, event: Sse) -> Result<Option<Event>, ClientError> {
        let Sse { event: Some(_), data: Some(data), .. } = event else { return Ok(None) };
        match serde_json::from_str::<serde_json::Value>(&data) {
            Ok(json) => Ok(serde_json::from_value(json).ok()),
            Err(error) => Err(self.nonsense(error)),
        }
    }
}

/// The events of an answer. The stream breaks off at one of more than `most` bytes, since it is gathered in memory, and
/// after a silence as long as this.
pub fn events_of(
    answer: reqwest::Response,
    most: usize,
    silence: Option<Duration>,
) -> BoxStream<'static, Result<Sse, sse_stream::Error>> {
    // Bytes that have come since the newest event.
    let unfinished = Arc::new(AtomicUsize::new(0));
    let arrived = Arc::clone(&unfinished);
    let bytes = answer.bytes_stream().map_err(io::Error::other).and_then(move |chunk| {
        let size = arrived.fetch_add(chunk.len(), Ordering::Relaxed).saturating_add(chunk.len());
        future::ready(match size <= most {
            true => Ok(chunk),
            false => Err(io::Error::other(format!("an event is larger than {} MiB", most >> 20))),
        })
    });
    let bytes = match silence {
        None => bytes.boxed(),
        Some(silence) => stream::unfold(Some(bytes.boxed()), move |bytes| async move {
            let mut bytes = bytes?;
            match tokio::time::timeout(silence, bytes.next()).await {
                Ok(chunk) => chunk.map(|chunk| (chunk, Some(bytes))),
                Err(_) => {
                    let seconds = silence.as_secs();
                    Some((Err(io::Error::other(format!("it has been silent for {seconds}s"))), None))
                }
            }
        })
        .boxed(),
    };
    SseByteStream::new(bytes).inspect(move |_| unfinished.store(0, Ordering::Relaxed)).boxed()
}
