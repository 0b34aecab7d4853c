//! The seal on provider-private state that clients carry: it cannot be read, altered or used by another owner.
//!
//! `or2.` and base64url of a 16-byte tag and what ChaCha20-Poly1305 makes of the state. The tag is the HMAC of owner and
//! state, and each state has a key of its own, made from it, so that nothing here is random and no nonce is used twice.
//! Without a seal, and before there was one, the text is the envelope itself (`or1.`, [`or_protocol::Envelope`]).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use or_protocol::{ENVELOPE_PREFIX, Item, SEAL_PREFIX};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;

/// Bytes of the tag, which chooses the key.
const TAG: usize = 16;
/// What stands before the state: a text as it is, or the bytes that an envelope's base64 stands for.
const TEXT: u8 = 0;
const ENVELOPE: u8 = 1;

type Key = [u8; 32];

/// The keys of a server.
#[derive(Clone, Default)]
pub struct Sealer {
    /// The first one seals, all open. None: state goes out as it is.
    keys: Vec<Key>,
}

impl Sealer {
    /// Seals with a key that follows from a secret of the server.
    pub fn of(secret: &[u8; 32]) -> Self {
        Self { keys: vec![derived(secret, b"open-responses sealed state", &[])] }
    }

    /// Seals with this key, and opens what the others sealed.
    #[must_use]
    pub fn with_first(mut self, secret: &[u8; 32]) -> Self {
        self.keys.splice(0..0, Self::of(secret).keys);
        self
    }

    /// The seal of one owner.
    pub fn of_owner(&self, owner: &str) -> Seal {
        Seal { keys: self.keys.iter().map(|key| derived(key, b"owner", owner.as_bytes())).collect() }
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({})", self.keys.len())
    }
}

/// Seals and opens the state of one owner. The default one leaves everything as it is.
#[derive(Clone, Default)]
pub struct Seal {
    keys: Vec<Key>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({})", self.keys.len())
    }
}

impl Seal {
    /// Seals a state. The same state gives the same text.
    pub fn seal(&self, state: String) -> String {
        // What cannot be sealed, which does not happen, stays what it was.
        self.keys.first().and_then(|key| sealed(key, &state)).unwrap_or(state)
    }

    /// What a sealed text holds; `None` for one that this owner's keys do not open, and for one that is not sealed.
    fn open(&self, text: &str) -> Option<String> {
        let body = text.strip_prefix(SEAL_PREFIX)?;
        self.keys.iter().find_map(|key| opened(key, body))
    }

    /// Seals what an item carries. What a provider can open itself is left to it.
    pub(crate) fn seal_item(&self, item: &mut Item) {
        change_state(item, |state| state.starts_with(ENVELOPE_PREFIX).then(|| self.seal(state.to_owned())));
    }

    /// Opens what an item carries. What does not open stays as it is: whoever reads it says what is wrong.
    pub fn open_item(&self, item: &mut Item) {
        change_state(item, |state| self.open(state));
    }
}

fn change_state(item: &mut Item, change: impl FnOnce(&str) -> Option<String>) {
    let state = match item {
        Item::Reasoning(reasoning) => reasoning.encrypted_content.as_mut(),
        Item::Compaction(compaction) => Some(&mut compaction.encrypted_content),
        Item::Other(other) => {
            if let Some(changed) = other.state().and_then(|state| change(&state)) {
                other.set_state(changed);
            }
            return;
        }
        Item::Message(_)
        | Item::FunctionCall(_)
        | Item::FunctionCallOutput(_)
        | Item::CustomToolCall(_)
        | Item::CustomToolCallOutput(_)
        | Item::ItemReference(_)
        | Item::Mcp(_) => None,
    };
    if let Some(state) = state
        && let Some(changed) = change(state)
    {
        *state = changed;
    }
}

fn sealed(key: &Key, state: &str) -> Option<String> {
    let envelope = state.strip_prefix(ENVELOPE_PREFIX).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok());
    let mut bytes = match envelope {
        Some(body) => [&[ENVELOPE], body.as_slice()].concat(),
        None => [&[TEXT], state.as_bytes()].concat(),
    };
    let tag = derived(key, b"tag", &bytes);
    let tag = tag.get(..TAG)?;
    aead(key, tag)?.seal_in_place_append_tag(nonce(), Aad::empty(), &mut bytes).ok()?;
    let mut text = SEAL_PREFIX.to_owned();
    URL_SAFE_NO_PAD.encode_string([tag, &bytes].concat(), &mut text);
    Some(text)
}

