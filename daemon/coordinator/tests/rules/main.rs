//! One test, or more, for each rule of `RULES.md`; the name of a test names its rule.
//!
//! No test waits: time is a number that [`sim::Sim`] moves, and the host's work is answered by it.
#![allow(missing_docs, clippy::unwrap_used)]

mod actions;
mod completion;
mod configuration;
mod failures;
mod messages;
mod pacing;
mod periodic;
mod queue;
mod retention;
mod rulebook;
mod shutdown;
mod sim;
mod triggering;
mod updates;
mod updates_in_flight;
