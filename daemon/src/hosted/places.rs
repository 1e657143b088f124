//! The directories of savepoints. They are made in a place that is somebody else's, so nothing is written
//! or deleted there but what was made for the savepoint itself.

use crate::durable;
use ckpt_types::ids::{CheckpointId, JobId};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest path to a place, in bytes: Linux has 4096 for a path, and names come behind it.
const LONGEST: usize = 3_500;

/// Where a savepoint goes below `target`, named as Flink names it. The name follows from job and number, so
/// that nobody has to remember it.
pub(super) fn directory(job: JobId, id: CheckpointId, target: &str) -> PathBuf {
    let digest = Sha256::digest(format!("{job}/{id}"));
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Path::new(target).join(format!("savepoint-{:.6}-{hex}", job.to_string()))
}

/// The absolute path that a path or a `file:` URI means. As in Flink, `%20` is not a space.
///
/// # Errors
/// What is wrong with it, to be put behind its name.
pub(super) fn local_path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > LONGEST {
        return Err("is longer than a path may be");
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character in it");
    }
    let path = match text.strip_prefix("file:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => text,
    };
    match path.starts_with('/') {
        true => Ok(Path::new(path).components().collect()),
        false => Err("is neither an absolute path nor a file: URI without a host"),
    }
}

/// What is known of a savepoint's directory until the savepoint has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is being made.
    Coming,
    /// It is being made, and nobody wants it any more.
    Unwanted,
    /// It was made here.
    Made,
}

/// The directories that were made for savepoints in flight.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<BTreeMap<CheckpointId, Place>>>);

impl Places {
    fn known(&self) -> MutexGuard<'_, BTreeMap<CheckpointId, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a directory that must not be there yet, with all that leads to it, durably.
    pub(super) fn make(&self, id: CheckpointId, directory: &Path) -> io::Result<()> {
        self.coming(id);
        self.arrived(id, directory, make(directory))
    }

    fn coming(&self, id: CheckpointId) {
        self.known().insert(id, Place::Coming);
    }

    fn arrived(&self, id: CheckpointId, directory: &Path, made: io::Result<()>) -> io::Result<()> {
        let wanted = {
            let mut known = self.known();
            let wanted = known.remove(&id) == Some(Place::Coming);
            if wanted && made.is_ok() {
                known.insert(id, Place::Made);
            }
            wanted
        };
        made?;
        // It may have been given up meanwhile.
        if wanted { Ok(()) } else { fs::remove_dir(directory) }
    }

    /// Whether a savepoint's directory is to be deleted now: only what was made here is.
    pub(super) fn give_up(&self, id: CheckpointId) -> bool {
        let mut known = self.known();
        match known.get_mut(&id) {
            Some(place @ Place::Coming) => {
                *place = Place::Unwanted;
                false
            }
            Some(Place::Made) => known.remove(&id).is_some(),
            Some(Place::Unwanted) | None => false,
        }
    }

    /// The savepoint has completed: its directory is not ours any more (rule 27).
    pub(super) fn hand_over(&self, id: CheckpointId) {
        self.known().remove(&id);
    }
}

fn make(directory: &Path) -> io::Result<()> {
    let target = directory.parent().unwrap_or(directory);
    durable::create_directory(target)?;
    fs::create_dir(directory).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            io::Error::new(error.kind(), "it is there already, and nothing is written into it")
        }
        _ => error,
    })?;
    durable::sync_directory(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: CheckpointId = CheckpointId(7);

    #[test]
    fn a_name_is_flinks_and_always_the_same() {
        let job: JobId = "5007d9aabbccddeeff00112233445566".parse().unwrap();
        let name = |id| directory(job, CheckpointId(id), "/savepoints").display().to_string();
        let seven = name(7);
        let hex = seven.strip_prefix("/savepoints/savepoint-5007d9-").unwrap();
        assert!(hex.len() == 12 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{seven}");
        assert_eq!(name(7), seven);
        assert_ne!(name(8), seven);
    }

    #[test]
    fn a_place_is_an_absolute_path_or_a_file_uri() {
        for (text, path) in [
            ("/savepoints", "/savepoints"),
            ("file:/savepoints", "/savepoints"),
            ("file:///savepoints/", "/savepoints"),
            ("/a//b/./c%20d", "/a/b/c%20d"),
            ("/", "/"),
        ] {
            assert_eq!(local_path(text), Ok(PathBuf::from(path)), "{text}");
        }
        for bad in [
            "",
            "savepoints",
            "./a",
            "~/a",
            "s3://bucket/a",
            "file:a",
            "file://host/a",
            "hdfs:/a",
            "/a\n",
            "/\0",
        ] {
            assert!(local_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_given_up_that_was_not_made_here() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("deep/er/savepoint");
        let places = Places::default();
        places.make(ID, &directory).unwrap();
        assert!(places.make(CheckpointId(8), &directory).unwrap_err().to_string().contains("there already"));
        assert!(!places.give_up(CheckpointId(8)), "it is another savepoint's");
        assert!(places.give_up(ID));
        assert!(!places.give_up(ID), "once");
        places.make(ID, &home.path().join("other")).unwrap();
        places.hand_over(ID);
        assert!(!places.give_up(ID), "it has completed");
    }

    #[test]
    fn what_is_given_up_while_it_is_made_is_gone_afterwards() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("savepoint");
        let places = Places::default();
        places.coming(ID);
        assert!(!places.give_up(ID), "nobody deletes what somebody is making");
        places.arrived(ID, &directory, make(&directory)).unwrap();
        assert!(!directory.exists());
        assert!(places.known().is_empty());
    }
}
