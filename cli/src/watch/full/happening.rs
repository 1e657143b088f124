//! What a pushed event changes at once; what it does not tell is asked for a moment later.

use super::model::Model;
use super::snapshot::{JobSnapshot, Now};
use crate::view::name::label;
use crate::view::text::{clean, exact, rough};
use ckpt_api::{CheckpointHistory, EndedCheckpoint, Event, Happening, InFlight};
use ckpt_types::ids::CheckpointId;

impl Model {
    /// Takes an event in.
    pub(super) fn happened(&mut self, event: &Event, now: Now) {
        let ended = matches!(
            event.what,
            Happening::Completed { .. } | Happening::Failed { .. } | Happening::Lagged { .. }
        );
        let key = self.find(&event.cluster, event.job_id);
        let is_open = key.is_some() && key.as_ref() == self.opened();
        match event.what {
            // It tells all there is to know of the job, but for who it was.
            Happening::Acknowledged { .. } if is_open => self.asks.acknowledged(),
            Happening::Acknowledged { .. } => {}
            _ => self.asks.something_happened(is_open, ended),
        }
        let Some(key) = key else { return };
        let Some(seen) = self.data.jobs.get_mut(&key) else { return };
        let name = label(&seen.job);
        let said = apply(seen, &event.what, now);
        if let Some(checkpoint) = said.ended
            && let Some(detail) = self.data.details.get_mut(&key)
        {
            // What was asked for may have come before the event.
            let is_known = detail.history.iter().any(|known| known.id.is_some() && known.id == checkpoint.id);
            if !is_known {
                detail.history.push(checkpoint);
            }
            let too_many = detail.history.len().saturating_sub(CheckpointHistory::MOST);
            detail.history.drain(..too_many);
        }
        if let Some(sentence) = said.sentence {
            self.tell(event.at, format!("{}: {sentence}", name.strip_prefix("job/").unwrap_or(&name)));
        }
    }
}

/// What is to be said of it, and what has ended.
#[derive(Default)]
struct Said {
    sentence: Option<String>,
    ended: Option<EndedCheckpoint>,
}

fn apply(seen: &mut JobSnapshot, what: &Happening, now: Now) -> Said {
    let sentence = |sentence: String| Said { sentence: Some(sentence), ended: None };
    seen.advance(now);
    match what {
        Happening::State { state, reason } => {
            let is_news = seen.job.state != *state || reason.is_some();
            seen.job.state = *state;
            let reason = reason.as_deref().map(|reason| format!(": {}", clean(reason)));
            if is_news { sentence(format!("{state}{}", reason.unwrap_or_default())) } else { Said::default() }
        }
        Happening::Triggered { id, savepoint } => {
            if seen.job.in_flight.iter().all(|known| known.id != *id) {
                let fresh = triggered(seen, *id, *savepoint);
                seen.job.in_flight.push(fresh);
            }
            Said::default()
        }
        Happening::Acknowledged { id, acknowledged, subtasks } => {
            if let Some(known) = seen.job.in_flight.iter_mut().find(|known| known.id == *id) {
                // A fresher answer may have come before the event.
                known.acknowledged = known.acknowledged.max(*acknowledged);
                known.subtasks = *subtasks;
            }
            Said::default()
        }
        Happening::Completed { id, duration } => {
            seen.job.failures.consecutive = 0;
            let took = rough(*duration);
            let ended = end(seen, Some(*id), Some(*duration), None, now);
            Said { sentence: Some(format!("checkpoint {id} completed after {took}")), ended: Some(ended) }
        }
        Happening::Failed { id, reason, message } => {
            seen.job.failures.consecutive = seen.job.failures.consecutive.saturating_add(1);
            let ended = end(seen, *id, None, Some((reason, message)), now);
            let which = id.map_or_else(String::new, |id| format!(" {id}"));
            let why = clean(if message.is_empty() { reason } else { message });
            Said { sentence: Some(format!("checkpoint{which} failed: {why}")), ended: Some(ended) }
        }
        Happening::Configured { revision, checkpoint_interval, checkpoint_timeout } => {
            let job = &mut seen.job;
            (job.revision, job.checkpoint_interval.effective) = (*revision, *checkpoint_interval);
            let before = job.checkpoint_timeout.effective.replace(*checkpoint_timeout);
            for known in job.in_flight.iter_mut().filter(|known| known.remaining.is_some()) {
                known.remaining = Some(checkpoint_timeout.saturating_sub(known.elapsed));
            }
            let was = before.map_or_else(String::new, |before| format!("{} → ", exact(before)));
            sentence(format!("revision {revision}: timeout {was}{}", exact(*checkpoint_timeout)))
        }
        Happening::Merged { .. } => Said::default(),
        Happening::Lagged { missed } => sentence(format!("{missed} events were missed")),
    }
}

/// One that begins now.
fn triggered(seen: &JobSnapshot, id: CheckpointId, savepoint: bool) -> InFlight {
    InFlight {
        id,
        savepoint,
        acknowledged: 0,
        subtasks: seen.job.in_flight.last().map_or(0, |other| other.subtasks),
        elapsed: 0,
        remaining: seen.job.checkpoint_timeout.effective,
        estimate: None,
        change: None,
    }
}

/// Takes it out of those in flight, as far as it was known.
fn end(
    seen: &mut JobSnapshot,
    id: Option<CheckpointId>,
    duration: Option<u64>,
    failure: Option<(&String, &String)>,
    now: Now,
) -> EndedCheckpoint {
    let job = &mut seen.job;
    let place = job.in_flight.iter().position(|known| Some(known.id) == id);
    let known = place.map(|place| job.in_flight.remove(place));
    let took = duration.or(known.as_ref().map(|known| known.elapsed));
    EndedCheckpoint {
        id,
        savepoint: known.is_some_and(|known| known.savepoint),
        completed: failure.is_none(),
        triggered_at: now.wall.saturating_sub(took.unwrap_or(0)),
        duration: took,
        state_size: None,
        checkpointed_size: None,
        timeout: job.checkpoint_timeout.effective,
        rescued: false,
        reason: failure.map(|(reason, _)| reason.clone()),
        message: failure.map(|(_, message)| message.clone()).filter(|message| !message.is_empty()),
    }
}
