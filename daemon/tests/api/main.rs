//! The REST API in process: the whole daemon but for its socket, on real files, mostly in simulated time.
//!
//! | module | holds |
//! |---|---|
//! | `changes` | FLIP-571's path: what a change does, revisions, conditions, dry runs |
//! | `temporary` | overrides that end by themselves |
//! | `policy` | changes that are not allowed |
//! | `audit` | who did what |
//! | `bad_changes` | what is refused, with nothing changed |
//! | `in_flight` | what a change does to checkpoints in flight and to the next trigger |
//! | `diagnosis` | slow or stuck: what is said of checkpoints in flight |
//! | `states` | changes of jobs that restart, have ended or are unknown |
//! | `concurrency` | requests that come together |
//! | `disk` | a disk that refuses |
//! | `flink` | Flink's read paths against recorded answers of a real one |
//! | `triggers` | checkpoints made by hand |
//! | `savepoints`, `from_savepoint` | savepoints, and jobs that start from one |
//! | `damage` | checkpoints that are damaged when a job is restored, and what its end leaves |
//! | `earlier_state` | state directories of an earlier version |
//! | `errors` | unknown paths, vertices and checkpoints, wrong methods |
//! | `guard` | who may do what |
//! | `events` | what is pushed |
//! | `history` | the checkpoints that have ended |
//! | `jobs` | submitting, cancelling, bringing back |
//! | `tasks` | programs as tasks: claims, events, reports, losses |
//! | `last_moments` | what happens while a checkpoint's metadata is being stored |
//! | `clusters` | jobs of Flink clusters: what a real Flink cannot be made to do on demand |
//! | `fake_flink` | the cluster for those |
//! | `openapi` | the description of the API |
//! | `documented` | every answer of all these tests against it |
//! | `metrics` | what Prometheus is told |
//! | `lives` | checkpoints from their trigger to their deletion, in simulated time |
#![allow(missing_docs, clippy::unwrap_used)]

mod audit;
mod bad_changes;
mod changes;
mod clusters;
mod concurrency;
mod damage;
mod diagnosis;
mod disk;
mod documented;
mod earlier_state;
mod errors;
mod events;
mod fake_flink;
mod flink;
mod from_savepoint;
mod guard;
mod history;
mod in_flight;
mod jobs;
mod last_moments;
mod lives;
mod metrics;
mod openapi;
mod policy;
mod savepoints;
mod shape;
mod states;
mod support;
mod tasks;
mod temporary;
mod triggers;
