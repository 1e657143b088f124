//! A job to render: job123 while its checkpoint 7 waits for the last of its subtasks.

use ckpt_api::flink::{Checkpoint, CheckpointStatus};
use ckpt_api::{
    ClusterState, Configuration, EndedCheckpoint, Failures, HOSTED, InFlight, JobState, OverrideState,
    OverrideStatus, SCHEMA, Value, Via,
};
use ckpt_types::ids::{CheckpointId, JobId};

/// The job, whose timeout was raised from 10 s to 20 min.
pub(crate) fn configuration() -> Configuration {
    Configuration {
        schema: SCHEMA.to_owned(),
        cluster: HOSTED.to_owned(),
        job_id: JobId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        name: "job123".to_owned(),
        state: JobState::Running,
        revision: 3,
        stored: true,
        applied: true,
        superseded_by: None,
        override_status: Some(OverrideStatus {
            state: OverrideState::Applied,
            why: None,
            since: Some(1_789_999_990_000),
            next_try: None,
        }),
        checkpoint_interval: Value::of(Some(15_000), None, Some(15_000)),
        checkpoint_timeout: Value::of(Some(10_000), Some(1_200_000), Some(1_200_000)),
        in_flight: vec![in_flight(7)],
        failures: Failures { consecutive: 2, tolerable: Failures::UNLIMITED },
        next_trigger: Some(1_790_000_005_900),
        warnings: vec![],
        via: Some(Via::Hosted),
        via_detail: None,
        stale: None,
        observed_at: 1_790_000_000_000,
    }
}

/// The job with an override of 20 min that has stood like this for 41 s, at 40.9 s after it was seen; it is in
/// force only if that is what it says, or when there is a coordinator again.
pub(crate) fn standing(state: OverrideState, why: Option<&str>) -> Configuration {
    let mut job = configuration();
    job.applied = state == OverrideState::Applied;
    job.override_status = Some(OverrideStatus {
        state,
        why: why.map(str::to_owned),
        since: Some(1_789_999_999_900),
        next_try: (state == OverrideState::NotApplied).then_some(1_790_000_055_000),
    });
    match state {
        OverrideState::Applied => {}
        OverrideState::Waiting => (job.state, job.in_flight) = (JobState::Restarting, vec![]),
        OverrideState::NotApplied => job.checkpoint_timeout.effective = Some(10_000),
        OverrideState::Conflict => job.checkpoint_timeout.effective = Some(420_000),
        OverrideState::Orphaned => {
            job.revision = 0;
            (job.stored, job.applied) = (true, true);
            job.checkpoint_timeout = Value::of(Some(10_000), None, Some(10_000));
        }
    }
    job
}

/// A hosted job beside those of two Flink clusters, one of which has not answered for 40 s; with names as
/// people have them.
pub(crate) fn mixed() -> Vec<Configuration> {
    let flink = |cluster: &str, name: &str, via| Configuration {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        via,
        ..configuration()
    };
    let stale = Configuration {
        stale: Some("http://10.0.0.2:8081 does not answer: Connection refused".to_owned()),
        via_detail: Some("pid 1234".to_owned()),
        ..flink("staging", "payments", Some(Via::Attach))
    };
    let sql = "insert-into_default_catalog.default_database.enriched_orders_eu";
    let unknown = Configuration {
        revision: 0,
        override_status: None,
        checkpoint_timeout: Value::of(Some(600_000), None, None),
        failures: Failures { consecutive: 0, tolerable: 3 },
        next_trigger: None,
        in_flight: vec![InFlight { remaining: None, ..in_flight(31_412) }],
        ..flink("production-eu-west-1", sql, None)
    };
    let fresh = Configuration {
        state: JobState::Restarting,
        in_flight: vec![],
        via_detail: Some("the REST port of http://10.0.0.1:8081 is another machine's".to_owned()),
        ..flink("production-eu-west-1", "clicks", Some(Via::None))
    };
    vec![fresh, unknown, configuration(), stale]
}

/// A cluster that has not answered since [`configuration`] was seen, or never has.
pub(crate) fn troubled(name: &str, answered: bool) -> ClusterState {
    ClusterState {
        name: name.to_owned(),
        url: format!("http://{name}:8081"),
        version: answered.then(|| "1.20.5".to_owned()),
        trouble: Some("it does not answer: Connection refused".to_owned()),
        observed_at: answered.then_some(1_790_000_000_000),
    }
}

/// A checkpoint with 19 of 20 subtasks after nine seconds.
pub(crate) fn in_flight(id: u64) -> InFlight {
    InFlight {
        id: CheckpointId(id),
        savepoint: false,
        acknowledged: 19,
        subtasks: 20,
        elapsed: 9_012,
        remaining: Some(1_190_988),
        estimate: None,
        change: None,
    }
}

/// A checkpoint of the history.
pub(crate) fn checkpoint(id: u64, status: CheckpointStatus) -> Checkpoint {
    let failed = status == CheckpointStatus::Failed;
    Checkpoint {
        class_name: status.class_name().to_owned(),
        id: CheckpointId(id),
        status,
        is_savepoint: false,
        savepoint_format: None,
        trigger_timestamp: 1_795_351_753_881,
        latest_ack_timestamp: 1_795_351_754_102,
        checkpointed_size: 1_288_490_189,
        state_size: 1_288_490_189,
        end_to_end_duration: 10_001,
        alignment_buffered: 0,
        processed_data: 0,
        persisted_data: 0,
        num_subtasks: 20,
        num_acknowledged_subtasks: if status == CheckpointStatus::Completed { 20 } else { 19 },
        checkpoint_type: "CHECKPOINT".to_owned(),
        tasks: [].into(),
        failure_timestamp: failed.then_some(1_795_351_763_882),
        failure_message: failed.then(|| ckpt_api::flink::EXPIRED.to_owned()),
        external_path: None,
        discarded: None,
    }
}

/// One that completed after `took` milliseconds, one every 30 s.
pub(crate) fn ended(id: u64, took: u64, timeout: Option<u64>) -> EndedCheckpoint {
    EndedCheckpoint {
        id: Some(CheckpointId(id)),
        savepoint: false,
        completed: true,
        triggered_at: 1_790_000_000_000 + (id - 1) * 30_000,
        duration: Some(took),
        state_size: Some(1_288_490_189),
        checkpointed_size: Some(52_428_800),
        timeout,
        rescued: false,
        reason: None,
        message: None,
    }
}
