//! The way over HTTP, with a server that sends prepared bytes.

use ckpt_api::JobState;
use ckpt_api::tasks::{Claim, ClaimedSubtasks, TaskEvent, TaskReport};
use ckpt_client::Client;
use ckpt_task_sdk::{Door, DoorError, HttpDoor, Order, attach};
use ckpt_types::ids::{CheckpointId, SessionId};
use futures::{StreamExt, TryStreamExt};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SESSION: SessionId = SessionId::from_bits(10);

/// What the server does with a request.
pub(crate) enum Answer {
    /// A status and a body, at once.
    Json(u16, String),
    /// Each of these in a chunk of its own, then the end.
    Events(Vec<Vec<u8>>),
    /// This, and then nothing any more.
    Silence(&'static str),
    /// Nothing: the connection breaks.
    Break,
}

/// A server that answers each request by its first line.
pub(crate) struct Server {
    pub(crate) url: String,
    /// Each request: its head in lower case, and its body.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                tokio::spawn(async move {
                    let (mut connection, request) = hear(connection).await;
                    let answer = answer(request.lines().next().unwrap());
                    heard.lock().unwrap().push(request);
                    // The client may have gone away.
                    drop(say(&mut connection, answer).await);
                });
            }
        });
        Self { url, requests }
    }

    fn door(&self) -> HttpDoor {
        HttpDoor::new(Client::new(&self.url, Some("secret".to_owned())).unwrap(), "word count")
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn hear(mut connection: TcpStream) -> (TcpStream, String) {
    let mut heard = String::new();
    loop {
        if let Some((head, body)) = heard.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return (connection, format!("{head}\n{body}"));
            }
        }
        let mut bytes = [0; 4096];
        let count = connection.read(&mut bytes).await.unwrap();
        assert!(count > 0, "the client went away after {heard:?}");
        heard.push_str(str::from_utf8(&bytes[..count]).unwrap());
    }
}

async fn say(connection: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
    let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    match answer {
        Answer::Json(status, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            connection.write_all(format!("{head}{body}").as_bytes()).await
        }
        Answer::Events(chunks) => {
            connection.write_all(stream.as_bytes()).await?;
            for chunk in chunks {
                connection.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
                connection.write_all(&chunk).await?;
                connection.write_all(b"\r\n").await?;
            }
            connection.write_all(b"0\r\n\r\n").await
        }
        Answer::Silence(text) => {
            let chunk = format!("{stream}{:x}\r\n{text}\r\n", text.len());
            connection.write_all(chunk.as_bytes()).await?;
            std::future::pending().await
        }
        Answer::Break => Ok(()),
    }
}

fn claim() -> Claim {
    let subtasks = vec![ClaimedSubtasks { vertex: "count".to_owned(), index: Some(0) }];
    Claim { attempt: 7, subtasks, name: None }
}

