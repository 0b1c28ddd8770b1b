//! From where a request came.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

/// The address of the client. Every proxy adds the address it was called from to the end of
/// `X-Forwarded-For`; so with `hops` trusted proxies in front it is the `hops`-th from the end, and
/// what stands before it is the client's to invent. Without a proxy the header says nothing.
pub fn client_address(headers: &HeaderMap, extensions: &Extensions, hops: usize) -> IpAddr {
    let peer = extensions
        .get::<ConnectInfo<SocketAddr>>()
        // No connection, only in tests that call the router itself.
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(peer)| {
            peer.ip()
        });
    let forwarded = hops.checked_sub(1).and_then(|before| {
        // As bytes: what a client put before the proxy's entry need not be text.
        let entries: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .collect();
        let entry = entries.iter().rev().nth(before)?;
        parse(std::str::from_utf8(entry).ok()?.trim())
    });
    forwarded.unwrap_or(peer).to_canonical()
}

/// Some proxies write the port, too.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let cases: [(usize, &[&str], &str); 13] = [
            (0, &[], "192.0.2.9"),
            (0, &["198.51.100.1"], "192.0.2.9"),
            (1, &[], "192.0.2.9"),
            (1, &["198.51.100.1"], "198.51.100.1"),
            (1, &["203.0.113.7, 198.51.100.1"], "198.51.100.1"),
            (1, &["203.0.113.7", "198.51.100.1"], "198.51.100.1"),
            (2, &["203.0.113.7, 198.51.100.1"], "203.0.113.7"),
            // Came past a proxy: nobody vouches for what it says.
            (2, &["198.51.100.1"], "192.0.2.9"),
            (1, &["nonsense"], "192.0.2.9"),
            (1, &["\u{ff}, 198.51.100.1"], "198.51.100.1"),
            (1, &["198.51.100.1:4711"], "198.51.100.1"),
            (1, &["[2001:db8::1]:4711"], "2001:db8::1"),
            (1, &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        for (hops, values, wanted) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(
                    "x-forwarded-for",
                    HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                );
            }
            let mut extensions = Extensions::new();
            let peer: SocketAddr = "192.0.2.9:5000".parse().unwrap();
            extensions.insert(ConnectInfo(peer));
            let found = client_address(&headers, &extensions, hops);
            assert_eq!(found.to_string(), wanted, "{hops} {values:?}");
        }
    }
}
