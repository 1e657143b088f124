//! A small cluster that answers like a real Flink, or as badly as a test wants it to.

mod job;

pub(crate) use job::FakeJob;

use crate::shape::recorded;
use axum::body::{Body, Bytes};
use axum::http::{Method, Response, StatusCode, Uri, header};
use axum::serve::Listener;
use axum::{Router, extract::State};
use ckpt_clock::wall_millis;
use futures::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How a request is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mood {
    /// As Flink does.
    Fine,
    /// Never.
    Silent,
    /// With this status and a stack trace.
    Fails(u16),
    /// With this status, this content type and this text.
    Says(u16, &'static str, &'static str),
    /// With more than anybody reads.
    Huge,
}

/// What it is like at the moment.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) jobs: Vec<FakeJob>,
    /// By how many milliseconds its clock is ahead.
    pub(crate) ahead: i64,
    /// Whether it has FLIP-571.
    pub(crate) native: bool,
    pub(crate) version: &'static str,
    /// How requests are answered whose method and path contain this; the last that fits holds.
    moods: Vec<(String, Mood)>,
    /// Every request that changes something, with its body.
    changes: Vec<(String, String)>,
    /// Every request, method and path.
    asked: Vec<String>,
}

/// The cluster. It is gone when this is dropped.
pub(crate) struct FakeFlink {
    pub(crate) address: SocketAddr,
    cluster: Arc<Mutex<Cluster>>,
    server: Option<JoinHandle<()>>,
}

impl Drop for FakeFlink {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl FakeFlink {
    /// A cluster with these jobs, on an address that nobody else on this machine uses.
    pub(crate) async fn with(jobs: Vec<FakeJob>) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(2);
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let own = std::process::id().to_le_bytes()[0].max(1);
        let address = SocketAddr::from((Ipv4Addr::new(127, own, high, low), 0));
        let listener = TcpListener::bind(address).await.unwrap();
        let cluster = Cluster {
            jobs,
            ahead: 0,
            native: false,
            version: "2.3.0",
            moods: Vec::new(),
            changes: Vec::new(),
            asked: Vec::new(),
        };
        let address = listener.local_addr().unwrap();
        let mut fake = Self { address, cluster: Arc::new(Mutex::new(cluster)), server: None };
        fake.serve(listener);
        fake
    }

    /// A cluster on `localhost` that speaks TLS alone.
    pub(crate) async fn with_tls(jobs: Vec<FakeJob>, tls: TlsAcceptor) -> Self {
        let mut fake = Self::with(jobs).await;
        fake.goes_away().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        fake.address = listener.local_addr().unwrap();
        fake.serve(WithTls { listener, tls });
        fake
    }

    fn serve(&mut self, listener: impl Listener<Addr = SocketAddr>) {
        let app = Router::new().fallback(answer).with_state(Arc::clone(&self.cluster));
        self.server = Some(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its state, to look at and to change.
    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }

    /// From now on every request is answered like this.
    pub(crate) fn is(&self, mood: Mood) {
        self.is_where("", mood);
    }

    /// From now on requests whose method and path contain this are answered like this.
    pub(crate) fn is_where(&self, part: &str, mood: Mood) {
        let moods = &mut self.cluster().moods;
        if part.is_empty() {
            moods.clear();
        }
        moods.push((part.to_owned(), mood));
    }

    /// Nothing listens there any more.
    pub(crate) async fn goes_away(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        drop(server.await);
    }

    /// It listens again where it did.
    pub(crate) async fn comes_back(&mut self) {
        for _ in 0..1_000 {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return self.serve(listener),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} stays in use", self.address);
    }

    /// The requests so far that change something, or could: method and path, and the body.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        self.cluster().changes.clone()
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.cluster().asked.len()
    }

    /// How many of them had this method and this path.
    pub(crate) fn asked(&self, what: &str) -> usize {
        self.cluster().asked.iter().filter(|asked| *asked == what).count()
    }

