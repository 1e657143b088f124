//! Answers of the simulated cluster.

use super::super::event::RestAnswer;
use super::cluster::{INTERVAL, SimJob};
use crate::clock::Moment;
use ckpt_agent::protocol::{Shown, Sight};
use ckpt_api::flink::{Checkpoint, CheckpointConfig, CheckpointStatistics, CheckpointStatus, JobOverview};
use ckpt_attach::Jvm;
use ckpt_types::ids::{CheckpointId, JobId, VertexId};
use serde_json::{Value, json};
use std::sync::LazyLock;

pub(super) fn id() -> JobId {
    JobId::from_bits(1)
}

/// A process that exists: this one.
pub(super) fn jvm() -> Jvm {
    Jvm::of(i32::try_from(std::process::id()).unwrap()).unwrap()
}

fn recorded(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()["body"].clone()
}

pub(super) fn vertex() -> VertexId {
    VertexId::from_bits(1)
}

/// A checkpoint that was triggered at its id in seconds, and took as many milliseconds.
pub(super) fn checkpoint(id: u64, status: CheckpointStatus) -> Checkpoint {
    let recorded =
        recorded(include_str!("../../../../../shared/api/tests/flink-rest/checkpoints-in-progress.json"));
    let millis = i64::try_from(id).unwrap();
    Checkpoint {
        id: CheckpointId(id),
        status,
        trigger_timestamp: millis * 1_000,
        end_to_end_duration: millis,
        ..serde_json::from_value(recorded["history"][0].clone()).unwrap()
    }
}

pub(super) fn overview(job: &SimJob, asked: Moment) -> JobOverview {
    static RECORDED: LazyLock<JobOverview> = LazyLock::new(|| {
        let list = recorded(include_str!("../../../../../shared/api/tests/flink-rest/jobs-overview.json"));
        serde_json::from_value(list["jobs"][0].clone()).unwrap()
    });
    let mut overview = RECORDED.clone();
    (overview.jid, overview.name, overview.state) = (id(), "orders".to_owned(), job.state);
    (overview.start_time, overview.end_time) = (job.started, -1);
    // The time of the question, so that an older list can be told from a newer one.
    overview.last_modification = i64::try_from(asked.wall_millis()).unwrap();
    overview
}

pub(super) fn rest_answer(job: &SimJob) -> RestAnswer {
    static RECORDED: LazyLock<(CheckpointConfig, CheckpointStatistics)> = LazyLock::new(|| {
        let config =
            recorded(include_str!("../../../../../shared/api/tests/flink-rest/checkpoints-config.json"));
        let mut statistics =
            recorded(include_str!("../../../../../shared/api/tests/flink-rest/checkpoints-in-progress.json"));
        statistics["history"] = json!([]);
        statistics["latest"]["completed"] = Value::Null;
        (serde_json::from_value(config).unwrap(), serde_json::from_value(statistics).unwrap())
    });
    let (mut config, mut statistics) = RECORDED.clone();
    (statistics.history, statistics.latest.completed) = (job.history.clone(), job.completed.clone());
    (config.interval, config.timeout) = (INTERVAL, job.timeout);
    RestAnswer { config, statistics }
}

pub(super) fn sight(job: &SimJob) -> Sight {
    Sight {
        family: "1.19 and later".to_owned(),
        scheduler: "Default".to_owned(),
        identity: job.identity,
        interval: INTERVAL,
        timeout: job.timeout,
        min_pause: 0,
        shown: Shown { graph_interval: INTERVAL, graph_timeout: job.timeout, plan: None },
        periodic: true,
        next_trigger_in: None,
        queued: 0,
        consecutive_failures: Some(0),
        pending: Vec::new(),
    }
}
