//! Which addresses a server that a request named may be at.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;
use url::{Host, Url};

use super::McpError;

/// Lets URLs of requests go to public addresses only, and to the private ones that the operator listed.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    allowed: HashSet<String>,
}

impl AddressGuard {
    /// `allow_private_hosts`: entries `host:port`, with a name or an address; IPv6 in brackets.
    pub fn new(allow_private_hosts: &[String]) -> Self {
        let form = |entry: &String| match entry.parse::<SocketAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => entry.to_ascii_lowercase(),
        };
        Self { allowed: allow_private_hosts.iter().map(form).collect() }
    }

    /// Resolves the host of a URL and checks every address. Whoever connects must use these and look up nothing
    /// again.
    pub async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, McpError> {
        let (host, port) = target(url)?;
        let addresses: Vec<SocketAddr> = match host {
            Host::Ipv4(ip) => vec![SocketAddr::new(ip.into(), port)],
            Host::Ipv6(ip) => vec![SocketAddr::new(ip.into(), port)],
            Host::Domain(name) => lookup_host((name, port)).await.map(Iterator::collect).unwrap_or_default(),
        };
        let listed = self.allowed.contains(&format!("{host}:{port}"));
        if !addresses.is_empty() && (listed || addresses.iter().all(|address| self.allows(address))) {
            return Ok(addresses);
        }
        // Which address it is, and whether there is one, would tell of the network we are in.
        Err(McpError::Refused("its host is at no public address that is known".into()))
    }

    fn allows(&self, address: &SocketAddr) -> bool {
        is_public(address.ip()) || self.allowed.contains(&address.to_string())
    }
}

/// Host and port of a URL that we may go to at all.
pub(super) fn target(url: &Url) -> Result<(Host<&str>, u16), McpError> {
    let refused = |why: &str| Err(McpError::Refused(why.into()));
    if !matches!(url.scheme(), "http" | "https") {
        return refused("it must be http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("it must not hold a user or a password");
    }
    match (url.host(), url.port_or_known_default()) {
        (Some(host), Some(port)) => Ok((host, port)),
        _ => refused("it has no host"),
    }
}

/// Globally routable unicast.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// By the IANA registry of special-purpose addresses (RFC 6890 and its successors).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        [0 | 10 | 127, ..] => true,
        [100, b, ..] => (64..128).contains(&b),
        [169, 254, ..] => true,
        [172, b, ..] => (16..32).contains(&b),
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [192, 168, ..] => true,
        [198, 18 | 19, ..] | [198, 51, 100, _] => true,
        [203, 0, 113, _] => true,
        [224..=255, ..] => true,
        _ => false,
    };
    !special
}

/// Only 2000::/3 is given out. Everything that carries an IPv4 address is either outside of it (mapped, compatible,
/// NAT64) or refused as a whole (Teredo, 6to4).
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // 2001::/23 for protocols (Teredo among them), 2001:db8::/32 for documentation.
        [0x2001, b, ..] => b >= 0x200 && b != 0xdb8,
        [0x2002, ..] => false,
        // 3fff::/20 for documentation.
        [0x3fff, b, ..] => b >= 0x1000,
        [a, ..] => a & 0xe000 == 0x2000,
    }
}
