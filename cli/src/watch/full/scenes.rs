//! What somebody sees at three in the morning: whole screens, at two sizes.

use super::asks::{Ask, Missing};
use super::keys::Then;
use super::model::{Message, Model, Pushed};
use super::snapshot::{JobKey, JobSnapshot};
use super::stage::{
    LARGE, NOW, SMALL, all, buffer, event, healthy, later, orders, press, scenes, screen, stuck,
};
use ckpt_api::{Event, Happening, JobState, SCHEMA};
use ckpt_types::ids::CheckpointId;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::style::Color;

#[test]
fn scenes_match_snapshots() {
    for (name, model, now) in scenes() {
        for (width, height) in [SMALL, LARGE] {
            insta::assert_snapshot!(format!("{name}-{width}x{height}"), screen(&model, now, (width, height)));
        }
    }
}

/// What matters is there at both sizes, whatever the rest of the screen looks like.
#[test]
fn every_screen_shows_essentials() {
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
fn colours_change_no_letter() {
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
fn scenes_fit_any_size() {
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
fn narrow_list_keeps_names() {
    for width in [40, 60, 71] {
        let shown = screen(&all(), NOW, (width, 15));
        let worst = shown.lines().find(|line| line.starts_with('▸')).unwrap();
        assert!(worst.contains("clic"), "{shown}");
    }
}

/// The order of the names in the list.
fn listed(model: &Model) -> Vec<String> {
    let name = |key: &JobKey| model.data.jobs[key].job.name.chars().take(6).collect();
    model.in_order(NOW).iter().map(name).collect()
}

#[test]
fn list_is_sorted_and_filtered() {
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
fn keys_navigate_between_jobs() {
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
fn pause_keeps_screen_and_collects() {
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
fn events_change_screen_at_once() {
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
fn unknown_job_and_older_server() {
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
fn acknowledged_subtasks_are_not_missing() {
    let mut model = stuck();
    assert!(screen(&model, NOW, (80, 24)).contains("! sink"));
    let key = JobSnapshot::key(&orders());
    let what = Happening::Acknowledged { id: CheckpointId(42), acknowledged: 19, subtasks: 20 };
    let event =
        Event { schema: SCHEMA.to_owned(), cluster: "prod".to_owned(), job_id: key.1, at: NOW.wall, what };
    model.update(Message::Event(event), NOW);
    let text = screen(&model, NOW, (80, 24));
    assert!(text.contains("19 of 20") && text.contains("missing: 1 of 20 subtasks"), "{text}");
    assert!(text.contains("who that is, is being asked") && !text.contains("! sink"), "{text}");
}
