//! Which addresses are public.
//!
//! The networks are those that IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890) do not call
//! globally reachable, and some more that lead to the inside of a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What of IPv4 is not public.
const NOT_PUBLIC_V4: [Ipv4Net; 17] = [
    // This network (RFC 791).
    v4([0, 0, 0, 0], 8),
    // Private (RFC 1918).
    v4([10, 0, 0, 0], 8),
    // Between a provider and its customers (RFC 6598). Alibaba's metadata are there.
    v4([100, 64, 0, 0], 10),
    // Loopback (RFC 1122).
    v4([127, 0, 0, 0], 8),
    // Azure's host, as each of its machines sees it.
    v4([168, 63, 129, 16], 32),
    // Link-local (RFC 3927). The metadata of most clouds are at 169.254.169.254.
    v4([169, 254, 0, 0], 16),
    // Private (RFC 1918).
    v4([172, 16, 0, 0], 12),
    // Protocols of the IETF (RFC 6890). Oracle's metadata are there.
    v4([192, 0, 0, 0], 24),
    // Documentation (RFC 5737).
    v4([192, 0, 2, 0], 24),
    // The relays of 6to4, given up (RFC 7526).
    v4([192, 88, 99, 0], 24),
    // Private (RFC 1918).
    v4([192, 168, 0, 0], 16),
    // Benchmarks (RFC 2544).
    v4([198, 18, 0, 0], 15),
    // Documentation (RFC 5737).
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Multicast (RFC 5771).
    v4([224, 0, 0, 0], 4),
    // Reserved (RFC 1112), the broadcast address among them.
    v4([240, 0, 0, 0], 4),
    v4([255, 255, 255, 255], 32),
];

/// The unicast addresses that are given out (RFC 4291). Everything else is something else: loopback, unspecified,
/// v4-compatible, discard-only, unique local, link-local, site-local, multicast, segment routing, 64:ff9b:1::/48.
const UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// What of it is not public.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    // Protocols of the IETF (RFC 2928), among them Teredo, benchmarks and ORCHID.
    v6([0x2001, 0, 0], 23),
    // Documentation (RFC 3849).
    v6([0x2001, 0xdb8, 0], 32),
    // 6to4, which leads to the IPv4 address in it (RFC 3056).
    v6([0x2002, 0, 0], 16),
    // Documentation (RFC 9637).
    v6([0x3fff, 0, 0], 20),
];

/// An IPv4 address in its last 32 bits, which a translator in the network calls (RFC 6052). Where there is only IPv6,
/// that is how a host with IPv4 is reached.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0], 96);

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: [u16; 3], prefix: u8) -> Ipv6Net {
    let [a, b, c] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The address that a connection to this one reaches: IPv4 that is written as IPv6 (RFC 4291 section 2.5.5.2, RFC
/// 6052) is the IPv4 address.
pub(super) fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) if NAT64.contains(&ip) => {
            let [.., a, b, c, d] = ip.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        ip => ip,
    }
}

/// Whether everybody may be called at this address.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match reached(ip) {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => {
            UNICAST_V6.contains(&ip) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&ip))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by the numbers between the dots.
    fn oracle_v4([a, b, c, d]: [u8; 4]) -> bool {
        let is_special = matches!(
            (a, b, c, d),
            (0 | 10 | 127 | 224..=255, ..)
                | (100, 64..=127, ..)
                | (169, 254, ..)
                | (172, 16..=31, ..)
                | (192, 168, ..)
                | (192, 0, 0 | 2, _)
                | (192, 88, 99, _)
                | (198, 18 | 19, ..)
                | (198, 51, 100, _)
                | (203, 0, 113, _)
                | (168, 63, 129, 16)
        );
        !is_special
    }

    /// The same by the numbers between the colons.
    fn oracle_v6(segments: [u16; 8]) -> bool {
        let last = [segments[6].to_be_bytes(), segments[7].to_be_bytes()].concat();
        let last = [last[0], last[1], last[2], last[3]];
        match segments {
            [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => oracle_v4(last),
            [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
            [0x2000..=0x3fff, ..] => true,
            _ => false,
        }
    }

    /// Any address, and as often one in or just beside a network of the table.
    fn v4s() -> impl Strategy<Value = u32> {
        let edges =
            (0..NOT_PUBLIC_V4.len(), -2_i64..=2, any::<bool>()).prop_map(|(at, by, last)| {
                let net = NOT_PUBLIC_V4[at];
                let edge = if last { net.broadcast() } else { net.network() };
                u32::try_from((i64::from(u32::from(edge)) + by).rem_euclid(1 << 32)).unwrap()
            });
        prop_oneof![any::<u32>(), edges]
    }

    fn v6s() -> impl Strategy<Value = [u16; 8]> {
        let first = prop_oneof![
            any::<u16>(),
            0x1ffe_u16..=0x2003,
            0x3ffd_u16..=0x4001,
            Just(0),
            Just(0x64)
        ];
        let second = prop_oneof![
            any::<u16>(),
            0_u16..=2,
            0x1fe_u16..=0x201,
            0xdb7_u16..=0xdb9,
            0xffe_u16..=0x1001,
            Just(0xff9b)
        ];
        let sixth = prop_oneof![Just(0), Just(0xffff), any::<u16>()];
        let middle = prop_oneof![Just([0; 3]), any::<[u16; 3]>()];
        (first, second, middle, sixth, v4s()).prop_map(|(a, b, [c, d, e], f, v4)| {
            let [g, h] = [(v4 >> 16) as u16, (v4 & 0xffff) as u16];
            [a, b, c, d, e, f, g, h]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_table_of_ipv4_says_what_its_numbers_say(ip in v4s()) {
            let ip = Ipv4Addr::from(ip);
            prop_assert_eq!(is_public(ip.into()), oracle_v4(ip.octets()), "{}", ip);
            prop_assert_eq!(is_public(ip.to_ipv6_mapped().into()), oracle_v4(ip.octets()), "{}", ip);
        }

        #[test]
        fn the_table_of_ipv6_says_what_its_numbers_say(segments in v6s()) {
            let ip = Ipv6Addr::from(segments);
            prop_assert_eq!(is_public(ip.into()), oracle_v6(segments), "{}", ip);
        }
    }

    #[test]
    fn what_is_named_in_the_requirements_is_refused() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.251",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700:4700::1111",
            "2a00:1450:4001:81b::200e",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
