use super::*;
use crate::view::fixture;
use ckpt_api::{Estimate, JobState, Pace, Range, SCHEMA};
use unicode_width::UnicodeWidthStr;

const PLAIN: TextStyle = TextStyle { colours: false, width: Some(80), cut: false };

fn all(median: u64, max: u64) -> Option<Spread> {
    Some(Spread { median, max })
}

fn vertex(name: &str, acknowledged: u32, subtasks: u32, took: u64) -> VertexProgress {
    VertexProgress {
        id: "bc764cd8ddf7a0cff126f51c16239658".to_owned(),
        name: name.to_owned(),
        acknowledged,
        subtasks,
        usual: all(took, took + 900),
        took: all(took, took + 1_200),
        sync: all(8, 40),
        r#async: all(took - 200, took),
        alignment: all(0, 0),
        start_delay: all(35, 90),
        backpressure: Some("ok".to_owned()),
        missing: Vec::new(),
    }
}

/// A checkpoint of which one subtask hangs.
fn stuck() -> CheckpointDiagnosis {
    let estimate = Estimate {
        verdict: Pace::Stuck,
        sentence: "stuck: subtask 7 of `sink` has been silent for 6m while its peers finished in 40s"
            .to_owned(),
        done_in: None,
        suggested_timeout: None,
    };
    let checkpoint = InFlight {
        elapsed: 363_000,
        remaining: Some(237_000),
        estimate: Some(estimate),
        ..fixture::in_flight(7)
    };
    let mut sink = vertex("sink", 15, 16, 38_000);
    sink.missing.push(MissingSubtask {
        index: 7,
        host: Some("taskmanager-3.flink:6122".to_owned()),
        usual: Some(38_500),
        last: Some(39_100),
        suspect: true,
        backpressure: Some("ok".to_owned()),
    });
    CheckpointDiagnosis {
        schema: SCHEMA.to_owned(),
        cluster: "prod".to_owned(),
        job_id: fixture::configuration().job_id,
        name: "payments".to_owned(),
        state: JobState::Running,
        checkpoint: Some(checkpoint),
        checkpoint_timeout: Some(600_000),
        checkpoint_interval: Some(60_000),
        usual_duration: Some(41_200),
        completed: 10,
        vertices: vec![vertex("source", 4, 4, 3_000), sink],
        failures: Failures { consecutive: 1, tolerable: 3 },
        warnings: Vec::new(),
        observed_at: 1_790_000_000_000,
    }
}

fn shown(seen: &CheckpointDiagnosis) -> String {
    let lines = lines(seen, "prod/payments", PLAIN);
    assert!(lines.iter().all(|line| line.width() <= 80), "{lines:#?}");
    lines.join("\n")
}

