//! Slow and half-open clients disturb nobody.

use crate::support::{HANGING, Home, LIMIT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn clients_that_stop_halfway_do_not_disturb_others() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("hanging.toml", HANGING)).await;
    daemon.until_running("hanging").await;
    let token = std::fs::read_to_string(home.state().join("token")).unwrap();
    let half_body = format!(
        "PATCH /jobs/hanging/checkpoints/configuration HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 28\r\n\r\n{{\"checkpointTime",
        token.trim()
    );
    let mut halfway = Vec::new();
    for begun in ["", "GET /jobs HT", "GET /jobs HTTP/1.1\r\nHost: loc", half_body.as_str()] {
        for _ in 0..8 {
            let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            halfway.push(stream);
        }
    }
    for number in 1..=10 {
        let changed = daemon.set_timeout("hanging", 20_000 + number).await.unwrap();
        assert_eq!(changed.revision, number);
        daemon.get("/jobs/overview").await;
    }
    // Each is given up in the end, and the halves of bodies changed nothing.
    for mut stream in halfway {
        let mut answer = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the connection is closed").ok();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(daemon.configuration("hanging").await.revision, 10);
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("hanging.toml", HANGING)).await;
    daemon.until_running("hanging").await;
    let token = std::fs::read_to_string(home.state().join("token")).unwrap();
    // What has come is a whole change, but more was announced.
    let head = format!(
        "PATCH /jobs/hanging/checkpoints/configuration HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{{\"checkpointTimeout\": 20000}}",
        token.trim()
    );
    let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the connection is closed").ok();
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    assert_eq!(daemon.configuration("hanging").await.revision, 0);
    assert!(!home.state().join("overrides.json").exists());
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let home = Home::new();
    let daemon = home.daemon().await;
    for nonsense in ["\x16\x03\x01\x02\0\x01\0", "hello\r\n\r\n", "GET\r\n\r\n"] {
        let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
        stream.write_all(nonsense.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the connection is closed").ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    daemon.get("/healthz").await;
}
