//! A real Flink on this machine: fetched from PyPI, started on loopback, with a job whose checkpoints are as
//! slow as wished, for the tests and for `ckpt-flink-demo`. ckptd does not depend on it.
//!
//! Nothing of it survives: whatever ends the process that started a [`Cluster`], a watcher ends the cluster.

mod cluster;
mod config;
mod http;
mod install;
mod job;
mod machine;
mod submission;
mod watcher;
mod zookeeper;

pub use cluster::{Cluster, ClusterError, Options};
pub use config::Scheduler;
pub use http::{Answer, HttpError, call};
pub use install::{Distribution, InstallError, Progress, install};
pub use job::{JobError, Pace, SlowJob};
pub use machine::{Lack, Machine};
pub use submission::{Uploaded, rescale};
pub use watcher::Watcher;
pub use zookeeper::ZooKeeper;
