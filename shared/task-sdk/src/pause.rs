//! The pause before something is tried again.

use std::time::Duration;
use tokio::time::sleep;

/// The first pause.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// A pause doubles up to this.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long to wait before the next attempt.
#[derive(Debug)]
pub(super) struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: SHORTEST_PAUSE }
    }
}

impl Pause {
    /// Waits; a pause that has become long is worth a line in the log, once.
    pub(super) async fn wait(&mut self, what: &str, why: &str) {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        match pause < LONGEST_PAUSE && self.next == LONGEST_PAUSE {
            true => tracing::warn!(why, "{what}; trying again every {} s", LONGEST_PAUSE.as_secs()),
            false => tracing::debug!(why, ?pause, "{what}"),
        }
        sleep(pause).await;
    }

    /// It has worked.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }
}
