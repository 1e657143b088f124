//! Values that both programs and their users share: no I/O, no HTTP, no async runtime.
//!
//! | module | holds |
//! |---|---|
//! | [`duration`] | durations as people type and read them (`20m`, `1h30m`) |
//! | [`ids`] | identifiers: jobs, vertices, triggers, checkpoints |
//! | [`bounds`] | [`CheckpointInterval`](bounds::CheckpointInterval) and [`CheckpointTimeout`](bounds::CheckpointTimeout), which cannot be out of bounds |
//! | [`outcome`] | the effect of a change on a checkpoint in flight |
//! | [`time`] | points in time: [`Monotonic`](time::Monotonic), [`Moment`](time::Moment) |
//!
//! Values are parsed at the edge into types that cannot be wrong and are not checked again inside.

pub mod bounds;
pub mod duration;
pub mod ids;
pub mod outcome;
pub mod time;
