//! Jobs of real Flink clusters, which run unmodified somewhere else.
//!
//! | module | holds |
//! |---|---|
//! | `settings` | which clusters, and what is allowed there |
//! | `clusters` | all that are followed, those found on this machine too |
//! | `cluster` | one of them: the task that follows its jobs |
//! | `link` | what a cluster and its jobs share: the way to its REST API and into its JobManager |
//! | `job` | one job: looking at it |
//! | `coordinator` | the same job behind the seam |
//! | `known` | what is known of it |
//! | `keeping` | whether its override holds, and what to do when it does not: a state machine |
//! | `reconcile` | the loop that keeps overrides in force |
//! | `remembering` | the loop that looks at jobs for the sake of their history |
//! | `gone` | what is kept of jobs that are not listed for a while |
//! | `anatomy` | its checkpoints, subtask by subtask, and what of them is remembered |
//! | `apply` | putting an override in force |
//! | `rest` | what is read from Flink's REST API |
//! | `sight` | an observation, made of what REST and the agent tell |
//! | `ways` | how a change reaches a coordinator: `native`, `attach`, or not at all |
//! | `news` | what happened between two looks |
//! | `doctor` | whether a cluster can be changed from here, and if not, why |

mod anatomy;
mod apply;
mod cluster;
mod clusters;
mod coordinator;
mod doctor;
mod gone;
mod job;
mod keeping;
mod known;
mod link;
mod news;
mod reconcile;
mod remembering;
mod rest;
mod settings;
mod sight;
mod ways;

pub use clusters::Clusters;
pub use job::FlinkJob;
pub use settings::{Attach, ClusterSettings, Entry, FlinkSection, Options, Settings, SettingsError};
