//! Checkpoints and savepoints by hand, and the end of a job with a savepoint.

use super::super::places;
use super::super::trigger_requests::Asked;
use super::Owner;
use crate::clock::Moment;
use crate::seam::SeamError;
use ckpt_api::JobState;
use ckpt_api::flink::{SavepointRequest, TriggerRequest};
use ckpt_coordinator::{Event, Kind};
use ckpt_types::ids::TriggerId;

impl Owner {
    /// Triggers a checkpoint. The same request again is the same checkpoint.
    pub(in crate::hosted) fn trigger(
        &mut self,
        now: Moment,
        request: TriggerRequest,
    ) -> Result<TriggerId, SeamError> {
        let id = request.trigger_id.unwrap_or_else(|| TriggerId::from_bits(rand::random()));
        if self.triggers.knows(Asked::Checkpoint, id) {
            return Ok(id);
        }
        self.lifecycle.refuse_if_ended()?;
        if !self.lifecycle.is_running() {
            return Err(SeamError::NotNow { state: self.lifecycle.state() });
        }
        if let Some(answer_to) = self.triggers.begin(Asked::Checkpoint, id) {
            self.handle(now, Event::Trigger { kind: Kind::Checkpoint, answer_to });
        }
        Ok(id)
    }

    /// Asks for a savepoint. The same request again is the same savepoint, also after its end.
    pub(in crate::hosted) fn savepoint(
        &mut self,
        now: Moment,
        request: &SavepointRequest,
    ) -> Result<TriggerId, SeamError> {
        let id = request.trigger_id.unwrap_or_else(|| TriggerId::from_bits(rand::random()));
        if self.triggers.knows(Asked::Savepoint, id) {
            return Ok(id);
        }
        let target = target(request.target_directory.as_deref())?;
        self.lifecycle.refuse_if_ended()?;
        if !self.lifecycle.is_running() {
            return Err(SeamError::NotNow { state: self.lifecycle.state() });
        }
        if request.cancel_job && self.triggers.awaits_last_savepoint() {
            return Err(SeamError::Busy(
                "a savepoint is being made already, and the job is cancelled when it has completed"
                    .to_owned(),
            ));
        }
        let Some(answer_to) = self.triggers.begin(Asked::Savepoint, id) else { return Ok(id) };
        if request.cancel_job {
            self.triggers.await_last_savepoint(answer_to);
            self.handle(now, Event::Suspend);
        }
        self.handle(now, Event::Trigger { kind: Kind::Savepoint { target }, answer_to });
        Ok(id)
    }

    /// Cancels a job whose last savepoint has completed. When it failed, the job goes on, and so do its
    /// periodic checkpoints (rule 5).
    pub(super) fn end_after_savepoint(&mut self, now: Moment) {
        let Some(completed) = self.triggers.take_last_savepoint() else { return };
        let runs = self.lifecycle.is_running() && self.lifecycle.state() == JobState::Running;
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