pub(crate) fn claimed(heartbeat_timeout: u64) -> Answer {
    let ids = format!(r#""jobId": "{:032x}", "sessionId": "{SESSION}""#, 1);
    Answer::Json(201, format!(r#"{{"schema": "ckpt/v1", {ids}, "heartbeatTimeout": {heartbeat_timeout}}}"#))
}

async fn events(chunks: Vec<Vec<u8>>) -> Result<Vec<(Option<u64>, TaskEvent)>, DoorError> {
    let chunks = Mutex::new(chunks);
    let server = Server::start(move |_| Answer::Events(std::mem::take(&mut chunks.lock().unwrap()))).await;
    server.door().events(SESSION, None).await?.try_collect().await
}

#[tokio::test]
async fn events_are_read_however_they_are_cut_and_whatever_ends_their_lines() {
    let text = ": hello\n\nevent: complete\nid: 3\ndata: {\"event\": \"complete\", \"checkpointId\":\ndata: 9}\n\nevent: heartbeat\ndata: {\"event\": \"heartbeat\"}\n\n\
        event: applause\nid: 4\ndata: loud\n\ndata: nameless\n\nretry: 5\n\n: between\nid:5\nevent:end\n\
        data:{\"event\": \"end\", \"state\": \"FINISHED\", \"new\": 1}\n\nevent: complete\nid: 6\ndata: {\"check";
    let expected = [
        (Some(3), TaskEvent::Complete { checkpoint_id: CheckpointId(9) }),
        (None, TaskEvent::Heartbeat {}),
        (Some(5), TaskEvent::End { state: JobState::Finished }),
    ];
    for end in ["\n", "\r\n", "\r"] {
        let text = text.replace('\n', end).into_bytes();
        for size in [1, 7, text.len()] {
            let chunks = text.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(events(chunks).await.unwrap(), expected, "{end:?}, {size} bytes at a time");
        }
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_understood_is_not_asked_for_again() {
    for (text, part) in [
        (
            "event: complete\nid: 1\ndata: {\"event\": \"complete\", \"checkpointId\": \"x\"}\n\n",
            "'complete'",
        ),
        ("event: abort\nid: one\ndata: {\"event\": \"abort\", \"checkpointId\": 1}\n\n", "number is 'one'"),
        ("event: restore\nid: 1\ndata: nonsense\n\n", "'restore'"),
    ] {
        let error = events(vec![text.into()]).await.unwrap_err();
        let DoorError::Refused { sentence } = error else { panic!("{error:?}") };
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[tokio::test]
async fn an_event_has_a_largest_size() {
    let mut chunks = vec![b"event: complete\ndata: ".to_vec()];
    chunks.resize(66, vec![b'x'; 1024 * 1024]);
    let error = events(chunks).await.unwrap_err();
    assert!(error.to_string().contains("64 MiB"), "{error}");
}

#[tokio::test]
async fn requests_carry_what_they_should() {
    let server = Server::start(|line| match line.split_whitespace().next().unwrap() {
        "post" if line.contains("tasks/") => {
            Answer::Json(200, r#"{"results": [{"result": "taken"}]}"#.to_owned())
        }
        "post" => claimed(10_000),
        "delete" => Answer::Json(200, "{}".to_owned()),
        _ => Answer::Events(Vec::new()),
    })
    .await;
    let door = server.door();
    assert_eq!(door.claim(&claim()).await.unwrap().session_id, SESSION);
    door.report(SESSION, &[TaskReport::Running { execution: 2 }]).await.unwrap();
    assert!(door.events(SESSION, Some(17)).await.unwrap().next().await.is_none());
    door.leave(SESSION).await.unwrap();
    let requests = server.requests();
    let path = format!("/jobs/word%20count/tasks/{SESSION}");
    for (request, parts) in requests.iter().zip([
        ["post /jobs/word%20count/tasks http", "authorization: bearer secret", r#"{"attempt":7,"#],
        [
            &format!("post {path} http"),
            "authorization: bearer secret",
            r#"[{"report":"running","execution":2}]"#,
        ],
        [&format!("get {path}/events http"), "last-event-id: 17", "accept: text/event-stream"],
        [&format!("delete {path} http"), "authorization: bearer secret", ""],
    ]) {
        assert!(parts.iter().all(|part| request.contains(part)), "{request}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_sorted_by_what_to_do_about_it() {
    let sentence = "the server's sentence";
    let answer = |status: u16| {
        Server::start(move |_| Answer::Json(status, format!(r#"{{"errors": ["{sentence}"]}}"#)))
    };
    let (refused, away) =
        (DoorError::Refused { sentence: sentence.into() }, DoorError::Unreachable { cause: sentence.into() });
    for (status, claim_error, other_error) in [
        (404, &refused, &DoorError::Gone),
        (410, &refused, &DoorError::Gone),
        (400, &refused, &refused),
        (401, &refused, &refused),
        (409, &refused, &refused),
        (429, &away, &away),
        (503, &away, &away),
    ] {
        let door = answer(status).await.door();
        assert_eq!(&door.claim(&claim()).await.unwrap_err(), claim_error, "{status}");
        assert_eq!(&door.report(SESSION, &[]).await.unwrap_err(), other_error, "{status}");
        assert_eq!(&door.events(SESSION, None).await.err().unwrap(), other_error, "{status}");
    }
    // A proxy's page, and nobody.
    let proxy = Server::start(|_| Answer::Json(404, "<html>".to_owned())).await;
    let nobody = HttpDoor::new(Client::new("http://127.0.0.1:1", None).unwrap(), "a");
    for door in [proxy.door(), nobody] {
        assert!(matches!(door.report(SESSION, &[]).await, Err(DoorError::Unreachable { .. })));
        assert!(matches!(door.events(SESSION, None).await.err(), Some(DoorError::Unreachable { .. })));
    }
}

#[tokio::test]
async fn a_silent_stream_is_opened_again_after_its_last_event() {
    let server = Server::start(|line| match line.starts_with("get") {
        true => Answer::Silence(
            "event: complete\nid: 8\ndata: {\"event\": \"complete\", \"checkpointId\": 5}\n\n",
        ),
        false if line.contains("tasks/") => Answer::Json(200, r#"{"results": []}"#.to_owned()),
        false => claimed(100),
    })
    .await;
    let (mut orders, _reporter) = attach(server.door(), claim()).await.unwrap();
    let complete = Order::Complete { checkpoint_id: CheckpointId(5) };
    assert_eq!(orders.next().await, Ok(Some(complete)));
    let again = async {
        while server.requests().iter().filter(|request| request.contains("last-event-id: 8")).count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        order = orders.next() => panic!("{order:?} came twice"),
        () = again => {}
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{:?}", server.requests()),
    }
}
