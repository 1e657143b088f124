//! Reports of tasks. Those of one request are taken together or not at all, in two steps: the acknowledged files are
//! checked on disk in between.

use super::super::parsed_report::{
    Expected, FileChecks, MAX_MESSAGE, ParsedReport, check_snapshot, failure_reason, ignored, sanitize,
};
use super::super::subtask_lookup::subtask;
use super::super::task_error::TaskError;
use super::Owner;
use crate::clock::Moment;
use ckpt_api::tasks::{MOST_REPORTS, ReportResult, Reported, TaskReport, TaskState};
use ckpt_coordinator::{Event, Snapshot, Standing};
use ckpt_types::ids::{CheckpointId, SessionId, Subtask};
use std::collections::HashMap;

impl Owner {
    /// The first step: makes sense of reports, and says which files they need.
    pub(in crate::hosted) fn check_reports(
        &mut self,
        now: Moment,
        session: SessionId,
        reports: Vec<TaskReport>,
    ) -> Result<(Vec<ParsedReport>, Vec<Expected>), TaskError> {
        if !self.sessions.record_poll(now, session) {
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
            let ParsedReport::Acknowledge { id, subtask, snapshot } = said else { return None };
            let Standing::Awaited(kind) = self.standing(*id, *subtask) else { return None };
            let file = self.storage.directory(*id, kind).join(&snapshot.location);
            Some(Expected { report, file, bytes: snapshot.bytes })
        });
        let expected = expected.collect();
        Ok((said, expected))
    }

    fn understand(&self, session: SessionId, report: TaskReport) -> Result<ParsedReport, TaskError> {
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
                ParsedReport::Acknowledge { id: checkpoint_id, subtask, snapshot }
            }
            TaskReport::Decline { checkpoint_id, vertex, index, reason, message } => {
                let subtask = subtask(&vertex, index)?;
                let message = sanitize(&message, MAX_MESSAGE);
                ParsedReport::Decline { id: checkpoint_id, subtask, reason: failure_reason(reason), message }
            }
            TaskReport::Running { execution } => ParsedReport::Running { execution },
            TaskReport::Finished { execution } => ParsedReport::Finished { execution },
            TaskReport::Failed { execution, message } => {
                ParsedReport::Failed { execution, message: sanitize(&message, MAX_MESSAGE) }
            }
        })
    }

    fn standing(&self, id: CheckpointId, subtask: Subtask) -> Standing<'_> {
        self.coordinator.as_ref().map_or(Standing::Over, |coordinator| coordinator.standing(id, subtask))
    }

    /// The second step: takes all of them, unless what one of them says was found to be wrong, and that still
    /// matters.
    pub(in crate::hosted) fn take_reports(
        &mut self,
        now: Moment,
        session: SessionId,
        said: Vec<ParsedReport>,
        looked: &FileChecks,
    ) -> Result<Reported, TaskError> {
        self.known(session)?;
        let coordinator = &self.coordinator;
        self.acknowledged_files.retain(|id| coordinator.as_ref().is_some_and(|it| it.is_in_flight(id)));
        let mut locations: HashMap<(CheckpointId, &str), Subtask> = HashMap::new();
        for (place, said) in said.iter().enumerate() {
            let ParsedReport::Acknowledge { id, subtask, snapshot } = said else { continue };
            if !matches!(self.standing(*id, *subtask), Standing::Awaited(_)) {
                continue;
            }
            match looked.get(&place) {
                Some(Some(wrong)) => return Err(TaskError::Bad(wrong.clone())),
                Some(None) => {}
                None => continue,
            }
            let location = snapshot.location.as_str();
            let before = self.acknowledged_files.subtask(*id, location);
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

    fn take(&mut self, now: Moment, session: SessionId, said: ParsedReport, looked_at: bool) -> ReportResult {
        let job = self.identity.id;
        match said {
            ParsedReport::Acknowledge { id, subtask, snapshot } => {
                let result = match self.standing(id, subtask) {
                    Standing::Awaited(_) if looked_at => {
                        self.acknowledged_files.insert(id, snapshot.location.clone(), subtask);
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
            ParsedReport::Decline { id, subtask, reason, message } => {
                let was_in_flight = self.is_in_flight(id);
                self.handle(now, Event::Decline { job, id, subtask, reason, detail: message });
                match was_in_flight && !self.is_in_flight(id) {
                    true => ReportResult::Taken,
                    false => ignored(format!("checkpoint {id} is not waiting for anybody")),
                }
            }
            ParsedReport::Running { execution } => self.about(execution).map_or_else(ignored, |()| {
                if !self.sessions.is(session, TaskState::Initializing) {
                    return ignored("that is known already".to_owned());
                }
                self.sessions.enter(session, TaskState::Running);
                self.run_if_restored(now);
                ReportResult::Taken
            }),
            ParsedReport::Finished { execution } => self.about(execution).map_or_else(ignored, |()| {
                self.sessions.enter(session, TaskState::Finished);
                self.run_if_restored(now);
                self.finish_if_all_have(now);
                ReportResult::Taken
            }),
            ParsedReport::Failed { execution, message } => self.about(execution).map_or_else(ignored, |()| {
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

    /// Refuses reports about an execution that is over.
    fn about(&self, execution: u64) -> Result<(), String> {
        let newest = self.sessions.execution();
        if execution != newest {
            return Err(format!("it is about execution {execution}, and the newest is {newest}"));
        }
        match self.lifecycle.is_active() {
            true => Ok(()),
            false => Err(format!("execution {execution} is over; another one will be told with 'restore'")),
        }
    }
}
