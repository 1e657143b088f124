//! The files of the audit log. `audit.jsonl` is the one that is written; full ones are `audit.jsonl.1`,
//! `audit.jsonl.2` and so on, the oldest first. A full file is renamed and never copied, so that a kill at any moment
//! loses no line.

use super::Settings;
use crate::{LOG_TARGET, durable};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The files, of which one is written.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    settings: Settings,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    size: u64,
    /// A crash left a part of a line at its end.
    torn: bool,
}

impl Files {
    pub(super) fn new(path: PathBuf, settings: Settings) -> Self {
        Self { path, settings, current: None }
    }

    /// Appends whole lines, durably. Where that fails, nothing of them stays.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let added = lines.len() as u64;
        let mut current = self.take_current()?;
        if current.size > 0 && current.size + added > self.settings.rotate_at {
            drop(current);
            self.put_aside()?;
            current = self.take_current()?;
        }
        let mut content = Vec::with_capacity(lines.len() + 1);
        if current.torn {
            // What is left of a line stays one of its own.
            content.push(b'\n');
        }
        content.extend_from_slice(lines);
        let written = current.file.write_all(&content).and_then(|()| current.file.sync_data());
        if let Err(error) = written {
            // The next write opens it anew, and finds out what is truly there.
            drop(current.file.set_len(current.size).and_then(|()| current.file.sync_data()));
            return Err(durable::with_path(&self.path, error));
        }
        current.size += content.len() as u64;
        current.torn = false;
        self.current = Some(current);
        Ok(())
    }

    fn take_current(&mut self) -> io::Result<Current> {
        match self.current.take() {
            Some(current) => Ok(current),
            None => open(&self.path).map_err(|error| durable::with_path(&self.path, error)),
        }
    }

    /// Gives the full file its number, and deletes the oldest ones if it was said how many are kept.
    fn put_aside(&self) -> io::Result<()> {
        let numbers = numbers(&self.path)?;
        let next = numbers.last().map_or(1, |newest| newest.saturating_add(1));
        fs::rename(&self.path, numbered(&self.path, next))
            .map_err(|error| durable::with_path(&self.path, error))?;
        if let Some(directory) = self.path.parent() {
            durable::sync_directory(directory)?;
        }
        let Some(keep) = self.settings.keep.and_then(|keep| usize::try_from(keep).ok()) else {
            return Ok(());
        };
        let too_many = (numbers.len() + 1).saturating_sub(keep);
        for number in numbers.iter().take(too_many) {
            let old = numbered(&self.path, *number);
            if let Err(error) = fs::remove_file(&old) {
                tracing::warn!(target: LOG_TARGET, file = %old.display(), %error, "an old file of the audit log stays");
            }
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<Current> {
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).read(true).mode(0o600).open(path)?;
    if let (true, Some(directory)) = (is_new, path.parent()) {
        // Whoever comes next would take it for durable.
        durable::sync_directory(directory).inspect_err(|_| drop(fs::remove_file(path)))?;
    }
    let size = file.metadata()?.len();
    let mut torn = false;
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        torn = last != *b"\n";
    }
    Ok(Current { file, size, torn })
}

/// The numbers of the full files, the oldest first.
pub(super) fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(Vec::new());
    };
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?.file_name();
        let number: Option<u64> =
            entry.to_str().and_then(|entry| entry.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A full file.
pub(super) fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(home: &Path, keep: Option<u32>) -> Files {
        Files::new(home.join("audit.jsonl"), Settings { rotate_at: 20, keep })
    }

    fn content(home: &Path, name: &str) -> String {
        fs::read_to_string(home.join(name)).unwrap_or_default()
    }

    #[test]
    fn a_full_file_is_put_aside_under_the_next_number() {
        let home = tempfile::tempdir().unwrap();
        let mut log = files(home.path(), None);
        for line in ["first line\n", "second\n", "third line\n", "the fourth line\n"] {
            log.append(line.as_bytes()).unwrap();
        }
        assert_eq!(content(home.path(), "audit.jsonl.1"), "first line\nsecond\n");
        assert_eq!(content(home.path(), "audit.jsonl.2"), "third line\n");
        assert_eq!(content(home.path(), "audit.jsonl"), "the fourth line\n");
        // Another process goes on where this one was; one that was killed after the renaming finds no file.
        let mut again = files(home.path(), None);
        again.append(b"fifth line\n").unwrap();
        assert_eq!(content(home.path(), "audit.jsonl.3"), "the fourth line\n");
        fs::rename(home.path().join("audit.jsonl"), home.path().join("audit.jsonl.4")).unwrap();
        let mut after_a_kill = files(home.path(), None);
        after_a_kill.append(b"sixth line\n").unwrap();
        assert_eq!(numbers(&home.path().join("audit.jsonl")).unwrap(), [1, 2, 3, 4]);
        assert_eq!(content(home.path(), "audit.jsonl"), "sixth line\n");
    }

    #[test]
    fn old_files_go_only_when_it_was_said_how_many_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let mut log = files(home.path(), Some(2));
        for nth in 0..6 {
            log.append(format!("line {nth} which is long\n").as_bytes()).unwrap();
        }
        assert_eq!(numbers(&home.path().join("audit.jsonl")).unwrap(), [4, 5]);
    }

    #[test]
    fn what_a_crash_left_of_a_line_is_never_merged_into_the_next_one() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("audit.jsonl"), "whole\nto").unwrap();
        let mut log = files(home.path(), None);
        log.append(b"next\n").unwrap();
        log.append(b"one\n").unwrap();
        assert_eq!(content(home.path(), "audit.jsonl"), "whole\nto\nnext\none\n");
    }

    #[test]
    fn a_directory_that_is_gone_refuses_and_takes_lines_again_when_it_is_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("there");
        let mut log = files(&path, None);
        assert!(log.append(b"lost\n").unwrap_err().to_string().contains("audit.jsonl"));
        fs::create_dir(&path).unwrap();
        log.append(b"kept\n").unwrap();
        assert_eq!(content(&path, "audit.jsonl"), "kept\n");
    }
}