    /// The interval and the timeout of a job, as it shows them.
    pub(crate) fn values(&self, id: &str) -> (Value, Value) {
        self.cluster().jobs.iter().find(|job| job.id == id).unwrap().values()
    }

    /// Changes a job of it.
    pub(crate) fn job(&self, id: &str, change: impl FnOnce(&mut FakeJob)) {
        change(self.cluster().jobs.iter_mut().find(|job| job.id == id).unwrap());
    }
}

pub(crate) fn now() -> i64 {
    wall_millis().try_into().unwrap()
}

struct WithTls {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Listener for WithTls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn answer(
    State(cluster): State<Arc<Mutex<Cluster>>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response<Body> {
    let what = format!("{method} {}", uri.path_and_query().unwrap());
    let body = String::from_utf8(body.into()).unwrap();
    let mood = {
        let mut cluster = cluster.lock().unwrap();
        cluster.asked.push(what.clone());
        if method != Method::GET {
            cluster.changes.push((what.clone(), body.clone()));
        }
        let fits = cluster.moods.iter().rev().find(|(part, _)| what.contains(part.as_str()));
        fits.map_or(Mood::Fine, |(_, mood)| *mood)
    };
    match mood {
        Mood::Fine => {
            let (status, body) = cluster.lock().unwrap().answer(&method, uri.path(), &body);
            with(status, "application/json; charset=UTF-8", Body::from(body.to_string()))
        }
        Mood::Silent => std::future::pending().await,
        Mood::Fails(status) => {
            let body = json!({"errors": ["Internal server error.", "<Exception on server side:\norg.apache.flink.X: no\n\tat a.b.C(D.java:1)\nEnd of exception on server side>"]});
            with(status, "application/json; charset=UTF-8", Body::from(body.to_string()))
        }
        Mood::Says(status, kind, text) => with(status, kind, Body::from(text)),
        Mood::Huge => {
            let mebibyte = Bytes::from(vec![b' '; 1 << 20]);
            let chunks = stream::iter((0..80).map(move |_| Ok::<_, Infallible>(mebibyte.clone())));
            with(200, "application/json", Body::from_stream(chunks))
        }
    }
}

/// Its connections end with the answer, so that none outlives the cluster.
fn with(status: u16, kind: &str, body: Body) -> Response<Body> {
    let answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
    answer.header(header::CONTENT_TYPE, kind).header(header::CONNECTION, "close").body(body).unwrap()
}

impl Cluster {
    fn answer(&mut self, method: &Method, path: &str, body: &str) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["config"]) => {
                let mut config = recorded("config");
                config["flink-version"] = json!(self.version);
                (200, config)
            }
            ("GET", ["jobs", "overview"]) => (200, self.overview()),
            (method, ["jobs", id, rest @ ..]) => {
                let (native, now_there) = (self.native, now() + self.ahead);
                match self.jobs.iter_mut().find(|job| job.id == *id) {
                    Some(job) => job.answer(native, now_there, method, rest, body),
                    None => (404, recorded("unknown-job")),
                }
            }
            _ => (404, json!({"errors": [format!("Not found: {path}")]})),
        }
    }

    fn overview(&self) -> Value {
        let now_there = now() + self.ahead;
        let template = recorded("jobs-overview")["jobs"][0].clone();
        let jobs = self.jobs.iter().map(|job| {
            let mut entry = template.clone();
            let ended = ["FINISHED", "CANCELED", "FAILED"].contains(&job.state);
            let started = job.started + self.ahead;
            entry["jid"] = json!(job.id);
            entry["name"] = json!(job.name);
            entry["state"] = json!(job.state);
            entry["start-time"] = json!(started);
            entry["end-time"] = json!(if ended { started + 1_000 } else { -1 });
            entry["duration"] = json!(if ended { 1_000 } else { now_there - started });
            entry
        });
        json!({"jobs": jobs.collect::<Vec<_>>()})
    }
}