fn opened(key: &Key, body: &str) -> Option<String> {
    let mut bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
    let (tag, state) = bytes.split_at_mut_checked(TAG)?;
    let state = aead(key, tag)?.open_in_place(nonce(), Aad::empty(), state).ok()?;
    match state.split_first()? {
        (&ENVELOPE, body) => Some(format!("{ENVELOPE_PREFIX}{}", URL_SAFE_NO_PAD.encode(body))),
        (&TEXT, text) => String::from_utf8(text.to_vec()).ok(),
        _ => None,
    }
}

/// The key of one state.
fn aead(key: &Key, tag: &[u8]) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &derived(key, b"state", tag)).ok()?;
    Some(LessSafeKey::new(key))
}

/// Each key is for one state.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// A key for one use. HMAC takes keys of any length.
fn derived(key: &Key, label: &[u8], more: &[u8]) -> Key {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return *key };
    let mac = mac.chain_update([u8::try_from(label.len()).unwrap_or(u8::MAX)]);
    mac.chain_update(label).chain_update(more).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use or_protocol::{Envelope, EnvelopeError, StoredItem};
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn seal(secret: u8, owner: &str) -> Seal {
        Sealer::of(&[secret; 32]).of_owner(owner)
    }

    fn open(seal: &Seal, text: &str) -> String {
        seal.open(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn a_state_comes_back_byte_for_byte() {
        let ada = seal(1, "ada");
        for state in [
            Envelope::seal("kind", "model", "blob\u{0} ü"),
            "gAAAA=raw".into(),
            "or1.?".into(),
            String::new(),
        ] {
            let text = ada.seal(state.clone());
            assert!(text.starts_with("or2."), "{text}");
            assert_eq!(open(&ada, &text), state);
            // A restart makes the same of it.
            assert_eq!(ada.seal(state), text);
        }
    }

    #[test]
    fn a_sealed_state_is_about_as_long_as_its_envelope_and_says_nothing() {
        let state = Envelope::seal("kind", "model", &"a blob ".repeat(500));
        let text = seal(1, "ada").seal(state.clone());
        assert!(text.len() < state.len() + 64, "{} {}", text.len(), state.len());
        let bytes = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
        assert!(!bytes.windows(4).any(|part| part == b"blob" || part == b"mode"));
    }

    #[test]
    fn what_another_owner_server_or_hand_made_stays_closed() {
        let state = Envelope::seal("kind", "model", "blob");
        let text = seal(1, "ada").seal(state.clone());
        assert_ne!(seal(1, "bob").seal(state.clone()), text);
        for other in [seal(1, "bob"), seal(1, ""), seal(2, "ada"), Seal::default()] {
            assert_eq!(open(&other, &text), text);
            assert_eq!(Envelope::open(&open(&other, &text)), Err(EnvelopeError::Damaged));
        }
        let bytes = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let altered = format!("or2.{}", URL_SAFE_NO_PAD.encode(bytes));
            assert_eq!(open(&seal(1, "ada"), &altered), altered);
        }
        for cut in ["or2.", "or2.AAAA", "or2.?", &text[..text.len() - 3]] {
            assert_eq!(open(&seal(1, "ada"), cut), cut);
        }
    }

    #[test]
    fn every_item_that_carries_state_is_sealed_and_opened() {
        let state = Envelope::seal("kind", "model", "blob");
        for r#type in ["reasoning", "compaction", "other_provider_item"] {
            let item =
                json!({"type": r#type, "id": "x_1", "summary": [], "encrypted_content": state, "n": 1.50});
            let Ok(StoredItem(item)) = serde_json::from_value(item) else { panic!("{type}") };
            let mut sealed = item.clone();
            seal(1, "ada").seal_item(&mut sealed);
            assert!(json!(sealed)["encrypted_content"].as_str().unwrap().starts_with("or2."), "{type}");
            seal(1, "ada").open_item(&mut sealed);
            assert_eq!(sealed, item);
        }
    }

    #[test]
    fn a_new_key_opens_what_the_old_one_sealed() {
        let (old, new) = (Sealer::of(&[1; 32]), Sealer::of(&[1; 32]).with_first(&[2; 32]));
        let text = old.of_owner("ada").seal("x".into());
        assert_eq!(open(&new.of_owner("ada"), &text), "x");
        assert_eq!(new.of_owner("ada").seal("x".into()), seal(2, "ada").seal("x".into()));
    }

    #[test]
    fn what_is_not_sealed_stays_as_it_is() {
        let state = Envelope::seal("kind", "model", "blob");
        for text in [state.as_str(), "gAAAA", ""] {
            assert_eq!(open(&seal(1, "ada"), text), text);
            assert_eq!(Seal::default().seal(text.into()), text);
        }
    }
}
