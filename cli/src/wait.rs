//! Waiting for the server to get somewhere.

use crate::console;
use crate::error::Error;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(250);

/// Asks again and again until there is an answer; `None` when `limit` passes before. A server that is
/// away is waited for as well, since waiting through its restart is what a wait is for.
pub(crate) async fn until<T>(
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let asking = async {
        let mut away = false;
        loop {
            match ask().await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => away = false,
                Err(error) if error.is_unreachable() => {
                    if !away {
                        console::note(&format!("ckptctl: {error}\n  still waiting"));
                    }
                    away = true;
                }
                Err(error) => return Err(error),
            }
            sleep(EVERY).await;
        }
    };
    timeout(limit, asking).await.map_or(Ok(None), |answer| answer.map(Some))
}
