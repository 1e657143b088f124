//! Connections, with limits: how many there are, how long a request's head may take, how long a
//! shutdown waits for them.

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// The most connections at once.
const MOST_CONNECTIONS: usize = 2_048;
/// The longest wait for a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long, in milliseconds, what was sent may stay unread in the peer's buffers before it is given up.
const UNREAD_LIMIT: u32 = 60_000;
/// How long a shutdown waits for requests that are under way.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait when no connection can be accepted, as with too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves `router` until `shutdown`, then lets what is under way come to its end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        // An answer is small and awaited: it must not wait for more to come.
        drop(stream.set_nodelay(true));
        if let Err(error) = set_tcp_user_timeout(&stream, UNREAD_LIMIT) {
            tracing::debug!(%peer, %error, "a peer that does not read cannot be given up");
        }
        let service =
            router.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request.map(axum::body::Body::new)
            });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection broke off");
            }
        });
    }
    drop(listener);
    if timeout(SHUTDOWN_LIMIT, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections that did not end are dropped");
    }
}
