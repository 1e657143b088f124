//! The state machine against a simulated cluster: no sleeping, no Flink, answers in any order.

mod answers;
mod cluster;
mod properties;
mod races;
mod subtasks;
