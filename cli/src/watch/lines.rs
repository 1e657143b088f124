//! Watching without a terminal: one JSON body a line.

use super::feed::{Watch, feed};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::view::text::clean;
use futures::StreamExt;
use std::mem;
use std::pin::pin;

/// Writes what is seen until there is a verdict; a server that is away costs one line on stderr.
pub(crate) async fn lines(watch: &Watch<'_>) -> Result<Exit, Error> {
    let mut feed = pin!(feed(watch, false));
    let address = watch.server.address();
    let mut away = false;
    while let Some(seen) = feed.next().await {
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) if watch.is_final(&error) => return Err(watch.server.failed(error)),
            Err(error) => {
                if !mem::replace(&mut away, true) {
                    let why = clean(&error.to_string());
                    console::note(&format!("ckptctl: {address} is away: {why}; still trying"));
                }
                continue;
            }
        };
        if mem::take(&mut away) {
            console::note(&format!("ckptctl: {address} is back"));
        }
        // In JSON a line break is never inside a text, so one line is the same body.
        console::data(&seen.body.trim_end().replace(['\r', '\n'], " "))?;
        if let Some(verdict) = seen.verdict {
            console::note(&verdict.sentence);
            return Ok(verdict.exit);
        }
    }
    Ok(Exit::Done)
}
