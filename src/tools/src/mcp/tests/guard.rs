use pretty_assertions::assert_eq;
use url::Url;

use super::super::{AddressGuard, McpError};

/// `None`: allowed.
async fn refusal(allowed: &[&str], url: &str) -> Option<McpError> {
    let allowed: Vec<String> = allowed.iter().map(|entry| (*entry).to_owned()).collect();
    AddressGuard::new(&allowed).resolve(&Url::parse(url).unwrap()).await.err()
}

#[track_caller]
fn not_public() -> Option<McpError> {
    Some(McpError::Refused("its host is at no public address that is known".into()))
}

#[actix_rt::test]
async fn public_addresses_are_allowed() {
    for host in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "[2606:4700::1111]",
        "[2001:4860:4860::8888]",
        "[2a00:1450::1]",
    ] {
        assert_eq!(refusal(&[], &format!("https://{host}/mcp")).await, None, "{host}");
    }
}

#[actix_rt::test]
async fn addresses_that_are_not_public_are_refused_in_every_spelling() {
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "%31%32%37.0.0.1",
        "127.0.0.1.",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "0",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
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
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:8.8.8.8]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::1]",
        "[100::1]",
        "[2001::1]",
        "[2001:0:7f00:1::1]",
        "[2001:20::1]",
        "[2001:db8::1]",
        "[2002:7f00:1::1]",
        "[2002:c0a8:101::1]",
        "[3fff::1]",
        "[5f00::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
    ] {
        assert_eq!(refusal(&[], &format!("http://{host}/mcp")).await, not_public(), "{host}");
    }
}

#[actix_rt::test]
async fn a_name_counts_by_what_it_resolves_to() {
    assert_eq!(refusal(&[], "http://localhost:8000/").await, not_public());
    assert_eq!(refusal(&[], "http://LOCALHOST:8000/").await, not_public());
    assert_eq!(refusal(&["localhost:8000"], "http://localhost:8000/").await, None);
    assert_eq!(refusal(&["127.0.0.1:8000", "[::1]:8000"], "http://localhost:8000/").await, None);
}

#[actix_rt::test]
async fn a_listed_address_is_allowed_at_its_port_only() {
    assert_eq!(refusal(&["127.0.0.1:8000"], "http://127.0.0.1:8000/").await, None);
    assert_eq!(refusal(&["127.0.0.1:8000"], "http://0x7f.1:8000/").await, None);
    assert_eq!(refusal(&["127.0.0.1:80"], "http://127.0.0.1/").await, None);
    assert_eq!(refusal(&["[0:0::1]:80"], "http://[::1]/").await, None);
    assert_eq!(refusal(&["127.0.0.1:8000"], "http://127.0.0.1:8001/").await, not_public());
    assert_eq!(refusal(&["127.0.0.1:8000"], "http://127.0.0.2:8000/").await, not_public());
}

#[actix_rt::test]
async fn only_plain_web_urls_are_gone_to() {
    let refused = |why: &str| Some(McpError::Refused(why.into()));
    assert_eq!(refusal(&[], "ftp://1.1.1.1/").await, refused("it must be http or https"));
    assert_eq!(refusal(&[], "file:///etc/passwd").await, refused("it must be http or https"));
    let user = refused("it must not hold a user or a password");
    assert_eq!(refusal(&[], "https://me@1.1.1.1/").await, user);
    assert_eq!(refusal(&[], "https://:pw@1.1.1.1/").await, user);
}

#[actix_rt::test]
async fn a_name_that_is_unknown_is_refused_in_the_same_words() {
    assert_eq!(refusal(&[], "https://nowhere.invalid/mcp").await, not_public());
    assert_eq!(refusal(&["nowhere.invalid:443"], "https://nowhere.invalid/mcp").await, not_public());
}
