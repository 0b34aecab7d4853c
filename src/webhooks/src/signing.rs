//! Signatures by Standard Webhooks: HMAC-SHA256 over id, time and body.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a key, as Standard Webhooks has it.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that an endpoint's events are signed with. `Debug` prints `***`.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SigningKey {
    /// Reads a secret: `whsec_` and 24 to 64 bytes in base64. `None` if it is none.
    pub fn parse(secret: &str) -> Option<Self> {
        let key = BASE64_STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        LENGTHS.contains(&key.len()).then_some(Self(key))
    }

    /// `v1,` and the signature in base64.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// Value of `webhook-signature`: one for each key, so that whoever checks with any of them is content.
pub(crate) fn signatures(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    let all: Vec<_> = keys.iter().filter_map(|key| key.sign(id, timestamp, body)).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        // From the specification's own test vectors.
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let got = signatures(&[key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(got, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_a_prefix_and_enough_bytes() {
        let of = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
        for (secret, good) in [
            (of(24), true),
            (of(64), true),
            (of(23), false),
            (of(65), false),
            (of(24).replace("whsec_", ""), false),
            ("whsec_?".into(), false),
        ] {
            assert_eq!(SigningKey::parse(&secret).is_some(), good, "{secret}");
        }
        assert_eq!(format!("{:?}", SigningKey::parse(&of(24))), "Some(***)");
    }

    #[test]
    fn two_keys_make_two_signatures() {
        let keys = [1, 2].map(|byte| SigningKey(vec![byte; 32]));
        let both = signatures(&keys, "evt_1", 1, b"{}");
        let each = keys.map(|key| signatures(&[key], "evt_1", 1, b"{}"));
        assert_eq!(both.split(' ').collect::<Vec<_>>(), each);
    }
}
