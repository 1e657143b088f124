//! Savepoints of a hosted job, and its end with one.

use super::life::Stage;
use super::owner::Owner;
use super::places;
use super::triggers::Asked;
use crate::clock::Moment;
use crate::seam::SeamError;
use ckpt_api::JobState;
use ckpt_api::flink::SavepointRequest;
use ckpt_coordinator::{Event, Kind, RequestToken};
use ckpt_types::ids::TriggerId;

/// The savepoint after which the job is cancelled.
#[derive(Debug, Default)]
pub(super) enum LastSavepoint {
    /// Nobody asked for one.
    #[default]
    None,
    /// It is not made yet. The periodic scheduler stands still.
    Awaited(RequestToken),
    /// It has completed, or failed.
    Ended { completed: bool },
}

impl LastSavepoint {
    /// What an operator ought to know while it is made.
    pub(super) fn remark(&self) -> Option<String> {
        let awaited = matches!(self, Self::Awaited(_));
        awaited
            .then(|| "a savepoint is being made, and the job is cancelled when it has completed".to_owned())
    }

    /// Takes note of how a request ended.
    pub(super) fn note(&mut self, answered: RequestToken, completed: bool) {
        if matches!(self, Self::Awaited(awaited) if *awaited == answered) {
            *self = Self::Ended { completed };
        }
    }
}

impl Owner {
    /// Asks for a savepoint. The same request again is the same savepoint, also after its end.
    pub(super) fn savepoint(
        &mut self,
        now: Moment,
        request: &SavepointRequest,
    ) -> Result<TriggerId, SeamError> {
        let id = request.trigger_id.unwrap_or_else(|| TriggerId::from_bits(rand::random()));
        if self.triggers.knows(Asked::Savepoint, id) {
            return Ok(id);
        }
        let target = target(request.target_directory.as_deref())?;
        self.refuse_if_ended()?;
        if !matches!(self.stage, Stage::Running) {
            return Err(SeamError::NotNow { state: self.history.state });
        }
        if request.cancel_job && matches!(self.last_savepoint, LastSavepoint::Awaited(_)) {
            return Err(SeamError::Busy(
                "a savepoint is being made already, and the job is cancelled when it has completed"
                    .to_owned(),
            ));
        }
        let Some(answer_to) = self.triggers.begin(Asked::Savepoint, id) else { return Ok(id) };
        if request.cancel_job {
            self.last_savepoint = LastSavepoint::Awaited(answer_to);
            self.handle(now, Event::Suspend);
        }
        self.handle(now, Event::Trigger { kind: Kind::Savepoint { target }, answer_to });
        Ok(id)
    }

    /// Cancels a job whose last savepoint has completed. When it failed, the job goes on, and so do its
    /// periodic checkpoints (rule 5).
    pub(super) fn after_last_savepoint(&mut self, now: Moment) {
        let LastSavepoint::Ended { completed } = self.last_savepoint else { return };
        self.last_savepoint = LastSavepoint::None;
        let runs = matches!(self.stage, Stage::Running) && self.history.state == JobState::Running;
        if completed {
            // One that has ended meanwhile needs nobody to end it.
            drop(self.cancel(now));
        } else if runs {
            self.handle(now, Event::TasksRunning { spread: rand::random() });
        }
    }
}

fn target(directory: Option<&str>) -> Result<String, SeamError> {
    let example = "such as \"target-directory\": \"/savepoints\"";
    let Some(text) = directory else {
        return Err(SeamError::Mistake(format!(
            "a savepoint of a job that ckptd hosts needs a directory to be stored in, {example}"
        )));
    };
    match places::local_path(text) {
        Ok(path) => Ok(path.display().to_string()),
        Err(wrong) => Err(SeamError::Mistake(format!(
            "the target directory '{}' {wrong}; name a directory on ckptd's machine, {example}",
            text.escape_debug()
        ))),
    }
}
