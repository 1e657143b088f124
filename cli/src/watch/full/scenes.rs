//! What somebody sees at three in the morning: whole screens, at two sizes.

use super::asks::Ask;
use super::model::{Key, Message, Missing, Model, Now, Pushed, key};
use super::{keys::Then, view};
use crate::render::fixture;
use ckpt_shared::api::{
    CheckpointDiagnosis, Configuration, ConfigurationList, EndedCheckpoint, Estimate, Event, Failures,
    Happening, InFlight, JobState, MissingSubtask, Origin, OverrideState, Pace, Pause, Range, SCHEMA, Spread,
    Value, VertexProgress,
};
use ckpt_shared::ids::{CheckpointId, JobId};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 50);
const SERVER: &str = "http://127.0.0.1:8571";
pub(super) const NOW: Now = Now { mono: 100_000, wall: 1_790_000_000_000 };
const MINUTE: u64 = 60_000;

/// The same time, this many milliseconds later.
fn later(millis: u64) -> Now {
    Now { mono: NOW.mono + millis, wall: NOW.wall + millis }
}

fn buffer(model: &Model, now: Now, (width, height): (u16, u16), colours: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(model, now, frame.area(), frame.buffer_mut(), colours)).unwrap();
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

fn press(model: &mut Model, code: KeyCode) -> Then {
    model.press(KeyEvent::new(code, KeyModifiers::NONE), NOW)
}

