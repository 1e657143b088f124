//! Jobs that ckptd hosts itself.
//!
//! | module | holds |
//! |---|---|
//! | `job` | the handle that the rest of ckptd has |
//! | `store` | all of them: submitted, stored, recovered |
//! | `owner` | the task that owns a job, and routes events between the parts below |
//! | `lifecycle` | the state of a job, and the stage it is in |
//! | `storage` | the files of a job, and the work on them |
//! | `files`, `metadata`, `disk` | checkpoint directories, what makes them complete, and threads that wait for them |
//! | `restore`, `places` | restore points, and the directories of savepoints |
//! | `override_in_force` | the override as the owner applies it |
//! | `anatomy` | the breakdown by subtask |
//! | `triggers` | checkpoints and savepoints by hand |
//! | `door`, `task_error` | the way of tasks to a job: claims, events, reports; and why they are refused |
//! | `sessions`, `mailbox` | the holders of subtasks, and their events |
//! | `claims`, `reports`, `acknowledged_files` | the requests of tasks |
//! | `rehearsal` | tasks that store real files, with faults on request |
//! | `publisher` | the events of a job |

mod acknowledged_files;
mod anatomy;
mod claims;
mod disk;
mod door;
mod files;
mod job;
mod lifecycle;
mod mailbox;
mod metadata;
mod override_in_force;
mod owner;
mod places;
mod publisher;
mod rehearsal;
mod reports;
mod restore;
mod sessions;
mod storage;
mod store;
mod task_error;
mod triggers;

pub use door::TaskDoor;
pub use job::HostedJob;
pub use lifecycle::Ended;
pub use mailbox::{MissedEvents, Told};
pub use metadata::{Metadata, StoredSubtask};
pub use owner::Setup;
pub use restore::FromSavepoint;
pub(crate) use storage::ENDED_FILE;
pub use store::{HostedJobs, RecoverError, SubmitError};
pub use task_error::{ClaimRefused, TaskError};
