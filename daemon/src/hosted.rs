//! Jobs that ckptd hosts itself.
//!
//! | module | holds |
//! |---|---|
//! | `job` | the handle that the rest of ckptd has |
//! | `store` | all of them: submitted, stored, recovered |
//! | `owner` | the one task that owns a job: its coordinator, its tasks, its statistics |
//! | `anatomy` | its checkpoints, subtask by subtask |
//! | `answers` | what that task answers: how the job is, and what a change did |
//! | `life` | how that task starts, restarts and ends a job |
//! | `door` | how tasks reach a job: claims, events, reports |
//! | `sessions`, `mailbox` | who holds which subtask, and what they are told |
//! | `claims`, `reports` | what that task does with what tasks say |
//! | `gathering` | how a job waits for its tasks, and stops when one is lost |
//! | `rehearsal` | tasks that store real files, with faults on request |
//! | `files`, `metadata`, `disk` | checkpoint directories, what makes them complete, and threads that wait for them |
//! | `tracker` | checkpoints in flight and ended, for Flink's read paths |
//! | `report` | the bodies of those paths |
//! | `triggers` | checkpoints and savepoints that were asked for by hand |
//! | `savepoints`, `places` | savepoints, and the directories that they are made in |
//! | `restore` | jobs that start from a savepoint |

mod anatomy;
mod answers;
mod claims;
mod disk;
mod door;
mod files;
mod gathering;
mod job;
mod life;
mod mailbox;
mod metadata;
mod owner;
mod places;
mod rehearsal;
mod report;
mod reports;
mod restore;
mod savepoints;
mod sessions;
mod store;
mod tracker;
mod triggers;

pub use claims::ClaimRefused;
pub use door::{TaskDoor, TaskError};
pub use job::{HostedJob, Setup};
pub(crate) use life::ENDED_FILE;
pub use life::Ended;
pub use mailbox::{MissedEvents, Told};
pub use metadata::{Metadata, StoredSubtask};
pub(crate) use report::tolerable;
pub use restore::FromSavepoint;
pub use store::{HostedJobs, RecoverError, SubmitError};
