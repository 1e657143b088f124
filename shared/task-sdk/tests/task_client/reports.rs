//! What the program reports, and what becomes of it.

use crate::fake::Fake;
use ckpt_api::tasks::{LARGEST_REPORTS, MOST_REPORTS, ReportResult, StoredSnapshot, TaskReport};
use ckpt_task_sdk::{Receipt, ReportError, Reporter, Took};
use ckpt_types::ids::CheckpointId;
use std::time::Duration;
use tokio::time::sleep;

async fn acknowledge(reporter: &Reporter, id: u64) -> Receipt {
    let (vertex, location) = ("count".to_owned(), "count-0.json".to_owned());
    let stored = StoredSnapshot { vertex, index: 0, location, bytes: 10 };
    let took = Took { sync: Duration::from_millis(3), ..Took::default() };
    reporter.acknowledge(CheckpointId(id), stored, took).await
}

fn checkpoints(reports: &[TaskReport]) -> Vec<u64> {
    let ids = reports.iter().map(|report| match report {
        TaskReport::Acknowledge { checkpoint_id, .. } => checkpoint_id.0,
        other => panic!("{other:?} is no acknowledgement"),
    });
    ids.collect()
}

#[tokio::test(start_paused = true)]
async fn what_gathers_while_a_request_is_under_way_goes_together_and_in_order() {
    let fake = Fake::new();
    let (_orders, reporter) = fake.start().await;
    fake.hang.send_replace(true);
    let mut receipts = vec![acknowledge(&reporter, 0).await];
    sleep(Duration::from_millis(1)).await;
    for id in 1..=2_500 {
        receipts.push(acknowledge(&reporter, id).await);
    }
    fake.hang.send_replace(false);
    for receipt in receipts {
        assert_eq!(receipt.await, Ok(ReportResult::Taken));
    }
    let sizes: Vec<_> = fake.state().sent.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, MOST_REPORTS, MOST_REPORTS, 500]);
    assert_eq!(checkpoints(&fake.state().taken), (0..=2_500).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn no_request_is_too_large() {
    let fake = Fake::new();
    let (_orders, reporter) = fake.start().await;
    for id in 0..200 {
        drop(reporter.decline(CheckpointId(id), "count", 0, "x".repeat(10_000)).await);
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(fake.state().taken.len(), 200);
    let sizes = fake.state().sent.iter().map(|reports| serde_json::to_string(reports).unwrap().len()).max();
    assert!(sizes.unwrap() <= LARGEST_REPORTS / 4, "{sizes:?} bytes");
    // Two megabytes are that many quarters of one, and hardly more.
    let requests = fake.state().sent.len();
    assert!((8..=12).contains(&requests), "{requests} requests");
}

#[tokio::test(start_paused = true)]
async fn a_bad_report_takes_no_good_one_down_with_it() {
    let fake = Fake::new();
    let (_orders, reporter) = fake.start().await;
    fake.state().bad = Some(5);
    let mut receipts = Vec::new();
    for id in 1..=9 {
        receipts.push(acknowledge(&reporter, id).await);
    }
    for (id, receipt) in (1..).zip(receipts) {
        let sentence = "there is no such file".to_owned();
        let expected = match id {
            5 => Err(ReportError::Refused { sentence }),
            _ => Ok(ReportResult::Taken),
        };
        assert_eq!(receipt.await, expected, "report {id}");
    }
    assert_eq!(checkpoints(&fake.state().taken), [1, 2, 3, 4, 6, 7, 8, 9]);
}

#[tokio::test(start_paused = true)]
async fn orders_come_while_many_reports_wait_and_whoever_reports_more_has_to_wait() {
    let fake = Fake::new();
    let (mut orders, reporter) = fake.start().await;
    fake.hang.send_replace(true);
    drop(acknowledge(&reporter, 0).await);
    sleep(Duration::from_millis(1)).await;
    for id in 0..4_096 {
        drop(acknowledge(&reporter, id).await);
    }
    let one_more = tokio::time::timeout(Duration::from_secs(1), acknowledge(&reporter, 9));
    assert!(one_more.await.is_err());
    fake.trigger(1);
    assert!(orders.next().await.unwrap().is_some());
    fake.hang.send_replace(false);
    acknowledge(&reporter, 9).await.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_report_belongs_to_the_session_whose_restore_was_read() {
    let fake = Fake::new();
    let (mut orders, reporter) = fake.attach().await;
    fake.restore(1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(reporter.running(1).await.await, Err(ReportError::Lost), "no restore was read");
    orders.next().await.unwrap();
    assert_eq!(reporter.running(1).await.await, Ok(ReportResult::Taken));

    // ckptd restarts: there is a new session, and its restore has come and waits.
    fake.lose_session();
    sleep(Duration::from_secs(1)).await;
    fake.restore(1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.state().claims.len(), 2);
    let stale = [acknowledge(&reporter, 1).await, reporter.finished(1).await];
    orders.next().await.unwrap();
    let fresh = reporter.running(1).await;
    for receipt in stale {
        assert_eq!(receipt.await, Err(ReportError::Lost));
    }
    assert_eq!(fresh.await, Ok(ReportResult::Taken));
    let running = TaskReport::Running { execution: 1 };
    assert_eq!(fake.state().taken, [running.clone(), running]);
}
