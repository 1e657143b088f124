//! Sessions that are lost, and a daemon that is away.

use crate::fake::{Fake, refused, triggered, unreachable};
use ckpt_api::tasks::{TaskEvent, TaskReport};
use ckpt_task_sdk::{Order, ReportError};
use ckpt_types::ids::SessionId;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn attempts(fake: &Fake) -> Vec<u64> {
    fake.state().claims.iter().map(|claim| claim.attempt).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_claimed_again_and_its_reports_are_dropped() {
    let fake = Fake::new();
    let (mut orders, reporter) = fake.attach().await;
    fake.restore(1);
    orders.next().await.unwrap();
    fake.hang.send_replace(true);
    let (first, second) = (reporter.running(1).await, reporter.finished(1).await);
    sleep(Duration::from_millis(1)).await;
    fake.lose_session();
    fake.hang.send_replace(false);
    assert_eq!(first.await, Err(ReportError::Lost));
    assert_eq!(second.await, Err(ReportError::Lost));

    sleep(Duration::from_secs(1)).await;
    assert_eq!(attempts(&fake), [7, 7]);
    fake.restore(2);
    assert_eq!(orders.next().await, Ok(Some(Order::Restore { execution: 2, checkpoint: None })));
    reporter.running(2).await.await.unwrap();
    assert_eq!(fake.state().taken, [TaskReport::Running { execution: 2 }]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_revoked_is_claimed_again_but_not_from_a_newer_attempt() {
    let fake = Fake::new();
    let (mut orders, reporter) = fake.attach().await;
    fake.tell(TaskEvent::Revoked { why: "it was too far behind".to_owned() });
    sleep(Duration::from_secs(1)).await;
    fake.trigger(1);
    assert_eq!(triggered(orders.next().await.unwrap()), 1);

    let newer = refused("count/0 is held by attempt 9, which is newer");
    fake.state().refusals.push_back(newer.clone());
    fake.trigger(2);
    fake.tell(TaskEvent::Revoked { why: "attempt 9 has taken over".to_owned() });
    sleep(Duration::from_secs(5)).await;
    assert_eq!(orders.next().await, Err(newer.clone()));
    assert_eq!(orders.next().await, Err(newer));
    assert_eq!(reporter.running(1).await.await, Err(ReportError::Lost));
    assert_eq!(attempts(&fake), [7, 7, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_first_claim_that_is_refused_says_why() {
    let fake = Fake::new();
    fake.state().refusals.push_back(refused("there is no job 'wordcount'"));
    assert_eq!(fake.try_attach().await.unwrap_err(), refused("there is no job 'wordcount'"));
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_claim_was_answered_too_late_is_taken_over() {
    let fake = Fake::new();
    let held = refused("count/0 is held by attempt 7");
    fake.state().refusals.extend([unreachable(), held.clone()]);
    let _attached = fake.attach().await;
    assert_eq!(attempts(&fake), [7, 7, 8]);

    let fake = Fake::new();
    fake.state().refusals.extend([unreachable(), held.clone(), held.clone()]);
    assert_eq!(fake.try_attach().await.unwrap_err(), held);
    assert_eq!(attempts(&fake), [7, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_lost_at_once_do_not_make_a_busy_loop() {
    let fake = Fake::new();
    let (_orders, _reporter) = fake.attach().await;
    for _ in 0..600 {
        sleep(Duration::from_millis(100)).await;
        fake.lose_session();
    }
    let claims = attempts(&fake).len();
    assert!((25..45).contains(&claims), "{claims} claims in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_away_for_minutes_is_waited_for() {
    let fake = Fake::new();
    fake.state().away = true;
    let began = Instant::now();
    let coming = fake.clone();
    let back = tokio::spawn(async move {
        sleep(Duration::from_secs(300)).await;
        coming.state().away = false;
    });
    let (mut orders, reporter) = fake.attach().await;
    back.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(303));
    let claims = attempts(&fake).len();
    assert!((150..160).contains(&claims), "{claims} claims in five minutes");

    // Away again; the session survives it, and so do its reports.
    fake.restore(1);
    assert!(orders.next().await.unwrap().is_some());
    fake.state().away = true;
    fake.break_stream();
    let receipts = [reporter.running(1).await, reporter.finished(1).await];
    sleep(Duration::from_secs(300)).await;
    fake.trigger(2);
    fake.state().away = false;
    for receipt in receipts {
        receipt.await.unwrap();
    }
    assert_eq!(triggered(orders.next().await.unwrap()), 2);
    let expected = [TaskReport::Running { execution: 1 }, TaskReport::Finished { execution: 1 }];
    assert_eq!(fake.state().taken, expected);
    assert_eq!(attempts(&fake).len(), claims);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ckptd_still_has_is_given_back_before_the_next_claim() {
    let fake = Fake::new();
    let (mut orders, _reporter) = fake.start().await;
    fake.state().missed = true;
    fake.break_stream();
    sleep(Duration::from_secs(1)).await;
    fake.trigger(1);
    assert_eq!(triggered(orders.next().await.unwrap()), 1);
    assert_eq!(fake.state().left, [SessionId::from_bits(1)]);
    assert_eq!(attempts(&fake), [7, 7]);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_it_claims_again_gives_the_new_session_back() {
    let fake = Fake::new();
    let (orders, _reporter) = fake.start().await;
    fake.hang_claims.send_replace(true);
    fake.lose_session();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(attempts(&fake), [7, 7]);
    let leaving = tokio::spawn(orders.leave());
    sleep(Duration::from_secs(1)).await;
    fake.hang_claims.send_replace(false);
    leaving.await.unwrap();
    let newest = SessionId::from_bits(fake.state().session);
    assert_eq!(fake.state().left, [newest]);

    // A claim that is never answered does not hold up the program for long.
    let (orders, _reporter) = fake.start().await;
    fake.hang_claims.send_replace(true);
    fake.lose_session();
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    orders.leave().await;
    assert!(began.elapsed() < Duration::from_secs(10));
}
