//! What `ckptctl` and `ckptd` both speak.
//!
//! | module | holds |
//! |---|---|
//! | [`duration`] | durations as people type and read them (`20m`, `1h30m`) |
//! | [`ids`] | identifiers: jobs, vertices, triggers, checkpoints |
//! | [`bounds`] | [`CheckpointInterval`](bounds::CheckpointInterval) and [`CheckpointTimeout`](bounds::CheckpointTimeout), which cannot be out of bounds |
//! | [`api`] | the bodies of ckptd's own REST API, `ckpt/v1` |
//! | [`tasks`] | the task protocol: what programs that are a job's tasks and ckptd say to each other |
//! | [`flink`] | the bodies of Flink's REST API, as Flink 2.3.0 writes them |
//! | `paths` | where the state directory and the token are, by the XDG rules (feature `client`) |
//! | `schemas` | what bodies look like to a program, where serde cannot tell (feature `openapi`) |
//! | `client` | an HTTP client for all of it (feature `client`) |
//! | `task_client` | the client of a program that is a job's tasks, over HTTP or within ckptd (feature `tasks`) |
//!
//! Everything is parsed at the edge into types that cannot be wrong and is not checked again inside.

pub mod api;
pub mod bounds;
#[cfg(feature = "client")]
pub mod client;
pub mod duration;
pub mod flink;
pub mod ids;
#[cfg(feature = "client")]
pub mod paths;
#[cfg(feature = "openapi")]
mod schemas;
#[cfg(feature = "tasks")]
pub mod task_client;
pub mod tasks;
