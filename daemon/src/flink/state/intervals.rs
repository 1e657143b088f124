//! How often a cluster and its jobs are looked at.

use std::time::Duration;

/// Interval at which a cluster is asked for its jobs.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Number of lists after which the route into the cluster is searched for again.
pub(super) const LISTS_PER_SEARCH: u32 = 15;
/// Interval at which jobs are looked for whose turn it is.
pub(super) const ROUND_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which each job is read.
pub(super) const READ_INTERVAL: Duration = Duration::from_secs(10);
/// Reads that a round starts at most, so that a large cluster is not kept busy.
pub(super) const MAX_READS_PER_ROUND: usize = 20;
/// Pause of reads through the agent after one failed.
pub(super) const BLIND_TIME: Duration = Duration::from_secs(30);
/// The same while the job has no coordinator.
pub(super) const BLIND_TIME_WITHOUT_COORDINATOR: Duration = Duration::from_secs(3);
/// Interval of checks without a sign.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Interval of checks for a coordinator that is waited for.
pub(super) const WAITING_INTERVAL: Duration = Duration::from_millis(200);
/// Time after the last sign until which it is waited for like that.
pub(super) const WAITING_TIME: Duration = Duration::from_secs(120);
/// Interval of checks for a coordinator later on.
pub(super) const PATIENT_INTERVAL: Duration = Duration::from_secs(2);
/// Time that a new revision is left to the request that follows it.
pub(super) const HAND_OVER_TIME: Duration = Duration::from_secs(1);
/// Time that an override whose time is up is left to the task that ends it durably. One that cannot be ended, as with a
/// disk that refuses, does not go on to hold.
pub(super) const ENDING_TIME: Duration = Duration::from_secs(10);
