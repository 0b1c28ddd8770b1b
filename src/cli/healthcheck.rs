//! `taskflow healthcheck`: for containers, whose images have no curl.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::Settings;

pub async fn run(settings: &Settings) -> ExitCode {
    let host = match settings.bind_host() {
        any if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host,
    };
    let address = SocketAddr::new(host, settings.server.port);
    match timeout(Duration::from_secs(5), ask(address)).await {
        Ok(Ok(status)) if status.starts_with("HTTP/1.1 200") => {
            println!("ready");
            ExitCode::SUCCESS
        }
        Ok(Ok(status)) => {
            println!("not ready: {status}");
            ExitCode::FAILURE
        }
        Ok(Err(error)) => {
            println!("no answer on {address}: {error}");
            ExitCode::FAILURE
        }
        Err(_) => {
            println!("no answer on {address} within 5 s");
            ExitCode::FAILURE
        }
    }
}

/// The status line of `/readyz`. One request of HTTP 1.1 needs no client library.
async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(4_096).read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
