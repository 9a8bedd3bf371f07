//! The client's address, also behind proxies that forward it in `X-Forwarded-For`.

use std::net::IpAddr;
use std::sync::Once;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address. When the peer is a trusted proxy, that is the last address in `X-Forwarded-For` that is not a
/// trusted proxy itself; else it is the peer's. Addresses that the client itself put into the header are never believed.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if trusted.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let hops = headers.get_all(FORWARDED_FOR);
    let mut hops: Vec<&str> = hops.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
    let mut client = peer;
    while let Some(hop) = hops.pop() {
        // An entry that is no address ends the chain of trust.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// Warns, the first time that `told` allows, if a request was forwarded while no proxy is `trusted`.
pub(crate) fn warn_of_untrusted_proxy(told: &Once, peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) {
    if told.is_completed() || !trusted.is_empty() || !headers.contains_key(FORWARDED_FOR) {
        return;
    }
    told.call_once(|| {
        tracing::warn!(
            %peer,
            "a request has X-Forwarded-For, and TRUSTED_PROXIES is not set: if a proxy forwards requests to this server, \
             name it there; otherwise the limits of one address hold for all clients of the proxy together"
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_header_is_believed_only_from_trusted_proxies() {
        assert_eq!(of("192.0.2.9", &["198.51.100.1"], &[]), "192.0.2.9");
        assert_eq!(of("192.0.2.9", &["198.51.100.1"], &["10.0.0.0/8"]), "192.0.2.9");
        assert_eq!(of("10.0.0.1", &["198.51.100.1"], &["10.0.0.0/8"]), "198.51.100.1");
    }

    #[test]
    fn what_the_client_wrote_before_the_proxy_is_not_believed() {
        assert_eq!(of("10.0.0.1", &["6.6.6.6, 198.51.100.1"], &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["6.6.6.6", "198.51.100.1, 10.0.0.2"], &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["198.51.100.1, junk"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }
}
