//! Which addresses are the public internet (OUT-1, by the IANA registries of 2025-10-09).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

const REFUSED_V4: [Ipv4Net; 19] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    // Azure's host agent: looks public, is the machine below us.
    v4(168, 63, 129, 16, 32),
];

/// All that is allocated for the public internet …
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// … but for these: protocol assignments with Teredo, documentation, 6to4, AS112, documentation.
const REFUSED_V6: [Ipv6Net; 5] = [
    v6(0x2001, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x2002, 0, 0, 16),
    v6(0x2620, 0x4f, 0x8000, 48),
    v6(0x3fff, 0, 0, 20),
];

/// Whether `address` is on the public internet. An IPv4 address inside an IPv6 one never is.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !REFUSED_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0.0.0.0")]
    #[case("0.1.2.3")]
    #[case("10.0.0.1")]
    #[case("10.255.255.255")]
    #[case("100.64.0.1")]
    #[case("100.127.255.255")]
    #[case("127.0.0.1")]
    #[case("127.255.255.254")]
    #[case("169.254.169.254")]
    #[case("172.16.0.1")]
    #[case("172.31.255.255")]
    #[case("192.0.0.1")]
    #[case("192.0.2.1")]
    #[case("192.31.196.1")]
    #[case("192.52.193.1")]
    #[case("192.88.99.1")]
    #[case("192.168.1.1")]
    #[case("192.175.48.1")]
    #[case("198.18.0.1")]
    #[case("198.19.255.255")]
    #[case("198.51.100.1")]
    #[case("203.0.113.1")]
    #[case("224.0.0.1")]
    #[case("239.255.255.255")]
    #[case("240.0.0.1")]
    #[case("255.255.255.255")]
    #[case("168.63.129.16")]
    #[case("::")]
    #[case("::1")]
    #[case("::7f00:1")]
    #[case("::ffff:127.0.0.1")]
    #[case("::ffff:8.8.8.8")]
    #[case("64:ff9b::7f00:1")]
    #[case("64:ff9b:1::1")]
    #[case("100::1")]
    #[case("100:0:0:1::1")]
    #[case("2001::1")]
    #[case("2001:1ff::1")]
    #[case("2001:db8::1")]
    #[case("2002:7f00:1::")]
    #[case("2620:4f:8000::1")]
    #[case("3fff::1")]
    #[case("5f00::1")]
    #[case("fc00::1")]
    #[case("fd00:ec2::254")]
    #[case("fe80::1")]
    #[case("fec0::1")]
    #[case("ff02::1")]
    fn addresses_of_private_and_special_use_are_refused(#[case] text: &str) {
        assert!(!is_public(text.parse().unwrap()));
    }

    #[rstest]
    #[case("1.1.1.1")]
    #[case("8.8.8.8")]
    #[case("9.255.255.255")]
    #[case("11.0.0.1")]
    #[case("100.63.255.255")]
    #[case("100.128.0.1")]
    #[case("128.0.0.1")]
    #[case("169.253.255.255")]
    #[case("172.15.255.255")]
    #[case("172.32.0.1")]
    #[case("192.167.255.255")]
    #[case("198.17.255.255")]
    #[case("198.20.0.1")]
    #[case("223.255.255.255")]
    #[case("168.63.129.15")]
    #[case("2001:200::1")]
    #[case("2606:4700::1111")]
    #[case("2a03:2880::1")]
    #[case("3ffe::1")]
    fn neighbours_of_refused_ranges_are_public(#[case] text: &str) {
        assert!(is_public(text.parse().unwrap()));
    }
}
