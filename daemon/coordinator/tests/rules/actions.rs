//! What tests want to know of a list of actions.

use crate::sim::id;
use ckpt_coordinator::reason::FailureReason;
use ckpt_coordinator::{Action, Fact, TriggerOutcome};

pub(crate) fn created(actions: &[Action]) -> Vec<u64> {
    pick(actions, |action| match action {
        Action::Record(Fact::Created { id, .. }) => Some(id.0),
        _ => None,
    })
}

pub(crate) fn completed(actions: &[Action]) -> Vec<u64> {
    pick(actions, |action| match action {
        Action::Record(Fact::Completed { id }) => Some(id.0),
        _ => None,
    })
}

pub(crate) fn failed(actions: &[Action]) -> Vec<(u64, FailureReason)> {
    pick(actions, |action| match action {
        Action::Record(Fact::Failed { id, reason, .. }) => Some((id.0, *reason)),
        _ => None,
    })
}

pub(crate) fn answers(actions: &[Action]) -> Vec<(u64, TriggerOutcome)> {
    pick(actions, |action| match action {
        Action::Answer { to, outcome } => Some((to.0, outcome.clone())),
        _ => None,
    })
}

/// What is to be deleted, and whether it had completed.
pub(crate) fn discarded(actions: &[Action]) -> Vec<(u64, bool)> {
    pick(actions, |action| match action {
        Action::Discard { id, completed, .. } => Some((id.0, *completed)),
        _ => None,
    })
}

pub(crate) fn triggered_tasks(actions: &[Action]) -> Vec<u64> {
    pick(actions, |action| match action {
        Action::TriggerTasks { id, .. } => Some(id.0),
        _ => None,
    })
}

pub(crate) fn job_failures(actions: &[Action]) -> Vec<String> {
    pick(actions, |action| match action {
        Action::FailJob { reason } => Some(reason.clone()),
        _ => None,
    })
}

fn pick<T>(actions: &[Action], of: impl Fn(&Action) -> Option<T>) -> Vec<T> {
    actions.iter().filter_map(of).collect()
}

pub(crate) fn no_id(reason: FailureReason) -> TriggerOutcome {
    TriggerOutcome::Failed { id: None, reason }
}

pub(crate) fn failed_as(number: u64, reason: FailureReason) -> TriggerOutcome {
    TriggerOutcome::Failed { id: Some(id(number)), reason }
}
