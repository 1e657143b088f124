//! What is put on the screen in tests: jobs on good and on bad days, and the screen that they make.

use super::keys::Then;
use super::model::{Message, Model, Pushed};
use super::screen as full_screen;
use super::snapshot::{JobSnapshot, Now};
use crate::view::fixture;
use ckpt_api::{
    CheckpointDiagnosis, Configuration, ConfigurationList, EndedCheckpoint, Estimate, Event, Failures,
    Happening, InFlight, JobState, MissingSubtask, Origin, OverrideState, Pace, Pause, Range, SCHEMA, Spread,
    Value, VertexProgress,
};
use ckpt_types::ids::{CheckpointId, JobId};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

pub(super) const SMALL: (u16, u16) = (80, 24);
pub(super) const LARGE: (u16, u16) = (200, 50);
pub(super) const SERVER: &str = "http://127.0.0.1:8571";
pub(super) const NOW: Now = Now { mono: 100_000, wall: 1_790_000_000_000 };
pub(super) const MINUTE: u64 = 60_000;

/// The same time, this many milliseconds later.
pub(super) fn later(millis: u64) -> Now {
    Now { mono: NOW.mono + millis, wall: NOW.wall + millis }
}

pub(super) fn buffer(model: &Model, now: Now, (width, height): (u16, u16), colours: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| full_screen::draw(model, now, frame.area(), frame.buffer_mut(), colours)).unwrap();
    terminal.backend().buffer().clone()
}

