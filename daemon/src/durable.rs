//! Files that survive a crash: whole or not at all, and on disk before anybody is told.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Replaces the file at `path` with `content`: afterwards either the old or the new content is there,
/// never a part, and the new one is durable when this returns.
///
/// # Errors
/// Those of the file system; the old content is intact then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = parent(path)?;
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(directory)
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

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the root has no parent")),
    }
}
