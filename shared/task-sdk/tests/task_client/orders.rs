//! What the program is told, and when.

use crate::fake::{Fake, HEARTBEAT_TIMEOUT, triggered};
use ckpt_api::JobState;
use ckpt_api::tasks::{MOST_EVENTS_KEPT, TaskEvent};
use ckpt_task_sdk::{Order, ReportError};
use ckpt_types::ids::CheckpointId;
use std::time::Duration;
use tokio::time::sleep;

const BEAT: Duration = Duration::from_millis(HEARTBEAT_TIMEOUT / 4);

#[tokio::test(start_paused = true)]
async fn heartbeats_are_answered_while_the_program_and_its_reports_are_busy() {
    let fake = Fake::new();
    let (mut orders, reporter) = fake.start().await;
    fake.hang.send_replace(true);
    let receipt = reporter.running(1).await;
    for count in 1..=40 {
        sleep(BEAT).await;
        fake.beat();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(fake.beats(), count);
    }
    assert_eq!(fake.state().opened, [None]);
    fake.hang.send_replace(false);
    receipt.await.unwrap();
    fake.trigger(1);
    assert_eq!(triggered(orders.next().await.unwrap()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_goes_on_without_loss_or_repetition() {
    for repeats in [false, true] {
        let fake = Fake::new();
        fake.state().repeats = repeats;
        let (mut orders, _reporter) = fake.attach().await;
        sleep(BEAT).await;
        fake.trigger(1);
        assert_eq!(triggered(orders.next().await.unwrap()), 1);
        fake.trigger(2);
        fake.break_stream();
        fake.trigger(3);
        for id in [2, 3] {
            assert_eq!(triggered(orders.next().await.unwrap()), id);
        }
        assert_eq!(fake.state().opened, [None, Some(2)]);
        assert_eq!(fake.state().claims.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_says_nothing_is_opened_again_in_time() {
    let fake = Fake::new();
    let (mut orders, _reporter) = fake.attach().await;
    fake.trigger(1);
    assert_eq!(triggered(orders.next().await.unwrap()), 1);
    sleep(BEAT * 3 / 2).await;
    assert_eq!(fake.state().opened, [None]);
    // After four heartbeats without an answer the session is lost.
    sleep(BEAT).await;
    assert_eq!(fake.state().opened, [None, Some(1)]);
    fake.trigger(2);
    assert_eq!(triggered(orders.next().await.unwrap()), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_after_the_end() {
    let fake = Fake::new();
    let (mut orders, reporter) = fake.start().await;
    fake.tell(TaskEvent::Complete { checkpoint_id: CheckpointId(4) });
    fake.tell(TaskEvent::End { state: JobState::Finished });
    fake.trigger(5);
    sleep(BEAT).await;
    let complete = Order::Complete { checkpoint_id: CheckpointId(4) };
    assert_eq!(orders.next().await, Ok(Some(complete)));
    assert_eq!(orders.next().await, Ok(Some(Order::End { state: JobState::Finished })));
    assert_eq!(orders.next().await, Ok(None));
    assert_eq!(reporter.running(1).await.await, Err(ReportError::Lost));
    orders.leave().await;
    assert!(fake.state().left.is_empty());
}

#[tokio::test(start_paused = true)]
async fn how_the_job_ended_is_told_also_to_whom_its_reports_said_so_first() {
    let fake = Fake::new();
    let (mut orders, reporter) = fake.start().await;
    sleep(BEAT).await;
    fake.end_session();
    let receipt = reporter.finished(1).await;
    sleep(Duration::from_millis(500)).await;
    fake.tell(TaskEvent::End { state: JobState::Canceled });
    assert_eq!(orders.next().await, Ok(Some(Order::End { state: JobState::Canceled })));
    assert_eq!(orders.next().await, Ok(None));
    assert_eq!(receipt.await, Err(ReportError::Lost));
    assert_eq!(fake.state().claims.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_drops_its_orders_gives_its_subtasks_back() {
    let fake = Fake::new();
    let (orders, reporter) = fake.attach().await;
    orders.leave().await;
    assert_eq!(fake.state().left.len(), 1);
    assert_eq!(reporter.running(1).await.await, Err(ReportError::Lost));

    let (orders, _reporter) = fake.attach().await;
    drop(orders);
    sleep(BEAT).await;
    assert_eq!(fake.state().left.len(), 2);

    // Not even a daemon that is away holds up the program for long.
    let (orders, _reporter) = fake.attach().await;
    fake.state().away = true;
    orders.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_read_its_orders_is_told_to_restore() {
    let fake = Fake::new();
    let (mut orders, _reporter) = fake.attach().await;
    for id in 1..=MOST_EVENTS_KEPT as u64 + 1 {
        fake.trigger(id);
    }
    sleep(BEAT).await;
    let attempts: Vec<_> = fake.state().claims.iter().map(|claim| claim.attempt).collect();
    // The second one takes over from the first.
    assert_eq!(attempts, [7, 8]);
    fake.restore(2);
    sleep(BEAT).await;
    assert_eq!(orders.next().await, Ok(Some(Order::Restore { execution: 2, checkpoint: None })));
}
