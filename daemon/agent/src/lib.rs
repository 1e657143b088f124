//! What ckptd loads into a running Flink JobManager.
//!
//! | module | holds |
//! |---|---|
//! | [`protocol`] | what ckptd asks and what it is answered |

pub mod protocol;
