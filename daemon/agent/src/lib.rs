//! What ckptd loads into a running Flink JobManager.
//!
//! | module | holds |
//! |---|---|
//! | [`protocol`] | what ckptd asks and what it is answered |
//!
//! With the feature `jvm`, the shared library itself, which HotSpot enters at `Agent_OnAttach`:
//!
//! | module | holds |
//! |---|---|
//! | `entry` | the question, the answer file, and nothing left behind |
//! | `path` | the way to a job's coordinator, over plain references |
//! | `layout` | what differs between releases of Flink |
//! | `coordinator` | a coordinator, verified: reading it |
//! | `change` | putting values in force under its lock, all or nothing |
//! | `env`, `object` | Java, each use checked: the unsafe code is here and in `entry` |

pub mod protocol;

#[cfg(feature = "jvm")]
mod change;
#[cfg(feature = "jvm")]
mod coordinator;
#[cfg(feature = "jvm")]
mod entry;
#[cfg(feature = "jvm")]
mod env;
#[cfg(feature = "jvm")]
mod layout;
#[cfg(feature = "jvm")]
mod object;
#[cfg(feature = "jvm")]
mod path;
