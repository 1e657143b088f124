//! Jobs that ckptd hosts itself.
//!
//! | module | holds |
//! |---|---|
//! | `job` | the handle that the rest of ckptd has |
//! | `jobs` | all of them: submitted, stored, recovered |
//! | `owner` | the task that owns a job, and routes events between the parts below |
//! | `lifecycle` | the state of a job, and the stage it is in |
//! | `storage` | the files of a job, and the work on them |
//! | `files`, `metadata`, `disk` | checkpoint directories, what makes them complete, and threads that wait for them |
//! | `restore`, `places` | restore points, and the directories of savepoints |
//! | `override_in_force` | the override as the owner applies it |
//! | `anatomy` | the breakdown by subtask |
//! | `trigger_requests` | checkpoints and savepoints by hand |
//! | `door`, `task_error` | the way of tasks to a job: claims, events, reports; and why they are refused |
//! | `sessions`, `mailbox` | the holders of subtasks, and their events |
//! | `subtask_lookup`, `parsed_report`, `acknowledged_files` | the requests of tasks |
//! | `rehearsal` | tasks that store real files, with faults on request |
//! | `publisher` | the events of a job |

mod acknowledged_files;
mod anatomy;
mod disk;
mod door;
mod files;
mod job;
mod jobs;
mod lifecycle;
mod mailbox;
mod metadata;
mod override_in_force;
mod owner;
mod parsed_report;
mod places;
mod publisher;
mod rehearsal;
mod restore;
mod sessions;
mod storage;
mod subtask_lookup;
mod task_error;
mod trigger_requests;

pub use door::TaskDoor;
pub use job::HostedJob;
pub use jobs::{HostedJobs, RecoverError, SubmitError};
pub use lifecycle::Ended;
pub use mailbox::{MissedEvents, Told};
pub use metadata::{Metadata, StoredSubtask};
pub use owner::Setup;
pub use restore::FromSavepoint;
pub(crate) use storage::ENDED_FILE;
pub use task_error::{ClaimRefused, TaskError};
