//! View model of everything that is shown: pure functions from API bodies and the time to texts with tones.
//!
//! `get`, the plain `watch` and the full-screen `watch` are drawn from it. A wording, a unit or an order is decided
//! here, once; the surfaces decide about colours, columns and room.

pub(crate) mod advice;
pub(crate) mod change;
pub(crate) mod chart;
pub(crate) mod checkpoint;
pub(crate) mod failures;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod job;
pub(crate) mod line;
pub(crate) mod list;
pub(crate) mod name;
pub(crate) mod origin;
pub(crate) mod override_status;
pub(crate) mod severity;
pub(crate) mod suggestion;
pub(crate) mod text;
pub(crate) mod value;
