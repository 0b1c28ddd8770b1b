//! Accepts connections and speaks HTTP/1.1 on them.
//!
//! Our own loop and not the framework's, because that waits for ever: for the headers of a request,
//! and for a client that does not read its answer. HTTP/2 is what a proxy speaks to browsers; behind
//! it, unencrypted, nobody does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::lifecycle::pause;
use crate::limits::network;
use crate::settings::ServerSettings;
use crate::transport::Ticket;

/// About the most bytes of the headers of a request; more is answered with 431.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Serves until told to stop, then lets every request that has begun finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &ServerSettings,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(settings.max_connections));
    // Behind a proxy all come from its address.
    let per_address = match settings.trusted_proxies {
        0 => settings.max_connections_per_address,
        _ => usize::MAX,
    };
    let addresses = Addresses::default();
    let first_header = Duration::from_secs(settings.header_timeout_seconds);
    let write_timeout = Duration::from_secs(settings.write_timeout_seconds);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(settings.keep_alive_seconds))
        .max_buf_size(MAX_HEADER_BYTES);
    let open = TaskTracker::new();
    loop {
        // First a place, then a connection: whoever is too many waits in the system's queue.
        let next = async {
            let place = places.clone().acquire_owned().await.ok();
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        let Some(counted) = addresses.enter(peer.ip(), per_address) else {
            continue;
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(write_timeout));
        let begun = CancellationToken::new();
        let service = Service {
            router: router.clone(),
            peer,
            begun: begun.clone(),
            ticket: Ticket::new(Held {
                _place: place,
                _counted: counted,
            }),
        };
        let connection = connection(http.clone(), stream, service, stop.clone());
        open.spawn(async move {
            // Who connects and says nothing must not keep others out.
            let silent = async {
                if timeout(first_header, begun.cancelled()).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! { () = connection => {}, () = silent => {} }
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
    service: Service,
    stop: CancellationToken,
) {
    let service = service_fn(move |request| service.clone().answer(request));
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

/// What answers the requests of a connection.
#[derive(Clone)]
struct Service {
    router: Router,
    peer: SocketAddr,
    /// Set when the first request is here.
    begun: CancellationToken,
    ticket: Ticket,
}

/// What is given back when a connection ends, or the socket it became.
struct Held {
    /// None only if the semaphore were closed, which it never is.
    _place: Option<OwnedSemaphorePermit>,
    _counted: Counted,
}

impl Service {
    async fn answer(mut self, request: Request<Incoming>) -> Result<Response, Infallible> {
        self.begun.cancel();
        let mut request = request.map(Body::new);
        // Without exactly one, it is anybody's guess whom a proxy took it for (RFC 9112, section 3.2).
        let hosts = request.headers().get_all(header::HOST).iter().count();
        if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
            let text = "A request has exactly one Host header.\n";
            return Ok((StatusCode::BAD_REQUEST, text).into_response());
        }
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.ticket);
        // A router is always ready.
        self.router.call(request).await
    }
}

/// How many connections each address has. Cheap to clone.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection of an address, until dropped.
struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// Counts one more, unless the address has so many.
    fn enter(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let address = network(address);
        let mut counts = self.counts();
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        metrics::gauge!("server_connections").increment(1.0);
        Some(Counted {
            addresses: self.clone(),
            address,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("server_connections").decrement(1.0);
        let mut counts = self.addresses.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
