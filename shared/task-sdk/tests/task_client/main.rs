//! The client of a program that is a job's tasks: against a daemon in process with simulated time, and
//! against a small HTTP server.
#![allow(clippy::unwrap_used)]

mod away;
mod examples;
mod fake;
mod http;
mod orders;
mod reports;