#[test]
fn stuck_subtask_gets_no_timeout() {
    let expected = "\
job/prod/payments  RUNNING
checkpoint 7: 19 of 20 subtasks have acknowledged after 6m 3s
stuck: subtask 7 of `sink` has been silent for 6m while its peers finished in
  40s

VERTEX  ACKED  USUALLY     TOOK        SYNC  ASYNC  DELAY  BACKPR
source  4/4    3.0s..3.9s  3.0s..4.2s  40ms  3.0s   90ms   ok
sink    15/16  38s         38s..39s    40ms  38s    90ms   ok

MISSING  SUBTASK   SILENT  USUALLY  LAST  HOST                      BACKPR
sink     7 (8/16)  6m 3s   38s      39s   taskmanager-3.flink:6122  ok

timeout in force: 10m, 3m 57s left
usual duration: 41s, by 10 completed checkpoints
failures in a row: 1 of 3 tolerated: 3 more and the job dies

no timeout helps: a longer one only hides it for longer
next: take a thread dump of the TaskManager taskmanager-3.flink:6122 (jstack, or
  the page of that TaskManager in Flink's web page), and look what subtask 7 of
  `sink` waits for; restarting that TaskManager restarts the job from its last
  completed checkpoint
then: ckptctl watch prod/payments";
    assert_eq!(shown(&stuck()), expected);
}

/// The same, told otherwise.
fn with(estimate: Estimate) -> CheckpointDiagnosis {
    let mut seen = stuck();
    seen.checkpoint.as_mut().unwrap().estimate = Some(estimate);
    seen
}

#[test]
fn slow_checkpoint_gets_timeout_command() {
    let range = Range { low: 120_000, likely: 240_000, high: 540_000 };
    let mut seen = with(Estimate {
        verdict: Pace::Slow,
        sentence: "slow, likely done in about 4m (between 2m and 9m)".to_owned(),
        done_in: Some(range),
        suggested_timeout: Some(1_500_000),
    });
    let text = shown(&seen);
    for part in [
        "\nslow, likely done in about 4m (between 2m and 9m)\n",
        "\nthe timeout in force is not enough, as it may take another 9m\nnext: ckptctl set-timeout prod/payments 25m",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    seen.checkpoint.as_mut().unwrap().estimate.as_mut().unwrap().suggested_timeout = Some(5_400_000);
    assert!(shown(&seen).contains("set-timeout prod/payments 1h30m"), "one word of a shell");
    seen.checkpoint.as_mut().unwrap().estimate.as_mut().unwrap().suggested_timeout = None;
    let text = shown(&seen);
    assert!(text.contains("next: ckptctl diagnose prod/payments; it is likely done in time"), "{text}");
    seen.checkpoint.as_mut().unwrap().remaining = Some(600_000);
    assert!(shown(&seen).ends_with("next: nothing; the timeout in force leaves it the time it needs"));
}

#[test]
fn cannot_tell_extends_only_when_short() {
    let cannot = Estimate {
        verdict: Pace::CannotTell,
        sentence: "cannot tell: nobody knows what is usual".to_owned(),
        done_in: None,
        suggested_timeout: None,
    };
    let mut seen = with(cannot);
    seen.checkpoint.as_mut().unwrap().remaining = Some(400_000);
    assert!(
        shown(&seen).ends_with("ask again before\nnext: ckptctl diagnose prod/payments"),
        "{}",
        shown(&seen)
    );
    seen.checkpoint.as_mut().unwrap().remaining = Some(30_000);
    let text = shown(&seen);
    assert!(
        text.contains(
            "next: ckptctl set-timeout prod/payments 20m --for 2h\nthen: ckptctl diagnose prod/payments"
        ),
        "{text}"
    );
    assert!(text.contains("buys the time to look"), "{text}");
}

#[test]
fn long_names_fit_eighty_columns() {
    let mut seen = stuck();
    let name = "Source: insert-into_default_catalog.default_database.enriched_orders -> Sink: Writer";
    for vertex in &mut seen.vertices {
        vertex.name = name.to_owned();
        vertex.alignment = all(120_000, 360_000);
        vertex.backpressure = Some("high".to_owned());
    }
    let missing = seen.vertices[1].missing[0].clone();
    seen.vertices[1].missing = (0..50)
        .map(|index| MissingSubtask {
            index,
            host: Some("ip-10-20-30-40.eu-central-1.compute.internal:46783".to_owned()),
            suspect: index == 33,
            ..missing.clone()
        })
        .collect();
    seen.checkpoint.as_mut().unwrap().acknowledged = 4;
    seen.checkpoint.as_mut().unwrap().subtasks = 1_004;
    seen.warnings.push(format!("it is {} so", "very ".repeat(40)));
    let text = shown(&seen);
    assert!(text.contains("… and 992 more"), "{text}");
    assert!(text.contains("33 (34/16)"), "the suspect comes first\n{text}");
    let wide = lines(&seen, "prod/payments", TextStyle { width: None, ..PLAIN }).join("\n");
    assert!(wide.contains(name) && wide.contains("49 (50/16)"), "{wide}");
}

#[test]
fn tells_absent_checkpoint() {
    let mut seen = stuck();
    (seen.checkpoint, seen.vertices) = (None, Vec::new());
    seen.failures = Failures { consecutive: 3, tolerable: 3 };
    let expected = "\
job/prod/payments  RUNNING
no checkpoint in flight, so there is nothing to diagnose

timeout in force: 10m
usual duration: 41s, by 10 completed checkpoints
failures in a row: 3 of 3 tolerated: the next one fails the job

next: ckptctl history prod/payments, which says why they failed
then: ckptctl watch prod/payments, until the next one is in flight";
    assert_eq!(shown(&seen), expected);
    seen.state = JobState::Canceled;
    assert!(shown(&seen).ends_with("usual duration: 41s, by 10 completed checkpoints"), "it has no future");
}
