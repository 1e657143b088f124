//! The way to the daemon over HTTP.

use crate::{Door, DoorError, Events};
use async_trait::async_trait;
use ckpt_api::tasks::{Claim, Claimed, Reported, TaskEvent, TaskReport};
use ckpt_client::{Client, ClientError, events_of};
use ckpt_types::ids::SessionId;
use futures::{StreamExt, future};
use sse_stream::Sse;

/// The largest event, in bytes.
const LARGEST_EVENT: usize = 64 * 1024 * 1024;

/// The way to the daemon over HTTP. The client's limit holds for every request but the reading of events,
/// which may go on for ever.
#[derive(Debug, Clone)]
pub struct HttpDoor {
    client: Client,
    job: String,
}

impl HttpDoor {
    /// The way to the tasks of the job with this name or id.
    #[must_use]
    pub fn new(client: Client, job: impl Into<String>) -> Self {
        Self { client, job: job.into() }
    }
}

#[async_trait]
impl Door for HttpDoor {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, DoorError> {
        let claimed = self.client.claim(&self.job, claim).await;
        claimed.map(|answer| answer.value).map_err(|error| match (DoorError::from(&error), error) {
            // There is no session yet that could be gone: it is the job that is not there.
            (DoorError::Gone, error) => DoorError::Refused { sentence: error.to_string() },
            (other, _) => other,
        })
    }

    async fn events(&self, session: SessionId, after: Option<u64>) -> Result<Events, DoorError> {
        let answer = self.client.task_events(&self.job, session, after).await?;
        let events = events_of(answer, LARGEST_EVENT, None).filter_map(|event| {
            future::ready(match event {
                Ok(event) => parse(event).transpose(),
                Err(error) => Some(Err(DoorError::Unreachable { cause: error.to_string() })),
            })
        });
        Ok(events.boxed())
    }

    async fn report(&self, session: SessionId, reports: &[TaskReport]) -> Result<Reported, DoorError> {
        Ok(self.client.report(&self.job, session, reports).await?.value)
    }

    async fn leave(&self, session: SessionId) -> Result<(), DoorError> {
        Ok(self.client.leave(&self.job, session).await?)
    }
}

/// The event; `None` if it has a name that is not known here, or none.
fn parse(event: Sse) -> Result<Option<(Option<u64>, TaskEvent)>, DoorError> {
    let Sse { event: Some(name), data, id, .. } = event else { return Ok(None) };
    if !TaskEvent::NAMES.contains(&name.as_str()) {
        return Ok(None);
    }
    let bad = |error: String| DoorError::Refused {
        sentence: format!("ckptd sent the event '{name}', which is not understood: {error}"),
    };
    let id = id.map(|id| id.parse().map_err(|_| bad(format!("its number is '{id}'")))).transpose()?;
    let event = serde_json::from_str(&data.unwrap_or_default()).map_err(|error| bad(error.to_string()))?;
    Ok(Some((id, event)))
}

impl From<&ClientError> for DoorError {
    fn from(error: &ClientError) -> Self {
        let words = error.to_string();
        match error.status().map(|status| status.as_u16()) {
            Some(404 | 410) => Self::Gone,
            Some(408 | 429 | 500..) => Self::Unreachable { cause: words },
            Some(_) => Self::Refused { sentence: words },
            // What is not understood may be a proxy's: ckptd is away.
            None => Self::Unreachable { cause: words },
        }
    }
}

impl From<ClientError> for DoorError {
    fn from(error: ClientError) -> Self {
        Self::from(&error)
    }
}
