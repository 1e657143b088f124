//! Jobs of real Flink clusters, which run unmodified somewhere else.
//!
//! One task owns all state of a cluster: it hands events to a pure state machine and performs the actions that this
//! returns. Everything else reads published facts and sends requests.
//!
//! | module | holds |
//! |---|---|
//! | `settings` | clusters to follow, and what is allowed there |
//! | `clusters` | all followed clusters, those discovered on this machine too |
//! | `owner`, `message` | the task that owns a cluster, and the messages to it |
//! | `state` | its decisions: the state machine |
//! | `perform` | its actions that take time |
//! | `keeper` | the state machine that keeps one override in force |
//! | `facts` | facts about a cluster and its jobs, as they are published |
//! | `view` | views computed from facts |
//! | `job` | a job's handle: [`JobCoordinator`](crate::seam::JobCoordinator) for the rest of ckptd |
//! | `link` | access to one cluster: settings and clients |
//! | `rest` | requests to Flink's REST API, and the meaning of its answers |
//! | `breakdown` | checkpoints by subtask |
//! | `observation` | parts of observations: answers of the REST API or the agent |
//! | `happenings` | events between two answers of the REST API |
//! | `routes`, `route_search` | routes of a change into a coordinator: knowledge, and the search |
//! | `doctor` | diagnosis of whether a cluster can be changed from here |

mod breakdown;
mod clusters;
mod doctor;
mod facts;
mod happenings;
mod job;
mod keeper;
mod link;
mod message;
mod observation;
mod owner;
mod perform;
mod rest;
mod route_search;
mod routes;
mod settings;
mod state;
mod view;

pub use clusters::Clusters;
pub use job::FlinkJob;
pub use link::Services;
pub use settings::{Attach, ClusterSettings, Entry, FlinkSection, Options, Settings, SettingsError};
