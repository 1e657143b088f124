//! Files that survive a crash: whole or not at all, and on disk before anybody is told.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest wait for something to be stored: what takes longer waits for a disk that does not answer.
pub const STORE_LIMIT: Duration = Duration::from_secs(25);
/// How the name of a file or directory begins until all is in it.
pub const DRAFT: &str = ".draft-";

/// Reason why a queued change was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The queue is full.
    #[error("too many changes wait for the disk; try again in a moment")]
    QueueFull,
    /// The task that writes has ended.
    #[error("ckptd is shutting down")]
    ShuttingDown,
    /// The file system refuses; all who share the write share the error.
    #[error(transparent)]
    File(Arc<io::Error>),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::File(Arc::new(error))
    }
}

/// Replaces the file at `path` with `content`: afterwards either the old or the new content is there,
/// never a part, and the new one is durable when this returns.
///
/// # Errors
/// Those of the file system; the old content is intact then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = parent(path)?;
    // Readable for its owner alone (0600), as is what it becomes.
    let mut file = tempfile::Builder::new().prefix(DRAFT).tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(directory)
}

/// Removes the drafts in a directory that a crash left behind.
///
/// # Errors
/// Those of the file system.
pub fn remove_drafts(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(DRAFT)) {
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(())
}

/// Writes a file that must not exist yet, durably.
///
/// # Errors
/// Those of the file system, and [`io::ErrorKind::AlreadyExists`].
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    sync_directory(parent(path)?)
}

/// Creates a directory with all that leads to it, durably.
///
/// # Errors
/// Those of the file system.
pub fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let directory = parent(path)?;
    create_directory(directory)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(directory),
    }
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// Those of the file system.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// Those of the file system, and [`io::ErrorKind::FileTooLarge`].
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes")));
    }
    Ok(content)
}

/// Puts the path that an error is about in front of it; its kind stays.
#[must_use]
pub fn with_path(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), PathError { path: path.to_owned(), error })
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = .path.display())]
struct PathError {
    path: PathBuf,
    #[source]
    error: io::Error,
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the root has no parent")),
    }
}
