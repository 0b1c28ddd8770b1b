//! Whom a bucket is counted for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use entity::{UserId, WebhookId};

use crate::crypto;

/// A key of a bucket: sixteen bytes, whatever it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The one key of a bucket that counts everybody together.
    pub const EVERYBODY: Self = Self([0; 16]);

    /// A person.
    pub fn user(id: UserId) -> Self {
        Self(id.0.into_bytes())
    }

    /// A webhook.
    pub fn webhook(id: WebhookId) -> Self {
        Self(id.0.into_bytes())
    }

    /// Where a request came from.
    pub fn address(address: IpAddr) -> Self {
        Self(match network(address) {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        })
    }

    /// A name that somebody typed, folded as for a login. Hashed: an e-mail address has no business
    /// in Redis, and a key must not grow with what a client sends.
    pub fn account(folded: &str) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&crypto::sha256(folded)[..16]);
        Self(bytes)
    }
}

/// What counts as one address. A household has at least a /64 of IPv6 and could use another address
/// of it for each request, so there it is the network.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> Key {
        Key::address(address.parse().unwrap())
    }

    #[test]
    fn an_address_of_ipv6_counts_as_its_network() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn an_account_is_not_to_be_read_in_its_key() {
        let key = Key::account("ada@example.org");
        assert_eq!(key.to_string().len(), 32);
        assert_eq!(key, Key::account("ada@example.org"));
        assert_ne!(key, Key::account("bob@example.org"));
    }
}
