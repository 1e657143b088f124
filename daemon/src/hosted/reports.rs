//! What tasks say to the owner of their job: claims and reports. Reports of one request are taken together
//! or not at all, in two steps: what is acknowledged is looked at on the disk in between.

use super::claims::subtask;
use super::door::TaskError;
use super::life::Stage;
use super::metadata::is_a_name;
use super::owner::Owner;
use crate::clock::Moment;
use ckpt_api::tasks::{DeclineReason, MOST_REPORTS, ReportResult, Reported, TaskReport, TaskState};
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{Event, Snapshot, Standing};
use ckpt_types::ids::{CheckpointId, SessionId, Subtask};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The largest snapshot, in bytes: 512 TiB.
const LARGEST_SNAPSHOT: u64 = 1 << 49;
/// The longest part of a snapshot, in milliseconds: a year.
const LONGEST_PART: u64 = 365 * 24 * 60 * 60 * 1_000;
/// The longest name of a file, in bytes.
const LONGEST_LOCATION: usize = 255;
/// The longest message of a task, in characters; the rest is cut off.
const LONGEST_MESSAGE: usize = 1_000;
/// The longest name of a session, in characters; the rest is cut off.
pub(super) const LONGEST_NAME: usize = 100;

/// A report that makes sense for its session.
#[derive(Debug)]
pub(super) enum Said {
    Acknowledge { id: CheckpointId, subtask: Subtask, snapshot: Snapshot },
    Decline { id: CheckpointId, subtask: Subtask, reason: FailureReason, message: String },
    Running { execution: u64 },
    Finished { execution: u64 },
    Failed { execution: u64, message: String },
}

/// A file that has to be there before a report is taken.
#[derive(Debug)]
pub(super) struct Expected {
    /// The report's place among those of its request.
    pub(super) report: usize,
    pub(super) file: PathBuf,
    pub(super) bytes: u64,
}

/// What is wrong with what was looked at, if anything is, by the place of its report.
pub(super) type Looked = HashMap<usize, Option<String>>;

/// Who has acknowledged with which file.
pub(super) type Locations = BTreeMap<CheckpointId, HashMap<String, Subtask>>;

impl Owner {
    /// The first step: makes sense of reports, and says which files they need.
    pub(super) fn check_reports(
        &mut self,
        now: Moment,
        session: SessionId,
        reports: Vec<TaskReport>,
    ) -> Result<(Vec<Said>, Vec<Expected>), TaskError> {
        if !self.sessions.heard(now, session) {
            return Err(self.unknown(session));
        }
        if reports.len() > MOST_REPORTS {
            let sentence = format!(
                "{} reports are too many for one request; send {MOST_REPORTS} at most",
                reports.len()
            );
            return Err(TaskError::Bad(sentence));
        }
        let said = reports.into_iter().map(|report| self.understand(session, report));
        let said = said.collect::<Result<Vec<_>, _>>()?;
        let expected = said.iter().enumerate().filter_map(|(report, said)| {
            let Said::Acknowledge { id, subtask, snapshot } = said else { return None };
            let Standing::Awaited(kind) = self.standing(*id, *subtask) else { return None };
            let file = self.files.directory(*id, kind).join(&snapshot.location);
            Some(Expected { report, file, bytes: snapshot.bytes })
        });
        let expected = expected.collect();
        Ok((said, expected))
    }

    fn understand(&self, session: SessionId, report: TaskReport) -> Result<Said, TaskError> {
        let subtask = |vertex: &str, index: u32| {
            // To a session, 404 says that it is over.
            let subtask =
                subtask(&self.spec, vertex, index).map_err(|unknown| TaskError::Bad(unknown.to_string()))?;
            match self.sessions.holds(session, subtask) {
                true => Ok(subtask),
                false => Err(TaskError::NotHeld { subtask: self.spec.label(subtask) }),
            }
        };
        Ok(match report {
            TaskReport::Acknowledge {
                checkpoint_id,
                vertex,
                index,
                location,
                bytes,
                sync_millis,
                async_millis,
                start_delay_millis,
            } => {
                let subtask = subtask(&vertex, index)?;
                let snapshot = Snapshot { location, bytes, sync_millis, async_millis, start_delay_millis };
                check_snapshot(&snapshot)?;
                Said::Acknowledge { id: checkpoint_id, subtask, snapshot }
            }
            TaskReport::Decline { checkpoint_id, vertex, index, reason, message } => {
                let subtask = subtask(&vertex, index)?;
                let message = for_people(&message, LONGEST_MESSAGE);
                Said::Decline { id: checkpoint_id, subtask, reason: failure_reason(reason), message }
            }
            TaskReport::Running { execution } => Said::Running { execution },
            TaskReport::Finished { execution } => Said::Finished { execution },
            TaskReport::Failed { execution, message } => {
                Said::Failed { execution, message: for_people(&message, LONGEST_MESSAGE) }
            }
        })
    }

