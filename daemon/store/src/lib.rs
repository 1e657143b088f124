//! The files of the daemon that operators rely on. A change is durable before it is answered.
//!
//! | module | holds |
//! |---|---|
//! | [`overrides`] | what operators changed |
//! | [`audit`] | who did what, when and why |
//! | [`pauses`] | where reconcile is paused |
//! | [`durable`] | files that survive a crash |

pub mod audit;
pub mod durable;
pub mod overrides;
pub mod pauses;

/// Target of log messages, below `ckptd` so that the filter `ckptd=debug` covers them.
const LOG_TARGET: &str = "ckptd::store";
