//! Work that may block, on other threads and never on too many of them: a disk that does not answer holds
//! up its own job and nothing else.

use std::io;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many threads all jobs together may keep waiting. There are more than that (see `main.rs`), so that
/// an override can always be written.
static ALL_PLACES: Semaphore = Semaphore::const_new(1_024);

/// A share of the threads that may wait for a disk.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    places: Arc<Semaphore>,
}

impl Disk {
    pub(super) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)) }
    }

    /// Does `what` on another thread, when there is a place. The place is taken until it is done, also
    /// when nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let one_of_all = ALL_PLACES.acquire().await.map_err(io::Error::other)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = what();
            drop((place, one_of_all));
            result
        });
        done.await.map_err(io::Error::other)?
    }
}