    fn standing(&self, id: CheckpointId, subtask: Subtask) -> Standing<'_> {
        self.coordinator.as_ref().map_or(Standing::Over, |coordinator| coordinator.standing(id, subtask))
    }

    /// The second step: takes all of them, unless what one of them says was found to be wrong, and that still
    /// matters.
    pub(super) fn take_reports(
        &mut self,
        now: Moment,
        session: SessionId,
        said: Vec<Said>,
        looked: &Looked,
    ) -> Result<Reported, TaskError> {
        self.known(session)?;
        let mut known = std::mem::take(&mut self.locations);
        known.retain(|id, _| self.is_in_flight(*id));
        self.locations = known;
        let mut locations: HashMap<(CheckpointId, &str), Subtask> = HashMap::new();
        for (place, said) in said.iter().enumerate() {
            let Said::Acknowledge { id, subtask, snapshot } = said else { continue };
            if !matches!(self.standing(*id, *subtask), Standing::Awaited(_)) {
                continue;
            }
            match looked.get(&place) {
                Some(Some(wrong)) => return Err(TaskError::Bad(wrong.clone())),
                Some(None) => {}
                None => continue,
            }
            let location = snapshot.location.as_str();
            let before = self.locations.get(id).and_then(|taken| taken.get(location)).copied();
            let other = before.or(locations.insert((*id, location), *subtask));
            if let Some(other) = other.filter(|other| other != subtask) {
                let (other, subtask) = (self.spec.label(other), self.spec.label(*subtask));
                return Err(TaskError::Bad(format!(
                    "{location} is what {other} has stored for checkpoint {id}, so {subtask} cannot have; give each \
                     subtask a file of its own"
                )));
            }
        }
        let said = said.into_iter().enumerate();
        let results = said.map(|(place, said)| self.take(now, session, said, looked.contains_key(&place)));
        Ok(Reported { results: results.collect() })
    }

    fn take(&mut self, now: Moment, session: SessionId, said: Said, looked_at: bool) -> ReportResult {
        let job = self.identity.id;
        match said {
            Said::Acknowledge { id, subtask, snapshot } => {
                let result = match self.standing(id, subtask) {
                    Standing::Awaited(_) if looked_at => {
                        self.locations.entry(id).or_default().insert(snapshot.location.clone(), subtask);
                        ReportResult::Taken
                    }
                    Standing::Acknowledged => ignored(format!(
                        "{} has acknowledged checkpoint {id} before",
                        self.spec.label(subtask)
                    )),
                    Standing::Over => ignored(format!("checkpoint {id} is not in flight any more")),
                    Standing::Awaited(_) | Standing::NeverTriggered => {
                        return ignored(format!("checkpoint {id} was not triggered when this was sent"));
                    }
                };
                self.handle(now, Event::Acknowledge { job, id, subtask, snapshot });
                result
            }
            Said::Decline { id, subtask, reason, message } => {
                let was_in_flight = self.is_in_flight(id);
                self.handle(now, Event::Decline { job, id, subtask, reason, detail: message });
                match was_in_flight && !self.is_in_flight(id) {
                    true => ReportResult::Taken,
                    false => ignored(format!("checkpoint {id} is not waiting for anybody")),
                }
            }
            Said::Running { execution } => self.about(execution).map_or_else(ignored, |()| {
                if !self.sessions.is(session, TaskState::Initializing) {
                    return ignored("that is known already".to_owned());
                }
                self.sessions.enter(session, TaskState::Running);
                self.run_if_restored(now);
                ReportResult::Taken
            }),
            Said::Finished { execution } => self.about(execution).map_or_else(ignored, |()| {
                self.sessions.enter(session, TaskState::Finished);
                self.run_if_restored(now);
                self.finish_if_all_have(now);
                ReportResult::Taken
            }),
            Said::Failed { execution, message } => self.about(execution).map_or_else(ignored, |()| {
                let reason = format!("{} failed: {message}", self.sessions.label(session));
                self.fail(now, reason);
                self.handle(now, Event::Suspend);
                ReportResult::Taken
            }),
        }
    }

    fn is_in_flight(&self, id: CheckpointId) -> bool {
        self.coordinator.as_ref().is_some_and(|coordinator| coordinator.is_in_flight(id))
    }

    /// Whether a report about this execution still means something.
    fn about(&self, execution: u64) -> Result<(), String> {
        let newest = self.sessions.execution();
        if execution != newest {
            return Err(format!("it is about execution {execution}, and the newest is {newest}"));
        }
        match self.stage {
            Stage::Starting | Stage::Running => Ok(()),
            _ => Err(format!("execution {execution} is over; another one will be told with 'restore'")),
        }
    }
}

fn failure_reason(reason: DeclineReason) -> FailureReason {
    match reason {
        DeclineReason::CheckpointDeclined => FailureReason::CheckpointDeclined,
        DeclineReason::CheckpointDeclinedTaskNotReady => FailureReason::CheckpointDeclinedTaskNotReady,
        DeclineReason::CheckpointAsyncException => FailureReason::CheckpointAsyncException,
    }
}

fn ignored(why: String) -> ReportResult {
    ReportResult::Ignored { why }
}

fn check_snapshot(snapshot: &Snapshot) -> Result<(), TaskError> {
    let Snapshot { location, bytes, sync_millis, async_millis, start_delay_millis } = snapshot;
    let is_hidden = location.starts_with('.') || location.starts_with('_');
    if !is_a_name(location)
        || is_hidden
        || location.len() > LONGEST_LOCATION
        || location.chars().any(char::is_control)
    {
        return Err(TaskError::Bad(format!(
            "the location '{}' is not the name of a file directly in the checkpoint's directory (without . or _ at \
             its beginning, at most {LONGEST_LOCATION} bytes)",
            for_people(location, LONGEST_NAME)
        )));
    }
    if *bytes > LARGEST_SNAPSHOT {
        return Err(TaskError::Bad(format!(
            "{bytes} bytes are too many for one subtask; 512 TiB are the most"
        )));
    }
    match [sync_millis, async_millis, start_delay_millis].into_iter().find(|part| **part > LONGEST_PART) {
        Some(part) => Err(TaskError::Bad(format!("{part} ms are too long for a part of a snapshot"))),
        None => Ok(()),
    }
}

/// A text of a task, fit for one line of a log or a terminal.
pub(super) fn for_people(text: &str, longest: usize) -> String {
    let plain = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(longest).collect()
}