fn orders() -> Configuration {
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

fn in_flight(elapsed: u64, left: u64, estimate: Option<Estimate>) -> Vec<InFlight> {
    let timed = InFlight { elapsed, remaining: Some(left), estimate, ..fixture::in_flight(42) };
    vec![timed]
}

fn estimate(
    verdict: Pace,
    sentence: &str,
    done_in: Option<Range>,
    suggested: Option<u64>,
) -> Option<Estimate> {
    Some(Estimate { verdict, sentence: sentence.to_owned(), done_in, suggested_timeout: suggested })
}

/// Twelve that got slower, and of the last ones some that expired.
fn history() -> Vec<EndedCheckpoint> {
    let mut all: Vec<_> =
        (30..=41).map(|id| fixture::ended(id, (id - 26) * 40_000, Some(10 * MINUTE))).collect();
    for expired in &mut all[10..] {
        (expired.completed, expired.duration) = (false, Some(10 * MINUTE));
        expired.reason = Some("CHECKPOINT_EXPIRED".to_owned());
        expired.message = Some("Checkpoint expired before completing.".to_owned());
    }
    all
}

fn watch(job: Configuration, history: Vec<EndedCheckpoint>) -> Model {
    let key = key(&job);
    let mut model = Model::of_job(SERVER, Duration::from_secs(1), job, NOW);
    model.update(Message::Pushed(Pushed::Yes, None), NOW);
    model.update(Message::History(key, history), NOW);
    model
}

fn healthy() -> Model {
    let mut job = orders();
    let range = Range { low: 20_000, likely: 31_000, high: 50_000 };
    let sentence = "on track: likely done in about 31s, as usual";
    job.in_flight = in_flight(9_012, 590_988, estimate(Pace::OnTrack, sentence, Some(range), None));
    watch(job, history()[..10].to_vec())
}

fn slow() -> Model {
    let mut job = orders();
    job.failures.consecutive = 2;
    let range = Range { low: 2 * MINUTE, likely: 5 * MINUTE, high: 9 * MINUTE };
    let sentence = "slow, likely done in about 5m (between 2m and 9m): 19 of 20 have acknowledged, and the last one \
                    writes 40% slower than last time";
    job.in_flight =
        in_flight(8 * MINUTE, 2 * MINUTE, estimate(Pace::Slow, sentence, Some(range), Some(25 * MINUTE)));
    watch(job, history())
}

fn stuck() -> Model {
    let mut job = orders();
    job.cluster = "prod".to_owned();
    job.failures.consecutive = 3;
    let sentence = "stuck: subtask 7 of sink has been silent for 6m while its peers finished in 40s";
    job.in_flight = in_flight(6 * MINUTE, 4 * MINUTE, estimate(Pace::Stuck, sentence, None, None));
    job.in_flight[0].acknowledged = 15;
    let mut model = watch(job.clone(), history());
    model.update(Message::Diagnosis(key(&job), Box::new(diagnosis(&job))), NOW);
    model
}

fn diagnosis(job: &Configuration) -> CheckpointDiagnosis {
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

fn overridden() -> Configuration {
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

fn temporary() -> Model {
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

fn conflict() -> Model {
    let mut job = overridden();
    job.cluster = "prod".to_owned();
    let why = "somebody else has changed the values three times, last to 7m; find out who, then make the change again";
    job.override_status = fixture::standing(OverrideState::Conflict, Some(why)).override_status;
    job.checkpoint_timeout.effective = Some(7 * MINUTE);
    watch(job, history())
}

fn unreachable() -> Model {
    let mut model = slow();
    let why = "cannot reach http://127.0.0.1:8571: Connection refused";
    let again = NOW.mono + 15_500;
    model.update(Message::Pushed(Pushed::Lost { again }, Some(why.to_owned())), later(11_000));
    model
}

fn jobs() -> Vec<Configuration> {
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

fn list(jobs: Vec<Configuration>) -> ConfigurationList {
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

fn scenes() -> Vec<(&'static str, Model, Now)> {
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

#[test]
fn every_scene_looks_like_this_at_both_sizes() {
    for (name, model, now) in scenes() {
        for (width, height) in [SMALL, LARGE] {
            insta::assert_snapshot!(format!("{name}-{width}x{height}"), screen(&model, now, (width, height)));
        }
    }
}

/// What matters is there at both sizes, whatever the rest of the screen looks like.
#[test]
fn what_matters_is_on_every_screen() {
    let expected: [(&str, &[&str]); 7] = [
        ("healthy", &["ON TRACK", "19 of 20, 95%", "9m 50s left", "┃10m", "timeout 10m"]),
        (
            "slow",
            &[
                "TOO SLOW",
                "slow, likely done in about 5m (between 2m and 9m)",
                "8m, 2m left",
                "◆ in 5m (2m–9m)",
                "it is likely to expire 3m before it is done",
                "ckptctl set-timeout enriched-orders 25m",
                "failed in a row: 2, 3 tolerated",
                "✗ #41 #40: Checkpoint expired before completing (timeout 10m)",
            ],
        ),
        (
            "stuck",
            &[
                "STUCK",
                "stuck: subtask 7 of sink has been silent for 6m",
                "missing: 5 of 20 subtasks",
                "! sink",
                "#7",
                "SUSPECT",
                "THE NEXT ONE FAILS THE JOB",
                "ckptctl diagnose prod/enriched-orders",
            ],
        ),
        (
            "temporary",
            &[
                "timeout 10m → 25m by ada@bastion",
                "since 13:46:20 UTC (27m)",
                "ends in 1h 33m",
                "then 10m",
                "S3 is slow, ticket 4711",
                "overrides: in force",
                "◆ rescued",
                "Kafka's brokers",
            ],
        ),
        ("conflict", &["CONFLICT", "NOT IN FORCE, conflict", "changed the values three times", "last to 7m"]),
        ("unreachable", &["STALE for 12s", "Connection refused", "trying again in 4s", "8m, 2m left"]),
        (
            "all_jobs",
            &[
                "STUCK",
                "conflict",
                "TOO SLOW",
                "STALE",
                "25m*1h",
                "7m!",
                "reconcile is paused",
                "ledger\\u{1b}",
            ],
        ),
    ];
    for ((name, model, now), (expected_name, parts)) in scenes().iter().zip(expected) {
        assert_eq!(*name, expected_name);
        for size in [SMALL, LARGE] {
            let shown = screen(model, *now, size);
            // Sentences may be broken between words.
            let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in parts {
                let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(&part), "{name} at {size:?} without '{part}':\n{shown}");
            }
        }
    }
}

#[test]
fn states_are_told_without_colours_and_colours_change_no_letter() {
    for (name, model, now) in scenes() {
        let plain = buffer(&model, now, SMALL, false);
        let coloured = buffer(&model, now, SMALL, true);
        assert!(
            plain.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset),
            "{name}"
        );
        assert!(coloured.content.iter().any(|cell| cell.fg != Color::Reset), "{name}");
        let letters =
            |buffer: &Buffer| buffer.content.iter().map(|cell| cell.symbol().to_owned()).collect::<Vec<_>>();
        assert_eq!(letters(&plain), letters(&coloured), "{name}");
    }
}

#[test]
fn no_screen_is_too_small_or_too_large() {
    for (name, mut model, now) in scenes() {
        for help in [false, true] {
            model.help = help;
            for size in [(1, 1), (10, 3), (39, 9), (40, 10), (60, 15), (80, 24), (132, 43), (300, 90)] {
                let shown = screen(&model, now, size);
                if size.0 >= 10 && !help {
                    assert!(!shown.trim().is_empty(), "{name} at {size:?}");
                }
            }
        }
    }
    let shown = screen(&stuck(), NOW, (30, 5));
    assert!(shown.starts_with("STUCK enriched-orders 4m"), "{shown}");
}

#[test]
fn a_narrow_list_keeps_the_names() {
    for width in [40, 60, 71] {
        let shown = screen(&all(), NOW, (width, 15));
        let worst = shown.lines().find(|line| line.starts_with('▸')).unwrap();
        assert!(worst.contains("clic"), "{shown}");
    }
}

/// The order of the names in the list.
fn listed(model: &Model) -> Vec<String> {
    let name = |key: &Key| model.data.jobs[key].job.name.chars().take(6).collect();
    model.in_order(NOW).iter().map(name).collect()
}

#[test]
fn all_jobs_are_listed_worst_first_and_a_filter_leaves_some() {
    let mut model = all();
    let expected = ["clicks", "ledger", "insert", "fraud", "sessio", "audit", "orders", "paymen"];
    assert_eq!(listed(&model), expected);
    press(&mut model, KeyCode::Char('/'));
    for c in "Prod/".chars() {
        press(&mut model, KeyCode::Char(c));
    }
    assert_eq!(listed(&model), ["clicks", "ledger", "insert", "sessio", "paymen"]);
    assert!(screen(&model, NOW, SMALL).ends_with("/Prod/▏  Enter keeps the filter, Esc drops it"));
    press(&mut model, KeyCode::Enter);
    press(&mut model, KeyCode::Char('j'));
    assert!(screen(&model, NOW, SMALL).contains("▸ conflict     ledger"), "{}", screen(&model, NOW, SMALL));
    assert!(screen(&model, NOW, SMALL).contains("only 'Prod/', Esc drops that"));
    press(&mut model, KeyCode::Esc);
    assert_eq!(listed(&model), expected);
}

#[test]
fn keys_open_a_job_go_on_to_the_next_and_come_back() {
    let mut model = all();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Enter);
    assert!(screen(&model, NOW, SMALL).contains("job/prod/ledger"), "{}", screen(&model, NOW, SMALL));
    let asked = model.due(later(10_000));
    assert!(
        asked.iter().any(|ask| matches!(ask, Ask::History(job) if job.starts_with("prod/"))),
        "{asked:?}"
    );
    press(&mut model, KeyCode::Tab);
    assert!(screen(&model, NOW, SMALL).contains("job/prod/insert-into"));
    press(&mut model, KeyCode::BackTab);
    press(&mut model, KeyCode::BackTab);
    assert!(screen(&model, NOW, SMALL).contains("job/prod/clicks"));
    press(&mut model, KeyCode::BackTab);
    assert!(screen(&model, NOW, SMALL).contains("job/prod/payments"), "it goes round");
    press(&mut model, KeyCode::Char('?'));
    assert!(screen(&model, NOW, SMALL).contains("keys and signs"));
    press(&mut model, KeyCode::Char('x'));
    press(&mut model, KeyCode::Esc);
    assert!(screen(&model, NOW, SMALL).contains("  HOW "));
    assert_eq!(press(&mut model, KeyCode::Char('q')), Then::Leave);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    model.filtering = true;
    assert_eq!(model.press(control_c, NOW), Then::Interrupt, "also while a filter is typed");
}

#[test]
fn a_pause_keeps_the_screen_and_goes_on_collecting() {
    let mut model = healthy();
    let before = screen(&model, NOW, SMALL);
    press(&mut model, KeyCode::Char('p'));
    let key = model.selected.clone().unwrap();
    let failed = Happening::Failed {
        id: Some(CheckpointId(42)),
        reason: "CHECKPOINT_DECLINED".to_owned(),
        message: "no\u{1b}".to_owned(),
    };
    let event =
        Event { schema: SCHEMA.to_owned(), cluster: key.0, job_id: key.1, at: NOW.wall, what: failed };
    model.update(Message::Event(event), later(4_000));
    let paused = screen(&model, later(5_000), SMALL);
    assert!(paused.contains("PAUSED for 5s") && paused.contains("checkpoint 42"), "{paused}");
    assert!(before.contains("9.0s, 9m 50s left") && paused.contains("9.0s, 9m 50s left"), "{paused}");
    press(&mut model, KeyCode::Char(' '));
    let after = screen(&model, later(5_000), SMALL);
    assert!(after.contains("no checkpoint in flight") && after.contains("✗ #42: no\\u{1b}"), "{after}");
}

#[test]
fn events_change_the_screen_before_anybody_is_asked() {
    let mut model = all();
    let show = |model: &Model| screen(model, later(2_900), (100, 40));
    assert!(show(&model).contains("payments: checkpoint 9 completed after 42s"), "{}", show(&model));
    model.update(event(1, Happening::Triggered { id: CheckpointId(10), savepoint: false }), NOW);
    let acknowledged = Happening::Acknowledged { id: CheckpointId(10), acknowledged: 3, subtasks: 4 };
    model.update(event(1, acknowledged), later(1_000));
    let line =
        |model: &Model| show(model).lines().find(|line| line.contains("payments (")).unwrap().to_owned();
    assert!(line(&model).contains("████░░ 3/4        9m 57s"), "{}", line(&model));
    let shorter =
        Happening::Configured { revision: 1, checkpoint_interval: Some(60_000), checkpoint_timeout: 13_000 };
    model.update(event(1, shorter), later(2_000));
    assert!(line(&model).contains("3/4           10s 13s"), "{}", line(&model));
    model.update(event(1, Happening::State { state: JobState::Failing, reason: None }), later(2_000));
    assert!(line(&model).trim_start().starts_with("FAILING"), "{}", line(&model));
    let asked = model.due(later(2_000));
    assert!(asked.contains(&Ask::Jobs), "what it did not tell is asked for: {asked:?}");
}

#[test]
fn a_job_that_is_gone_and_an_older_server_are_told_and_harm_nothing() {
    let mut model = healthy();
    let job = Ask::Job("0123456789abcdef0123456789abcdef".to_owned());
    model.update(Message::Failed(Ask::Diagnosis(String::new()), "no".into(), Missing::Path), NOW);
    assert!(!screen(&model, NOW, SMALL).contains("STALE"));
    model.update(Message::Failed(job, "there is no job 'x'".into(), Missing::Unknown), NOW);
    assert!(
        screen(&model, NOW, SMALL).contains("STALE: last seen at 14:13:20 UTC, 0s ago: there is no job 'x'")
    );
    model.update(Message::Pushed(Pushed::No("Not found".into()), None), NOW);
    assert!(screen(&model, NOW, SMALL).lines().next().unwrap().contains("polling  14:13:20 UTC"));
}

/// An acknowledgement is pushed, and who is missing is asked for a moment later.
#[test]
fn nobody_is_called_missing_who_has_acknowledged() {
    let mut model = stuck();
    assert!(screen(&model, NOW, (80, 24)).contains("! sink"));
    let key = key(&orders());
    let what = Happening::Acknowledged { id: CheckpointId(42), acknowledged: 19, subtasks: 20 };
    let event =
        Event { schema: SCHEMA.to_owned(), cluster: "prod".to_owned(), job_id: key.1, at: NOW.wall, what };
    model.update(Message::Event(event), NOW);
    let text = screen(&model, NOW, (80, 24));
    assert!(text.contains("19 of 20") && text.contains("missing: 1 of 20 subtasks"), "{text}");
    assert!(text.contains("who that is, is being asked") && !text.contains("! sink"), "{text}");
}
