//! The check that a host chosen by a user is a public address.
//!
//! A user may set the `base_url` of a credential, and the address of a webhook, and the server sends requests there. Without this check the user
//! could make the server call hosts that only the server can reach: itself, its neighbours, a cloud's metadata service
//! (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::upstream::resolver::{LookupError, Resolver};
use crate::upstream::trust::Trust;

/// The reason for which a host may not be called. Both reasons read alike, since the difference would tell a user which names
/// an inner network has.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The host is, or resolves to, an address that is not public.
    #[error("the host has no public address")]
    NotPublic,
    /// The name of the host does not resolve.
    #[error("the host has no public address")]
    Unresolved(#[source] LookupError),
}

/// True if `ip` is an address of the public internet: not one of the blocks reserved for other purposes
/// ([IANA, IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry),
/// [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry)).
pub const fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

const fn is_public_v4(ip: Ipv4Addr) -> bool {
    !matches!(
        ip.octets(),
        [0 | 10 | 127, ..]                  // this network, private, loopback
            | [100, 64..=127, ..]           // shared between carrier and customer
            | [169, 254, ..]                // link-local, metadata services
            | [172, 16..=31, ..]            // private
            | [192, 0, 0 | 2, _]            // protocol assignments, documentation
            | [192, 88, 99, _]              // 6to4 relays
            | [192, 168, ..]                // private
            | [198, 18 | 19, ..]            // benchmarks
            | [198, 51, 100, _]             // documentation
            | [203, 0, 113, _]              // documentation
            | [224..=255, ..] // multicast, reserved, broadcast
    )
}

const fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    match [a, b, c, d, e, f] {
        // Translated by a NAT64 gateway to the IPv4 address at its end.
        [0x64, 0xff9b, 0, 0, 0, 0] => {
            let ([p, q], [r, s]) = (g.to_be_bytes(), h.to_be_bytes());
            is_public_v4(Ipv4Addr::new(p, q, r, s))
        }
        // Protocol assignments (Teredo among them), documentation, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // All else that is global is 2000::/3: not loopback, IPv4-mapped, unique local, link-local, multicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Looks up the host of `url` and checks every address it has. This is called when an address of a user is saved. The client
/// checks again at every connection, since the addresses of a name change.
///
/// # Errors
/// `NotPublic` if any address is not public, `Unresolved` if there is none, or if none is found within
/// [`LONGEST`](crate::upstream::resolver::LONGEST).
pub async fn resolve_public(resolver: &Resolver, url: &str) -> Result<(), AddressError> {
    let invalid = || AddressError::Unresolved(LookupError::none());
    let uri: http::Uri = url.parse().map_err(|_| invalid())?;
    let host = uri.host().ok_or_else(invalid)?;
    match literal(host) {
        Some(ip) if is_public(ip) => Ok(()),
        Some(_) => Err(AddressError::NotPublic),
        None => {
            let found = resolver.addresses(host, Trust::User).await.map_err(AddressError::Unresolved)?;
            if found.iter().all(|address| is_public(address.ip())) { Ok(()) } else { Err(AddressError::NotPublic) }
        }
    }
}

/// The address that `host` spells out, in brackets or not; `None` if the host is a name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
            "64:ff9b::808:808",
            "2001:200::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[tokio::test]
    async fn a_base_url_is_checked_by_name_and_by_address() {
        let resolver = Resolver::system(tokio::runtime::Handle::current());
        for bad in ["http://127.0.0.1:1", "http://[::1]/v1", "http://localhost", "https://[::ffff:10.0.0.1]"] {
            let found = resolve_public(&resolver, bad).await;
            assert!(matches!(found, Err(AddressError::NotPublic)), "{bad}: {found:?}");
        }
        // Other spellings of 127.0.0.1, which only the system's resolver reads as addresses.
        for bad in ["http://2130706433", "http://0x7f.1", "http://127.1"] {
            assert!(resolve_public(&resolver, bad).await.is_err(), "{bad}");
        }
        assert!(resolve_public(&resolver, "https://8.8.8.8/v1").await.is_ok());
    }
}
