//! Opens the ports.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

use crate::settings::Settings;

/// A port that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has it.
    #[error(
        "port {port} is in use by another program: stop that, or set {setting} to another port"
    )]
    Taken {
        /// The port.
        port: u16,
        /// What to set.
        setting: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}; see server.host and {setting}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What to set.
        setting: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The port of everything but metrics.
pub async fn main(settings: &Settings) -> Result<TcpListener, ListenError> {
    bind(settings.bind_host(), settings.server.port, "PORT").await
}

/// The port of metrics. In development a taken one is no reason not to start.
pub async fn metrics(settings: &Settings) -> Result<TcpListener, ListenError> {
    let host = settings.bind_host();
    match bind(host, settings.server.metrics_port, "METRICS_PORT").await {
        Err(ListenError::Taken { port, .. }) if !settings.is_production() => {
            tracing::warn!(port, "the metrics port is in use; taking a free one");
            bind(host, 0, "METRICS_PORT").await
        }
        result => result,
    }
}

async fn bind(host: IpAddr, port: u16, setting: &'static str) -> Result<TcpListener, ListenError> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address).await.map_err(|source| {
        if source.kind() == ErrorKind::AddrInUse {
            ListenError::Taken { port, setting }
        } else {
            ListenError::Other {
                address,
                setting,
                source,
            }
        }
    })
}
