//! Where to listen.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize as _, Deserializer, Serializer};

/// Reads `host:port`, where the host is an address or `localhost`.
///
/// Other names are refused: what they stand for is not known before the
/// network is asked, and the loopback rule needs to know.
pub(super) fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_address(&text).ok_or_else(|| serde::de::Error::custom("not an address with a port"))
}

/// Reads an address that may be left out by an empty text.
pub(super) fn deserialize_optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let address = parse_address(&text);
    address.map(Some).ok_or_else(|| serde::de::Error::custom("not an address with a port"))
}

/// Writes it as it is read.
pub(super) fn serialize_optional<S: Serializer>(
    address: &Option<SocketAddr>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&address.map(|address| address.to_string()).unwrap_or_default())
}
