//! ckptd: hosts checkpoint coordinators whose interval and timeout can be changed while a job runs.
//!
//! | module | holds |
//! |---|---|
//! | [`serve`] | the daemon as a whole: start, recovery, shutdown |
//! | [`rest`] | its REST API |
//! | [`change`] | the way of a change: validate, persist, apply, answer |
//! | [`expiry`] | overrides that end by themselves |
//! | [`policy`] | which changes are allowed, and for how long |
//! | [`config_file`] | the configuration file |
//! | [`metrics`] | what Prometheus is told |
//! | [`registry`] | every job, found by id or name |
//! | `checkpoint_log` | the ended checkpoints of a job, in memory |
//! | [`seam`] | what ckptd asks of a coordinator, whatever it is |
//! | [`hosted`] | coordinators that ckptd hosts itself |
//! | [`anatomy`] | checkpoints, subtask by subtask |
//! | [`diagnosis`] | slow or stuck: what is to be said of a checkpoint in flight |
//! | [`flink`] | coordinators of real Flink clusters |
//! | [`job_file`] | a job as it is submitted |
//! | [`state_dir`] | the state directory |
//! | [`demo`] | the demonstration |
//!
//! Crates of their own: `ckpt-coordinator`, the state machine behind a hosted job, `ckpt-attach`, access to a running
//! JVM, `ckpt-clock`, the clock, and `ckpt-store`, the overrides, the audit log and the pauses on disk.

pub mod anatomy;
pub mod change;
mod checkpoint_log;
pub mod config_file;
mod configuration;
pub mod demo;
pub mod diagnosis;
pub mod expiry;
pub mod flink;
pub mod hosted;
pub mod job_file;
pub mod metrics;
pub mod policy;
pub mod registry;
pub mod rest;
pub mod seam;
pub mod serve;
pub mod state_dir;

pub use ckpt_clock as clock;
pub use ckpt_store::{audit, durable, overrides, pauses};
