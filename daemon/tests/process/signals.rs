//! SIGTERM and SIGINT.

use crate::support::{HANGING, Home, LIMIT, until};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn sigterm_and_sigint_end_it_with_0_although_somebody_listens_to_events() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let home = Home::new();
        let daemon = home.daemon_with(&home.write("hanging.toml", HANGING)).await;
        daemon.until_running("hanging").await;
        let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
        let head = b"GET /jobs/hanging/checkpoints/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut seen = Vec::new();
        // The stream is open when its first event has come.
        let mut triggered = false;
        while !String::from_utf8_lossy(&seen).contains("event: triggered") {
            if !triggered && String::from_utf8_lossy(&seen).contains("text/event-stream") {
                daemon.trigger("hanging").await;
                triggered = true;
            }
            let read = timeout(LIMIT, stream.read_buf(&mut seen)).await.expect("more comes");
            assert_ne!(read.unwrap(), 0);
        }
        daemon.signal(signal);
        // The stream never ends by itself: whoever waits for it has no end within any limit.
        let (status, log) = daemon.ended(LIMIT).await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("shutting down") && log.contains(name), "{log}");
        // It can be started again at once.
        let daemon = home.daemon().await;
        assert_eq!(daemon.configuration("hanging").await.name, "hanging");
    }
}

#[tokio::test]
async fn what_was_asked_before_the_signal_is_answered() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("hanging.toml", HANGING)).await;
    daemon.until_running("hanging").await;
    // Half of the request is there when the signal comes.
    let token = std::fs::read_to_string(home.state().join("token")).unwrap();
    let body = r#"{"checkpointTimeout": 20000}"#;
    let head = format!(
        "PATCH /jobs/hanging/checkpoints/configuration HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        token.trim(),
        body.len()
    );
    let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    // The server asks for the body, so it is at work on the request.
    while !String::from_utf8_lossy(&seen).contains("100 Continue") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    daemon.signal(Signal::TERM);
    until("the end of listening", || async { daemon.log().contains("shutting down").then_some(()) }).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    stream.read_to_end(&mut seen).await.unwrap();
    let answer = String::from_utf8(seen).unwrap();
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("\"revision\":1"), "{answer}");
    let (status, _) = daemon.ended(LIMIT).await;
    assert_eq!(status.code(), Some(0));
    let daemon = home.daemon().await;
    assert_eq!(daemon.configuration("hanging").await.checkpoint_timeout.effective, Some(20_000));
}
