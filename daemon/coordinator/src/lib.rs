//! The checkpoint coordinator of one job, with the semantics of Flink's `CheckpointCoordinator`, as a
//! pure state machine: [`Event`]s and a monotonic `now` go in, [`Action`]s come out. It has no clock,
//! starts no task and opens no file, so every moment of a checkpoint's life can be tested without
//! waiting for it.
//!
//! Whoever hosts a [`Coordinator`] owes it three things: to hand it events in the order in which they
//! happened, to carry out the actions in the order in which they came, and to call it again with
//! [`Event::Tick`] at [`Coordinator::next_wakeup`] (earlier or later does no harm).
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | what was submitted, what overrides it, and what is in force: three types |
//! | `machine` | [`Coordinator`]: triggers, acknowledgements, expiry, completion, updates |
//! | `queue` | which request is triggered next |
//! | `pending` | a checkpoint in flight |
//! | `failure` | which failures count, and when there are too many |
//! | `retained` | completed checkpoints and which of them go |
//! | `scheduler` | when the next periodic checkpoint is due |
//! | [`reason`] | why a checkpoint fails, with Flink's names |
//! | `protocol`, `view` | events, actions and facts, and what can be seen of it |
//!
//! The numbers of rules in comments and test names are those of `RULES.md` beside this crate's
//! `Cargo.toml`.

pub mod config;
mod failure;
mod machine;
mod pending;
mod protocol;
mod queue;
pub mod reason;
mod retained;
mod scheduler;
mod view;

pub use ckpt_types::time::Monotonic;
pub use machine::{Coordinator, InFlightUpdate, Start};
pub use protocol::{Action, Event, Fact, Snapshot, TriggerOutcome};
pub use queue::{MOST_QUEUED, RequestToken};
pub use view::{InFlight, Standing, View};

/// Checkpoint or savepoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Belongs to the coordinator, which also deletes it.
    Checkpoint,
    /// Belongs to whoever asked for it; the coordinator never deletes it.
    Savepoint {
        /// The directory that it was asked to be stored below.
        target: String,
    },
}

impl Kind {
    /// Whether it is a savepoint.
    #[must_use]
    pub fn is_savepoint(&self) -> bool {
        matches!(self, Self::Savepoint { .. })
    }
}
