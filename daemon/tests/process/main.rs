//! The real program: `ckptd serve` and `ckptd demo` as processes, killed, refused and starved.
//!
//! | module | holds |
//! |---|---|
//! | `bad_days` | storage that does not answer, damage, bad timing |
//! | `crashes` | what survives SIGKILL |
//! | `savepoints` | savepoints across SIGKILL |
//! | `prometheus` | what Prometheus makes of it |
//! | `refusals` | what ckptd does not start with |
//! | `signals` | SIGTERM and SIGINT |
//! | `clients` | slow and half-open clients |
//! | `full_disk` | a disk that takes no more |
//! | `temporary` | overrides that end by themselves, and the audit log |
//! | `logs` | logs for people and for machines |
//! | `demo` | the demonstration |
//! | `systemd` | what systemd says of the unit |
//! | `wordcount` | tasks of one's own |
#![allow(missing_docs, clippy::unwrap_used)]

mod bad_days;
mod clients;
mod crashes;
mod demo;
mod full_disk;
mod logs;
mod prometheus;
mod refusals;
mod savepoints;
mod signals;
mod support;
mod systemd;
mod temporary;
mod wordcount;
