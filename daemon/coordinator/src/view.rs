//! What can be seen of a coordinator.

use crate::Kind;
use crate::config::{EffectiveConfig, Override};
use ckpt_types::ids::CheckpointId;
use ckpt_types::time::Monotonic;
use std::time::Duration;

/// A coordinator at one moment. All of it was true at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The override in force.
    pub overridden: Override,
    /// The configuration in force.
    pub effective: EffectiveConfig,
    /// The checkpoints in flight, oldest first.
    pub in_flight: Vec<InFlight>,
    /// How many failures count now.
    pub consecutive_failures: u32,
    /// When the next periodic checkpoint is due.
    pub next_trigger: Option<Monotonic>,
    /// How many requests wait.
    pub queued: usize,
    /// How many periodic requests were merged into the one that waits or ran last (rule 14).
    pub merged: u64,
}

/// A checkpoint in flight at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// Its number.
    pub id: CheckpointId,
    /// Whether it is a savepoint.
    pub savepoint: bool,
    /// How many subtasks have acknowledged.
    pub acknowledged: usize,
    /// How many there are.
    pub subtasks: usize,
    /// Its age.
    pub elapsed: Duration,
    /// How long until it expires; `None` when all have acknowledged and it cannot expire any more.
    pub remaining: Option<Duration>,
}

/// How a subtask stands to a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Its acknowledgement is missing.
    Awaited(&'a Kind),
    /// It has acknowledged, or takes no part.
    Acknowledged,
    /// The checkpoint is not in flight any more.
    Over,
    /// No checkpoint has this number yet.
    NeverTriggered,
}