/// The screen as text.
pub(super) fn screen(model: &Model, now: Now, size: (u16, u16)) -> String {
    let buffer = buffer(model, now, size, false);
    let line = |y: u16| {
        let mut line = String::new();
        let mut x = 0;
        while x < size.0 {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(symbol.width().max(1)).unwrap();
        }
        line.trim_end().to_owned()
    };
    (0..size.1).map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn press(model: &mut Model, code: KeyCode) -> Then {
    model.press(KeyEvent::new(code, KeyModifiers::NONE), NOW)
}

pub(super) fn orders() -> Configuration {
    Configuration {
        name: "enriched-orders".to_owned(),
        failures: Failures { consecutive: 0, tolerable: 3 },
        revision: 0,
        override_status: None,
        checkpoint_interval: Value::of(Some(MINUTE), None, Some(MINUTE)),
        checkpoint_timeout: Value::of(Some(10 * MINUTE), None, Some(10 * MINUTE)),
        in_flight: vec![],
        next_trigger: Some(NOW.wall + 45_000),
        ..fixture::configuration()
    }
}

pub(super) fn in_flight(elapsed: u64, left: u64, estimate: Option<Estimate>) -> Vec<InFlight> {
    let timed = InFlight { elapsed, remaining: Some(left), estimate, ..fixture::in_flight(42) };
    vec![timed]
}

pub(super) fn estimate(
    verdict: Pace,
    sentence: &str,
    done_in: Option<Range>,
    suggested: Option<u64>,
) -> Option<Estimate> {
    Some(Estimate { verdict, sentence: sentence.to_owned(), done_in, suggested_timeout: suggested })
}

/// Twelve that got slower, and of the last ones some that expired.
pub(super) fn history() -> Vec<EndedCheckpoint> {
    let mut all: Vec<_> =
        (30..=41).map(|id| fixture::ended(id, (id - 26) * 40_000, Some(10 * MINUTE))).collect();
    for expired in &mut all[10..] {
        (expired.completed, expired.duration) = (false, Some(10 * MINUTE));
        expired.reason = Some("CHECKPOINT_EXPIRED".to_owned());
        expired.message = Some("Checkpoint expired before completing.".to_owned());
    }
    all
}

pub(super) fn watch(job: Configuration, history: Vec<EndedCheckpoint>) -> Model {
    let key = JobSnapshot::key(&job);
    let mut model = Model::of_job(SERVER, Duration::from_secs(1), job, NOW);
    model.update(Message::Pushed(Pushed::Yes, None), NOW);
    model.update(Message::History(key, history), NOW);
    model
}

pub(super) fn healthy() -> Model {
    let mut job = orders();
    let range = Range { low: 20_000, likely: 31_000, high: 50_000 };
    let sentence = "on track: likely done in about 31s, as usual";
    job.in_flight = in_flight(9_012, 590_988, estimate(Pace::OnTrack, sentence, Some(range), None));
    watch(job, history()[..10].to_vec())
}

pub(super) fn slow() -> Model {
    let mut job = orders();
    job.failures.consecutive = 2;
    let range = Range { low: 2 * MINUTE, likely: 5 * MINUTE, high: 9 * MINUTE };
    let sentence = "slow, likely done in about 5m (between 2m and 9m): 19 of 20 have acknowledged, and the last one \
                    writes 40% slower than last time";
    job.in_flight =
        in_flight(8 * MINUTE, 2 * MINUTE, estimate(Pace::Slow, sentence, Some(range), Some(25 * MINUTE)));
    watch(job, history())
}

pub(super) fn stuck() -> Model {
    let mut job = orders();
    job.cluster = "prod".to_owned();
    job.failures.consecutive = 3;
    let sentence = "stuck: subtask 7 of sink has been silent for 6m while its peers finished in 40s";
    job.in_flight = in_flight(6 * MINUTE, 4 * MINUTE, estimate(Pace::Stuck, sentence, None, None));
    job.in_flight[0].acknowledged = 15;
    let mut model = watch(job.clone(), history());
    model.update(Message::Diagnosis(JobSnapshot::key(&job), Box::new(diagnosis(&job))), NOW);
    model
}

pub(super) fn diagnosis(job: &Configuration) -> CheckpointDiagnosis {
    let missing = |index, suspect| MissingSubtask {
        index,
        host: Some(format!("taskmanager-{index}.prod.internal:6122")),
        usual: Some(39_000),
        last: Some(41_000),
        suspect,
        backpressure: Some(if suspect { "high" } else { "ok" }.to_owned()),
    };
    let vertex = |name: &str, acknowledged, subtasks, missing: Vec<MissingSubtask>| VertexProgress {
        id: "0".repeat(32),
        name: name.to_owned(),
        acknowledged,
        subtasks,
        usual: None,
        took: Some(Spread { median: 40_000, max: 52_000 }),
        sync: None,
        r#async: None,
        alignment: None,
        start_delay: None,
        backpressure: None,
        missing,
    };
    let sink = (3..8).map(|index| missing(index, index == 7)).collect();
    CheckpointDiagnosis {
        schema: SCHEMA.to_owned(),
        cluster: job.cluster.clone(),
        job_id: job.job_id,
        name: job.name.clone(),
        state: job.state,
        checkpoint: job.in_flight.first().cloned(),
        checkpoint_timeout: Some(10 * MINUTE),
        checkpoint_interval: Some(MINUTE),
        usual_duration: Some(40_000),
        completed: 20,
        vertices: vec![vertex("Source: orders -> Map", 12, 12, vec![]), vertex("sink", 3, 8, sink)],
        failures: job.failures,
        warnings: vec![],
        observed_at: NOW.wall,
    }
}

pub(super) fn overridden() -> Configuration {
    let mut job = orders();
    job.checkpoint_timeout = Value {
        origin: Some(Origin {
            by: Some("ada@bastion".to_owned()),
            reason: Some("S3 is slow, ticket 4711".to_owned()),
            since: NOW.wall - 27 * MINUTE,
            until: Some(NOW.wall + 93 * MINUTE),
            afterwards: Some(10 * MINUTE),
        }),
        ..Value::of(Some(10 * MINUTE), Some(25 * MINUTE), Some(25 * MINUTE))
    };
    (job.revision, job.override_status) = (4, fixture::configuration().override_status);
    job.warnings =
        vec!["interval + timeout are 26m, and Kafka's brokers end transactions after 15m".to_owned()];
    job
}

pub(super) fn temporary() -> Model {
    let mut past = history();
    let mut rescued = fixture::ended(42, 14 * MINUTE, Some(25 * MINUTE));
    rescued.rescued = true;
    past.push(rescued);
    past.push(fixture::ended(43, 13 * MINUTE, Some(25 * MINUTE)));
    let mut job = overridden();
    job.in_flight =
        vec![InFlight { elapsed: 11 * MINUTE, remaining: Some(14 * MINUTE), ..fixture::in_flight(44) }];
    watch(job, past)
}

pub(super) fn conflict() -> Model {
    let mut job = overridden();
    job.cluster = "prod".to_owned();
    let why = "somebody else has changed the values three times, last to 7m; find out who, then make the change again";
    job.override_status = fixture::standing(OverrideState::Conflict, Some(why)).override_status;
    job.checkpoint_timeout.effective = Some(7 * MINUTE);
    watch(job, history())
}

pub(super) fn unreachable() -> Model {
    let mut model = slow();
    let why = "cannot reach http://127.0.0.1:8571: Connection refused";
    let again = NOW.mono + 15_500;
    model.update(Message::Pushed(Pushed::Lost { again }, Some(why.to_owned())), later(11_000));
    model
}

pub(super) fn jobs() -> Vec<Configuration> {
    let mut number = 0;
    let mut named = |name: &str, cluster: &str, job: Configuration| {
        number += 1;
        Configuration {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            job_id: JobId::from_bits(number),
            ..job
        }
    };
    let of = |model: Model| model.data.jobs.into_values().next().unwrap().job;
    vec![
        named("payments", "prod", orders()),
        named("orders-検査点", "hosted", overridden()),
        named("clicks", "prod", of(stuck())),
        named("insert-into_default_catalog.default_database.enriched_orders_eu", "prod", of(slow())),
        named("ledger\u{1b}[2J", "prod", of(conflict())),
        named("sessions", "prod", Configuration { state: JobState::Restarting, ..orders() }),
        named("fraud", "staging", Configuration { stale: Some("it does not answer".to_owned()), ..orders() }),
        named("audit", "hosted", of(healthy())),
    ]
}

pub(super) fn list(jobs: Vec<Configuration>) -> ConfigurationList {
    ConfigurationList {
        schema: SCHEMA.to_owned(),
        jobs,
        clusters: vec![fixture::troubled("staging", true)],
        pauses: vec![Pause {
            cluster: None,
            since: NOW.wall - 3 * MINUTE,
            reason: Some("upgrade".to_owned()),
        }],
    }
}

pub(super) fn all() -> Model {
    let mut model = Model::of_all(SERVER, Duration::from_secs(1), list(jobs()), NOW);
    model.update(Message::Pushed(Pushed::Yes, None), NOW);
    model.update(event(1, Happening::Triggered { id: CheckpointId(9), savepoint: false }), NOW);
    model.update(event(1, Happening::Completed { id: CheckpointId(9), duration: 42_000 }), NOW);
    model
}

/// An event of one of the jobs on the cluster `prod`.
pub(super) fn event(job: u128, what: Happening) -> Message {
    let (schema, cluster) = (SCHEMA.to_owned(), "prod".to_owned());
    Message::Event(Event { schema, cluster, job_id: JobId::from_bits(job), at: NOW.wall, what })
}

pub(super) fn scenes() -> Vec<(&'static str, Model, Now)> {
    vec![
        ("healthy", healthy(), NOW),
        ("slow", slow(), NOW),
        ("stuck", stuck(), NOW),
        ("temporary", temporary(), NOW),
        ("conflict", conflict(), NOW),
        ("unreachable", unreachable(), later(12_000)),
        ("all_jobs", all(), NOW),
    ]
}
