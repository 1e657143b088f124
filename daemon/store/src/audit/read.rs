//! Reading the audit log, the newest file first, and no more of it than is asked for.

use super::files::{numbered, numbers};
use super::line::{Ending, Line, entry};
use crate::durable::with_path;
use ckpt_api::{Audit, AuditAsked, AuditEntry};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// How much is read for one answer, in bytes.
const MOST_READ: u64 = 256 * 1024 * 1024;
/// No line is longer, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only of this job: its name, its id, or either behind the name of its cluster and a slash.
    pub job: Option<String>,
    /// Only from then on, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// So many at most.
    pub limit: usize,
}

impl Query {
    fn wants(&self, asked: &AuditAsked) -> bool {
        let is_job = |wanted: &str| {
            let within =
                asked.cluster.as_deref().and_then(|cluster| wanted.strip_prefix(cluster)?.strip_prefix('/'));
            let is = |text: &str| {
                asked.name.as_deref() == Some(text) || asked.job_id.is_some_and(|id| id.to_string() == text)
            };
            is(wanted) || within.is_some_and(is)
        };
        self.since.is_none_or(|since| asked.at >= since) && self.job.as_deref().is_none_or(is_job)
    }
}

/// What was found so far.
struct Found<'a> {
    query: &'a Query,
    /// Ends of what is wanted, and of what was asked for in an older file.
    ended: HashMap<String, (u64, Ending)>,
    seen: HashSet<String>,
    entries: Vec<AuditEntry>,
    more: bool,
    unreadable: u64,
}

/// Reads what is wanted. A file that is put aside meanwhile is not missed: the one that is written is opened before
/// the others are listed, and what is read twice counts once.
pub(super) fn read(path: &Path, query: &Query) -> io::Result<Audit> {
    let (ended, seen) = (HashMap::new(), HashSet::new());
    let mut found = Found { query, ended, seen, entries: Vec::new(), more: false, unreadable: 0 };
    let mut left = MOST_READ;
    let current = File::open(path);
    let older = match numbers(path) {
        Ok(numbers) => numbers,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let older = older.iter().rev().map(|number| numbered(path, *number));
    let older = older.map(|path| (File::open(&path), path));
    for (file, path) in std::iter::once((current, path.to_owned())).chain(older) {
        let named = |error| with_path(&path, error);
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(named(error)),
        };
        let size = file.metadata()?.len();
        if size > left {
            found.more = true;
            break;
        }
        left -= size;
        if !found.take(file).map_err(named)? {
            break;
        }
    }
    Ok(Audit::new(found.entries, found.more, found.unreadable))
}

impl Found<'_> {
    /// Reads one file. Whether an older one could have something that is wanted.
    fn take(&mut self, file: File) -> io::Result<bool> {
        let mut asked = VecDeque::new();
        // What was asked for in this file, is not wanted, and has no end yet.
        let mut unwanted = HashSet::new();
        let mut newest = None;
        let room = (self.query.limit - self.entries.len()).saturating_add(1);
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            match Line::parse(&line) {
                Some(Line::Asked { id, asked: what }) => {
                    newest = newest.max(Some(what.at));
                    let dropped = if self.query.wants(&what) && self.seen.insert(id.clone()) {
                        asked.push_back((id, what));
                        if asked.len() > room { asked.pop_front().map(|(id, _)| id) } else { None }
                    } else {
                        Some(id)
                    };
                    if let Some(id) = dropped
                        && self.ended.remove(&id).is_none()
                    {
                        unwanted.insert(id);
                    }
                }
                Some(Line::Ended { id, at, ending }) => {
                    newest = newest.max(Some(at));
                    if !unwanted.remove(&id) {
                        self.ended.insert(id, (at, ending));
                    }
                }
                // What a crash left of a line, or what somebody else wrote.
                None if line.trim_ascii().is_empty() => {}
                None => self.unreadable += 1,
            }
        }
        for (id, what) in asked.into_iter().rev() {
            if self.entries.len() == self.query.limit {
                self.more = true;
                return Ok(false);
            }
            let ended = self.ended.remove(&id);
            self.entries.push(entry(id, what, ended));
        }
        let is_older = |since| newest.is_some_and(|newest| newest < since);
        Ok(!self.query.since.is_some_and(is_older))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn asked(id: &str, job: &str) -> String {
        format!("{{\"line\":\"asked\",\"id\":\"{id}\",\"at\":1,\"action\":\"change\",\"name\":\"{job}\"}}\n")
    }

    fn ended(id: &str) -> String {
        format!("{{\"line\":\"ended\",\"id\":\"{id}\",\"at\":2,\"result\":\"applied\"}}\n")
    }

    #[test]
    fn only_the_ends_that_may_still_be_needed_are_remembered() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit.jsonl");
        let newer = [asked("3", "rare"), ended("1"), ended("2"), ended("3"), asked("4", "often"), ended("4")];
        let older = [asked("0", "often"), ended("0"), asked("1", "often"), asked("2", "rare")];
        fs::write(&path, newer.concat()).unwrap();
        fs::write(numbered(&path, 1), older.concat()).unwrap();
        let query = Query { job: Some("rare".to_owned()), limit: 10, ..Query::default() };
        let (ended, seen) = (HashMap::new(), HashSet::new());
        let mut found = Found { query: &query, ended, seen, entries: Vec::new(), more: false, unreadable: 0 };
        assert!(found.take(File::open(&path).unwrap()).unwrap());
        let mut kept: Vec<_> = found.ended.keys().map(String::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["1", "2"], "those that were asked for in an older file");
        assert!(found.take(File::open(numbered(&path, 1)).unwrap()).unwrap());
        assert!(found.ended.is_empty(), "{:?}", found.ended.keys());
        let entries: Vec<_> =
            found.entries.iter().map(|entry| (entry.id.as_str(), entry.outcome.is_some())).collect();
        assert_eq!(entries, [("3", true), ("2", true)]);
    }

    #[test]
    fn the_newest_are_found_with_their_ends_whatever_the_limit_leaves_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit.jsonl");
        let ids = ["0", "1", "2", "3", "4"];
        let lines = ids.map(|id| asked(id, "a")).concat() + &ids.map(ended).concat();
        fs::write(&path, lines).unwrap();
        let audit = read(&path, &Query { limit: 2, ..Query::default() }).unwrap();
        let entries: Vec<_> =
            audit.entries.iter().map(|entry| (entry.id.as_str(), entry.outcome.is_some())).collect();
        assert_eq!((entries, audit.more), (vec![("4", true), ("3", true)], true));
    }
}
