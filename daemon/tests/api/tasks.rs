//! The task protocol.
//!
//! | module | holds |
//! |---|---|
//! | `job` | a job with tasks from its submission to its end |
//! | `loss` | tasks that go away, come back, and are taken over |
//! | `reports` | what is taken, what is ignored and what is refused |
//! | `streams` | streams that break off, go on and stop reading |

mod job;
mod loss;
mod reports;
mod streams;

use crate::support::{Answer, Host, request, with_json};
use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::Method;
use futures::StreamExt;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tower::ServiceExt;

/// A job whose two subtasks of the vertex `v` are programs. Checkpoints are triggered by hand.
fn programs(checkpointing: &str) -> String {
    format!(
        "name = 'work'\nvertices = [{{name = 'v', parallelism = 2}}]\n\
         [checkpointing]\n{checkpointing}\n[tasks]\n"
    )
}

async fn submitted(host: &Host, file: &str) -> String {
    let answer = host.post_job(file).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    answer.json()["jobId"].as_str().unwrap().to_owned()
}

fn post(path: &str, body: &Value) -> axum::http::Request<Body> {
    with_json(request(Method::POST, path), &body.to_string())
}

async fn claim(host: &Host, attempt: u64, indexes: &[u32]) -> Answer {
    let subtasks: Vec<_> = indexes.iter().map(|index| json!({"vertex": "v", "index": index})).collect();
    let claim = json!({"attempt": attempt, "name": format!("worker {attempt}"), "subtasks": subtasks});
    host.send(post("/jobs/work/tasks", &claim)).await
}

/// A process that holds subtasks, as far as a job can tell.
struct Worker {
    router: Router,
    path: String,
    indexes: Vec<u32>,
    events: mpsc::UnboundedReceiver<Value>,
    /// Whether it answers heartbeats.
    lives: Arc<AtomicBool>,
    reader: AbortHandle,
}

impl Worker {
    async fn come(host: &Host, attempt: u64, indexes: &[u32]) -> Self {
        let claimed = claim(host, attempt, indexes).await;
        assert_eq!(claimed.status.as_u16(), 201, "{}", claimed.body);
        let path = format!("/jobs/work/tasks/{}", claimed.json()["sessionId"].as_str().unwrap());
        let (told, events) = mpsc::unbounded_channel();
        let lives = Arc::new(AtomicBool::new(true));
        let stream = open(&host.router, &path, None).await.unwrap();
        let reader = read(host.router.clone(), path.clone(), stream, told, Arc::clone(&lives));
        let reader = tokio::spawn(reader).abort_handle();
        Self { router: host.router.clone(), path, indexes: indexes.to_vec(), events, lives, reader }
    }

    /// The next event that is no heartbeat.
    async fn told(&mut self) -> Value {
        self.events.recv().await.expect("an event")
    }

    async fn told_of(&mut self, event: &str) -> Value {
        let told = self.told().await;
        assert_eq!(told["event"], event, "{told}");
        told
    }

    /// Waits until it is told to restore, and has.
    async fn restores(&mut self) -> Value {
        let restore = self.told_of("restore").await;
        self.says(&json!({"report": "running", "execution": restore["execution"]})).await;
        restore
    }

    async fn sends(&self, reports: &Value) -> Answer {
        send(&self.router, post(&self.path, reports)).await
    }

    /// Sends reports that are taken, or ignored; returns what became of the first.
    async fn says(&self, reports: &Value) -> Value {
        let answer = self.sends(reports).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
        answer.json()["results"][0].clone()
    }

    /// Stores `content` for each of its subtasks, as it was told to, and acknowledges.
    async fn stores(&mut self, content: &str) -> u64 {
        let trigger = self.told_of("trigger").await;
        let acknowledgements = self.stored(&trigger, content);
        assert_eq!(self.says(&acknowledgements).await["result"], "taken");
        trigger["checkpointId"].as_u64().unwrap()
    }

    fn stored(&self, trigger: &Value, content: &str) -> Value {
        let directory = PathBuf::from(trigger["directory"].as_str().unwrap());
        let acknowledged = self.indexes.iter().map(|index| {
            let location = format!("v-{index}");
            std::fs::write(directory.join(&location), content).unwrap();
            acknowledge(trigger["checkpointId"].as_u64().unwrap(), *index, &location, content.len())
        });
        acknowledged.collect()
    }

    /// It dies.
    fn dies(&self) {
        self.lives.store(false, Ordering::Relaxed);
        self.reader.abort();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn acknowledge(checkpoint: u64, index: u32, location: &str, bytes: usize) -> Value {
    json!({"report": "acknowledge", "checkpointId": checkpoint, "vertex": "v", "index": index,
        "location": location, "bytes": bytes})
}

async fn send(router: &Router, request: axum::http::Request<Body>) -> Answer {
    use http_body_util::BodyExt;
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.into()).unwrap() }
}

/// The stream of a session, after this event.
async fn open(router: &Router, path: &str, after: Option<&str>) -> Result<BodyDataStream, u16> {
    let mut request = request(Method::GET, &format!("{path}/events"));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    match response.status().as_u16() {
        200 => Ok(response.into_body().into_data_stream()),
        status => Err(status),
    }
}

/// One event, with its number.
async fn next(stream: &mut BodyDataStream) -> Option<(Option<u64>, Value)> {
    let chunk = String::from_utf8(stream.next().await?.unwrap().into()).unwrap();
    let field = |name: &str| chunk.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
    let data: Value = serde_json::from_str(field("data:").unwrap()).unwrap();
    assert_eq!(field("event:").unwrap(), data["event"].as_str().unwrap());
    assert_eq!(chunk.matches("\n\n").count(), 1, "one event a chunk: {chunk:?}");
    Some((field("id:").map(|id| id.parse().unwrap()), data))
}

async fn read(
    router: Router,
    path: String,
    mut stream: BodyDataStream,
    told: mpsc::UnboundedSender<Value>,
    lives: Arc<AtomicBool>,
) {
    while let Some((number, event)) = next(&mut stream).await {
        if number.is_some() {
            let _ = told.send(event);
        } else if lives.load(Ordering::Relaxed) {
            send(&router, post(&path, &json!([]))).await;
        }
    }
}

/// A host on which both subtasks run, each in a process of its own.
async fn running(checkpointing: &str) -> (Host, String, [Worker; 2]) {
    let host = Host::new().await;
    let id = submitted(&host, &programs(checkpointing)).await;
    let mut workers = [Worker::come(&host, 1, &[0]).await, Worker::come(&host, 1, &[1]).await];
    for worker in &mut workers {
        assert_eq!(worker.restores().await["checkpoint"], Value::Null);
    }
    host.until_state("work", "RUNNING").await;
    (host, id, workers)
}

fn exists(trigger: &Value, name: &str) -> bool {
    Path::new(trigger["directory"].as_str().unwrap()).join(name).exists()
}

/// Files are deleted in the background.
async fn until_gone(path: &Path) {
    let looked = async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looked)
        .await
        .unwrap_or_else(|_| panic!("{path:?} is there"));
}
