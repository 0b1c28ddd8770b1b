//! Accepts connections and speaks HTTP/1.1 on them.
//!
//! Our own loop and not the framework's, because that waits for ever: for the headers of a request,
//! and for a client that does not read its answer. HTTP/2 is what a proxy speaks to browsers; behind
//! it, unencrypted, nobody does.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::lifecycle::pause;
use crate::settings::ServerSettings;

/// The most bytes of the headers of a request; more is answered with 431.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Serves until told to stop, then lets every request that has begun finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &ServerSettings,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let write_timeout = Duration::from_secs(settings.write_timeout_seconds);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(settings.header_timeout_seconds))
        .max_buf_size(MAX_HEADER_BYTES);
    let open = TaskTracker::new();
    loop {
        // First a place, then a connection: whoever is too many waits in the system's queue.
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(write_timeout));
        let connection = connection(http.clone(), stream, peer, router.clone(), stop.clone());
        open.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    // The system refuses connections from here on, instead of keeping them waiting.
    drop(listener);
    open.close();
    open.wait().await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and wanted at once.
                stream.set_nodelay(true).ok();
                return (stream, peer);
            }
            // The client went away before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionReset
                ) => {}
            // Out of file descriptors, most likely: others have to close theirs.
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection; trying again in a second");
                pause(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(
    http: http1::Builder,
    stream: TimeoutStream<TcpStream>,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        // A router is always ready.
        router.clone().call(request)
    });
    let stream = TokioIo::new(Box::pin(stream));
    let mut connection = pin!(http.serve_connection(stream, service).with_upgrades());
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            // Answers what has begun, and takes no more.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}
